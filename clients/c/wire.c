// wire.h: msgpack by its first bytes.

#include "wire.h"

// What the first byte of a value says: `each` 0: so many bytes follow; 1 or 2: elements, of an array, or pairs of a map.
// The number is the sum of the first byte's own bits under `mask`, of `fixed`, and of the next `width` bytes.
struct shape {
	uint8_t mask, fixed, width, each;
	bool bad;
};

// Those that are not here are a byte and nothing else.
static const struct shape shapes[256] = {
    [0x80 ... 0x8f] = {.mask = 15, .each = 2}, // short maps, arrays, texts
    [0x90 ... 0x9f] = {.mask = 15, .each = 1},
    [0xa0 ... 0xbf] = {.mask = 31},
    [0xc1] = {.bad = true},
    [0xc4] = {.width = 1}, // bin
    [0xc5] = {.width = 2},
    [0xc6] = {.width = 4},
    [0xc7] = {.width = 1, .fixed = 1}, // ext: the type is a byte more
    [0xc8] = {.width = 2, .fixed = 1},
    [0xc9] = {.width = 4, .fixed = 1},
    [0xca] = {.fixed = 4}, // numbers
    [0xcb] = {.fixed = 8},
    [0xcc] = {.fixed = 1},
    [0xcd] = {.fixed = 2},
    [0xce] = {.fixed = 4},
    [0xcf] = {.fixed = 8},
    [0xd0] = {.fixed = 1},
    [0xd1] = {.fixed = 2},
    [0xd2] = {.fixed = 4},
    [0xd3] = {.fixed = 8},
    [0xd4] = {.fixed = 2}, // fixext
    [0xd5] = {.fixed = 3},
    [0xd6] = {.fixed = 5},
    [0xd7] = {.fixed = 9},
    [0xd8] = {.fixed = 17},
    [0xd9] = {.width = 1}, // str
    [0xda] = {.width = 2},
    [0xdb] = {.width = 4},
    [0xdc] = {.width = 2, .each = 1},
    [0xdd] = {.width = 4, .each = 1},
    [0xde] = {.width = 2, .each = 2},
    [0xdf] = {.width = 4, .each = 2},
};

struct head {
	unsigned size;     // of the head itself
	uint64_t payload;  // bytes behind it
	uint64_t elements; // values behind it
	bool bad;
};

static inline struct head head_of(struct run r)
{
	const struct shape *s = &shapes[r.at[0]];
	if (s->bad || r.len < 1U + s->width)
		return (struct head){.bad = true};
	uint64_t number = (r.at[0] & s->mask) + s->fixed + (s->width == 0 ? 0 : get_be(r.at + 1, s->width));
	return (struct head){.size = 1U + s->width, .payload = s->each == 0 ? number : 0, .elements = s->each * number};
}

static void skip(struct run *r, size_t count)
{
	r->at += count;
	r->len -= count;
}

size_t wire_measure(struct run whole, struct wire_shape *shape)
{
	uint64_t left[WIRE_DEPTH];
	unsigned depth = 0, deepest = 0;
	struct run r = whole;
	left[0] = 1;
	for (;;) {
		while (left[depth] == 0) {
			if (depth == 0) {
				shape->depth = deepest > shape->depth ? deepest : shape->depth;
				return whole.len - r.len;
			}
			depth--;
		}
		left[depth]--;
		struct head h = r.len == 0 ? (struct head){.bad = true} : head_of(r);
		if (h.bad || h.size > r.len || h.payload > r.len - h.size || h.elements > r.len - h.size)
			return 0;
		skip(&r, h.size + (size_t)h.payload);
		if (h.elements == 0)
			continue;
		if (++depth == WIRE_DEPTH)
			return 0;
		deepest = depth > deepest ? depth : deepest;
		left[depth] = h.elements;
		shape->elements += h.elements;
	}
}

// Most are no array and no map.
size_t wire_value(struct run whole)
{
	struct wire_shape unused = {0};
	if (whole.len == 0)
		return 0;
	struct head h = head_of(whole);
	if (!h.bad && h.elements == 0)
		return h.payload <= whole.len - h.size ? h.size + (size_t)h.payload : 0;
	return wire_measure(whole, &unused);
}

bool wire_is_array(struct run r)
{
	return r.len > 0 && ((r.at[0] & 0xf0) == 0x90 || r.at[0] == 0xdc || r.at[0] == 0xdd);
}

bool wire_is_map(struct run r)
{
	return r.len > 0 && ((r.at[0] & 0xf0) == 0x80 || r.at[0] == 0xde || r.at[0] == 0xdf);
}

bool wire_is_nil(struct run r)
{
	return r.len == 1 && r.at[0] == 0xc0;
}

// --- reading values that wire_value() found whole -----------------------------------------------------------------------

struct run wire_take_value(struct run *r)
{
	struct run value = {r->at, wire_value(*r)};
	skip(r, value.len);
	return value;
}

static bool take_heads(struct run *r, bool (*is)(struct run), uint64_t *count)
{
	if (!is(*r))
		return false;
	struct head h = head_of(*r);
	*count = h.elements;
	skip(r, h.size);
	return true;
}

bool wire_take_array(struct run *r, uint64_t *count)
{
	return take_heads(r, wire_is_array, count);
}

bool wire_take_text(struct run *r, struct run *text)
{
	if (r->len == 0 || ((r->at[0] & 0xe0) != 0xa0 && (r->at[0] < 0xd9 || r->at[0] > 0xdb)))
		return false;
	struct head h = head_of(*r);
	*text = (struct run){r->at + h.size, (size_t)h.payload};
	skip(r, h.size + (size_t)h.payload);
	return true;
}

bool wire_take_map(struct run *r, uint64_t *pairs)
{
	uint64_t values;
	if (!take_heads(r, wire_is_map, &values))
		return false;
	*pairs = values / 2;
	return true;
}

bool wire_is_text(struct run r, const char *text)
{
	return r.len == strlen(text) && memcmp(r.at, text, r.len) == 0;
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

bool wire_take_uint(struct run *r, uint64_t *number)
{
	struct run rest = *r;
	int64_t read;
	bool large = r->len > 0 && r->at[0] == 0xcf;
	if (!take_int(&rest, &read) || (read < 0 && !large))
		return false;
	*number = (uint64_t)read;
	*r = rest;
	return true;
}

static bool read_response(struct run *r, struct wire_object *o)
{
	int64_t id;
	o->kind = WIRE_RESPONSE;
	o->has_id = take_int(r, &id);
	o->id = o->has_id ? (uint32_t)id : 0;
	if (!o->has_id && !wire_is_nil(wire_take_value(r)))
		return false;
	if (o->has_id && (id < 0 || id > UINT32_MAX))
		return false;
	o->error = wire_take_value(r);
	o->result = wire_take_value(r);
	return true;
}

static bool read_note(struct run *r, struct wire_object *o)
{
	o->kind = WIRE_NOTE;
	if (!wire_take_text(r, &o->method))
		return false;
	o->params = wire_take_value(r);
	return wire_is_array(o->params);
}

// A response as every broker writes it: walked once, not for the whole and again for its parts.
static bool take_response(struct run *frame, struct wire_object *o)
{
	struct run r = *frame;
	if (r.len < 3 || r.at[0] != 0x94 || r.at[1] != 1)
		return false;
	skip(&r, 2);
	unsigned b = r.at[0], width = b >= 0xcc && b <= 0xce ? 1u << (b & 3) : 0;
	if (r.len < 1 + width || (width == 0 && b > 0x7f))
		return false;
	o->id = width == 0 ? b : (uint32_t)get_be(r.at + 1, width);
	skip(&r, 1 + width);
	o->error = wire_take_value(&r);
	o->result = wire_take_value(&r);
	o->kind = WIRE_RESPONSE;
	o->has_id = true;
	*frame = r;
	return o->error.len > 0 && o->result.len > 0;
}

bool wire_next(struct run *frame, struct wire_object *o)
{
	uint64_t count;
	int64_t kind;
	struct run rest = *frame;
	*o = (struct wire_object){.kind = WIRE_OTHER};
	if (take_response(&rest, o)) {
		*frame = rest;
		return true;
	}
	*o = (struct wire_object){.kind = WIRE_OTHER};
	struct run r = wire_take_value(frame);
	if (r.len == 0 || !wire_take_array(&r, &count) || count < 3 || !take_int(&r, &kind))
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
	if (!wire_take_array(&r, &count) || count < 3 || !take_int(&r, &e->code) || !wire_take_text(&r, &e->name) ||
	    !wire_take_text(&r, &e->text))
		return false;
	if (count > 3)
		e->details = wire_take_value(&r);
	return e->code < 0 && e->code >= INT32_MIN;
}

// --- requests -----------------------------------------------------------------------------------------------------------

enum { SHORT_NAME = 31, HEAD = 7 }; // of a fixstr; before the method: array, 0, the id

size_t wire_request_size(const struct wire_request *q)
{
	size_t method = q->method.len + (q->method.len <= SHORT_NAME ? 1 : 3);
	return HEAD + method + (q->params.len > 0 ? q->params.len : 1) + q->options.len;
}

size_t wire_request_write(const struct wire_request *q, uint8_t *to)
{
	struct bytes out = {.data = to};
	bytes_byte(&out, q->options.len > 0 ? 0x95 : 0x94);
	bytes_byte(&out, 0);
	bytes_byte(&out, 0xce);
	bytes_be(&out, 0, 4);
	if (q->method.len <= SHORT_NAME) {
		bytes_byte(&out, 0xa0 | (unsigned)q->method.len);
	} else {
		bytes_byte(&out, 0xda);
		bytes_be(&out, q->method.len, 2);
	}
	bytes_put(&out, q->method.at, q->method.len);
	if (q->params.len > 0)
		bytes_put(&out, q->params.at, q->params.len);
	else
		bytes_byte(&out, 0x90);
	bytes_put(&out, q->options.at, q->options.len);
	return out.len;
}

struct run wire_method(struct run r)
{
	struct run method = {0};
	skip(&r, HEAD);
	wire_take_text(&r, &method);
	return method;
}

bool wire_first_text(struct run r, struct run *text)
{
	uint64_t count;
	skip(&r, HEAD);
	wire_take_value(&r);
	return wire_take_array(&r, &count) && count > 0 && wire_take_text(&r, text);
}

// --- sys.commands -------------------------------------------------------------------------------------------------------

static bool take_command(struct run *r, struct run *name, struct run *verb)
{
	uint64_t pairs;
	struct run key, value;
	if (!wire_take_map(r, &pairs))
		return false;
	for (; pairs > 0; pairs--) {
		if (!wire_take_text(r, &key))
			return false;
		value = wire_take_value(r);
		if (wire_is_text(key, "name") && !wire_take_text(&value, name))
			return false;
		if (wire_is_text(key, "verb") && !wire_take_text(&value, verb))
			return false;
	}
	return true;
}

bool wire_commands(struct run r, wire_command *each, void *arg)
{
	uint64_t count;
	if (!wire_take_array(&r, &count))
		return false;
	for (; count > 0; count--) {
		struct run name = {0}, verb = {0};
		if (!take_command(&r, &name, &verb))
			return false;
		if (!each(arg, name, verb))
			return true;
	}
	return true;
}
