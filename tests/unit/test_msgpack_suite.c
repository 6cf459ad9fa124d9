// The public msgpack test suite (its JSON file, read from the folder that WHERRY_VECTORS names): each
// encoding listed decodes to the value, and what we pack is one of the encodings listed.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "codec/cursor.h"
#include "codec/pack.h"

static json_t *load(void)
{
	char path[4096];
	const char *vectors = getenv("WHERRY_VECTORS"), *source = getenv("WHERRY_SOURCE");
	if (vectors != NULL)
		snprintf(path, sizeof(path), "%s/msgpack/msgpack-test-suite.json", vectors);
	else
		snprintf(path, sizeof(path), "%s/../shared/vectors/msgpack/msgpack-test-suite.json",
		    source != NULL ? source : ".");
	json_t *suite = json_load_file(path, 0, NULL);
	if (suite == NULL)
		printf("SKIPPED: no msgpack test suite at %s (WHERRY_VECTORS names its folder)\n", path);
	return suite;
}

// "c4-02-00-ff" as bytes.
static struct buffer unhex(const char *text)
{
	struct buffer b = {0};
	for (; *text != '\0'; text += text[2] == '-' ? 3 : 2) {
		char digits[3] = {text[0], text[1], '\0'};
		buffer_byte(&b, (uint8_t)strtoul(digits, NULL, 16));
	}
	return b;
}

static void pack_json(wherry_out *out, json_t *json)
{
	const char *name;
	size_t i;
	json_t *item;
	switch (json_typeof(json)) {
	case JSON_NULL:
		return pack_nil(out);
	case JSON_TRUE:
	case JSON_FALSE:
		return pack_bool(out, json_is_true(json));
	case JSON_INTEGER:
		return pack_int(out, json_integer_value(json));
	case JSON_REAL:
		return pack_real(out, json_real_value(json));
	case JSON_STRING:
		return pack_cstring(out, json_string_value(json));
	case JSON_ARRAY:
		pack_array(out, (uint32_t)json_array_size(json));
		json_array_foreach(json, i, item) pack_json(out, item);
		return;
	case JSON_OBJECT:
		pack_map(out, (uint32_t)json_object_size(json));
		json_object_foreach(json, name, item)
		{
			pack_cstring(out, name);
			pack_json(out, item);
		}
		return;
	}
}

// A timestamp in the shortest of its three encodings.
static void pack_timestamp(wherry_out *out, int64_t seconds, uint32_t ns)
{
	uint8_t bytes[12];
	size_t len = seconds < 0 || seconds >> 34 ? 12 : ns > 0 || seconds >> 32 ? 8 : 4;
	uint64_t low = len == 8 ? (uint64_t)ns << 34 | (uint64_t)seconds : (uint64_t)seconds;
	for (size_t i = 0; i < len; i++)
		bytes[len - 1 - i] = (uint8_t)(i < 8 ? low >> (8 * i) : ns >> (8 * (i - 8)));
	pack_ext(out, EXT_TIME, span_of(bytes, len));
}

static void pack_case(wherry_out *out, json_t *test)
{
	json_t *it;
	struct buffer bytes = {0};
	if ((it = json_object_get(test, "binary")) != NULL) {
		bytes = unhex(json_string_value(it));
		pack_bytes(out, buffer_span(&bytes));
	} else if ((it = json_object_get(test, "ext")) != NULL) {
		bytes = unhex(json_string_value(json_array_get(it, 1)));
		pack_ext(out, (int32_t)json_integer_value(json_array_get(it, 0)), buffer_span(&bytes));
	} else if ((it = json_object_get(test, "timestamp")) != NULL) {
		pack_timestamp(out, json_integer_value(json_array_get(it, 0)),
		    (uint32_t)json_integer_value(json_array_get(it, 1)));
	} else if ((it = json_object_get(test, "bignum")) != NULL) {
		const char *digits = json_string_value(it);
		if (digits[0] == '-')
			pack_int(out, strtoll(digits, NULL, 10));
		else
			pack_uint(out, strtoull(digits, NULL, 10));
	} else {
		const char *name;
		json_object_foreach(test, name, it) if (strcmp(name, "msgpack") != 0) return pack_json(out, it);
	}
	buffer_free(&bytes);
}

static double number_of(const wherry_value *v)
{
	if (v->kind == WHERRY_REAL)
		return v->as.real;
	return v->kind == WHERRY_UINT ? (double)v->as.u : (double)v->as.i;
}

static bool is_number(const wherry_value *v)
{
	return (v->kind & (WHERRY_INT | WHERRY_UINT | WHERRY_REAL)) != 0;
}

// The suite lists floats among the encodings of whole numbers; to us these are other values with the same
// number.
static bool means(wherry_span encoded, wherry_span packed)
{
	struct cursor x = cursor_of(encoded), y = cursor_of(packed);
	wherry_value a, b;
	assert_true(cursor_next(&x, &a) && cursor_next(&y, &b));
	if (is_number(&a) && is_number(&b) && a.kind != b.kind)
		return number_of(&a) == number_of(&b);
	return values_equal(encoded, packed);
}

static void run_case(const char *group, json_t *test)
{
	const struct codec_limits limits = {.depth = 16, .elements = 1 << 16};
	struct buffer packed = {0};
	struct wherry_out out = {.buffer = &packed};
	pack_case(&out, test);
	assert_false(packed.failed);
	bool listed = false;
	size_t i;
	json_t *encoding;
	json_array_foreach(json_object_get(test, "msgpack"), i, encoding)
	{
		struct buffer bytes = unhex(json_string_value(encoding));
		if (cursor_check(buffer_span(&bytes), &limits, NULL, NULL) != 1 ||
		    !means(buffer_span(&bytes), buffer_span(&packed)))
			fail_msg("%s: %s is another value", group, json_string_value(encoding));
		listed = listed || span_equal(buffer_span(&bytes), buffer_span(&packed));
		buffer_free(&bytes);
	}
	if (!listed)
		fail_msg("%s: what we pack is not listed", group);
	buffer_free(&packed);
}

static void agrees_with_the_public_suite(void **state)
{
	(void)state;
	json_t *suite = load(), *group, *test;
	const char *name;
	size_t i, ran = 0;
	if (suite == NULL)
		skip();
	json_object_foreach(suite, name, group)
	{
		json_array_foreach(group, i, test)
		{
			run_case(name, test);
			ran++;
		}
	}
	assert_true(ran > 50);
	json_decref(suite);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_the_public_suite),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
