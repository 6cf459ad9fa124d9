// The border: cursor_check() of cursor.h.  Iterative, no allocation, each byte of a header looked at once.
//
// A container is a level: where it ends and how many objects it still lacks.  An array or map lacks what its
// header said and ends where what it stands in ends; a frame or a tuple lacks ENDLESS objects and ends at its
// last byte.

#include "codec/cursor.h"
#include "codec/shape.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define ENDLESS UINT64_MAX
#define LEAST_ENDLESS (ENDLESS - UINT64_C(0xffffffffff)) // more objects than fit in any memory have to be taken off

static const char cut_short[] = "an object is cut short";
static const char overcounted[] = "an array or map says more elements than the frame has bytes";
static const char unknown[] = "the byte 0xc1 begins no object";
static const char too_deep[] = "values nest too deep";
static const char too_many[] = "too many elements in one frame";

struct level {
	const uint8_t *end;
	uint64_t lacks;
};

struct walk {
	const uint8_t *at;
	struct level in; // the innermost container
	uint32_t depth, depth_most;
	uint64_t budget;
	const char *why;
	// CODEC_DEPTH_MOST of them; not in here, so that the compiler keeps the rest in registers.
	struct level *outer;
};

ALWAYS_INLINE bool enter(struct walk *w, struct level inner)
{
	if (w->depth == w->depth_most) {
		w->why = too_deep;
		return false;
	}
	w->outer[w->depth++] = w->in;
	w->in = inner;
	return true;
}

ALWAYS_INLINE bool spend(struct walk *w, uint64_t elements)
{
	if (elements > w->budget) {
		w->why = too_many;
		return false;
	}
	w->budget -= elements;
	return true;
}

ALWAYS_INLINE bool elements(struct walk *w, unsigned shape, uint32_t header)
{
	uint64_t count = shape_count(shape, w->at);
	if (shape >= SHAPE_FIXMAP)
		count *= 2;
	if (count > (uint64_t)(w->in.end - w->at) - header) {
		w->why = overcounted;
		return false;
	}
	if (!spend(w, count) || !enter(w, (struct level){w->in.end, count}))
		return false;
	w->at += header;
	return true;
}

ALWAYS_INLINE bool content(struct walk *w, unsigned shape, uint32_t header)
{
	uint64_t count = shape_count(shape, w->at);
	if (count > (uint64_t)(w->in.end - w->at) - header) {
		w->why = cut_short;
		return false;
	}
	const uint8_t *begin = w->at + header, *end = begin + count;
	if (shape >= SHAPE_FIXEXT && (int8_t)begin[-1] == EXT_TUPLE) {
		if (!enter(w, (struct level){end, ENDLESS}))
			return false;
		w->at = begin;
		return true;
	}
	w->at = end;
	return true;
}

// What requests are mostly made of, told by compares, which the processor guesses ahead; by the table alone
// each object would wait for the bytes of the one before.  false: not one of these, or not all there.
ALWAYS_INLINE bool quick(struct walk *w)
{
	uint8_t lead = *w->at;
	uint32_t size = (lead & 0xe0) == 0xa0 ? 1 + (lead & 0x1fu) : 1;
	if ((lead > 0x7f && (lead & 0xe0) != 0xa0) || size > (uint64_t)(w->in.end - w->at))
		return false;
	w->in.lacks--;
	w->at += size;
	return true;
}

ALWAYS_INLINE bool object(struct walk *w)
{
	unsigned shape = shapes[*w->at];
	uint64_t room = (uint64_t)(w->in.end - w->at);
	if (shape == SHAPE_NONE || (shape > SHAPE_FIXED ? shape_header(shape) : shape) > room) {
		w->why = shape == SHAPE_NONE ? unknown : cut_short;
		return false;
	}
	w->in.lacks--;
	switch (shape) { // constants, so that what is known of a shape is compiled in
	case SHAPE_FIXARRAY:
		return elements(w, SHAPE_FIXARRAY, 1);
	case SHAPE_FIXMAP:
		return elements(w, SHAPE_FIXMAP, 1);
	case SHAPE_BYTES8:
		return content(w, SHAPE_BYTES8, 2);
	case SHAPE_BYTES16:
		return content(w, SHAPE_BYTES16, 3);
	default:
		break;
	}
	if (shape > SHAPE_FIXED)
		return shape >= SHAPE_FIXARRAY ? elements(w, shape, shape_header(shape))
					       : content(w, shape, shape_header(shape));
	w->at += shape;
	return true;
}

// The innermost container has all its objects, or its bytes are used up.
ALWAYS_INLINE bool leave(struct walk *w)
{
	if (w->in.lacks >= LEAST_ENDLESS) {
		if (!spend(w, ENDLESS - w->in.lacks))
			return false;
	} else if (w->in.lacks > 0) {
		w->why = cut_short;
		return false;
	}
	w->in = w->outer[--w->depth];
	return true;
}

ALWAYS_INLINE bool walk(struct walk *w)
{
	for (;;) {
		while (w->in.lacks > 0 && w->at < w->in.end)
			if (!quick(w) && !object(w))
				return false;
		if (w->depth == 0)
			return true;
		if (!leave(w))
			return false;
	}
}

int64_t cursor_check(wherry_span bytes, const struct codec_limits *limits, const char **why, size_t *at)
{
	struct cursor c = cursor_of(bytes);
	struct level outer[CODEC_DEPTH_MOST];
	struct walk w = {.at = c.at, .in = {c.end, ENDLESS}, .budget = limits->elements, .outer = outer};
	w.depth_most = limits->depth < CODEC_DEPTH_MOST ? limits->depth : CODEC_DEPTH_MOST;
	if (walk(&w))
		return (int64_t)(ENDLESS - w.in.lacks);
	if (why != NULL)
		*why = w.why;
	if (at != NULL)
		*at = (size_t)(w.at - c.at);
	return WHERRY_EARG;
}
