// A growing byte buffer.  A failed growth is remembered in `failed` and makes all later appends do nothing, so a
// writer checks once, at the end.  Threads: its owner's.

#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wherry/module.h"

struct buffer {
	uint8_t *data;
	size_t len, room;
	bool failed;
};

bool buffer_grow(struct buffer *, size_t more); // room for `more` bytes behind len; doubles
void buffer_free(struct buffer *);              // and empties it
void buffer_trim(struct buffer *, size_t keep); // empties it; gives memory back if room > keep

static inline bool buffer_reserve(struct buffer *b, size_t more)
{
	if (b->failed)
		return false;
	return more <= b->room - b->len || buffer_grow(b, more);
}

static inline void buffer_append(struct buffer *b, const void *bytes, size_t len)
{
	if (len == 0 || !buffer_reserve(b, len))
		return;
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
}

static inline void buffer_byte(struct buffer *b, uint8_t byte)
{
	if (!buffer_reserve(b, 1))
		return;
	b->data[b->len++] = byte;
}

// Empties it, keeping its memory.
static inline void buffer_clear(struct buffer *b)
{
	b->len = 0;
	b->failed = false;
}

static inline wherry_span buffer_span(const struct buffer *b)
{
	return (wherry_span){b->data, b->len};
}

static inline wherry_span span_of(const void *ptr, size_t len)
{
	return (wherry_span){ptr, len};
}

static inline wherry_span span_text(const char *text)
{
	return (wherry_span){text, strlen(text)};
}

static inline bool span_equal(wherry_span a, wherry_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// memcmp order, the shorter first.
int span_compare(wherry_span a, wherry_span b);

#endif
