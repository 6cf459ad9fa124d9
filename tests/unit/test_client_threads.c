// One client, many threads: what they ask travels together, and nobody waits for another's answer.

#include <pthread.h>
#include <stdatomic.h>

#include "client_expect.h"

enum { THREADS = 16 };

struct party {
	struct place place;
	wherry_client *client;
	atomic_uint ended;
};

static void party_open(struct party *p, bool with_thread)
{
	*p = (struct party){0};
	place_open(&p->place, "kv,parker");
	p->client = connect_to(p->place.url);
	if (with_thread) // blocking calls beside the client's thread take another way
		assert_int_equal(
		    wherry_client_on_note(p->client, (wherry_heard)(void (*)(void))abort, NULL), WHERRY_OK);
}

static void party_end(struct party *p)
{
	assert_int_equal(counts_of(p->client).in_flight, 0);
	assert_int_equal(counts_of(p->client).pending_bytes, 0);
	wherry_client_close(p->client);
	place_leave(&p->place);
}

static void run_threads(struct party *p, void *(*run)(void *), pthread_t threads[THREADS])
{
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, p), 0);
}

static void join(pthread_t threads[THREADS])
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

enum { CALLS = 500 };

static void *increment(void *arg)
{
	struct party *p = arg;
	for (int i = 0; i < CALLS; i++) {
		wherry_reply r = {0};
		ask(p->client, "kv.incr n", 0, 0, &r);
		assert_int_equal(r.error.code, WHERRY_OK);
		wherry_reply_free(&r);
	}
	return NULL;
}

static void count_up(bool with_thread)
{
	struct party p;
	pthread_t threads[THREADS];
	party_open(&p, with_thread);
	run_threads(&p, increment, threads);
	join(threads);
	expect_ask(p.client, "kv.get n", "8000");
	wherry_client_counts counts = counts_of(p.client);
	assert_int_equal(counts.requests, THREADS * CALLS + 1);
	assert_true(counts.frames_out < counts.requests);
	party_end(&p);
}

static void what_threads_ask_travels_together(void **state)
{
	(void)state;
	count_up(false);
	count_up(true);
}

// --- those that wait hold nobody up -----------------------------------------------------------------------------------

static void *wait_for_signal(void *arg)
{
	struct party *p = arg;
	wherry_reply r = {0};
	ask(p->client, "parker.wait k --timeout_ms=60000", 0, 120000, &r);
	expect_result(&r, "\"signal\"");
	wherry_reply_free(&r);
	atomic_fetch_add(&p->ended, 1);
	return NULL;
}

static unsigned parked(struct party *p)
{
	wherry_reply r = {0};
	ask(p->client, "session.info", 0, 0, &r);
	char *shown = embed_show(span_of(r.result, r.result_len)), *at = strstr(shown, "\"parked\": ");
	assert_non_null(at);
	unsigned count = (unsigned)atoi(at + strlen("\"parked\": "));
	free(shown);
	wherry_reply_free(&r);
	return count;
}

static void mixed_waits(bool with_thread)
{
	struct party p;
	pthread_t waiting[THREADS], busy[THREADS];
	party_open(&p, with_thread);
	run_threads(&p, wait_for_signal, waiting);
	AWAIT(parked(&p) == THREADS);
	run_threads(&p, increment, busy);
	join(busy);
	expect_ask(p.client, "kv.get n", "8000");
	assert_int_equal(atomic_load(&p.ended), 0);
	for (int i = 0; i < THREADS; i++) { // one after another, so that the role is handed on each time
		wherry_reply r = {0};
		ask(p.client, "parker.signal k", 0, 0, &r);
		assert_int_equal(r.error.code, WHERRY_OK);
		wherry_reply_free(&r);
		AWAIT(atomic_load(&p.ended) == (unsigned)i + 1);
	}
	join(waiting);
	party_end(&p);
}

static void requests_that_wait_hold_nobody_up(void **state)
{
	(void)state;
	mixed_waits(false);
	mixed_waits(true);
}

// --- the thread begins while others wait ------------------------------------------------------------------------------

static void done(void *arg, const wherry_reply *r)
{
	assert_int_equal(r->error.code, WHERRY_OK);
	atomic_fetch_add((atomic_uint *)arg, 1);
}

static void the_clients_thread_may_begin_at_any_time(void **state)
{
	(void)state;
	struct party p;
	pthread_t waiting[THREADS], busy[THREADS];
	atomic_uint answered = 0;
	party_open(&p, false);
	run_threads(&p, wait_for_signal, waiting);
	AWAIT(parked(&p) == THREADS);
	run_threads(&p, increment, busy);
	for (int i = 0; i < 100; i++)
		assert_int_equal(send_line(p.client, "kv.incr n", 0, 0, done, &answered), WHERRY_OK);
	assert_int_equal(wherry_client_settle(p.client, 20000), WHERRY_OK);
	assert_int_equal(answered, 100);
	join(busy);
	expect_ask(p.client, "kv.get n", "8100");
	wherry_reply r = {0};
	ask(p.client, "parker.signal k 16", 0, 0, &r);
	assert_int_equal(r.error.code, WHERRY_OK);
	wherry_reply_free(&r);
	join(waiting);
	party_end(&p);
}

// --- one's own answers ------------------------------------------------------------------------------------------------

struct reader {
	struct party *party;
	int number;
};

static void *read_own(void *arg)
{
	struct reader *me = arg;
	char line[64], want[32];
	for (int i = 0; i < 200; i++) {
		snprintf(want, sizeof(want), "\"%d of %d\"", i, me->number);
		snprintf(line, sizeof(line), "kv.set key%d %s", me->number, want);
		wherry_reply r = {0};
		ask(me->party->client, line, 0, 0, &r);
		assert_int_equal(r.error.code, WHERRY_OK);
		wherry_reply_free(&r);
		snprintf(line, sizeof(line), "kv.get key%d", me->number);
		expect_ask(me->party->client, line, want);
	}
	return NULL;
}

static void each_gets_its_own_answers(void **state)
{
	(void)state;
	struct party p;
	pthread_t threads[THREADS];
	struct reader readers[THREADS];
	party_open(&p, false);
	for (int i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){&p, i};
		pthread_create(&threads[i], NULL, read_own, &readers[i]);
	}
	join(threads);
	party_end(&p);
}

// Too large for one frame's answers together, not each for itself: each is asked for alone, then.
static void answers_too_large_together_come_alone(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	static char params[(6 << 20) + 16] = "\x92\xa1k\xc5";
	params[3] = (char)0xc6;
	params[4] = 0;
	params[5] = 0x60; // 6 MiB
	wherry_reply r = {0};
	assert_int_equal(wherry_client_call(c, "kv.set", params, 8 + (6 << 20), NULL, 0, &r), WHERRY_OK);
	wherry_batch *b = wherry_batch_new();
	for (int i = 0; i < 4; i++)
		wherry_batch_add(b, "kv.get", "\x91\xa1k", 3, NULL, 0);
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_OK);
	assert_int_equal(wherry_batch_answer(b, 1, &r), WHERRY_OK);
	assert_int_equal(wherry_batch_answer(b, 3, &r), WHERRY_ELIMIT); // a batch runs in order, as it was given
	wherry_batch_free(b);
	wherry_reply_free(&r);
	wherry_client_close(c);
	place_leave(&p);
}

static void *get_large(void *arg)
{
	struct party *p = arg;
	wherry_reply r = {0};
	for (int i = 0; i < 4; i++) {
		assert_int_equal(wherry_client_call(p->client, "kv.get", "\x91\xa1k", 3, NULL, 0, &r), WHERRY_OK);
		assert_int_equal(r.result_len, (3 << 20) + 5);
	}
	wherry_reply_free(&r);
	return NULL;
}

static void callers_do_not_share_a_limit(void **state)
{
	(void)state;
	struct party p;
	pthread_t threads[THREADS];
	party_open(&p, false);
	char *params = calloc(1, (3 << 20) + 16);
	memcpy(params, "\x92\xa1k\xc6\0\x30", 6);
	wherry_reply r = {0};
	assert_int_equal(wherry_client_call(p.client, "kv.set", params, 8 + (3 << 20), NULL, 0, &r), WHERRY_OK);
	wherry_reply_free(&r);
	free(params);
	run_threads(&p, get_large, threads);
	join(threads);
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_threads_ask_travels_together),
	    cmocka_unit_test(requests_that_wait_hold_nobody_up),
	    cmocka_unit_test(the_clients_thread_may_begin_at_any_time),
	    cmocka_unit_test(each_gets_its_own_answers),
	    cmocka_unit_test(answers_too_large_together_come_alone),
	    cmocka_unit_test(callers_do_not_share_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
