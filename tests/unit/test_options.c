// Options as text: what is understood, the sentences when it is not, and that what is printed is read back
// the same.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/options.h"

static struct option_spec spec_of(uint32_t kind, int64_t min, int64_t max)
{
	return (struct option_spec){.name = "limit", .kind = kind, .min = min, .max = max};
}

static void reads_and_prints_numbers(void **state)
{
	(void)state;
	static const struct {
		uint32_t kind;
		const char *text;
		int64_t number;
		const char *printed;
	} cases[] = {
	    {WHERRY_OPTION_SIZE, "64KiB", 65536, "64KiB"},
	    {WHERRY_OPTION_SIZE, "16MiB", 16 << 20, "16MiB"},
	    {WHERRY_OPTION_SIZE, "1GiB", 1 << 30, "1GiB"},
	    {WHERRY_OPTION_SIZE, "1024MiB", 1 << 30, "1GiB"},
	    {WHERRY_OPTION_SIZE, "2TiB", INT64_C(2) << 40, "2TiB"},
	    {WHERRY_OPTION_SIZE, "100", 100, "100"},
	    {WHERRY_OPTION_SIZE, "100B", 100, "100"},
	    {WHERRY_OPTION_SIZE, "0", 0, "0"},
	    {WHERRY_OPTION_SIZE, "5kB", 5000, "5kB"},
	    {WHERRY_OPTION_SIZE, "3MB", 3000000, "3MB"},
	    {WHERRY_OPTION_SIZE, "2GB", 2000000000, "2GB"},
	    {WHERRY_OPTION_SIZE, "64kib", 65536, "64KiB"},
	    {WHERRY_OPTION_DURATION, "30s", 30000, "30s"},
	    {WHERRY_OPTION_DURATION, "250ms", 250, "250ms"},
	    {WHERRY_OPTION_DURATION, "5m", 300000, "5m"},
	    {WHERRY_OPTION_DURATION, "2h", 7200000, "2h"},
	    {WHERRY_OPTION_DURATION, "1d", 86400000, "1d"},
	    {WHERRY_OPTION_DURATION, "90s", 90000, "90s"},
	    {WHERRY_OPTION_DURATION, "1500", 1500, "1500ms"},
	    {WHERRY_OPTION_DURATION, "0", 0, "0ms"},
	    {WHERRY_OPTION_INT, "-7", -7, "-7"},
	    {WHERRY_OPTION_INT, "9223372036854775807", INT64_MAX, "9223372036854775807"},
	    {WHERRY_OPTION_INT, "-9223372036854775808", INT64_MIN, "-9223372036854775808"},
	    {WHERRY_OPTION_BOOL, "true", 1, "true"},
	    {WHERRY_OPTION_BOOL, "yes", 1, "true"},
	    {WHERRY_OPTION_BOOL, "on", 1, "true"},
	    {WHERRY_OPTION_BOOL, "1", 1, "true"},
	    {WHERRY_OPTION_BOOL, "false", 0, "false"},
	    {WHERRY_OPTION_BOOL, "no", 0, "false"},
	    {WHERRY_OPTION_BOOL, "Off", 0, "false"},
	    {WHERRY_OPTION_BOOL, "0", 0, "false"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct option_spec spec = spec_of(cases[i].kind, 0, 0);
		struct option_value value = {.number = -1}, again = {.number = -1};
		struct buffer out = {0};
		char why[200];
		assert_int_equal(option_parse(&spec, cases[i].text, &value, why, sizeof(why)), WHERRY_OK);
		assert_int_equal(value.number, cases[i].number);
		option_print(&spec, &value, &out);
		buffer_byte(&out, 0);
		assert_string_equal((const char *)out.data, cases[i].printed);
		assert_int_equal(option_parse(&spec, cases[i].printed, &again, why, sizeof(why)), WHERRY_OK);
		assert_int_equal(again.number, cases[i].number);
		buffer_free(&out);
	}
}

static void refuse(const struct option_spec *spec, const char *text, const char *sentence)
{
	struct option_value value = {.number = 42};
	char why[200] = "";
	assert_int_equal(option_parse(spec, text, &value, why, sizeof(why)), WHERRY_EARG);
	assert_string_equal(why, sentence);
	assert_int_equal(value.number, 42);
	assert_null(value.text);
}

static void says_what_is_malformed(void **state)
{
	(void)state;
	struct option_spec spec = spec_of(WHERRY_OPTION_SIZE, 0, 0);
	refuse(&spec, "64K",
	    "limit: \"64K\" is not a size: bytes, or a whole number with kB, MB, GB, TB, KiB, MiB, GiB or "
	    "TiB, as in 64KiB");
	spec = spec_of(WHERRY_OPTION_DURATION, 0, 0);
	refuse(&spec, "fast",
	    "limit: \"fast\" is not a duration: milliseconds, or a whole number with ms, s, m, h or d, as "
	    "in 30s");
	spec = spec_of(WHERRY_OPTION_INT, 0, 0);
	refuse(&spec, "7x", "limit: \"7x\" is not a whole number");
	spec = spec_of(WHERRY_OPTION_BOOL, 0, 0);
	refuse(&spec, "maybe", "limit: \"maybe\" is not true or false (yes, no, on, off, 1 and 0 will do)");
	refuse(&spec, "a\nb", "limit: \"a\\nb\" is not true or false (yes, no, on, off, 1 and 0 will do)");
}

static void refuses_numbers_that_are_none(void **state)
{
	(void)state;
	static const char *const sizes[] = {"", " 1", "1 ", "-1", "+1", "0x10", "1.5GiB", "KiB", "1 KiB",
	    "9223372036854775808", "9007199254740992KiB", "8388608TiB"};
	static const char *const ints[] = {
	    "", "-", "--1", "+1", "1e3", "-9223372036854775809", "9223372036854775808", "1k"};
	char why[200];
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct option_spec size = spec_of(WHERRY_OPTION_SIZE, 0, 0),
				   duration = spec_of(WHERRY_OPTION_DURATION, 0, 0);
		struct option_value value = {0};
		assert_int_equal(option_parse(&size, sizes[i], &value, why, sizeof(why)), WHERRY_EARG);
		assert_int_equal(option_parse(&duration, sizes[i], &value, why, sizeof(why)), WHERRY_EARG);
	}
	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
		struct option_spec spec = spec_of(WHERRY_OPTION_INT, 0, 0);
		struct option_value value = {0};
		assert_int_equal(option_parse(&spec, ints[i], &value, why, sizeof(why)), WHERRY_EARG);
	}
}

static void says_what_is_allowed(void **state)
{
	(void)state;
	struct option_spec spec = spec_of(WHERRY_OPTION_SIZE, 65536, 1 << 30);
	refuse(&spec, "1KiB", "limit: \"1KiB\" is out of bounds: allowed is 64KiB to 1GiB");
	refuse(&spec, "2GiB", "limit: \"2GiB\" is out of bounds: allowed is 64KiB to 1GiB");
	spec = spec_of(WHERRY_OPTION_DURATION, 1000, INT64_MAX);
	refuse(&spec, "5ms", "limit: \"5ms\" is out of bounds: allowed is 1s or more");
	spec = spec_of(WHERRY_OPTION_INT, -5, 5);
	refuse(&spec, "-6", "limit: \"-6\" is out of bounds: allowed is -5 to 5");
	spec = spec_of(WHERRY_OPTION_TEXT, 1, 3);
	refuse(&spec, "", "limit: \"\" is out of bounds: allowed is a length from 1 to 3");
	refuse(&spec, "four", "limit: \"four\" is out of bounds: allowed is a length from 1 to 3");
}

static void a_long_value_is_cut_in_the_sentence(void **state)
{
	(void)state;
	struct option_spec spec = spec_of(WHERRY_OPTION_INT, 0, 0);
	char text[5000], why[64];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct option_value value = {0};
	assert_int_equal(option_parse(&spec, text, &value, why, sizeof(why)), WHERRY_EARG);
	assert_int_equal(strlen(why), sizeof(why) - 1);
	assert_string_equal(why + strlen(why) - 3, "...");
	assert_int_equal(option_parse(&spec, text, &value, NULL, 0), WHERRY_EARG);
}

static bool never(size_t size)
{
	(void)size;
	return false;
}

static void text_is_copied_and_replaced(void **state)
{
	(void)state;
	struct option_spec spec = spec_of(WHERRY_OPTION_TEXT, 0, 0);
	struct option_value value = {0};
	struct buffer out = {0};
	char why[200], text[] = "first";
	option_print(&spec, &value, &out);
	assert_int_equal(out.len, 0);
	assert_int_equal(option_parse(&spec, text, &value, why, sizeof(why)), WHERRY_OK);
	text[0] = 'F';
	assert_string_equal(value.text, "first");
	assert_int_equal(option_parse(&spec, "second", &value, why, sizeof(why)), WHERRY_OK);
	mem_may_alloc = never;
	int status = option_parse(&spec, "third", &value, why, sizeof(why));
	mem_may_alloc = NULL;
	assert_int_equal(status, WHERRY_ENOMEM);
	assert_string_equal(why, "limit: out of memory");
	option_print(&spec, &value, &out);
	assert_true(span_equal(buffer_span(&out), span_text("second")));
	buffer_free(&out);
	mem_free(value.text);
}

static void guesses_what_was_meant(void **state)
{
	(void)state;
	static const char *const names[] = {"kv.set", "kv.get", "kv.mget", "queue.push", "queue.pop"};
	assert_string_equal(nearest_name("kv.ste", names, 5), "kv.set");
	assert_string_equal(nearest_name("queue.psh", names, 5), "queue.push");
	assert_string_equal(nearest_name("kv.gett", names, 5), "kv.get");
	assert_null(nearest_name("pubsub.publish", names, 5));
	assert_null(nearest_name("", names, 5));
	assert_null(nearest_name("x", names, 0));
}

static void counts_edits(void **state)
{
	(void)state;
	char long_name[200];
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(edit_distance("", ""), 0);
	assert_int_equal(edit_distance("", "abc"), 3);
	assert_int_equal(edit_distance("abc", ""), 3);
	assert_int_equal(edit_distance("abc", "abc"), 0);
	assert_int_equal(edit_distance("abc", "acb"), 1);
	assert_int_equal(edit_distance("kitten", "sitting"), 3);
	assert_int_equal(edit_distance("ab", "ba"), 1);
	assert_int_equal(edit_distance(long_name, "aa"), 199);
	assert_int_equal(edit_distance(long_name, long_name), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_and_prints_numbers),
	    cmocka_unit_test(says_what_is_malformed),
	    cmocka_unit_test(refuses_numbers_that_are_none),
	    cmocka_unit_test(says_what_is_allowed),
	    cmocka_unit_test(a_long_value_is_cut_in_the_sentence),
	    cmocka_unit_test(text_is_copied_and_replaced),
	    cmocka_unit_test(guesses_what_was_meant),
	    cmocka_unit_test(counts_edits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
