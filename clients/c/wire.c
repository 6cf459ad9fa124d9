#include "wire.h"

// What the first byte of a value says: a width in bytes of a length that follows, plain bytes behind it, elements.
struct head {
	unsigned size;     // of the head itself
	uint64_t payload;  // bytes behind it
	uint64_t elements; // values behind it
	bool bad;
};

static struct head sized(struct run r, unsigned width, unsigned extra)
{
	if (r.len < 1 + width)
		return (struct head){.bad = true};
	return (struct head){.size = 1 + width, .payload = get_be(r.at + 1, width) + extra};
}

static struct head counted(struct run r, unsigned width, unsigned each)
{
	if (r.len < 1 + width)
		return (struct head){.bad = true};
	return (struct head){.size = 1 + width, .elements = get_be(r.at + 1, width) * each};
}

// The byte after the length is the type of an ext.
static struct head head_of(struct run r)
{
	unsigned b = r.at[0];
	if (b <= 0x7f || b >= 0xe0 || b == 0xc0 || b == 0xc2 || b == 0xc3)
		return (struct head){.size = 1};
	if (b <= 0x8f)
		return (struct head){.size = 1, .elements = 2 * (b & 15)};
	if (b <= 0x9f)
		return (struct head){.size = 1, .elements = b & 15};
	if (b <= 0xbf)
		return (struct head){.size = 1, .payload = b & 31};
	if (b >= 0xc4 && b <= 0xc6)
		return sized(r, 1u << (b - 0xc4), 0);
	if (b >= 0xc7 && b <= 0xc9)
		return sized(r, 1u << (b - 0xc7), 1);
	if (b == 0xca || b == 0xcb)
		return (struct head){.size = 1, .payload = b == 0xca ? 4 : 8};
	if (b >= 0xcc && b <= 0xd3)
		return (struct head){.size = 1, .payload = 1u << (b & 3)};
	if (b >= 0xd4 && b <= 0xd8)
		return (struct head){.size = 1, .payload = (1u << (b - 0xd4)) + 1};
	if (b >= 0xd9 && b <= 0xdb)
		return sized(r, 1u << (b - 0xd9), 0);
	if (b == 0xdc || b == 0xdd)
		return counted(r, b == 0xdc ? 2 : 4, 1);
	if (b == 0xde || b == 0xdf)
		return counted(r, b == 0xde ? 2 : 4, 2);
	return (struct head){.bad = true};
}

static void skip(struct run *r, size_t count)
{
	r->at += count;
	r->len -= count;
}

size_t wire_value(struct run whole)
{
	uint64_t left[WIRE_DEPTH] = {1};
	unsigned depth = 0;
	struct run r = whole;
	for (;;) {
		while (left[depth] == 0) {
			if (depth == 0)
				return whole.len - r.len;
			depth--;
		}
		left[depth]--;
		struct head h = r.len == 0 ? (struct head){.bad = true} : head_of(r);
		if (h.bad || h.payload > r.len - h.size || h.elements > r.len - h.size)
			return 0;
		skip(&r, h.size + (size_t)h.payload);
		if (h.elements == 0)
			continue;
		if (++depth == WIRE_DEPTH)
			return 0;
		left[depth] = h.elements;
	}
}

bool wire_is_array(struct run r)
{
	return r.len > 0 && ((r.at[0] & 0xf0) == 0x90 || r.at[0] == 0xdc || r.at[0] == 0xdd) && wire_value(r) == r.len;
}

bool wire_is_map(struct run r)
{
	return r.len > 0 && ((r.at[0] & 0xf0) == 0x80 || r.at[0] == 0xde || r.at[0] == 0xdf) && wire_value(r) == r.len;
}

bool wire_is_nil(struct run r)
{
	return r.len == 1 && r.at[0] == 0xc0;
}

// --- reading values that wire_value() found whole -----------------------------------------------------------------------

static struct run take_value(struct run *r)
{
	struct run value = {r->at, wire_value(*r)};
	skip(r, value.len);
	return value;
}

static bool take_array(struct run *r, uint64_t *count)
{
	if (r->len == 0 || ((r->at[0] & 0xf0) != 0x90 && r->at[0] != 0xdc && r->at[0] != 0xdd))
		return false;
	struct head h = head_of(*r);
	*count = h.elements;
	skip(r, h.size);
	return true;
}

static bool take_text(struct run *r, struct run *text)
{
	if (r->len == 0 || ((r->at[0] & 0xe0) != 0xa0 && (r->at[0] < 0xd9 || r->at[0] > 0xdb)))
		return false;
	struct head h = head_of(*r);
	*text = (struct run){r->at + h.size, (size_t)h.payload};
	skip(r, h.size + (size_t)h.payload);
	return true;
}

static bool take_int(struct run *r, int64_t *number)
{
	if (r->len == 0)
		return false;
	unsigned b = r->at[0];
	if (b <= 0x7f || b >= 0xe0) {
		*number = (int8_t)b;
		skip(r, 1);
		return true;
	}
	if (b < 0xcc || b > 0xd3)
		return false;
	unsigned width = 1u << (b & 3);
	uint64_t raw = get_be(r->at + 1, width);
	unsigned shift = 64 - 8 * width;
	*number = b >= 0xd0 ? (int64_t)(raw << shift) >> shift : (int64_t)raw;
	skip(r, 1 + width);
	return true;
}

static bool read_response(struct run *r, struct wire_object *o)
{
	int64_t id;
	o->kind = WIRE_RESPONSE;
	o->has_id = take_int(r, &id);
	o->id = o->has_id ? (uint32_t)id : 0;
	if (!o->has_id && !wire_is_nil(take_value(r)))
		return false;
	if (o->has_id && (id < 0 || id > UINT32_MAX))
		return false;
	o->error = take_value(r);
	o->result = take_value(r);
	return true;
}

static bool read_note(struct run *r, struct wire_object *o)
{
	o->kind = WIRE_NOTE;
	if (!take_text(r, &o->method))
		return false;
	o->params = take_value(r);
	return wire_is_array(o->params);
}

bool wire_next(struct run *frame, struct wire_object *o)
{
	uint64_t count;
	int64_t kind;
	*o = (struct wire_object){.kind = WIRE_OTHER};
	struct run r = take_value(frame);
	if (r.len == 0 || !take_array(&r, &count) || count < 3 || !take_int(&r, &kind))
		return false;
	if (kind == 1)
		return count == 4 && read_response(&r, o);
	if (kind == 2)
		return read_note(&r, o);
	return true;
}

bool wire_error(struct run r, struct wire_error *e)
{
	uint64_t count;
	*e = (struct wire_error){.code = 0};
	if (!take_array(&r, &count) || count < 3 || !take_int(&r, &e->code) || !take_text(&r, &e->name) ||
	    !take_text(&r, &e->text))
		return false;
	if (count > 3)
		e->details = take_value(&r);
	return e->code < 0 && e->code >= INT32_MIN;
}

bool wire_request(struct bytes *out, size_t *id_at, struct run method, struct run params, struct run options)
{
	enum { HEADS = 16 };
	if (!bytes_reserve(out, HEADS + method.len + params.len + options.len))
		return false;
	bytes_byte(out, options.len > 0 ? 0x95 : 0x94);
	bytes_byte(out, 0);
	bytes_byte(out, 0xce);
	*id_at = out->len;
	bytes_be(out, 0, 4);
	bytes_byte(out, 0xda);
	bytes_be(out, method.len, 2);
	bytes_put(out, method.at, method.len);
	if (params.len > 0)
		bytes_put(out, params.at, params.len);
	else
		bytes_byte(out, 0x90);
	bytes_put(out, options.at, options.len);
	return true;
}
