// Requests that wait, where it is easy to get wrong: who is woken, in what order, and that no wait outlasts its time.

#include "embed.h"
#include "harness.h"

#include <sched.h>
#include <stdlib.h>

// A pop that queues behind woken ones begins its own wait when they have run: its time counts from then.
static void a_wait_behind_others_ends_with_its_time(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *first = peer_open(&h, true), *p = peer_open(&h, true), *req = peer_open(&h, false);
	EXPECT(first, "t.pop q --wait-ms=60000", "");
	EXPECT(p, "t.push q a ; t.pop q --wait-ms=20", "1");
	EXPECT_LATE(first, "\"a\"");
	EXPECT_LATE(p, "null");
	EXPECT(first, "t.pop q --wait-ms=60000", "");
	EXPECT(req, "t.push q a ; t.pop q --wait-ms=20", "late");
	EXPECT_LATE(first, "\"a\"");
	EXPECT_LATE(req, "1 ; null");
	peer_close(first);
	peer_close(p);
	peer_close(req);
	harness_close(&h);
}

// Woken for nothing, it runs only when its time is up already.
static void a_time_that_ends_while_it_is_woken_is_not_lost(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *slow = peer_open(&h, true), *p = peer_open(&h, true), *other = peer_open(&h, true);
	EXPECT(slow, "t.linger z 100", "");
	EXPECT(p, "t.pop q --wait-ms=30", "");
	EXPECT(other, "t.nudge z 1 ; t.nudge q 1", "null ; null");
	EXPECT_LATE(slow, "null");
	EXPECT_LATE(p, "null");
	peer_close(slow);
	peer_close(p);
	peer_close(other);
	harness_close(&h);
}

// Woken for a message of one of its keys, it takes one of another: somebody else must hear of the first.
static void a_signal_that_was_not_needed_goes_on(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *both = peer_open(&h, true), *one = peer_open(&h, true), *two = peer_open(&h, true);
	struct peer *pusher = peer_open(&h, true);
	EXPECT(both, "t.pop one two --wait-ms=60000", "");
	EXPECT(one, "t.pop one --wait-ms=60000", "");
	EXPECT(two, "t.pop two --wait-ms=60000", "");
	EXPECT(pusher, "t.push two b ; t.push one a", "1 ; 1"); // the first wakes `both`, the second `one`
	EXPECT_LATE(both, "\"a\"");
	EXPECT_LATE(two, "\"b\"");
	EXPECT(pusher, "t.push one c", "1");
	EXPECT_LATE(one, "\"c\"");
	peer_close(both);
	peer_close(one);
	peer_close(two);
	peer_close(pusher);
	harness_close(&h);
}

static void a_swap_ends_waits_in_order_of_arrival(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *waiter[3], *other = peer_open(&h, true);
	for (int i = 0; i < 3; i++) {
		waiter[i] = peer_open(&h, true);
		EXPECT(waiter[i], "t.pop q --wait-ms=60000", "");
	}
	EXPECT(other, "t.stash q x ; t.stash q y", "1 ; 2");
	struct command_owner owner = h.owner;
	router_publish(h.router, harness_table(&h, &owner));
	EXPECT_LATE(waiter[0], "\"x\"");
	EXPECT_LATE(waiter[1], "\"y\"");
	EXPECT_LATE(waiter[2], "null");
	router_publish(h.router, harness_table(&h, &h.owner));
	for (int i = 0; i < 3; i++)
		peer_close(waiter[i]);
	peer_close(other);
	harness_close(&h);
}

// The tickets of the waiters are those around a multiple of what their table has buckets.
static void draining_ends_waits_in_order_of_arrival(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *waiter[3], *other = peer_open(&h, true);
	for (int i = 0; i < 4094; i++)
		EXPECT(other, "t.pop q", "null");
	for (int i = 0; i < 3; i++) {
		waiter[i] = peer_open(&h, true);
		EXPECT(waiter[i], "t.pop q --wait-ms=60000", "");
	}
	EXPECT(other, "t.stash q x", "1");
	router_drain(h.router);
	EXPECT_LATE(waiter[0], "\"x\"");
	EXPECT_LATE(waiter[1], "null");
	EXPECT_LATE(waiter[2], "null");
	for (int i = 0; i < 3; i++)
		peer_close(waiter[i]);
	peer_close(other);
	harness_close(&h);
}

// Their timers fire while they are being dropped.
static void sessions_leave_when_their_time_is_up(void **state)
{
	(void)state;
	enum { ROUNDS = 300, WAITS = 100 };
	struct harness h;
	harness_open(&h, false);
	for (int i = 0; i < ROUNDS; i++) {
		struct peer *p = peer_open(&h, true);
		for (int k = 0; k < WAITS; k++)
			EXPECT(p, "t.pop q --wait-ms=1", "");
		peer_close(p);
	}
	harness_wait_parked(&h, 0);
	harness_close(&h);
	assert_int_equal(h.ended, ROUNDS);
}

static void parked_without_park_is_a_fault_of_the_module(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.feign a", "EINTERNAL: the module answered PARKED without park()");
	EXPECT(p, "t.get a", "null");
	peer_close(p);
	harness_close(&h);
}

// Who wakes many has its own answer before all of them have run.
static void who_wakes_many_is_not_kept_waiting(void **state)
{
	(void)state;
	enum { MANY = 400 };
	struct harness h;
	harness_open(&h, false);
	h.limits.parked_per_session = MANY;
	struct peer *p = peer_open(&h, true), *other = peer_open(&h, true);
	for (int i = 0; i < MANY; i++)
		EXPECT(p, "t.linger q 1", "");
	EXPECT(other, "t.nudge q 400", "null");
	struct router_stats stats;
	router_read_stats(h.router, &stats);
	assert_true(stats.parked > MANY / 2);
	for (int i = 0; i < MANY; i++)
		EXPECT_LATE(p, "null");
	peer_close(p);
	peer_close(other);
	harness_close(&h);
}

struct passer {
	struct peer *peer;
	atomic_int go; // 1: ask once, then 0.  -1: end
	unsigned got;
};

static void *ask_in_passing(void *arg)
{
	struct passer *passer = arg;
	for (int go; (go = atomic_load(&passer->go)) >= 0;) {
		if (go == 0) {
			sched_yield();
			continue;
		}
		char *answer = peer_send(passer->peer, "t.pop q");
		if (answer[0] == 0) { // it queued
			free(answer);
			answer = peer_late(passer->peer);
		}
		passer->got += strcmp(answer, "null") != 0;
		free(answer);
		atomic_store(&passer->go, 0);
	}
	return NULL;
}

// Somebody waits already when the message comes, so that it never is for who asks in passing.
static void nobody_overtakes_who_waits(void **state)
{
	(void)state;
	enum { ROUNDS = 20000 };
	struct harness h;
	harness_open(&h, false);
	struct peer *waiter = peer_open(&h, true), *pusher = peer_open(&h, true);
	struct passer passer = {.peer = peer_open(&h, true)};
	pthread_t thread;
	pthread_create(&thread, NULL, ask_in_passing, &passer);
	for (int i = 0; i < ROUNDS && passer.got == 0; i++) {
		EXPECT(waiter, "t.pop q --wait-ms=60000", "");
		atomic_store(&passer.go, 1);
		EXPECT(pusher, "t.push q x", "1");
		while (atomic_load(&passer.go) != 0)
			sched_yield();
		if (passer.got == 0)
			EXPECT_LATE(waiter, "\"x\"");
	}
	atomic_store(&passer.go, -1);
	pthread_join(thread, NULL);
	assert_int_equal(passer.got, 0);
	peer_close(waiter);
	peer_close(pusher);
	peer_close(passer.peer);
	harness_close(&h);
}

// The keys that one waits on, as bits.
static const char *const waits[8] = {NULL, "t.pop a --wait-ms=60000", "t.pop b --wait-ms=60000",
    "t.pop a b --wait-ms=60000", "t.pop c --wait-ms=60000", "t.pop c a --wait-ms=60000", "t.pop b c --wait-ms=60000",
    "t.pop a b c --wait-ms=60000"};

static void *push_some(void *arg)
{
	static const char *const pushes[] = {"t.push a x", "t.push b x", "t.push c x", "t.push b x ; t.push a x"};
	static atomic_uint seeds;
	struct peer *p = peer_open(arg, true);
	unsigned seed = atomic_fetch_add(&seeds, 1);
	for (int i = 0; i < 3; i++)
		free(peer_send(p, pushes[rand_r(&seed) % 4]));
	peer_close(p);
	return NULL;
}

// What is left of each key is of one on which nobody waits any more.
static void expect_no_sleeper(struct harness *h, struct peer *const *waiter, const unsigned *mask, unsigned count)
{
	static const char *const pop[] = {"t.pop a", "t.pop b", "t.pop c"};
	struct peer *p = peer_open(h, true);
	for (unsigned key = 0; key < 3; key++) {
		bool left = false, awaited = false;
		for (bool more = true; more; left |= more) {
			char *answer = peer_send(p, pop[key]);
			more = strcmp(answer, "null") != 0;
			free(answer);
		}
		for (unsigned i = 0; i < count; i++)
			awaited |= (mask[i] >> key & 1) != 0 && !peer_has_late(waiter[i]);
		assert_false(left && awaited);
	}
	peer_close(p);
}

static void nobody_sleeps_beside_a_message(void **state)
{
	(void)state;
	enum { ROUNDS = 1000, WAITERS = 5 };
	struct harness h;
	harness_open(&h, false);
	unsigned seed = 3, mask[WAITERS];
	for (int round = 0; round < ROUNDS; round++) {
		struct peer *waiter[WAITERS];
		pthread_t thread[2];
		for (int i = 0; i < WAITERS; i++) {
			waiter[i] = peer_open(&h, i % 2 == 0);
			mask[i] = 1 + (unsigned)rand_r(&seed) % 7;
			free(peer_send(waiter[i], waits[mask[i]]));
		}
		for (int i = 0; i < 2; i++)
			pthread_create(&thread[i], NULL, push_some, &h);
		for (int i = 0; i < 2; i++)
			pthread_join(thread[i], NULL);
		expect_no_sleeper(&h, waiter, mask, WAITERS);
		for (int i = 0; i < WAITERS; i++)
			peer_close(waiter[i]);
	}
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wait_behind_others_ends_with_its_time),
	    cmocka_unit_test(a_time_that_ends_while_it_is_woken_is_not_lost),
	    cmocka_unit_test(a_signal_that_was_not_needed_goes_on),
	    cmocka_unit_test(a_swap_ends_waits_in_order_of_arrival),
	    cmocka_unit_test(draining_ends_waits_in_order_of_arrival),
	    cmocka_unit_test(sessions_leave_when_their_time_is_up),
	    cmocka_unit_test(parked_without_park_is_a_fault_of_the_module),
	    cmocka_unit_test(who_wakes_many_is_not_kept_waiting),
	    cmocka_unit_test(nobody_overtakes_who_waits),
	    cmocka_unit_test(nobody_sleeps_beside_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
