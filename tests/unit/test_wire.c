// The wire as a client on a bare socket sees it: handshake, frames, order, resends, what is refused.

#include "wired.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { PAIR0 = 0x10, PAIR1 = 0x11, REQ = 0x30, REP = 0x31, SURVEYOR = 0x62 };

static void every_socket_is_served(void **state)
{
	struct wired *w = *state;
	for (int u = WIRED_TCP; u <= WIRED_IPC; u++) {
		static const struct {
			uint16_t ours;
			int theirs;
		} kinds[] = {{REQ, REP}, {PAIR0, PAIR0}, {PAIR1, PAIR1}};
		for (int k = 0; k < 3; k++) {
			struct sp_client c;
			assert_int_equal(sp_open(&c, w->url[u], kinds[k].ours), kinds[k].theirs);
			wired_ask(&c, 1, "t.set a one ; t.get a");
			char *answer = wired_answer(&c, NULL, 10000);
			assert_non_null(strstr(answer, "\"one\""));
			free(answer);
			sp_disconnect(&c);
		}
	}
}

static void frames_are_answered_in_order(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	uint8_t bytes[16384];
	size_t len = 0;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	for (uint32_t id = 0; id < 200; id++) {
		struct buffer body = {0};
		char line[40];
		snprintf(line, sizeof(line), "t.set k v%u", id);
		embed_encode(line, &body);
		len += sp_encode(&c, id, body.data, body.len, bytes + len);
		buffer_free(&body);
	}
	assert_true(sp_write(&c, bytes, len)); // all in one piece: several in one receive
	for (uint32_t id = 0; id < 200; id++) {
		uint32_t word;
		char wanted[16], *answer = wired_answer(&c, &word, 10000);
		snprintf(wanted, sizeof(wanted), "%u", id + 1);
		assert_string_equal(answer, wanted); // the revision
		assert_int_equal(word, id);
		free(answer);
	}
	sp_disconnect(&c);
}

static void bytes_may_come_one_by_one(void **state)
{
	struct wired *w = *state;
	for (int u = WIRED_TCP; u <= WIRED_IPC; u++) {
		struct sp_client c;
		uint8_t bytes[256];
		struct buffer body = {0};
		embed_encode("t.set a one ; t.get a", &body);
		assert_true(sp_connect(&c, w->url[u]));
		for (size_t i = 0; i < 8; i++)
			assert_true(sp_write(&c, &"\0SP\0\0\x30\0"[i], 1));
		assert_int_equal(sp_hear(&c, REQ, 10000), REP);
		size_t len = sp_encode(&c, 9, body.data, body.len, bytes);
		for (size_t i = 0; i < len; i++)
			assert_true(sp_write(&c, bytes + i, 1));
		EXPECT_ANSWER(&c, u == WIRED_TCP ? "1 ; \"one\"" : "2 ; \"one\"");
		sp_disconnect(&c);
		buffer_free(&body);
	}
}

static void ask_large(struct sp_client *c, size_t len)
{
	static const char head[] = "\x94\0\1\xa5t.set\x92\xa1k\xdb";
	uint8_t length[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
	char *text = calloc(1, len);
	struct buffer body = {0};
	memset(text, 'x', len);
	buffer_append(&body, head, sizeof(head) - 1);
	buffer_append(&body, length, sizeof(length));
	buffer_append(&body, text, len);
	assert_true(sp_send(c, 1, body.data, body.len));
	buffer_free(&body);
	free(text);
}

static void a_large_frame_and_a_large_answer(void **state)
{
	struct wired *w = *state;
	for (int u = WIRED_TCP; u <= WIRED_IPC; u++) {
		struct sp_client c;
		sp_open(&c, w->url[u], PAIR1);
		ask_large(&c, 999000);
		EXPECT_ANSWER(&c, u == WIRED_TCP ? "1" : "3");
		wired_ask(&c, 1, "t.get k");
		char *answer = wired_answer(&c, NULL, 10000);
		assert_int_equal(strlen(answer), 999000 + 2);
		free(answer);
		wired_ask(&c, 1, "t.set k small ; t.get k");
		EXPECT_ANSWER(&c, u == WIRED_TCP ? "2 ; \"small\"" : "4 ; \"small\"");
		sp_disconnect(&c);
	}
}

static void notifications_answer_nothing(void **state)
{
	struct wired *w = *state;
	static const char notify[] = "\x93\2\xa5t.set\x92\xa1n\xa1x";
	struct sp_client c;
	struct sp_message m;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	sp_send(&c, 5, notify, sizeof(notify) - 1);
	assert_int_equal(sp_recv(&c, &m, 10000), SP_GOT); // a REQ socket waits for something
	assert_int_equal(m.word, 5);
	assert_int_equal(m.len, 0);
	sp_disconnect(&c);
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	sp_send(&c, 1, notify, sizeof(notify) - 1);
	wired_ask(&c, 1, "t.get n");
	EXPECT_ANSWER(&c, "\"x\"");
	sp_disconnect(&c);
}

static void a_parked_request_holds_up_its_frame_only(void **state)
{
	struct wired *w = *state;
	struct sp_client req, pair;
	uint32_t word;
	char *answer;
	sp_open(&req, w->url[WIRED_IPC], REQ);
	sp_open(&pair, w->url[WIRED_TCP], PAIR1);
	wired_ask(&req, 1, "t.pop q --wait-ms=10000");
	wired_ask(&req, 2, "t.get nothing");
	answer = wired_answer(&req, &word, 10000);
	assert_string_equal(answer, "null");
	assert_int_equal(word, 2);
	free(answer);
	wired_ask(&pair, 1, "t.pop r --wait-ms=10000 ; t.push q job");
	EXPECT_ANSWER(&pair, "1");
	answer = wired_answer(&req, &word, 10000);
	assert_string_equal(answer, "\"job\"");
	assert_int_equal(word, 1);
	free(answer);
	wired_ask(&req, 3, "t.push r other");
	EXPECT_ANSWER(&req, "1");
	EXPECT_ANSWER(&pair, "\"other\""); // pushed, later
	sp_disconnect(&req);
	sp_disconnect(&pair);
}

static void a_peer_that_left_is_not_waited_for(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	wired_ask(&c, 1, "t.pop q --wait-ms=50000");
	wired_ask(&c, 1, "t.get q");
	EXPECT_ANSWER(&c, "null");
	sp_disconnect(&c);
	WIRED_WAIT(w, stats.connections == 0 && stats.closed == stats.accepted);
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	wired_ask(&c, 1, "t.push q kept ; t.pop q");
	EXPECT_ANSWER(&c, "1 ; \"kept\"");
	sp_disconnect(&c);
}

// --- resends --------------------------------------------------------------------------------------------------------

static void a_request_that_comes_again_runs_once(void **state)
{
	struct wired *w = *state;
	struct sp_client c, other;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	sp_open(&other, w->url[WIRED_TCP], REQ);
	wired_ask(&c, 1, "t.push q job");
	EXPECT_ANSWER(&c, "1");
	wired_ask(&c, 1, "t.push q job");
	EXPECT_ANSWER(&c, "1"); // the same answer
	wired_ask(&c, 1, "t.push q other");
	EXPECT_ANSWER(&c, "2"); // another body: another request
	wired_ask(&c, 2, "t.push q job");
	EXPECT_ANSWER(&c, "3");
	wired_ask(&other, 1, "t.push q job");
	EXPECT_ANSWER(&other, "4"); // another connection: another client
	assert_int_equal(wired_stats(w).resent, 1);
	sp_disconnect(&c);
	sp_disconnect(&other);
}

static void while_unanswered_it_is_dropped(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	for (int i = 0; i < 3; i++)
		wired_ask(&c, 7, "t.pop q --wait-ms=10000");
	wired_ask(&c, 8, "t.push q one ; t.push q two");
	char *first, *second;
	uint32_t words[2];
	first = wired_answer(&c, &words[0], 10000);
	second = wired_answer(&c, &words[1], 10000);
	assert_int_equal(words[0] + words[1], 15);
	assert_string_equal(words[0] == 7 ? first : second, "\"one\"");
	free(first);
	free(second);
	wired_ask(&c, 7, "t.pop q --wait-ms=10000");
	EXPECT_ANSWER(&c, "\"one\""); // not "two": that is the next request's
	wired_ask(&c, 9, "t.pop q --wait-ms=10000");
	EXPECT_ANSWER(&c, "\"two\"");
	sp_disconnect(&c);
}

static void an_answer_too_large_to_keep_is_a_conflict(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	struct sp_message m;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	for (int i = 0; i < 2; i++)
		wired_ask(&c, 1, "t.big k 70000");
	assert_int_equal(sp_recv(&c, &m, 10000), SP_GOT);
	assert_true(m.len > 70000);
	EXPECT_ANSWER(&c,
	    "ECONFLICT: this request was carried out before, and its answer is not kept any more: send it "
	    "with a new id");
	sp_disconnect(&c);
}

static void hops_are_echoed_and_are_bounded(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	struct buffer body = {0}, frame = {0};
	struct sp_message m;
	embed_encode("t.get a", &body);
	sp_open(&c, w->url[WIRED_TCP], REQ);
	uint8_t prefix[] = {0, 0, 0, 0, 0, 0, 0, (uint8_t)(8 + body.len), 0, 0, 0, 5, 0x80, 0, 0, 1};
	buffer_append(&frame, prefix, sizeof(prefix));
	buffer_append(&frame, body.data, body.len);
	sp_write(&c, frame.data, frame.len);
	assert_int_equal(sp_recv(&c, &m, 10000), SP_GOT);
	assert_int_equal(m.word, 5);
	assert_memory_equal(m.body, "\x80\0\0\1", 4);
	uint8_t far[8 + 16 * 4] = {[7] = 16 * 4, [8 + 15 * 4] = 0x80};
	sp_write(&c, far, sizeof(far)); // over too many hops: dropped
	wired_ask(&c, 2, "t.get a");
	EXPECT_ANSWER(&c, "null");
	uint8_t endless[8 + 4] = {[7] = 4};
	sp_write(&c, endless, sizeof(endless)); // no request id at all
	assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
	sp_disconnect(&c);
	buffer_free(&frame);
	buffer_free(&body);
}

// --- what is refused ------------------------------------------------------------------------------------------------

static void what_is_no_counterpart_is_closed(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	for (int u = WIRED_TCP; u <= WIRED_IPC; u++) {
		assert_int_equal(sp_open(&c, w->url[u], SURVEYOR), -1);
		sp_disconnect(&c);
		assert_true(sp_connect(&c, w->url[u]));
		sp_write(&c, "GET / HTTP/1.1\r\n\r\n", 18);
		assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
		sp_disconnect(&c);
	}
	assert_int_equal(wired_stats(w).handshakes_failed, 4);
}

static void an_oversize_frame_is_answered_and_ends_the_connection(void **state)
{
	struct wired *w = *state;
	static const char claim[] = "\xff\xff\xff\xff\xff\xff\xff\xd8\x80\0\0\7";
	const char *answer = "ELIMIT: a frame has at most 1048576 bytes (max_frame): send less at once";
	struct sp_client c;
	sp_open(&c, w->url[WIRED_TCP], REQ);
	wired_ask(&c, 6, "t.get a");
	EXPECT_ANSWER(&c, "null");
	sp_write(&c, claim, sizeof(claim) - 1);
	uint32_t word = 0;
	char *got = wired_answer(&c, &word, 10000);
	assert_string_equal(got, answer);
	assert_int_equal(word, 7);
	free(got);
	assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
	sp_disconnect(&c);
	// One that is really sent: the answer is there to be read although nobody took the bytes.
	char *large = calloc(1, 3 << 20);
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	assert_true(sp_send(&c, 1, large, 3 << 20));
	EXPECT_ANSWER(&c, answer);
	sp_disconnect(&c);
	free(large);
	assert_int_equal(wired_stats(w).oversize, 2);
}

static void a_malformed_frame_is_answered_and_the_connection_stays(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_IPC], PAIR1);
	sp_send(&c, 1, "\xc1", 1);
	char *answer = wired_answer(&c, NULL, 10000);
	assert_int_equal(strncmp(answer, "EARG: ", 6), 0);
	free(answer);
	wired_ask(&c, 1, "t.get a");
	EXPECT_ANSWER(&c, "null");
	sp_disconnect(&c);
}

static void a_pair1_frame_from_far_is_dropped(void **state)
{
	struct wired *w = *state;
	struct sp_client c;
	sp_open(&c, w->url[WIRED_TCP], PAIR1);
	wired_ask(&c, 16, "t.set a far");
	wired_ask(&c, 15, "t.get a");
	uint32_t hops;
	char *answer = wired_answer(&c, &hops, 10000);
	assert_string_equal(answer, "null");
	assert_int_equal(hops, 1);
	free(answer);
	wired_ask(&c, 256, "t.get a");
	assert_int_equal(sp_read_closed(&c, 10000), SP_CLOSED);
	sp_disconnect(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, wired_setup, wired_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(every_socket_is_served),
	    TEST(frames_are_answered_in_order),
	    TEST(bytes_may_come_one_by_one),
	    TEST(a_large_frame_and_a_large_answer),
	    TEST(notifications_answer_nothing),
	    TEST(a_parked_request_holds_up_its_frame_only),
	    TEST(a_peer_that_left_is_not_waited_for),
	    TEST(a_request_that_comes_again_runs_once),
	    TEST(while_unanswered_it_is_dropped),
	    TEST(an_answer_too_large_to_keep_is_a_conflict),
	    TEST(hops_are_echoed_and_are_bounded),
	    TEST(what_is_no_counterpart_is_closed),
	    TEST(an_oversize_frame_is_answered_and_ends_the_connection),
	    TEST(a_malformed_frame_is_answered_and_the_connection_stays),
	    TEST(a_pair1_frame_from_far_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
