// As much of msgpack as an answer needs.  Whatever is malformed ends the program.

#ifndef BENCH_MSGPACK_H
#define BENCH_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What is left of some bytes.  A read from too few of them sets `more` and answers 0.
struct unpack {
	const uint8_t *at, *end;
	bool more;
};

struct chunk {
	const uint8_t *ptr;
	size_t len;
};

uint64_t unpack_uint(struct unpack *);
size_t unpack_array(struct unpack *);                           // how many elements follow
size_t unpack_map(struct unpack *);                             // how many pairs follow
struct chunk unpack_text(struct unpack *);                      // str or bin
struct chunk unpack_raw(struct unpack *);                       // any value, as it stands there
bool unpack_is(struct unpack *, const void *bytes, size_t len); // and goes on behind it; false: it stays
bool chunk_is(struct chunk, const char *text);

// Each answers how many bytes it has written.
size_t pack_bin_head(uint8_t *, size_t len);
size_t pack_str_head(uint8_t *, size_t len);
size_t pack_array_head(uint8_t *, size_t count);
size_t pack_uint(uint8_t *, uint64_t n);

#endif
