// lock: what was asked to end with its session does, in any namespace, and what was not stays for its time.

#include "embed_await.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

static uint64_t number_of(struct embed_session *s, const char *line)
{
	char *answer = embed_session_call(s, line), *end;
	uint64_t number = strtoull(answer, &end, 10);
	if (number == 0 || *end != 0)
		fail_msg("%s: no token: %s", line, answer);
	free(answer);
	return number;
}

static void held_until_then_it_goes_to_the_next(void **state)
{
	struct embed *b = *state;
	struct embed_session *holder = embed_session_open(b);
	uint64_t token = number_of(holder, "lock.acquire a --session");
	struct embed_pending *waiter = embed_begin(b, "lock.acquire a --wait_ms=60000");
	embed_wait_parked(b, 1);
	embed_session_close(holder);
	char *answer = embed_end(waiter);
	assert_true(strtoull(answer, NULL, 10) > token);
	free(answer);
	expect_like(b, "module.show lock", "*\"ended\": 1*");
}

static void not_asked_for_it_stays(void **state)
{
	struct embed *b = *state;
	struct embed_session *holder = embed_session_open(b);
	uint64_t token = number_of(holder, "lock.acquire stays");
	number_of(holder, "lock.acquire too --session=false");
	number_of(holder, "lock.acquire goes --session");
	embed_session_close(holder);
	embed_await(b, "lock.show goes", "null");
	expect(b, "lock.acquire stays ; lock.acquire too", "null ; null");
	expect_like(b, "lock.show stays", "*\"client\": null, \"bound\": false*");
	expectf(b, "true", "lock.release stays %" PRIu64, token); // by anybody who has the token
}

static void in_all_namespaces(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "ns.create other ; ns.create third"));
	struct embed_session *holder = embed_session_open(b);
	static const char *const places[] = {"", " --ns=other", " --ns=third"};
	char line[64];
	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof line, "lock.acquire a --session%s", places[i]);
		number_of(holder, line);
		snprintf(line, sizeof line, "lock.acquire t(\"long\", %d) --session%s", i, places[i]);
		number_of(holder, line);
	}
	embed_session_close(holder);
	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof line, "lock.list%s", places[i]);
		embed_await(b, line, "[0, []]");
	}
}

static void permits_of_one_session_end_together(void **state)
{
	struct embed *b = *state;
	enum { PERMITS = 40 };
	struct embed_session *holder = embed_session_open(b);
	uint64_t first = number_of(holder, "lock.acquire s --permits=41 --session");
	for (int i = 1; i < PERMITS; i++)
		number_of(holder, "lock.acquire s --permits=41 --session");
	uint64_t mine = embed_number(b, "lock.acquire s --permits=41 --session");
	expectf(b, "true", "lock.release s %" PRIu64, first); // the others are still bound
	embed_session_close(holder);
	embed_await_like(b, "lock.show s", "{\"permits\": 41, \"holders\": [[]{\"token\": *}[]]}");
	embed_await(b, "lock.list", "[0, [[\"s\", 41, 1]]]");
	expectf(b, "true", "lock.release s %" PRIu64, mine);
}

// What it gave back or lost before is not taken from whoever has it then.
static void what_it_no_longer_holds_is_left_alone(void **state)
{
	struct embed *b = *state;
	struct embed_session *holder = embed_session_open(b);
	static const char *const names[] = {"released", "expired", "deleted"};
	char line[80];
	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof line, "lock.acquire %s --session --ttl_ms=%d", names[i], i == 1 ? 1 : 60000);
		uint64_t token = number_of(holder, line);
		if (i == 0)
			expectf(b, "true", "lock.release released %" PRIu64, token);
		else if (i == 2)
			expect(b, "kv.del deleted", "1");
	}
	embed_await(b, "lock.show expired", "null");
	number_of(holder, "lock.acquire last --session");
	free(embed_call(b, "lock.acquire released ; lock.acquire expired ; lock.acquire deleted"));
	embed_session_close(holder);
	embed_await(b, "lock.show last", "null");
	expect(b, "lock.acquire released ; lock.acquire expired ; lock.acquire deleted", "null ; null ; null");
	expect_like(b, "module.show lock", "*\"ended\": 1*");
}

// What is kept for a session goes when it holds nothing any more: the whole keyspace is as it was.
static void nothing_is_left_behind(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "ns.create other ; lock.acquire warm --session --ttl_ms=1"));
	embed_await(b, "lock.show warm", "null");
	char *before = embed_call(b, "sys.digest");
	struct embed_session *holder = embed_session_open(b);
	uint64_t token = number_of(holder, "lock.acquire a --session");
	number_of(holder, "lock.acquire b --session --ttl_ms=1");
	number_of(holder, "lock.acquire s --permits=20 --session --ns=other");
	expectf(b, "true", "lock.release a %" PRIu64, token);
	embed_await(b, "lock.show b", "null");
	embed_session_close(holder);
	embed_await(b, "sys.digest", before);
	free(before);
}

static void many_bound_ones_run_out_together(void **state)
{
	struct embed *b = *state;
	enum { HOLDERS = 100 };
	struct embed_session *holder[HOLDERS];
	for (int i = 0; i < HOLDERS; i++) {
		holder[i] = embed_session_open(b);
		number_of(holder[i], "lock.acquire s --permits=100 --session --ttl_ms=1500");
	}
	struct embed_pending *waiter = embed_begin(b, "lock.acquire s --permits=100 --wait_ms=60000 --ttl_ms=1");
	free(embed_end(waiter));
	embed_await(b, "lock.show s", "null");
	for (int i = 0; i < HOLDERS; i++)
		embed_session_close(holder[i]);
	expect_like(b, "module.show lock", "*\"expired\": 101*\"ended\": 0*");
}

static void who_holds_it_has_a_name(void **state)
{
	struct embed *b = *state;
	struct embed_session *holder = embed_session_open(b);
	free(embed_session_call(holder, "session.hello --client=\"the printer\""));
	number_of(holder, "lock.acquire a --session");
	expect_like(b, "lock.show a", "*\"client\": \"the printer\", \"bound\": true*");
	embed_session_close(holder);
	embed_await(b, "lock.show a", "null");
}

static void a_reload_forgets_nothing(void **state)
{
	struct embed *b = *state;
	struct embed_session *holder = embed_session_open(b);
	number_of(holder, "lock.acquire a --session");
	free(embed_call(b, "module.reload lock"));
	embed_session_close(holder);
	embed_await(b, "lock.show a", "null");
}

static void what_ended_while_it_was_unloaded_is_let_go(void **state)
{
	struct embed *b = *state;
	struct embed_session *gone = embed_session_open(b), *stays = embed_session_open(b);
	number_of(gone, "lock.acquire a --session");
	number_of(stays, "lock.acquire b --session");
	expect_like(b, "module.unload lock", "true");
	embed_session_close(gone);
	char line[4096];
	snprintf(line, sizeof line, "module.load \"%s\"", embed_module_path("lock"));
	free(embed_call(b, line));
	embed_await(b, "lock.show a", "null");
	expect(b, "lock.acquire b", "null");
	embed_session_close(stays);
	embed_await(b, "lock.show b", "null");
}

static void clients_do_not_reach_what_is_kept(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "lock.acquire a --session"));
	expect_like(b, "kv.count --ns=$lock", "E*");
	expect_like(b, "lock.ended 1", "EDENIED: *");
	expect_like(b, "lock.let_go a 1", "EDENIED: *");
	expect_like(b, "lock.acquire b --session=1", "EARG: *");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_broker, close_broker)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(held_until_then_it_goes_to_the_next),
	    TEST(not_asked_for_it_stays),
	    TEST(in_all_namespaces),
	    TEST(permits_of_one_session_end_together),
	    TEST(what_it_no_longer_holds_is_left_alone),
	    TEST(nothing_is_left_behind),
	    TEST(many_bound_ones_run_out_together),
	    TEST(who_holds_it_has_a_name),
	    TEST(a_reload_forgets_nothing),
	    TEST(what_ended_while_it_was_unloaded_is_let_go),
	    TEST(clients_do_not_reach_what_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
