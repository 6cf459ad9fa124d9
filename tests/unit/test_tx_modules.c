// tx.exec over commands of several modules, as a client meets it: revisions, messages, waits, times, the slow log, and
// modules that are checked while they run.

#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void modules_work_together(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv,counter,parker,hearer");
	expect(b,
	    "tx.exec [[kv.set, [a, 1]], [counter.add, [c, hits, 5]], [kv.incr, [a]], [counter.get, [c, hits]], "
	    "[parker.signal, [a]]]",
	    "[1, 5, 2, 5, true]");
	expect(b, "kv.get a ; counter.get c hits", "2 ; 5");
	expect(b, "tx.exec [[kv.set, [a, 7]], [counter.add, [a, hits]]]",
	    "ETYPE: at index 1, counter.add: key \"a\" holds a kv.value, not a counter.counter");
	expect(b, "kv.get a", "2");
	embed_close(b);
}

// As it was before the transaction where it is asked for, as it will be after it where it is answered.
static void revisions_are_those_of_the_commit(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	expect(b, "kv.set a x ; kv.set b x", "1 ; 2");
	expect(b,
	    "tx.exec [[kv.entry, [a]], [kv.set, [a, y], {rev: 1}], [kv.entry, [a]], [kv.entry, [b]], [kv.mset, [c, 1, "
	    "d, "
	    "2]], [kv.entry, [c]], [kv.set, [a, z], {rev: 1, get: true}]]",
	    "[[\"x\", 1, null], 3, [\"y\", 3, null], [\"x\", 2, null], [3, 3], [1, 3, null], [3, \"y\"]]");
	expect(b, "kv.entry a ; kv.entry b ; kv.entry c ; kv.entry d",
	    "[\"z\", 3, null] ; [\"x\", 2, null] ; [1, 3, null] ; [2, 3, null]");
	expect(b, "tx.exec [[kv.set, [a, w]], [kv.set, [b, w], {rev: 9}]]",
	    "ECONFLICT: at index 1, kv.set: the key is at revision 2, and rev is 9");
	expect(b, "tx.exec [[kv.set, [a, w], {rev: 9}], [kv.entry, [a]], [kv.set, [n, 1]]] --on-error=continue",
	    "[[[-13, \"ECONFLICT\", \"the key is at revision 3, and rev is 9\", null], null], [null, [\"z\", 3, "
	    "null]], "
	    "[null, 4]]");
	expect(b, "tx.exec [[kv.set, [a, w]], [kv.del, [a]], [kv.set, [a, v]], [kv.entry, [a]]] --if=[[a, 3]]",
	    "[5, 1, 5, [\"v\", 5, null]]");
	embed_close(b);
}

static void messages_follow_the_commit(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv,hearer");
	expect(b, "tx.exec [[hearer.emit, [news.one, 1]], [hearer.tell, []], [hearer.emit, [news.two, 2]]]",
	    "[true, [0, \"\", 0, 0], true]");
	embed_await(b, "hearer.tell", "[2, \"news.two\", 0, 0]");
	expect(b, "tx.exec [[hearer.emit, [news.three, 1]], [kv.cas, [nothing, 1, 2]]]",
	    "ENOKEY: at index 1, kv.cas: there is no such key to compare; kv.set with nx makes one");
	expect(b,
	    "tx.exec [[hearer.emit, [news.four, 1]], [hearer.emit, [news.five, 1], {fail: true}]] --on-error=continue",
	    "[[null, true], [[-13, \"ECONFLICT\", \"failed as asked\", null], null]]");
	embed_await(b, "hearer.tell", "[3, \"news.four\", 0, 0]");
	embed_close(b);
}

static void nothing_waits(void **state)
{
	(void)state;
	struct embed *b = embed_open("parker");
	expect(b, "tx.exec [[parker.wait, [k]], [parker.wait, [k], {timeout_ms: 60000}], [parker.sleep, [60000]]]",
	    "[\"timeout\", \"timeout\", \"timeout\"]");
	expect(b, "tx.exec [[parker.ticket, []], [parker.wake, []]]", "[\"timeout\", -14]"); // ESTALE: it has run
	expect(b, "tx.exec [[parker.stay, []]]",
	    "ETIMEOUT: at index 0, parker.stay: it waits, and nothing waits in a transaction");
	struct embed_pending *pending = embed_begin(b, "parker.wait k --timeout-ms=60000");
	embed_wait_parked(b, 1);
	expect(b, "tx.exec [[parker.signal, [k]], [parker.stay, []]]",
	    "ETIMEOUT: at index 1, parker.stay: it waits, and nothing waits in a transaction");
	embed_wait_parked(b, 1);
	expect(b, "tx.exec [[parker.signal, [k]], [parker.wait, [k]]]", "[true, \"timeout\"]");
	expect_end(pending, "\"signal\"");
	embed_close(b);
}

static void the_brokers_own_are_mostly_refused(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	static const char *const alone[] = {
	    "session.info", "session.hello", "session.close", "session.fetch", "ns.list", "sys.info", "sys.stats"};
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
		char *answer = embed_callf(b, "tx.exec [[%s, []]]", alone[i]), want[128];
		snprintf(
		    want, sizeof(want), "EUNSUPPORTED: at index 0, %s: not in a transaction: it runs alone", alone[i]);
		embed_expect_text(answer, want, 0, __FILE__, __LINE__);
	}
	expect(b, "tx.exec [[sys.shutdown, []]]",
	    "EUNSUPPORTED: at index 0, sys.shutdown: not in a transaction: it administrates");
	expect(b, "tx.exec [[kv.clear, []]]", "EUNSUPPORTED: at index 0, kv.clear: not in a transaction: it scans");
	expect(b, "tx.exec [[sys.ping, []], [kv.set, [a, 1]], [kv.count, []]]", "[\"PONG\", 1, 1]");
	expect_like(b, "tx.exec [[sys.inspect, [a]], [kv.set, [a, 1]], [sys.inspect, [a]]]",
	    "[[]{*\"revision\": 1, *}, 2, {*\"revision\": null, *}]");
	expect_like(b, "sys.commands tx", "*\"flags\": [[]\"writes\", \"alone\"]*");
	embed_close(b);
}

static void the_limit_is_an_option(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("kv", (const char *const[]){"max_tx_commands=1", NULL});
	expect(b, "tx.exec [[kv.get, [a]], [kv.get, [a]]]",
	    "ELIMIT: a transaction has at most 1 commands (max_tx_commands), not 2");
	expect(b, "sys.config max_tx_commands 2", "2");
	expect(b, "tx.exec [[kv.get, [a]], [kv.get, [a]]]", "[null, null]");
	embed_close(b);
}

// --- times ----------------------------------------------------------------------------------------------------------

static void each_command_is_counted(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv,counter");
	expect(b, "tx.exec [[kv.set, [a, 1]], [kv.incr, [a]], [kv.incr, [a]], [counter.add, [c, x]]]", "[1, 2, 3, 1]");
	expect_like(b, "tx.exec [[kv.set, [a, x]], [kv.incr, [a]], [counter.add, [c, x]]]", "EARG: at index 1, *");
	expect_like(b, "sys.stats", "*\"kv.incr\": {\"calls\": 3, \"errors\": 1, *");
	expect_like(b, "sys.stats", "*\"kv.set\": {\"calls\": 2, \"errors\": 0, *");
	expect_like(b, "sys.stats", "*\"counter.add\": {\"calls\": 1, \"errors\": 0, *");
	expect_like(b, "sys.stats", "*\"tx.exec\": {\"calls\": 2, \"errors\": 1, *");
	embed_close(b);
}

// The whole by the names of its commands alone: what of their arguments is secret, only their own tables say.
static void the_slow_log_names_the_slow_one(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("sleeper,vault,counter", (const char *const[]){"slowlog_us=20000", NULL});
	expect(b,
	    "tx.exec [[counter.add, [c, x]], [vault.open, [n, hunter2]], [sleeper.work, [30], {password: hunter3}]]",
	    "[1, true, 30]");
	expect_like(b, "sys.slowlog",
	    "[[]{\"id\": 2, *\"us\": [3-9]????*, \"command\": \"sleeper.work\", *\"args\": [[]\"30\", "
	    "\"password=(secret)\"]}, "
	    "{\"id\": 1, *\"us\": [3-9]????*, \"command\": \"tx.exec\", *\"args\": [[]\"counter.add\", \"vault.open\", "
	    "\"sleeper.work\"]}]");
	char *text = embed_call(b, "sys.slowlog");
	assert_null(strstr(text, "hunter"));
	free(text);
	embed_close(b);
}

static void the_slow_log_names_the_first_of_many(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("sleeper,kv", (const char *const[]){"slowlog_us=20000", NULL});
	char line[4096] = "tx.exec [[sleeper.work, [30]]";
	for (int i = 0; i < 39; i++)
		strcat(line, ", [kv.get, [a]]");
	free(embed_callf(b, "%s]", line));
	expect_like(b, "sys.slowlog", "*\"tx.exec\", *\"sleeper.work\", *\"kv.get\", \"... and 8 more\"]}]");
	embed_close(b);
}

// --- checked --------------------------------------------------------------------------------------------------------

static void checked_modules_are_left_alone(void **state)
{
	(void)state;
	struct embed *b = embed_open_with(
	    "kv,counter,parker,hearer", (const char *const[]){"check_modules=true", "check_run_time=10s", NULL});
	expect(b,
	    "tx.exec [[kv.set, [a, 1]], [counter.add, [c, x, 5]], [kv.incr, [a]], [kv.entry, [a]], [parker.wait, [a]], "
	    "[parker.signal, [a]], [hearer.emit, [news.x, 1]], [kv.count, []], [kv.append, [s, piece]]]",
	    "[1, 5, 2, [2, 1, null], \"timeout\", true, true, 2, 5]");
	expect_like(
	    b, "tx.exec [[kv.set, [b, 1]], [hearer.emit, [news.x, 1], {fail: true}]]", "ECONFLICT: at index 1, *");
	expect_like(b, "tx.exec [[kv.set, [b, 1]], [counter.add, [b, x]], [kv.get, [b]]] --on-error=continue",
	    "[[][[]null, 2], [[][[]-2, *], null], [[]null, 1]]");
	expect_like(b, "tx.exec [[kv.set, [b, 1]], [parker.stay, [b]]]", "ETIMEOUT: *");
	static const char *const modules[] = {"kv", "counter", "parker", "hearer"};
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		char *answer = embed_callf(b, "module.show %s", modules[i]);
		embed_expect_text(answer, "*\"misuses\": 0, \"undone\": 0, *", 1, __FILE__, __LINE__);
	}
	embed_close(b);
}

static void checked_modules_are_found_out(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("kv,misuser,two_values", (const char *const[]){"check_modules=true", NULL});
	expect(b, "tx.exec [[kv.set, [k, 1]], [two_values.both, []]]",
	    "EINTERNAL: at index 1, two_values.both: the module did not write exactly one answer");
	expect_like(
	    b, "tx.exec [[kv.set, [k, 1]], [misuser.do, [a, b, undone]]]", "ECONFLICT: at index 1, *after a change");
	expect_like(b, "module.show misuser", "*\"misuses\": 0, \"undone\": 1, *");
	expect(b, "kv.get k", "null");
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(modules_work_together),
	    cmocka_unit_test(revisions_are_those_of_the_commit),
	    cmocka_unit_test(messages_follow_the_commit),
	    cmocka_unit_test(nothing_waits),
	    cmocka_unit_test(the_brokers_own_are_mostly_refused),
	    cmocka_unit_test(the_limit_is_an_option),
	    cmocka_unit_test(each_command_is_counted),
	    cmocka_unit_test(the_slow_log_names_the_slow_one),
	    cmocka_unit_test(the_slow_log_names_the_first_of_many),
	    cmocka_unit_test(checked_modules_are_left_alone),
	    cmocka_unit_test(checked_modules_are_found_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
