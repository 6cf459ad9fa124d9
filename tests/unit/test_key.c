// Keys: which values may be one, that all encodings of a key become the same bytes, and how a key looks in a
// message.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/cursor.h"
#include "codec/key.h"

#define BYTES(literal) ((wherry_span){literal, sizeof(literal) - 1})

static wherry_value value_of(wherry_span bytes)
{
	const struct codec_limits limits = {.depth = 64, .elements = 1 << 20};
	struct cursor c = cursor_of(bytes);
	wherry_value v;
	assert_int_equal(cursor_check(bytes, &limits, NULL, NULL), 1);
	assert_true(cursor_next(&c, &v));
	return v;
}

static void a_canonical_key_is_not_copied(void **state)
{
	(void)state;
	static const wherry_span keys[] = {
	    BYTES("\x00"),
	    BYTES("\x7f"),
	    BYTES("\xe0"),
	    BYTES("\xcc\x80"),
	    BYTES("\xcd\x01\x00"),
	    BYTES("\xd0\xdf"),
	    BYTES("\xd1\xff\x7f"),
	    BYTES("\xce\x00\x01\x00\x00"),
	    BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
	    BYTES("\xd2\xff\xff\x7f\xff"),
	    BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
	    BYTES("\xa0"),
	    BYTES("\xa4user"),
	    BYTES("\xc4\x00"),
	    BYTES("\xc4\x03\x00\x01\x02"),
	    BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"),
	    BYTES("\xc7\x00\x01"),
	    BYTES("\xd4\x01\x01"),
	    BYTES("\xd5\x01\xa1x"),
	    BYTES("\xc7\x05\x01\x01\xd5\x01\x02\x03"),
	};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct buffer scratch = {0};
		wherry_value v = value_of(keys[i]);
		wherry_span key;
		const char *why;
		assert_int_equal(key_canonical(&v, 4096, &scratch, &key, &why), WHERRY_OK);
		assert_ptr_equal(key.ptr, keys[i].ptr);
		assert_int_equal(key.len, keys[i].len);
		assert_int_equal(scratch.len, 0);
		buffer_free(&scratch);
	}
}

static void other_encodings_become_the_canonical_one(void **state)
{
	(void)state;
	static const struct {
		wherry_span from, to;
	} cases[] = {
	    {BYTES("\xcc\x01"), BYTES("\x01")},
	    {BYTES("\xd3\x00\x00\x00\x00\x00\x00\x01\x00"), BYTES("\xcd\x01\x00")},
	    {BYTES("\xd1\x01\x00"), BYTES("\xcd\x01\x00")}, // as long, but signed
	    {BYTES("\xd2\x00\x01\x00\x00"), BYTES("\xce\x00\x01\x00\x00")},
	    {BYTES("\xd3\x01\x00\x00\x00\x00\x00\x00\x00"), BYTES("\xcf\x01\x00\x00\x00\x00\x00\x00\x00")},
	    {BYTES("\xd1\xff\xff"), BYTES("\xff")},
	    {BYTES("\xd9\x01x"), BYTES("\xa1x")},
	    {BYTES("\xdb\x00\x00\x00\x00"), BYTES("\xa0")},
	    {BYTES("\xc6\x00\x00\x00\x01x"), BYTES("\xc4\x01x")},
	    {BYTES("\xca\x3f\x80\x00\x00"), BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00")},
	    {BYTES("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), BYTES("\xcb\x00\x00\x00\x00\x00\x00\x00\x00")},
	    {BYTES("\xca\x80\x00\x00\x00"), BYTES("\xcb\x00\x00\x00\x00\x00\x00\x00\x00")},
	    {BYTES("\xc7\x01\x01\x01"), BYTES("\xd4\x01\x01")},
	    {BYTES("\xc8\x00\x02\x01\xa1x"), BYTES("\xd5\x01\xa1x")},
	    {BYTES("\xc9\x00\x00\x00\x00\x01"), BYTES("\xc7\x00\x01")},
	    {BYTES("\xd5\x01\xcc\x01"), BYTES("\xd4\x01\x01")},
	    {BYTES("\xc7\x06\x01\xcc\x01\xd5\x01\xcc\x02"), BYTES("\xd6\x01\x01\xd4\x01\x02")},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer scratch = {0};
		wherry_value v = value_of(cases[i].from);
		wherry_span key;
		const char *why;
		buffer_append(&scratch, "before", 6);
		assert_int_equal(key_canonical(&v, 4096, &scratch, &key, &why), 1);
		wherry_span made = span_of(scratch.data + scratch.len - key.len, key.len);
		assert_int_equal(scratch.len, 6 + key.len);
		assert_true(span_equal(made, cases[i].to));
		assert_memory_equal(scratch.data, "before", 6);
		wherry_value again = value_of(made);
		struct buffer unused = {0};
		assert_int_equal(key_canonical(&again, 4096, &unused, &key, &why), WHERRY_OK);
		buffer_free(&unused);
		buffer_free(&scratch);
	}
}

static void long_texts_keep_the_shortest_header(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 31, 32, 255, 256, 65535, 65536};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct buffer wide = {0}, scratch = {0};
		uint8_t head[5] = {
		    0xdb, 0, (uint8_t)(lengths[i] >> 16), (uint8_t)(lengths[i] >> 8), (uint8_t)lengths[i]};
		buffer_append(&wide, head, 5);
		for (size_t n = 0; n < lengths[i]; n++)
			buffer_byte(&wide, 'k');
		wherry_value v = value_of(buffer_span(&wide));
		wherry_span key;
		const char *why;
		size_t header = lengths[i] < 32 ? 1 : lengths[i] < 256 ? 2 : lengths[i] < 65536 ? 3 : 5;
		int status = key_canonical(&v, SIZE_MAX, &scratch, &key, &why);
		assert_int_equal(status, header == 5 ? WHERRY_OK : 1);
		assert_int_equal(key.len, header + lengths[i]);
		buffer_free(&wide);
		buffer_free(&scratch);
	}
}

static void refuses_what_is_no_key(void **state)
{
	(void)state;
	static const struct {
		wherry_span bytes;
		const char *why;
	} cases[] = {
	    {BYTES("\xc0"), "nil can't be a key"},
	    {BYTES("\xc3"), "a bool can't be a key"},
	    {BYTES("\x90"), "a list can't be a key"},
	    {BYTES("\x80"), "a map can't be a key"},
	    {BYTES("\xd6\xff\x00\x00\x00\x00"), "a timestamp can't be a key"},
	    {BYTES("\xd4\x05\x00"), "an ext value can't be a key"},
	    {BYTES("\xca\x7f\xc0\x00\x00"), "NaN can't be a key"},
	    {BYTES("\xd5\x01\x01\xc3"), "a bool can't be a key"},
	    {BYTES("\xd6\x01\x01\xd4\x01\x90"), "a list can't be a key"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer scratch = {0};
		wherry_value v = value_of(cases[i].bytes);
		wherry_span key;
		const char *why;
		buffer_append(&scratch, "before", 6);
		assert_int_equal(key_canonical(&v, 4096, &scratch, &key, &why), WHERRY_EARG);
		assert_string_equal(why, cases[i].why);
		assert_int_equal(scratch.len, 6);
		buffer_free(&scratch);
	}
}

static int within(wherry_span bytes, size_t limit)
{
	struct buffer scratch = {0};
	wherry_value v = value_of(bytes);
	wherry_span key;
	const char *why;
	int status = key_canonical(&v, limit, &scratch, &key, &why);
	assert_true(status == 1 || scratch.len == 0);
	buffer_free(&scratch);
	return status;
}

static void the_limit_counts_the_canonical_length(void **state)
{
	(void)state;
	assert_int_equal(within(BYTES("\xa4user"), 5), WHERRY_OK);
	assert_int_equal(within(BYTES("\xa4user"), 4), WHERRY_ELIMIT);
	assert_int_equal(within(BYTES("\xd9\x04user"), 5), 1);
	assert_int_equal(within(BYTES("\xd9\x04user"), 4), WHERRY_ELIMIT);
	assert_int_equal(within(BYTES("\xca\x00\x00\x00\x00"), 8), WHERRY_ELIMIT); // nine bytes as float64
	assert_int_equal(within(BYTES("\xd5\x01\x01\x02"), 4), WHERRY_OK);
	assert_int_equal(within(BYTES("\xd5\x01\x01\x02"), 3), WHERRY_ELIMIT);
	assert_int_equal(within(BYTES("\xc7\x02\x01\x01\x02"), 4), 1);
	assert_int_equal(within(BYTES("\xc7\x02\x01\x01\x02"), 3), WHERRY_ELIMIT);
	assert_int_equal(within(BYTES("\xc7\x02\x01\x01\x02"), 1), WHERRY_ELIMIT);
	assert_int_equal(within(BYTES("\xc7\x02\x01\x01\x02"), 0), WHERRY_ELIMIT);
}

static bool never(size_t size)
{
	(void)size;
	return false;
}

static void says_when_there_is_no_memory(void **state)
{
	(void)state;
	struct buffer scratch = {0};
	wherry_value v = value_of(BYTES("\xd9\x01x"));
	wherry_span key;
	const char *why;
	mem_may_alloc = never;
	int status = key_canonical(&v, 4096, &scratch, &key, &why);
	mem_may_alloc = NULL;
	assert_int_equal(status, WHERRY_ENOMEM);
	buffer_free(&scratch);
}

static void prints_keys_for_people(void **state)
{
	(void)state;
	static const struct {
		wherry_span key;
		const char *text;
	} cases[] = {
	    {BYTES("\xa4user"), "\"user\""},
	    {BYTES("\xa8Gl\xc3\xbc"
		   "ck\"\n"),
		"\"Gl\xc3\xbc"
		"ck\\\"\\n\""},
	    {BYTES("\xc4\x02\x00\xff"), "b\"\\x00\\xff\""},
	    {BYTES("\xff"), "-1"},
	    {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615"},
	    {BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"), "1.0"},
	    {BYTES("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1"},
	    {BYTES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "inf"},
	    {BYTES("\xc7\x00\x01"), "()"},
	    {BYTES("\xd4\x01\x01"), "(1,)"},
	    {BYTES("\xc7\x05\x01\x01\xd5\x01\xa1x"), "(1, (\"x\",))"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		value_of(cases[i].key);
		assert_string_equal(key_print(cases[i].key, text, sizeof(text)), cases[i].text);
	}
}

static void cuts_long_keys(void **state)
{
	(void)state;
	char text[8];
	assert_string_equal(key_print(BYTES("\xa6"
					    "abcdef"),
				text, 8),
	    "\"abc...");
	assert_string_equal(key_print(BYTES("\xa5"
					    "abcde"),
				text, 8),
	    "\"abcde\"");
	assert_string_equal(key_print(BYTES("\xa6"
					    "ab\xc3\xbc"
					    "cd"),
				text, 8),
	    "\"ab...");
	assert_string_equal(key_print(BYTES("\xc7\x05\x01\x01\x02\x03\x04\x05"), text, 8), "(1, ...");
	assert_string_equal(key_print(BYTES("\xa1x"), text, 1), "");
	assert_string_equal(key_print(BYTES("\xa1x"), text, 3), "\"x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_canonical_key_is_not_copied),
	    cmocka_unit_test(other_encodings_become_the_canonical_one),
	    cmocka_unit_test(long_texts_keep_the_shortest_header),
	    cmocka_unit_test(refuses_what_is_no_key),
	    cmocka_unit_test(the_limit_counts_the_canonical_length),
	    cmocka_unit_test(says_when_there_is_no_memory),
	    cmocka_unit_test(prints_keys_for_people),
	    cmocka_unit_test(cuts_long_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
