// Requests whose callers are called back: once each, on one thread, in frames of many.

#include <pthread.h>
#include <stdatomic.h>

#include "client_expect.h"
#include "liar.h"

struct tally {
	atomic_uint ok, failed;
	atomic_int last; // the code of the last that failed
};

static void count(void *arg, const wherry_reply *r)
{
	struct tally *t = arg;
	if (r->error.code == WHERRY_OK) {
		atomic_fetch_add(&t->ok, 1);
		return;
	}
	assert_string_equal(r->error.name, wherry_status_name(r->error.code));
	atomic_store(&t->last, r->error.code);
	atomic_fetch_add(&t->failed, 1);
}

static void answers_come_to_callbacks(void **state)
{
	(void)state;
	struct place p;
	struct tally t = {0};
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(send_line(c, "kv.incr n", 0, 0, count, &t), WHERRY_OK);
	assert_int_equal(send_line(c, "kv.gte n", 0, 0, count, &t), WHERRY_OK);
	assert_int_equal(wherry_client_settle(c, 20000), WHERRY_OK);
	assert_int_equal(t.ok, 1000);
	assert_int_equal(t.failed, 1);
	assert_int_equal(t.last, WHERRY_ENOCMD);
	expect_ask(c, "kv.get n", "1000"); // blocking calls go on beside them
	wherry_client_counts counts = counts_of(c);
	assert_int_equal(counts.requests, 1002);
	assert_int_equal(counts.answers, 1002);
	assert_int_equal(counts.in_flight, 0);
	assert_int_equal(counts.pending_bytes, 0);
	wherry_client_close(c);
	place_leave(&p);
}

// --- in order, and together -------------------------------------------------------------------------------------------

struct sequence {
	unsigned next;
	bool broken;
};

static void expect_next(void *arg, const wherry_reply *r)
{
	struct sequence *s = arg;
	char want[16];
	snprintf(want, sizeof(want), "%u", ++s->next);
	char *got = embed_show(span_of(r->result, r->result_len));
	s->broken |= strcmp(got, want) != 0;
	free(got);
}

static void requests_are_sent_in_order_and_travel_together(void **state)
{
	(void)state;
	enum { COUNT = 20000 };
	struct place p;
	struct sequence s = {0};
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	struct worded w;
	worded_read(&w, "kv.incr n");
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(wherry_client_send(c, &w.request, expect_next, &s), WHERRY_OK);
	worded_free(&w);
	assert_int_equal(wherry_client_settle(c, 60000), WHERRY_OK);
	assert_int_equal(s.next, COUNT);
	assert_false(s.broken);
	assert_true(counts_of(c).frames_out < COUNT / 4);
	wherry_client_close(c);
	place_leave(&p);
}

struct chain {
	wherry_client *client;
	atomic_uint left, ended;
};

static void send_next(void *arg, const wherry_reply *r)
{
	struct chain *chain = arg;
	assert_int_equal(r->error.code, WHERRY_OK);
	if (atomic_load(&chain->left) > 0) {
		atomic_fetch_sub(&chain->left, 1);
		assert_int_equal(send_line(chain->client, "kv.incr n", 0, 0, send_next, chain), WHERRY_OK);
	}
	atomic_fetch_add(&chain->ended, 1);
}

// What all callbacks of one frame send leaves as one frame.
static void callbacks_may_send(void **state)
{
	(void)state;
	enum { AT_ONCE = 64, MORE = 6400 };
	struct place p;
	struct chain chain = {.left = MORE};
	place_open(&p, "kv");
	wherry_client *c = chain.client = connect_to(place_tcp(&p));
	for (int i = 0; i < AT_ONCE; i++)
		assert_int_equal(send_line(c, "kv.incr n", 0, 0, send_next, &chain), WHERRY_OK);
	assert_int_equal(wherry_client_settle(c, 60000), WHERRY_OK);
	assert_int_equal(chain.ended, AT_ONCE + MORE);
	expect_ask(c, "kv.get n", "6464");
	assert_true(counts_of(c).frames_out < (AT_ONCE + MORE) / 4);
	wherry_client_close(c);
	place_leave(&p);
}

// --- what a callback may not --------------------------------------------------------------------------------------------

struct inside {
	wherry_client *client;
	pthread_t thread;
	int call, run, poll, settle;
};

static void try_to_wait(void *arg, const wherry_reply *r)
{
	struct inside *in = arg;
	wherry_reply reply = {0};
	wherry_note note = {0};
	wherry_batch *b = wherry_batch_new();
	(void)r;
	in->thread = pthread_self();
	in->call = wherry_client_call(in->client, "sys.ping", NULL, 0, NULL, 0, &reply);
	in->run = wherry_client_run(in->client, b, NULL);
	in->poll = wherry_client_poll(in->client, 0, &note, NULL);
	in->settle = wherry_client_settle(in->client, 0);
	wherry_batch_free(b);
	wherry_reply_free(&reply);
}

static void callbacks_may_not_wait(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "");
	struct inside in = {.client = connect_to(p.url)};
	assert_int_equal(send_line(in.client, "sys.ping", 0, 0, try_to_wait, &in), WHERRY_OK);
	assert_int_equal(wherry_client_settle(in.client, 20000), WHERRY_OK);
	assert_false(pthread_equal(in.thread, pthread_self()));
	assert_int_equal(in.call, WHERRY_EARG);
	assert_int_equal(in.run, WHERRY_EARG);
	assert_int_equal(in.poll, WHERRY_EARG);
	assert_int_equal(in.settle, WHERRY_EARG);
	wherry_client_close(in.client);
	place_leave(&p);
}

// --- limits, times, ends ------------------------------------------------------------------------------------------------

static void what_is_not_taken_is_not_called_back(void **state)
{
	(void)state;
	struct place p;
	struct tally t = {0};
	place_open(&p, "kv,parker");
	const wherry_client_options options = {.size = sizeof(options), .max_pending = 2500};
	wherry_client *c = connect_with(p.url, &options);
	wherry_request q = {.size = sizeof(q), .method = "kv.get", .params = "\x91", .params_len = 1};
	assert_int_equal(wherry_client_send(c, &q, count, &t), WHERRY_EARG);
	q.size = 0;
	assert_int_equal(wherry_client_send(c, &q, count, &t), WHERRY_EARG);
	unsigned taken = 0;
	while (send_line(c, "parker.wait k --timeout_ms=10000", 0, 0, count, &t) == WHERRY_OK)
		taken++;
	assert_in_range(taken, 1, 20);
	assert_int_equal(send_line(c, "parker.wait k", 0, 0, count, &t), WHERRY_ELIMIT);
	char longer[300]; // than what is left
	snprintf(longer, sizeof(longer), "sys.ping \"%0280d\"", 0);
	expect_ask_fails(c, longer, WHERRY_ELIMIT, 1);
	wherry_batch *b = wherry_batch_new();
	for (int i = 0; i < 20; i++)
		wherry_batch_add(b, "sys.ping", NULL, 0, NULL, 0);
	wherry_reply r = {0};
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_ELIMIT);
	assert_int_equal(wherry_batch_answer(b, 9, &r), WHERRY_ELIMIT);
	wherry_batch_free(b);
	wherry_client *other = connect_to(p.url);
	wherry_reply unused = {0};
	ask(other, "parker.signal k 100", 0, 0, &unused);
	wherry_reply_free(&unused);
	wherry_client_close(other);
	assert_int_equal(wherry_client_settle(c, 20000), WHERRY_OK);
	assert_int_equal(t.ok, taken);
	assert_int_equal(t.failed, 0);
	expect_ask(c, "sys.ping", "\"PONG\""); // there is room again
	wherry_client_close(c);
	place_leave(&p);
}

static void each_has_a_time_of_its_own(void **state)
{
	(void)state;
	struct place p;
	struct tally early = {0}, late = {0};
	place_open(&p, "parker");
	wherry_client *c = connect_to(p.url);
	assert_int_equal(send_line(c, "parker.wait k --timeout_ms=60000", 0, -1, count, &late), WHERRY_OK);
	for (int i = 0; i < 10; i++)
		assert_int_equal(send_line(c, "parker.wait k --timeout_ms=60000", 0, 20 + i, count, &early), WHERRY_OK);
	AWAIT(early.failed == 10);
	assert_int_equal(early.last, WHERRY_ETIMEOUT);
	assert_int_equal(late.failed, 0);
	assert_int_equal(wherry_client_settle(c, 10), WHERRY_ETIMEOUT);
	wherry_client_close(c);
	assert_int_equal(late.failed, 1);
	assert_int_equal(late.last, WHERRY_ESHUTDOWN);
	place_leave(&p);
}

struct after_end {
	wherry_client *client;
	int status;
};

static void send_too_late(void *arg, const wherry_reply *r)
{
	struct after_end *e = arg;
	assert_int_equal(r->error.code, WHERRY_ESHUTDOWN);
	e->status = send_line(e->client, "sys.ping", 0, 0, send_too_late, arg);
}

static void closing_ends_all_that_is_under_way(void **state)
{
	(void)state;
	struct place p;
	struct tally t = {0};
	place_open(&p, "parker");
	struct after_end e = {.client = connect_to(p.url)};
	for (int i = 0; i < 500; i++)
		assert_int_equal(send_line(e.client, "parker.wait k --timeout_ms=60000", 0, 0, count, &t), WHERRY_OK);
	assert_int_equal(send_line(e.client, "parker.wait k --timeout_ms=60000", 0, 0, send_too_late, &e), WHERRY_OK);
	wherry_client_close(e.client);
	assert_int_equal(t.failed, 500);
	assert_int_equal(t.last, WHERRY_ESHUTDOWN);
	assert_int_equal(e.status, WHERRY_ESHUTDOWN);
	place_leave(&p);
}

// --- notifications ----------------------------------------------------------------------------------------------------

struct heard {
	char params[16][16];
	atomic_uint count;
	uint64_t lost;
};

static void hear(void *arg, const wherry_note *note)
{
	struct heard *h = arg;
	char *got = embed_show(span_of(note->params, note->params_len));
	snprintf(h->params[atomic_load(&h->count) % 16], 16, "%s", got);
	h->lost += note->lost;
	atomic_fetch_add(&h->count, 1);
	free(got);
}

// Three notifications before every answer.
static void notify(struct liar *l, int fd, unsigned connection)
{
	struct liar_request requests[LIAR_REQUESTS];
	(void)l;
	(void)connection;
	char note[] = "\x93\x02\xa1x\x91\x00";
	for (size_t n; (n = liar_receive(fd, requests)) > 0;) {
		for (int i = 0; i < 3; i++) {
			liar_frame(fd, note, sizeof(note) - 1);
			note[5]++;
		}
		for (size_t i = 0; i < n; i++)
			liar_answer(fd, requests[i].id, BYTES("\xc3"));
	}
}

static void notifications_come_to_a_callback(void **state)
{
	(void)state;
	struct liar l;
	struct heard h = {0};
	wherry_note note = {0};
	liar_start(&l, liar_greeting, notify);
	wherry_client *c = connect_to(l.place.url);
	expect_ask(c, "a.b", "true"); // these are kept
	assert_int_equal(wherry_client_on_note(c, hear, &h), WHERRY_OK);
	expect_ask(c, "a.b", "true");
	AWAIT(atomic_load(&h.count) == 6);
	assert_string_equal(h.params[0], "[0]");
	assert_string_equal(h.params[5], "[5]");
	assert_int_equal(wherry_client_poll(c, 0, &note, NULL), WHERRY_ETIMEOUT);
	assert_int_equal(wherry_client_on_note(c, NULL, NULL), WHERRY_OK);
	expect_ask(c, "a.b", "true");
	assert_int_equal(wherry_client_poll(c, 10000, &note, NULL), WHERRY_OK);
	assert_memory_equal(note.params, "\x91\x06", 2);
	assert_int_equal(atomic_load(&h.count), 6);
	wherry_note_free(&note);
	wherry_client_close(c);
	liar_stop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_come_to_callbacks),
	    cmocka_unit_test(requests_are_sent_in_order_and_travel_together),
	    cmocka_unit_test(callbacks_may_send),
	    cmocka_unit_test(callbacks_may_not_wait),
	    cmocka_unit_test(what_is_not_taken_is_not_called_back),
	    cmocka_unit_test(each_has_a_time_of_its_own),
	    cmocka_unit_test(closing_ends_all_that_is_under_way),
	    cmocka_unit_test(notifications_come_to_a_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
