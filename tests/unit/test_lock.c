// lock: who holds what, under which token, and who is refused: transcripts.

#include "embed_await.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_broker(void **state)
{
	*state = embed_open("lock,kv");
	return 0;
}

static int close_broker(void **state)
{
	embed_close(*state);
	return 0;
}

// How long its first holder has it, at most `most`, and not much less.
static void expect_left(struct embed *b, const char *name, long most)
{
	char *answer = embed_callf(b, "lock.show %s", name);
	const char *at = strstr(answer, "\"left_ms\": ");
	assert_non_null(at);
	assert_in_range(strtol(at + strlen("\"left_ms\": "), NULL, 10), most * 2 / 3, most);
	free(answer);
}

static void a_lock_is_held_by_one(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a");
	assert_true(token > 0);
	expect(b, "lock.acquire a", "null");
	expect(b, "lock.acquire a --wait_ms=5", "null");
	expectf(b, "true", "lock.extend a %" PRIu64, token);
	expectf(b, "true", "lock.release a %" PRIu64, token);
	expect(b, "kv.count", "0");
	assert_true(embed_number(b, "lock.acquire a") > token);
}

static void names_are_keys_of_any_kind(void **state)
{
	struct embed *b = *state;
	static const char *const names[] = {"a", "b\"a\"", "1", "1.5", "t(1, \"a\")", "\"\""};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char line[64];
		snprintf(line, sizeof line, "lock.acquire %s", names[i]);
		uint64_t token = embed_number(b, line);
		expect(b, line, "null");
		expectf(b, "true", "lock.release %s %" PRIu64, names[i], token);
	}
	expect_like(b, "lock.acquire [1]", "EARG: *");
	expect_like(b, "lock.acquire null", "EARG: *");
}

static void tokens_rise_for_ever(void **state)
{
	struct embed *b = *state;
	uint64_t last = 0;
	for (int round = 0; round < 20; round++) {
		uint64_t token = embed_number(b, round % 4 == 3 ? "lock.acquire a --ttl_ms=1" : "lock.acquire a");
		assert_true(token > last);
		last = token;
		if (round % 4 == 3)
			embed_await(b, "lock.show a", "null");
		else if (round % 4 == 1)
			expect(b, "kv.del a", "1");
		else
			expectf(b, "true", "lock.release a %" PRIu64, token);
	}
}

static void an_old_token_holds_nothing(void **state)
{
	struct embed *b = *state;
	uint64_t old = embed_number(b, "lock.acquire a");
	expectf(b, "true", "lock.release a %" PRIu64, old);
	char *free_lock = embed_callf(b, "lock.release a %" PRIu64, old);
	embed_expect_text(free_lock, "ESTALE: nothing is held under token *", 1, __FILE__, __LINE__);
	uint64_t token = embed_number(b, "lock.acquire a");
	static const char *const commands[] = {"release", "extend"};
	for (int i = 0; i < 2; i++) {
		char *answer = embed_callf(b, "lock.%s a %" PRIu64, commands[i], old);
		embed_expect_text(answer, "ESTALE: *", 1, __FILE__, __LINE__);
		answer = embed_callf(b, "lock.%s a %" PRIu64, commands[i], token + 1);
		embed_expect_text(answer, "ESTALE: *", 1, __FILE__, __LINE__);
		answer = embed_callf(b, "lock.%s a 0 ; lock.%s a -1 ; lock.%s a 18446744073709551615", commands[i],
		    commands[i], commands[i]);
		embed_expect_text(answer, "ESTALE: * ; ESTALE: * ; ESTALE: *", 1, __FILE__, __LINE__);
	}
	expectf(b, "true", "lock.release a %" PRIu64, token);
}

static void another_locks_token_is_no_token(void **state)
{
	struct embed *b = *state;
	uint64_t a = embed_number(b, "lock.acquire a");
	free(embed_call(b, "lock.acquire b"));
	char *answer = embed_callf(b, "lock.release b %" PRIu64, a);
	embed_expect_text(answer, "ESTALE: *", 1, __FILE__, __LINE__);
	expect(b, "lock.acquire b", "null");
}

static void extending_moves_the_end(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a --ttl_ms=100000");
	expect_left(b, "a", 100000);
	expectf(b, "true", "lock.extend a %" PRIu64 " --ttl_ms=900000", token);
	expect_left(b, "a", 900000);
	expectf(b, "true", "lock.extend a %" PRIu64, token); // the default
	expect_left(b, "a", 30000);
	expectf(b, "true", "lock.extend a %" PRIu64 " --ttl_ms=1", token); // shorter
	embed_await(b, "lock.show a", "null");
	char *answer = embed_callf(b, "lock.extend a %" PRIu64, token);
	embed_expect_text(answer, "ESTALE: *", 1, __FILE__, __LINE__);
}

// The first alarm comes at the first deadline, and finds a hold that was extended.
static void an_extended_hold_outlives_its_first_end(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a --ttl_ms=30");
	expectf(b, "true", "lock.extend a %" PRIu64 " --ttl_ms=100000", token);
	free(embed_call(b, "lock.acquire later --ttl_ms=40"));
	embed_await(b, "lock.show later", "null");
	expect(b, "lock.acquire a", "null");
	expectf(b, "true", "lock.release a %" PRIu64, token);
}

static void permits_are_counted(void **state)
{
	struct embed *b = *state;
	uint64_t token[3];
	for (int i = 0; i < 3; i++) {
		token[i] = embed_number(b, "lock.acquire s --permits=3");
		assert_true(i == 0 || token[i] > token[i - 1]);
	}
	expect(b, "lock.acquire s --permits=3", "null");
	expectf(b, "true", "lock.release s %" PRIu64 " --permits=3", token[1]);
	uint64_t again = embed_number(b, "lock.acquire s --permits=3");
	assert_true(again > token[2]);
	expect(b, "lock.acquire s --permits=3", "null");
	expectf(b, "true", "lock.extend s %" PRIu64 " --permits=3", again);
	expectf(b, "true", "lock.release s %" PRIu64, token[0]);
	expectf(b, "true", "lock.release s %" PRIu64, again);
	expectf(b, "true", "lock.release s %" PRIu64, token[2]);
	expect(b, "kv.count", "0");
}

static void all_say_the_same_permits(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire s --permits=3");
	expect_like(b, "lock.acquire s --permits=2",
	    "ECONFLICT: it has 3 permits while anybody holds it, and 2 are asked for: *");
	expect_like(b, "lock.acquire s --wait_ms=1000", "ECONFLICT: *and 1 is asked for: *");
	char *answer = embed_callf(b, "lock.release s %" PRIu64 " --permits=1", token);
	embed_expect_text(answer, "ECONFLICT: *", 1, __FILE__, __LINE__);
	answer = embed_callf(b, "lock.extend s %" PRIu64 " --permits=1", token);
	embed_expect_text(answer, "ECONFLICT: *", 1, __FILE__, __LINE__);
	expectf(b, "true", "lock.release s %" PRIu64, token);
	expect_like(b, "lock.acquire s --permits=2", "[1-9]*"); // nobody held it
	expect_like(b, "lock.acquire m", "[1-9]*");
	expect_like(b, "lock.acquire m --permits=2", "ECONFLICT: it has 1 permit while *");
}

static void bad_input_is_refused(void **state)
{
	struct embed *b = *state;
	expect(b, "lock.acquire a --ttl_ms=0", "EARG: ttl_ms must be from 1 to lock.max_ttl, 3600000");
	expect_like(b, "lock.acquire a --ttl_ms=-1", "EARG: ttl_ms *");
	expect_like(b, "lock.acquire a --ttl_ms=9223372036854775807", "EARG: ttl_ms *");
	expect(b, "lock.acquire a --wait_ms=-1", "EARG: wait_ms must be from 0 to lock.max_wait, 3600000");
	expect_like(b, "lock.acquire a --wait_ms=3600001", "EARG: wait_ms *");
	expect(b, "lock.acquire a --permits=0", "EARG: permits must be from 1 to lock.max_permits, 1000");
	expect_like(b, "lock.acquire a --permits=1001", "EARG: permits *");
	expect_like(b, "lock.acquire a --ttl_ms=soon", "EARG: *");
	expect_like(b, "lock.acquire", "EARG: *");
	expect_like(b, "lock.release a", "EARG: *");
	expect_like(b, "lock.release a word", "EARG: *");
	expect_like(b, "lock.extend a 1 --ttl_ms=0", "EARG: *");
	expect_like(b, "lock.extend a 1 --permits=0", "EARG: *");
	expect_like(b, "lock.list --limit=0", "EARG: limit *");
	expect_like(b, "lock.list --limit=10001", "EARG: limit *");
	expect_like(b, "lock.expire a", "EDENIED: *");
	expect(b, "kv.count", "0");
}

static void a_key_of_another_type_is_no_lock(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set v 1 ; lock.acquire a"));
	expect(b, "lock.acquire v ; lock.acquire v --wait_ms=1000",
	    "ETYPE: key \"v\" holds a kv.value, not a lock.lock ; "
	    "ETYPE: key \"v\" holds a kv.value, not a lock.lock");
	expect_like(b, "lock.release v 1 ; lock.extend v 1 ; lock.show v", "ETYPE: * ; ETYPE: * ; ETYPE: *");
	expect(b, "kv.get a", "ETYPE: key \"a\" holds a lock.lock, not a kv.value");
	expect(b, "kv.type a", "\"lock.lock\"");
}

static void the_options_rule(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "sys.config lock.max_ttl 10000"));
	free(embed_call(b, "lock.acquire short"));
	expect_left(b, "short", 10000); // lock.ttl is more
	expect_like(b, "lock.acquire a --ttl_ms=10001", "EARG: *lock.max_ttl, 10000");
	free(embed_call(b, "sys.config lock.ttl 5000"));
	free(embed_call(b, "lock.acquire shorter"));
	expect_left(b, "shorter", 5000);
	free(embed_call(b, "sys.config lock.max_wait 10 ; sys.config lock.max_permits 2"));
	expect_like(b, "lock.acquire a --wait_ms=11", "EARG: *lock.max_wait, 10");
	expect_like(b, "lock.acquire a --permits=3", "EARG: *lock.max_permits, 2");
	expect_like(b, "sys.config lock.max_permits 10001", "EARG: *");
}

static void people_see_who_holds_what(void **state)
{
	struct embed *b = *state;
	expect(b, "lock.show s ; lock.list", "null ; [0, []]");
	uint64_t first = embed_number(b, "lock.acquire s --permits=2 --ttl_ms=50000");
	uint64_t second = embed_number(b, "lock.acquire s --permits=2 --ttl_ms=60000");
	free(embed_call(b, "lock.acquire [] ; lock.acquire m ; kv.set v 1"));
	char want[512];
	snprintf(want, sizeof want,
	    "{\"permits\": 2, \"holders\": [[]{\"token\": %" PRIu64 ", \"session\": [1-9]*, *\"left_ms\": [45]????}, "
	    "{\"token\": %" PRIu64 ", *\"left_ms\": [56]????}[]]}",
	    first, second);
	expect_like(b, "lock.show s", want);
	char *list = embed_call(b, "lock.list");
	assert_non_null(strstr(list, "[\"s\", 2, 2]"));
	assert_non_null(strstr(list, "[\"m\", 1, 1]"));
	assert_null(strstr(list, "\"v\""));
	free(list);
	expectf(b, "true", "lock.release s %" PRIu64, first);
	snprintf(want, sizeof want, "{\"permits\": 2, \"holders\": [[]{\"token\": %" PRIu64 ", *}[]]}", second);
	expect_like(b, "lock.show s", want);
}

static void all_locks_are_listed_once(void **state)
{
	struct embed *b = *state;
	enum { LOCKS = 500 };
	for (int i = 0; i < LOCKS; i++)
		free(embed_callf(b, "lock.acquire %d ; kv.set v%d 1", i, i));
	uint64_t cursor = 0;
	int found = 0;
	do {
		char *list = embed_callf(b, "lock.list %" PRIu64 " --limit=50", cursor);
		assert_int_equal(sscanf(list, "[%" SCNu64, &cursor), 1);
		for (const char *at = list; (at = strstr(at, ", 1, 1]")) != NULL; at++)
			found++;
		free(list);
	} while (cursor);
	assert_int_equal(found, LOCKS);
}

static void namespaces_have_locks_of_their_own(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "ns.create other"));
	uint64_t here = embed_number(b, "lock.acquire a"), there = embed_number(b, "lock.acquire a --ns=other");
	assert_true(there > here);
	char *answer = embed_callf(b, "lock.release a %" PRIu64 " --ns=other", here);
	embed_expect_text(answer, "ESTALE: *", 1, __FILE__, __LINE__);
	expectf(b, "true", "lock.release a %" PRIu64 " --ns=other", there);
	expect(b, "lock.acquire a", "null");
}

// --- in transactions --------------------------------------------------------------------------------------------------

static void the_token_is_the_revision_of_the_transaction(void **state)
{
	struct embed *b = *state;
	char *answer = embed_call(b, "tx.exec [[lock.acquire, [a]], [kv.set, [v, 1]], [lock.acquire, [a]]]");
	uint64_t token, revision;
	assert_int_equal(sscanf(answer, "[%" SCNu64 ", %" SCNu64 ", null]", &token, &revision), 2);
	assert_int_equal(token, revision);
	free(answer);
	expectf(b, "[true, true]", "tx.exec [[lock.extend, [a, %" PRIu64 "]], [lock.release, [a, %" PRIu64 "]]]", token,
	    token);
	expect(b, "lock.list", "[0, []]");
}

static void it_shows_the_token_that_it_will_give(void **state)
{
	struct embed *b = *state;
	char *answer = embed_call(b, "tx.exec [[lock.acquire, [a]], [lock.show, [a]]]");
	uint64_t token, shown;
	const char *format = "[%" SCNu64 ", {\"permits\": 1, \"holders\": [{\"token\": %" SCNu64;
	assert_int_equal(sscanf(answer, format, &token, &shown), 2);
	assert_int_equal(shown, token);
	free(answer);
}

static void one_that_fails_acquires_nothing(void **state)
{
	struct embed *b = *state;
	expect_like(b, "tx.exec [[lock.acquire, [a]], [lock.release, [b, 1]]]", "ESTALE: *");
	expect(b, "lock.show a ; kv.count", "null ; 0");
}

static void one_transaction_is_one_token(void **state)
{
	struct embed *b = *state;
	static const char twice[] = "tx.exec [[lock.acquire, [s], {permits: 2}], [lock.acquire, [s], {permits: 2}]]";
	expect_like(b, twice, "ECONFLICT: *this transaction has acquired the semaphore already*");
	uint64_t first = embed_number(b, "lock.acquire s --permits=2");
	char *answer =
	    embed_callf(b, "tx.exec [[lock.acquire, [s], {permits: 2}], [lock.release, [s, %" PRIu64 "]]]", first);
	uint64_t second;
	assert_int_equal(sscanf(answer, "[%" SCNu64 ", true]", &second), 1);
	free(answer);
	assert_true(second > first);
	expectf(b, "true", "lock.extend s %" PRIu64, second);
	expectf(b, "true", "lock.release s %" PRIu64, second);
	expect(b, "kv.count", "0");
}

static void given_back_and_taken_in_one_step(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a");
	char *answer =
	    embed_callf(b, "tx.exec [[lock.release, [a, %" PRIu64 "]], [lock.acquire, [a], {permits: 3}]]", token);
	uint64_t next;
	assert_int_equal(sscanf(answer, "[true, %" SCNu64 "]", &next), 1);
	free(answer);
	assert_true(next > token);
	expect(b, "lock.list", "[0, [[\"a\", 3, 1]]]");
	expectf(b, "true", "lock.release a %" PRIu64, next);
}

static void what_happens_is_counted(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a");
	free(embed_callf(b,
	    "lock.acquire a ; lock.extend a %" PRIu64 " ; lock.release a %" PRIu64 " ; lock.release a %" PRIu64, token,
	    token, token));
	free(embed_call(b, "lock.acquire a --ttl_ms=1"));
	embed_await(b, "lock.show a", "null");
	expect_like(b, "module.show lock",
	    "*\"granted\": 2*\"refused\": 1*\"released\": 1*\"extended\": 1*\"expired\": 1*"
	    "\"stale\": 1*");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_broker, close_broker)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_lock_is_held_by_one),
	    TEST(names_are_keys_of_any_kind),
	    TEST(tokens_rise_for_ever),
	    TEST(an_old_token_holds_nothing),
	    TEST(another_locks_token_is_no_token),
	    TEST(extending_moves_the_end),
	    TEST(an_extended_hold_outlives_its_first_end),
	    TEST(permits_are_counted),
	    TEST(all_say_the_same_permits),
	    TEST(bad_input_is_refused),
	    TEST(a_key_of_another_type_is_no_lock),
	    TEST(the_options_rule),
	    TEST(people_see_who_holds_what),
	    TEST(all_locks_are_listed_once),
	    TEST(namespaces_have_locks_of_their_own),
	    TEST(the_token_is_the_revision_of_the_transaction),
	    TEST(it_shows_the_token_that_it_will_give),
	    TEST(one_that_fails_acquires_nothing),
	    TEST(one_transaction_is_one_token),
	    TEST(given_back_and_taken_in_one_step),
	    TEST(what_happens_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
