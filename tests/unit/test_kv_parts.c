// kv: numbers counted, bytes cut and patched: transcripts.  The marks (T1, K10 ...) name the cases of earlier
// stores whose semantics are covered.

#include "embed_await.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_broker(void **state)
{
	*state = embed_open("kv,other");
	return 0;
}

static int close_broker(void **state)
{
	embed_close(*state);
	return 0;
}

// --- numbers ---

static void counting(void **state) // 3.6
{
	struct embed *b = *state;
	expect(b, "kv.incr n ; kv.incr n ; kv.incr n 40 ; kv.incr n -2", "1 ; 2 ; 42 ; 40");
	expect(b, "kv.incr m --initial=10 ; kv.incr m --initial=10", "11 ; 12");
	expect(b, "kv.incr f 0.5 ; kv.incr f ; kv.incr n 0.5 ; kv.get n", "0.5 ; 1.5 ; 40.5 ; 40.5");
	expect(b, "kv.incr i 1 --initial=1.5", "2.5");
	expect(b, "kv.incr z 0 ; kv.exists z", "0 ; [true]");
	for (int bits = 0; bits < 63; bits++) { // every width of an int
		int64_t n = INT64_C(1) << bits;
		char want[128];
		snprintf(want, sizeof want, "%" PRId64 " ; %" PRId64 " ; %" PRId64, n - 1, n - 1, -n);
		free(embed_call(b, "kv.del w"));
		expectf(b, want, "kv.incr w %" PRId64 " ; kv.get w ; kv.incr w -%" PRId64, n - 1, n + (n - 1));
	}
}

static void counting_fails_without_a_change(void **state) // 3.6
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set s 12x ; kv.set l [1] ; kv.set t 1"));
	expect(b, "kv.incr s", "EARG: the key's value is a str; kv.incr counts ints and floats");
	expect(b, "kv.incr l", "EARG: the key's value is an array; kv.incr counts ints and floats");
	expect(b, "kv.mget s l", "[\"12x\", [1]]");
	free(embed_call(b, "kv.set top 9223372036854775807 ; kv.set low -9223372036854775808"));
	expect(b, "kv.incr top", "ELIMIT: the sum leaves the range of int64; the value stays");
	expect(b, "kv.incr low -1", "ELIMIT: the sum leaves the range of int64; the value stays");
	expect(b, "kv.mget top low", "[9223372036854775807, -9223372036854775808]");
	expect_like(b, "kv.set u 18446744073709551615 ; kv.incr u",
	    "[0-9]* ; ELIMIT: the value is beyond int64; it can't be counted");
	expect_like(b, "kv.incr t 18446744073709551615", "EARG: argument \"by\"*");
	expect(b, "kv.incr t +inf", "ELIMIT: the sum is no finite float64; the value stays");
	expect(b, "kv.incr t +nan", "ELIMIT: the sum is no finite float64; the value stays");
	expect_like(b, "kv.set big 1.7e308 ; kv.incr big 1.7e308", "[0-9]* ; ELIMIT: the sum is no finite*");
	expect(b, "kv.mget t big", "[1, 1.7e+308]");
}

// --- bytes ---

static void appending(void **state) // T10 T14
{
	struct embed *b = *state;
	expect(b, "kv.append s Glück ; kv.append s b\"\\x00s\" ; kv.get s", "6 ; 8 ; \"Glück\\x00s\"");
	expect(b, "kv.append b b\"\\x00\\xff\" ; kv.append b text ; kv.get b", "2 ; 6 ; b\"\\x00\\xfftext\"");
	expect(b, "kv.append e \"\" ; kv.exists e ; kv.get e", "0 ; [true] ; \"\"");
	expect(b, "kv.append s \"\" ; kv.len s ; kv.len missing", "8 ; 8 ; 0");
	expect_like(
	    b, "kv.set n 5 ; kv.append n 5x", "[0-9]* ; EARG: the key's value is an int; only a str or a bin *");
	expect_like(b, "kv.len n", "EARG: the key's value is an int; *");
	expect(b, "kv.get n", "5");
}

// Over each length at which a msgpack header gets longer.
static void growing_through_all_headers(void **state) // K4 K11
{
	struct embed *b = *state;
	static const struct {
		const char *key, *piece;
	} kinds[] = {{"s", "a"}, {"b", "b\"a\""}};
	static const size_t lengths[] = {31, 32, 255, 256, 65000, 65535, 65536, 70000};
	char *line = malloc(80000);
	assert_non_null(line);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		size_t have = 0;
		for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
			size_t at = (size_t)sprintf(line, "kv.append %s %s\"", kinds[k].key, k ? "b" : "");
			memset(line + at, 'a', lengths[i] - have);
			strcpy(line + at + (lengths[i] - have), "\"");
			have = lengths[i];
			assert_int_equal(embed_number(b, line), have);
			expectf(b, "b\"aa\"", "kv.range %s -2 %zu", kinds[k].key, have);
			char *value = embed_callf(b, "kv.get %s", kinds[k].key);
			assert_int_equal(strlen(value), have + 2 + k); // quotes, and the b of bytes
			free(value);
		}
	}
	free(line);
}

static void ranges(void **state) // L3, over bytes
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set k xyabcde"));
	static const struct {
		const char *range, *want;
	} cases[] = {{"0 2", "b\"xya\""}, {"-3 -1", "b\"cde\""}, {"0 -2", "b\"xyabcd\""}, {"1 -3", "b\"yabc\""},
	    {"-100 1", "b\"xy\""}, {"5 2", "b\"\""}, {"0 100", "b\"xyabcde\""}, {"6 6", "b\"e\""}, {"7 7", "b\"\""},
	    {"0 -8", "b\"\""}, {"-8 -8", "b\"\""}, {"-9223372036854775808 9223372036854775807", "b\"xyabcde\""},
	    {"9223372036854775807 -9223372036854775808", "b\"\""}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expectf(b, cases[i].want, "kv.range k %s", cases[i].range);
	expect(b, "kv.range missing 0 -1", "b\"\"");
	expect_like(b, "kv.set u é ; kv.range u 0 0", "[0-9]* ; b\"\\\\xc3\""); // a cut may split a character
}

static void patches(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set k xyabcde"));
	expect(b, "kv.patch k 2 AB ; kv.get k", "7 ; \"xyABcde\"");
	expect(b, "kv.patch k 5 b\"1234\" ; kv.get k", "9 ; \"xyABc1234\"");
	expect(b, "kv.patch k 9 ! ; kv.patch k 0 \"\" ; kv.get k", "10 ; 10 ; \"xyABc1234!\"");
	expect(b, "kv.patch k 11 x", "EARG: at must be from 0 to the length, 10");
	expect(b, "kv.patch k -1 x", "EARG: at must be from 0 to the length, 10");
	expect(b, "kv.patch new 1 x ; kv.exists new", "EARG: at must be from 0 to the length, 0 ; [false]");
	expect(b, "kv.patch new 0 b\"x\" ; kv.get new", "1 ; b\"x\"");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_broker, close_broker)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    CASE(counting),
	    CASE(counting_fails_without_a_change),
	    CASE(appending),
	    CASE(growing_through_all_headers),
	    CASE(ranges),
	    CASE(patches),
	};
	return cmocka_run_group_tests_name("kv_parts", tests, NULL, NULL);
}
