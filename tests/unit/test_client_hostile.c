// The C client against brokers that mean it ill, and in a process that has run out of descriptors.

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_expect.h"
#include "liar.h"

// --- brokers ----------------------------------------------------------------------------------------------------------

// Its list of commands has a name with a zero in it, which ends just where the client's memory of names does.
static void list_odd_names(struct liar *l, int fd, unsigned connection)
{
	enum { LONG = 200, ODD = 52, ENTRY = 8 };
	char list[1 + 2 * ENTRY + LONG + ODD] = {(char)0x92}, *at = list + 1;
	const unsigned char sizes[] = {LONG, ODD};
	(void)l;
	uint32_t id = liar_receive_one(fd);
	if (connection == 0 || id == 0)
		return;
	for (int i = 0; i < 2; i++) {
		memcpy(at, "\x81\xa4name\xd9", 7);
		at[7] = (char)sizes[i];
		memset(at + ENTRY, 'x', sizes[i]);
		at += ENTRY + sizes[i];
	}
	at[-1] = 0;
	liar_answer(fd, id, list, sizeof(list));
	liar_serve(fd);
}

static void a_command_may_have_any_name(void **state)
{
	(void)state;
	struct liar l;
	liar_start(&l, liar_greeting, list_odd_names);
	wherry_client *c = connect_to(l.place.url);
	expect_ask_fails(c, "a.b", WHERRY_ESTALE, 1);
	expect_ask(c, "a.b", "true");
	wherry_client_close(c);
	liar_stop(&l);
}

enum { NOTES = 2000, NOTE = 5 };

static void fill_with_notes(char notes[NOTES * NOTE])
{
	for (int i = 0; i < NOTES; i++)
		memcpy(notes + i * NOTE, "\x93\x02\xa1x\x90", NOTE);
}

// Tells and tells, but never what it was asked.
static void never_stop_talking(struct liar *l, int fd, unsigned connection)
{
	enum { HEAD = 13 };
	char frame[HEAD + NOTES * NOTE] = {1};
	size_t len = NOTE;
	(void)l;
	(void)connection;
	fill_with_notes(frame + HEAD);
	do {
		len = len * 7 % (NOTES * NOTE / 2 - 3) / NOTE * NOTE + NOTE;
		frame[7] = (char)((len + 4) >> 8);
		frame[8] = (char)(len + 4);
	} while (send(fd, frame, HEAD + len, MSG_NOSIGNAL) > 0);
}

static void talk_does_not_prolong_a_greeting(void **state)
{
	(void)state;
	struct liar l;
	wherry_client *c;
	const wherry_client_options options = {.size = sizeof(options), .connect_ms = 100, .ns = "x", .max_notes = 1};
	liar_start(&l, liar_greeting, never_stop_talking);
	assert_int_equal(wherry_client_open(l.place.url, &options, &c, NULL), WHERRY_EAGAIN);
	liar_stop(&l);
}

static void notify_much(struct liar *l, int fd, unsigned connection)
{
	char notes[NOTES * NOTE];
	(void)l;
	(void)connection;
	uint32_t id = liar_receive_one(fd);
	fill_with_notes(notes);
	liar_frame(fd, notes, sizeof(notes));
	liar_answer(fd, id, BYTES("\xc3"));
	liar_await_end(fd);
}

// Small ones cost more than their bytes: what is kept is bounded all the same.
static void many_small_notifications_stay_within_their_limit(void **state)
{
	(void)state;
	struct liar l;
	const wherry_client_options options = {.size = sizeof(options), .max_notes = NOTES * NOTE};
	liar_start(&l, liar_greeting, notify_much);
	wherry_client *c = connect_with(l.place.url, &options);
	expect_ask(c, "a.b", "true");
	assert_in_range(counts_of(c).notes_lost, NOTES / 2, NOTES - 1);
	wherry_client_close(c);
	liar_stop(&l);
}

static void say_nothing(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	(void)connection;
	liar_await_end(fd);
}

static void ignore(void *arg, const wherry_reply *r)
{
	(void)r;
	atomic_fetch_add((atomic_uint *)arg, 1);
}

static void many_small_requests_stay_within_their_limit(void **state)
{
	(void)state;
	struct liar l;
	atomic_uint ended = 0;
	unsigned taken = 0;
	const wherry_client_options options = {.size = sizeof(options), .max_pending = 10000};
	liar_start(&l, liar_greeting, say_nothing);
	wherry_client *c = connect_with(l.place.url, &options);
	while (send_line(c, "a.b", 0, 0, ignore, &ended) == WHERRY_OK)
		taken++;
	assert_in_range(taken, 10, 100);
	wherry_client_close(c);
	assert_int_equal(ended, taken);
	liar_stop(&l);
}

// --- the driver's role --------------------------------------------------------------------------------------------------

// Talks whenever it is not read from, so that a look at a silent connection takes a while.
static void talk_and_answer(struct liar *l, int fd, unsigned connection)
{
	struct liar_request requests[LIAR_REQUESTS];
	char notes[NOTES * NOTE];
	(void)l;
	(void)connection;
	fill_with_notes(notes);
	for (size_t count; (count = liar_receive(fd, requests)) > 0;) {
		for (size_t i = 0; i < count; i++)
			liar_answer(fd, requests[i].id, BYTES("\xc3"));
		for (int i = 0; i < 20; i++)
			liar_frame(fd, notes, sizeof(notes));
	}
}

struct pair {
	wherry_client *client;
	pthread_barrier_t both;
};

enum { ROUNDS = 15 };

static void *ask_too_much(void *arg)
{
	struct pair *p = arg;
	wherry_reply r = {0};
	char params[2000] = "\x91\xc5\x07\xcc"; // 2,000 - 4
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&p->both);
		assert_int_equal(
		    wherry_client_call(p->client, "a.b", params, sizeof(params), NULL, 0, &r), WHERRY_ELIMIT);
		pthread_barrier_wait(&p->both);
	}
	wherry_reply_free(&r);
	return NULL;
}

// Who looked whether the connection still lives had the driver's role; others must not wait for it in vain afterwards.
static void who_asks_too_much_leaves_others_their_answers(void **state)
{
	(void)state;
	struct liar l;
	pthread_t thread;
	const wherry_client_options options = {
	    .size = sizeof(options), .max_pending = 1000, .max_notes = 1000, .call_ms = 3000};
	liar_start(&l, liar_greeting, talk_and_answer);
	struct pair p = {.client = connect_with(l.place.url, &options)};
	pthread_barrier_init(&p.both, NULL, 2);
	expect_ask(p.client, "a.b", "true");
	pthread_create(&thread, NULL, ask_too_much, &p);
	for (int i = 0; i < ROUNDS; i++) {
		pause_ms(120); // silent for so long that it is looked at
		pthread_barrier_wait(&p.both);
		for (int spin = 0; spin < 2000 * i; spin++)
			atomic_signal_fence(memory_order_seq_cst);
		expect_ask(p.client, "a.b", "true");
		pthread_barrier_wait(&p.both);
	}
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&p.both);
	wherry_client_close(p.client);
	liar_stop(&l);
}

// --- out of descriptors ---------------------------------------------------------------------------------------------------

static void who_has_no_descriptors_left_is_told_so(void **state)
{
	(void)state;
	struct rlimit before, none;
	wherry_client *c;
	wherry_error error;
	struct place p;
	place_open(&p, "");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int next = dup(0);
	close(next);
	for (int left = 0; left <= 3; left++) {
		none = (struct rlimit){(rlim_t)(next + left), before.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		int status = wherry_client_open(p.url, NULL, &c, &error);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(status, WHERRY_EAGAIN);
		assert_string_equal(error.text, "Too many open files");
	}
	place_leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_command_may_have_any_name),
	    cmocka_unit_test(talk_does_not_prolong_a_greeting),
	    cmocka_unit_test(many_small_notifications_stay_within_their_limit),
	    cmocka_unit_test(many_small_requests_stay_within_their_limit),
	    cmocka_unit_test(who_asks_too_much_leaves_others_their_answers),
	    cmocka_unit_test(who_has_no_descriptors_left_is_told_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
