// kv: keys of any type, and the whole namespace: transcripts.  The marks (T1, K10 ...) name the cases of
// earlier stores whose semantics are covered.

#include "embed_await.h"

#include <inttypes.h>
#include <stdbool.h>
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

// --- keys ---

static void kinds_of_keys(void **state) // K10
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set a 1 ; other.make o"));
	expect(b, "kv.type a ; kv.type o ; kv.type missing", "\"kv.value\" ; \"other.thing\" ; null");
	expect(b, "kv.exists a o missing", "[true, true, false]");
	expect(b, "kv.count ; kv.del a o missing ; kv.count", "2 ; 2 ; 0");
}

static void renaming(void **state)
{
	struct embed *b = *state;
	expect(b, "kv.rename a b", "ENOKEY: there is no such key");
	free(embed_call(b, "kv.set a 1 --ttl_ms=1000000 ; kv.set b 2 ; other.make o"));
	expect(b, "kv.rename a b --nx ; kv.mget a b", "false ; [1, 2]");
	expect(b, "kv.rename a a ; kv.rename a a --nx ; kv.get a", "true ; false ; 1");
	expect(b, "kv.rename a b ; kv.mget a b", "true ; [null, 1]");
	expect_like(b, "kv.entry b", "[[]1, [0-9]*, [0-9]*]"); // the deadline came along
	expect(b, "kv.rename o b ; other.see b ; kv.exists o ; kv.count", "true ; [\"head\", 2] ; [false] ; 1");
	expect(b, "kv.rename b fresh --nx ; other.see fresh", "true ; [\"head\", 2]");
}

static void copying(void **state)
{
	struct embed *b = *state;
	expect(b, "kv.copy a b", "ENOKEY: there is no such key");
	free(embed_call(b, "kv.set a 1 --ttl_ms=1000000 ; kv.set b 2 ; other.make o"));
	expect(b, "kv.copy a b --nx ; kv.get b", "false ; 2");
	expect(b, "kv.copy a b ; kv.mget a b", "true ; [1, 1]");
	expect_like(b, "kv.entry b", "[[]1, [0-9]*, [0-9]*]");
	expect(
	    b, "kv.copy a a ; kv.copy o a ; other.see a ; other.see o", "true ; true ; [\"head\", 2] ; [\"head\", 2]");
	expect(b, "kv.incr b ; kv.get b ; kv.count", "2 ; 2 ; 3");
}

// --- the whole namespace ---

enum { MANY = 500 };

// Marks the keys "key:N" of an answer [cursor, [...]]; answers the cursor.
static uint64_t mark(char *answer, int seen[static MANY])
{
	uint64_t cursor = strtoull(answer + 1, NULL, 10);
	for (const char *at = answer; (at = strstr(at, "\"key:")); at++) {
		int key = atoi(at + 5);
		assert_in_range(key, 0, MANY - 1);
		seen[key]++;
	}
	free(answer);
	return cursor;
}

static void scans_see_every_key_once(void **state) // K8
{
	struct embed *b = *state;
	int seen[MANY] = {0}, steps = 0;
	for (int i = 0; i < MANY; i++)
		free(embed_callf(b, "kv.set key:%d %d", i, i));
	uint64_t cursor = 0;
	do { // half of them leave meanwhile, and others come
		cursor = mark(embed_callf(b, "kv.scan %" PRIu64 " --limit=20", cursor), seen);
		if (steps < MANY / 2)
			free(embed_callf(b, "kv.del key:%d ; kv.set more:%d 1", 2 * steps, steps));
		steps++;
	} while (cursor);
	assert_true(steps > 1);
	for (int i = 0; i < MANY; i++)
		assert_true(i % 2 || i >= 2 * steps ? seen[i] == 1 : seen[i] <= 1);
}

static void scans_by_pattern_and_type(void **state)
{
	struct embed *b = *state;
	expect(b, "kv.scan 0", "[0, []]");
	free(embed_call(b, "kv.set apple 1 ; kv.set b\"apricot\" 2 ; kv.set banana 3 ; kv.set 5 4 ; other.make ape"));
	expect(b, "kv.scan 0 --match=ban*", "[0, [\"banana\"]]");
	expect(b, "kv.scan 0 --match=b\"?pp[k-m]e\"", "[0, [\"apple\"]]");
	expect(b, "kv.scan 0 --match=ap* --type=other.thing", "[0, [\"ape\"]]");
	expect(b, "kv.scan 0 --match=ap*e --type=kv.value", "[0, [\"apple\"]]");
	expect(b, "kv.scan 0 --match=ap*t --values", "[0, [[b\"apricot\", 2]]]");
	expect(b, "kv.scan 0 --match=\"5\" ; kv.scan 0 --type=no.such",
	    "[0, []] ; [0, []]"); // ints match no pattern
	expect_like(b, "kv.scan 0 --match=*e --values --type=kv.value", "[[]0, [[][[]\"apple\", 1]]]");
	expect_like(b, "kv.scan 0 --values --type=other.thing", "EARG: values *kv.value *");
	expect_like(b, "kv.scan 0 --limit=0", "EARG: limit must be from 1 to kv.max_keys, 10000");
	expect_like(b, "kv.scan 0 --limit=10001", "EARG: limit must be from 1 to kv.max_keys, 10000");
	expect_like(b, "kv.scan 0 --match=\"[ab\"", "EARG: match has a [[] without its ]*");
	expect_like(b, "kv.scan 0 --match=\"a\\\\\"", "EARG: match ends in a backslash*");
}

static void patterns(void **state)
{
	struct embed *b = *state;
	static const struct {
		const char *pattern, *key;
		bool matches;
	} cases[] = {{"", "", true}, {"", "a", false}, {"*", "", true}, {"**", "abc", true}, {"a*c", "abbc", true},
	    {"a*c", "abbcd", false}, {"*a*b*c*", "xaxbxc", true}, {"*abc", "ababc", true}, {"?", "", false},
	    {"a?c", "abc", true}, {"[a-c]x", "bx", true}, {"[a-c]x", "dx", false}, {"[^a-c]x", "dx", true},
	    {"[^a-c]x", "ax", false}, {"[a-]", "-", true}, {"[]", "a", false}, {"[^]", "a", true}, {"\\\\*", "*", true},
	    {"\\\\*", "a", false}, {"[\\\\]]", "]", true}, {"[a\\\\-z]", "m", false}, {"[+-\\\\/]", ".", true},
	    {"a[b", "a[b", false}, {"a\\\\[b", "a[b", true}, {"é", "é", true}, {"??", "é", true}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		free(embed_callf(b, "kv.clear ; kv.set \"%s\" 1", cases[i].key));
		char *answer = embed_callf(b, "kv.scan 0 --match=\"%s\"", cases[i].pattern), want[32];
		snprintf(want, sizeof want, "[0, [\"%s\"]]", cases[i].key);
		if ((strcmp(answer, want) == 0) != cases[i].matches)
			fail_msg("%s on %s: %s", cases[i].pattern, cases[i].key, answer);
		free(answer);
	}
}

static void hostile_patterns_cost_little(void **state)
{
	struct embed *b = *state;
	char line[2048], letters[1025];
	memset(letters, 'a', 1024);
	letters[1024] = 0;
	free(embed_callf(b, "kv.set %s%s 1", letters, letters));
	size_t at = (size_t)sprintf(line, "kv.scan 0 --match=");
	for (int i = 0; i < 500; i++) // exponential to whoever tries all ways
		at += (size_t)sprintf(line + at, "*a");
	strcpy(line + at, "b");
	expect(b, line, "[0, []]");
	expectf(b, "ELIMIT: match takes too long on a key; use fewer stars", "kv.scan 0 --match=*%.1000sb", letters);
	expectf(b, "EARG: match is longer than 1024 bytes", "kv.scan 0 --match=*%s", letters);
	memset(letters, '*', 1024);
	sprintf(line, "kv.scan 0 --match=%s", letters);
	expect_like(b, line, "[[]0, [[]\"aaa*");
}

static void listing_all(void **state) // K7
{
	struct embed *b = *state;
	expect(b, "kv.getall", "[]");
	free(embed_call(b, "kv.mset u1 10 u2 9 u3 23 u1 5 ; other.make o ; kv.set 7 seven"));
	expect(b, "kv.getall --match=u1", "[[\"u1\", 5]]");
	expect(b, "kv.getall --limit=1 --match=u2", "[[\"u2\", 9]]"); // the limit is of what is answered
	expect(b, "kv.getall --limit=2 --match=u?",
	    "ELIMIT: there are more than 2 such keys; raise limit, or walk with kv.scan");
	int found = 0;
	char *answer = embed_call(b, "kv.getall --limit=4");
	static const char *const pairs[] = {"[\"u1\", 5]", "[\"u2\", 9]", "[\"u3\", 23]", "[7, \"seven\"]"};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		found += strstr(answer, pairs[i]) != NULL;
	assert_int_equal(found, 4);
	assert_int_equal(strlen(answer), strlen("[[\"u1\", 5], [\"u2\", 9], [\"u3\", 23], [7, \"seven\"]]"));
	free(answer);
	expect_like(b, "kv.getall --limit=0", "EARG: limit *");
	expect_like(b, "kv.getall --match=\"[\"", "EARG: match *");
}

static void clearing(void **state)
{
	struct embed *b = *state;
	expect(b, "kv.clear", "0");
	for (int i = 0; i < MANY; i++)
		free(embed_callf(b, "kv.set %d %d", i, i));
	expect(b, "other.make o ; kv.count", "true ; 501");
	expect(b, "kv.clear ; kv.count ; kv.exists 1 o", "501 ; 0 ; [false, false]");
	expect_like(b, "kv.set a 1 --nx", "[0-9]*");
}

static void namespaces_are_apart(void **state)
{
	struct embed *b = *state;
	expect_like(b, "ns.create side", "*");
	free(embed_call(b, "kv.set a 1 ; kv.set a 2 --ns=side ; kv.set b 3 --ns=side"));
	expect(b, "kv.get a ; kv.get a --ns=side ; kv.exists b", "1 ; 2 ; [false]");
	expect(b, "kv.scan 0 ; kv.count ; kv.count --ns=side", "[0, [\"a\"]] ; 1 ; 2");
	expect(b, "kv.clear --ns=side ; kv.get a ; kv.get a --ns=side", "2 ; 1 ; null");
}

static void limits_are_told(void **state)
{
	(void)state;
	static const char *const options[] = {"kv.max_value=2KiB", "kv.max_answer=3KiB", "kv.max_keys=5", NULL};
	struct embed *b = embed_open_with("kv", options);
	char text[2045];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	free(embed_callf(b, "kv.set a %s ; kv.set b %s", text, text)); // 2044 bytes and a header of 3
	expectf(b, "ELIMIT: the value would have 2049 bytes, more than kv.max_value, 2048", "kv.set c %sxx", text);
	expect_like(b, "kv.append a xx", "ELIMIT: the value would have 205? bytes, more than kv.max_value, 2048");
	expect_like(b, "kv.patch a 2044 xx", "ELIMIT: *kv.max_value*");
	expectf(b, "ELIMIT: the value would have 2049 bytes, more than kv.max_value, 2048", "kv.mset d 1 c %sxx", text);
	expect_like(b, "kv.cas a x y ; kv.exists c d ; kv.len a", "[[]false, * ; [[]false, false] ; 2044");
	expect_like(b, "kv.mget a a", "ELIMIT: *kv.max_answer, 3072 bytes*");
	expect_like(b, "kv.del a b --get", "ELIMIT: *kv.max_answer*");
	expect_like(b, "kv.scan 0 --values --limit=5", "ELIMIT: *kv.max_answer*");
	expect_like(b, "kv.getall", "ELIMIT: *kv.max_answer*");
	expect(b, "kv.exists a b", "[true, true]");
	expect(b, "kv.scan 0 --limit=6", "EARG: limit must be from 1 to kv.max_keys, 5");
	embed_close(b);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_broker, close_broker)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    CASE(kinds_of_keys),
	    CASE(renaming),
	    CASE(copying),
	    CASE(scans_see_every_key_once),
	    CASE(scans_by_pattern_and_type),
	    CASE(patterns),
	    CASE(hostile_patterns_cost_little),
	    CASE(listing_all),
	    CASE(clearing),
	    CASE(namespaces_are_apart),
	    cmocka_unit_test(limits_are_told),
	};
	return cmocka_run_group_tests_name("kv_keys", tests, NULL, NULL);
}
