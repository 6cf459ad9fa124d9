// What transactions are for: a job's acknowledgement, its result, the next job and the event of it in one commit, all or
// nothing, whatever of it fails.

#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>

static struct embed *b;

// A job that is reserved, a worker that waits for the next one, and nothing heard yet.
static struct embed_pending *begin(void)
{
	b = embed_open("kv,queue,pubsub,hearer");
	expect(b, "pubsub.subscribe jobs.done", "1");
	expect(b, "queue.push jobs resize", "[1]");
	expect_like(b, "queue.pop jobs", "[[]{*\"token\": [[]1, 1]*\"resize\"*}]");
	struct embed_pending *next = embed_begin(b, "queue.pop uploads --wait_ms=60000");
	embed_wait_parked(b, 1);
	return next;
}

#define WORK                                                                                                \
	"[queue.ack, [jobs, [1, 1]]], [kv.set, [result, done]], [queue.push, [uploads, [result, small]]], " \
	"[hearer.emit, [news.resized, 7]], [pubsub.publish, [jobs.done, 7]]"

static void a_job_is_done_in_one_commit(void **state)
{
	(void)state;
	struct embed_pending *next = begin();
	uint64_t lsn = embed_number(b, "kv.set before 1");
	char *answer = embed_call(b, "tx.exec [" WORK "] --if=[[result, null]]"), want[64];
	snprintf(want, sizeof(want), "[1, %llu, [1], true, 1]", (unsigned long long)lsn + 1);
	embed_expect_text(answer, want, 0, __FILE__, __LINE__);
	expect_end_like(next, "[[]{*\"value\": [[]\"result\", \"small\"]*}]");
	expect(b, "kv.get result", "\"done\"");
	expect_like(b, "queue.ack jobs [1, 1]", "ESTALE: *");
	embed_await_like(b, "hearer.tell", "[[]1, \"news.resized\", *");
	expect(b, "session.fetch", "[[\"messages\", [1, 1, 0, [[\"jobs.done\", 7, null]]]]]");
	embed_close(b);
}

static void nothing_of_it_happens_if_a_part_fails(void **state)
{
	(void)state;
	static const char *const failing[] = {
	    "tx.exec [[kv.incr, [jobs]], " WORK "]",
	    "tx.exec [" WORK ", [kv.incr, [jobs]]]",
	    "tx.exec [" WORK ", [queue.ack, [jobs, [1, 2]]]]", // a token of another attempt
	    "tx.exec [" WORK ", [queue.ack, [jobs, [1, 1]]]]", // done already, a moment ago
	    "tx.exec [" WORK "] --if=[[result, 1]]",
	};
	struct embed_pending *next = begin();
	for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
		expect_like(b, failing[i], "E*");
		expect(b, "kv.get result ; hearer.tell ; session.fetch", "null ; [0, \"\", 0, 0] ; []");
		embed_wait_parked(b, 1);
		expect_like(b, "queue.peek uploads", "[[]]");
	}
	expect_like(b, "queue.touch jobs [1, 1]", "1*"); // it is still this worker's
	expect(b, "queue.push uploads up", "[1]");
	expect_end_like(next, "[[]{*\"value\": \"up\"*}]");
	embed_close(b);
}

static void a_worker_of_yesterday_changes_nothing(void **state)
{
	(void)state;
	struct embed_pending *next = begin();
	expect(b, "queue.nack jobs [1, 1]", "true");
	expect_like(b, "queue.pop jobs", "[[]{*\"token\": [[]1, 2]*}]"); // another has it now
	expect_like(b, "tx.exec [" WORK "]", "ESTALE: at index 0, queue.ack: *");
	expect(b, "kv.get result", "null");
	expect(b, "queue.ack jobs [1, 2]", "1");
	expect(b, "queue.push uploads up", "[1]");
	expect_end_like(next, "*");
	embed_close(b);
}

static void a_pop_takes_what_is_there_and_waits_for_nothing(void **state)
{
	(void)state;
	b = embed_open("kv,queue");
	expect(b, "tx.exec [[queue.pop, [jobs], {wait_ms: 60000}], [kv.incr, [idle]]]", "[[], 1]");
	expect(b, "queue.push jobs a b", "[1, 2]");
	expect_like(b, "tx.exec [[queue.pop, [jobs], {ack: false}], [queue.pop, [jobs]], [queue.pop, [jobs]]]",
	    "[[][[]{*\"a\"*}], [[]{*\"b\"*}], [[]]]");
	expect_like(
	    b, "tx.exec [[queue.push, [jobs, c]], [queue.pop, [jobs], {ack: false}]]", "[[][[]3], [[]{*\"c\"*}]]");
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_job_is_done_in_one_commit),
	    cmocka_unit_test(nothing_of_it_happens_if_a_part_fails),
	    cmocka_unit_test(a_worker_of_yesterday_changes_nothing),
	    cmocka_unit_test(a_pop_takes_what_is_there_and_waits_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
