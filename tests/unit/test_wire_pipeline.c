// PUSH and PULL clients and a queue: row_queue.h's, which can be full, slow or broken when a test wants it.  The module's is
// tried in tests/e2e/test_stock_plain.py.

#include "row_queue.h"
#include "wired.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/supplemental/tls/tls.h>

#include "codec/pack.h"

enum { PUSH = 0x50, PULL = 0x51 };

// --- the world ------------------------------------------------------------------------------------------------------

struct piped {
	struct wired w;
	char url[WIRED_URLS][128];
	struct command_owner owner;
};

static void add_commands(struct piped *p)
{
	p->owner = p->w.h.owner;
	struct command_table *t = command_table_new();
	row_queue_add(t, &p->owner);
	assert_int_equal(command_table_seal(t), WHERRY_OK);
	router_publish(p->w.h.router, t);
}

static void listen_on(struct piped *p, int which, const char *url)
{
	char cert[64], key[64], why[256];
	struct listen_options options = wired_options(&p->w, cert, key);
	options.queue = "jobs";
	int status = server_listen(p->w.server, url, &options, p->url[which], sizeof(p->url[which]), why, sizeof(why));
	if (status != WHERRY_OK)
		fail_msg("%s: %s", url, why);
}

static int setup(void **state)
{
	struct piped *p = calloc(1, sizeof(*p));
	char url[64];
	wired_open(&p->w);
	row_queue_empty();
	add_commands(p);
	snprintf(url, sizeof(url), "ipc://%s/piped", p->w.dir);
	listen_on(p, WIRED_TCP, "tcp://127.0.0.1:0");
	listen_on(p, WIRED_IPC, url);
	listen_on(p, WIRED_TLS, "tls+tcp://127.0.0.1:0");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct piped *p = *state;
	wired_close(&p->w);
	row_queue_empty();
	free(p);
	return 0;
}

static uint32_t queue_read(const uint32_t *number)
{
	pthread_mutex_lock(&row_queue.lock);
	uint32_t now = *number;
	pthread_mutex_unlock(&row_queue.lock);
	return now;
}

static void await(const uint32_t *number, uint32_t wanted)
{
	for (int i = 0; i < 2000 && queue_read(number) < wanted; i++)
		wired_pause(5);
	assert_true(queue_read(number) >= wanted);
}

// As a client of requests would.
static void push_text(struct piped *p, const char *line)
{
	struct peer *peer = peer_open(&p->w.h, true);
	EXPECT(peer, line, "null");
	peer_close(peer);
}

static void send_number(struct sp_client *c, uint32_t number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", number);
	assert_true(sp_send(c, 0, text, (size_t)len));
}

static void expect_pushed(uint32_t i, const char *text)
{
	struct buffer wanted = {0};
	wherry_out pack = {&wanted, NULL};
	pack_bytes(&pack, span_text(text));
	pthread_mutex_lock(&row_queue.lock);
	assert_int_equal(row_queue.value[i].len, wanted.len);
	assert_memory_equal(row_queue.value[i].data, wanted.data, wanted.len);
	pthread_mutex_unlock(&row_queue.lock);
	buffer_free(&wanted);
}

static void expect_number(uint32_t i, uint32_t number)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", number);
	expect_pushed(i, text);
}

static void expect_numbers(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		expect_number(i, i);
}

static void fill(const char *text)
{
	wherry_out pack = {&row_queue.value[row_queue.count++], NULL};
	pack_bytes(&pack, span_text(text));
}

static void expect_body(struct sp_client *c, const char *wanted)
{
	struct sp_message m;
	assert_int_equal(sp_recv(c, &m, 10000), SP_GOT);
	assert_int_equal(m.len, strlen(wanted));
	assert_memory_equal(m.body, wanted, m.len);
}

// --- PUSH -----------------------------------------------------------------------------------------------------------

static void bodies_are_pushed_in_order(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	assert_int_equal(sp_open(&c, p->url[WIRED_IPC], PUSH), PULL);
	for (uint32_t i = 0; i < 1000; i++)
		send_number(&c, i);
	assert_true(sp_send(&c, 0, "", 0));
	await(&row_queue.count, 1001);
	expect_numbers(1000);
	expect_pushed(1000, "");
	assert_true(row_queue.pushes <= 1001);
	WIRED_WAIT(&p->w, stats.pushed == 1001);
	sp_disconnect(&c);
}

static void a_full_queue_holds_its_client_up(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	row_queue.most = 5;
	assert_int_equal(sp_open(&c, p->url[WIRED_TCP], PUSH), PULL);
	for (uint32_t i = 0; i < 20; i++)
		send_number(&c, i);
	await(&row_queue.count, 5);
	pthread_mutex_lock(&row_queue.lock);
	row_queue.most = 12;
	pthread_mutex_unlock(&row_queue.lock);
	await(&row_queue.count, 12);
	pthread_mutex_lock(&row_queue.lock);
	row_queue.most = ROW_QUEUE_ROOM;
	pthread_mutex_unlock(&row_queue.lock);
	await(&row_queue.count, 20);
	expect_numbers(20);
	assert_int_equal(wired_stats(&p->w).push_dropped, 0);
	sp_disconnect(&c);
}

static void a_push_that_waits_is_waited_for(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	row_queue.slow = true;
	assert_int_equal(sp_open(&c, p->url[WIRED_TCP], PUSH), PULL);
	for (uint32_t i = 0; i < 300; i++)
		send_number(&c, i);
	harness_wait_parked(&p->w.h, 1);
	pthread_mutex_lock(&row_queue.lock);
	row_queue.slow = false;
	pthread_mutex_unlock(&row_queue.lock);
	push_text(p, "queue.push jobs go");
	await(&row_queue.count, 301);
	for (uint32_t i = 0; i < 300; i++)
		expect_number(i + 1, i);
	sp_disconnect(&c);
}

static void what_can_never_be_pushed_is_dropped_and_counted(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	assert_int_equal(sp_open(&c, p->url[WIRED_TCP], PUSH), PULL);
	send_number(&c, 0);
	assert_true(sp_send(&c, 0, "bad", 3));
	send_number(&c, 1);
	await(&row_queue.count, 2);
	expect_numbers(2);
	WIRED_WAIT(&p->w, stats.pushed == 2 && stats.push_dropped == 1);
	sp_disconnect(&c);
}

static void a_broken_queue_is_waited_for(void **state)
{
	struct piped *p = *state;
	struct sp_client push, pull;
	row_queue.broken = WHERRY_ETYPE;
	assert_int_equal(sp_open(&push, p->url[WIRED_TCP], PUSH), PULL);
	assert_int_equal(sp_open(&pull, p->url[WIRED_TCP], PULL), PUSH);
	send_number(&push, 0);
	await(&row_queue.pushes, 3);
	pthread_mutex_lock(&row_queue.lock);
	row_queue.broken = 0;
	pthread_mutex_unlock(&row_queue.lock);
	expect_body(&pull, "0");
	sp_disconnect(&push);
	sp_disconnect(&pull);
}

// It can't be heard, so it is not idle; and what it has sent is pushed although it has left.
static void who_is_held_up_and_leaves_loses_nothing(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	row_queue.most = 0;
	p->w.limits.idle_ms = 20;
	assert_int_equal(sp_open(&c, p->url[WIRED_TCP], PUSH), PULL);
	send_number(&c, 0);
	send_number(&c, 1);
	await(&row_queue.pushes, 8);
	sp_disconnect(&c);
	assert_int_equal(wired_stats(&p->w).closed, 0);
	pthread_mutex_lock(&row_queue.lock);
	row_queue.most = ROW_QUEUE_ROOM;
	pthread_mutex_unlock(&row_queue.lock);
	await(&row_queue.count, 2);
	expect_numbers(2);
	WIRED_WAIT(&p->w, stats.closed == 1);
}

// --- PULL -----------------------------------------------------------------------------------------------------------

static void a_backlog_is_sent_and_acknowledged(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	char text[16];
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		fill(text);
	}
	assert_int_equal(sp_open(&c, p->url[WIRED_IPC], PULL), PUSH);
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		expect_body(&c, text);
	}
	await(&row_queue.acked, 1000);
	assert_int_equal(wired_stats(&p->w).pulled, 1000);
	sp_disconnect(&c);
}

static void a_waiting_client_gets_what_comes(void **state)
{
	struct piped *p = *state;
	struct sp_client push, pull;
	assert_int_equal(sp_open(&push, p->url[WIRED_TCP], PUSH), PULL);
	assert_int_equal(sp_open(&pull, p->url[WIRED_TCP], PULL), PUSH);
	for (uint32_t i = 0; i < 100; i++) {
		char text[16];
		harness_wait_parked(&p->w.h, 1);
		send_number(&push, i);
		snprintf(text, sizeof(text), "%u", i);
		expect_body(&pull, text);
	}
	await(&row_queue.acked, 100);
	sp_disconnect(&push);
	sp_disconnect(&pull);
}

static void values_that_are_not_bytes_are_sent_as_msgpack(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	buffer_append(&row_queue.value[0], "\xa4text", 5);
	buffer_append(&row_queue.value[1], "\x92\x01\xa1x", 4);
	buffer_append(&row_queue.value[2], "\x07", 1);
	row_queue.count = 3;
	assert_int_equal(sp_open(&c, p->url[WIRED_TCP], PULL), PUSH);
	expect_body(&c, "text");
	expect_body(&c, "\x92\x01\xa1x");
	expect_body(&c, "\x07");
	sp_disconnect(&c);
}

// The session does not end before it is acknowledged, however soon the client has left.
static void who_reads_and_leaves_at_once_has_got_it(void **state)
{
	struct piped *p = *state;
	for (uint32_t i = 0; i < 200; i++) {
		struct sp_client c;
		assert_int_equal(sp_open(&c, p->url[i % 2], PULL), PUSH);
		harness_wait_parked(&p->w.h, 1);
		push_text(p, "queue.push jobs x");
		expect_body(&c, "x");
		sp_disconnect(&c);
		await(&row_queue.acked, i + 1);
		harness_wait_parked(&p->w.h, 0);
	}
}

// What the kernel has not taken whole is never acknowledged.
static void who_does_not_read_has_one_message_under_way(void **state)
{
	struct piped *p = *state;
	enum { MESSAGES = 50, SIZE = 1 << 20 };
	struct sp_client c;
	for (uint32_t i = 0; i < MESSAGES; i++) {
		wherry_out pack = {&row_queue.value[i], NULL};
		void *body = calloc(1, SIZE);
		pack_bytes(&pack, span_of(body, SIZE));
		free(body);
	}
	row_queue.count = MESSAGES;
	p->w.h.limits.answer_bytes = 2 * SIZE;
	assert_int_equal(sp_open(&c, p->url[WIRED_TCP], PULL), PUSH);
	uint32_t acked = 0;
	do {
		acked = queue_read(&row_queue.acked);
		wired_pause(100);
	} while (acked != queue_read(&row_queue.acked) || acked == 0);
	assert_true(acked < MESSAGES - 1);
	assert_int_equal(row_queue.first, acked + 1);
	sp_disconnect(&c);
	WIRED_WAIT(&p->w, stats.closed == 1);
	assert_int_equal(queue_read(&row_queue.acked), acked);
	for (int i = 0; i < 2000 && atomic_load(&p->w.h.ended) == 0; i++)
		wired_pause(5);
	assert_int_equal(atomic_load(&p->w.h.ended), 1); // the queue is told, so that the message returns
}

// --- refused --------------------------------------------------------------------------------------------------------

static void without_a_queue_they_are_turned_away(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	assert_int_equal(sp_open(&c, p->w.url[WIRED_TCP], PUSH), -1);
	sp_disconnect(&c);
	assert_int_equal(sp_open(&c, p->w.url[WIRED_TCP], PULL), -1);
	sp_disconnect(&c);
	assert_int_equal(wired_stats(&p->w).handshakes_failed, 2);
}

static void a_pull_peer_that_sends_is_closed(void **state)
{
	struct piped *p = *state;
	struct sp_client c;
	assert_int_equal(sp_open(&c, p->url[WIRED_TCP], PULL), PUSH);
	assert_true(sp_send(&c, 0, "x", 1));
	assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
	sp_disconnect(&c);
}

// --- NNG's own sockets ----------------------------------------------------------------------------------------------

static void dial(nng_socket socket, const char *url)
{
	nng_dialer dialer;
	assert_int_equal(nng_dialer_create(&dialer, socket, url), 0);
	if (strncmp(url, "tls", 3) == 0) {
		nng_tls_config *tls;
		assert_int_equal(nng_tls_config_alloc(&tls, NNG_TLS_MODE_CLIENT), 0);
		nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_NONE);
		assert_int_equal(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls), 0);
		nng_tls_config_free(tls);
	}
	assert_int_equal(nng_dialer_start(dialer, 0), 0);
	nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, 10000);
	nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, 10000);
}

struct worker {
	pthread_t thread;
	nng_socket socket;
	const char *url;
	uint32_t number, count, last[WIRED_URLS];
	uint64_t sum;
	bool in_order;
};

enum { EACH = 600 };

static void *push_numbers(void *arg)
{
	struct worker *w = arg;
	for (uint32_t i = 1; i <= EACH; i++) {
		uint32_t body[2] = {w->number, i};
		if (nng_send(w->socket, body, sizeof(body), 0) == 0)
			w->sum += i;
	}
	return NULL;
}

// Until nothing has come for a while.
static void *pull_numbers(void *arg)
{
	struct worker *w = arg;
	nng_msg *m;
	w->in_order = true;
	while (nng_recvmsg(w->socket, &m, 0) == 0) {
		uint32_t body[2];
		memcpy(body, nng_msg_body(m), sizeof(body));
		w->in_order &= body[1] > w->last[body[0]];
		w->last[body[0]] = body[1];
		w->sum += body[1];
		w->count++;
		nng_msg_free(m);
	}
	return NULL;
}

static void stock_pipelines_lose_nothing_and_keep_the_order(void **state)
{
	struct piped *p = *state;
	struct worker push[WIRED_URLS] = {0}, pull[WIRED_URLS] = {0};
	uint64_t sent = 0, got = 0;
	for (uint32_t u = 0; u < WIRED_URLS; u++) {
		push[u].number = u;
		assert_int_equal(nng_push0_open(&push[u].socket), 0);
		assert_int_equal(nng_pull0_open(&pull[u].socket), 0);
		dial(push[u].socket, p->url[u]);
		dial(pull[u].socket, p->url[u]);
		pthread_create(&push[u].thread, NULL, push_numbers, &push[u]);
		pthread_create(&pull[u].thread, NULL, pull_numbers, &pull[u]);
	}
	for (uint32_t u = 0; u < WIRED_URLS; u++) {
		pthread_join(push[u].thread, NULL);
		sent += push[u].sum;
	}
	await(&row_queue.acked, WIRED_URLS * EACH);
	for (uint32_t u = 0; u < WIRED_URLS; u++)
		nng_socket_set_ms(pull[u].socket, NNG_OPT_RECVTIMEO, 300);
	for (uint32_t u = 0; u < WIRED_URLS; u++) {
		pthread_join(pull[u].thread, NULL);
		assert_true(pull[u].in_order);
		got += pull[u].sum;
		nng_close(push[u].socket);
		nng_close(pull[u].socket);
	}
	assert_int_equal(got, sent);
	assert_int_equal(sent, (uint64_t)WIRED_URLS * EACH * (EACH + 1) / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(bodies_are_pushed_in_order),
	    TEST(a_full_queue_holds_its_client_up),
	    TEST(a_push_that_waits_is_waited_for),
	    TEST(what_can_never_be_pushed_is_dropped_and_counted),
	    TEST(a_broken_queue_is_waited_for),
	    TEST(who_is_held_up_and_leaves_loses_nothing),
	    TEST(a_backlog_is_sent_and_acknowledged),
	    TEST(a_waiting_client_gets_what_comes),
	    TEST(values_that_are_not_bytes_are_sent_as_msgpack),
	    TEST(who_reads_and_leaves_at_once_has_got_it),
	    TEST(who_does_not_read_has_one_message_under_way),
	    TEST(without_a_queue_they_are_turned_away),
	    TEST(a_pull_peer_that_sends_is_closed),
	    TEST(stock_pipelines_lose_nothing_and_keep_the_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
