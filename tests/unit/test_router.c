// The router: binding, undo, parking, answers that wait for the flush.  (The first revision is 3: units 1 and 2
// define the namespace and the type.)

#include "embed.h"
#include "harness.h"

#include <stdlib.h>

static void answers_in_order(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.set a one", "3");
	EXPECT(p, "t.get a ; t.set b two ; t.get b ; t.get c", "\"one\" ; 4 ; \"two\" ; null");
	peer_close(p);
	harness_close(&h);
}

static void wrong_requests_are_told_why(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, false);
	EXPECT(p, "t.gte a", "ENOCMD: unknown command \"t.gte\"; did you mean t.get?");
	EXPECT(p, "xyzzy", "ENOCMD: unknown command \"xyzzy\"; sys.commands lists them all");
	EXPECT(p, "t.get", "EARG: t.get takes at least 1 argument, not 0; see sys.commands t.get");
	EXPECT(p, "t.get a b", "EARG: t.get takes at most 1 argument, not 2; see sys.commands t.get");
	EXPECT(p, "t.get [1]", "EARG: argument \"key\" must be int or float or str or bin or tuple, not array");
	EXPECT(p, "t.set a 1", "EARG: argument \"text\" must be str, not int");
	EXPECT(p, "t.get a --color=red", "EARG: t.get has no option \"color\"; see sys.commands t.get");
	EXPECT(p, "t.pop", "EARG: t.pop takes at least 1 argument, not 0; see sys.commands t.pop");
	EXPECT(p, "t.pop a --wait-ms=soon", "EARG: argument \"wait_ms\" must be int, not str");
	EXPECT(p, "t.get a --ns=moon", "ENOKEY: there is no namespace \"moon\"; see ns.list");
	EXPECT(p, "t.get a --ns=5", "EARG: option \"ns\" must be str, not int");
	peer_close(p);
	harness_close(&h);
}

static void namespaces_are_apart(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	uint32_t ns;
	assert_int_equal(store_ns_create(h.store, span_text("other"), &ns), WHERRY_OK);
	EXPECT(p, "t.set a here ; t.set a there --ns=other", "4 ; 5");
	EXPECT(p, "t.get a ; t.get a --ns=other ; t.get a --ns=default", "\"here\" ; \"there\" ; \"here\"");
	atomic_store(&p->session.ns, ns);
	EXPECT(p, "t.get a ; t.get a --ns=default", "\"there\" ; \"here\"");
	peer_close(p);
	harness_close(&h);
}

static char *send_bytes(struct peer *p, const char *bytes, size_t len)
{
	struct buffer out = {0};
	router_frame(p->h->router, &p->session, span_of("\x80\0\0\1", 4), span_of(bytes, len), &out);
	char *text = out.len == 0 ? strdup("") : embed_decode(buffer_span(&out));
	buffer_free(&out);
	return text;
}

// A good request in front of a malformed object is not run either.
static void a_malformed_frame_runs_nothing(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, false);
	struct buffer frame = {0};
	embed_encode("t.set a one", &frame);
	size_t good = frame.len;
	static const char *const bad[] = {
	    "\xc1", "\x94", "\x94\x00\x01", "\x01", "\xdd\xff\xff\xff\xff", "\x94\x07\x01\xa1x\x90"};
	static const size_t lens[] = {1, 1, 3, 1, 5, 7};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		frame.len = good;
		buffer_append(&frame, bad[i], lens[i]);
		char *answer = send_bytes(p, (const char *)frame.data, frame.len);
		assert_non_null(strstr(answer, "EARG: nothing of this frame was run: "));
		free(answer);
	}
	EXPECT(p, "t.get a", "null");
	buffer_free(&frame);
	struct router_stats stats;
	router_read_stats(h.router, &stats);
	assert_int_equal(stats.bad_frames, 6);
	peer_close(p);
	harness_close(&h);
}

static void an_error_changes_nothing(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.set a one", "3");
	EXPECT(p, "t.fail a -4", "EEXIST: it exists already");
	EXPECT(p, "t.fail a -99", "EINTERNAL: the module answered an unknown status");
	EXPECT(p, "t.silent a", "EINTERNAL: the module wrote no answer");
	EXPECT(p, "t.big a 2000000",
	    "ELIMIT: the answers of this frame are larger than max_answer: ask for less at a time, or use a scan");
	EXPECT(p, "t.get a ; t.set a two", "\"one\" ; 4");
	assert_int_equal(h.published, 0);
	peer_close(p);
	harness_close(&h);
}

// Keys that are found only while running are locked too, and the command runs again.
static void a_needed_key_restarts_the_command(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.push from to ; t.push from to ; t.move from", "1 ; 2 ; \"to\"");
	EXPECT(p, "t.pop to ; t.pop from ; t.pop from", "\"to\" ; \"to\" ; null");
	EXPECT(p, "t.restless a", "EINTERNAL: the command asked for one more key too often");
	peer_close(p);
	harness_close(&h);
}

static void a_waiting_pop_gets_what_is_pushed(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *duplex = peer_open(&h, true), *req = peer_open(&h, false);
	EXPECT(duplex, "t.pop q --wait-ms=60000 ; t.get x", "null");        // parked requests hold nothing up
	EXPECT(req, "t.get x ; t.pop q --wait-ms=60000 ; t.get y", "late"); // a REQ frame is answered whole
	struct peer *other = peer_open(&h, true);
	EXPECT(other, "t.push q one", "1");
	EXPECT_LATE(duplex, "\"one\"");
	assert_false(peer_has_late(req));
	EXPECT(other, "t.push q two ; t.pop q", "1"); // it goes to the one that waited: the pop queues behind that one
	EXPECT_LATE(req, "null ; \"two\" ; null");
	EXPECT_LATE(other, "null");
	peer_close(duplex);
	peer_close(req);
	peer_close(other);
	harness_close(&h);
}

static void waiters_are_served_in_order_of_arrival(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *first = peer_open(&h, true), *second = peer_open(&h, true), *pusher = peer_open(&h, true);
	EXPECT(first, "t.pop other q --wait-ms=60000", "");
	EXPECT(second, "t.pop q --wait-ms=60000", "");
	// The frame's own pop comes after those who wait already.
	EXPECT(pusher, "t.push q a ; t.push q b ; t.push q c ; t.pop q --wait-ms=60000", "1 ; 2 ; 3");
	EXPECT_LATE(first, "\"a\"");
	EXPECT_LATE(second, "\"b\"");
	EXPECT_LATE(pusher, "\"c\"");
	peer_close(first);
	peer_close(second);
	peer_close(pusher);
	harness_close(&h);
}

static void a_wait_ends_with_its_time(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true), *req = peer_open(&h, false);
	EXPECT(p, "t.pop q --wait-ms=20", "");
	EXPECT_LATE(p, "null");
	h.limits.park_ms = 20; // REQ clients are answered before they would send again
	EXPECT(req, "t.pop q --wait-ms=-1", "late");
	EXPECT_LATE(req, "null");
	peer_close(p);
	peer_close(req);
	harness_close(&h);
}

// A waiting pop whose client left gets nothing, and loses nothing.
static void who_left_is_passed_over(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *gone = peer_open(&h, true), *stays = peer_open(&h, true), *pusher = peer_open(&h, true);
	EXPECT(gone, "t.pop q --wait-ms=60000", "");
	EXPECT(stays, "t.pop q --wait-ms=60000", "");
	peer_close(gone);
	assert_int_equal(h.ended, 1);
	EXPECT(pusher, "t.push q one", "1");
	EXPECT_LATE(stays, "\"one\"");
	peer_close(stays);
	peer_close(pusher);
	assert_int_equal(h.ended, 3);
	harness_close(&h);
}

static void wake_is_never_lost(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.sleep", "");
	assert_int_equal(router_wake(h.router, h.ticket), WHERRY_OK);
	EXPECT_LATE(p, "2");
	assert_int_equal(router_wake(h.router, h.ticket), WHERRY_ESTALE);
	EXPECT(p, "t.sleep true", ""); // woken between park() and its registration
	EXPECT_LATE(p, "2");
	peer_close(p);
	harness_close(&h);
}

static void parked_requests_are_bounded(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	h.limits.parked_per_session = 2;
	EXPECT(p, "t.pop q --wait-ms=60000 ; t.pop q --wait-ms=60000", "");
	EXPECT(p, "t.pop q --wait-ms=60000", "ELIMIT: 2 requests of this session wait already (max_parked)");
	peer_close(p);
	harness_close(&h);
}

static void draining_ends_all_waits(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.pop q --wait-ms=60000 ; t.sleep", "");
	router_drain(h.router);
	char *one = peer_late(p), *two = peer_late(p);
	assert_true(
	    (strcmp(one, "null") == 0 && strcmp(two, "4") == 0) || (strcmp(one, "4") == 0 && strcmp(two, "null") == 0));
	free(one);
	free(two);
	EXPECT(p, "t.pop q --wait-ms=60000", "null");
	peer_close(p);
	harness_close(&h);
}

static void a_swap_keeps_or_ends_waits(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.pop q --wait-ms=60000", "");
	router_publish(h.router, harness_table(&h, &h.owner)); // the same owner: it waits on
	assert_false(peer_has_late(p));
	EXPECT(p, "t.push q one", "1");
	EXPECT_LATE(p, "\"one\"");
	EXPECT(p, "t.pop q --wait-ms=60000", "");
	struct command_owner other = h.owner;
	router_publish(h.router, harness_table(&h, &other)); // another: its last run says so
	EXPECT_LATE(p, "null");
	EXPECT(p, "t.push q two ; t.pop q", "1 ; \"two\"");
	router_publish(h.router, harness_table(&h, &h.owner));
	peer_close(p);
	harness_close(&h);
}

// Nobody acts on what a crash can take back.
static void answers_wait_for_the_flush(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	test_sink_hold(h.sink);
	struct peer *writer = peer_open(&h, true), *reader = peer_open(&h, false);
	EXPECT(writer, "t.set a one ; t.get nothing", "");
	EXPECT(reader, "t.get a ; t.get other", "late");
	EXPECT(writer, "t.emit b topic payload", "");
	assert_false(peer_has_late(writer));
	assert_false(peer_has_late(reader));
	assert_int_equal(h.published, 0);
	test_sink_release(h.sink);
	EXPECT_LATE(writer, "3 ; null");
	EXPECT_LATE(reader, "\"one\" ; null");
	EXPECT_LATE(writer, "null");
	assert_int_equal(h.published, 1);
	test_sink_flow(h.sink);
	peer_close(writer);
	peer_close(reader);
	harness_close(&h);
}

static void a_failed_flush_is_told(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.set kept one", "3");
	test_sink_hold(h.sink);
	EXPECT(p, "t.set lost two ; t.get kept", "");
	test_sink_fail(h.sink);
	EXPECT_LATE(
	    p, "EIO: the log could not be flushed: this may or may not be kept; the broker is read-only ; \"one\"");
	EXPECT(p, "t.get kept", "\"one\"");
	EXPECT(p, "t.set kept three", "EIO: the disk failed; reading goes on, writing does not");
	EXPECT(p, "t.get kept", "\"one\"");
	EXPECT(p, "t.get lost", "");
	EXPECT_LATE(p, "EIO: the log could not be flushed: this may or may not be kept; the broker is read-only");
	peer_close(p);
	harness_close(&h);
}

struct hammer {
	struct harness *h;
	int pops, got, pushes;
};

static void *hammer_pop(void *arg)
{
	struct hammer *w = arg;
	struct peer *p = peer_open(w->h, false);
	for (int i = 0; i < w->pops; i++) {
		char *answer = peer_send(p, "t.pop q --wait-ms=60000");
		if (strcmp(answer, "late") == 0) {
			free(answer);
			answer = peer_late(p);
		}
		w->got += strcmp(answer, "\"x\"") == 0;
		free(answer);
	}
	peer_close(p);
	return NULL;
}

static void *hammer_push(void *arg)
{
	struct hammer *w = arg;
	struct peer *p = peer_open(w->h, true);
	for (int i = 0; i < w->pushes; i++)
		free(peer_send(p, "t.push q x"));
	peer_close(p);
	return NULL;
}

// Each message goes to exactly one waiter, and no waiter is left asleep.
static void many_poppers_and_pushers(void **state)
{
	(void)state;
	enum { PAIRS = 4, EACH = 1000 };
	struct harness h;
	harness_open(&h, true);
	struct hammer work[PAIRS];
	pthread_t pop[PAIRS], push[PAIRS];
	for (int i = 0; i < PAIRS; i++) {
		work[i] = (struct hammer){&h, EACH, 0, EACH};
		pthread_create(&pop[i], NULL, hammer_pop, &work[i]);
		pthread_create(&push[i], NULL, hammer_push, &work[i]);
	}
	int got = 0;
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(push[i], NULL);
		pthread_join(pop[i], NULL);
		got += work[i].got;
	}
	assert_int_equal(got, PAIRS * EACH);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.pop q", "null");
	peer_close(p);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_in_order),
	    cmocka_unit_test(wrong_requests_are_told_why),
	    cmocka_unit_test(namespaces_are_apart),
	    cmocka_unit_test(a_malformed_frame_runs_nothing),
	    cmocka_unit_test(an_error_changes_nothing),
	    cmocka_unit_test(a_needed_key_restarts_the_command),
	    cmocka_unit_test(a_waiting_pop_gets_what_is_pushed),
	    cmocka_unit_test(waiters_are_served_in_order_of_arrival),
	    cmocka_unit_test(a_wait_ends_with_its_time),
	    cmocka_unit_test(who_left_is_passed_over),
	    cmocka_unit_test(wake_is_never_lost),
	    cmocka_unit_test(parked_requests_are_bounded),
	    cmocka_unit_test(draining_ends_all_waits),
	    cmocka_unit_test(a_swap_keeps_or_ends_waits),
	    cmocka_unit_test(answers_wait_for_the_flush),
	    cmocka_unit_test(a_failed_flush_is_told),
	    cmocka_unit_test(many_poppers_and_pushers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
