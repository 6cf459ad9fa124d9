// Frames that come together, as a client on a bare socket sends them: each is answered as if it had come alone, however
// they are cut; and whoever sends many, or slow ones, holds up nobody else.

#include "wired.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { PAIR1 = 0x11, REQ = 0x30, SLOW_ONES = 150, SLOW_MS = 10, BUSY_CLIENTS = 24 };

// Frames for one write.
struct batch {
	const struct sp_client *client;
	struct buffer bytes;
};

static void add_body(struct batch *b, uint32_t word, wherry_span body)
{
	assert_true(buffer_reserve(&b->bytes, body.len + 32));
	b->bytes.len += sp_encode(b->client, word, body.ptr, body.len, b->bytes.data + b->bytes.len);
}

static void add(struct batch *b, uint32_t word, const char *line)
{
	struct buffer body = {0};
	embed_encode(line, &body);
	add_body(b, word, buffer_span(&body));
	buffer_free(&body);
}

static void write_batch(struct batch *b, struct sp_client *c)
{
	assert_true(sp_write(c, b->bytes.data, b->bytes.len));
	buffer_free(&b->bytes);
}

static void expect_word(struct sp_client *c, uint32_t wanted, const char *answer)
{
	uint32_t word = 0;
	char *got = wired_answer(c, &word, 10000);
	assert_string_equal(got, answer);
	assert_int_equal(word, wanted);
	free(got);
}

static int64_t now_ms(void)
{
	return (int64_t)(clock_ticks_ns(&clock_system) / 1000000);
}

// --- what comes among them ------------------------------------------------------------------------------------------

static void requests_that_come_again_among_others_run_once(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	struct batch b = {.client = &c};
	static const uint32_t words[] = {1, 1, 2, 1, 3, 3, 2, 4, 5, 4, 6};
	static const char *const wanted[] = {"1", "1", "2", "1", "3", "3", "2", "4", "5", "4", "6"};
	for (int i = 0; i < 11; i++)
		add(&b, words[i], "t.push q x");
	write_batch(&b, &c);
	for (int i = 0; i < 11; i++)
		expect_word(&c, words[i], wanted[i]);
	WIRED_WAIT(w, stats.resent == 5 && stats.frames_in == 11 && stats.frames_out == 11);
	struct router_stats routed;
	router_read_stats(w->h.router, &routed);
	assert_int_equal(routed.frames, 6);
	assert_int_equal(routed.requests, 6);
	sp_disconnect(&c);
}

static void a_request_sees_what_those_before_it_did(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_IPC], PAIR1);
	struct batch b = {.client = &c};
	add(&b, 1, "t.set a here");
	add(&b, 1, "t.get a --ns=moon");
	add(&b, 1, "t.found moon");
	add(&b, 1, "t.set a there --ns=moon");
	add(&b, 1, "t.use moon");
	add(&b, 1, "t.get a");
	add_body(&b, 1, span_of("\xc1", 1));
	add(&b, 1, "t.use default");
	add(&b, 1, "t.get a ; t.get a --ns=moon");
	add(&b, 1, "t.get a");
	write_batch(&b, &c);
	EXPECT_ANSWER(&c, "1");
	EXPECT_ANSWER(&c, "ENOKEY: there is no namespace \"moon\"; see ns.list");
	EXPECT_ANSWER(&c, "null");
	EXPECT_ANSWER(&c, "2");
	EXPECT_ANSWER(&c, "null");
	EXPECT_ANSWER(&c, "\"there\"");
	char *fault = wired_answer(&c, NULL, 10000);
	assert_non_null(strstr(fault, "EARG: nothing of this frame was run: "));
	free(fault);
	EXPECT_ANSWER(&c, "null");
	EXPECT_ANSWER(&c, "\"here\" ; \"there\"");
	EXPECT_ANSWER(&c, "\"here\"");
	sp_disconnect(&c);
}

static void what_comes_behind_the_last_one_is_not_run(void **state)
{
	struct wired *w = *state;
	static const char claim[] = "\xff\xff\xff\xff\xff\xff\xff\xd8\0\0\0\1";
	for (int oversize = 0; oversize <= 1; oversize++) {
		struct sp_client c, other;
		sp_open(&c, w->url[WIRED_TCP], PAIR1);
		struct batch b = {.client = &c};
		add(&b, 1, "t.set a before");
		if (oversize)
			buffer_append(&b.bytes, claim, sizeof(claim) - 1);
		else
			add(&b, 1, "t.leave");
		add(&b, 1, "t.set a behind");
		write_batch(&b, &c);
		free(wired_answer(&c, NULL, 10000)); // a revision
		EXPECT_ANSWER(
		    &c, oversize ? "ELIMIT: a frame has at most 1048576 bytes (max_frame): send less at once" : "null");
		assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
		sp_disconnect(&c);
		sp_open(&other, w->url[WIRED_TCP], PAIR1);
		wired_ask(&other, 1, "t.get a");
		EXPECT_ANSWER(&other, "\"before\"");
		sp_disconnect(&other);
	}
}

static void await_bytes(struct wired *w, uint64_t bytes)
{
	int64_t end = now_ms() + 10000;
	while (wired_stats(w).bytes_in < bytes && now_ms() < end)
		sched_yield();
}

static void frames_may_be_cut_anywhere(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	size_t len = 1;
	for (uint32_t cut = 0, id = 1; cut < len; cut++) {
		struct batch b = {.client = &c};
		add(&b, id, "t.set a 1.5 --ns=moon");
		add(&b, id + 1, "t.set k one");
		add(&b, id + 1, "t.set k one");
		add(&b, id + 2, "t.get k ; t.gte k");
		add(&b, id + 3, "t.get k");
		len = b.bytes.len;
		uint64_t before = wired_stats(w).bytes_in;
		assert_true(sp_write(&c, b.bytes.data, cut));
		await_bytes(w, before + cut);
		assert_true(sp_write(&c, b.bytes.data + cut, len - cut));
		expect_word(&c, id, "ENOKEY: there is no namespace \"moon\"; see ns.list");
		free(wired_answer(&c, NULL, 10000));
		free(wired_answer(&c, NULL, 10000));
		expect_word(&c, id + 2, "\"one\" ; ENOCMD: unknown command \"t.gte\"; did you mean t.get?");
		expect_word(&c, id + 3, "\"one\"");
		buffer_free(&b.bytes);
		id += 4;
	}
	sp_disconnect(&c);
}

// --- who sends much -------------------------------------------------------------------------------------------------

// Together they take SLOW_ONES * SLOW_MS.
static void add_slow_ones(struct batch *b)
{
	char line[40];
	for (unsigned i = 0; i < SLOW_ONES; i++) {
		snprintf(line, sizeof(line), "t.doze slow%u %d", i, SLOW_MS);
		add(b, b->client->protocol == REQ ? i + 1000 : 1, line);
	}
}

// They were asked for, so nobody waits for the end of all of them: not whom one of them woke ...
static void a_woken_request_is_not_held_up(void **state)
{
	struct wired *w = *state;
	struct sp_client many, waiting;
	sp_open(&many, w->url[WIRED_TCP], REQ);
	sp_open(&waiting, w->url[WIRED_TCP], REQ);
	wired_ask(&waiting, 1, "t.pop q --wait-ms=30000");
	harness_wait_parked(&w->h, 1);
	struct batch b = {.client = &many};
	add(&b, 1, "t.push q job");
	add_slow_ones(&b);
	int64_t begin = now_ms();
	write_batch(&b, &many);
	EXPECT_ANSWER(&waiting, "\"job\"");
	assert_true(now_ms() - begin < SLOW_ONES * SLOW_MS / 2);
	EXPECT_ANSWER(&many, "1");
	assert_true(
	    now_ms() - begin < SLOW_ONES * SLOW_MS / 2); // ... nor the one who sent them, for the first answer ...
	sp_disconnect(&many);
	sp_disconnect(&waiting);
}

static void commands_are_exchanged_meanwhile(void **state)
{
	struct wired *w = *state;
	struct sp_client many;
	sp_open(&many, w->url[WIRED_TCP], PAIR1);
	struct batch b = {.client = &many};
	add_slow_ones(&b);
	int64_t begin = now_ms();
	write_batch(&b, &many);
	WIRED_WAIT(w, stats.frames_in > 0 || now_ms() > begin + 50);
	router_publish(w->h.router, harness_table(&w->h, &w->h.owner)); // ... nor a reload ...
	assert_true(now_ms() - begin < SLOW_ONES * SLOW_MS / 2);
	sp_disconnect(&many);
}

// Three that are polled together, until one of them sends slow requests.
static void other_polled_connections_are_not_held_up(void **state)
{
	struct wired *w = *state;
	struct sp_client c[3];
	for (int i = 0; i < 3; i++)
		sp_open(&c[i], w->url[WIRED_TCP], PAIR1);
	struct batch b = {.client = &c[2]};
	add_slow_ones(&b);
	for (int round = 0; round < 500; round++) {
		for (int i = 0; i < 3; i++)
			wired_ask(&c[i], 1, "t.get a");
		for (int i = 0; i < 3; i++)
			EXPECT_ANSWER(&c[i], "null");
	}
	int64_t begin = now_ms();
	write_batch(&b, &c[2]);
	wired_ask(&c[0], 1, "t.get a");
	wired_ask(&c[1], 1, "t.get a");
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 2; i++)
			EXPECT_ANSWER(&c[i], "null");
		for (int i = 0; i < 2; i++)
			wired_ask(&c[i], 1, "t.get a");
	}
	assert_true(now_ms() - begin < SLOW_ONES * SLOW_MS / 2);
	for (int i = 0; i < 3; i++)
		sp_disconnect(&c[i]);
}

static void one_that_leaves_meanwhile_leaves_nothing(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_IPC], REQ);
	struct batch b = {.client = &c};
	for (unsigned i = 0; i < 30; i++) {
		add(&b, 2 * i, "t.doze slow 2");
		add(&b, 2 * i + 1, i % 3 == 0 ? "t.pop q --wait-ms=50000" : "t.gte");
	}
	write_batch(&b, &c);
	sp_disconnect(&c);
	WIRED_WAIT(w, stats.connections == 0);
	harness_wait_parked(&w->h, 0);
}

// --- draining -------------------------------------------------------------------------------------------------------

struct asking {
	pthread_t thread;
	struct sp_client client;
};

// So that there is always one to be answered.
static void *ask_on(void *arg)
{
	struct asking *a = arg;
	struct buffer body = {0};
	struct sp_message m;
	embed_encode("t.get a", &body);
	bool served = true;
	for (unsigned asked = 0; served; asked++) {
		served = sp_send(&a->client, 1, body.data, body.len);
		if (served && asked >= 50)
			served = sp_recv(&a->client, &m, 20000) == SP_GOT;
	}
	buffer_free(&body);
	return NULL;
}

// Clients that go on asking: what they asked is answered, and nothing more is waited for.
static void drain_under_load(struct wired *w, int clients)
{
	struct asking asking[BUSY_CLIENTS] = {0};
	for (int i = 0; i < clients; i++) {
		sp_open(&asking[i].client, w->url[i % 2], PAIR1);
		assert_int_equal(pthread_create(&asking[i].thread, NULL, ask_on, &asking[i]), 0);
	}
	WIRED_WAIT(w, stats.frames_in > 5000);
	bool drained = server_drain(w->server, 3000);
	server_close(w->server);
	w->server = NULL;
	for (int i = 0; i < clients; i++) {
		pthread_join(asking[i].thread, NULL);
		sp_disconnect(&asking[i].client);
	}
	assert_true(drained);
}

static void one_busy_client_does_not_hold_up_the_end(void **state)
{
	drain_under_load(*state, 1);
}

static void busy_clients_do_not_hold_up_the_end(void **state)
{
	drain_under_load(*state, BUSY_CLIENTS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, wired_setup, wired_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(requests_that_come_again_among_others_run_once),
	    TEST(a_request_sees_what_those_before_it_did),
	    TEST(what_comes_behind_the_last_one_is_not_run),
	    TEST(frames_may_be_cut_anywhere),
	    TEST(a_woken_request_is_not_held_up),
	    TEST(commands_are_exchanged_meanwhile),
	    TEST(other_polled_connections_are_not_held_up),
	    TEST(one_that_leaves_meanwhile_leaves_nothing),
	    TEST(one_busy_client_does_not_hold_up_the_end),
	    TEST(busy_clients_do_not_hold_up_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
