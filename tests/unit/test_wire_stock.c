// The wire as NNG's own sockets see it, over tcp, ipc and tls; and many of them at once.

#include "wired.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>

enum { PAIR1 = 0x11, REQ = 0x30 };
enum { BUSY_CLIENTS = 8, BUSY_ROUNDS = 400, PIPELINED = 100 };

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

static void ask(nng_socket socket, const char *line)
{
	struct buffer body = {0};
	embed_encode(line, &body);
	assert_int_equal(nng_send(socket, body.data, body.len, 0), 0);
	buffer_free(&body);
}

static void expect_answer(nng_socket socket, const char *wanted)
{
	nng_msg *m;
	assert_int_equal(nng_recvmsg(socket, &m, 0), 0);
	char *got = embed_decode(span_of(nng_msg_body(m), nng_msg_len(m)));
	assert_string_equal(got, wanted);
	free(got);
	nng_msg_free(m);
}

static size_t answer_len(nng_socket socket)
{
	nng_msg *m;
	assert_int_equal(nng_recvmsg(socket, &m, 0), 0);
	size_t len = nng_msg_len(m);
	nng_msg_free(m);
	return len;
}

static void a_req_socket_is_served_everywhere(void **state)
{
	struct wired *w = *state;
	for (int u = 0; u < WIRED_URLS; u++) {
		nng_socket s;
		char wanted[40];
		assert_int_equal(nng_req0_open(&s), 0);
		dial(s, w->url[u]);
		ask(s, "t.push k x ; t.get nothing");
		snprintf(wanted, sizeof(wanted), "%d ; null", u + 1);
		expect_answer(s, wanted);
		ask(s, "t.big b 300000");
		assert_true(answer_len(s) > 300000);
		ask(s, "t.pop q --wait-ms=20"); // answered later
		expect_answer(s, "null");
		nng_close(s);
	}
}

static void pair_sockets_are_served_everywhere(void **state)
{
	struct wired *w = *state;
	for (int u = 0; u < WIRED_URLS; u++) {
		for (int version = 0; version <= 1; version++) {
			nng_socket s;
			assert_int_equal(version == 0 ? nng_pair0_open(&s) : nng_pair1_open(&s), 0);
			dial(s, w->url[u]);
			for (int i = 0; i < PIPELINED; i++)
				ask(s, "t.get nothing");
			for (int i = 0; i < PIPELINED; i++)
				expect_answer(s, "null");
			ask(s, "t.pop q --wait-ms=20");
			expect_answer(s, "null");
			nng_close(s);
		}
	}
}

// --- many at once: the hot poller's work ----------------------------------------------------------------------------

struct busy {
	pthread_t thread;
	struct wired *w;
	unsigned number, wrong;
};

// Counts a key of its own, one request after another, now and then several in one go.
static void *keep_busy(void *arg)
{
	struct busy *b = arg;
	struct sp_client c;
	char line[64], wanted[64];
	bool req = b->number % 3 == 0;
	if (sp_open(&c, b->w->url[b->number % 2], req ? REQ : PAIR1) < 0)
		b->wrong++;
	for (uint32_t i = 1; i <= BUSY_ROUNDS && b->wrong == 0; i++) {
		unsigned burst = i % 10 == 0 ? 20 : 1;
		snprintf(line, sizeof(line), "t.push k%u x", b->number);
		for (uint32_t n = 0; n < burst; n++)
			wired_ask(&c, req ? i * 100 + n : 1, n == 0 ? line : "t.get nothing");
		for (uint32_t n = 0; n < burst; n++) {
			char *got = wired_answer(&c, NULL, 10000);
			snprintf(wanted, sizeof(wanted), "%u", i);
			b->wrong += strcmp(got, n == 0 ? wanted : "null") != 0;
			free(got);
		}
	}
	sp_disconnect(&c);
	return NULL;
}

static void busy_connections_get_their_own_answers(void **state)
{
	struct wired *w = *state;
	struct busy busy[BUSY_CLIENTS];
	unsigned wrong = 0;
	for (unsigned i = 0; i < BUSY_CLIENTS; i++) {
		busy[i] = (struct busy){.w = w, .number = i};
		assert_int_equal(pthread_create(&busy[i].thread, NULL, keep_busy, &busy[i]), 0);
	}
	for (unsigned i = 0; i < BUSY_CLIENTS; i++) {
		pthread_join(busy[i].thread, NULL);
		wrong += busy[i].wrong;
	}
	assert_int_equal(wrong, 0);
}

// Clients come, work and vanish while others do, and the server is closed under them.
static void *come_and_go(void *arg)
{
	struct busy *b = arg;
	struct sp_client c;
	for (unsigned i = 0; i < 200; i++) {
		bool served = sp_open(&c, b->w->url[(b->number + i) % 2], i % 2 ? PAIR1 : REQ) > 0;
		for (uint32_t n = 0; served && n < i % 8; n++)
			served = sp_send(&c, n, "\x94\0\1\xa5t.get\x91\xa1k", 13);
		if (served && i % 3 == 0)
			free(wired_answer(&c, NULL, 100));
		sp_disconnect(&c);
	}
	return NULL;
}

static void a_server_closes_under_load(void **state)
{
	struct wired *w = *state;
	struct busy busy[BUSY_CLIENTS];
	for (unsigned i = 0; i < BUSY_CLIENTS; i++) {
		busy[i] = (struct busy){.w = w, .number = i};
		assert_int_equal(pthread_create(&busy[i].thread, NULL, come_and_go, &busy[i]), 0);
	}
	WIRED_WAIT(w, stats.accepted > 200);
	server_close(w->server);
	w->server = NULL;
	for (unsigned i = 0; i < BUSY_CLIENTS; i++)
		pthread_join(busy[i].thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, wired_setup, wired_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_req_socket_is_served_everywhere),
	    TEST(pair_sockets_are_served_everywhere),
	    TEST(busy_connections_get_their_own_answers),
	    TEST(a_server_closes_under_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
