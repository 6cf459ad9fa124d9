// kv: values whole, their kinds, and the kinds of keys: transcripts.  The marks (T1, K10 ...) name the cases
// of earlier stores whose semantics are covered.

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

// --- types and keys ---

static void values_come_back_as_they_were(void **state) // T1 T6 T9 T10 T11 T13 K11
{
	struct embed *b = *state;
	static const char *const values[] = {"511", "-1", "3.14159", "\"Glücksburg\"", "b\"mel ott\"", "true", "false",
	    "null", "t(1, 2, 3)", "[511, \"Glücksburg\", b\"mel ott\", 3.14159]", "time(1600000000, 0)",
	    "time(1600000000, 123456000)", "t(1, t(2, 3))", "[1, [2, t()]]", "{\"a\": 1, b\"b\": [null]}", "+inf",
	    "-inf", "+nan", "1e+300", "18446744073709551615", "-9223372036854775808", "b\"a\\x00b\"", "\"a\\x00b\"",
	    "x(5, b\"own\")", "\"\"", "b\"\"", "[]", "{}", "t()"};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		free(embed_callf(b, "kv.set v %s", values[i]));
		expect(b, "kv.get v", values[i]);
	}
}

static void values_come_back_byte_for_byte(void **state)
{
	struct embed *b = *state;
	// 1 in nine bytes, a str with a needlessly long header, a map with a key twice
	static const uint8_t set[] = "\x94\x00\x01\xa6kv.set\x92\xa1k\x93\xd3\0\0\0\0\0\0\0\1\xd9\1x\x82\xa1"
				     "a\1\xa1"
				     "a\2";
	static const uint8_t get[] = "\x94\x00\x02\xa6kv.get\x91\xa1k";
	static const uint8_t want[] = "\x94\x01\x02\xc0\x93\xd3\0\0\0\0\0\0\0\1\xd9\1x\x82\xa1"
				      "a\1\xa1"
				      "a\2";
	wherry_session *session;
	const void *answer;
	size_t len;
	assert_int_equal(wherry_session_open(embed_broker(b), &session), WHERRY_OK);
	assert_int_equal(wherry_session_call(session, set, sizeof set - 1, &answer, &len), WHERRY_OK);
	assert_int_equal(wherry_session_call(session, get, sizeof get - 1, &answer, &len), WHERRY_OK);
	assert_int_equal(len, sizeof want - 1);
	assert_memory_equal(answer, want, len);
	wherry_session_close(session);
}

static void every_kind_of_key_with_every_kind_of_value(void **state) // T2
{
	struct embed *b = *state;
	static const char *const keys[] = {"\"mel ott homeruns\"", "b\"buffoon\"", "1001", "2.35813", "t(1, 2, 3)"};
	static const char *const values[] = {
	    "\"511\"", "b\"baz\"", "\"dalmations\"", "21.34", "55", "[1, 1, 2, 3, 5, 8, 13, 21]"};
	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
		for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
			free(embed_callf(b, "kv.set %s %s", keys[k], values[v]));
			expectf(b, values[v], "kv.get %s", keys[k]);
			expectf(b, "1", "kv.del %s", keys[k]);
			expectf(b, "null", "kv.get %s", keys[k]);
			char *answer = embed_callf(b, "kv.set %s %s ; kv.get %s ; kv.del %s ; kv.get %s", keys[k],
			    values[v], keys[k], keys[k], keys[k]);
			char *rest = strstr(answer, " ; "), *want = NULL;
			assert_non_null(rest);
			assert_true(asprintf(&want, " ; %s ; 1 ; null", values[v]) >= 0);
			assert_string_equal(rest, want);
			free(want);
			free(answer);
		}
}

static void some_kinds_are_no_keys(void **state) // T3 T4
{
	struct embed *b = *state;
	static const char *const wrong[] = {"[1, 2, 3]", "true", "false", "null", "{}", "time(0, 0)",
	    "t(1, 2, 3, time(0, 0))", "t(1, true)", "t(1, [1])", "+nan", "x(5, \"x\")"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char *answer = embed_callf(b, "kv.set %s 1", wrong[i]);
		embed_expect_text(answer, "EARG: argument \"key\"*", 1, __FILE__, __LINE__);
	}
	expect(b, "kv.count", "0");
	expect_like(b, "kv.set t(1, t(2)) 1", "[0-9]*");
	expect(b, "kv.get t(1, t(2))", "1");
	expect_like(b, "kv.set t() 1", "[0-9]*");
	expect(b, "kv.get t()", "1");
}

static void similar_keys_are_different(void **state) // T12 T14
{
	struct embed *b = *state;
	expect_like(b, "kv.mset 1 int 1.0 float \"1\" str b\"1\" bin \"\" empty b\"\" none", "[[]*]");
	expect(
	    b, "kv.mget 1 1.0 \"1\" b\"1\" \"\" b\"\"", "[\"int\", \"float\", \"str\", \"bin\", \"empty\", \"none\"]");
	expect_like(b, "kv.set -0.0 zero", "[0-9]*");
	expect(b, "kv.get 0.0", "\"zero\"");
	expect(b, "kv.get 0", "null");
	expect_like(b, "kv.set answer \"ENOKEY\" ; kv.set nothing null", "[0-9]* ; [0-9]*");
	expect(b, "kv.get answer", "\"ENOKEY\"");
	expect(b, "kv.get nothing ; kv.exists nothing ; kv.entry missing", "null ; [true] ; null");
}

// --- whole values ---

static void set_get_del(void **state) // K1 K9 K10 E4
{
	struct embed *b = *state;
	expect(b, "kv.get foo", "null");
	expect(b, "kv.exists foo ; kv.count", "[false] ; 0"); // reading made nothing
	uint64_t first = embed_number(b, "kv.set foo bar");
	expect(b, "kv.get foo", "\"bar\"");
	assert_true(embed_number(b, "kv.set foo baz") > first);
	assert_true(embed_number(b, "kv.set foo buffoon") > first);
	expect(b, "kv.get foo", "\"buffoon\"");
	expect(b, "kv.del foo", "1");
	expect(b, "kv.get foo ; kv.del foo ; kv.type foo", "null ; 0 ; null");
}

static void random_calls_agree_with_a_model(void **state) // K2
{
	struct embed *b = *state;
	enum { KEYS = 32, CALLS = 1024 };
	int model[KEYS];
	memset(model, -1, sizeof model);
	uint32_t random = 1;
	for (int i = 0; i < CALLS; i++) {
		random = random * 1664525 + 1013904223;
		int key = random >> 24 & (KEYS - 1);
		char want[16];
		snprintf(want, sizeof want, "%d", model[key]);
		switch (random >> 16 & 3) {
		case 0:
			expectf(b, model[key] < 0 ? "0" : "1", "kv.del key:%d", key);
			model[key] = -1;
			break;
		case 1:
			free(embed_callf(b, "kv.set key:%d %d", key, i));
			model[key] = i;
			break;
		default:
			expectf(b, model[key] < 0 ? "null" : want, "kv.get key:%d", key);
		}
	}
	int left = 0;
	for (int key = 0; key < KEYS; key++)
		left += model[key] >= 0;
	assert_int_equal(embed_number(b, "kv.count"), left);
}

static void wrong_calls_change_nothing(void **state) // K3 E4
{
	struct embed *b = *state;
	static const char *const wrong[] = {"kv.get", "kv.get a b", "kv.set a", "kv.set a b c", "kv.mget", "kv.mset",
	    "kv.mset a", "kv.mset a 1 b", "kv.del", "kv.exists", "kv.cas a 1", "kv.incr", "kv.append a", "kv.range a 0",
	    "kv.patch a 0", "kv.scan", "kv.getall 1", "kv.count 1", "kv.clear 1", "kv.rename a", "kv.copy a",
	    "kv.set a 1 --ttl-ms=soon", "kv.set a 1 --ttl-ms=1.5", "kv.set a 1 --ttl-ms=null", "kv.set a 1 --nx=1",
	    "kv.set a 1 --colour=red", "kv.incr a one", "kv.append a 1", "kv.append a [1]", "kv.range a zero 1",
	    "kv.scan start", "kv.scan 0 --limit=many", "kv.scan 0 --match=1", "kv.scan -1", "kv.get a --ns=nowhere"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char *answer = embed_call(b, wrong[i]);
		if (strncmp(answer, "EARG: ", 6) != 0 && strncmp(answer, "ENOKEY: ", 8) != 0)
			fail_msg("%s answered %s", wrong[i], answer);
		free(answer);
	}
	expect_like(b, "kv.gt a", "ENOCMD: *kv.get*");
	expect_like(b, "kv.", "ENOCMD: *");
	expect(b, "kv.count", "0");
}

static void set_conditions(void **state) // K5 K6
{
	struct embed *b = *state;
	expect(b, "kv.set k 1 --xx", "null");
	expect(b, "kv.exists k", "[false]");
	expect_like(b, "kv.set k 1 --nx", "[0-9]*");
	expect(b, "kv.set k 2 --nx", "null");
	expect(b, "kv.get k", "1");
	expect_like(b, "kv.set k 2 --xx", "[0-9]*");
	expect(b, "kv.get k", "2");
	expect_like(b, "kv.set k 3 --nx=false --xx=false --get=false --keep_ttl=false", "[0-9]*");
	expect(b, "kv.get k", "3");
	expect(b, "kv.set k 4 --nx --xx", "EARG: nx and xx exclude each other; give one");
	expect(b, "kv.get k", "3");
}

static void set_answers_the_old_value(void **state) // K6
{
	struct embed *b = *state;
	expect_like(b, "kv.set k hello --get", "[[][0-9]*, null]");
	expect_like(b, "kv.set k world --get", "[[][0-9]*, \"hello\"]");
	expect_like(b, "kv.set k again --get --nx", "[[]null, \"world\"]");
	expect_like(b, "kv.set none again --get --xx", "[[]null, null]");
	expect(b, "kv.get k", "\"world\"");
	expect_like(
	    b, "other.make o ; kv.set o 1 --get", "true ; ETYPE: key \"o\" holds a other.thing, not a kv.value");
	expect(b, "kv.type o", "\"other.thing\"");
}

static void set_at_a_revision(void **state)
{
	struct embed *b = *state;
	expect(b, "kv.set k 1 --rev=7", "ECONFLICT: the key does not exist (revision 0), and rev is 7");
	uint64_t first = embed_number(b, "kv.set k 1 --rev=0");
	char want[128];
	snprintf(want, sizeof want, "ECONFLICT: the key is at revision %" PRIu64 ", and rev is 0", first);
	expect(b, "kv.set k 2 --rev=0", want);
	char *answer = embed_callf(b, "kv.set k 2 --rev=%" PRIu64, first);
	uint64_t second = strtoull(answer, NULL, 10);
	free(answer);
	assert_true(second > first);
	snprintf(
	    want, sizeof want, "ECONFLICT: the key is at revision %" PRIu64 ", and rev is %" PRIu64, second, first);
	expectf(b, want, "kv.set k 3 --rev=%" PRIu64, first);
	expect_like(b, "kv.set k 3 --rev=18446744073709551615 ; kv.get k",
	    "ECONFLICT: the key is at revision *, and rev is 18446744073709551615 ; 2");
	expect_like(b, "kv.set k 3 --rev=-1", "EARG: rev can't be negative; 0 means *");
	snprintf(want, sizeof want, "[2, %" PRIu64 ", null]", second);
	expect(b, "kv.entry k", want);
}

static void set_replaces_any_type(void **state) // K10
{
	struct embed *b = *state;
	expect_like(b, "other.make o ; kv.set o 1", "true ; [0-9]*");
	expect(b, "kv.get o ; kv.type o", "1 ; \"kv.value\"");
	expect(b, "other.see o", "ETYPE: key \"o\" holds a kv.value, not a other.thing");
	expect_like(b, "other.make p ; other.make q ; kv.mset p 1 q 2", "true ; true ; [[]*]");
	expect(b, "kv.mget p q", "[1, 2]");
	expect_like(b, "other.make r ; kv.set r 1 --nx", "true ; null");
	expect(b, "other.see r", "[\"head\", 2]");
	expect_like(b, "kv.set r 1 --xx ; kv.get r", "[0-9]* ; 1");
	expect(b, "kv.del p q r", "3");
	expect(b, "other.see p", "null"); // nothing of it was left below the value
	expect(b, "other.make p ; kv.set p 1 --nx", "true ; null");
}

static void other_commands_want_a_value(void **state)
{
	struct embed *b = *state;
	static const char *const calls[] = {"kv.get o", "kv.entry o", "kv.mget a o", "kv.cas o 1 2", "kv.incr o",
	    "kv.append o x", "kv.len o", "kv.range o 0 1", "kv.patch o 0 x", "kv.del a o --get"};
	expect(b, "other.make o", "true");
	free(embed_call(b, "kv.set a 1"));
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		expect(b, calls[i], "ETYPE: key \"o\" holds a other.thing, not a kv.value");
	expect(b, "other.see o ; kv.get a", "[\"head\", 2] ; 1"); // kv.del removed neither
}

static void many_at_once(void **state) // K7
{
	struct embed *b = *state;
	free(embed_call(b, "kv.mset key1 1 key2 2 key3 3 key4 4"));
	expect(b, "kv.mget key1 key2 \"not exist key\" key3 key4", "[1, 2, null, 3, 4]");
	expect(b, "kv.del key1 key2 key3 key4 --get", "[1, 2, 3, 4]");
	expect(b, "kv.exists key1 key2 key3 key4", "[false, false, false, false]");
	free(embed_call(b, "kv.mset key1 1 key3 3"));
	expect(b, "kv.exists key1 key2 key3 key4", "[true, false, true, false]");
	expect(b, "kv.del key1 key2 key3 key1", "2");
	expect(b, "kv.del key1 --get", "[null]");
	free(embed_call(b, "kv.mset u1 10 u2 9 u3 23 u1 5"));
	expect(b, "kv.mget u1 u2 u3 u1", "[5, 9, 23, 5]");
	expect(b, "kv.del u1 u1 --get", "[5, null]");
}

static void one_commit_has_one_revision(void **state)
{
	struct embed *b = *state;
	uint64_t before = embed_number(b, "kv.set a 1");
	char want[64];
	char *answer = embed_call(b, "kv.mset a 2 b 3");
	uint64_t after = strtoull(answer + 1, NULL, 10);
	assert_true(after > before);
	snprintf(want, sizeof want, "[%" PRIu64 ", %" PRIu64 "]", after, after);
	assert_string_equal(answer, want);
	free(answer);
	snprintf(want, sizeof want, "[3, %" PRIu64 ", null]", after);
	expect(b, "kv.entry b", want);
}

// --- compare and swap ---

static void cas(void **state) // C1
{
	struct embed *b = *state;
	expect_like(b, "kv.cas k a b", "ENOKEY: there is no such key to compare*nx*");
	expect(b, "kv.exists k", "[false]");
	uint64_t set = embed_number(b, "kv.set k initial");
	char *answer = embed_call(b, "kv.cas k initial new");
	assert_int_equal(strncmp(answer, "[true, ", 7), 0);
	assert_true(strtoull(answer + 7, NULL, 10) > set);
	free(answer);
	expect(b, "kv.cas k initial other", "[false, \"new\"]");
	expect(b, "kv.get k", "\"new\"");
	expect_like(b, "kv.set k null ; kv.cas k null 1", "[0-9]* ; [[]true, [0-9]*]");
}

static void cas_compares_values_not_bytes(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set k {\"a\": 1, \"b\": [2]}"));
	expect_like(b, "kv.cas k {\"b\": [2], \"a\": 1} 1", "[[]true, *]");
	expect(b, "kv.cas k 1.0 2", "[false, 1]");
	expect(b, "kv.cas k \"1\" 2", "[false, 1]");
	expect_like(b, "kv.set k t(1, 2) ; kv.cas k [1, 2] 0", "[0-9]* ; [[]false, t(1, 2)]");
	expect_like(b, "kv.cas k t(1, 2) 0", "[[]true, *]");
}

static void cas_and_the_lifetime(void **state) // C2
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set k 1 --ttl_ms=1000000"));
	expect_like(b, "kv.cas k 1 2 ; kv.entry k", "[[]true, *] ; [[]2, *, [0-9]*]");
	expect_like(b, "kv.cas k 2 3 --ttl-ms=2000000 ; kv.entry k", "[[]true, *] ; [[]3, *, [12]??????]");
	expect_like(b, "kv.cas k 3 4 --ttl-ms=0", "EARG: ttl_ms must be positive");
	expect(b, "kv.get k", "3");
	free(embed_call(b, "kv.set e 1 --ttl_ms=1"));
	embed_await(b, "kv.exists e", "[false]");
	expect_like(b, "kv.cas e 1 2", "ENOKEY: *"); // E5
}

static void one_of_many_cas_succeeds(void **state) // C1
{
	struct embed *b = *state;
	enum { CLIENTS = 10 };
	struct embed_pending *pending[CLIENTS];
	int succeeded = 0;
	free(embed_call(b, "kv.set k value_0"));
	for (int i = 0; i < CLIENTS; i++) {
		char line[64];
		snprintf(line, sizeof line, "kv.cas k value_0 value_%d", i + 1);
		pending[i] = embed_begin(b, line);
	}
	for (int i = 0; i < CLIENTS; i++) {
		char *answer = embed_end(pending[i]);
		succeeded += strncmp(answer, "[true", 5) == 0;
		free(answer);
	}
	assert_int_equal(succeeded, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_broker, close_broker)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    CASE(values_come_back_as_they_were),
	    CASE(values_come_back_byte_for_byte),
	    CASE(every_kind_of_key_with_every_kind_of_value),
	    CASE(some_kinds_are_no_keys),
	    CASE(similar_keys_are_different),
	    CASE(set_get_del),
	    CASE(random_calls_agree_with_a_model),
	    CASE(wrong_calls_change_nothing),
	    CASE(set_conditions),
	    CASE(set_answers_the_old_value),
	    CASE(set_at_a_revision),
	    CASE(set_replaces_any_type),
	    CASE(other_commands_want_a_value),
	    CASE(many_at_once),
	    CASE(one_commit_has_one_revision),
	    CASE(cas),
	    CASE(cas_compares_values_not_bytes),
	    CASE(cas_and_the_lifetime),
	    CASE(one_of_many_cas_succeeds),
	};
	return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
