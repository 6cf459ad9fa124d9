// The C client against a broker in this process, over a socket.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "client_expect.h"
#include "embed.h"
#include "wherry/client.h"

static void calls_are_answered(const char *url)
{
	wherry_client *c = connect_to(url);
	wherry_reply r = {0};
	assert_int_equal(wherry_client_call(c, "sys.ping", NULL, 0, NULL, 0, &r), WHERRY_OK);
	expect_result(&r, "\"PONG\"");
	wherry_client_call(c, "kv.set",
	    BYTES("\x92\xa1"
		  "a\x93\x01\x02\xc0"),
	    BYTES("\x81\xa6ttl_ms\xcd\xea\x60"), &r);
	assert_int_equal(r.error.code, WHERRY_OK);
	wherry_client_call(c, "kv.get",
	    BYTES("\x91\xa1"
		  "a"),
	    NULL, 0, &r);
	wherry_client_close(c);
	expect_result(&r, "[1, 2, null]"); // it outlives the client
	wherry_reply_free(&r);
}

static void calls_are_answered_over_ipc_and_tcp(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv");
	calls_are_answered(p.url);
	calls_are_answered(place_tcp(&p));
	place_leave(&p);
}

static void errors_come_with_text_and_details(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	wherry_reply r = {0};
	assert_int_equal(wherry_client_call(c, "kv.gte", NULL, 0, NULL, 0, &r), WHERRY_ENOCMD);
	expect_error(&r, WHERRY_ENOCMD, 0);
	assert_non_null(strstr(r.error.text, "kv.gte"));
	char *details = embed_show(span_of(r.details, r.details_len));
	assert_string_equal(details, "{\"did_you_mean\": \"kv.get\"}");
	free(details);
	// The next answer takes its place.
	assert_int_equal(wherry_client_call(c, "sys.ping", NULL, 0, NULL, 0, &r), WHERRY_OK);
	assert_int_equal(r.error.code, WHERRY_OK);
	assert_null(r.details);
	wherry_reply_free(&r);
	wherry_client_close(c);
	place_leave(&p);
}

static void what_cannot_be_sent_is_refused_here(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	wherry_reply r = {0};
	const struct {
		const char *method, *params, *options;
		size_t params_len, options_len;
	} cases[] = {
	    {"", NULL, NULL, 0, 0}, {"kv.get", "\x01", NULL, 1, 0}, // no array
	    {"kv.get", "\x92\x01", NULL, 2, 0},                     // not whole
	    {"kv.get", "\x91\x01\x02", NULL, 3, 0},                 // more than one
	    {"kv.get", "\x91\xc1", NULL, 2, 0},                     // no msgpack
	    {"kv.get", "\xdd\xff\xff\xff\xff", NULL, 5, 0},         // says more than there is
	    {"kv.get", "\x90", "\x90", 1, 1},                       // no map
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wherry_client_call(c, cases[i].method, cases[i].params, cases[i].params_len, cases[i].options,
		    cases[i].options_len, &r);
		expect_error(&r, WHERRY_EARG, 1);
	}
	assert_int_equal(wherry_client_call(c, "sys.ping", NULL, 0, NULL, 0, &r), WHERRY_OK);
	wherry_reply_free(&r);
	wherry_client_close(c);
	place_leave(&p);
}

// [key, "v..."] with a key of 4 digits; answers its length.
static size_t pack_pair(char *into, unsigned key, size_t value_len)
{
	memcpy(into, "\x92\xa4", 2);
	snprintf(into + 2, 5, "%04u", key % 10000);
	into[6] = (char)0xda;
	into[7] = (char)(value_len >> 8);
	into[8] = (char)value_len;
	memset(into + 9, 'v', value_len);
	return 9 + value_len;
}

static void a_batch_is_answered_in_order(void **state)
{
	(void)state;
	enum { COUNT = 2000, VALUE = 700 };
	struct place p;
	char params[VALUE + 16];
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	wherry_batch *b = wherry_batch_new();
	for (unsigned i = 0; i < COUNT; i++) {
		size_t len = pack_pair(params, i, VALUE);
		assert_int_equal(wherry_batch_add(b, "kv.set", params, len, NULL, 0), WHERRY_OK);
	}
	assert_int_equal(wherry_batch_add(b, "kv.nonsense", NULL, 0, NULL, 0), WHERRY_OK);
	assert_int_equal(wherry_batch_add(b, "kv.count", NULL, 0, NULL, 0), WHERRY_OK);
	assert_int_equal(wherry_batch_count(b), COUNT + 2);
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_OK);

	wherry_reply r = {0};
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(wherry_batch_answer(b, i, &r), WHERRY_OK);
	assert_int_equal(wherry_batch_answer(b, COUNT, &r), WHERRY_ENOCMD);
	expect_error(&r, WHERRY_ENOCMD, 0);
	assert_int_equal(wherry_batch_answer(b, COUNT + 1, &r), WHERRY_OK);
	expect_result(&r, "2000");
	assert_int_equal(wherry_batch_answer(b, COUNT + 2, &r), WHERRY_EARG);

	assert_int_equal(wherry_batch_add(b, "sys.ping", NULL, 0, NULL, 0), WHERRY_EEXIST);
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_EEXIST);
	wherry_batch_clear(b);
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_OK); // of nothing
	wherry_batch_free(b);
	wherry_client_close(c);
	place_leave(&p);
}

// Far more in both directions than sockets hold: whoever only sends would wait for ever.
static void a_batch_reads_while_it_sends(void **state)
{
	(void)state;
	enum { COUNT = 400, VALUE = 60000 };
	static char params[VALUE + 16];
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	wherry_batch *b = wherry_batch_new();
	for (unsigned i = 0; i < COUNT; i++) {
		wherry_batch_add(b, "kv.set", params, pack_pair(params, i, VALUE), NULL, 0);
		params[0] = (char)0x91;
		wherry_batch_add(b, "kv.get", params, 6, NULL, 0);
	}
	wherry_client_set_timeout(c, 120000);
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_OK);
	wherry_reply r = {0};
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(wherry_batch_answer(b, 2 * i + 1, &r), WHERRY_OK);
		assert_int_equal(r.result_len, VALUE + 3);
	}
	wherry_batch_free(b);
	wherry_client_close(c);
	place_leave(&p);
}

static void a_frame_that_is_refused_whole_fails_its_requests_only(void **state)
{
	(void)state;
	char deep[64];
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	wherry_reply r = {0};
	memset(deep, 0x91, sizeof(deep));
	deep[50] = 1;
	wherry_client_call(c, "kv.get", deep, 51, NULL, 0, &r);
	expect_error(&r, WHERRY_EARG, 0);

	static char params[60016];
	wherry_batch *b = wherry_batch_new();
	for (unsigned i = 0; i < 8; i++) // two frames of 256 KiB
		wherry_batch_add(b, "kv.set", params, pack_pair(params, i, 60000), NULL, 0);
	wherry_batch_add(b, "kv.get", deep, 51, NULL, 0);
	assert_int_equal(wherry_client_run(c, b, NULL), WHERRY_OK);
	assert_int_equal(wherry_batch_answer(b, 0, &r), WHERRY_OK);
	assert_int_equal(wherry_batch_answer(b, 8, &r), WHERRY_EARG);
	wherry_batch_free(b);
	assert_int_equal(wherry_client_call(c, "sys.ping", NULL, 0, NULL, 0, &r), WHERRY_OK);
	wherry_reply_free(&r);
	wherry_client_close(c);
	place_leave(&p);
}

static void *increments(void *client)
{
	wherry_reply r = {0};
	for (unsigned i = 0; i < 300; i++)
		if (wherry_client_call(client, "kv.incr", BYTES("\x91\xa1n"), NULL, 0, &r) != WHERRY_OK)
			return client;
	wherry_reply_free(&r);
	return NULL;
}

static void threads_share_a_client(void **state)
{
	(void)state;
	pthread_t threads[4];
	void *failed;
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url);
	for (size_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, increments, c);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	wherry_reply r = {0};
	wherry_client_call(c, "kv.get", BYTES("\x91\xa1n"), NULL, 0, &r);
	expect_result(&r, "1200");
	wherry_reply_free(&r);
	wherry_client_close(c);
	place_leave(&p);
}

static void never(void *arg, const wherry_reply *reply)
{
	(void)arg;
	(void)reply;
	abort();
}

static void a_broker_that_stops_says_goodbye(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv");
	const wherry_client_options once = {.size = sizeof(once), .once = 1};
	wherry_client *c = connect_with(p.url, &once);
	wherry_note note = {0};
	wherry_error error;
	assert_int_equal(wherry_client_poll(c, 0, &note, &error), WHERRY_ETIMEOUT);
	expect_ask(c, "sys.ping", "\"PONG\""); // so that the broker knows the session
	place_end(&p);
	assert_int_equal(wherry_client_poll(c, 10000, &note, &error), WHERRY_OK);
	assert_memory_equal(note.method, "session", note.method_len);
	char *params = embed_show(span_of(note.params, note.params_len));
	assert_string_equal(params, "[\"goodbye\", null]");
	free(params);
	assert_int_equal(wherry_client_poll(c, 10000, &note, &error), WHERRY_ESTALE);
	assert_string_equal(error.text, "the broker closed the connection");
	assert_int_equal(wherry_client_poll(c, -1, &note, &error), WHERRY_ESTALE);
	expect_ask_fails(c, "sys.ping", WHERRY_ESTALE, 1);
	assert_int_equal(send_line(c, "sys.ping", 0, 0, never, NULL), WHERRY_ESTALE);
	wherry_note_free(&note);
	wherry_client_close(c);
	place_leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calls_are_answered_over_ipc_and_tcp),
	    cmocka_unit_test(errors_come_with_text_and_details),
	    cmocka_unit_test(what_cannot_be_sent_is_refused_here),
	    cmocka_unit_test(a_batch_is_answered_in_order),
	    cmocka_unit_test(a_batch_reads_while_it_sends),
	    cmocka_unit_test(a_frame_that_is_refused_whole_fails_its_requests_only),
	    cmocka_unit_test(threads_share_a_client),
	    cmocka_unit_test(a_broker_that_stops_says_goodbye),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
