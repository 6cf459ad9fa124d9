// Frames of many requests: revisions filled in, answers in their places whatever waits, notifications, limits.

#include "embed.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static void every_revision_of_an_answer_is_filled_in(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true), *req = peer_open(&h, false);
	EXPECT(p, "t.revisions a 0", "[]");
	EXPECT(p, "t.set b x ; t.revisions a 3 ; t.set b y ; t.revisions a 2", "4 ; [5, 5, 5] ; 6 ; [7, 7]");
	EXPECT(p, "t.revisions a 20", "[8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]");
	EXPECT(p, "t.fail a -4 ; t.revisions a 1", "EEXIST: it exists already ; [9]");
	test_sink_hold(h.sink); // kept until the flush
	EXPECT(req, "t.revisions a 2 ; t.pop q --wait-ms=1 ; t.revisions a 1", "late");
	test_sink_flow(h.sink);
	EXPECT_LATE(req, "[10, 10] ; null ; [11]");
	peer_close(p);
	peer_close(req);
	harness_close(&h);
}

// A REQ frame is answered whole and in order, however many of it wait, fail, or are served late.
static void answers_stand_in_the_order_of_their_requests(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *req = peer_open(&h, false), *other = peer_open(&h, true);
	EXPECT(req,
	    "t.pop one --wait-ms=60000 ; t.set a x ; t.pop two --wait-ms=20 ; t.fail a -4 ; t.gte a ; "
	    "t.pop three --wait-ms=60000 ; t.get a",
	    "late");
	EXPECT(other, "t.push three c", "1");
	assert_false(peer_has_late(req));
	EXPECT(other, "t.push one a", "1");
	EXPECT_LATE(req, "\"a\" ; 3 ; null ; EEXIST: it exists already ; "
			 "ENOCMD: unknown command \"t.gte\"; did you mean t.get? ; \"c\" ; \"x\"");
	assert_false(peer_has_late(req));
	peer_close(req);
	peer_close(other);
	harness_close(&h);
}

// The same on a duplex connection: what is ready leaves at once, what waits leaves alone.
static void a_duplex_session_is_answered_as_things_are_ready(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true), *other = peer_open(&h, true);
	EXPECT(p, "t.pop one --wait-ms=60000 ; t.set a x ; t.pop two --wait-ms=60000 ; t.get a", "3 ; \"x\"");
	EXPECT(other, "t.push two b ; t.push one a", "1 ; 1");
	EXPECT_LATE(p, "\"b\"");
	EXPECT_LATE(p, "\"a\"");
	peer_close(p);
	peer_close(other);
	harness_close(&h);
}

// The answers of one frame that wait for the flush become true or EIO one by one.
static void a_flush_fails_in_the_middle_of_a_frame(void **state)
{
	(void)state;
	static const char lost[] =
	    "EIO: the log could not be flushed: this may or may not be kept; the broker is read-only";
	struct harness h;
	char wanted[300];
	harness_open(&h, true);
	struct peer *req = peer_open(&h, false), *other = peer_open(&h, true);
	EXPECT(other, "t.set kept x", "3");
	test_sink_hold(h.sink);
	EXPECT(req, "t.get kept ; t.set a x ; t.pop q --wait-ms=60000 ; t.get kept ; t.get b", "late");
	test_sink_release(h.sink);
	EXPECT(other, "t.push q y", "");
	EXPECT(other, "t.emit kept topic x", "");
	test_sink_fail(h.sink);
	snprintf(wanted, sizeof(wanted), "\"x\" ; 4 ; %s ; \"x\" ; null", lost);
	EXPECT_LATE(req, wanted);
	EXPECT_LATE(other, lost);
	EXPECT_LATE(other, lost);
	assert_int_equal(h.published, 0);
	peer_close(req);
	peer_close(other);
	harness_close(&h);
}

static char *send_bytes(struct peer *p, const char *bytes, size_t len)
{
	struct buffer out = {0};
	enum frame_result result = peer_send_bytes(p, span_of(bytes, len), &out);
	char *text = result == FRAME_LATE ? strdup("late")
		     : out.len == 0       ? strdup("")
					  : embed_decode(buffer_span(&out));
	buffer_free(&out);
	return text;
}

#define NOTIFY(peer, bytes, answer)                                      \
	do {                                                             \
		char *got_ = send_bytes(peer, bytes, sizeof(bytes) - 1); \
		assert_string_equal(got_, answer);                       \
		free(got_);                                              \
	} while (0)

// No answer, from good ones, wrong ones and such as wait: a REQ frame of nothing else is answered by an empty one.
static void a_notification_is_never_answered(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true), *req = peer_open(&h, false), *other = peer_open(&h, true);
	NOTIFY(p,
	    "\x93\x02\xa5t.set\x92\xa1"
	    "a\xa1x",
	    "");
	NOTIFY(req,
	    "\x93\x02\xa5t.set\x92\xa1"
	    "b\xa1y",
	    "");
	EXPECT(p, "t.get a ; t.get b", "\"x\" ; \"y\"");
	NOTIFY(p,
	    "\x93\x02\xa5t.set\x91\xa1"
	    "a",
	    ""); // wrong arity
	NOTIFY(p,
	    "\x93\x02\xa5t.gte\x91\xa1"
	    "a",
	    ""); // unknown
	NOTIFY(p,
	    "\x93\x02\xa6t.fail\x92\xa1"
	    "a\xfc",
	    ""); // fails: undone
	NOTIFY(p,
	    "\x93\x02\xa5t.pop\x92\xa1"
	    "a\xa1x",
	    "");
	NOTIFY(p,
	    "\x93\x02\xa5t.set\x92\xa1"
	    "a\xa1z\x94\x00\x07\xa5t.get\x91\xa1"
	    "a",
	    "\"z\"");
	NOTIFY(p, "\x94\x02\xa5t.pop\x91\xa1q\x81\xa7wait_ms\xcd\x27\x10", "");
	NOTIFY(req, "\x94\x02\xa5t.pop\x91\xa1q\x81\xa7wait_ms\xcd\x27\x10", "");
	harness_wait_parked(&h, 2);
	EXPECT(other, "t.push q one ; t.push q two ; t.push q three", "1 ; 2 ; 3");
	harness_wait_parked(&h, 0);
	EXPECT(other, "t.pop q", "\"three\"");
	test_sink_hold(h.sink);
	NOTIFY(p,
	    "\x93\x02\xa5t.set\x92\xa1"
	    "a\xa1w",
	    "");
	test_sink_flow(h.sink);
	assert_false(peer_has_late(p));
	assert_false(peer_has_late(req));
	peer_close(p);
	peer_close(req);
	peer_close(other);
	harness_close(&h);
}

// It would wait for a stripe that it holds itself.
static void a_scan_with_a_needed_key_is_a_fault_of_the_module(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	EXPECT(p, "t.set z x ; t.wander", "3 ; EINTERNAL: t.wander scans with a needed key held");
	peer_close(p);
	harness_close(&h);
}

static void limits_are_told(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	h.limits.args = 3;
	EXPECT(p, "t.pop a b c ; t.pop a b c d", "null ; ELIMIT: t.pop: more than 3 arguments (max_args)");
	h.limits.key_bytes = 4;
	EXPECT(
	    p, "t.get abc ; t.get abcd", "null ; ELIMIT: argument \"key\": the key is longer than 4 bytes (max_key)");
	EXPECT(p, "t.push fr abcd ; t.move fr", "1 ; ELIMIT: a needed key is empty or longer than max_key");
	h.limits.answer_bytes = 400;
	EXPECT(p, "t.big a 400 ; t.set a x ; t.get a",
	    "ELIMIT: the answers of this frame are larger than max_answer: ask for less at a time, or use "
	    "a scan ; 4 ; "
	    "\"x\"");
	h.limits.parked_per_session = 0;
	EXPECT(p, "t.pop q --wait-ms=1000", "ELIMIT: 0 requests of this session wait already (max_parked)");
	peer_close(p);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_revision_of_an_answer_is_filled_in),
	    cmocka_unit_test(answers_stand_in_the_order_of_their_requests),
	    cmocka_unit_test(a_duplex_session_is_answered_as_things_are_ready),
	    cmocka_unit_test(a_flush_fails_in_the_middle_of_a_frame),
	    cmocka_unit_test(a_notification_is_never_answered),
	    cmocka_unit_test(a_scan_with_a_needed_key_is_a_fault_of_the_module),
	    cmocka_unit_test(limits_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
