// Bytes that grow, and MessagePack into them: for what is put together before it is known how much it will be.
// Threads: the one whose it is.

#ifndef QUEUE_BYTES_H
#define QUEUE_BYTES_H

#include "queue.h"

struct bytes {
	const struct queues *all;
	uint8_t *ptr;
	size_t len, room;
	bool failed; // no memory: what was added since is not in it
	uint8_t first[1024];
};

void bytes_open(struct bytes *, const struct queues *);
void bytes_free(struct bytes *);
void bytes_add(struct bytes *, const void *, size_t len);
void bytes_uint(struct bytes *, uint64_t);
void bytes_text(struct bytes *, wherry_span);
void bytes_blob(struct bytes *, wherry_span);
void bytes_array(struct bytes *, uint32_t count);
void bytes_map(struct bytes *, uint32_t pairs);
void bytes_time(struct bytes *, int64_t ms); // an int; nil if it is 0

#define BYTES_LITERAL(b, text) bytes_add((b), (text), sizeof(text) - 1) // already encoded
#define BYTES_CSTRING(b, text) bytes_text((b), (wherry_span){(text), sizeof(text) - 1})

static inline wherry_span bytes_span(const struct bytes *b)
{
	return (wherry_span){b->ptr, b->len};
}

#endif
