// msgpack read in place.  cursor_check() walks bytes that nobody trusts once, allocating nothing: lengths,
// depth, a cumulative element budget, whole objects only.  What passed it can be sliced by the other
// functions, which check nothing again.  Sources: the msgpack specification; protocol limits in
// include/wherry/README.md.  Threads: any.

#ifndef CODEC_CURSOR_H
#define CODEC_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h" // text_is_utf8
#include "wherry/module.h"

enum {
	EXT_TIME = -1,   // timestamp, of msgpack itself
	EXT_TUPLE = 1,   // its elements as concatenated msgpack
	EXT_SEALED = 87, // a sealed frame
};

// What codec_limits.depth can be at most: the check keeps its levels on the stack.
enum { CODEC_DEPTH_MOST = 128 };

struct codec_limits {
	uint32_t depth;    // containers inside one another, tuples included, counted from the frame's objects
	uint32_t elements; // of all arrays, maps (two a pair) and tuples of the frame together
};

// How many objects stand after one another in `bytes`, or the first fault: WHERRY_EARG with *why a static
// sentence ("values nest too deep") and *at the offset of the object that is wrong.  Elements inside tuples
// are checked too.  why and at may be NULL.
int64_t cursor_check(wherry_span bytes, const struct codec_limits *, const char **why, size_t *at);

struct cursor {
	const uint8_t *at, *end;
};

static inline struct cursor cursor_of(wherry_span bytes)
{
	const uint8_t *ptr = bytes.ptr;
	return (struct cursor){ptr, bytes.len > 0 ? ptr + bytes.len : ptr}; // NULL + 0 is undefined in C
}

// Slices the value at the cursor into *out (its raw is its whole encoding) and steps behind it.  false at the
// end.  An ext -1 that is no valid timestamp (length, nanoseconds) is of kind EXT.
bool cursor_next(struct cursor *, wherry_value *out);

// Steps behind one value.  At the end it does nothing.
void cursor_skip(struct cursor *);
void cursor_skip_many(struct cursor *, uint64_t count); // which must be there

// The widths that fix-headers don't cover, for the functions below.
bool cursor_array_wide(struct cursor *, uint32_t *count);
bool cursor_map_wide(struct cursor *, uint32_t *pairs);
bool cursor_uint_wide(struct cursor *, uint64_t *number);
bool cursor_text_wide(struct cursor *, wherry_span *text);

// An array's header: its count, the cursor at its first element.  false (and unmoved) if it is no array.
static inline bool cursor_array(struct cursor *c, uint32_t *count)
{
	if (c->at == c->end || (*c->at & 0xf0) != 0x90)
		return cursor_array_wide(c, count);
	*count = *c->at++ & 0x0f;
	return true;
}

static inline bool cursor_map(struct cursor *c, uint32_t *pairs)
{
	if (c->at == c->end || (*c->at & 0xf0) != 0x80)
		return cursor_map_wide(c, pairs);
	*pairs = *c->at++ & 0x0f;
	return true;
}

// A non-negative integer in any width.
static inline bool cursor_uint(struct cursor *c, uint64_t *number)
{
	if (c->at == c->end || *c->at > 0x7f)
		return cursor_uint_wide(c, number);
	*number = *c->at++;
	return true;
}

// str, UTF-8 not looked at.
static inline bool cursor_text(struct cursor *c, wherry_span *text)
{
	if (c->at == c->end || (*c->at & 0xe0) != 0xa0)
		return cursor_text_wide(c, text);
	text->len = *c->at & 0x1f;
	text->ptr = c->at + 1;
	c->at += 1 + text->len;
	return true;
}

// Whether two checked encodings, of one value each, are the same value: ints and headers of any width, floats
// by value (float32 widened, -0.0 is 0.0, NaN is NaN), maps with the same pairs in any order, timestamps by
// their instant, other ext by type and bytes, tuples by their elements.  Linear in the bytes, whatever a
// client sends.
bool values_equal(wherry_span a, wherry_span b);

#endif
