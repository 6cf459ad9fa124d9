// Every allocation of typical frames fails once: each request is answered or its session closed, an error has changed
// nothing, nobody is left asleep beside a message, and nothing leaks (under a sanitizer that says so).

#include "embed.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/cursor.h"

static atomic_int_fast64_t allowed = INT64_MAX; // allocations until one fails; INT64_MAX: none does

static bool may_alloc(size_t size)
{
	(void)size;
	if (atomic_load(&allowed) == INT64_MAX)
		return true;
	return atomic_fetch_sub(&allowed, 1) != 1;
}

// True: one failed since fail_at().
static bool all_succeed_again(void)
{
	return atomic_exchange(&allowed, INT64_MAX) <= 0;
}

static void fail_at(int64_t number)
{
	atomic_store(&allowed, number);
}

static unsigned objects(wherry_span bytes)
{
	struct cursor at = cursor_of(bytes);
	unsigned count = 0;
	for (; at.at < at.end; count++)
		cursor_skip(&at);
	return count;
}

// The same state, so that the digest says whether a frame changed anything.
static void prepare(struct harness *h)
{
	struct peer *p = peer_open(h, true);
	EXPECT(p, "t.set kept one ; t.push full a ; t.push full b ; t.push from to", "3 ; 1 ; 2 ; 1");
	peer_close(p);
}

static void *prepare_elsewhere(void *arg)
{
	prepare(arg);
	return NULL;
}

// Elsewhere: the thread of the test has all to allocate still.
static void world_of(struct harness *h, bool cold)
{
	harness_open(h, true);
	pthread_t thread;
	if (!cold) {
		prepare(h);
		return;
	}
	pthread_create(&thread, NULL, prepare_elsewhere, h);
	pthread_join(thread, NULL);
}

struct asked {
	struct peer *peer;
	struct buffer frame, out;
	enum frame_result result;
};

// Answers whether an allocation failed.
static bool ask(struct asked *a, struct peer *p, const char *line, int64_t fails)
{
	*a = (struct asked){.peer = p};
	p->may_close = true;
	embed_encode(line, &a->frame);
	fail_at(fails);
	a->result = peer_send_bytes(p, buffer_span(&a->frame), &a->out);
	return all_succeed_again();
}

static void asked_free(struct asked *a)
{
	buffer_free(&a->frame);
	buffer_free(&a->out);
}

// All answers of a frame that waits for nothing, as text; NULL: the session was closed.
static char *answer_of(struct asked *a)
{
	char *text = NULL;
	assert_false(a->out.failed);
	if (a->result == FRAME_LATE && a->out.len == 0)
		assert_true(peer_wait(a->peer, 10000));
	if (!atomic_load(&a->peer->closed) && a->out.len > 0)
		text = embed_decode(buffer_span(&a->out));
	else if (!atomic_load(&a->peer->closed))
		text = peer_late(a->peer);
	else
		assert_false(peer_has_late(a->peer)); // half an answer is none
	return text;
}

struct one {
	const char *line;
	bool duplex, held; // held: the flush comes after the frame
};

// One request alone: an error and the state as before, or the answer that it has with memory.
static bool run_alone(const struct one *one, bool cold, int64_t fails, char **good)
{
	struct harness h;
	world_of(&h, cold);
	struct digest before = store_digest(h.store, NULL);
	struct peer *p = peer_open(&h, one->duplex);
	struct asked a;
	if (one->held)
		test_sink_hold(h.sink);
	bool failed = ask(&a, p, one->line, fails);
	if (one->held)
		test_sink_flow(h.sink);
	char *text = answer_of(&a);
	struct digest after = store_digest(h.store, NULL);
	if (text != NULL && strstr(text, "ENOMEM") != NULL)
		assert_memory_equal(&before, &after, sizeof(before));
	else if (*good == NULL)
		*good = strdup(text);
	else if (text != NULL) // an error may lack its text
		assert_memory_equal(text, *good, strcspn(*good, ":"));
	free(text);
	asked_free(&a);
	peer_close(p);
	harness_close(&h);
	return failed;
}

static void sweep(const struct one *one)
{
	for (int cold = 0; cold < 2; cold++) {
		char *good = NULL;
		run_alone(one, cold, INT64_MAX, &good);
		assert_non_null(good);
		int64_t fails = 1;
		while (run_alone(one, cold, fails, &good))
			fails++;
		assert_true(!cold || fails > 1);
		free(good);
	}
}

static void a_request_does_all_or_nothing(void **state)
{
	(void)state;
	static const struct one ones[] = {
	    {"t.set a one", true, false},
	    {"t.set kept two", false, false},
	    {"t.set t(1.5,b\"x\") one", true, false},
	    {"t.set a one", true, true},
	    {"t.set a one", false, true},
	    {"t.push new x", true, false},
	    {"t.pop empty full", true, false},
	    {"t.take empty full", true, true},
	    {"t.move from", true, false},
	    {"t.emit a b c", true, true},
	    {"t.revisions kept 40", true, false},
	    {"t.big a 3000", true, false},
	    {"t.pop a b c d e f g h i j k l m n o p q r s t u v w x y z", true, false},
	    {"xyzzy a", false, false},
	    {"t.set a", true, false},
	    {"t.fail kept -4", true, false},
	    {"tx.exec [[t.set, [a, one]], [t.push, [full, x]], [t.move, [from]], [t.pop, [b], {wait_ms: 9}]]", true,
		false},
	    {"tx.exec [[t.emit, [a, topic, 1]], [t.pop, [1.5, full]], [t.revisions, [kept, 40]]]", false, true},
	    {"tx.exec [[t.set, [a, one]]] --if=[[kept, 3], [t(1.5,2), null]]", true, false},
	    {"tx.exec [[t.set, [a, one]]] --if=[[kept, 9]]", true, false},
	    {"tx.exec [[t.set, [a, one]], [t.fail, [kept, -4]]]", true, false},
	    {"tx.exec [[t.set, [a, one]], [xyzzy, [a]]]", true, false},
	};
	for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++)
		sweep(&ones[i]);
}

static void sweep_ways(bool (*run)(bool duplex, bool cold, int64_t fails))
{
	for (int way = 0; way < 4; way++)
		for (int64_t fails = 1; run(way & 1, way & 2, fails);)
			fails++;
}

// Of many in a frame, each that answers an error has done nothing, each other one all.
static bool run_many(bool duplex, bool cold, int64_t fails)
{
	struct harness h;
	world_of(&h, cold);
	struct peer *p = peer_open(&h, duplex), *other = peer_open(&h, true);
	struct asked a;
	bool failed = ask(&a, p,
	    "t.set 0.0 x ; t.gte a ; t.set 1.0 x ; t.set 2.0 x ; t.get kept ; t.set 3.0 x ; "
	    "t.set 4.0 x ; t.set 5.0 x",
	    fails);
	char *text = answer_of(&a);
	char *word = text, *next;
	for (int i = 0, key = 0; word != NULL; word = next, i++) {
		next = strstr(word, " ; ");
		if (next != NULL) {
			*next = 0;
			next += 3;
		}
		if (i == 1 || i == 4)
			continue;
		char line[32];
		snprintf(line, sizeof(line), "t.get %d.0", key++);
		EXPECT(other, line, strstr(word, "ENOMEM") != NULL ? "null" : "\"x\"");
		assert_true(next != NULL || i == 7);
	}
	free(text);
	asked_free(&a);
	peer_close(p);
	peer_close(other);
	harness_close(&h);
	return failed;
}

static void each_of_a_frame_does_all_or_nothing(void **state)
{
	(void)state;
	sweep_ways(run_many);
}

// Answers, early and late ones, until there are so many or the session is closed.
static void expect_answers(struct asked *a, unsigned wanted)
{
	unsigned got = objects(buffer_span(&a->out));
	while (got < wanted && peer_wait(a->peer, 10000) && !atomic_load(&a->peer->closed)) {
		char *text = peer_late(a->peer);
		got++;
		for (const char *at = text; (at = strstr(at, " ; ")) != NULL; at++)
			got++;
		free(text);
	}
	assert_true(atomic_load(&a->peer->closed) || got == wanted);
}

static bool run_waiting(bool duplex, bool cold, int64_t fails)
{
	struct harness h;
	world_of(&h, cold);
	struct peer *p = peer_open(&h, duplex), *other = peer_open(&h, true);
	struct asked a;
	bool failed = ask(&a, p, "t.get kept ; t.pop q 1.5 --wait-ms=30 ; t.pop z --wait-ms=60000 ; t.get a", fails);
	free(peer_send(other, "t.push z x"));
	expect_answers(&a, 4);
	asked_free(&a);
	peer_close(p);
	peer_close(other);
	harness_close(&h);
	assert_int_equal(h.ended, 3);
	return failed;
}

static void a_wait_is_answered_or_refused(void **state)
{
	(void)state;
	sweep_ways(run_waiting);
}

static unsigned parked_now(struct harness *h)
{
	struct router_stats stats;
	router_read_stats(h->router, &stats);
	return (unsigned)stats.parked;
}

// Two wait; what they are woken with lacks memory somewhere: while a message is there, nobody sleeps beside it.
static bool run_woken(bool duplex, bool cold, int64_t fails)
{
	struct harness h;
	world_of(&h, cold);
	struct peer *first = peer_open(&h, duplex), *second = peer_open(&h, duplex), *pusher = peer_open(&h, true);
	struct asked one, two, push;
	ask(&one, first, "t.pop q 1.5 --wait-ms=60000", INT64_MAX);
	ask(&two, second, "t.pop q 1.5 --wait-ms=60000", INT64_MAX);
	bool failed = ask(&push, pusher, "t.push q x", fails);
	bool pushed = objects(buffer_span(&push.out)) == 1;
	char *text = pushed ? embed_decode(buffer_span(&push.out)) : strdup("");
	assert_true(pushed || atomic_load(&pusher->closed));
	if (strcmp(text, "1") == 0) {
		struct peer *other = peer_open(&h, true);
		char *left = peer_send(other, "t.pop q");
		assert_true(parked_now(&h) == 0 || strcmp(left, "null") == 0 || left[0] == 0);
		assert_true(peer_wait(first, 10000));
		assert_true(parked_now(&h) == 1 || peer_wait(second, 10000));
		free(left);
		peer_close(other);
	}
	free(text);
	asked_free(&one);
	asked_free(&two);
	asked_free(&push);
	peer_close(first);
	peer_close(second);
	peer_close(pusher);
	harness_close(&h);
	return failed;
}

static void a_woken_one_fails_and_the_next_is_served(void **state)
{
	(void)state;
	sweep_ways(run_woken);
}

static int before_all(void **state)
{
	(void)state;
	mem_may_alloc = may_alloc; // once, while there is one thread
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_does_all_or_nothing),
	    cmocka_unit_test(each_of_a_frame_does_all_or_nothing),
	    cmocka_unit_test(a_wait_is_answered_or_refused),
	    cmocka_unit_test(a_woken_one_fails_and_the_next_is_served),
	};
	return cmocka_run_group_tests(tests, before_all, NULL);
}
