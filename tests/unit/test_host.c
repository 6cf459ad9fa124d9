// What the broker offers to modules: timers, submits, messages, buffers, pushes, reading of values, waiting.

#include "embed.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker.h"

// --- timers and submits ---------------------------------------------------------------------------------------------

static void what_start_submits_waits_for_the_commands(void **state)
{
	(void)state;
	struct embed *b = embed_open("ticker");
	embed_await_like(b, "ticker.ticks",
	    "3"); // two submits and a timer, from before the commands were in force
	expect_like(b, "module.show ticker", "*\"timers\": 0,*");
	expect(b, "ticker.tick", "EDENIED: ticker.tick is for the broker itself");
	embed_close(b);
}

static void timers_fire_and_stop(void **state)
{
	(void)state;
	struct embed *b = embed_open("ticker");
	embed_await_like(b, "ticker.ticks", "3");
	expect_like(b, "ticker.start 1 0", "[0-9]*");
	embed_await_like(b, "ticker.ticks", "4");
	char *once = embed_call(b, "ticker.start 3600000 0"), *often = embed_call(b, "ticker.start 1 1");
	embed_await_like(b, "ticker.ticks", "[1-9][0-9]");
	expect_like(b, "module.show ticker", "*\"timers\": 2,*");
	embed_expect_text(
	    embed_callf(b, "ticker.stop %s ; ticker.stop %s", often, once), "true ; true", 0, __FILE__, __LINE__);
	embed_expect_text(embed_callf(b, "ticker.stop %s", often), "ESTALE: *", 1, __FILE__, __LINE__);
	expect_like(b, "module.show ticker", "*\"timers\": 0,*");
	free(once);
	free(often);
	embed_close(b);
}

static void many_timers(void **state)
{
	(void)state;
	struct embed *b = embed_open("ticker");
	embed_await_like(b, "ticker.ticks", "3");
	for (int i = 0; i < 500; i++)
		expect_like(b, i % 2 == 0 ? "ticker.start 1 0" : "ticker.start 3600000 0", "[0-9]*");
	embed_await_like(b, "ticker.ticks", "253");
	expect_like(b, "module.show ticker", "*\"timers\": 250,*");
	expect(b, "module.reload ticker", "true"); // and they are gone with the copy that started them
	embed_await_like(b, "ticker.ticks", "3");
	expect_like(b, "module.show ticker", "*\"timers\": 0,*");
	embed_close(b);
}

static void what_is_no_request_is_refused(void **state)
{
	(void)state;
	struct embed *b = embed_open("ticker");
	expect(b, "ticker.wrong", "[-1, -1, -1]");
	embed_close(b);
}

// --- messages -------------------------------------------------------------------------------------------------------

static void listeners_hear(void **state)
{
	(void)state;
	struct embed *b = embed_open("hearer");
	expect(b, "hearer.publish news.local \"rain\"", "1");
	expect(b, "hearer.tell", "[1, \"news.local\", 0, 0]");
	expect(b, "hearer.publish sports.local 1", "0");
	expect(b, "hearer.publish ping.me 1", "1"); // a listener publishes to another
	expect(b, "hearer.tell", "[2, \"news.pong\", 0, 0]");
	expect(b, "hearer.publish \"a..b\" 1", "EARG: publish refused it");
	expect(b, "hearer.publish \"news.*\" 1", "EARG: publish refused it");
	embed_close(b);
}

static void emitted_messages_follow_the_commit(void **state)
{
	(void)state;
	struct embed *b = embed_open("hearer");
	expect(b, "hearer.emit news.one 1 --fail", "ECONFLICT: failed as asked");
	expect(b, "hearer.tell", "[0, \"\", 0, 0]");
	expect(b, "hearer.emit news.two 2", "true");
	expect(b, "hearer.tell", "[1, \"news.two\", 0, 0]");
	embed_close(b);
}

static void listeners_that_echo_each_other_come_to_an_end(void **state)
{
	(void)state;
	struct embed *b = embed_open("hearer");
	expect(b, "hearer.publish echo.me 1", "1");
	expect(b, "hearer.tell", "[0, \"\", 0, 8]");
	expect(b, "hearer.publish news.after 1", "1"); // and the way is free again
	embed_close(b);
}

static void ended_sessions_are_told(void **state)
{
	(void)state;
	struct embed *b = embed_open("hearer");
	struct embed_session *s = embed_session_open(b);
	free(embed_session_call(s, "sys.ping"));
	embed_session_close(s);
	embed_await_like(b, "hearer.tell", "[[]0, \"\", 1, 0]");
	embed_close(b);
}

// --- pushes to a duplex session ---------------------------------------------------------------------------------------

struct peer {
	struct session session;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct buffer got;
	bool gone;
};

static int deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	(void)header;
	struct peer *p = s->peer;
	pthread_mutex_lock(&p->lock);
	buffer_append(&p->got, frame->data, frame->len);
	pthread_cond_broadcast(&p->arrived);
	pthread_mutex_unlock(&p->lock);
	return WHERRY_OK;
}

static void close_peer(struct session *s, const char *why)
{
	(void)s;
	(void)why;
}

static void peer_gone(struct session *s)
{
	struct peer *p = s->peer;
	pthread_mutex_lock(&p->lock);
	p->gone = true;
	pthread_cond_broadcast(&p->arrived);
	pthread_mutex_unlock(&p->lock);
}

static const struct session_ops peer_ops = {deliver, close_peer, peer_gone, NULL};

static struct peer *peer_open(struct embed *b)
{
	struct peer *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->arrived, NULL);
	session_open(embed_broker(b)->router, &p->session, &peer_ops, p, true);
	return p;
}

// What comes at once; what parks comes to `got`.
static char *peer_call(struct embed *b, struct peer *p, const char *line)
{
	struct buffer frame = {0}, out = {0};
	embed_encode(line, &frame);
	router_frame(embed_broker(b)->router, &p->session, span_of(NULL, 0), buffer_span(&frame), &out);
	char *text = embed_decode(buffer_span(&out));
	buffer_free(&frame);
	buffer_free(&out);
	return text;
}

static void peer_close(struct embed *b, struct peer *p)
{
	session_end(embed_broker(b)->router, &p->session);
	pthread_mutex_lock(&p->lock);
	while (!p->gone)
		pthread_cond_wait(&p->arrived, &p->lock);
	pthread_mutex_unlock(&p->lock);
	buffer_free(&p->got);
	pthread_cond_destroy(&p->arrived);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

// b"..." is [2, "news", [7]].
#define NEWS "b\"\\x93\\x02\\xa4news\\x91\\x07\""

static void notifications_are_pushed(void **state)
{
	(void)state;
	struct embed *b = embed_open("hearer");
	struct peer *p = peer_open(b);
	char line[128];
	snprintf(line, sizeof(line), "hearer.push %llu " NEWS, (unsigned long long)p->session.id);
	expect(b, line, "0");
	strcat(line, " --hold"); // the same, while somebody else holds the buffer
	expect(b, line, "0");
	char *got = embed_show(buffer_span(&p->got));
	assert_string_equal(got, "[2, \"news\", [7]], [2, \"news\", [7]]");
	free(got);
	snprintf(line, sizeof(line), "hearer.push %llu b\"\\x93\\x00\\x01\"", (unsigned long long)p->session.id);
	expect(b, line, "-1");                        // no notification
	expect(b, "hearer.push 999999 " NEWS, "-14"); // ESTALE
	// EUNSUPPORTED: an embedded session can't be pushed to.  It was opened just before.
	snprintf(line, sizeof(line), "hearer.push %llu " NEWS, (unsigned long long)p->session.id - 1);
	expect(b, line, "-11");
	expect_like(b, "module.show hearer", "*\"memory\": 0,*");
	peer_close(b, p);
	embed_close(b);
}

// The work is done all the same, and its result is forgotten.
static void who_asked_the_control_thread_may_leave(void **state)
{
	(void)state;
	struct embed *b = embed_open("counter");
	for (int i = 1; i <= 20; i++) {
		struct peer *p = peer_open(b);
		char *answer = peer_call(b, p, "module.reload counter");
		peer_close(b, p);
		if (answer[0] != 0) // it may have been done before the frame's answers were put together
			assert_string_equal(answer, "true");
		free(answer);
		char want[64];
		snprintf(want, sizeof(want), "*\"reloads\": %d,*", i);
		embed_await_like(b, "module.show counter", want);
	}
	embed_close(b);
}

// --- waiting --------------------------------------------------------------------------------------------------------

static void requests_wait_and_are_woken(void **state)
{
	(void)state;
	struct embed *b = embed_open("parker");
	struct embed_pending *first = embed_begin(b, "parker.wait k");
	embed_wait_parked(b, 1);
	struct embed_pending *second = embed_begin(b, "parker.wait k");
	embed_wait_parked(b, 2);
	expect(b, "parker.signal other", "true");
	expect(b, "parker.signal k", "true");
	expect_end(first, "\"signal\"");
	embed_wait_parked(b, 1);
	expect(b, "parker.signal k 10", "true");
	expect_end(second, "\"signal\"");
	expect(b, "parker.sleep 5", "\"timeout\"");
	expect(b, "parker.wait k --timeout-ms=5", "\"timeout\"");
	struct embed_pending *ticket = embed_begin(b, "parker.ticket");
	embed_wait_parked(b, 1);
	expect(b, "parker.wake", "0");
	expect_end(ticket, "\"wake\"");
	expect(b, "parker.wake", "-14"); // it ran already
	embed_close(b);
}

// --- values ---------------------------------------------------------------------------------------------------------

static void values_are_read(void **state)
{
	(void)state;
	struct embed *b = embed_open("reader");
	expect(b, "reader.flatten [1, \"a\", b\"b\", null, 1.5, [2]]", "[128, 4, 32, 64, 1, 16, 128]");
	expect(b, "reader.flatten {a: 1, b: t(1)}", "[256, 32, 4, 32, 1024]");
	expect(b, "reader.flatten t(true, 2)", "[1024, 2, 4]");
	expect(b, "reader.flatten []", "[128]");
	expect_like(b, "reader.flatten 7", "EARG: *");
	expect(b, "reader.equal 1 1 ; reader.equal 1 1.0 ; reader.equal {a: 1, b: 2} {b: 2, a: 1}", "1 ; 0 ; 1");
	embed_close(b);
}

static void keys_are_made_canonical(void **state)
{
	(void)state;
	struct embed *b = embed_open("reader");
	expect(b, "reader.canonical 7", "[0, 1, b\"\\x07\"]");
	expect(b, "reader.canonical -0.0", "[0, 9, b\"\\xcb\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"]");
	expect(b, "reader.canonical abc 3", "[-5, 4, b\"\"]"); // ELIMIT, and what it takes
	expect(b,
	    "reader.canonical \"a text that is longer than the room that reader.canonical has for it, by far\" 1000",
	    "[-5, 78, b\"\"]");
	expect(b, "reader.canonical [1]", "[-1, 0, b\"\"]");
	embed_close(b);
}

static void what_is_no_value_is_refused(void **state)
{
	(void)state;
	struct embed *b = embed_open("reader");
	static const char *const garbage[] = {"\\xc1", "\\x93\\x01", "\\x01\\x02", "\\xdd\\xff\\xff\\xff\\xff", ""};
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		char line[64];
		snprintf(line, sizeof(line), "reader.garbage b\"%s\"", garbage[i]);
		expect(b, line, "[-1, -1, -1]");
	}
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_start_submits_waits_for_the_commands),
	    cmocka_unit_test(timers_fire_and_stop),
	    cmocka_unit_test(many_timers),
	    cmocka_unit_test(what_is_no_request_is_refused),
	    cmocka_unit_test(listeners_hear),
	    cmocka_unit_test(emitted_messages_follow_the_commit),
	    cmocka_unit_test(listeners_that_echo_each_other_come_to_an_end),
	    cmocka_unit_test(ended_sessions_are_told),
	    cmocka_unit_test(notifications_are_pushed),
	    cmocka_unit_test(who_asked_the_control_thread_may_leave),
	    cmocka_unit_test(requests_wait_and_are_woken),
	    cmocka_unit_test(values_are_read),
	    cmocka_unit_test(keys_are_made_canonical),
	    cmocka_unit_test(what_is_no_value_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
