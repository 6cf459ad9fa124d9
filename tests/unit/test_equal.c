// values_equal(): which encodings are the same value, and that a large map is no burden.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/cursor.h"
#include "codec/pack.h"

#define BYTES(literal) ((wherry_span){literal, sizeof(literal) - 1})

struct pair {
	wherry_span a, b;
};

static const struct pair equal[] = {
    {BYTES("\x01"), BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x01")},
    {BYTES("\x01"), BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x01")},
    {BYTES("\xff"), BYTES("\xd1\xff\xff")},
    {BYTES("\xca\x3f\x80\x00\x00"), BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00")},
    {BYTES("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), BYTES("\xca\x00\x00\x00\x00")},
    {BYTES("\xca\x7f\xc0\x00\x00"), BYTES("\xcb\xff\xf8\x00\x00\x00\x00\x00\x01")},
    {BYTES("\xa1x"), BYTES("\xdb\x00\x00\x00\x01x")},
    {BYTES("\xc4\x01x"), BYTES("\xc6\x00\x00\x00\x01x")},
    {BYTES("\x92\x01\xa1x"), BYTES("\xdd\x00\x00\x00\x02\xcc\x01\xd9\x01x")},
    {BYTES("\x82\x01\xa1x\x02\xa1y"), BYTES("\xde\x00\x02\x02\xd9\x01y\xcc\x01\xa1x")},
    {BYTES("\x82\x01\x82\x03\x04\x05\x06\x02\xc0"), BYTES("\x82\x02\xc0\x01\x82\x05\x06\x03\x04")},
    {BYTES("\x82\x01\x92\x07\xc7\x01\x01\x08\x02\xc0"), BYTES("\x82\x02\xc0\xcc\x01\x92\xcc\x07\xd4\x01\x08")},
    {BYTES("\xd5\x01\x01\x02"), BYTES("\xc7\x03\x01\xcc\x01\x02")},
    {BYTES("\xd6\xff\x00\x00\x00\x05"), BYTES("\xc7\x0c\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05")},
    {BYTES("\xd4\x07x"), BYTES("\xc9\x00\x00\x00\x01\x07x")},
};

static const struct pair different[] = {
    {BYTES("\x01"), BYTES("\x02")},
    {BYTES("\x01"), BYTES("\xca\x3f\x80\x00\x00")},
    {BYTES("\x01"), BYTES("\xc3")},
    {BYTES("\x00"), BYTES("\xc0")},
    {BYTES("\xa1x"), BYTES("\xc4\x01x")},
    {BYTES("\xa1x"), BYTES("\xa1y")},
    {BYTES("\xff"), BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff")},
    {BYTES("\x92\x01\x02"), BYTES("\x92\x02\x01")},
    {BYTES("\x92\x01\x02"), BYTES("\x91\x01")},
    {BYTES("\x92\x01\x02"), BYTES("\xd5\x01\x01\x02")},
    {BYTES("\x92\x01\x02"), BYTES("\x81\x01\x02")},
    {BYTES("\x82\x01\x02\x03\x04"), BYTES("\x82\x01\x04\x03\x02")},
    {BYTES("\x82\x01\x02\x01\x02"), BYTES("\x82\x03\x04\x03\x04")},
    {BYTES("\x81\x01\x02"), BYTES("\x81\x02\x01")},
    {BYTES("\x82\x01\x92\x01\x02\x03\x04"), BYTES("\x82\x03\x04\x01\x92\x02\x01")},
    {BYTES("\x82\x01\xa1x\x03\x04"), BYTES("\x82\x03\x04\x01\xc4\x01x")},
    {BYTES("\xd4\x07x"), BYTES("\xd4\x08x")},
    {BYTES("\xd6\xff\x00\x00\x00\x05"), BYTES("\xc7\x0c\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05")},
    {BYTES("\xd6\xff\x00\x00\x00\x05"), BYTES("\x05")},
};

static void compare(const struct pair *p, bool expected)
{
	const struct codec_limits limits = {.depth = 9, .elements = 99};
	assert_int_equal(cursor_check(p->a, &limits, NULL, NULL), 1);
	assert_int_equal(cursor_check(p->b, &limits, NULL, NULL), 1);
	assert_int_equal(values_equal(p->a, p->b), expected);
	assert_int_equal(values_equal(p->b, p->a), expected);
	assert_true(values_equal(p->a, p->a) && values_equal(p->b, p->b));
}

static void knows_one_value_in_many_encodings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(equal) / sizeof(equal[0]); i++)
		compare(&equal[i], true);
}

static void tells_values_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++)
		compare(&different[i], false);
}

enum { MANY = 1 << 19 };

static void fill(struct buffer *b, bool backwards, int64_t last)
{
	struct wherry_out out = {.buffer = b};
	pack_map(&out, MANY);
	for (int64_t i = 0; i < MANY; i++) {
		int64_t key = backwards ? MANY - 1 - i : i;
		pack_int(&out, key);
		pack_int(&out, key == MANY - 1 ? last : key % 7);
	}
	assert_false(b->failed);
}

// Quadratic work would take hours here.
static void compares_large_maps_in_linear_time(void **state)
{
	(void)state;
	struct buffer a = {0}, b = {0}, c = {0};
	fill(&a, false, 1);
	fill(&b, true, 1);
	fill(&c, true, 2);
	assert_true(values_equal(buffer_span(&a), buffer_span(&b)));
	assert_false(values_equal(buffer_span(&a), buffer_span(&c)));
	buffer_free(&a);
	buffer_free(&b);
	buffer_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_one_value_in_many_encodings),
	    cmocka_unit_test(tells_values_apart),
	    cmocka_unit_test(compares_large_maps_in_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
