// queue: settings, bounds, deduplication, what an administrator does, and what is refused.

#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_broker(void **state)
{
	*state = embed_open("queue,kv");
	return 0;
}

static int close_broker(void **state)
{
	embed_close(*state);
	return 0;
}

// --- settings ---------------------------------------------------------------------------------------------------------

static void creating_twice_must_be_the_same(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q", "true");
	expect(b, "queue.create q", "false");
	expect(b, "queue.create s --max_length=5 --backoff=[10, 20] --dead_letter=graves", "true");
	expect(b, "queue.create s --max_length=5 --backoff=[10, 20] --dead_letter=graves", "false");
	static const char there[] = "EEXIST: the queue is there, with other settings; queue.stats shows them";
	expect(b, "queue.create s --max_length=6 --backoff=[10, 20] --dead_letter=graves", there);
	expect(b, "queue.create s", there);
	expect(b, "queue.push p 1 ; queue.create p", "[1] ; false"); // it came into being as if so
	expect(b, "queue.create p --visible_ms=5", there);
}

static void settings_are_shown(void **state)
{
	struct embed *b = *state;
	expect(b,
	    "queue.create q --visible_ms=7 --max_attempts=0 --dedup_ms=9 --max_length=10 --max_bytes=11 "
	    "--overflow=dead_oldest",
	    "true");
	expect_stars(b, "queue.stats q",
	    "*\"visible_ms\": 7, \"max_attempts\": 0, \"dedup_ms\": 9, \"max_length\": 10, \"max_bytes\": 11, "
	    "\"overflow\": "
	    "\"dead_oldest\"*");
	expect(b, "queue.create r", "true");
	expect_stars(b, "queue.stats r",
	    "*\"visible_ms\": 30000, \"max_attempts\": 5, \"dedup_ms\": 120000, \"max_length\": null, \"max_bytes\": "
	    "null, "
	    "\"overflow\": \"reject\"*");
	expect(b, "sys.config queue.visible 1s", "1000");
	expect_stars(b, "queue.stats r", "*\"visible_ms\": 1000,*"); // what it was not told is the module's
}

static void settings_out_of_bounds_are_refused(void **state)
{
	struct embed *b = *state;
	static const char *const lines[][2] = {
	    {"queue.create q --visible_ms=0", "EARG: visible_ms must be from 1 to 43200000"},
	    {"queue.create q --visible_ms=43200001", "EARG: visible_ms must be from 1 to 43200000"},
	    {"queue.create q --max_attempts=-1", "EARG: max_attempts must be from 0 to 2147483647"},
	    {"queue.create q --dedup_ms=86400001", "EARG: dedup_ms must be from 0 to 86400000"},
	    {"queue.create q --max_length=0", "EARG: max_length must be from 1 to 4294967295"},
	    {"queue.create q --max_bytes=0", "EARG: max_bytes must be from 1 to 9223372036854775807"},
	    {"queue.create q --overflow=block",
		"EARG: overflow must be \"reject\", \"drop_oldest\" or \"dead_oldest\""},
	    {"queue.create q --backoff=[1, -1]", "EARG: backoff is a list of at most 16 delays in milliseconds"},
	    {"queue.create q --backoff=[a]", "EARG: backoff is a list of at most 16 delays in milliseconds"},
	    {"queue.create q --backoff=[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]",
		"EARG: backoff is a list of at most 16 delays in milliseconds"},
	    {"queue.create q --dead_letter=q", "EARG: a queue can't be its own dead_letter"},
	    {"queue.create q --dead_letter=true", "EARG: dead_letter is a queue's name, or false for none"},
	};
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		expect(b, lines[i][0], lines[i][1]);
	expect(b, "queue.stats", "[]"); // an error has made nothing
}

static void backoff_grows_and_the_last_repeats(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --backoff=[1000, 50000] --max_attempts=0 ; queue.push q a", "true ; [1]");
	static const long least[] = {900, 45000, 45000}, most[] = {1100, 55000, 55000};
	for (int i = 0; i < 3; i++) {
		free(embed_callf(b, "queue.pop q ; queue.nack q [1, %d]", i + 1));
		char *answer = embed_call(b, "queue.peek q --state=delayed");
		const char *due = strstr(answer, "\"due_ms\": ");
		assert_non_null(due);
		long ms = atol(due + 10);
		assert_in_range(ms, (unsigned long)least[i] - 500, (unsigned long)most[i]); // some of it has passed
		free(answer);
		expect(b, "queue.kick q", "1");
	}
}

// --- bounds -----------------------------------------------------------------------------------------------------------

static void a_full_queue_refuses(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --max_length=3 ; queue.push q 1 2 3", "true ; [1, 2, 3]");
	expect_like(b, "queue.push q 4", "EFULL: the queue is full: it holds 3 messages (max_length 3) of 3 bytes *");
	expect_stars(b, "queue.pop q", "[*]");
	expect_like(b, "queue.push q 4", "EFULL: *"); // a reserved one counts, it may come back
	expect(b, "queue.ack q [1, 1] ; queue.push q 4", "1 ; [4]");
	expect(b, "queue.create r --max_length=3 ; queue.push r 1", "true ; [1]");
	expect_like(b, "queue.push r 2 3 4", "EFULL: *");
	expect_stars(b, "queue.stats r", "{\"ready\": 1, *\"pushed\": 1,*"); // all of a push or nothing
	expect(b, "queue.create s --max_bytes=10 ; queue.push s \"1234567\"", "true ; [1]");
	expect_like(b, "queue.push s \"123\"", "EFULL: *");
	expect(b, "queue.push s 12", "[2]");
}

static void the_oldest_makes_room(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --max_length=3 --overflow=drop_oldest", "true");
	expect(b, "queue.push q urgent --priority=9 ; queue.push q a b c d", "[1] ; [2, 3, 4, 5]");
	expect_stars(b, "queue.pop q --max=9 --ack=false", "[{*\"urgent\"*}, {*\"c\"*}, {*\"d\"*}]");
	expect_stars(b, "queue.stats q", "*\"dropped\": 2}");
	expect(b, "queue.create r --max_length=2 --overflow=dead_oldest ; queue.push r a b c", "true ; [1, 2, 3]");
	expect_stars(b, "queue.peek r --state=dead --max=9", "[{*\"value\": \"a\"*\"x-death-reason\": \"overflow\"*}]");
	expect_stars(b, "queue.pop r --max=9", "[{*}, {*}]");
	expect_like(b, "queue.push r d", "EFULL: *"); // all are reserved: none of them may go
	expect(b, "queue.create d --max_length=1 --overflow=drop_oldest", "true");
	expect(b, "queue.push d x --delay_ms=60000 ; queue.push d y", "[1] ; [2]");
	expect_stars(b, "queue.stats d", "{\"ready\": 1, \"delayed\": 0,*");
}

static void a_dead_letter_queue_is_never_full(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create graves --max_length=1 ; queue.create q --dead_letter=graves --max_attempts=1",
	    "true ; true");
	expect(b, "queue.push q a b", "[1, 2]");
	expect_stars(b, "queue.pop q --max=2 ; queue.nack q [1, 1] ; queue.nack q [2, 1]", "[*] ; true ; true");
	expect_stars(b, "queue.peek q --state=dead --max=9", "[{*\"a\"*}, {*\"b\"*}]");
	expect(b, "queue.create s --dead_letter=false --max_attempts=1 ; queue.push s a", "true ; [1]");
	expect_stars(b, "queue.pop s ; queue.nack s [1, 1]", "[*] ; true");
	expect_stars(b, "queue.stats s", "{\"ready\": 0,*\"dead\": 0,*\"died\": 0,*\"dropped\": 1}");
	expect(b, "kv.type s.dlq", "null");
}

// --- deduplication ----------------------------------------------------------------------------------------------------

static void what_was_pushed_is_known(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.push q a --dedup=x ; queue.push q b --dedup=x ; queue.push q c --dedup=b\"x\"",
	    "[1] ; [1] ; [2]");
	expect(b, "queue.push q d --dedup=7 ; queue.push q e --dedup=7", "[3] ; [3]");
	expect_stars(b, "queue.pop q --max=9", "[{*\"a\"*}, {*\"c\"*}, {*\"d\"*}]");
	expect(b, "queue.ack q [1, 1] ; queue.push q f --dedup=x", "1 ; [1]"); // also after it was acknowledged
	expect_stars(b, "queue.stats q", "*\"known\": 3,*");
	expect(b, "queue.purge q ; queue.push q g --dedup=x", "2 ; [4]"); // but not after a purge
	expect(b, "queue.push q a b --dedup=y", "EARG: dedup names one message, so give one value");
	char line[700];
	snprintf(line, sizeof line, "queue.push q a --dedup=\"%0600d\"", 1);
	expect(b, line, "ELIMIT: dedup is longer than 512 bytes");
}

static void what_is_known_is_forgotten(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --dedup_ms=20 ; queue.push q a --dedup=x", "true ; [1]");
	embed_await(b, "queue.push q b --dedup=x", "[2]");
	embed_await_stars(b, "queue.stats q", "*\"known\": 0,*"); // by the alarm, too
	expect(b, "queue.create off --dedup_ms=0", "true");
	expect(b, "queue.push off a --dedup=x ; queue.push off a --dedup=x", "[1] ; [2]");
	expect(b, "sys.config queue.dedup_ids 2", "2");
	expect(b, "queue.push r a --dedup=1 ; queue.push r a --dedup=2 ; queue.push r a --dedup=3", "[1] ; [2] ; [3]");
	expect(b, "queue.push r a --dedup=3 ; queue.push r a --dedup=1", "[3] ; [4]");
}

// --- administration ---------------------------------------------------------------------------------------------------

static void dead_ones_go_home(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --max_attempts=1 --dead_letter=d ; queue.create r --max_attempts=1 --dead_letter=d",
	    "true ; true");
	expect(b, "queue.push q a --priority=7 ; queue.push r b ; queue.push q c", "[1] ; [1] ; [2]");
	expect_stars(b, "queue.pop q r --max=3 ; queue.nack q [1, 1] ; queue.nack q [2, 1] ; queue.nack r [1, 1]",
	    "[*] ; true ; true ; true");
	expect_stars(b, "queue.stats d", "{\"ready\": 3,*");
	expect(b, "queue.kick q 1", "1"); // its own, from among all
	expect_stars(b, "queue.pop q",
	    "[{\"queue\": \"q\", \"token\": [3, 1], \"attempt\": 1, \"value\": \"a\"*\"x-death-queue\"*}]");
	expect(b, "queue.nack q [3, 1]", "true"); // it dies anew, its history is one
	expect(b, "queue.kick d", "3");           // all of them, to where they came from
	expect_stars(b, "queue.pop q r --max=9",
	    "[{\"queue\": \"q\"*\"value\": \"a\"*}, {\"queue\": \"q\"*\"value\": \"c\"*}, {\"queue\": \"r\"*\"value\": "
	    "\"b\"*}]");
	expect(b, "queue.kick d ; queue.kick q ; queue.kick nothing", "0 ; 0 ; 0");
	expect(b, "queue.kick q 10001", "EARG: count must be from 1 to 10000");
}

static void history_is_of_the_last_death(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --max_attempts=1 ; queue.push q a --headers={\"mine\": 1}", "true ; [1]");
	expect_stars(b, "queue.pop q ; queue.nack q [1, 1] --reason=first", "[*] ; true");
	expect(b, "queue.kick q", "1");
	expect_stars(b, "queue.pop q ; queue.term q [2, 1] --reason=second", "[*] ; true");
	expect_stars(b, "queue.pop q.dlq",
	    "[{*\"headers\": {\"mine\": 1, \"x-death-queue\": \"q\", \"x-death-reason\": \"rejected\", \"x-attempts\": "
	    "1, *"
	    "\"x-error\": \"second\"}*}]");
}

static void home_may_be_gone_or_full(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --max_attempts=1 --max_length=1 ; queue.push q a", "true ; [1]");
	expect_stars(b, "queue.pop q ; queue.nack q [1, 1] ; queue.push q b", "[*] ; true ; [2]");
	expect(b, "queue.kick q ; queue.kick q.dlq", "0 ; 0"); // it is full: nothing is pushed out by a kick
	expect(b, "queue.delete q ; queue.kick q.dlq", "true ; 1");
	expect_stars(b, "queue.pop q", "[{*\"value\": \"a\"*}]"); // it has come into being again
}

static void delayed_ones_are_kicked(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.push q a b c --delay_ms=100000 ; queue.pop q ; queue.kick q 2", "[1, 2, 3] ; [] ; 2");
	expect_stars(b, "queue.pop q --max=9", "[{*\"a\"*}, {*\"b\"*}]");
	struct embed_pending *w = embed_begin(b, "queue.pop q --wait_ms=20000");
	embed_wait_parked(b, 1);
	expect(b, "queue.kick q", "1");
	expect_end_stars(w, "[{*\"c\"*}]");
}

static void a_purge_leaves_nothing(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.create q --max_length=9 ; queue.push q a b c ; queue.push q d --delay_ms=100000",
	    "true ; [1, 2, 3] ; [4]");
	expect_stars(b, "queue.pop q", "[*]");
	expect(b, "queue.purge q ; queue.purge nothing", "4 ; 0");
	expect_like(b, "queue.ack q [1, 1]", "ESTALE: *"); // reserved ones are gone as well
	expect_stars(b, "queue.stats q",
	    "{\"ready\": 0, \"delayed\": 0, \"reserved\": 0, \"bytes\": 0, \"pushed\": 4,*\"max_length\": 9,*");
	expect(b, "queue.push q e", "[5]"); // ids are not given twice
}

static void pauses_stop_either_end(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.push q a ; queue.pause q --in=true", "[1] ; {\"in\": true, \"out\": false}");
	expect(b, "queue.push q b", "EAGAIN: the queue is paused for pushes; queue.pause ends that");
	expect(b, "queue.pause q --in=false --out=true", "{\"in\": false, \"out\": true}");
	expect(b, "queue.pop q ; queue.push q b", "[] ; [2]");
	struct embed_pending *w = embed_begin(b, "queue.pop q --wait_ms=20000 --max=2");
	embed_wait_parked(b, 1);
	expect(b, "queue.pause q", "{\"in\": false, \"out\": true}");
	expect(b, "queue.pause q --out=false", "{\"in\": false, \"out\": false}");
	expect_end_stars(w, "[{*\"a\"*}, {*\"b\"*}]");
	expect(b, "queue.pause new --in=true", "{\"in\": true, \"out\": false}");
	expect_like(b, "queue.push new a", "EAGAIN: *");
}

static void a_deleted_queue_is_gone(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.push q a ; queue.delete q ; queue.delete q", "[1] ; true ; false");
	expect(b, "kv.type q ; queue.pop q", "null ; []");
	expect(b, "queue.push q a ; kv.del q ; kv.exists q", "[1] ; 1 ; [false]");
}

static void peeking_takes_nothing(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.push q a b c ; queue.push q d --priority=9", "[1, 2, 3] ; [4]");
	expect_stars(b, "queue.peek q",
	    "[{\"id\": 4, \"value\": \"d\", \"headers\": null, \"priority\": 9, \"attempts\": 0, \"age_ms\": *, "
	    "\"due_ms\": null}]");
	expect_stars(b, "queue.peek q --max=2 --skip=2", "[{\"id\": 2*}, {\"id\": 3*}]");
	expect(b, "queue.peek q --skip=4 ; queue.peek nothing ; queue.peek q --state=dead", "[] ; [] ; []");
	expect_stars(b, "queue.pop q", "[*]");
	expect_stars(b, "queue.peek q --state=reserved --max=9", "[{\"id\": 4*\"attempts\": 1*}]");
	expect(b, "queue.peek q --state=lost", "EARG: state must be \"ready\", \"delayed\", \"reserved\" or \"dead\"");
	expect(b, "queue.peek q --max=0", "EARG: max must be from 1 to 1000");
}

static void stats_of_all_queues(void **state)
{
	struct embed *b = *state;
	expect(b, "queue.stats", "[]");
	expect(b, "queue.push 7 a b ; kv.set other 1", "[1, 2] ; 2");
	expect(b, "queue.stats",
	    "[{\"queue\": 7, \"ready\": 2, \"delayed\": 0, \"reserved\": 0, \"bytes\": 4, \"pushed\": 2, "
	    "\"paused_in\": "
	    "false, \"paused_out\": false}]");
	expect_stars(b, "module.show queue", "*\"metrics\": {\"pushed\": 2,*");
}

// --- what is refused --------------------------------------------------------------------------------------------------

static void other_types_are_told(void **state)
{
	struct embed *b = *state;
	expect(b, "kv.set k 1 ; queue.push q 1", "1 ; [1]");
	static const char wrong[] = "ETYPE: key \"k\" holds a kv.value, not a queue.queue";
	static const char *const lines[] = {"queue.push k 1", "queue.pop k", "queue.pop q k --max=5",
	    "queue.ack k [1, 1]", "queue.nack k [1, 1]", "queue.touch k [1, 1]", "queue.term k [1, 1]", "queue.peek k",
	    "queue.stats k", "queue.purge k", "queue.kick k", "queue.pause k", "queue.create k", "queue.delete k"};
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		expect(b, lines[i], wrong);
	expect(b, "kv.get q", "ETYPE: key \"q\" holds a queue.queue, not a kv.value");
	expect_stars(b, "queue.stats q", "{\"ready\": 1,*"); // the pop of both has taken nothing
}

static void tokens_must_be_tokens(void **state)
{
	struct embed *b = *state;
	static const char bad[] = "EARG: a token is [id, delivery], as queue.pop answered it";
	static const char *const tokens[] = {
	    "[]", "[1]", "[1, 2, 3]", "[-1, 1]", "[1, -1]", "[a, 1]", "[1.0, 1]", "t(1, null)"};
	expect(b, "queue.push q 1", "[1]");
	for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		expectf(b, bad, "queue.ack q %s", tokens[i]);
		expectf(b, bad, "queue.touch q %s", tokens[i]);
	}
	expect_like(b, "queue.ack q 1", "EARG: *token*");
	expect_like(b, "queue.ack q [1, 1]", "ESTALE: *"); // it is ready, nobody has it
	expect_like(b, "queue.ack q [18446744073709551615, 18446744073709551615]", "ESTALE: *");
	expect(b, "queue.ack nothing [1, 1]", "ENOKEY: there is no such queue");
}

static void numbers_have_bounds(void **state)
{
	struct embed *b = *state;
	static const char *const lines[] = {"queue.push q 1 --delay_ms=-1",
	    "queue.push q 1 --delay_ms=9223372036854775807", "queue.push q 1 --ttl_ms=0",
	    "queue.push q 1 --max_attempts=-1", "queue.pop q --max=0", "queue.pop q --max=1001",
	    "queue.pop q --wait_ms=-1", "queue.pop q --visible_ms=0", "queue.pop q --visible_ms=43200001"};
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		expect_like(b, lines[i], "EARG: * must be from *");
	expect_like(b, "queue.push q", "EARG: *");
	char *big = malloc(1200000);
	assert_non_null(big);
	memset(big, 'x', 1199999);
	memcpy(big, "queue.push q ", 13);
	big[1199999] = 0;
	expect_like(b, big, "ELIMIT: a message would have 11999* bytes, more than queue.max_message, 1048576");
	free(big);
	expect(b, "queue.stats", "[]");
}

static void large_answers_end_in_time(void **state)
{
	struct embed *b = *state;
	char *line = malloc(300000);
	assert_non_null(line);
	memset(line, 'x', 299999);
	memcpy(line, "queue.push q ", 13);
	line[299999] = 0;
	for (int i = 0; i < 10; i++)
		free(embed_call(b, line));
	free(line);
	int got = 0;
	for (int round = 0; got < 10 && round < 10; round++) {
		char *answer = embed_call(b, "queue.pop q --max=10 --ack=false");
		assert_true(strlen(answer) < 1500000);
		for (const char *at = answer; (at = strstr(at, "\"token\"")) != NULL; at++)
			got++;
		free(answer);
	}
	assert_int_equal(got, 10);
}

static void a_taken_dead_letter_name_loses_nothing(void **state)
{
	struct embed *b = *state;
	expect(b, "kv.set q.dlq 1 ; queue.create q --max_attempts=1 ; queue.push q a", "1 ; true ; [1]");
	expect_stars(b, "queue.pop q --visible_ms=30", "[*]");
	expect(b, "queue.nack q [1, 1]", "ETYPE: key \"q.dlq\" holds a kv.value, not a queue.queue");
	embed_await_stars(b, "queue.stats q", "{\"ready\": 0, \"delayed\": 1, \"reserved\": 0,*"); // tried again later
	expect(b, "kv.del q.dlq ; queue.kick q", "1 ; 1");
	expect_stars(b, "queue.pop q ; queue.term q [1, 2]", "[*] ; true");
	expect_stars(b, "queue.peek q --state=dead", "[{*\"a\"*}]");
}

static void any_key_may_be_a_queue(void **state)
{
	struct embed *b = *state;
	static const char *const names[][2] = {{"5", "t(5, \"dlq\")"}, {"t(1, \"x\")", "t(t(1, \"x\"), \"dlq\")"},
	    {"b\"raw\"", "b\"raw.dlq\""}, {"2.5", "t(2.5, \"dlq\")"}};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		free(embed_callf(b, "queue.push %s v", names[i][0]));
		free(embed_callf(b, "queue.pop %s ; queue.term %s [1, 1]", names[i][0], names[i][0]));
		expectf(b, "\"queue.queue\"", "kv.type %s", names[i][1]);
		expectf(b, "1", "queue.kick %s", names[i][1]);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_broker, close_broker)
	const struct CMUnitTest tests[] = {
	    CASE(creating_twice_must_be_the_same),
	    CASE(settings_are_shown),
	    CASE(settings_out_of_bounds_are_refused),
	    CASE(backoff_grows_and_the_last_repeats),
	    CASE(a_full_queue_refuses),
	    CASE(the_oldest_makes_room),
	    CASE(a_dead_letter_queue_is_never_full),
	    CASE(what_was_pushed_is_known),
	    CASE(what_is_known_is_forgotten),
	    CASE(dead_ones_go_home),
	    CASE(history_is_of_the_last_death),
	    CASE(home_may_be_gone_or_full),
	    CASE(delayed_ones_are_kicked),
	    CASE(a_purge_leaves_nothing),
	    CASE(pauses_stop_either_end),
	    CASE(a_deleted_queue_is_gone),
	    CASE(peeking_takes_nothing),
	    CASE(stats_of_all_queues),
	    CASE(other_types_are_told),
	    CASE(tokens_must_be_tokens),
	    CASE(numbers_have_bounds),
	    CASE(large_answers_end_in_time),
	    CASE(a_taken_dead_letter_name_loses_nothing),
	    CASE(any_key_may_be_a_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
