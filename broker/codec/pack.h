// Answers, packed by msgpack-c into a buffer.  `struct wherry_out` is what modules know as wherry_out.
// Threads: the one that runs the request.

#ifndef CODEC_PACK_H
#define CODEC_PACK_H

#include <stdbool.h>

#include "base/buffer.h"

// Where the commit's revision has to be filled in, once it is known.
struct revision_spots {
	size_t *at;
	size_t count, room;
};

struct wherry_out {
	struct buffer *buffer;
	struct revision_spots *spots; // NULL: revision() writes 0
};

void pack_nil(wherry_out *);
void pack_bool(wherry_out *, int32_t);
void pack_int(wherry_out *, int64_t);
void pack_uint(wherry_out *, uint64_t);
void pack_real(wherry_out *, double);
void pack_text(wherry_out *, wherry_span);
void pack_cstring(wherry_out *, const char *);
void pack_bytes(wherry_out *, wherry_span);
void pack_array(wherry_out *, uint32_t count);
void pack_map(wherry_out *, uint32_t pairs);
void pack_ext(wherry_out *, int32_t type, wherry_span);
void pack_raw(wherry_out *, wherry_span);
void pack_revision(wherry_out *); // a uint64 in nine bytes, patched by pack_patch_revisions

void pack_patch_revisions(wherry_out *, uint64_t revision); // and forgets the spots
void revision_spots_free(struct revision_spots *);

extern const struct wherry_write pack_table; // the functions above, as the ABI's table

// [1, id, nil, and then the caller packs the result.  64-bit ids are never met: ids are < 2^32.
void pack_response_head(struct buffer *, uint32_t id);
// [code, name, text, details].  `text` NULL: the status's own.  retry_ms >= 0, index >= 0, did_you_mean != NULL go into
// the details map.
struct pack_error {
	int status;
	const char *text;
	int64_t retry_ms, index;
	const char *did_you_mean;
};
void pack_error(wherry_out *, const struct pack_error *);
// A whole response that is an error.  has_id false: id is nil.
void pack_error_response(struct buffer *, bool has_id, uint32_t id, const struct pack_error *);

#endif
