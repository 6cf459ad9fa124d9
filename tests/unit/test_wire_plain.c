// Clients that know topics and nothing of requests: PUB and SUB, byte for byte on bare sockets, and as NNG's own sockets
// see it over tcp, ipc and tls.

#include "wired.h"

#include <stdio.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/supplemental/tls/tls.h>

enum { PUB = 0x20, SUB = 0x21 };

#define BYTES(text) span_of(text, sizeof(text) - 1)

// --- bare sockets ---------------------------------------------------------------------------------------------------

// A SUB peer counts once its tap is there: what is published afterwards reaches it.
static void open_sub(struct wired *w, int url, struct sp_client *c)
{
	struct bus_stats before, now;
	bus_read_stats(w->h.bus, &before);
	assert_int_equal(sp_open(c, w->url[url], SUB), PUB);
	do
		bus_read_stats(w->h.bus, &now);
	while (now.subscriptions == before.subscriptions);
}

static void publish(struct sp_client *c, wherry_span body)
{
	assert_true(sp_send(c, 0, body.ptr, body.len));
}

static void expect_body(struct sp_client *c, wherry_span wanted)
{
	struct sp_message m;
	assert_int_equal(sp_recv(c, &m, 10000), SP_GOT);
	assert_int_equal(m.len, wanted.len);
	assert_memory_equal(m.body, wanted.ptr, wanted.len);
}

static void a_body_passes_byte_for_byte(void **state)
{
	struct wired *w = *state;
	struct sp_client pub, tcp, ipc;
	open_sub(w, WIRED_TCP, &tcp);
	open_sub(w, WIRED_IPC, &ipc);
	assert_int_equal(sp_open(&pub, w->url[WIRED_IPC], PUB), SUB);
	static const wherry_span bodies[] = {
	    {"a.b\0\1\2\0\xff", 8}, {"a.b", 3}, {"a.b\0", 4}, {"spaces are fine\0x", 17}};
	for (size_t i = 0; i < 4; i++)
		publish(&pub, bodies[i]);
	for (size_t i = 0; i < 4; i++) {
		expect_body(&tcp, bodies[i]);
		expect_body(&ipc, bodies[i]);
	}
	sp_disconnect(&pub);
	sp_disconnect(&tcp);
	sp_disconnect(&ipc);
}

static void what_has_no_topic_is_dropped_and_counted(void **state)
{
	struct wired *w = *state;
	struct sp_client pub, sub;
	char longest[600];
	memset(longest, 't', sizeof(longest));
	open_sub(w, WIRED_TCP, &sub);
	assert_int_equal(sp_open(&pub, w->url[WIRED_TCP], PUB), SUB);
	const wherry_span bad[] = {BYTES(""), BYTES("\0x"), BYTES("a..b\0x"), BYTES("a.*\0x"), BYTES(">\0"),
	    BYTES("$sys.x\0x"), BYTES("\xff\0x"), span_of(longest, 513)};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		publish(&pub, bad[i]);
	publish(&pub, span_of(longest, 512));
	expect_body(&sub, span_of(longest, 512));
	WIRED_WAIT(w, stats.publish_dropped == 8 && stats.published == 1);
	sp_disconnect(&pub);
	sp_disconnect(&sub);
}

static void a_sub_peer_that_sends_is_closed(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	open_sub(w, WIRED_TCP, &c);
	assert_true(sp_send(&c, 0, "x", 1));
	assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
	sp_disconnect(&c);
}

static void a_body_longer_than_a_frame_may_be_ends_the_connection(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	assert_int_equal(sp_open(&c, w->url[WIRED_TCP], PUB), SUB);
	assert_true(sp_write(&c, "\0\0\0\0\0\x10\0\1", 8));
	assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
	assert_int_equal(wired_stats(w).oversize, 1);
	sp_disconnect(&c);
}

// --- options of a listener --------------------------------------------------------------------------------------------

static void listen_with(struct wired *w, const struct listen_options *options, char *url, size_t room)
{
	char why[256];
	assert_int_equal(
	    server_listen(w->server, "tcp://127.0.0.1:0", options, url, room, why, sizeof(why)), WHERRY_OK);
}

static void a_listener_narrows_its_tap(void **state)
{
	struct wired *w = *state;
	struct sp_client pub, narrow, wide;
	char url[128];
	listen_with(w, &(struct listen_options){.tap = "sensors.>"}, url, sizeof(url));
	open_sub(w, WIRED_TCP, &wide);
	snprintf(w->url[WIRED_TLS], sizeof(w->url[WIRED_TLS]), "%s", url);
	open_sub(w, WIRED_TLS, &narrow);
	assert_int_equal(sp_open(&pub, url, PUB), SUB);
	publish(&pub, BYTES("other\0"
			    "1"));
	publish(&pub, BYTES("sensors.a\0"
			    "2"));
	expect_body(&wide, BYTES("other\0"
				 "1"));
	expect_body(&wide, BYTES("sensors.a\0"
				 "2"));
	expect_body(&narrow, BYTES("sensors.a\0"
				   "2"));
	sp_disconnect(&pub);
	sp_disconnect(&narrow);
	sp_disconnect(&wide);
}

static void a_payload_may_have_to_be_msgpack(void **state)
{
	struct wired *w = *state;
	struct sp_client pub, sub;
	char url[128];
	listen_with(w, &(struct listen_options){.payload_msgpack = true}, url, sizeof(url));
	open_sub(w, WIRED_TCP, &sub);
	assert_int_equal(sp_open(&pub, url, PUB), SUB);
	const wherry_span bad[] = {BYTES("a\0\x92\1"), BYTES("a\0\1\2"), BYTES("a\0\xc1")};
	for (size_t i = 0; i < 3; i++)
		publish(&pub, bad[i]);
	publish(&pub, BYTES("a\0\x92\1\2"));
	publish(&pub, BYTES("a"));
	expect_body(&sub, BYTES("a\0\x92\1\2"));
	expect_body(&sub, BYTES("a"));
	assert_int_equal(wired_stats(w).publish_dropped, 3);
	sp_disconnect(&pub);
	sp_disconnect(&sub);
}

// --- a peer that does not read ----------------------------------------------------------------------------------------

// Sends so much that the kernel's room and the outbox are long full; the last message says that it was the last.
static void a_slow_sub_loses_the_oldest_and_costs_nobody(void **state)
{
	struct wired *w = *state;
	enum { MESSAGES = 4000, SIZE = 4096 };
	struct sp_client pub, fast, slow;
	char url[128], body[SIZE] = "t";
	struct sp_message m;
	listen_with(w, &(struct listen_options){.max_messages = 10}, url, sizeof(url));
	open_sub(w, WIRED_TCP, &fast);
	snprintf(w->url[WIRED_TLS], sizeof(w->url[WIRED_TLS]), "%s", url);
	open_sub(w, WIRED_TLS, &slow);
	assert_int_equal(sp_open(&pub, w->url[WIRED_TCP], PUB), SUB);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		memcpy(body + 2, &i, sizeof(i));
		publish(&pub, span_of(body, SIZE));
		assert_int_equal(sp_recv(&fast, &m, 10000), SP_GOT);
		assert_memory_equal(m.body, body, SIZE);
	}
	uint32_t last = 0, number = 0, got = 0;
	for (bool first = true; number + 1 < MESSAGES; first = false, got++) {
		assert_int_equal(sp_recv(&slow, &m, 10000), SP_GOT);
		memcpy(&number, m.body + 2, sizeof(number));
		assert_true(first || number > last);
		last = number;
	}
	struct bus_stats stats;
	bus_read_stats(w->h.bus, &stats);
	assert_int_equal(stats.dropped, MESSAGES - got);
	assert_true(stats.dropped > 0);
	sp_disconnect(&pub);
	sp_disconnect(&fast);
	sp_disconnect(&slow);
}

// --- NNG's own sockets ------------------------------------------------------------------------------------------------

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
}

static void await_subscriptions(struct wired *w, uint64_t count)
{
	struct bus_stats stats;
	do
		bus_read_stats(w->h.bus, &stats);
	while (stats.subscriptions != count);
}

// What NNG's PUB is given before it has greeted is lost: something nobody wants is sent until it comes.
static void await_greeted(struct wired *w, nng_socket pub)
{
	uint64_t before = wired_stats(w).published;
	do
		assert_int_equal(nng_send(pub, "warm", 4, 0), 0);
	while (wired_stats(w).published == before);
}

static void expect_sub(nng_socket sub, wherry_span wanted)
{
	nng_msg *m;
	assert_int_equal(nng_recvmsg(sub, &m, 0), 0);
	assert_int_equal(nng_msg_len(m), wanted.len);
	assert_memory_equal(nng_msg_body(m), wanted.ptr, wanted.len);
	nng_msg_free(m);
}

static void stock_pub_reaches_stock_sub_on_every_transport(void **state)
{
	struct wired *w = *state;
	nng_socket sub[WIRED_URLS];
	for (int u = 0; u < WIRED_URLS; u++) {
		assert_int_equal(nng_sub0_open(&sub[u]), 0);
		assert_int_equal(nng_socket_set(sub[u], NNG_OPT_SUB_SUBSCRIBE, "news.", 5), 0);
		dial(sub[u], w->url[u]);
	}
	await_subscriptions(w, WIRED_URLS);
	for (int from = 0; from < WIRED_URLS; from++) {
		nng_socket pub;
		char body[] = "news.x\0?";
		body[7] = (char)('0' + from);
		assert_int_equal(nng_pub0_open(&pub), 0);
		dial(pub, w->url[from]);
		await_greeted(w, pub);
		assert_int_equal(nng_send(pub, body, sizeof(body) - 1, 0), 0);
		for (int u = 0; u < WIRED_URLS; u++)
			expect_sub(sub[u], span_of(body, sizeof(body) - 1));
		nng_close(pub);
	}
	for (int u = 0; u < WIRED_URLS; u++)
		nng_close(sub[u]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, wired_setup, wired_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_body_passes_byte_for_byte),
	    TEST(what_has_no_topic_is_dropped_and_counted),
	    TEST(a_sub_peer_that_sends_is_closed),
	    TEST(a_body_longer_than_a_frame_may_be_ends_the_connection),
	    TEST(a_listener_narrows_its_tap),
	    TEST(a_payload_may_have_to_be_msgpack),
	    TEST(a_slow_sub_loses_the_oldest_and_costs_nobody),
	    TEST(stock_pub_reaches_stock_sub_on_every_transport),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
