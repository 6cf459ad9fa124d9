// Clients whose connections are cut at random, for some seconds: every call ends, once, with a right answer or a clear
// error; and what was counted is what was said.

#include <pthread.h>
#include <stdatomic.h>

#include "client_expect.h"
#include "proxy.h"

enum { BLOCKING = 4, FLYING = 32, SECONDS = 4, CUT_MOST = 6000 };

struct stress {
	struct place place;
	struct proxy *proxy;
	wherry_client *client;
	int64_t end_ms;
	atomic_uint asked, told, again; // again: callbacks that came twice
	atomic_uint done, unknown, never, wrong;
	atomic_uint reads;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool goes_on(const struct stress *s)
{
	return now_ms() < s->end_ms;
}

// Of an incr: it ran, it may have run, it did not.
static void judge(struct stress *s, const wherry_reply *r)
{
	int code = r->error.code;
	bool may_have_run = code == WHERRY_ESTALE || code == WHERRY_ETIMEOUT;
	if (code != WHERRY_OK && !r->error.local)
		atomic_fetch_add(&s->wrong, 1);
	atomic_fetch_add(&s->told, 1);
	atomic_fetch_add(code == WHERRY_OK ? &s->done : may_have_run ? &s->unknown : &s->never, 1);
}

static void *call_and_call(void *arg)
{
	struct stress *s = arg;
	wherry_reply r = {0};
	for (unsigned i = 0; goes_on(s); i++) {
		atomic_fetch_add(&s->asked, 1);
		ask(s->client, "kv.incr n", 0, i % 7 == 0 ? 3 : 0, &r);
		judge(s, &r);
		if (ask(s->client, "kv.get fixed", 0, 0, &r) == WHERRY_OK) {
			atomic_fetch_add(&s->reads, 1);
			expect_result(&r, "\"as it was\"");
		} else if (r.error.code != WHERRY_EAGAIN && r.error.code != WHERRY_ETIMEOUT) {
			atomic_fetch_add(&s->wrong, 1); // what reads is sent again, in any case
		}
	}
	wherry_reply_free(&r);
	return NULL;
}

static void *batch_and_batch(void *arg)
{
	struct stress *s = arg;
	wherry_batch *b = wherry_batch_new();
	while (goes_on(s)) {
		wherry_batch_clear(b);
		for (int i = 0; i < 50; i++)
			wherry_batch_add(b, "kv.incr", "\x91\xa1n", 3, NULL, 0);
		atomic_fetch_add(&s->asked, 50);
		wherry_client_run(s->client, b, NULL);
		for (size_t i = 0; i < 50; i++) {
			wherry_reply r = {0};
			wherry_batch_answer(b, i, &r);
			judge(s, &r);
		}
	}
	wherry_batch_free(b);
	return NULL;
}

struct flight {
	struct stress *stress;
	bool under_way;
};

static void landed(void *arg, const wherry_reply *r);

static void take_off(struct flight *f)
{
	f->under_way = true;
	atomic_fetch_add(&f->stress->asked, 1);
	assert_int_equal(send_line(f->stress->client, "kv.incr n", 0, 0, landed, f), WHERRY_OK);
}

static void landed(void *arg, const wherry_reply *r)
{
	struct flight *f = arg;
	if (!f->under_way)
		atomic_fetch_add(&f->stress->again, 1);
	f->under_way = false;
	judge(f->stress, r);
	if (goes_on(f->stress))
		take_off(f);
}

static void begin(struct stress *s)
{
	*s = (struct stress){0};
	place_open(&s->place, "kv");
	s->proxy = proxy_open(s->place.dir, s->place.url);
	const wherry_client_options options = {
	    .size = sizeof(options), .backoff_ms = 1, .backoff_max_ms = 20, .call_ms = 20000, .frame_bytes = 2000};
	proxy_cut_next(s->proxy, PROXY_TO_BROKER, CUT_MOST);
	s->client = connect_with(proxy_url(s->proxy), &options);
	wherry_reply r = {0};
	ask(s->client, "kv.set fixed \"as it was\"", 0, 0, &r);
	wherry_reply_free(&r);
	proxy_cut_random(s->proxy, CUT_MOST);
	s->end_ms = now_ms() + SECONDS * 1000;
}

static void finish(struct stress *s)
{
	char line[64];
	wherry_reply r = {0};
	wherry_client_counts counts = counts_of(s->client);
	assert_int_equal(counts.in_flight, 0);
	assert_int_equal(counts.pending_bytes, 0);
	assert_int_equal(counts.requests, counts.answers);
	assert_int_equal(s->again, 0);
	assert_int_equal(s->wrong, 0);
	assert_int_equal(s->asked, s->told);
	print_message("%u cuts, %lu connections, %lu repeated; %u done, %u unknown, %u not sent, %u read\n",
	    proxy_cuts(s->proxy), counts.connections, counts.repeated, s->done, s->unknown, s->never, s->reads);
	assert_true(proxy_cuts(s->proxy) > 10);
	assert_true(s->done > 100);
	wherry_client_close(s->client);
	proxy_close(s->proxy);
	// Timed out ones may still run: none does any more, once the broker has ended all sessions.
	wherry_client *sure = connect_to(s->place.url);
	AWAIT(ask(sure, "kv.get n", 0, 0, &r) == WHERRY_OK);
	char *shown = embed_show(span_of(r.result, r.result_len));
	snprintf(line, sizeof(line), "%s", shown);
	assert_in_range(atoll(line), s->done, s->done + s->unknown);
	free(shown);
	wherry_reply_free(&r);
	wherry_client_close(sure);
	place_leave(&s->place);
}

static void blocking_calls_survive_cuts(void **state)
{
	(void)state;
	struct stress s;
	pthread_t threads[BLOCKING + 1];
	begin(&s);
	for (int i = 0; i < BLOCKING; i++)
		pthread_create(&threads[i], NULL, call_and_call, &s);
	pthread_create(&threads[BLOCKING], NULL, batch_and_batch, &s);
	for (int i = 0; i <= BLOCKING; i++)
		pthread_join(threads[i], NULL);
	finish(&s);
}

static void all_kinds_of_calls_survive_cuts(void **state)
{
	(void)state;
	struct stress s;
	pthread_t threads[BLOCKING + 1];
	struct flight flights[FLYING];
	begin(&s);
	for (int i = 0; i < FLYING; i++) {
		flights[i] = (struct flight){.stress = &s};
		take_off(&flights[i]);
	}
	for (int i = 0; i < BLOCKING; i++)
		pthread_create(&threads[i], NULL, call_and_call, &s);
	pthread_create(&threads[BLOCKING], NULL, batch_and_batch, &s);
	for (int i = 0; i <= BLOCKING; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wherry_client_settle(s.client, 60000), WHERRY_OK);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocking_calls_survive_cuts),
	    cmocka_unit_test(all_kinds_of_calls_survive_cuts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
