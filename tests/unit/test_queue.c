// queue as a client sees it: push, pop, and what becomes of a message.

#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void first_in_first_out(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push jobs one two three", "[1, 2, 3]");
	expect(b, "queue.push jobs 4", "[4]");
	expect_stars(b, "queue.pop jobs",
	    "[{\"queue\": \"jobs\", \"token\": [1, 1], \"attempt\": 1, \"value\": \"one\", \"headers\": null, "
	    "\"age_ms\": *}]");
	expect_stars(b, "queue.pop jobs --max=2", "[{*\"value\": \"two\"*}, {*\"value\": \"three\"*}]");
	expect_stars(b, "queue.pop jobs --max=100", "[{*\"token\": [4, 1]*\"value\": 4*}]");
	expect(b, "queue.pop jobs", "[]");
	expect(b, "queue.ack jobs [1, 1] [2, 1] [3, 1]", "3");
	expect(b, "queue.ack jobs t(4, 1)", "1");
	expect_stars(
	    b, "queue.stats jobs", "{\"ready\": 0, \"delayed\": 0, \"reserved\": 0, \"bytes\": 0, \"pushed\": 4, *");
	embed_close(b);
}

static void any_value_comes_back_as_it_was(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	const char *const values[] = {"true", "null", "1", "-7", "\"text\"", "b\"a\\x00b\"", "2.5", "time(1, 5)",
	    "[1, [2, {\"a\": 3}]]", "t(1, \"x\")"};
	for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		free(embed_callf(b, "queue.push q %s", values[i]));
		char *answer = embed_call(b, "queue.pop q --ack=false");
		char want[100];
		snprintf(want, sizeof want, "\"value\": %s, \"headers\"", values[i]);
		if (!strstr(answer, want))
			fail_msg("%s is not in %s", want, answer);
		assert_non_null(strstr(answer, "\"token\": null"));
		free(answer);
	}
	embed_close(b);
}

static void the_most_urgent_comes_first(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b,
	    "queue.push q a ; queue.push q b --priority=9 ; queue.push q c --priority=0 ; queue.push q d --priority=9",
	    "[1] ; [2] ; [3] ; [4]");
	expect_stars(b, "queue.pop q --max=9", "[{*\"b\"*}, {*\"d\"*}, {*\"a\"*}, {*\"c\"*}]");
	expect(b, "queue.push q a --priority=10", "EARG: priority must be from 0 to 9");
	expect(b, "queue.push q a --priority=-1", "EARG: priority must be from 0 to 9");
	embed_close(b);
}

static void headers_are_told(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push q a --headers={\"trace\": 5} ; queue.push q b --headers=null", "[1] ; [2]");
	expect_stars(b, "queue.pop q --max=2", "[{*\"headers\": {\"trace\": 5}*}, {*\"headers\": null*}]");
	expect_stars(b, "queue.push q a --headers=3", "EARG: *headers*");
	embed_close(b);
}

static void a_nack_brings_it_back_to_the_head(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push q a b", "[1, 2]");
	expect_stars(b, "queue.pop q", "[{*\"token\": [1, 1], \"attempt\": 1*}]");
	expect(b, "queue.nack q [1, 1]", "true");
	expect_stars(b, "queue.nack q [1, 1]", "ESTALE: *");
	expect_stars(b, "queue.pop q", "[{*\"token\": [1, 2], \"attempt\": 2, \"value\": \"a\"*}]");
	expect(b, "queue.nack q [1, 2] --count=false", "true");
	expect_stars(b, "queue.pop q", "[{*\"token\": [1, 3], \"attempt\": 2, \"value\": \"a\"*}]");
	expect_stars(b, "queue.ack q [1, 2]", "ESTALE: *");
	expect(b, "queue.ack q [1, 2] [1, 3]", "1");
	embed_close(b);
}

static void a_nack_with_delay_waits(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push q a", "[1]");
	expect_stars(b, "queue.pop q", "[*]");
	expect(b, "queue.nack q [1, 1] --delay_ms=30 ; queue.pop q", "true ; []");
	embed_await_stars(b, "queue.pop q", "[{*\"token\": [1, 2]*}]");
	embed_close(b);
}

static void delayed_ones_come_when_they_are_due(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push q late --delay_ms=60 ; queue.push q soon --delay_ms=20 ; queue.pop q", "[1] ; [2] ; []");
	expect_stars(b, "queue.peek q --state=delayed --max=9", "[{*\"soon\"*}, {*\"late\"*}]");
	expect_stars(b, "queue.pop q --wait_ms=5000", "[{*\"soon\"*}]");
	expect_stars(b, "queue.pop q --wait_ms=5000", "[{*\"late\"*}]");
	embed_close(b);
}

static void a_reservation_ends_with_its_time(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push q a", "[1]");
	expect_stars(b, "queue.pop q --visible_ms=20", "[{*\"token\": [1, 1]*}]");
	expect_stars(b, "queue.pop q --wait_ms=5000", "[{*\"token\": [1, 2]*\"attempt\": 2*}]");
	expect_stars(b, "queue.ack q [1, 1]", "ESTALE: *");
	expect_stars(b, "queue.touch q [1, 1]", "ESTALE: *");
	expect_stars(b, "queue.term q [1, 1]", "ESTALE: *");
	expect(b, "queue.ack q [1, 2]", "1");
	expect_stars(b, "queue.stats q", "*\"timeouts\": 1,*");
	embed_close(b);
}

static void a_touch_keeps_it(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("queue", (const char *const[]){"queue.max_reserve=150ms", NULL});
	expect(b, "queue.push q a", "[1]");
	expect_stars(b, "queue.pop q --visible_ms=40", "[*]");
	for (int i = 0; i < 3; i++)
		expect_stars(b, "queue.touch q [1, 1] --visible_ms=100", "17*");
	expect_stars(b, "queue.touch q [1, 1] --visible_ms=100000", "17*");
	embed_await_stars(b, "queue.touch q [1, 1]", "ESTALE: *"); // in all no longer than max_reserve
	expect_stars(b, "queue.pop q --wait_ms=5000", "[{*\"token\": [1, 2]*}]");
	embed_close(b);
}

static void the_last_attempt_makes_it_dead(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.create q --max_attempts=2", "true");
	expect(b, "queue.push q a --headers={\"trace\": 5}", "[1]");
	expect_stars(b, "queue.pop q ; queue.nack q [1, 1] ; queue.pop q", "[*] ; true ; [*]");
	expect(b, "queue.nack q [1, 2] --reason=\"no such file\"", "true");
	expect(b, "queue.pop q", "[]");
	expect_stars(b, "queue.stats q", "*\"dead\": 1,*\"nacked\": 2,*\"died\": 1,*");
	expect_stars(b, "queue.pop q.dlq",
	    "[{\"queue\": \"q.dlq\", \"token\": [1, 1], \"attempt\": 1, \"value\": \"a\", \"headers\": {\"trace\": 5, "
	    "\"x-death-queue\": \"q\", \"x-death-reason\": \"attempts\", \"x-attempts\": 2, \"x-first\": 17*, "
	    "\"x-last\": 17*, \"x-error\": \"no such file\"}, \"age_ms\": *}]");
	for (int i = 1; i < 20; i++) // it dies once
		free(embed_callf(b, "queue.nack q.dlq [1, %d] ; queue.pop q.dlq", i));
	expect_stars(b, "queue.stats q.dlq", "*\"reserved\": 1,*\"dead\": 0,*");
	embed_close(b);
}

static void term_makes_it_dead_at_once(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push q a", "[1]");
	expect_stars(b, "queue.pop q ; queue.term q [1, 1] --reason=bad", "[*] ; true");
	expect_stars(b, "queue.peek q --state=dead",
	    "[{*\"x-death-reason\": \"rejected\", \"x-attempts\": 1*\"x-error\": \"bad\"*}]");
	embed_close(b);
}

static void time_to_live_ends_in_the_dead_letter_queue(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.push q a --ttl_ms=20 ; queue.push q b --ttl_ms=20 --delay_ms=60000", "[1] ; [2]");
	expect_stars(b, "queue.pop q.dlq --max=2 --wait_ms=5000", "[{*\"x-death-reason\": \"expired\"*}*]");
	embed_await_stars(b, "queue.stats q", "*\"dead\": 2,*\"expired\": 2,*");
	expect(b, "queue.pop q", "[]");
	expect(b, "queue.push q c --ttl_ms=30", "[3]"); // reserved when its time comes: it may be done
	expect_stars(b, "queue.pop q", "[{*\"token\": [3, 1]*}]");
	expect(b, "queue.push later x --delay_ms=40", "[1]");
	expect_stars(b, "queue.pop later --wait_ms=5000", "[*]");
	expect(b, "queue.ack q [3, 1]", "1");
	expect(b, "queue.push q d --ttl_ms=30", "[4]"); // or not, and then it is too late
	expect_stars(b, "queue.pop q", "[{*\"token\": [4, 1]*}]");
	expect(b, "queue.push later x --delay_ms=40", "[2]");
	expect_stars(b, "queue.pop later --wait_ms=5000", "[*]");
	expect(b, "queue.nack q [4, 1]", "true");
	expect_stars(b, "queue.stats q", "*\"dead\": 3,*\"expired\": 3,*");
	embed_close(b);
}

static void waiting_pops_are_served_in_the_order_they_came(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	struct embed_pending *waiting[5];
	for (unsigned i = 0; i < 5; i++) {
		waiting[i] = embed_begin(b, "queue.pop q --wait_ms=20000");
		embed_wait_parked(b, i + 1);
	}
	expect(b, "queue.push q 0 1 2 ; queue.push q 3 ; queue.push q 4", "[1, 2, 3] ; [4] ; [5]");
	for (unsigned i = 0; i < 5; i++) {
		char want[40];
		snprintf(want, sizeof want, "[{*\"token\": [%u, 1]*}]", i + 1);
		expect_end_stars(waiting[i], want);
	}
	embed_close(b);
}

static void one_waits_on_many_queues(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	struct embed_pending *w = embed_begin(b, "queue.pop a b c --wait_ms=20000 --max=9");
	embed_wait_parked(b, 1);
	expect(b, "queue.push c 1", "[1]");
	expect_end_stars(w, "[{\"queue\": \"c\"*}]");
	expect(b, "queue.push c 1 ; queue.push a 2 3", "[2] ; [1, 2]");
	expect_stars(b, "queue.pop b c a a --max=9", "[{\"queue\": \"c\"*}, {\"queue\": \"a\"*}, {\"queue\": \"a\"*}]");
	embed_close(b);
}

static void a_wait_ends_empty(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "queue.pop q --wait_ms=20", "[]");
	expect_stars(b, "queue.stats q", "ENOKEY: *"); // nobody pushed: there is none
	embed_close(b);
}

static void what_an_ended_session_held_returns(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue");
	expect(b, "ns.create side ; queue.push q a b ; queue.push q c --ns=side ; queue.push h d",
	    "true ; [1, 2] ; [1] ; [1]");
	struct embed_session *s = embed_session_open(b);
	free(embed_session_call(s, "queue.pop q --max=2"));
	free(embed_session_call(s, "queue.pop q --ns=side"));
	free(embed_session_call(s, "queue.pop h --hold"));
	expect(b, "queue.pop q ; queue.pop q --ns=side", "[] ; []");
	struct embed_pending *w = embed_begin(b, "queue.pop q --wait_ms=20000 --hold");
	embed_wait_parked(b, 1);
	embed_session_close(s);
	expect_end_stars(w, "[{*\"token\": [1, 2], \"attempt\": 2*}]");
	embed_await_stars(b, "queue.pop q --ns=side", "[{*\"attempt\": 2*}]");
	embed_await_stars(b, "queue.pop q", "[{*\"token\": [2, 2]*}]");
	expect_stars(b, "queue.stats h", "*\"reserved\": 1,*");
	expect_stars(b, "queue.stats q", "*\"returned\": 2,*");
	embed_close(b);
}

// The acknowledgement, the result and the next job in one commit.
static void a_transaction_is_all_or_nothing(void **state)
{
	(void)state;
	struct embed *b = embed_open("queue,kv");
	expect(b, "queue.push q a ; kv.set text word", "[1] ; 2");
	expect_stars(b, "queue.pop q", "[*]");
	expect_stars(
	    b, "tx.exec [[\"queue.ack\", [q, [1, 1]]], [\"queue.push\", [next, b]], [\"kv.incr\", [text]]]", "EARG: *");
	expect_stars(b, "queue.stats q ; queue.pop next", "{*\"reserved\": 1,*} ; []");
	expect_stars(b,
	    "tx.exec [[\"queue.ack\", [q, [1, 1]]], [\"queue.push\", [next, b]], [\"kv.set\", [done, 1]], "
	    "[\"queue.pop\", [q], {wait_ms: 5000}], [\"queue.pop\", [next]]]",
	    "[1, [1], *, [], [{\"queue\": \"next\"*}]]");
	expect_stars(b, "queue.stats q ; queue.ack next [1, 1]", "{*\"reserved\": 0,*} ; 1");
	struct embed_pending *w = embed_begin(b, "queue.pop q --wait_ms=20000");
	embed_wait_parked(b, 1);
	expect(b, "tx.exec [[\"queue.push\", [q, woken]]]", "[[2]]");
	expect_end_stars(w, "[{*\"woken\"*}]");
	expect(b, "queue.create d --max_attempts=1 ; queue.push d x", "true ; [1]");
	expect_stars(b, "queue.pop d", "[*]"); // its grave is found while the transaction runs
	expect_stars(b, "tx.exec [[\"queue.nack\", [d, [1, 1]]], [\"queue.pop\", [\"d.dlq\"]]]", "[true, [{*\"x\"*}]]");
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first_in_first_out),
	    cmocka_unit_test(any_value_comes_back_as_it_was),
	    cmocka_unit_test(the_most_urgent_comes_first),
	    cmocka_unit_test(headers_are_told),
	    cmocka_unit_test(a_nack_brings_it_back_to_the_head),
	    cmocka_unit_test(a_nack_with_delay_waits),
	    cmocka_unit_test(delayed_ones_come_when_they_are_due),
	    cmocka_unit_test(a_reservation_ends_with_its_time),
	    cmocka_unit_test(a_touch_keeps_it),
	    cmocka_unit_test(the_last_attempt_makes_it_dead),
	    cmocka_unit_test(term_makes_it_dead_at_once),
	    cmocka_unit_test(time_to_live_ends_in_the_dead_letter_queue),
	    cmocka_unit_test(waiting_pops_are_served_in_the_order_they_came),
	    cmocka_unit_test(one_waits_on_many_queues),
	    cmocka_unit_test(a_wait_ends_empty),
	    cmocka_unit_test(what_an_ended_session_held_returns),
	    cmocka_unit_test(a_transaction_is_all_or_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
