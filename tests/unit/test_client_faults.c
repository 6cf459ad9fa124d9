// The C client against what no broker would do: a false one greets, and then does what the test says.

#include <pthread.h>

#include "client_expect.h"
#include "liar.h"

static const wherry_client_options once = {.size = sizeof(once), .once = 1};

static void expect_no_connection(const char *greets, void (*script)(struct liar *, int, unsigned))
{
	struct liar l;
	wherry_error error;
	wherry_client *c;
	wherry_client_options options = {.size = sizeof(options), .connect_ms = 200};
	liar_start(&l, greets, script);
	assert_int_equal(wherry_client_open(l.place.url, &options, &c, &error), WHERRY_EAGAIN);
	assert_null(c);
	assert_true(error.local && error.text[0] != 0);
	liar_stop(&l);
}

static void say_nothing(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	liar_await_end(fd);
}

static void who_does_not_greet_is_no_broker(void **state)
{
	(void)state;
	expect_no_connection("HTTP/1.1", NULL);
	expect_no_connection("\0SP\0\0\x31\0\0", NULL);
	expect_no_connection(NULL, NULL); // hangs up
	expect_no_connection(NULL, say_nothing);
}

static void nobody_is_there(void **state)
{
	(void)state;
	wherry_client *c;
	wherry_error error;
	assert_int_equal(wherry_client_open("ipc:///tmp/wherry-no-such-socket", NULL, &c, &error), WHERRY_EAGAIN);
	assert_string_equal(error.text, "No such file or directory");
	assert_int_equal(wherry_client_open("tcp://127.0.0.1:1", NULL, &c, &error), WHERRY_EAGAIN);
	assert_string_equal(error.name, "EAGAIN");
	assert_string_equal(error.text, "Connection refused");
	const char *const wrong[] = {"", "tcp://", "localhost", "http://localhost:80", "tcp://localhost", "tcp://:5",
	    "tcp://localhost:http", "tcp://localhost:99999", "tls+tcp://localhost:1"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(wherry_client_open(wrong[i], NULL, &c, NULL), WHERRY_EARG);
	assert_int_equal(wherry_client_open(NULL, NULL, &c, NULL), WHERRY_EARG);
}

// --- what is no answer ------------------------------------------------------------------------------------------------

static void hang_up(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	liar_receive_one(fd);
}

static void send_garbage(struct liar *l, int fd, unsigned connection)
{
	hang_up(l, fd, connection);
	liar_send(fd, "garbage that is no frame", 24);
	liar_await_end(fd);
}

static void send_malformed(struct liar *l, int fd, unsigned connection)
{
	hang_up(l, fd, connection);
	liar_frame(fd, BYTES("\x94\x01\x00\xc0"));
	liar_await_end(fd);
}

static void send_huge(struct liar *l, int fd, unsigned connection)
{
	hang_up(l, fd, connection);
	liar_send(fd, "\x01\x7f\xff\xff\xff\xff\xff\xff\xff", 9);
	liar_await_end(fd);
}

static void send_bad_error(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	char body[] = "\x94\x01\x01\x91\x05\xc0";
	body[2] = (char)liar_receive_one(fd);
	liar_frame(fd, body, sizeof(body) - 1);
	liar_await_end(fd);
}

static void half_a_frame(struct liar *l, int fd, unsigned connection)
{
	hang_up(l, fd, connection);
	liar_send(fd, "\x01\0\0\0\0\0\0\0\x20\0\0\0\x01\x94\x01", 15);
}

static void answers_that_are_none_end_the_connection(void **state)
{
	(void)state;
	const struct {
		void (*script)(struct liar *, int, unsigned);
		int status;
	} cases[] = {
	    {hang_up, WHERRY_ESTALE},
	    {half_a_frame, WHERRY_ESTALE},
	    {send_garbage, WHERRY_ECORRUPT},
	    {send_malformed, WHERRY_ECORRUPT},
	    {send_huge, WHERRY_ECORRUPT},
	    {send_bad_error, WHERRY_ECORRUPT},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct liar l;
		liar_start(&l, liar_greeting, cases[i].script);
		wherry_client *c = connect_with(l.place.url, &once);
		expect_ask_fails(c, "a.b", cases[i].status, 1);
		expect_ask_fails(c, "a.b", WHERRY_ESTALE, 1);
		assert_int_equal(counts_of(c).in_flight, 0);
		wherry_client_close(c);
		liar_stop(&l);
	}
}

// Garbage on the first connection; on the second one all is well.
static void garbage_once(struct liar *l, int fd, unsigned connection)
{
	if (connection == 0)
		send_garbage(l, fd, connection);
	else
		liar_serve(fd);
}

static void after_garbage_there_is_a_new_connection(void **state)
{
	(void)state;
	struct liar l;
	wherry_reply r = {0};
	liar_start(&l, liar_greeting, garbage_once);
	wherry_client *c = connect_to(l.place.url);
	ask(c, "a.b", WHERRY_REPEATABLE, 0, &r);
	expect_result(&r, "true");
	assert_int_equal(counts_of(c).connections, 2);
	assert_int_equal(counts_of(c).repeated, 1);
	wherry_reply_free(&r);
	wherry_client_close(c);
	liar_stop(&l);
}

// --- answers that are nobody's ----------------------------------------------------------------------------------------

// The first request is answered together with the second.
static void answer_late(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	uint32_t first = liar_receive_one(fd), second = liar_receive_one(fd);
	liar_answer(fd, first,
	    BYTES("\xa5"
		  "first"));
	liar_answer(fd, second,
	    BYTES("\xa6"
		  "second"));
	liar_await_end(fd);
}

static void a_late_answer_is_thrown_away(void **state)
{
	(void)state;
	struct liar l;
	liar_start(&l, liar_greeting, answer_late);
	wherry_client *c = connect_to(l.place.url);
	wherry_client_set_timeout(c, 30);
	expect_ask_fails(c, "a.b", WHERRY_ETIMEOUT, 1);
	wherry_client_set_timeout(c, -1);
	expect_ask(c, "a.b", "\"second\"");
	wherry_client_close(c);
	liar_stop(&l);
}

static void answer_wrongly(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	for (uint32_t id; (id = liar_receive_one(fd)) != 0;) {
		liar_answer(fd, id + 1, BYTES("\x01"));
		liar_answer(fd, id + 64, BYTES("\x02"));
		liar_answer(fd, UINT32_MAX, BYTES("\x03"));
		liar_answer(fd, id, BYTES("\x04"));
		liar_answer(fd, id, BYTES("\x05"));
	}
}

static void wrong_ids_and_second_answers_are_nobodys(void **state)
{
	(void)state;
	struct liar l;
	liar_start(&l, liar_greeting, answer_wrongly);
	wherry_client *c = connect_to(l.place.url);
	for (int i = 0; i < 200; i++)
		expect_ask(c, "a.b", "4");
	assert_int_equal(counts_of(c).answers, 200);
	wherry_client_close(c);
	liar_stop(&l);
}

// --- times ------------------------------------------------------------------------------------------------------------

static void receive_all(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	liar_await_end(fd);
}

static void *waits_long(void *client)
{
	wherry_reply r = {0};
	ask(client, "a.b", 0, 400, &r);
	expect_error(&r, WHERRY_ETIMEOUT, 1);
	wherry_reply_free(&r);
	return NULL;
}

static void each_call_has_a_time_of_its_own(void **state)
{
	(void)state;
	struct liar l;
	pthread_t thread;
	liar_start(&l, liar_greeting, receive_all);
	wherry_client *c = connect_to(l.place.url);
	pthread_create(&thread, NULL, waits_long, c);
	for (int i = 0; i < 5; i++) {
		wherry_reply r = {0};
		ask(c, "a.b", 0, 20, &r);
		expect_error(&r, WHERRY_ETIMEOUT, 1);
	}
	pthread_join(thread, NULL);
	assert_int_equal(counts_of(c).answers, 6);
	assert_int_equal(counts_of(c).pending_bytes, 0);
	wherry_client_close(c);
	liar_stop(&l);
}

// It reads nothing, so that what is sent fills the socket: such a request has not run, and must not be said to have.
static void read_nothing(struct liar *l, int fd, unsigned connection)
{
	(void)fd;
	(void)connection;
	while (atomic_load((atomic_bool *)l->arg) == false)
		pause_ms(5);
}

static void a_broker_that_takes_nothing_in(void **state)
{
	(void)state;
	enum { SIZE = 4 << 20 };
	struct liar l;
	atomic_bool end = false;
	l.arg = &end;
	liar_start(&l, liar_greeting, read_nothing);
	wherry_client_options options = {.size = sizeof(options), .call_ms = 50, .max_pending = SIZE + 4096};
	wherry_client *c = connect_with(l.place.url, &options);
	char *params = malloc(SIZE);
	memset(params, 0, SIZE);
	memcpy(params, "\x91\xc6\0\x3f\xff\xfa", 6); // 4 MiB - 6
	wherry_reply r = {0};
	assert_int_equal(wherry_client_call(c, "a.b", params, SIZE, NULL, 0, &r), WHERRY_ETIMEOUT); // a part has left
	assert_int_equal(wherry_client_call(c, "a.b", params, SIZE, NULL, 0, &r), WHERRY_EAGAIN);   // nothing has
	assert_non_null(strstr(r.error.text, "it was not sent"));
	assert_int_equal(counts_of(c).pending_bytes, 0);
	atomic_store(&end, true);
	wherry_client_close(c);
	free(params);
	liar_stop(&l);
}

// --- notifications ----------------------------------------------------------------------------------------------------

static void notify_and_answer(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	uint32_t id = liar_receive_one(fd);
	liar_frame(fd, BYTES("\x93\x02\xa1"
			     "x\x91\x01\x93\x02\xa1"
			     "x\x91\x02\x93\x02\xa1"
			     "x\x91\x03"));
	liar_frame(fd, BYTES("\x93\x02\xa1"
			     "x\x91\x04"));
	liar_answer(fd, id, BYTES("\xc3"));
	liar_await_end(fd);
}

static void expect_note(wherry_client *c, const char *params, uint64_t lost)
{
	wherry_note note = {0};
	assert_int_equal(wherry_client_poll(c, 1000, &note, NULL), WHERRY_OK);
	assert_int_equal(note.method_len, 1);
	char *got = embed_show(span_of(note.params, note.params_len));
	assert_string_equal(got, params);
	assert_int_equal(note.lost, lost);
	free(got);
	wherry_note_free(&note);
}

static void notifications_are_kept_for_later(void **state)
{
	(void)state;
	struct liar l;
	liar_start(&l, liar_greeting, notify_and_answer);
	wherry_client *c = connect_to(l.place.url);
	expect_ask(c, "a.b", "true");
	expect_note(c, "[1]", 0);
	expect_note(c, "[2]", 0);
	expect_note(c, "[3]", 0);
	expect_note(c, "[4]", 0);
	wherry_client_close(c);
	liar_stop(&l);
}

static void notifications_that_are_lost_are_counted(void **state)
{
	enum { NOTE_COST = 32 };
	(void)state;
	struct liar l;
	wherry_client_options options = {
	    .size = sizeof(options), .max_notes = 2 * (NOTE_COST + 3)}; // of three bytes each
	liar_start(&l, liar_greeting, notify_and_answer);
	wherry_client *c = connect_with(l.place.url, &options);
	expect_ask(c, "a.b", "true");
	expect_note(c, "[3]", 2);
	expect_note(c, "[4]", 0);
	assert_int_equal(counts_of(c).notes_lost, 2);
	wherry_client_close(c);
	liar_stop(&l);
}

// --- what is refused whole --------------------------------------------------------------------------------------------

// Answers no request; a frame with more than one nesting is refused: its fence is answered, as a broker would.
static void refuse_deep(struct liar *l, int fd, unsigned connection)
{
	struct liar_request requests[LIAR_REQUESTS];
	(void)l;
	(void)connection;
	for (size_t count; (count = liar_receive(fd, requests)) > 0;) {
		if (strcmp(requests[0].method, "deep.one") == 0)
			liar_frame(fd, BYTES("\x94\x01\xc0\x93\xff\xa4"
					     "EARG"
					     "\xa3"
					     "bad"
					     "\xc0"));
		if (strcmp(requests[0].method, "sys.ping") == 0)
			liar_answer(fd, requests[0].id, BYTES("\xc3"));
		if (strcmp(requests[0].method, "hang.up") == 0)
			return;
	}
}

static void *waits_in_vain(void *client)
{
	wherry_reply r = {0};
	ask(client, "wait.ever", 0, -1, &r);
	expect_error(&r, WHERRY_ESTALE, 1);
	wherry_reply_free(&r);
	return NULL;
}

// Requests that wait are never taken for the refused one, though nothing of their frames is answered either.
static void a_refusal_is_of_the_frame_that_it_is_of(void **state)
{
	(void)state;
	enum { WAITING = 3 };
	struct liar l;
	pthread_t threads[WAITING];
	char deep[24];
	liar_start(&l, liar_greeting, refuse_deep);
	wherry_client *c = connect_with(l.place.url, &once);
	for (int i = 0; i < WAITING; i++) {
		pthread_create(&threads[i], NULL, waits_in_vain, c);
		AWAIT(counts_of(c).frames_out == (uint64_t)i + 1);
	}
	memset(deep, 0x91, sizeof(deep));
	deep[20] = 1;
	wherry_reply r = {0};
	for (int i = 0; i < 3; i++) {
		wherry_client_call(c, "deep.one", deep, 21, NULL, 0, &r);
		expect_error(&r, WHERRY_EARG, 0);
		assert_string_equal(r.error.text, "bad");
	}
	assert_int_equal(counts_of(c).in_flight, WAITING);
	wherry_reply_free(&r);
	expect_ask_fails(c, "hang.up", WHERRY_ESTALE, 1);
	for (int i = 0; i < WAITING; i++)
		pthread_join(threads[i], NULL);
	wherry_client_close(c);
	liar_stop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_does_not_greet_is_no_broker),
	    cmocka_unit_test(nobody_is_there),
	    cmocka_unit_test(answers_that_are_none_end_the_connection),
	    cmocka_unit_test(after_garbage_there_is_a_new_connection),
	    cmocka_unit_test(a_late_answer_is_thrown_away),
	    cmocka_unit_test(wrong_ids_and_second_answers_are_nobodys),
	    cmocka_unit_test(each_call_has_a_time_of_its_own),
	    cmocka_unit_test(a_broker_that_takes_nothing_in),
	    cmocka_unit_test(notifications_are_kept_for_later),
	    cmocka_unit_test(notifications_that_are_lost_are_counted),
	    cmocka_unit_test(a_refusal_is_of_the_frame_that_it_is_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
