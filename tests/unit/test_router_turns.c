// Frames that came together and are looked at ahead: whatever happens between the look and the run, each is answered as
// if it had come alone.

#include "embed.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FRAMES = 40, SEEDS = 150, TOGETHER = 16 };

static uint32_t draw(uint32_t *state, uint32_t most)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % most;
}

// Frames that change what others were bound to, or that are not looked at ahead at all.
static void make_frame(uint32_t *random, struct buffer *frame)
{
	static const char *const lines[] = {"t.set a one", "t.get a", "t.set 1.5 real", "t.get 1.5",
	    "t.get t(1, \"x\")", "t.gte a", "t.get", "t.get [1]", "t.get a --color=red", "t.found later",
	    "t.found other", "t.set a there --ns=later", "t.get a --ns=later", "t.use later", "t.use other",
	    "t.use default", "t.use nowhere", "t.set a two ; t.get a", "t.fail a -4", "t.silent a", "t.push q x",
	    "t.pop q", "t.big a 2000000", "t.pop a q 1.5", "t.restless a"};
	static const char *const bytes[] = {"", "\xc1", "\x93\2\xa5t.set\x92\xa1n\xa1x", "\x94\1\1\xc0\xc0",
	    "\x94\0\5\xa5t.get", "\x94\0\5\xa5t.get\x91\xda\0\1a", "\x94\0\5\xa5t.set\x92\xda\0\1b\xa1y"};
	static const size_t lens[] = {0, 1, 12, 5, 9, 13, 15};
	enum { LINES = sizeof(lines) / sizeof(lines[0]), BYTES = sizeof(bytes) / sizeof(bytes[0]) };
	uint32_t which = draw(random, LINES + BYTES + 1);
	if (which < LINES) {
		embed_encode(lines[which], frame);
	} else if (which < LINES + BYTES) {
		buffer_append(frame, bytes[which - LINES], lens[which - LINES]);
	} else {
		char line[900];
		int head = snprintf(line, sizeof(line), "t.set long ");
		memset(line + head, 'x', 800);
		line[head + 800] = 0;
		embed_encode(line, frame);
	}
}

static void run_alone(struct peer *p, const struct buffer *frames, const bool *skipped, struct buffer *answers)
{
	for (int i = 0; i < FRAMES; i++)
		if (!skipped[i])
			peer_send_bytes(p, buffer_span(&frames[i]), &answers[i]);
}

static int look_ahead(struct router_turn *turn, const struct buffer *frames, int i)
{
	int count = 0;
	while (i + count < FRAMES && router_turn_ahead(turn, buffer_span(&frames[i + count])))
		count++;
	return count;
}

// As the wire does it: looked at ahead whenever nothing that was is left, and some are passed over after that.
static int run_together(struct peer *p, const struct buffer *frames, const bool *skipped, struct buffer *answers)
{
	struct router_turn turn;
	int looked_at = 0;
	router_turn_begin(&turn, p->h->router, &p->session);
	for (int i = 0; i < FRAMES; i++) {
		if (router_turn_ahead_left(&turn) == 0)
			looked_at += look_ahead(&turn, frames, i);
		if (!skipped[i])
			router_turn_frame(&turn, span_of("\x80\0\0\1", p->session.duplex ? 0 : 4),
			    buffer_span(&frames[i]), &answers[i]);
	}
	router_turn_end(&turn);
	return looked_at;
}

static void play(uint32_t seed, bool together, struct router_stats *stats, struct buffer *answers, int *looked_at)
{
	struct harness h;
	uint32_t random = seed;
	struct buffer frames[FRAMES] = {0};
	bool skipped[FRAMES];
	harness_open(&h, false);
	struct peer *p = peer_open(&h, seed % 2);
	for (int i = 0; i < FRAMES; i++) {
		make_frame(&random, &frames[i]);
		skipped[i] = draw(&random, 8) == 0;
	}
	if (together)
		*looked_at += run_together(p, frames, skipped, answers);
	else
		run_alone(p, frames, skipped, answers);
	assert_false(peer_has_late(p));
	router_read_stats(h.router, stats);
	for (int i = 0; i < FRAMES; i++)
		buffer_free(&frames[i]);
	peer_close(p);
	harness_close(&h);
}

static void frames_together_are_answered_as_alone(void **state)
{
	(void)state;
	int looked_at = 0;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct router_stats alone, together;
		struct buffer want[FRAMES] = {0}, got[FRAMES] = {0};
		play(seed, false, &alone, want, &looked_at);
		play(seed, true, &together, got, &looked_at);
		for (int i = 0; i < FRAMES; i++) {
			if (!span_equal(buffer_span(&want[i]), buffer_span(&got[i])))
				fail_msg("seed %u, frame %d: other answers", seed, i);
			buffer_free(&want[i]);
			buffer_free(&got[i]);
		}
		assert_int_equal(together.frames, alone.frames);
		assert_int_equal(together.requests, alone.requests);
		assert_int_equal(together.errors, alone.errors);
		assert_int_equal(together.bad_frames, alone.bad_frames);
	}
	assert_true(looked_at > SEEDS * FRAMES / 2);
}

static char *run_next(struct router_turn *turn, const struct buffer *frame)
{
	struct buffer out = {0};
	enum frame_result result = router_turn_frame(turn, span_of("\x80\0\0\1", 4), buffer_span(frame), &out);
	char *text = result == FRAME_LATE ? strdup("late")
		     : out.len == 0       ? strdup("")
					  : embed_decode(buffer_span(&out));
	buffer_free(&out);
	return text;
}

#define EXPECT_NEXT(turn, frame, wanted)            \
	do {                                        \
		char *got_ = run_next(turn, frame); \
		assert_string_equal(got_, wanted);  \
		free(got_);                         \
	} while (0)

// Requests that park in the middle do not disturb those behind them, and are woken when the turn ends.
static void a_request_that_parks_among_them_is_woken(void **state)
{
	(void)state;
	static const char *const lines[] = {"t.set a one", "t.pop q --wait-ms=60000", "t.get a",
	    "t.take q --wait-ms=60000", "t.push q x", "t.push q y", "t.get a"};
	static const char *const wanted[] = {"1", "late", "\"one\"", "late", "1", "2", "\"one\""};
	enum { COUNT = sizeof(lines) / sizeof(lines[0]) };
	struct harness h;
	struct router_turn turn;
	struct buffer frames[COUNT] = {0};
	harness_open(&h, false);
	struct peer *p = peer_open(&h, false);
	for (int i = 0; i < COUNT; i++)
		embed_encode(lines[i], &frames[i]);
	router_turn_begin(&turn, h.router, &p->session);
	for (int i = 0; i < COUNT; i++)
		assert_true(router_turn_ahead(&turn, buffer_span(&frames[i])));
	for (int i = 0; i < COUNT; i++)
		EXPECT_NEXT(&turn, &frames[i], wanted[i]);
	router_turn_end(&turn);
	EXPECT_LATE(p, "\"x\"");
	EXPECT_LATE(p, "\"y\"");
	for (int i = 0; i < COUNT; i++)
		buffer_free(&frames[i]);
	peer_close(p);
	harness_close(&h);
}

// One more turn on the same thread, as when a delivered answer makes an embedding program call: each keeps its own.
static void a_turn_within_a_turn(void **state)
{
	(void)state;
	struct harness h;
	struct router_turn turn;
	struct buffer set = {0}, get = {0};
	harness_open(&h, false);
	struct peer *p = peer_open(&h, false), *inner = peer_open(&h, true);
	embed_encode("t.set 1.5 outer", &set);
	embed_encode("t.get 1.5", &get);
	router_turn_begin(&turn, h.router, &p->session);
	assert_true(router_turn_ahead(&turn, buffer_span(&set)));
	assert_true(router_turn_ahead(&turn, buffer_span(&get)));
	EXPECT_NEXT(&turn, &set, "1");
	EXPECT(inner, "t.get 1.5 ; t.gte a ; t.set 2.5 inner",
	    "\"outer\" ; ENOCMD: unknown command \"t.gte\"; did you mean t.get? ; 2");
	EXPECT_NEXT(&turn, &get, "\"outer\"");
	router_turn_end(&turn);
	buffer_free(&set);
	buffer_free(&get);
	peer_close(p);
	peer_close(inner);
	harness_close(&h);
}

static void not_more_are_looked_at_than_there_is_room_for(void **state)
{
	(void)state;
	struct harness h;
	struct router_turn turn;
	struct buffer get = {0};
	harness_open(&h, false);
	struct peer *p = peer_open(&h, true);
	embed_encode("t.get a", &get);
	router_turn_begin(&turn, h.router, &p->session);
	for (unsigned i = 0; i < TOGETHER; i++)
		assert_true(router_turn_ahead(&turn, buffer_span(&get)));
	assert_false(router_turn_ahead(&turn, buffer_span(&get)));
	EXPECT_NEXT(&turn, &get, "null");
	assert_false(router_turn_ahead(&turn, buffer_span(&get))); // not while some are left
	assert_int_equal(router_turn_ahead_left(&turn), TOGETHER - 1);
	router_turn_end(&turn);
	buffer_free(&get);
	peer_close(p);
	harness_close(&h);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

// What the wire does between two frames, as sending, is not the next one's time.
static void what_is_done_between_frames_is_nobodys_time(void **state)
{
	(void)state;
	struct harness h;
	struct router_turn turn;
	struct router_stats stats;
	struct buffer frame = {0}, answer = {0};
	harness_open(&h, false);
	atomic_store(&h.limits.slow_us, 40000);
	struct peer *p = peer_open(&h, true);
	embed_encode("t.get a", &frame);
	router_turn_begin(&turn, h.router, &p->session);
	for (int i = 0; i < 3; i++) {
		router_turn_frame(&turn, span_of(NULL, 0), buffer_span(&frame), &answer);
		nap();
		router_turn_pause(&turn);
	}
	assert_true(router_turn_ahead(&turn, buffer_span(&frame)));
	nap();
	router_turn_pause(&turn);
	router_turn_frame(&turn, span_of(NULL, 0), buffer_span(&frame), &answer);
	router_turn_end(&turn);
	router_read_stats(h.router, &stats);
	assert_int_equal(stats.slow, 0);
	buffer_free(&frame);
	buffer_free(&answer);
	peer_close(p);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_together_are_answered_as_alone),
	    cmocka_unit_test(a_request_that_parks_among_them_is_woken),
	    cmocka_unit_test(a_turn_within_a_turn),
	    cmocka_unit_test(not_more_are_looked_at_than_there_is_room_for),
	    cmocka_unit_test(what_is_done_between_frames_is_nobodys_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
