// lock: those who wait get it in order of arrival, whatever frees it, and one that left loses nothing for the others.

#include "embed_await.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WAITERS = 5 };

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

static uint64_t end_number(struct embed_pending *p)
{
	char *answer = embed_end(p), *end;
	uint64_t number = strtoull(answer, &end, 10);
	if (number == 0 || *end != 0)
		fail_msg("no token: %s", answer);
	free(answer);
	return number;
}

static struct embed_pending *wait_for(struct embed *b, const char *line, unsigned parked)
{
	struct embed_pending *p = embed_begin(b, line);
	embed_wait_parked(b, parked);
	return p;
}

static void released_it_goes_to_the_oldest(void **state)
{
	struct embed *b = *state;
	struct embed_pending *waiter[WAITERS];
	uint64_t token = embed_number(b, "lock.acquire a");
	for (unsigned i = 0; i < WAITERS; i++)
		waiter[i] = wait_for(b, "lock.acquire a --wait_ms=60000", i + 1);
	for (unsigned i = 0; i < WAITERS; i++) {
		expectf(b, "true", "lock.release a %" PRIu64, token);
		uint64_t next = end_number(waiter[i]);
		assert_true(next > token);
		token = next;
		embed_wait_parked(b, WAITERS - 1 - i);
	}
	expectf(b, "true", "lock.release a %" PRIu64, token);
	expect(b, "kv.count", "0");
}

static void run_out_it_goes_to_the_oldest(void **state)
{
	struct embed *b = *state;
	struct embed_pending *waiter[WAITERS];
	uint64_t token = embed_number(b, "lock.acquire a --ttl_ms=200");
	for (unsigned i = 0; i < WAITERS; i++)
		waiter[i] = wait_for(b, "lock.acquire a --ttl_ms=10 --wait_ms=60000", i + 1);
	for (unsigned i = 0; i < WAITERS; i++) {
		uint64_t next = end_number(waiter[i]);
		assert_true(next > token);
		token = next;
	}
	embed_await(b, "lock.show a", "null");
}

static void deleted_it_goes_to_the_oldest(void **state)
{
	struct embed *b = *state;
	static const char *const ways[] = {"kv.del a", "kv.rename a b", "kv.clear"};
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		uint64_t token = embed_number(b, "lock.acquire a");
		struct embed_pending *first = wait_for(b, "lock.acquire a --wait_ms=60000", 1);
		struct embed_pending *second = wait_for(b, "lock.acquire a --wait_ms=60000", 2);
		free(embed_call(b, ways[i]));
		uint64_t next = end_number(first);
		assert_true(next > token);
		embed_wait_parked(b, 1);
		expectf(b, "true", "lock.release a %" PRIu64, next);
		expectf(b, "true", "lock.release a %" PRIu64, end_number(second));
	}
}

static void replaced_by_a_value_those_who_wait_are_told(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "lock.acquire a"));
	struct embed_pending *waiter = wait_for(b, "lock.acquire a --wait_ms=60000", 1);
	free(embed_call(b, "kv.set a 1"));
	expect_end_like(waiter, "ETYPE: *");
}

static void whoever_waited_in_vain_is_refused(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a");
	struct embed_pending *hasty = wait_for(b, "lock.acquire a --wait_ms=20", 1);
	expect_end(hasty, "null");
	struct embed_pending *waiter = wait_for(b, "lock.acquire a --wait_ms=60000", 1);
	expectf(b, "true", "lock.release a %" PRIu64, token);
	end_number(waiter);
}

// A session that holds it and asks again waits for itself.
static void nobody_enters_twice(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "lock.acquire a --ttl_ms=50"));
	uint64_t again = embed_number(b, "lock.acquire a --wait_ms=60000"); // when its own time has run out
	expectf(b, "true", "lock.release a %" PRIu64, again);
}

static void permits_free_as_many_as_came_back(void **state)
{
	struct embed *b = *state;
	uint64_t token[2];
	struct embed_pending *waiter[4];
	for (int i = 0; i < 2; i++)
		token[i] = embed_number(b, "lock.acquire s --permits=2");
	for (unsigned i = 0; i < 4; i++)
		waiter[i] = wait_for(b, "lock.acquire s --permits=2 --wait_ms=60000", i + 1);
	expectf(b, "true", "lock.release s %" PRIu64, token[1]);
	uint64_t third = end_number(waiter[0]);
	embed_wait_parked(b, 3);
	expectf(b, "true", "lock.extend s %" PRIu64 " --ttl_ms=1", third);
	uint64_t fourth = end_number(waiter[1]);
	assert_true(fourth > third);
	embed_wait_parked(b, 2);
	expectf(b, "true", "lock.release s %" PRIu64, token[0]);
	expectf(b, "true", "lock.release s %" PRIu64, fourth);
	assert_true(end_number(waiter[2]) > fourth);
	assert_true(end_number(waiter[3]) > fourth);
}

// All run out at once: a lot of holders for one alarm.
static void many_permits_run_out_together(void **state)
{
	struct embed *b = *state;
	enum { PERMITS = 200 };
	for (int i = 0; i < PERMITS; i++)
		free(embed_call(b, "lock.acquire s --permits=200 --ttl_ms=2000 --wait_ms=0"));
	struct embed_pending *waiter = wait_for(b, "lock.acquire s --permits=200 --ttl_ms=1 --wait_ms=60000", 1);
	end_number(waiter);
	embed_await(b, "lock.show s", "null");
	expect_like(b, "module.show lock", "*\"granted\": 201*\"expired\": 201*");
}

static void other_permits_do_not_hold_up_those_behind(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a");
	struct embed_pending *first = wait_for(b, "lock.acquire a --wait_ms=60000", 1);
	struct embed_pending *second = wait_for(b, "lock.acquire a --wait_ms=60000", 2);
	free(embed_callf(b, "lock.release a %" PRIu64 " ; lock.acquire a --permits=2 --wait_ms=60000", token));
	uint64_t next = end_number(first); // the one with two permits came later, and is refused
	expectf(b, "true", "lock.release a %" PRIu64, next);
	end_number(second);
}

static void a_reload_lets_nobody_wait_for_nothing(void **state)
{
	struct embed *b = *state;
	uint64_t token = embed_number(b, "lock.acquire a");
	struct embed_pending *waiter = wait_for(b, "lock.acquire a --wait_ms=60000", 1);
	free(embed_call(b, "module.reload lock"));
	expect_end_like(waiter, "EAGAIN: *");
	expectf(b, "true", "lock.extend a %" PRIu64, token); // it is held as before
	struct embed_pending *again = wait_for(b, "lock.acquire a --wait_ms=60000", 1);
	expectf(b, "true", "lock.release a %" PRIu64, token);
	end_number(again);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_broker, close_broker)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(released_it_goes_to_the_oldest),
	    TEST(run_out_it_goes_to_the_oldest),
	    TEST(deleted_it_goes_to_the_oldest),
	    TEST(replaced_by_a_value_those_who_wait_are_told),
	    TEST(whoever_waited_in_vain_is_refused),
	    TEST(nobody_enters_twice),
	    TEST(permits_free_as_many_as_came_back),
	    TEST(many_permits_run_out_together),
	    TEST(other_permits_do_not_hold_up_those_behind),
	    TEST(a_reload_lets_nobody_wait_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
