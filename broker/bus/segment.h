// Messages one after another as they go over the wire: encoded once, shared by all whose outboxes hold them.  Threads: one
// fills it, under the bus's lock; sealed, it is only read.

#ifndef BUS_SEGMENT_H
#define BUS_SEGMENT_H

#include <stdatomic.h>

#include "base/buffer.h"

enum { SEGMENT_MESSAGES = 512, SEGMENT_BYTES = 64 * 1024 };

struct segment {
	atomic_uint refs;
	uint32_t count;
	struct buffer bytes;
	uint32_t end[SEGMENT_MESSAGES]; // of each message
};

struct segment *segment_new(void); // NULL: no memory
void segment_drop(struct segment *);
// [topic, payload, headers].  false: no memory, and it is as before.
bool segment_add(struct segment *, wherry_span topic, wherry_span payload, wherry_span headers);
// The same of a message that was kept: its headers say so, {"retained": true} among them.
bool segment_add_retained(struct segment *, wherry_span topic, wherry_span payload, wherry_span headers);
// A message of SP's: `body`; where that is empty, the topic, a zero byte, the payload.
bool segment_add_frame(struct segment *, bool marked, wherry_span topic, wherry_span payload, wherry_span body);
static inline bool segment_full(const struct segment *s)
{
	return s->count == SEGMENT_MESSAGES || s->bytes.len >= SEGMENT_BYTES;
}
static inline void segment_hold(struct segment *s, unsigned more)
{
	atomic_fetch_add_explicit(&s->refs, more, memory_order_relaxed);
}
static inline uint32_t segment_begin(const struct segment *s, uint32_t message)
{
	return message == 0 ? 0 : s->end[message - 1];
}
static inline uint64_t segment_bytes(const struct segment *s, uint32_t from, uint32_t to)
{
	return from == to ? 0 : s->end[to - 1] - segment_begin(s, from);
}
wherry_span segment_topic(const struct segment *, uint32_t message); // of one that is no frame

#endif
