// Envelopes: what is a request, and that what is none is stepped over.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "codec/request.h"

#define BYTES(literal) ((wherry_span){literal, sizeof(literal) - 1})

static const struct codec_limits limits = {.depth = 9, .elements = 999};

static struct cursor checked(wherry_span frame)
{
	assert_true(cursor_check(frame, &limits, NULL, NULL) >= 0);
	return cursor_of(frame);
}

static void slices_a_request(void **state)
{
	(void)state;
	struct cursor c = checked(BYTES("\x94\x00\x07\xa6kv.get\x92\xa1"
					"a\x93\x01\x02\x03"));
	struct request r;
	const char *why = NULL;
	assert_int_equal(request_slice(&c, &r, &why), WHERRY_OK);
	assert_int_equal(r.kind, REQUEST_CALL);
	assert_int_equal(r.id, 7);
	assert_true(span_equal(r.method, BYTES("kv.get")));
	assert_int_equal(r.param_count, 2);
	assert_true(span_equal(r.params, BYTES("\xa1"
					       "a\x93\x01\x02\x03")));
	assert_int_equal(r.option_count, 0);
	assert_int_equal(r.options.len, 0);
	assert_ptr_equal(c.at, c.end);
}

static void slices_options(void **state)
{
	(void)state;
	struct cursor c = checked(BYTES("\x95\x00\xce\xff\xff\xff\xff\xa1m\x90\x81\xa2nx\xc3"));
	struct request r;
	const char *why;
	assert_int_equal(request_slice(&c, &r, &why), WHERRY_OK);
	assert_int_equal(r.id, UINT32_MAX);
	assert_int_equal(r.param_count, 0);
	assert_int_equal(r.option_count, 1);
	assert_true(span_equal(r.options, BYTES("\xa2nx\xc3")));
}

static void slices_one_object_after_another(void **state)
{
	(void)state;
	struct cursor c = checked(BYTES("\x93\x02\xa1m\x91\x01"
					"\x94\x02\xa1m\x90\x81\x01\x02"
					"\x94\x01\x05\xc0\x92\x01\x02"
					"\x94\x01\xc0\x91\x01\xc0"
					"\x94\x00\x01\xa1m\x90"));
	struct request r;
	const char *why;
	assert_int_equal(request_slice(&c, &r, &why), WHERRY_OK);
	assert_true(r.kind == REQUEST_NOTIFY && r.id == 0 && r.param_count == 1 && r.option_count == 0);
	assert_int_equal(request_slice(&c, &r, &why), WHERRY_OK);
	assert_true(r.kind == REQUEST_NOTIFY && r.param_count == 0 && r.option_count == 1);
	assert_int_equal(request_slice(&c, &r, &why), WHERRY_OK);
	assert_true(r.kind == REQUEST_RESPONSE && r.id == 5 && r.param_count == 2);
	assert_true(span_equal(r.params, BYTES("\xc0\x92\x01\x02")));
	assert_int_equal(request_slice(&c, &r, &why), WHERRY_OK);
	assert_true(r.kind == REQUEST_RESPONSE && r.id == 0);
	assert_int_equal(request_slice(&c, &r, &why), WHERRY_OK);
	assert_true(r.kind == REQUEST_CALL && r.id == 1);
	assert_ptr_equal(c.at, c.end);
}

static void refuses_other_objects_and_steps_over_them(void **state)
{
	(void)state;
	static const struct {
		wherry_span object;
		const char *why;
	} cases[] = {
	    {BYTES("\xc0"), "a request is an array: [0, id, method, params], maybe with options"},
	    {BYTES("\x81\x01\x02"), "a request is an array: [0, id, method, params], maybe with options"},
	    {BYTES("\x90"), "an envelope begins with 0 (request), 1 (response) or 2 (notification)"},
	    {BYTES("\x94\x03\x01\xa1m\x90"), "an envelope begins with 0 (request), 1 (response) or 2 (notification)"},
	    {BYTES("\x94\xff\x01\xa1m\x90"), "an envelope begins with 0 (request), 1 (response) or 2 (notification)"},
	    {BYTES("\x93\x00\x01\xa1m"), "an envelope has too few or too many elements"},
	    {BYTES("\x96\x00\x01\xa1m\x90\x80\xc0"), "an envelope has too few or too many elements"},
	    {BYTES("\x95\x01\x01\xc0\xc0\xc0"), "an envelope has too few or too many elements"},
	    {BYTES("\x92\x02\xa1m"), "an envelope has too few or too many elements"},
	    {BYTES("\x94\x00\xc0\xa1m\x90"), "an id is an unsigned integer below 2^32"},
	    {BYTES("\x94\x00\xff\xa1m\x90"), "an id is an unsigned integer below 2^32"},
	    {BYTES("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1m\x90"), "an id is an unsigned integer below 2^32"},
	    {BYTES("\x94\x00\x01\xc4\x01m\x90"), "a method is a string in UTF-8"},
	    {BYTES("\x94\x00\x01\xa1\xff\x90"), "a method is a string in UTF-8"},
	    {BYTES("\x94\x00\x01\xa1m\x80"), "params are an array"},
	    {BYTES("\x95\x00\x01\xa1m\x90\x90"), "options are a map"},
	    {BYTES("\x95\x00\x01\xa1m\x90\xc0"), "options are a map"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = checked(cases[i].object);
		struct request r;
		const char *why = NULL;
		assert_int_equal(request_slice(&c, &r, &why), WHERRY_EARG);
		assert_string_equal(why, cases[i].why);
		assert_ptr_equal(c.at, c.end);
	}
}

static void slice_all(wherry_span frame)
{
	int64_t objects = cursor_check(frame, &limits, NULL, NULL);
	struct cursor c = cursor_of(frame);
	for (int64_t i = 0; i < objects; i++) {
		struct request r;
		const char *why;
		if (request_slice(&c, &r, &why) != WHERRY_OK)
			continue;
		struct cursor params = cursor_of(r.params), options = cursor_of(r.options);
		wherry_value v;
		for (uint32_t n = 0; n < r.param_count; n++)
			assert_true(cursor_next(&params, &v));
		assert_ptr_equal(params.at, params.end);
		for (uint32_t n = 0; n < 2 * r.option_count; n++)
			assert_true(cursor_next(&options, &v));
		assert_ptr_equal(options.at, options.end);
	}
	if (objects >= 0)
		assert_ptr_equal(c.at, c.end);
}

static void survives_every_flipped_bit(void **state)
{
	(void)state;
	static const char frame[] = "\x95\x00\x07\xa6kv.set\x92\xa1"
				    "a\x93\x01\x02\xd9\x01z\x81\xa6ttl_ms\xcd\x01\x00\x93\x02\xa1m\x91\xc7\x01\x01\x05";
	for (size_t bit = 0; bit < 8 * (sizeof(frame) - 1); bit++) {
		uint8_t *copy = malloc(sizeof(frame) - 1);
		assert_non_null(copy);
		memcpy(copy, frame, sizeof(frame) - 1);
		copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		slice_all(span_of(copy, sizeof(frame) - 1));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slices_a_request),
	    cmocka_unit_test(slices_options),
	    cmocka_unit_test(slices_one_object_after_another),
	    cmocka_unit_test(refuses_other_objects_and_steps_over_them),
	    cmocka_unit_test(survives_every_flipped_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
