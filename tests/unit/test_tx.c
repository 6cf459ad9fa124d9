// tx.exec: many commands in the place of one: what it answers, what it refuses, what it undoes, whom it wakes.

#include "embed.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/cursor.h"

static struct harness h;
static struct peer *p;

static int opened(void **state)
{
	(void)state;
	harness_open(&h, true);
	p = peer_open(&h, true);
	return 0;
}

// harness_close() replays all units into an empty store and compares.
static int closed(void **state)
{
	(void)state;
	peer_close(p);
	harness_close(&h);
	return 0;
}

// --- what it answers ------------------------------------------------------------------------------------------------

static void each_answers_in_its_place(void **state)
{
	(void)state;
	EXPECT(p, "tx.exec []", "[]");
	EXPECT(p, "tx.exec [[t.push, [q, x]], [t.push, [q, y]], [t.pop, [q]], [t.get, [a]]]", "[1, 2, \"x\", null]");
	EXPECT(p, "t.pop q ; t.pop q", "\"y\" ; null");
}

static void later_ones_see_what_earlier_ones_did(void **state)
{
	(void)state;
	EXPECT(p, "t.set a old", "3");
	EXPECT(p, "tx.exec [[t.set, [a, new]], [t.get, [a]], [t.pop, [q]], [t.push, [q, x]], [t.pop, [q]]]",
	    "[4, \"new\", null, 1, \"x\"]");
}

// All of it gets one revision, wherever that stands.
static void all_is_one_unit(void **state)
{
	(void)state;
	uint64_t units = test_sink_units(h.sink);
	EXPECT(p, "tx.exec [[t.set, [a, x]], [t.set, [b, x]], [t.revisions, [c, 3]], [t.set, [a, y]]]",
	    "[3, 3, [3, 3, 3], 3]");
	assert_int_equal(test_sink_units(h.sink), units + 1);
	EXPECT(p, "tx.exec [[t.get, [a]], [t.get, [b]]]", "[\"y\", \"x\"]");
	assert_int_equal(test_sink_units(h.sink), units + 1);
}

static void others_of_its_frame_stay_what_they_were(void **state)
{
	(void)state;
	EXPECT(p, "t.set [1] x ; tx.exec [[t.set, [300.5, x]]] ; t.set t(1,2) x ; t.gte ; t.get t(1,2) ; t.get 300.5",
	    "EARG: argument \"key\" must be int or float or str or bin or tuple, not array ; [3] ; 4 ; "
	    "ENOCMD: unknown command \"t.gte\"; did you mean t.get? ; \"x\" ; \"x\"");
}

static void each_may_name_its_namespace(void **state)
{
	(void)state;
	EXPECT(p, "t.found one ; t.found two", "null ; null");
	EXPECT(p,
	    "tx.exec [[t.set, [a, in-one]], [t.set, [a, in-two], {ns: two}], [t.set, [a, in-default], {ns: default}]] "
	    "--ns=one",
	    "[5, 5, 5]");
	EXPECT(p, "t.get a ; t.get a --ns=one ; t.get a --ns=two", "\"in-default\" ; \"in-one\" ; \"in-two\"");
	EXPECT(p, "t.use two", "null");
	EXPECT(p, "tx.exec [[t.get, [a]]] --if=[[a, 5]]", "[\"in-two\"]");
}

static void a_notification_is_run_and_not_answered(void **state)
{
	(void)state;
	static const uint8_t notify[] = "\x93\x02\xa7tx.exec\x91\x91\x92\xa5t.set\x92\xa1"
					"a\xa1x";
	struct buffer out = {0};
	assert_int_equal(peer_send_bytes(p, span_of(notify, sizeof(notify) - 1), &out), FRAME_ANSWERED);
	assert_int_equal(out.len, 0);
	buffer_free(&out);
	EXPECT(p, "t.get a", "\"x\"");
}

// --- what fails -----------------------------------------------------------------------------------------------------

// The index that the error of the answer has in its details; -1: none.
static int64_t index_of(const char *line)
{
	struct buffer frame = {0}, out = {0};
	embed_encode(line, &frame);
	peer_send_bytes(p, buffer_span(&frame), &out);
	struct cursor at = cursor_of(buffer_span(&out));
	wherry_value answer, v = {0};
	cursor_next(&at, &answer);
	at = cursor_of(answer.as.bytes);
	cursor_skip_many(&at, 2);
	cursor_next(&at, &v);
	at = cursor_of(v.as.bytes);
	cursor_skip_many(&at, 3);
	cursor_next(&at, &v);
	at = cursor_of(v.as.bytes);
	int64_t index = -1;
	while (v.kind == WHERRY_MAP && cursor_next(&at, &answer) && cursor_next(&at, &v))
		if (span_equal(answer.as.bytes, span_text("index")))
			index = v.as.i;
	buffer_free(&frame);
	buffer_free(&out);
	return index;
}

static void refused(const char *commands, int index, const char *answer)
{
	char line[512];
	uint64_t units = test_sink_units(h.sink);
	snprintf(line, sizeof(line), "tx.exec [[t.set, [a, x]], %s]", commands);
	EXPECT(p, line, answer);
	assert_int_equal(index_of(line), index);
	snprintf(line, sizeof(line), "tx.exec [[t.set, [a, x]], %s] --on-error=continue", commands);
	EXPECT(p, line, answer);
	assert_int_equal(test_sink_units(h.sink), units);
}

static void what_can_be_seen_is_refused_before_anything_runs(void **state)
{
	(void)state;
	refused("[t.ste, [a, x]]", 1, "ENOCMD: at index 1: unknown command \"t.ste\"; did you mean t.set?");
	refused("[t.set, [a]]", 1,
	    "EARG: at index 1, t.set: t.set takes at least 2 arguments, not 1; see sys.commands t.set");
	refused("[t.set, [a, 3]]", 1, "EARG: at index 1, t.set: argument \"text\" must be str, not int");
	refused("[t.get, [a]], [t.get, [a], {nx: 1}]", 2,
	    "EARG: at index 2, t.get: t.get has no option \"nx\"; see sys.commands t.get");
	refused("[t.get, [a], {ns: nowhere}]", 1,
	    "ENOKEY: at index 1, t.get: there is no namespace \"nowhere\"; see ns.list");
	refused("[t.get, [null]]", 1,
	    "EARG: at index 1, t.get: argument \"key\" must be int or float or str or bin or tuple, not nil");
	refused("[t.wander, []]", 1, "EUNSUPPORTED: at index 1, t.wander: not in a transaction: it scans");
	refused("[tx.exec, [[]]]", 1, "EUNSUPPORTED: at index 1, tx.exec: not in a transaction: it runs alone");
	static const char *const shapes[] = {"3", "null", "{}", "[]", "[t.get]", "[t.get, [a], {}, 4]", "[3, [a]]",
	    "[t.get, a]", "[t.get, {}]", "[b\"t.get\", [a]]"};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		char line[128];
		snprintf(line, sizeof(line), "tx.exec [[t.set, [a, x]], %s, 4]", shapes[i]);
		assert_int_equal(index_of(line), 1);
	}
	EXPECT(p, "t.get a", "null");
}

static void it_is_itself_a_command(void **state)
{
	(void)state;
	EXPECT(p, "tx.exec 3", "EARG: argument \"commands\" must be array, not int");
	EXPECT(p, "tx.exec [] --on-error=perhaps", "EARG: option \"on_error\" must be \"abort\" or \"continue\"");
	EXPECT(p, "tx.exec [] --ns=nowhere", "ENOKEY: there is no namespace \"nowhere\"; see ns.list");
	h.limits.tx_commands = 2;
	EXPECT(p, "tx.exec [[t.get, [a]], [t.get, [a]]]", "[null, null]");
	EXPECT(p, "tx.exec [[t.get, [a]], [t.get, [a]], 3]",
	    "ELIMIT: a transaction has at most 2 commands (max_tx_commands), not 3");
}

static void the_first_error_undoes_all(void **state)
{
	(void)state;
	struct peer *waiter = peer_open(&h, true);
	EXPECT(waiter, "t.pop q --wait-ms=60000", "");
	EXPECT(p, "t.set a old ; t.stash s x", "3 ; 1");
	EXPECT(p,
	    "tx.exec [[t.set, [a, new]], [t.pop, [s]], [t.push, [q, x]], [t.emit, [e, topic, 1]], [t.fail, [a, -2]]]",
	    "ETYPE: at index 4, t.fail: the key holds another type");
	EXPECT(p, "t.get a ; t.get e ; t.pop s", "\"old\" ; null ; \"x\"");
	assert_int_equal(h.published, 0);
	assert_false(peer_has_late(waiter));
	EXPECT(p, "t.push q y", "1");
	EXPECT_LATE(waiter, "\"y\"");
	peer_close(waiter);
}

static void an_error_may_undo_itself_alone(void **state)
{
	(void)state;
	EXPECT(p,
	    "tx.exec [[t.set, [a, x]], [t.fail, [a, -2]], [t.fail, [b, -7]], [t.emit, [e, topic, 1]], [t.get, [a]], "
	    "[t.get, [b]]] --on-error=continue",
	    "[[null, 3], [[-2, \"ETYPE\", \"the key holds another type\", null], null], "
	    "[[-7, \"EAGAIN\", \"not now; try again\", {\"retry_ms\": 0}], null], [null, null], [null, \"x\"], "
	    "[null, null]]");
	assert_int_equal(h.published, 1);
	EXPECT(p, "tx.exec [[t.fail, [b, -2]], [t.fail, [b, -3]]] --on-error=continue",
	    "[[[-2, \"ETYPE\", \"the key holds another type\", null], null], [[-3, \"ENOKEY\", \"no such key\", null], "
	    "null]]");
	assert_int_equal(h.published, 1);
	EXPECT(p, "t.get a ; t.get b", "\"x\" ; null");
}

static void faults_of_modules_are_named(void **state)
{
	(void)state;
	EXPECT(p, "tx.exec [[t.silent, [a]]]", "EINTERNAL: at index 0, t.silent: the module wrote no answer");
	EXPECT(
	    p, "tx.exec [[t.fail, [a, -99]]]", "EINTERNAL: at index 0, t.fail: the module answered an unknown status");
	EXPECT(p, "tx.exec [[t.fail, [a, 9]]]", "EINTERNAL: at index 0, t.fail: the module answered an unknown status");
	EXPECT(
	    p, "tx.exec [[t.feign, [a]]]", "EINTERNAL: at index 0, t.feign: the module answered PARKED without park()");
	EXPECT(p, "t.get a", "null");
}

static void what_the_log_does_not_take_is_undone(void **state)
{
	(void)state;
	test_sink_refuse(h.sink, WHERRY_EFULL);
	EXPECT(p, "tx.exec [[t.set, [a, x]], [t.emit, [b, topic, 1]]]", "EFULL: a bounded queue is full");
	test_sink_refuse(h.sink, WHERRY_OK);
	EXPECT(p, "t.get a ; t.get b", "null ; null");
	assert_int_equal(h.published, 0);
}

static void answers_have_a_limit(void **state)
{
	(void)state;
	h.limits.answer_bytes = 1000;
	EXPECT(p, "tx.exec [[t.big, [a, 400]], [t.big, [b, 400]], [t.big, [c, 400]], [t.big, [d, 400]]]",
	    "ELIMIT: at index 2, t.big: the answers of the transaction are larger than max_answer: ask for less at a "
	    "time");
	EXPECT(p, "t.get a ; t.get c", "null ; null");
}

static void at_the_memory_limit_nothing_grows(void **state)
{
	(void)state;
	char line[5000];
	snprintf(line, sizeof(line), "t.set a x%04000d ; t.stash q x", 1);
	EXPECT(p, line, "3 ; 1");
	store_set_memory_limit(h.store, 1);
	EXPECT(p, "tx.exec [[t.pop, [q]], [t.set, [a, y]]]",
	    "ELIMIT: at index 1, t.set: the memory limit is reached: delete keys, or raise max_memory");
	EXPECT(p, "tx.exec [[t.pop, [q]], [t.get, [b]]]", "[\"x\", null]");
	store_set_memory_limit(h.store, 0);
}

// --- conditions -----------------------------------------------------------------------------------------------------

static void keys_must_be_at_their_revisions(void **state)
{
	(void)state;
	EXPECT(p, "t.set a x ; t.set 7 x", "3 ; 4");
	EXPECT(p, "tx.exec [[t.set, [a, y]]] --if=[[a, 3], [7, 4], [b, null], [c, 0]]", "[5]");
	EXPECT(p, "tx.exec [[t.set, [a, z]]] --if=[[a, 3]]",
	    "ECONFLICT: key \"a\" is at revision 5, not 3: nothing was run");
	EXPECT(p, "tx.exec [[t.set, [a, z]]] --if=[[7, 4], [a, null]]",
	    "ECONFLICT: key \"a\" is there, at revision 5, and should not be: nothing was run");
	EXPECT(p, "tx.exec [[t.set, [a, z]]] --if=[[\"b\\n\", 9]]",
	    "ECONFLICT: key \"b\\n\" is not there, and should be at revision 9: nothing was run");
	EXPECT(p, "tx.exec [] --if=[[7, 4]]", "[]");
	EXPECT(p, "t.get a", "\"y\"");
}

static void conditions_have_a_form(void **state)
{
	(void)state;
	static const char *const forms[] = {
	    "[a]", "[a, 1]", "[[a]]", "[[a, 1, 2]]", "[[a, -1]]", "[[a, x]]", "[[a, 1.0]]"};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char line[64];
		snprintf(line, sizeof(line), "tx.exec [] --if=%s", forms[i]);
		EXPECT(p, line,
		    "EARG: option \"if\" must be an array of [key, revision]; revision nil or 0: it must not be there");
	}
	EXPECT(p, "tx.exec [] --if={}", "EARG: argument \"if\" must be array, not map");
	EXPECT(p, "tx.exec [] --if=[[true, 1]]",
	    "EARG: argument \"if\" must be int or float or str or bin or tuple, not bool");
}

// --- more keys, waits, wakes ----------------------------------------------------------------------------------------

static void a_key_found_on_the_way_starts_it_again(void **state)
{
	(void)state;
	uint64_t units = test_sink_units(h.sink);
	EXPECT(p, "tx.exec [[t.push, [m, a]], [t.push, [m, b]], [t.move, [m]], [t.move, [m]], [t.pop, [b]]]",
	    "[1, 2, \"a\", \"b\", \"b\"]");
	assert_int_equal(test_sink_units(h.sink), units + 1);
	EXPECT(p, "t.pop a ; t.pop b ; t.pop m", "\"a\" ; null ; null");
	EXPECT(p, "tx.exec [[t.restless, [m]]]", "EINTERNAL: the command asked for one more key too often");
	EXPECT(p, "tx.exec [[t.move, [nothing]]]", "ENOKEY: at index 0, t.move: no such key");
}

// More of them than a command may start again: those behind the first say what they need in the same run.
static void many_may_find_keys(void **state)
{
	(void)state;
	enum { MANY = 200 };
	struct router_stats before, after;
	struct buffer line = {0}, want = {0};
	router_read_stats(h.router, &before);
	buffer_append(&line, "tx.exec [", 9);
	buffer_append(&want, "[", 1);
	for (int i = 0; i < MANY; i++) {
		char text[80];
		int len = snprintf(text, sizeof(text), "[t.push, [m%d, to%d]], [t.move, [m%d]],", i, i, i);
		buffer_append(&line, text, (size_t)len);
		len = snprintf(text, sizeof(text), "%s1, \"to%d\"", i > 0 ? ", " : "", i);
		buffer_append(&want, text, (size_t)len);
	}
	buffer_append(&line, "]", 2);
	buffer_append(&want, "]", 2);
	EXPECT(p, (const char *)line.data, (const char *)want.data);
	router_read_stats(h.router, &after);
	assert_true(after.restarts - before.restarts <= 2);
	buffer_free(&line);
	buffer_free(&want);
}

// The slots of a command's arguments are made room for when it runs, also for more than any before it had.
static void one_may_have_very_many_keys(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	struct buffer line = {0};
	buffer_append(&line, "tx.exec [[t.push, [k4999, x]], [t.pop, [", 40);
	for (int i = 0; i < MANY; i++) {
		char key[16];
		buffer_append(&line, key, (size_t)snprintf(key, sizeof(key), "k%d,", i));
	}
	buffer_append(&line, "]]]", 4);
	EXPECT(p, (const char *)line.data, "[1, \"x\"]");
	buffer_free(&line);
}

static void who_would_wait_answers_as_after_its_time(void **state)
{
	(void)state;
	EXPECT(p, "tx.exec [[t.pop, [q], {wait_ms: 60000}], [t.push, [q, x]], [t.pop, [q], {wait_ms: 60000}]]",
	    "[null, 1, \"x\"]");
	EXPECT(p, "tx.exec [[t.sleep, []], [t.sleep, [true]]]", "[3, 3]"); // WHERRY_WHY_TIMEOUT
	EXPECT(p, "t.push q later", "1");                                  // nobody was left waiting
	EXPECT(p, "t.pop q", "\"later\"");
	struct router_stats stats;
	router_read_stats(h.router, &stats);
	assert_int_equal(stats.parked, 0);
}

static void those_it_signals_are_woken_by_the_commit(void **state)
{
	(void)state;
	struct peer *one = peer_open(&h, true), *two = peer_open(&h, true);
	EXPECT(one, "t.pop q --wait-ms=60000", "");
	EXPECT(two, "t.pop r --wait-ms=60000", "");
	EXPECT(p, "tx.exec [[t.push, [q, x]], [t.push, [r, y]]]", "[1, 1]");
	EXPECT_LATE(one, "\"x\"");
	EXPECT_LATE(two, "\"y\"");
	EXPECT(one, "t.pop q --wait-ms=60000", "");
	EXPECT(p, "tx.exec [[t.push, [q, x]], [t.pop, [q]]]", "[1, \"x\"]"); // woken for nothing, it waits on
	harness_wait_parked(&h, 1);
	EXPECT(p, "t.push q z", "1");
	EXPECT_LATE(one, "\"z\"");
	peer_close(one);
	peer_close(two);
}

static void what_it_emits_waits_for_the_flush(void **state)
{
	(void)state;
	test_sink_hold(h.sink);
	EXPECT(p, "tx.exec [[t.emit, [a, topic, 1]], [t.emit, [b, topic, 2]]]", "");
	assert_int_equal(h.published, 0);
	test_sink_release(h.sink);
	EXPECT_LATE(p, "[null, null]");
	assert_int_equal(h.published, 2);
	test_sink_flow(h.sink);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, opened, closed)
	const struct CMUnitTest tests[] = {
	    TEST(each_answers_in_its_place),
	    TEST(later_ones_see_what_earlier_ones_did),
	    TEST(all_is_one_unit),
	    TEST(others_of_its_frame_stay_what_they_were),
	    TEST(each_may_name_its_namespace),
	    TEST(a_notification_is_run_and_not_answered),
	    TEST(what_can_be_seen_is_refused_before_anything_runs),
	    TEST(it_is_itself_a_command),
	    TEST(the_first_error_undoes_all),
	    TEST(an_error_may_undo_itself_alone),
	    TEST(faults_of_modules_are_named),
	    TEST(what_the_log_does_not_take_is_undone),
	    TEST(answers_have_a_limit),
	    TEST(at_the_memory_limit_nothing_grows),
	    TEST(keys_must_be_at_their_revisions),
	    TEST(conditions_have_a_form),
	    TEST(a_key_found_on_the_way_starts_it_again),
	    TEST(many_may_find_keys),
	    TEST(one_may_have_very_many_keys),
	    TEST(who_would_wait_answers_as_after_its_time),
	    TEST(those_it_signals_are_woken_by_the_commit),
	    TEST(what_it_emits_waits_for_the_flush),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
