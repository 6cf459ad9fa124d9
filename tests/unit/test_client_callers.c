// The C client's callers: odd options and times, callbacks that close or leave, listeners that come and go, and all of
// it at once.

#include <pthread.h>
#include <stdatomic.h>

#include "client_expect.h"

static void ignore(void *arg, const wherry_reply *r)
{
	(void)r;
	atomic_fetch_add((atomic_uint *)arg, 1);
}

// --- callers ------------------------------------------------------------------------------------------------------------

static void options_without_their_size_are_refused(void **state)
{
	(void)state;
	wherry_client *c;
	const wherry_client_options options = {.ns = "elsewhere"};
	struct place p;
	place_open(&p, "");
	assert_int_equal(wherry_client_open(p.url, &options, &c, NULL), WHERRY_EARG);
	assert_null(c);
	place_leave(&p);
}

static void a_time_of_zero_is_the_preset(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "");
	wherry_client *c = connect_to(p.url);
	const int64_t times[] = {0, INT64_MAX, INT64_MIN, -1, INT64_MAX / 2};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		wherry_client_set_timeout(c, times[i]);
		expect_ask(c, "sys.ping", "\"PONG\"");
	}
	wherry_client_close(c);
	place_leave(&p);
}

static void close_own(void *arg, const wherry_reply *r)
{
	(void)r;
	wherry_client_close(*(wherry_client **)arg);
}

static void a_callback_that_closes_does_nothing(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "");
	wherry_client *c = connect_to(p.url);
	assert_int_equal(send_line(c, "sys.ping", 0, 0, close_own, &c), WHERRY_OK);
	assert_int_equal(wherry_client_settle(c, 20000), WHERRY_OK);
	expect_ask(c, "sys.ping", "\"PONG\"");
	wherry_client_close(c);
	place_leave(&p);
}

static void *settle(void *client)
{
	assert_int_equal(wherry_client_settle(client, 20000), WHERRY_OK);
	return NULL;
}

static void several_may_settle(void **state)
{
	(void)state;
	enum { SETTLERS = 4, REQUESTS = 1000 };
	struct place p;
	pthread_t threads[SETTLERS];
	atomic_uint ended = 0;
	place_open(&p, "");
	wherry_client *c = connect_to(p.url);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < REQUESTS; i++)
			assert_int_equal(send_line(c, "sys.ping", 0, 0, ignore, &ended), WHERRY_OK);
		for (int i = 0; i < SETTLERS; i++)
			pthread_create(&threads[i], NULL, settle, c);
		for (int i = 0; i < SETTLERS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(ended, REQUESTS * (round + 1));
	}
	wherry_client_close(c);
	place_leave(&p);
}

// --- who is told of changes -----------------------------------------------------------------------------------------------

struct changes {
	wherry_client *client;
	atomic_uint lost, found;
	bool once;
};

static void changed(void *arg, int connected, const wherry_error *why)
{
	struct changes *to = arg;
	assert_true(connected ? why == NULL : why->code == WHERRY_ESTALE);
	atomic_fetch_add(connected ? &to->found : &to->lost, 1);
	if (to->once)
		wherry_client_on_change(to->client, NULL, NULL);
}

// Told of a loss that is long made good, a program would wait for ever for the connection that it has.
static void an_old_loss_is_not_told(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "");
	struct changes seen = {.client = connect_to(p.url)};
	atomic_uint ended = 0;
	restart_idle(&p);
	expect_ask(seen.client, "sys.ping", "\"PONG\"");
	assert_int_equal(counts_of(seen.client).connections, 2);
	assert_int_equal(wherry_client_on_change(seen.client, changed, &seen), WHERRY_OK);
	assert_int_equal(send_line(seen.client, "sys.ping", 0, 0, ignore, &ended), WHERRY_OK);
	assert_int_equal(wherry_client_settle(seen.client, 20000), WHERRY_OK);
	assert_int_equal(seen.lost, 0);
	restart_idle(&p);
	AWAIT(atomic_load(&seen.found) == 1);
	assert_int_equal(seen.lost, 1);
	wherry_client_close(seen.client);
	place_leave(&p);
}

static void who_hears_changes_may_leave_from_within(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "");
	struct changes seen = {.client = connect_to(p.url), .once = true};
	assert_int_equal(wherry_client_on_change(seen.client, changed, &seen), WHERRY_OK);
	restart_idle(&p);
	expect_ask(seen.client, "sys.ping", "\"PONG\"");
	restart_idle(&p);
	expect_ask(seen.client, "sys.ping", "\"PONG\"");
	assert_int_equal(seen.lost, 1);
	assert_int_equal(seen.found, 0);
	wherry_client_close(seen.client);
	place_leave(&p);
}

// --- all at once ------------------------------------------------------------------------------------------------------

struct bustle {
	struct place place;
	wherry_client *client;
	atomic_bool end;
	atomic_uint sent, ended;
	struct changes seen;
};

static void hear(void *arg, const wherry_note *note)
{
	(void)note;
	wherry_client_on_note(*(wherry_client **)arg, NULL, NULL);
}

static void *come_and_go(void *arg)
{
	struct bustle *b = arg;
	wherry_note note = {0};
	while (!atomic_load(&b->end)) {
		wherry_client_on_note(b->client, hear, &b->client);
		wherry_client_on_change(b->client, changed, &b->seen);
		wherry_client_poll(b->client, 1, &note, NULL);
		wherry_client_on_change(b->client, NULL, NULL);
		wherry_client_on_note(b->client, NULL, NULL);
	}
	wherry_note_free(&note);
	return NULL;
}

static void *ask_in_a_hurry(void *arg)
{
	struct bustle *b = arg;
	wherry_reply r = {0};
	for (int i = 0; !atomic_load(&b->end); i++) {
		ask(b->client, "kv.incr n", 0, 1 + i % 3, &r);
		if (send_line(b->client, "sys.ping", WHERRY_REPEATABLE, 1 + i % 30, ignore, &b->ended) == WHERRY_OK)
			atomic_fetch_add(&b->sent, 1);
		if (i % 16 == 0)
			wherry_client_settle(b->client, 1);
		if (i % 50 == 0)
			ask(b->client, "session.use default", 0, 1, &r); // in vain, mostly: the connection is given up
	}
	wherry_reply_free(&r);
	return NULL;
}

// The broker restarts, times run out, who listens comes and goes; then every request has ended once, and all is well.
static void all_at_once(void **state)
{
	(void)state;
	enum { THREADS = 4, RESTARTS = 8 };
	struct bustle b = {0};
	pthread_t threads[THREADS];
	const wherry_client_options options = {.size = sizeof(options), .backoff_ms = 1, .backoff_max_ms = 20};
	place_open(&b.place, "kv");
	b.client = b.seen.client = connect_with(b.place.url, &options);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, i == 0 ? come_and_go : ask_in_a_hurry, &b);
	for (int i = 0; i < RESTARTS; i++)
		restart_idle(&b.place);
	atomic_store(&b.end, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wherry_client_settle(b.client, 20000), WHERRY_OK);
	assert_int_equal(b.ended, b.sent);
	expect_ask(b.client, "sys.ping", "\"PONG\"");
	assert_int_equal(counts_of(b.client).in_flight, 0);
	assert_int_equal(counts_of(b.client).pending_bytes, 0);
	wherry_client_close(b.client);
	place_leave(&b.place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_without_their_size_are_refused),
	    cmocka_unit_test(a_time_of_zero_is_the_preset),
	    cmocka_unit_test(a_callback_that_closes_does_nothing),
	    cmocka_unit_test(several_may_settle),
	    cmocka_unit_test(an_old_loss_is_not_told),
	    cmocka_unit_test(who_hears_changes_may_leave_from_within),
	    cmocka_unit_test(all_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
