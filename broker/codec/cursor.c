// Slicing of checked bytes: cursor.h.  Nothing here looks whether what a header says is there; cursor_check()
// did.

#include "codec/cursor.h"
#include "codec/shape.h"

// Behind `left` objects.  No stack: the elements of a container are only more objects to step over.  Compares
// for what requests are mostly made of, as in check.c.
static const uint8_t *behind(const uint8_t *at, uint64_t left)
{
	for (; left > 0; left--) {
		uint8_t lead = *at;
		unsigned shape = shapes[lead];
		if (lead <= 0x7f) {
			at++;
		} else if ((lead & 0xe0) == 0xa0) {
			at += 1 + (lead & 0x1f);
		} else if (shape == SHAPE_BYTES8) {
			at += 2 + at[1];
		} else if (shape <= SHAPE_FIXED) {
			at += shape;
		} else {
			uint64_t count = shape_count(shape, at);
			at += shape_header(shape) + (shape < SHAPE_FIXARRAY ? count : 0);
			left += shape < SHAPE_FIXARRAY ? 0 : shape < SHAPE_FIXMAP ? count : 2 * count;
		}
	}
	return at;
}

static uint32_t count_objects(const uint8_t *at, const uint8_t *end)
{
	uint32_t count = 0;
	for (; at < end; at = behind(at, 1))
		count++;
	return count;
}

static double float32(const uint8_t *at)
{
	uint32_t bits = be32(at);
	float number;
	memcpy(&number, &bits, sizeof(number));
	return (double)number;
}

static double float64(const uint8_t *at)
{
	uint64_t bits = be64(at);
	double number;
	memcpy(&number, &bits, sizeof(number));
	return number;
}

static void set_int(wherry_value *out, int64_t number)
{
	out->kind = WHERRY_INT;
	out->as.i = number;
}

static void set_uint(wherry_value *out, uint64_t number)
{
	out->kind = number > INT64_MAX ? WHERRY_UINT : WHERRY_INT;
	out->as.u = number;
}

static void set_real(wherry_value *out, double number)
{
	out->kind = WHERRY_REAL;
	out->as.real = number;
}

static void set_bool(wherry_value *out, bool truth)
{
	out->kind = WHERRY_BOOL;
	out->as.i = truth;
}

static void scalar(const uint8_t *at, wherry_value *out)
{
	switch (*at) {
	case 0xc0:
		out->kind = WHERRY_NIL;
		out->as.u = 0;
		return;
	case 0xc2:
	case 0xc3:
		return set_bool(out, *at == 0xc3);
	case 0xca:
		return set_real(out, float32(at + 1));
	case 0xcb:
		return set_real(out, float64(at + 1));
	case 0xcc:
		return set_int(out, at[1]);
	case 0xcd:
		return set_int(out, be16(at + 1));
	case 0xce:
		return set_int(out, be32(at + 1));
	case 0xcf:
		return set_uint(out, be64(at + 1));
	case 0xd0:
		return set_int(out, (int8_t)at[1]);
	case 0xd1:
		return set_int(out, (int16_t)be16(at + 1));
	case 0xd2:
		return set_int(out, (int32_t)be32(at + 1));
	case 0xd3:
		return set_int(out, (int64_t)be64(at + 1));
	default:
		return set_int(out, (int8_t)*at); // the fixints
	}
}

// The three encodings of the specification; anything else that says -1 stays an ext.
static bool timestamp(const uint8_t *at, uint32_t len, wherry_value *out)
{
	uint64_t ns = 0;
	int64_t seconds;
	if (len == 4) {
		seconds = be32(at);
	} else if (len == 8) {
		ns = be64(at) >> 34;
		seconds = (int64_t)(be64(at) & ((UINT64_C(1) << 34) - 1));
	} else if (len == 12) {
		ns = be32(at);
		seconds = (int64_t)be64(at + 4);
	} else {
		return false;
	}
	if (ns > 999999999)
		return false;
	out->kind = WHERRY_TIME;
	out->reserved0 = (uint32_t)ns;
	out->as.i = seconds;
	return true;
}

static void extension(const uint8_t *content, uint32_t len, wherry_value *out)
{
	int8_t type = (int8_t)content[-1];
	if (type == EXT_TIME && timestamp(content, len, out))
		return;
	out->kind = type == EXT_TUPLE ? WHERRY_TUPLE : WHERRY_EXT;
	out->reserved0 = type == EXT_TUPLE ? count_objects(content, content + len) : (uint8_t)type;
	out->as.bytes = (wherry_span){content, len};
}

static const uint8_t *wide(const uint8_t *at, unsigned shape, wherry_value *out)
{
	uint32_t count = shape_count(shape, at);
	const uint8_t *content = at + shape_header(shape), *end = content + count;
	if (shape >= SHAPE_FIXARRAY) {
		bool map = shape >= SHAPE_FIXMAP;
		end = behind(content, map ? 2 * (uint64_t)count : count);
		out->kind = map ? WHERRY_MAP : WHERRY_LIST;
		out->reserved0 = count;
	} else if (shape >= SHAPE_FIXEXT) {
		extension(content, count, out);
		return end;
	} else {
		out->kind = *at >= 0xd9 ? WHERRY_TEXT : WHERRY_BYTES;
	}
	out->as.bytes = (wherry_span){content, (size_t)(end - content)};
	return end;
}

static const uint8_t *next(const uint8_t *at, wherry_value *out)
{
	unsigned shape = shapes[*at];
	if ((*at & 0xe0) == 0xa0) {
		size_t len = *at & 0x1f;
		out->kind = WHERRY_TEXT;
		out->as.bytes = (wherry_span){at + 1, len};
		return at + 1 + len;
	}
	if (shape == SHAPE_BYTES8) {
		out->kind = *at == 0xc4 ? WHERRY_BYTES : WHERRY_TEXT;
		out->as.bytes = (wherry_span){at + 2, at[1]};
		return at + 2 + at[1];
	}
	if (shape > SHAPE_FIXED)
		return wide(at, shape, out);
	scalar(at, out);
	return at + shape;
}

bool cursor_next(struct cursor *c, wherry_value *out)
{
	const uint8_t *at = c->at;
	if (at == c->end)
		return false;
	out->reserved0 = 0;
	c->at = next(at, out);
	out->raw = (wherry_span){at, (size_t)(c->at - at)};
	return true;
}

void cursor_skip(struct cursor *c)
{
	if (c->at < c->end)
		c->at = behind(c->at, 1);
}

void cursor_skip_many(struct cursor *c, uint64_t count)
{
	c->at = behind(c->at, count);
}

// A header of one of the shapes fix, fix + 1, fix + 2.
static bool counted(struct cursor *c, unsigned fix, uint32_t *count)
{
	if (c->at == c->end)
		return false;
	unsigned shape = shapes[*c->at];
	if (shape < fix || shape > fix + 2)
		return false;
	*count = shape_count(shape, c->at);
	c->at += shape_header(shape);
	return true;
}

bool cursor_array_wide(struct cursor *c, uint32_t *count)
{
	return counted(c, SHAPE_FIXARRAY, count);
}

bool cursor_map_wide(struct cursor *c, uint32_t *pairs)
{
	return counted(c, SHAPE_FIXMAP, pairs);
}

bool cursor_uint_wide(struct cursor *c, uint64_t *number)
{
	wherry_value value;
	if (c->at == c->end || *c->at < 0xcc || *c->at > 0xd3)
		return false;
	scalar(c->at, &value);
	if (value.kind == WHERRY_INT && value.as.i < 0)
		return false;
	*number = value.as.u;
	c->at += shapes[*c->at];
	return true;
}

bool cursor_text_wide(struct cursor *c, wherry_span *text)
{
	if (c->at == c->end || *c->at < 0xd9 || *c->at > 0xdb)
		return false;
	wherry_value value;
	c->at = wide(c->at, shapes[*c->at], &value);
	*text = value.as.bytes;
	return true;
}
