// Canonical keys: key.h.

#include "codec/key.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "codec/cursor.h"
#include "codec/shape.h"

enum { HEADER_MOST = 9 }; // a whole int or float; a header is shorter

static size_t put_int(uint8_t *at, int64_t number)
{
	if (number >= 0)
		return put_uint(at, (uint64_t)number);
	if (number >= -32)
		return put_be(at, (uint8_t)number, 0, 0);
	if (number >= INT8_MIN)
		return put_be(at, 0xd0, (uint64_t)number, 1);
	if (number >= INT16_MIN)
		return put_be(at, 0xd1, (uint64_t)number, 2);
	if (number >= INT32_MIN)
		return put_be(at, 0xd2, (uint64_t)number, 4);
	return put_be(at, 0xd3, (uint64_t)number, 8);
}

static size_t put_real(uint8_t *at, double number)
{
	uint64_t bits;
	number = number == 0 ? 0 : number; // -0.0 too
	memcpy(&bits, &number, sizeof(bits));
	return put_be(at, 0xcb, bits, 8);
}

static size_t put_bytes_header(uint8_t *at, size_t len, uint8_t lead8)
{
	if (len <= UINT8_MAX)
		return put_be(at, lead8, len, 1);
	if (len <= UINT16_MAX)
		return put_be(at, lead8 + 1, len, 2);
	return put_be(at, lead8 + 2, len, 4);
}

static size_t put_tuple_header(uint8_t *at, size_t len)
{
	static const uint8_t fixext[17] = {[1] = 0xd4, [2] = 0xd5, [4] = 0xd6, [8] = 0xd7, [16] = 0xd8};
	size_t header = len <= 16 && fixext[len] != 0 ? put_be(at, fixext[len], 0, 0) : put_bytes_header(at, len, 0xc7);
	at[header] = EXT_TUPLE;
	return header + 1;
}

// What stands in front of the content (TEXT, BYTES, TUPLE), or all of it.
static size_t put_header(uint8_t *at, const wherry_value *value, size_t content)
{
	switch (value->kind) {
	case WHERRY_INT:
		return put_int(at, value->as.i);
	case WHERRY_UINT:
		return put_uint(at, value->as.u);
	case WHERRY_REAL:
		return put_real(at, value->as.real);
	case WHERRY_TEXT:
		return content < 32 ? put_be(at, (uint8_t)(0xa0 | content), 0, 0) : put_bytes_header(at, content, 0xd9);
	case WHERRY_BYTES:
		return put_bytes_header(at, content, 0xc4);
	default:
		return put_tuple_header(at, content);
	}
}

static const char *kind_fault(const wherry_value *value)
{
	switch (value->kind) {
	case WHERRY_REAL:
		return isnan(value->as.real) ? "NaN can't be a key" : NULL;
	case WHERRY_ABSENT:
		return "what is not there can't be a key";
	case WHERRY_NIL:
		return "nil can't be a key";
	case WHERRY_BOOL:
		return "a bool can't be a key";
	case WHERRY_LIST:
		return "a list can't be a key";
	case WHERRY_MAP:
		return "a map can't be a key";
	case WHERRY_TIME:
		return "a timestamp can't be a key";
	case WHERRY_EXT:
		return "an ext value can't be a key";
	default:
		return NULL;
	}
}

struct making {
	struct buffer *out;
	size_t most; // out->len must not pass it
	const char *why;
};

static int add(struct making *m, const void *bytes, size_t len)
{
	if (m->out->len > m->most || len > m->most - m->out->len)
		return WHERRY_ELIMIT;
	buffer_append(m->out, bytes, len);
	return m->out->failed ? WHERRY_ENOMEM : WHERRY_OK;
}

static int make(struct making *m, const wherry_value *value);

// The elements first, then the header in front of them: their canonical length is not known before.  Each
// byte moves once a level; limit and depth bound that.
static int make_tuple(struct making *m, const wherry_value *tuple)
{
	uint8_t header[HEADER_MOST];
	size_t begin = m->out->len;
	struct cursor c = cursor_of(tuple->as.bytes);
	for (wherry_value element; cursor_next(&c, &element);) {
		int status = make(m, &element);
		if (status != WHERRY_OK)
			return status;
	}
	size_t content = m->out->len - begin;
	size_t header_len = put_header(header, tuple, content);
	int status = add(m, header, header_len);
	if (status != WHERRY_OK)
		return status;
	uint8_t *at = m->out->data + begin;
	memmove(at + header_len, at, content);
	memcpy(at, header, header_len);
	return WHERRY_OK;
}

// Recursive, as deep as cursor_check() let tuples nest.
static int make(struct making *m, const wherry_value *value)
{
	m->why = kind_fault(value);
	if (m->why != NULL)
		return WHERRY_EARG;
	if (value->kind == WHERRY_TUPLE)
		return make_tuple(m, value);
	bool has_content = (value->kind & (WHERRY_TEXT | WHERRY_BYTES)) != 0;
	uint8_t header[HEADER_MOST];
	size_t header_len = put_header(header, value, has_content ? value->as.bytes.len : 0);
	int status = add(m, header, header_len);
	if (status == WHERRY_OK && has_content)
		status = add(m, value->as.bytes.ptr, value->as.bytes.len);
	return status;
}

// Whether the encoding of a value that is no tuple begins as the canonical one does; its content then follows
// too.
static bool is_canonical(const wherry_value *value)
{
	uint8_t header[HEADER_MOST];
	bool has_content = (value->kind & (WHERRY_TEXT | WHERRY_BYTES)) != 0;
	size_t content = has_content ? value->as.bytes.len : 0;
	size_t len = put_header(header, value, content);
	return value->raw.len == len + content && memcmp(value->raw.ptr, header, len) == 0;
}

static int answer_raw(const wherry_value *value, size_t limit, wherry_span *key)
{
	*key = value->raw;
	return key->len <= limit ? WHERRY_OK : WHERRY_ELIMIT;
}

int key_canonical(const wherry_value *value, size_t limit, struct buffer *scratch, wherry_span *key, const char **why)
{
	*why = kind_fault(value);
	if (*why != NULL)
		return WHERRY_EARG;
	if (value->kind != WHERRY_TUPLE && is_canonical(value))
		return answer_raw(value, limit, key);
	size_t begin = scratch->len;
	size_t room = limit < SIZE_MAX - begin ? limit : SIZE_MAX - begin;
	struct making m = {.out = scratch, .most = begin + room};
	int status = make(&m, value);
	*why = m.why;
	*key = (wherry_span){NULL, scratch->len - begin};
	if (status == WHERRY_OK && !span_equal(span_of(scratch->data + begin, key->len), value->raw))
		return 1;
	scratch->len = begin;
	return status == WHERRY_OK ? answer_raw(value, limit, key) : status;
}

static void print_real(struct line *l, double number)
{
	char text[40];
	for (int digits = 15; digits <= 17; digits += 2) {
		snprintf(text, sizeof(text) - 2, "%.*g", digits, number);
		double back;
		if (sscanf(text, "%lf", &back) == 1 && back == number)
			break;
	}
	if (strpbrk(text, ".enai") == NULL) // 1.0 is another key than 1; inf and 1e300 say what they are
		strcat(text, ".0");
	line_add(l, text);
}

static void print(struct line *l, const wherry_value *value);

static void print_tuple(struct line *l, const wherry_value *tuple)
{
	struct cursor c = cursor_of(tuple->as.bytes);
	const char *before = "(";
	wherry_value element;
	for (; !l->cut && cursor_next(&c, &element); before = ", ") {
		line_add(l, before);
		print(l, &element);
	}
	line_add(l, tuple->reserved0 == 0 ? "()" : tuple->reserved0 == 1 ? ",)" : ")");
}

static void print(struct line *l, const wherry_value *value)
{
	char text[24];
	switch (value->kind) {
	case WHERRY_INT:
		return line_number(l, value->as.i);
	case WHERRY_UINT:
		snprintf(text, sizeof(text), "%ju", (uintmax_t)value->as.u);
		return line_add(l, text);
	case WHERRY_REAL:
		return print_real(l, value->as.real);
	case WHERRY_BYTES:
		line_add(l, "b");
		return line_quote(l, value->as.bytes);
	case WHERRY_TEXT:
		return line_quote(l, value->as.bytes);
	case WHERRY_TUPLE:
		return print_tuple(l, value);
	default:
		return line_add(l, "?");
	}
}

const char *key_print(wherry_span canonical, char *text, size_t room)
{
	struct line l = line_of(text, room);
	struct cursor c = cursor_of(canonical);
	wherry_value value;
	if (cursor_next(&c, &value))
		print(&l, &value);
	return line_end(&l);
}
