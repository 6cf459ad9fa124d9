// What the wire bounds: time, memory, connections, descriptors; and how connections and servers end.

#include "wired.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIR1 = 0x11, REQ = 0x30, CHURN = 2000 };

static void assert_served(const char *url)
{
	struct sp_client c;
	assert_true(sp_open(&c, url, PAIR1) > 0);
	wired_ask(&c, 1, "t.get nothing");
	EXPECT_ANSWER(&c, "null");
	sp_disconnect(&c);
}

// --- time -----------------------------------------------------------------------------------------------------------

static void a_silent_peer_is_closed(void **state)
{
	struct wired *w = *state;
	struct sp_client mute, slow;
	atomic_store(&w->limits.handshake_ms, 50);
	assert_true(sp_connect(&mute, w->url[WIRED_TCP]));
	assert_true(sp_connect(&slow, w->url[WIRED_IPC]));
	sp_write(&slow, "\0SP", 3);
	assert_int_equal(sp_read_closed(&mute, 10000), SP_CLOSED);
	assert_int_equal(sp_read_closed(&slow, 10000), SP_CLOSED);
	assert_int_equal(wired_stats(w).handshakes_failed, 2);
	sp_disconnect(&mute);
	sp_disconnect(&slow);
}

static void an_idle_peer_is_closed_but_not_one_that_waits(void **state)
{
	struct wired *w = *state;
	struct sp_client idle, waiting;
	atomic_store(&w->limits.idle_ms, 60);
	atomic_store(&w->limits.handshake_ms, 60); // looks soon whether it is idle
	sp_open(&waiting, w->url[WIRED_TCP], REQ);
	wired_ask(&waiting, 1, "t.pop q --wait-ms=300");
	sp_open(&idle, w->url[WIRED_TCP], PAIR1);
	assert_int_equal(sp_read_closed(&idle, 10000), SP_CLOSED);
	EXPECT_ANSWER(&waiting, "null");
	assert_int_equal(sp_read_closed(&waiting, 10000), SP_CLOSED);
	assert_int_equal(wired_stats(w).idle_closed, 2);
	sp_disconnect(&idle);
	sp_disconnect(&waiting);
}

// --- a peer that does not read --------------------------------------------------------------------------------------

// Asks until the server does not read any more; how many whole requests that took.
static unsigned ask_until_choked(struct sp_client *c, const char *line)
{
	struct buffer body = {0};
	uint8_t frame[256];
	embed_encode(line, &body);
	size_t len = sp_encode(c, 1, body.data, body.len, frame), at = 0;
	unsigned asked = 0;
	for (int vain = 0; vain < 40;) {
		ssize_t n = send(c->fd, frame + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0) {
			if (errno != EAGAIN)
				break; // closed meanwhile
			vain++;
			wired_pause(5);
			continue;
		}
		vain = 0;
		at += (size_t)n;
		asked += at == len;
		at %= len;
	}
	buffer_free(&body);
	return asked;
}

static void a_peer_that_does_not_read_is_not_read_from(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	struct sp_message m;
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	unsigned asked = ask_until_choked(&c, "t.big k 100000");
	struct server_stats before = wired_stats(w);
	assert_true(before.frames_in < asked); // the rest is still in the kernel
	assert_true(before.frames_in > 10);
	assert_served(w->url[WIRED_TCP]); // nobody else notices
	assert_served(w->url[WIRED_IPC]);
	for (unsigned i = 0; i < asked; i++) { // it reads: everything is there, in order, none missing
		assert_int_equal(sp_recv(&c, &m, 10000), SP_GOT);
		assert_true(m.len > 100000);
	}
	sp_disconnect(&c);
}

static void it_is_closed_when_it_stays_so(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_IPC], REQ);
	ask_until_choked(&c, "t.big k 50000"); // one request again and again: answered from what was kept
	atomic_store(&w->limits.stall_ms, 50);
	struct sp_client other;
	sp_open(&other, w->url[WIRED_IPC], PAIR1);
	ask_until_choked(&other, "t.big k 100000"); // its sends are posted under the new limit
	WIRED_WAIT(w, stats.stalled_closed >= 1);
	assert_served(w->url[WIRED_IPC]);
	sp_disconnect(&c);
	sp_disconnect(&other);
}

static struct session *only_session(struct wired *w)
{
	struct session *s = NULL;
	for (uint64_t id = 1; s == NULL && id < 100; id++)
		s = session_find(w->h.router, id);
	assert_non_null(s);
	return s;
}

static void pushes_beyond_the_outbox_are_refused(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	static uint8_t large[100000] = {0x93, 2, 0xa1, 'x', 0xc6, 0, 1, 0x86, 0x97};
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	wired_ask(&c, 1, "t.get a");
	EXPECT_ANSWER(&c, "null");
	struct session *s = only_session(w);
	unsigned taken = 0;
	struct buffer frame = {.data = large, .len = sizeof(large)};
	int status = WHERRY_OK;
	for (; taken < 1000 && status == WHERRY_OK; taken += status == WHERRY_OK)
		status = s->ops->deliver(s, (wherry_span){0}, &frame);
	assert_int_equal(status, WHERRY_ELIMIT);
	assert_true(taken >= 10);
	for (unsigned i = 0; i < taken; i++) {
		struct sp_message m;
		assert_int_equal(sp_recv(&c, &m, 10000), SP_GOT);
		assert_int_equal(m.len, sizeof(large));
	}
	sp_disconnect(&c);
	while ((status = s->ops->deliver(s, (wherry_span){0}, &frame)) == WHERRY_OK || status == WHERRY_ELIMIT)
		wired_pause(1);
	assert_int_equal(status, WHERRY_ESTALE);
	session_drop(s);
}

// --- numbers --------------------------------------------------------------------------------------------------------

static void connections_are_limited(void **state)
{
	struct wired *w = *state;
	struct sp_client a, b, c;
	atomic_store(&w->limits.max_connections, 2);
	assert_true(sp_open(&a, w->url[WIRED_TCP], PAIR1) > 0);
	assert_true(sp_open(&b, w->url[WIRED_IPC], REQ) > 0);
	assert_int_equal(sp_open(&c, w->url[WIRED_TCP], PAIR1), -1);
	sp_disconnect(&c);
	WIRED_WAIT(w, stats.refused == 1);
	sp_disconnect(&a);
	WIRED_WAIT(w, stats.connections == 1);
	assert_served(w->url[WIRED_TCP]);
	sp_disconnect(&b);
}

// Descriptors run out while connections wait to be accepted; they are when there are some again.
static void running_out_of_descriptors_passes(void **state)
{
	struct wired *w = *state;
	struct sp_client c[8];
	struct rlimit before, tight;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int fds[8];
	for (int i = 0; i < 8; i++)
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	tight = before;
	tight.rlim_cur = (rlim_t)fds[7] + 1; // not one more
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	for (int i = 0; i < 8; i++) {
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		snprintf(to.sun_path, sizeof(to.sun_path), "%s", w->url[WIRED_IPC] + strlen("ipc://"));
		assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof(to)), 0);
		c[i] = (struct sp_client){.fd = fds[i], .marked = true};
	}
	WIRED_WAIT(w, stats.accept_errors > 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(sp_greet(&c[i], PAIR1, 10000), PAIR1);
		wired_ask(&c[i], 1, "t.get nothing");
		EXPECT_ANSWER(&c[i], "null");
		sp_disconnect(&c[i]);
	}
}

// --- ends -----------------------------------------------------------------------------------------------------------

// Leaves a connection in one of the states that one can be in.
static void connect_and_leave(struct wired *w, unsigned how)
{
	struct sp_client c;
	assert_true(sp_connect(&c, w->url[how % 2]));
	if (how % 3 == 0)
		setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
		    sizeof(struct linger)); // reset
	c.protocol = how % 5 < 2 ? REQ : PAIR1;
	if (how % 7 == 0)
		sp_write(&c, "\0SP\0", 4);
	else if (how % 7 > 1)
		sp_write(&c, c.protocol == REQ ? "\0SP\0\0\x30\0" : "\0SP\0\0\x11\0", 8);
	if (how % 7 == 3)
		wired_ask(&c, 1, "t.get a");
	else if (how % 7 == 4)
		wired_ask(&c, 1, "t.pop q --wait-ms=50000");
	else if (how % 7 == 5)
		wired_ask(&c, 1, "t.big k 300000 ; t.big k 300000");
	else if (how % 7 == 6)
		sp_write(&c, c.marked ? "\1\0\0\0\0\0\0\1" : "\0\0\0\0\0\0\1", 7);
	sp_disconnect(&c);
}

static void churn_leaves_nothing_behind(void **state)
{
	struct wired *w = *state;
	for (unsigned i = 0; i < CHURN; i++)
		connect_and_leave(w, i);
	assert_served(w->url[WIRED_TCP]);
	assert_served(w->url[WIRED_IPC]);
	WIRED_WAIT(w, stats.accepted == CHURN + 2 && stats.closed == CHURN + 2 && stats.connections == 0);
}

static void a_server_closes_in_any_state(void **state)
{
	struct wired *w = *state;
	struct sp_client c[8];
	for (int i = 0; i < 8; i++)
		assert_true(sp_connect(&c[i], w->url[i % 2]));
	sp_write(&c[1], "\0SP\0", 4);
	sp_greet(&c[2], REQ, 10000);
	sp_greet(&c[3], PAIR1, 10000);
	sp_greet(&c[4], REQ, 10000);
	wired_ask(&c[4], 1, "t.pop q --wait-ms=50000");
	sp_greet(&c[5], PAIR1, 10000);
	wired_ask(&c[5], 1, "t.pop q --wait-ms=50000");
	sp_greet(&c[6], PAIR1, 10000);
	ask_until_choked(&c[6], "t.big k 100000");
	sp_greet(&c[7], PAIR1, 10000);
	sp_write(&c[7], "\1\0\0\0\0\0\1\0\0\0\0\0\1", 13);
	server_close(w->server); // the fixture's own close finds none left
	w->server = NULL;
	for (int i = 0; i < 8; i++) {
		if (i != 6)
			assert_int_equal(sp_read_closed(&c[i], 10000), SP_CLOSED);
		sp_disconnect(&c[i]);
	}
}

static void draining_says_goodbye_and_waits_for_answers(void **state)
{
	struct wired *w = *state;
	struct sp_client req, pair;
	sp_open(&req, w->url[WIRED_TCP], REQ);
	sp_open(&pair, w->url[WIRED_TCP], PAIR1);
	wired_ask(&req, 1, "t.pop q --wait-ms=40");
	WIRED_WAIT(w, stats.frames_in == 1); // what was not yet received is not waited for
	wired_ask(&pair, 1, "t.get a");
	EXPECT_ANSWER(&pair, "null");
	server_stop_accepting(w->server);
	struct sp_client none;
	assert_false(sp_connect(&none, w->url[WIRED_TCP]));
	sp_disconnect(&none);
	assert_true(server_drain(w->server, 10000));
	EXPECT_ANSWER(&pair, "[2, \"session\", [\"goodbye\", null]]");
	EXPECT_ANSWER(&req, "null"); // it had left before the drain ended
	wired_ask(&req, 2, "t.pop q --wait-ms=50000");
	WIRED_WAIT(w, stats.frames_in == 3);
	assert_false(server_drain(w->server, 30));
	sp_disconnect(&req);
	sp_disconnect(&pair);
}

static void a_session_is_closed_after_its_answers(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	wired_ask(&c, 1, "t.big k 500000");
	struct sp_message m;
	WIRED_WAIT(w, stats.frames_in == 1);
	struct session *s = only_session(w);
	s->ops->close(s, "asked to");
	assert_int_equal(sp_recv(&c, &m, 10000), SP_GOT);
	assert_true(m.len > 500000);
	assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
	session_drop(s);
	sp_disconnect(&c);
}

// --- listeners ------------------------------------------------------------------------------------------------------

static void expect_refused(struct wired *w, const char *url, const char *wanted)
{
	char bound[128], why[256] = "";
	struct listen_options options = {.ipc_mode = 0600};
	assert_true(server_listen(w->server, url, &options, bound, sizeof(bound), why, sizeof(why)) < 0);
	assert_string_equal(why, wanted);
}

static void addresses_are_refused_with_the_way_out(void **state)
{
	struct wired *w = *state;
	char url[64], wanted[256];
	expect_refused(w, "tcp://0.0.0.0:1973",
	    "tcp://0.0.0.0:1973 is reachable from other machines and has no security: listen on "
	    "127.0.0.1, or set insecure = true");
	expect_refused(w, "tcp://*:1973",
	    "tcp://*:1973 is no address to listen on: write tcp://127.0.0.1:1973, "
	    "tls+tcp://127.0.0.1:1974 or "
	    "ipc:///run/wherry.sock (0.0.0.0 stands for all addresses)");
	snprintf(wanted, sizeof(wanted), "%s is in use by another process: stop it, or choose another address",
	    w->url[WIRED_TCP]);
	expect_refused(w, w->url[WIRED_TCP], wanted);
	snprintf(wanted, sizeof(wanted), "%s is in use by another process (it answers)", w->url[WIRED_IPC]);
	expect_refused(w, w->url[WIRED_IPC], wanted);
	assert_served(w->url[WIRED_IPC]); // and was left alone
	snprintf(url, sizeof(url), "ipc://%s/none/socket", w->dir);
	snprintf(wanted, sizeof(wanted), "%s: the directory %s/none does not exist: create it, or choose another path",
	    url, w->dir);
	expect_refused(w, url, wanted);
	snprintf(url, sizeof(url), "ipc://%s/cert.pem", w->dir);
	snprintf(wanted, sizeof(wanted),
	    "%s: something that is no socket stands at this path: remove it, or choose another path", url);
	expect_refused(w, url, wanted);
	expect_refused(w, "tls+tcp://127.0.0.1:0", "tls+tcp://127.0.0.1:0 needs a certificate and its key (PEM files)");
}

static void a_stale_socket_is_taken_over(void **state)
{
	struct wired *w = *state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/stale", w->dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd); // its owner died
	char url[128], bound[128], why[256];
	struct listen_options options = {.ipc_mode = 0640};
	struct stat st;
	snprintf(url, sizeof(url), "ipc://%s", at.sun_path);
	assert_int_equal(server_listen(w->server, url, &options, bound, sizeof(bound), why, sizeof(why)), WHERRY_OK);
	assert_string_equal(bound, url);
	assert_int_equal(stat(at.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_served(url);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, wired_setup, wired_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_silent_peer_is_closed),
	    TEST(an_idle_peer_is_closed_but_not_one_that_waits),
	    TEST(a_peer_that_does_not_read_is_not_read_from),
	    TEST(it_is_closed_when_it_stays_so),
	    TEST(pushes_beyond_the_outbox_are_refused),
	    TEST(connections_are_limited),
	    TEST(running_out_of_descriptors_passes),
	    TEST(churn_leaves_nothing_behind),
	    TEST(a_server_closes_in_any_state),
	    TEST(draining_says_goodbye_and_waits_for_answers),
	    TEST(a_session_is_closed_after_its_answers),
	    TEST(addresses_are_refused_with_the_way_out),
	    TEST(a_stale_socket_is_taken_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
