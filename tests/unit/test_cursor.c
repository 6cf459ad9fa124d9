// The border and the slicing behind it: what a frame of bytes that nobody trusts may do.  Frames stand in
// memory of exactly their size, so that the address sanitizer sees a look behind the end.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "codec/cursor.h"

#define BYTES(literal) ((wherry_span){literal, sizeof(literal) - 1})

static const struct codec_limits roomy = {.depth = 32, .elements = 1 << 20};

static wherry_span exactly(wherry_span bytes)
{
	void *copy = malloc(bytes.len > 0 ? bytes.len : 1);
	assert_non_null(copy);
	if (bytes.len > 0)
		memcpy(copy, bytes.ptr, bytes.len);
	return span_of(copy, bytes.len);
}

static int64_t check(wherry_span bytes)
{
	return cursor_check(bytes, &roomy, NULL, NULL);
}

// Steps through all values, into each container; answers how many stood beside one another.
static uint64_t walk(wherry_span bytes, unsigned depth)
{
	uint64_t seen = 0;
	struct cursor c = cursor_of(bytes), skipping = c;
	assert_true(depth <= CODEC_DEPTH_MOST);
	for (wherry_value v; cursor_next(&c, &v); seen++) {
		cursor_skip(&skipping);
		assert_ptr_equal(c.at, skipping.at);
		assert_ptr_equal((const uint8_t *)v.raw.ptr + v.raw.len, c.at);
		if (v.kind & (WHERRY_LIST | WHERRY_MAP | WHERRY_TUPLE)) {
			uint64_t inside = walk(v.as.bytes, depth + 1);
			assert_int_equal(inside, v.kind == WHERRY_MAP ? 2 * (uint64_t)v.reserved0 : v.reserved0);
		}
	}
	assert_ptr_equal(c.at, c.end);
	return seen;
}

// All shapes in one frame of four objects.
static const char all_shapes[] =
    "\x94\x00\xce\x00\x01\x02\x03\xa6kv.set\x92\xa1"
    "a\x8d"
    "\xa1n\xc0\xa1t\xc3\xa1i\xd3\xff\xff\xff\xff\xff\xff\xff\xfe\xa1u\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
    "\xa1"
    "f\xca\x3f\x80\x00\x00\xa1"
    "d\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xd9\x01x\xda\x00\x01y\xdb\x00\x00\x00\x01z\xc4\x01q"
    "\xa1"
    "1\xd4\x05\x01\xa1"
    "2\xd5\x01\x01\x02\xa1"
    "3\xc7\x05\x01\x92\x01\xc7\x00\x01\xa1"
    "4\xd6\xff\x00\x00\x00\x01\xa1"
    "5\xdc\x00\x01\x7f\xde\x00\x01\xdd\x00\x00\x00\x00\xdf\x00\x00\x00\x00"
    "\x93\x02\xa4"
    "ping\x90\xc2";

static void counts_the_objects_of_a_frame(void **state)
{
	(void)state;
	wherry_span frame = exactly(BYTES(all_shapes));
	assert_int_equal(check(frame), 4);
	assert_int_equal(walk(frame, 0), 4);
	free((void *)frame.ptr);
	assert_int_equal(check(BYTES("")), 0);
	assert_int_equal(check(BYTES("\xc0\x01\xa0")), 3);
}

static void slices_every_kind(void **state)
{
	(void)state;
	static const struct {
		wherry_span bytes;
		uint32_t kind, detail;
		int64_t number;
		size_t content;
	} cases[] = {
	    {BYTES("\xc0"), WHERRY_NIL, 0, 0, 0},
	    {BYTES("\xc2"), WHERRY_BOOL, 0, 0, 0},
	    {BYTES("\xc3"), WHERRY_BOOL, 0, 1, 0},
	    {BYTES("\x7f"), WHERRY_INT, 0, 127, 0},
	    {BYTES("\xe0"), WHERRY_INT, 0, -32, 0},
	    {BYTES("\xcc\xff"), WHERRY_INT, 0, 255, 0},
	    {BYTES("\xcd\xff\xff"), WHERRY_INT, 0, 65535, 0},
	    {BYTES("\xce\xff\xff\xff\xff"), WHERRY_INT, 0, 4294967295, 0},
	    {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), WHERRY_INT, 0, INT64_MAX, 0},
	    {BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), WHERRY_UINT, 0, INT64_MIN, 0},
	    {BYTES("\xd0\x80"), WHERRY_INT, 0, -128, 0},
	    {BYTES("\xd1\x80\x00"), WHERRY_INT, 0, -32768, 0},
	    {BYTES("\xd2\x80\x00\x00\x00"), WHERRY_INT, 0, INT32_MIN, 0},
	    {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), WHERRY_INT, 0, INT64_MIN, 0},
	    {BYTES("\xa2hi"), WHERRY_TEXT, 0, 0, 2},
	    {BYTES("\xd9\x02hi"), WHERRY_TEXT, 0, 0, 2},
	    {BYTES("\xda\x00\x02hi"), WHERRY_TEXT, 0, 0, 2},
	    {BYTES("\xdb\x00\x00\x00\x02hi"), WHERRY_TEXT, 0, 0, 2},
	    {BYTES("\xc4\x02hi"), WHERRY_BYTES, 0, 0, 2},
	    {BYTES("\xc5\x00\x02hi"), WHERRY_BYTES, 0, 0, 2},
	    {BYTES("\xc6\x00\x00\x00\x02hi"), WHERRY_BYTES, 0, 0, 2},
	    {BYTES("\x92\x01\x91\x02"), WHERRY_LIST, 2, 0, 3},
	    {BYTES("\x81\x01\x91\x02"), WHERRY_MAP, 1, 0, 3},
	    {BYTES("\xc7\x03\x01\x01\x91\x02"), WHERRY_TUPLE, 2, 0, 3},
	    {BYTES("\xc7\x00\x01"), WHERRY_TUPLE, 0, 0, 0},
	    {BYTES("\xd4\x57\x00"), WHERRY_EXT, 87, 0, 1},
	    {BYTES("\xd4\x80\x00"), WHERRY_EXT, 128, 0, 1},
	    {BYTES("\xd6\xff\xff\xff\xff\xff"), WHERRY_TIME, 0, 4294967295, 0},
	    {BYTES("\xd7\xff\xee\x6b\x27\xff\xff\xff\xff\xff"), WHERRY_TIME, 999999999 - 1, 17179869183, 0},
	    {BYTES("\xc7\x0c\xff\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff"), WHERRY_TIME, 1, -1, 0},
	    {BYTES("\xd5\xff\x00\x00"), WHERRY_EXT, 255, 0, 2},
	    {BYTES("\xd7\xff\xff\xff\xff\xff\x00\x00\x00\x00"), WHERRY_EXT, 255, 0, 8},
	    {BYTES("\xc7\x0c\xff\x3b\x9a\xca\x00\x00\x00\x00\x00\x00\x00\x00\x00"), WHERRY_EXT, 255, 0, 12},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_of(cases[i].bytes);
		wherry_value v;
		assert_int_equal(check(cases[i].bytes), 1);
		assert_true(cursor_next(&c, &v));
		if (cases[i].bytes.len == 10 && v.kind == WHERRY_TIME)
			v.reserved0 &= ~1u; // the table names it rounded down
		assert_int_equal(v.kind, cases[i].kind);
		assert_int_equal(v.reserved0, cases[i].detail);
		assert_true(span_equal(v.raw, cases[i].bytes));
		if (v.kind & (WHERRY_INT | WHERRY_UINT | WHERRY_BOOL | WHERRY_TIME))
			assert_int_equal(v.as.i, cases[i].number);
		else if (v.kind != WHERRY_NIL)
			assert_int_equal(v.as.bytes.len, cases[i].content);
		assert_false(cursor_next(&c, &v));
	}
}

static void reads_floats_of_both_widths(void **state)
{
	(void)state;
	struct cursor c = cursor_of(BYTES("\xca\xbf\x00\x00\x00\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"));
	wherry_value v;
	assert_true(cursor_next(&c, &v));
	assert_true(v.kind == WHERRY_REAL && v.as.real == -0.5);
	assert_true(cursor_next(&c, &v));
	assert_true(v.kind == WHERRY_REAL && v.as.real == 0.1);
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(all_shapes) - 1; len++) {
		wherry_span cut = exactly(span_of(all_shapes, len));
		int64_t objects = check(cut);
		assert_true(objects == WHERRY_EARG || objects < 4);
		if (objects >= 0)
			walk(cut, 0);
		free((void *)cut.ptr);
	}
}

static void survives_every_flipped_bit(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * (sizeof(all_shapes) - 1); bit++) {
		wherry_span frame = exactly(BYTES(all_shapes));
		((uint8_t *)frame.ptr)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (check(frame) >= 0)
			walk(frame, 0);
		free((void *)frame.ptr);
	}
}

static void survives_every_first_bytes(void **state)
{
	(void)state;
	for (unsigned lead = 0; lead < 256; lead++) {
		for (unsigned fill = 0; fill < 256; fill += 51) {
			for (size_t len = 1; len <= 20; len++) {
				uint8_t bytes[20];
				memset(bytes, (int)fill, sizeof(bytes));
				bytes[0] = (uint8_t)lead;
				wherry_span frame = exactly(span_of(bytes, len));
				if (check(frame) >= 0)
					walk(frame, 0);
				free((void *)frame.ptr);
			}
		}
	}
}

static void refuse(wherry_span bytes, const struct codec_limits *limits, size_t where, const char *sentence)
{
	const char *why = NULL;
	size_t at = 0;
	wherry_span frame = exactly(bytes);
	assert_int_equal(cursor_check(frame, limits, &why, &at), WHERRY_EARG);
	assert_string_equal(why, sentence);
	assert_int_equal(at, where);
	free((void *)frame.ptr);
}

static void names_the_fault_and_its_place(void **state)
{
	(void)state;
	refuse(BYTES("\x92\x01"), &roomy, 0, "an array or map says more elements than the frame has bytes");
	refuse(BYTES("\x92\x01\xcd\x00"), &roomy, 2, "an object is cut short");
	refuse(BYTES("\xc0\x91\xc1"), &roomy, 2, "the byte 0xc1 begins no object");
	refuse(BYTES("\xa5hell"), &roomy, 0, "an object is cut short");
	refuse(BYTES("\xd4\x01\x91\xc0"), &roomy, 2, "an array or map says more elements than the frame has bytes");
	refuse(BYTES("\xd5\x01\x00\xa1z"), &roomy, 3,
	    "an object is cut short"); // an element runs out of its tuple
	refuse(BYTES("\xd4\x01\xc1"), &roomy, 2, "the byte 0xc1 begins no object");
}

static void refuses_bombs_of_a_few_bytes(void **state)
{
	(void)state;
	static const wherry_span bombs[] = {
	    BYTES("\xdd\xff\xff\xff\xff"),
	    BYTES("\xdf\xff\xff\xff\xff"),
	    BYTES("\xdb\xff\xff\xff\xff"),
	    BYTES("\xc6\xff\xff\xff\xff"),
	    BYTES("\xc9\xff\xff\xff\xff\x01"),
	    BYTES("\xc9\xff\xff\xff\xff"),
	    BYTES("\xdf\x80\x00\x00\x00"),
	    BYTES("\xdd\x80\x00\x00\x00"),
	    BYTES("\xdb\x7f\xff\xff\xff"),
	    BYTES("\xde\xff\xff"),
	    BYTES("\xdc\xff\xff"),
	    BYTES("\xdb"),
	    BYTES("\xc9"),
	};
	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
		wherry_span frame = exactly(bombs[i]);
		assert_int_equal(check(frame), WHERRY_EARG);
		free((void *)frame.ptr);
	}
}

// [[[ ... 0 ... ]]], by arrays, maps ({0: ...}) or tuples.
static wherry_span nested(struct buffer *b, unsigned levels, char how)
{
	buffer_clear(b);
	buffer_byte(b, 0);
	for (unsigned i = 0; i < levels; i++) {
		uint8_t front[6] = {0x91}, ext[6] = {0xc9, 0, 0, (uint8_t)(b->len >> 8), (uint8_t)b->len, EXT_TUPLE};
		size_t len = how == 'a' ? 1 : how == 'm' ? 2 : 6;
		if (how == 'm')
			front[0] = 0x81;
		assert_true(buffer_reserve(b, len));
		memmove(b->data + len, b->data, b->len);
		memcpy(b->data, how == 't' ? ext : front, len);
		b->len += len;
	}
	return buffer_span(b);
}

static void bounds_depth_exactly(void **state)
{
	(void)state;
	struct buffer b = {0};
	for (const char *how = "amt"; *how != '\0'; how++) {
		struct codec_limits limits = {.depth = 24, .elements = 1000};
		assert_int_equal(cursor_check(nested(&b, 24, *how), &limits, NULL, NULL), 1);
		walk(buffer_span(&b), 0);
		assert_int_equal(cursor_check(nested(&b, 25, *how), &limits, NULL, NULL), WHERRY_EARG);
		limits.depth = UINT32_MAX;
		assert_int_equal(cursor_check(nested(&b, CODEC_DEPTH_MOST, *how), &limits, NULL, NULL), 1);
		walk(buffer_span(&b), 0);
		assert_int_equal(
		    cursor_check(nested(&b, CODEC_DEPTH_MOST + 1, *how), &limits, NULL, NULL), WHERRY_EARG);
		limits.depth = 0;
		assert_int_equal(cursor_check(nested(&b, 1, *how), &limits, NULL, NULL), WHERRY_EARG);
		assert_int_equal(cursor_check(nested(&b, 0, *how), &limits, NULL, NULL), 1);
	}
	refuse(nested(&b, 3, 'a'), &(struct codec_limits){.depth = 2, .elements = 9}, 2, "values nest too deep");
	buffer_free(&b);
}

static void bounds_elements_of_the_whole_frame(void **state)
{
	(void)state;
	static const struct {
		wherry_span bytes;
		uint32_t elements;
	} cases[] = {
	    {BYTES("\x93\x01\x02\x03"), 3},
	    {BYTES("\x82\x01\x02\x03\x04"), 4},
	    {BYTES("\xc7\x03\x01\x01\x02\x03"), 3},
	    {BYTES("\x91\x91\x91\x90"), 3},
	    {BYTES("\x91\x01\x91\x02\x81\x03\x04\xd5\x01\x05\x06"), 6}, // several objects share one budget
	    {BYTES("\xc0\xc0\xc0"), 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct codec_limits limits = {.depth = 8, .elements = cases[i].elements};
		assert_true(cursor_check(cases[i].bytes, &limits, NULL, NULL) > 0);
		if (limits.elements-- > 0)
			assert_int_equal(cursor_check(cases[i].bytes, &limits, NULL, NULL), WHERRY_EARG);
	}
	refuse(BYTES("\xc0\x92\x01\x02"), &(struct codec_limits){.depth = 2, .elements = 1}, 1,
	    "too many elements in one frame");
}

static void reads_envelopes_in_any_width(void **state)
{
	(void)state;
	static const wherry_span arrays[] = {
	    BYTES("\x92\x01\x02"), BYTES("\xdc\x00\x02\x01\x02"), BYTES("\xdd\x00\x00\x00\x02\x01\x02")};
	static const wherry_span maps[] = {
	    BYTES("\x81\x01\x02"), BYTES("\xde\x00\x01\x01\x02"), BYTES("\xdf\x00\x00\x00\x01\x01\x02")};
	static const wherry_span sevens[] = {BYTES("\x07"), BYTES("\xcc\x07"), BYTES("\xd0\x07"), BYTES("\xcd\x00\x07"),
	    BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x07"), BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x07")};
	static const wherry_span texts[] = {
	    BYTES("\xa2hi"), BYTES("\xd9\x02hi"), BYTES("\xda\x00\x02hi"), BYTES("\xdb\x00\x00\x00\x02hi")};
	uint32_t count;
	uint64_t number;
	wherry_span text;
	for (size_t i = 0; i < 3; i++) {
		struct cursor a = cursor_of(arrays[i]), m = cursor_of(maps[i]);
		assert_true(cursor_array(&a, &count) && count == 2 && *a.at == 1);
		assert_true(cursor_map(&m, &count) && count == 1 && *m.at == 1);
	}
	for (size_t i = 0; i < 6; i++) {
		struct cursor c = cursor_of(sevens[i]);
		assert_true(cursor_uint(&c, &number) && number == 7 && c.at == c.end);
	}
	for (size_t i = 0; i < 4; i++) {
		struct cursor c = cursor_of(texts[i]);
		assert_true(cursor_text(&c, &text) && span_equal(text, BYTES("hi")) && c.at == c.end);
	}
}

static void stays_where_it_is_on_another_kind(void **state)
{
	(void)state;
	static const wherry_span others[] = {BYTES("\xc0"), BYTES("\xff"), BYTES("\xca\x00\x00\x00\x00"),
	    BYTES("\xc4\x00"), BYTES("\xd0\xff"), BYTES("")};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct cursor c = cursor_of(others[i]);
		uint32_t count;
		uint64_t number;
		wherry_span text;
		assert_false(cursor_array(&c, &count));
		assert_false(cursor_map(&c, &count));
		assert_false(cursor_uint(&c, &number));
		assert_false(cursor_text(&c, &text));
		assert_ptr_equal(c.at, others[i].ptr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_the_objects_of_a_frame),
	    cmocka_unit_test(slices_every_kind),
	    cmocka_unit_test(reads_floats_of_both_widths),
	    cmocka_unit_test(refuses_every_truncation),
	    cmocka_unit_test(survives_every_flipped_bit),
	    cmocka_unit_test(survives_every_first_bytes),
	    cmocka_unit_test(names_the_fault_and_its_place),
	    cmocka_unit_test(refuses_bombs_of_a_few_bytes),
	    cmocka_unit_test(bounds_depth_exactly),
	    cmocka_unit_test(bounds_elements_of_the_whole_frame),
	    cmocka_unit_test(reads_envelopes_in_any_width),
	    cmocka_unit_test(stays_where_it_is_on_another_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
