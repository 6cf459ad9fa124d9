// Consumers of the C client with a real broker: every job is done, whoever dies and whatever is cut, and each is acked once.

#include <pthread.h>

#include "client_messages.h"
#include "proxy.h"

enum { JOBS = 2000, WORKERS = 3 };

static const wherry_client_options brisk = {.size = sizeof(brisk), .backoff_ms = 1, .backoff_max_ms = 20};

// What became of each job, by its number.
struct ledger {
	atomic_uint handed[JOBS], acked[JOBS], stale[JOBS], unknown[JOBS];
	atomic_uint wrong;
	wherry_consumer *consumers[WORKERS];
};

static unsigned number_of(const wherry_job *job)
{
	char *shown = embed_show(span_of(job->value, job->value_len));
	unsigned number = (unsigned)strtoul(shown, NULL, 10);
	free(shown);
	assert_true(number < JOBS);
	return number;
}

static void settled(void *arg, const wherry_job *job, const wherry_error *error)
{
	struct ledger *l = arg;
	unsigned number = number_of(job);
	if (error->code == WHERRY_OK)
		atomic_fetch_add(&l->acked[number], 1);
	else if (error->code == WHERRY_ESTALE && !error->local)
		atomic_fetch_add(&l->stale[number], 1);
	else if (error->code == WHERRY_ESTALE || error->code == WHERRY_ESHUTDOWN)
		atomic_fetch_add(&l->unknown[number], 1);
	else
		atomic_fetch_add(&l->wrong, 1);
}

static void do_at_once(void *arg, wherry_job *job)
{
	struct ledger *l = arg;
	atomic_fetch_add(&l->handed[number_of(job)], 1);
	wherry_job_ack(job);
}

static wherry_consumer *consume(wherry_client *c, wherry_consume_options w)
{
	static const char *const queues[] = {"jobs"};
	wherry_consumer *k;
	wherry_error error;
	w.size = sizeof(w);
	w.queues = queues;
	w.queue_count = 1;
	if (wherry_client_consume(c, &w, &k, &error) != WHERRY_OK)
		fail_msg("%s: %s", error.name, error.text);
	return k;
}

static void push(wherry_client *c, unsigned from, unsigned to)
{
	wherry_batch *b = wherry_batch_new();
	for (unsigned i = from; i < to; i++) {
		const uint8_t params[] = {0x92, 0xa4, 'j', 'o', 'b', 's', 0xcd, (uint8_t)(i >> 8), (uint8_t)i};
		wherry_batch_add(b, "queue.push", params, sizeof(params), NULL, 0);
	}
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_OK);
	wherry_batch_free(b);
}

static bool queue_is(wherry_client *c, const char *what)
{
	wherry_reply r = {0};
	if (ask(c, "queue.stats jobs", 0, 0, &r) != WHERRY_OK)
		fail_msg("%s: %s", r.error.name, r.error.text);
	char *shown = embed_show(span_of(r.result, r.result_len));
	bool is = strstr(shown, what) != NULL;
	free(shown);
	wherry_reply_free(&r);
	return is;
}

static bool all_is_done(wherry_client *c)
{
	return queue_is(c, "\"ready\": 0,") && queue_is(c, "\"reserved\": 0,") && queue_is(c, "\"delayed\": 0,");
}

// Each was handed out, and is acked once at most: what is not known was done, or somebody else has done it.
static void expect_ledger(struct ledger *l, wherry_client *c)
{
	unsigned acked = 0, again = 0;
	for (unsigned i = 0; i < JOBS; i++) {
		assert_in_range(l->handed[i], 1, 1000);
		assert_in_range(l->acked[i], 0, 1);
		assert_true(l->acked[i] + l->stale[i] + l->unknown[i] > 0);
		acked += l->acked[i];
		again += l->handed[i] - 1;
	}
	assert_int_equal(l->wrong, 0);
	assert_true(queue_is(c, "\"dead\": 0,"));
	print_message("%u acked, %u times once more\n", acked, again);
}

// --- a day without bad luck -------------------------------------------------------------------------------------------

static void *work(void *arg)
{
	struct ledger *l = arg;
	wherry_job *job;
	while (wherry_consumer_next(l->consumers[0], -1, &job, NULL) == WHERRY_OK) {
		atomic_fetch_add(&l->handed[number_of(job)], 1);
		assert_int_equal(job->attempt, 1);
		wherry_job_ack(job);
	}
	return NULL;
}

static void every_job_is_done_once(void **state)
{
	(void)state;
	static struct ledger l;
	struct place p;
	pthread_t threads[WORKERS];
	memset(&l, 0, sizeof(l));
	place_open(&p, "queue");
	wherry_client *c = connect_to(p.url), *told = connect_to(p.url);
	l.consumers[0] = consume(c, (wherry_consume_options){.prefetch = 50, .settled = settled, .arg = &l});
	wherry_consumer *k = consume(
	    told, (wherry_consume_options){.prefetch = 50, .settled = settled, .on_job = do_at_once, .arg = &l});
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, work, &l);
	push(c, 0, JOBS);
	AWAIT(all_is_done(c));
	assert_int_equal(wherry_consumer_stop(l.consumers[0], -1), WHERRY_OK);
	assert_int_equal(wherry_consumer_stop(k, -1), WHERRY_OK);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < JOBS; i++) {
		assert_int_equal(l.handed[i], 1);
		assert_int_equal(l.acked[i], 1);
	}
	wherry_consumer_close(l.consumers[0]);
	wherry_consumer_close(k);
	wherry_client_close(c);
	wherry_client_close(told);
	place_leave(&p);
}

static void a_long_job_stays_reserved(void **state)
{
	(void)state;
	struct place p;
	wherry_job *job, *other;
	place_open(&p, "queue");
	wherry_client *c = connect_to(p.url), *rival = connect_to(p.url);
	wherry_consumer *k = consume(c, (wherry_consume_options){.visible_ms = 400});
	wherry_consumer *r = consume(rival, (wherry_consume_options){.visible_ms = 400});
	wherry_consumer_stop(r, 0);
	push(c, 7, 8);
	assert_int_equal(wherry_consumer_next(k, 10000, &job, NULL), WHERRY_OK);
	wherry_consumer_close(r);
	r = consume(rival, (wherry_consume_options){.visible_ms = 400});
	assert_int_equal(wherry_consumer_next(r, 1500, &other, NULL), WHERRY_ETIMEOUT);
	assert_int_equal(wherry_job_lost(job), WHERRY_OK);
	wherry_client_close(c); // its worker dies: it comes back at once
	assert_int_equal(wherry_consumer_next(r, 10000, &other, NULL), WHERRY_OK);
	assert_int_equal(number_of(other), 7);
	assert_int_equal(other->attempt, 2);
	wherry_job_ack(other);
	assert_int_equal(wherry_consumer_stop(r, 10000), WHERRY_OK);
	assert_true(all_is_done(rival));
	wherry_client_close(rival);
	place_leave(&p);
}

static void what_was_not_begun_goes_back_uncounted(void **state)
{
	(void)state;
	struct place p;
	wherry_job *job;
	place_open(&p, "queue");
	wherry_client *c = connect_to(p.url);
	push(c, 0, 10);
	wherry_consumer *k = consume(c, (wherry_consume_options){.prefetch = 10});
	assert_int_equal(wherry_consumer_next(k, 10000, &job, NULL), WHERRY_OK);
	wherry_consumer_stop(k, 0);
	wherry_job_ack(job);
	assert_int_equal(wherry_consumer_stop(k, 10000), WHERRY_OK);
	wherry_consumer_close(k);
	AWAIT(queue_is(c, "\"ready\": 9,"));
	k = consume(c, (wherry_consume_options){.prefetch = 10});
	for (unsigned i = 1; i < 10; i++) {
		assert_int_equal(wherry_consumer_next(k, 10000, &job, NULL), WHERRY_OK);
		assert_int_equal(job->attempt, 1);
		wherry_job_ack(job);
	}
	assert_int_equal(wherry_consumer_stop(k, 10000), WHERRY_OK);
	wherry_client_close(c);
	place_leave(&p);
}

// --- bad luck ---------------------------------------------------------------------------------------------------------

static void every_job_is_done_through_cuts(bool holds)
{
	static struct ledger l;
	struct place p;
	wherry_client *clients[WORKERS];
	memset(&l, 0, sizeof(l));
	place_open(&p, "queue");
	struct proxy *proxy = proxy_open(p.dir, p.url);
	wherry_client *direct = connect_to(p.url);
	expect_ask(direct, "queue.create jobs --max_attempts=0", "true");
	for (int i = 0; i < WORKERS; i++) {
		proxy_cut_next(proxy, PROXY_TO_CLIENT, 4000);
		clients[i] = connect_with(proxy_url(proxy), &brisk);
		l.consumers[i] = consume(clients[i], (wherry_consume_options){.prefetch = 20,
							 .visible_ms = 1000,
							 .flags = holds ? WHERRY_HOLD : 0,
							 .settled = settled,
							 .on_job = do_at_once,
							 .arg = &l});
	}
	proxy_cut_random(proxy, 6000);
	for (unsigned i = 0; i < JOBS; i += 100)
		push(direct, i, i + 100);
	AWAIT(all_is_done(direct));
	proxy_cut_random(proxy, 0);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(wherry_consumer_stop(l.consumers[i], 20000), WHERRY_OK);
		wherry_consumer_close(l.consumers[i]);
		wherry_client_close(clients[i]);
	}
	print_message("%u cuts: ", proxy_cuts(proxy));
	assert_true(proxy_cuts(proxy) > 5);
	expect_ledger(&l, direct);
	wherry_client_close(direct);
	proxy_close(proxy);
	place_leave(&p);
}

static void every_job_is_done_whatever_is_cut(void **state)
{
	(void)state;
	every_job_is_done_through_cuts(false);
}

static void and_so_are_those_that_are_held(void **state)
{
	(void)state;
	every_job_is_done_through_cuts(true);
}

static void a_broker_is_started_anew(void **state)
{
	(void)state;
	static struct ledger l;
	struct place p;
	memset(&l, 0, sizeof(l));
	place_open(&p, "queue");
	wherry_client *c = connect_with(p.url, &brisk), *direct = connect_with(p.url, &brisk);
	wherry_consumer *k =
	    consume(c, (wherry_consume_options){.prefetch = 20, .settled = settled, .on_job = do_at_once, .arg = &l});
	push(direct, 0, 1000);
	AWAIT(all_is_done(direct));
	restart_idle(&p); // what it had not kept is gone
	push(direct, 1000, JOBS);
	AWAIT(all_is_done(direct));
	assert_int_equal(wherry_consumer_stop(k, 10000), WHERRY_OK);
	expect_ledger(&l, direct);
	wherry_client_close(c);
	wherry_client_close(direct);
	place_leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_job_is_done_once),
	    cmocka_unit_test(a_long_job_stays_reserved),
	    cmocka_unit_test(what_was_not_begun_goes_back_uncounted),
	    cmocka_unit_test(every_job_is_done_whatever_is_cut),
	    cmocka_unit_test(and_so_are_those_that_are_held),
	    cmocka_unit_test(a_broker_is_started_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
