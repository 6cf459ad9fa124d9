// Lost connections: what is sent again, what is not, and what the client brings back.

#include <pthread.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_expect.h"
#include "liar.h"
#include "proxy.h"

extern char **environ;

struct cut {
	struct place place;
	struct proxy *proxy;
};

static void cut_open(struct cut *x, const char *modules)
{
	place_open(&x->place, modules);
	x->proxy = proxy_open(x->place.dir, x->place.url);
}

static void cut_close(struct cut *x)
{
	proxy_close(x->proxy);
	place_leave(&x->place);
}

static int64_t number_at(wherry_client *c, const char *line)
{
	wherry_reply r = {0};
	ask(c, line, 0, 0, &r);
	char *shown = r.error.code == WHERRY_OK ? embed_show(span_of(r.result, r.result_len)) : NULL;
	int64_t number = shown == NULL || strcmp(shown, "null") == 0 ? 0 : atoll(shown);
	free(shown);
	wherry_reply_free(&r);
	return number;
}

// --- at every byte ----------------------------------------------------------------------------------------------------

enum { GREETING = 8, FRAMES = 200 }; // more than what such a request and its answer take

// An incr may have run or not; it is told once, and the truth: OK and it counts, or ESTALE.
static void increments_across_a_cut(int way)
{
	struct cut x;
	cut_open(&x, "kv");
	wherry_client *sure = connect_to(x.place.url);
	for (size_t at = GREETING + 1; at < GREETING + FRAMES; at += 1 + at / 100) {
		wherry_reply r = {0};
		int64_t before = number_at(sure, "kv.get n");
		proxy_cut_next(x.proxy, way, at);
		wherry_client *c = connect_to(proxy_url(x.proxy));
		ask(c, "kv.incr n", 0, 0, &r);
		int64_t ran = number_at(sure, "kv.get n") - before;
		if (r.error.code == WHERRY_OK)
			assert_int_equal(ran, 1);
		else
			expect_error(&r, WHERRY_ESTALE, 1);
		assert_in_range(ran, 0, 1);
		expect_ask(c, "sys.ping", "\"PONG\"");
		assert_int_equal(counts_of(c).in_flight, 0);
		wherry_reply_free(&r);
		wherry_client_close(c);
	}
	assert_true(proxy_cuts(x.proxy) > 20);
	wherry_client_close(sure);
	cut_close(&x);
}

static void a_cut_at_any_byte_ends_a_call_once(void **state)
{
	(void)state;
	increments_across_a_cut(PROXY_TO_BROKER);
	increments_across_a_cut(PROXY_TO_CLIENT);
}

// What may be sent again is, and so succeeds wherever the cut was.
static void repeats_across_a_cut(int way, const char *line, uint32_t flags, const char *want)
{
	struct cut x;
	cut_open(&x, "kv");
	wherry_client *sure = connect_to(x.place.url);
	wherry_reply set = {0};
	ask(sure, "kv.set n 7", 0, 0, &set);
	wherry_reply_free(&set);
	unsigned repeated = 0;
	for (size_t at = GREETING + 1; at < GREETING + 120; at += 1 + at / 40) {
		wherry_reply r = {0};
		proxy_cut_next(x.proxy, way, at);
		wherry_client *c = connect_to(proxy_url(x.proxy));
		ask(c, line, flags, 0, &r);
		if (want != NULL)
			expect_result(&r, want);
		assert_int_equal(r.error.code, WHERRY_OK);
		repeated += counts_of(c).repeated > 0;
		wherry_reply_free(&r);
		wherry_client_close(c);
	}
	assert_true(repeated > 5);
	wherry_client_close(sure);
	cut_close(&x);
}

static void what_only_reads_is_sent_again(void **state)
{
	(void)state;
	repeats_across_a_cut(PROXY_TO_BROKER, "kv.get n", 0, "7");
	repeats_across_a_cut(PROXY_TO_CLIENT, "kv.get n", 0, "7");
}

static void what_is_marked_repeatable_is_sent_again(void **state)
{
	(void)state;
	repeats_across_a_cut(PROXY_TO_BROKER, "kv.set n 8", WHERRY_REPEATABLE, NULL);
	repeats_across_a_cut(PROXY_TO_CLIENT, "kv.set n 8", WHERRY_REPEATABLE, NULL);
}

// A batch: each of its requests is OK and counted, or ESTALE.
static void a_cut_batch_tells_of_each_request(void **state)
{
	(void)state;
	enum { COUNT = 300 };
	struct cut x;
	cut_open(&x, "kv");
	wherry_client *sure = connect_to(x.place.url);
	const wherry_client_options options = {.size = sizeof(options), .frame_bytes = 1000};
	for (size_t at = 50; at < 12000; at += 997) {
		int64_t before = number_at(sure, "kv.get n"), done = 0, unknown = 0;
		wherry_reply r = {0};
		proxy_cut_next(x.proxy, at % 2 == 0 ? PROXY_TO_BROKER : PROXY_TO_CLIENT, at / 2);
		wherry_client *c = connect_with(proxy_url(x.proxy), &options);
		wherry_batch *b = wherry_batch_new();
		for (int i = 0; i < COUNT; i++)
			wherry_batch_add(b, "kv.incr", "\x91\xa1n", 3, NULL, 0);
		int status = wherry_client_run(c, b, NULL);
		for (size_t i = 0; i < COUNT; i++) {
			int code = wherry_batch_answer(b, i, &r);
			done += code == WHERRY_OK;
			unknown += code == WHERRY_ESTALE;
			assert_true(code == WHERRY_OK || r.error.local);
		}
		assert_int_equal(done + unknown, COUNT);
		assert_int_equal(status, unknown > 0 ? WHERRY_ESTALE : WHERRY_OK);
		int64_t ran = number_at(sure, "kv.get n") - before;
		assert_in_range(ran, done, done + unknown);
		wherry_batch_free(b);
		wherry_client_close(c);
	}
	wherry_client_close(sure);
	cut_close(&x);
}

// --- what had not wholly left ------------------------------------------------------------------------------------------

static void cut_large_once(struct liar *l, int fd, unsigned connection)
{
	char bytes[100000];
	(void)l;
	if (connection > 0)
		liar_serve(fd);
	else if (recv(fd, bytes, sizeof(bytes), MSG_WAITALL) <= 0)
		abort();
}

// Not all of it had left when the connection was cut, so that it can't have run: it is sent again, marked or not.
static void what_had_not_wholly_left_is_sent_again(void **state)
{
	(void)state;
	enum { SIZE = 900000 };
	struct liar l;
	liar_start(&l, liar_greeting, cut_large_once);
	wherry_client *c = connect_to(l.place.url);
	char *params = calloc(1, SIZE);
	memcpy(params, "\x91\xc6\0\x0d\xbb\x9a", 6); // 900,000 - 6
	wherry_reply r = {0};
	assert_int_equal(wherry_client_call(c, "a.b", params, SIZE, NULL, 0, &r), WHERRY_OK);
	assert_int_equal(counts_of(c).connections, 2);
	free(params);
	wherry_reply_free(&r);
	wherry_client_close(c);
	liar_stop(&l);
}

static void cut_large_always(struct liar *l, int fd, unsigned connection)
{
	char bytes[100];
	(void)l;
	(void)connection;
	recv(fd, bytes, sizeof(bytes), MSG_WAITALL);
}

// A broker that always goes when it sees such a request: that has an end, too.
static void what_is_cut_again_and_again_is_given_up(void **state)
{
	(void)state;
	enum { SIZE = 900000 };
	struct liar l;
	liar_start(&l, liar_greeting, cut_large_always);
	const wherry_client_options options = {.size = sizeof(options), .call_ms = -1, .backoff_ms = 1};
	wherry_client *c = connect_with(l.place.url, &options);
	char *params = calloc(1, SIZE);
	memcpy(params, "\x91\xc6\0\x0d\xbb\x9a", 6);
	wherry_reply r = {0};
	wherry_client_call(c, "a.b", params, SIZE, NULL, 0, &r);
	expect_error(&r, WHERRY_EAGAIN, 1);
	free(params);
	wherry_reply_free(&r);
	wherry_client_close(c);
	liar_stop(&l);
}

// --- restarts -----------------------------------------------------------------------------------------------------------

static void an_idle_client_does_not_notice_a_restart(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	for (int i = 0; i < 3; i++) {
		expect_ask(c, "kv.incr n", "1");
		place_end(&p);
		place_begin(&p);
		pause_ms(150); // as long as it says nothing, it is not looked at
	}
	assert_int_equal(counts_of(c).connections, 3);
	wherry_client_close(c);
	place_leave(&p);
}

static void *begin_later(void *place)
{
	pause_ms(200);
	place_begin(place);
	return NULL;
}

static void calls_wait_for_the_broker_to_come_back(void **state)
{
	(void)state;
	struct place p;
	pthread_t thread;
	place_open(&p, "kv");
	const wherry_client_options options = {.size = sizeof(options), .backoff_ms = 5, .backoff_max_ms = 20};
	wherry_client *c = connect_with(p.url, &options);
	expect_ask(c, "kv.incr n", "1");
	place_end(&p);
	pause_ms(150);
	wherry_reply r = {0};
	ask(c, "kv.incr n", 0, 60, &r);
	expect_error(&r, WHERRY_EAGAIN, 1);
	assert_non_null(strstr(r.error.text, "it was not sent"));
	wherry_reply_free(&r);
	pthread_create(&thread, NULL, begin_later, &p);
	expect_ask(c, "kv.incr n", "1");
	pthread_join(thread, NULL);
	wherry_client_close(c);
	place_leave(&p);
}

static pid_t daemon_pid;

static void start_daemon(const struct place *p)
{
	char program[512], socket[160];
	snprintf(program, sizeof(program), "%s/bin/wherryd", getenv("WHERRY_BUILD"));
	snprintf(socket, sizeof(socket), "%s", p->url);
	char *args[] = {program, "-l", socket, "-d", (char *)(uintptr_t)p->dir, NULL};
	posix_spawn_file_actions_t quiet;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawn(&daemon_pid, program, &quiet, NULL, args, environ), 0);
	posix_spawn_file_actions_destroy(&quiet);
}

static void kill_daemon(void)
{
	int status;
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, &status, 0);
	daemon_pid = 0;
}

static int kill_left_over(void **state)
{
	(void)state;
	if (daemon_pid != 0)
		kill_daemon();
	return 0;
}

static void told(void *arg, const wherry_reply *r)
{
	atomic_uint *ends = arg;
	bool clear = r->error.code == WHERRY_OK ||
		     (r->error.local && (r->error.code == WHERRY_ESTALE || r->error.code == WHERRY_EAGAIN));
	atomic_fetch_add(&ends[clear ? 0 : 1], 1);
}

// A real one, killed in the middle of work, time after time.
static void a_broker_that_is_killed_and_started_again(void **state)
{
	(void)state;
	struct place p;
	wherry_client *c = NULL;
	atomic_uint ends[2] = {0};
	place_make(&p);
	start_daemon(&p);
	const wherry_client_options options = {.size = sizeof(options), .backoff_ms = 5, .backoff_max_ms = 50};
	AWAIT(wherry_client_open(p.url, &options, &c, NULL) == WHERRY_OK);
	for (unsigned round = 1; round <= 5; round++) {
		for (int i = 0; i < 2000; i++)
			assert_int_equal(
			    send_line(c, i % 2 == 0 ? "sys.ping" : "session.use default", 0, 30000, told, ends),
			    WHERRY_OK);
		kill_daemon();
		start_daemon(&p);
		assert_int_equal(wherry_client_settle(c, 60000), WHERRY_OK);
		assert_int_equal(ends[0], 2000 * round);
		expect_ask(c, "sys.ping", "\"PONG\"");
	}
	assert_int_equal(ends[1], 0);
	assert_true(counts_of(c).connections >= 6);
	wherry_client_close(c);
	kill_daemon();
	char lock[128];
	snprintf(lock, sizeof(lock), "%s/wherryd.lock", p.dir); // of some brokers, in their data directory
	unlink(lock);
	place_leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cut_at_any_byte_ends_a_call_once),
	    cmocka_unit_test(what_only_reads_is_sent_again),
	    cmocka_unit_test(what_is_marked_repeatable_is_sent_again),
	    cmocka_unit_test(a_cut_batch_tells_of_each_request),
	    cmocka_unit_test(what_had_not_wholly_left_is_sent_again),
	    cmocka_unit_test(what_is_cut_again_and_again_is_given_up),
	    cmocka_unit_test(an_idle_client_does_not_notice_a_restart),
	    cmocka_unit_test(calls_wait_for_the_broker_to_come_back),
	    cmocka_unit_test_teardown(a_broker_that_is_killed_and_started_again, kill_left_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
