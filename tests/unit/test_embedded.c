// The broker as a library: two in one process, frames of many requests, and what hostile input may cost.

#include "embed.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/router.h"

static void two_brokers_know_nothing_of_each_other(void **state)
{
	(void)state;
	struct embed *a = embed_open("kv"), *b = embed_open("kv");
	expect(a, "kv.set key a", "1");
	expect(b, "kv.get key", "null");
	expect(b, "kv.set key b ; kv.set key bb", "1 ; 2");
	expect(a, "kv.get key", "\"a\"");
	embed_close(a);
	expect(b, "kv.get key", "\"bb\"");
	embed_close(b);
}

// Requests of one frame are bound together but run one after another: each sees what those before it did.
static void a_request_sees_what_came_before_in_its_frame(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	expect(b, "kv.set k 1 --ns=new ; ns.create new ; kv.set k 2 --ns=new ; session.use new ; kv.get k",
	    "ENOKEY: there is no namespace \"new\"; see ns.list ; true ; 1 ; true ; 2");
	expect(b, "kv.get k ; session.use default ; kv.get k ; kv.get k --ns=new", "2 ; true ; null ; 2");
	embed_close(b);
}

static void a_closed_session_answers_no_more(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	wherry_session *s;
	const void *answer;
	size_t len;
	struct buffer frame = {0};
	assert_int_equal(wherry_session_open(embed_broker(b), &s), WHERRY_OK);
	embed_encode("session.close", &frame);
	assert_int_equal(wherry_session_call(s, frame.data, frame.len, &answer, &len), WHERRY_OK);
	assert_int_equal(wherry_session_call(s, frame.data, frame.len, &answer, &len), WHERRY_ESTALE);
	assert_int_equal(len, 0);
	buffer_free(&frame);
	wherry_session_close(s);
	embed_close(b);
}

struct worker {
	struct embed_session *session;
	int id;
};

static void *count_up(void *arg)
{
	struct worker *w = arg;
	for (int i = 0; i < 2000; i++)
		free(embed_session_call(w->session, "kv.incr shared ; kv.incr shared 2"));
	return NULL;
}

static void sessions_of_many_threads_lose_nothing(void **state)
{
	(void)state;
	enum { THREADS = 4 };
	struct embed *b = embed_open("kv");
	struct worker work[THREADS];
	pthread_t thread[THREADS];
	for (int i = 0; i < THREADS; i++) {
		work[i] = (struct worker){embed_session_open(b), i};
		pthread_create(&thread[i], NULL, count_up, &work[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		embed_session_close(work[i].session);
	}
	expect(b, "kv.get shared", "24000");
	embed_close(b);
}

// --- what a frame that nobody trusts may cost -------------------------------------------------------------------------

static _Atomic size_t asked;

static bool count_alloc(size_t size)
{
	asked += size;
	return true;
}

static const void *answer_of(wherry_session *s, const void *frame, size_t len, size_t *answer_len)
{
	const void *answer;
	wherry_session_call(s, frame, len, &answer, answer_len);
	return answer;
}

// All that is allocated while the frame is handled, freed or not.
static size_t cost_of(wherry_session *s, const void *frame, size_t len)
{
	size_t answer_len;
	asked = 0;
	mem_may_alloc = count_alloc;
	const void *answer = answer_of(s, frame, len, &answer_len);
	mem_may_alloc = NULL;
	assert_true(answer_len > 0 && answer != NULL);
	return asked;
}

static void assert_cheap(wherry_session *s, const uint8_t *frame, size_t len)
{
	size_t cost = cost_of(s, frame, len);
	if (cost > 16 * len + 4096)
		fail_msg("a frame of %zu bytes made the broker allocate %zu", len, cost);
}

static void bombs_cost_little(void **state)
{
	(void)state;
	static const char *const bombs[] = {"\xdd\x10\x00\x00\x00", "\xdd\xff\xff\xff\xff", "\xdf\x08\x00\x00\x00",
	    "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff"};
	struct embed *b = embed_open("kv");
	wherry_session *s;
	assert_int_equal(wherry_session_open(embed_broker(b), &s), WHERRY_OK);
	struct buffer frame = {0};
	embed_encode("kv.set a 1 ; sys.ping", &frame);
	cost_of(s, frame.data, frame.len); // warm
	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
		assert_cheap(s, (const uint8_t *)bombs[i], 5);
		size_t whole = frame.len;
		buffer_append(&frame, bombs[i], 5); // behind good requests, too
		assert_cheap(s, frame.data, frame.len);
		frame.len = whole;
	}
	uint8_t nested[4096];
	memset(nested, 0x91, sizeof(nested));
	assert_cheap(s, nested, sizeof(nested));
	for (size_t i = 0; i + 5 <= sizeof(nested); i += 5)
		memcpy(nested + i, "\xdd\x01\x00\x00\x00", 5);
	assert_cheap(s, nested, sizeof(nested));
	buffer_free(&frame);
	wherry_session_close(s);
	expect(b, "kv.get a", "1");
	embed_close(b);
}

// Once it is warm, a get allocates nothing, and neither does a set of the same size: one a frame, or many.
static void the_hot_path_allocates_nothing(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	wherry_session *s;
	struct buffer one = {0}, many = {0};
	size_t answer_len;
	assert_int_equal(wherry_session_open(embed_broker(b), &s), WHERRY_OK);
	embed_encode("kv.get key", &one);
	embed_encode(
	    "kv.set key \"sixty-four\" ; kv.get key ; kv.get nothing ; kv.get t(1, \"x\") ; kv.exists key", &many);
	for (int i = 0; i < 3; i++) {
		answer_of(s, many.data, many.len, &answer_len);
		answer_of(s, one.data, one.len, &answer_len);
	}
	assert_int_equal(cost_of(s, one.data, one.len), 0);
	assert_int_equal(cost_of(s, many.data, many.len), 0);
	buffer_free(&one);
	buffer_free(&many);
	wherry_session_close(s);
	embed_close(b);
}

// A million elements that no command takes: refused at the first.
static void long_lists_of_wrong_arguments_cost_little(void **state)
{
	(void)state;
	enum { COUNT = 60000 };
	struct embed *b = embed_open("kv");
	wherry_session *s;
	assert_int_equal(wherry_session_open(embed_broker(b), &s), WHERRY_OK);
	static uint8_t frame[COUNT + 64];
	static const uint8_t head[] = "\x94\x00\x01\xa9kv.exists\xdc";
	memcpy(frame, head, sizeof(head) - 1);
	frame[sizeof(head) - 1] = COUNT >> 8;
	frame[sizeof(head)] = COUNT & 255;
	memset(frame + sizeof(head) + 1, 0xc0, COUNT);
	size_t len = sizeof(head) + 1 + COUNT;
	cost_of(s, "\x94\x00\x01\xa8sys.ping\x90", 13);
	assert_cheap(s, frame, len);
	wherry_session_close(s);
	embed_close(b);
}

// Every byte of a good frame cut off or flipped: an answer each time, and the broker goes on.
static void damaged_frames_are_answered(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	wherry_session *s;
	assert_int_equal(wherry_session_open(embed_broker(b), &s), WHERRY_OK);
	struct buffer frame = {0};
	embed_encode("kv.set t(1, \"x\") {\"a\": [1, 2.5, b\"z\"]} --ttl_ms=60000 ; kv.get t(1, \"x\")", &frame);
	size_t answer_len;
	for (size_t i = 1; i < frame.len; i++) {
		answer_of(s, frame.data, i, &answer_len);
		assert_true(answer_len > 0);
	}
	for (size_t i = 0; i < frame.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			frame.data[i] ^= (uint8_t)(1 << bit);
			answer_of(s, frame.data, frame.len, &answer_len); // a request may have become a notification
			frame.data[i] ^= (uint8_t)(1 << bit);
		}
	}
	buffer_free(&frame);
	wherry_session_close(s);
	expect(b, "sys.ping", "\"PONG\"");
	embed_close(b);
}

// Many large answers to one small frame.
static void answers_of_a_frame_are_bounded(void **state)
{
	(void)state;
	const char *const options[] = {"max_answer=64KiB", NULL};
	struct embed *b = embed_open_with("kv", options);
	char *set = malloc(31000 + 64), *value = set + sprintf(set, "kv.set big \"");
	memset(value, 'x', 30000);
	strcpy(value + 30000, "\"");
	expect(b, set, "1");
	char *answer = embed_call(b, "kv.len big ; kv.get big ; kv.get big ; kv.get big ; kv.len big");
	assert_non_null(strstr(answer, "ELIMIT: the answers of this frame are larger than max_answer: ask for less at "
				       "a time, or use a scan ; 30000"));
	free(answer);
	free(set);
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_brokers_know_nothing_of_each_other),
	    cmocka_unit_test(a_request_sees_what_came_before_in_its_frame),
	    cmocka_unit_test(a_closed_session_answers_no_more),
	    cmocka_unit_test(sessions_of_many_threads_lose_nothing),
	    cmocka_unit_test(bombs_cost_little),
	    cmocka_unit_test(the_hot_path_allocates_nothing),
	    cmocka_unit_test(long_lists_of_wrong_arguments_cost_little),
	    cmocka_unit_test(damaged_frames_are_answered),
	    cmocka_unit_test(answers_of_a_frame_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
