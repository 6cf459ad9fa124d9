// Lost connections and subscriptions: made anew before anything else, the gap told in its place, refusals told; and a
// broker that lies about messages.

#include <pthread.h>

#include "client_messages.h"

struct fixture {
	struct fake fake;
	wherry_client *client;
};

static void begin_with(struct fixture *x, wherry_client_options options)
{
	options.size = sizeof(options);
	options.backoff_ms = 1;
	options.backoff_max_ms = 5;
	fake_open(&x->fake);
	fake_rule(&x->fake, "pubsub.subscribe", "7");
	x->client = connect_with(fake_url(&x->fake), &options);
}

static void begin(struct fixture *x)
{
	begin_with(x, (wherry_client_options){.size = 0});
}

static void end(struct fixture *x)
{
	wherry_client_close(x->client);
	fake_close(&x->fake);
}

static void the_gap_is_told_in_its_place(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]");
	expect_ask(x.client, "sys.ping", "true");
	fake_rule(&x.fake, "pubsub.subscribe", "8");
	fake_say_before(&x.fake, "messages 8 1 0 [[a, 2, null]]");
	fake_cut(&x.fake);
	fake_await(&x.fake, "pubsub.subscribe", 2);
	expect_next(s, "1 a 1");
	expect_next(s, "ESTALE");
	expect_next(s, "2 a 2 gap"); // numbers go on
	fake_say(&x.fake, "messages 8 2 0 [[a, 3, null]]");
	expect_next(s, "3 a 3");
	fake_cut(&x.fake);
	expect_next(s, "ESTALE"); // though no message follows
	fake_cut(&x.fake);
	expect_next(s, "ESTALE");
	expect_nothing(s);
	end(&x);
}

static void callbacks_hear_the_gap(void **state)
{
	(void)state;
	struct fixture x;
	struct heard h = HEARD;
	unsigned at = 0;
	begin(&x);
	subscribe_with(
	    x.client, "a", (wherry_subscribe_options){.on_message = hear_message, .on_gap = hear_gap, .arg = &h});
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]");
	expect_heard(&h, &at, "1 a 1");
	fake_say_before(&x.fake, "messages 7 1 0 [[a, 2, null]]");
	fake_cut(&x.fake);
	expect_heard(&h, &at, "gap: ESTALE");
	expect_heard(&h, &at, "2 a 2 gap");
	end(&x);
}

static void send_more(void *client, int connected, const wherry_error *why)
{
	(void)why;
	if (connected)
		send_line(client, "of.the.program", 0, 0, ignore_answer, NULL);
}

static void they_are_made_anew_before_anything_else(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	subscribe(x.client, "first");
	subscribe(x.client, "second");
	wherry_client_on_change(x.client, send_more, x.client);
	fake_refuse(&x.fake, true);
	fake_cut(&x.fake);
	AWAIT(x.fake.liar.connections >= 2);
	send_line(x.client, "of.another", WHERRY_REPEATABLE, 0, ignore_answer, NULL);
	fake_refuse(&x.fake, false);
	fake_await(&x.fake, "of.another", 1);
	int first = fake_find(&x.fake, "pubsub.subscribe \"first\"", 2);
	assert_int_equal(fake_find(&x.fake, "pubsub.subscribe \"second\"", 2), first + 1);
	int program = fake_find(&x.fake, "of.the.program", 0); // one for each connection that was refused, too
	assert_int_equal(program, first + 2);
	assert_true(fake_find(&x.fake, "of.another", 0) > program);
	end(&x);
}

static void one_that_is_refused_then_ends(void **state)
{
	(void)state;
	struct fixture x;
	struct heard h = HEARD;
	unsigned at = 0;
	begin(&x);
	wherry_feed *pulled = subscribe(x.client, "a");
	subscribe_with(
	    x.client, "b", (wherry_subscribe_options){.on_message = hear_message, .on_gap = hear_gap, .arg = &h});
	fake_rule(&x.fake, "pubsub.subscribe", "EDENIED");
	fake_cut(&x.fake);
	expect_next(pulled, "EDENIED");
	expect_next(pulled, "EDENIED");
	expect_heard(&h, &at, "ended: EDENIED");
	fake_cut(&x.fake);
	expect_ask(x.client, "sys.ping", "true"); // it is not asked again
	assert_int_equal(fake_count(&x.fake, "pubsub.subscribe"), 4);
	end(&x);
}

static void what_passes_by_itself_is_asked_again(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	fake_rule(&x.fake, "pubsub.subscribe", "EAGAIN");
	fake_cut(&x.fake);
	fake_await(&x.fake, "pubsub.subscribe", 3);
	fake_rule(&x.fake, "pubsub.subscribe", "9");
	expect_next(s, "ESTALE");
	fake_say(&x.fake, "messages 9 1 0 [[a, 1, null]]");
	expect_next(s, "1 a 1 gap");
	end(&x);
}

static void cuts_while_it_is_asked_are_no_gap(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	fake_rule(&x.fake, "pubsub.subscribe", FAKE_HOLD);
	wherry_feed *s = subscribe_with(x.client, "a", (wherry_subscribe_options){.flags = WHERRY_NO_WAIT});
	for (unsigned i = 1; i < 4; i++) {
		fake_await(&x.fake, "pubsub.subscribe", i);
		fake_cut(&x.fake);
	}
	fake_await(&x.fake, "pubsub.subscribe", 4);
	fake_release(&x.fake, "pubsub.subscribe", "9");
	fake_say(&x.fake, "messages 9 1 0 [[a, 1, null]]");
	expect_next(s, "1 a 1");
	end(&x);
}

static void with_once_the_end_is_told(void **state)
{
	(void)state;
	struct fixture x;
	struct heard h = HEARD;
	unsigned at = 0;
	begin_with(&x, (wherry_client_options){.once = 1});
	wherry_feed *s = subscribe(x.client, "a");
	subscribe_with(
	    x.client, "b", (wherry_subscribe_options){.on_message = hear_message, .on_gap = hear_gap, .arg = &h});
	fake_cut(&x.fake);
	expect_next(s, "ESTALE");
	expect_next(s, "ESTALE");
	expect_heard(&h, &at, "ended: ESTALE");
	wherry_feed *more;
	const char *const filters[] = {"c"};
	const wherry_subscribe_options w = {.size = sizeof(w), .filters = filters, .filter_count = 1};
	assert_int_equal(wherry_client_subscribe(x.client, &w, &more, NULL), WHERRY_ESTALE);
	end(&x);
}

static void gaps_are_bounded_for_whoever_never_looks(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe_with(x.client, "a", (wherry_subscribe_options){.keep_bytes = 1});
	for (unsigned i = 1; i <= 20; i++) {
		fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]");
		expect_ask(x.client, "sys.ping", "true");
		fake_cut(&x.fake);
		fake_await(&x.fake, "pubsub.subscribe", 1 + i);
	}
	expect_next(s, "ESTALE");
	expect_next(s, "20 a 1 lost 19 gap");
	expect_next(s, "ESTALE");
	expect_nothing(s);
	end(&x);
}

// --- a broker that lies -----------------------------------------------------------------------------------------------

// Whatever can't be read ends the connection, and with it nothing is lost silently.
static void what_can_not_be_read_ends_the_connection(void **state)
{
	(void)state;
	static const char *const lies[] = {
	    "messages 7",
	    "messages 7 1",
	    "messages 7 1 0",
	    "messages 7 x 0 [[a, 1, null]]",
	    "messages 7 1 -1 [[a, 1, null]]",
	    "messages 7 1 0 {a: 1}",
	    "messages 7 1 0 [a]",
	    "messages 7 1 0 [[]]",
	    "messages 7 1 0 [[a]]",
	    "messages 7 1 0 [[5, 1, null]]",
	    "messages 7 1 0 [[a, 1, 5]]",
	    "messages 7 1 0 [[a, 1, null], [a, 2, [h]]]",
	};
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fake_say(&x.fake, lies[i]);
		expect_next(s, "ESTALE");
	}
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null, of, a, later, version]] 5");
	expect_next(s, "1 a 1 gap");
	end(&x);
}

static bool is_answered(wherry_client *client)
{
	wherry_reply reply = {0};
	int status = wherry_client_call(client, "sys.ping", NULL, 0, NULL, 0, &reply);
	wherry_reply_free(&reply);
	return status == WHERRY_OK;
}

// The answer that ends a connection may be on its way when the rule changes: then what is asked meanwhile ends with it.
static void an_id_that_is_none_is_asked_for_again(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	fake_rule(&x.fake, "pubsub.subscribe", "seven");
	wherry_feed *s = subscribe_with(x.client, "a", (wherry_subscribe_options){.flags = WHERRY_NO_WAIT});
	fake_await(&x.fake, "pubsub.subscribe", 3);
	fake_rule(&x.fake, "pubsub.subscribe", "7");
	fake_await(&x.fake, "pubsub.subscribe", 4);
	AWAIT(is_answered(x.client));
	AWAIT((fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]"), true));
	wherry_delivery m = {0};
	assert_int_equal(wherry_feed_next(s, 10000, &m, NULL), WHERRY_OK);
	wherry_delivery_free(&m);
	end(&x);
}

static void a_flood_for_ids_that_are_never_told_ends(void **state)
{
	(void)state;
	struct fixture x;
	begin_with(&x, (wherry_client_options){.max_notes = 4096});
	fake_rule(&x.fake, "pubsub.subscribe", FAKE_HOLD);
	subscribe_with(x.client, "a", (wherry_subscribe_options){.flags = WHERRY_NO_WAIT});
	fake_await(&x.fake, "pubsub.subscribe", 1);
	for (int i = 0; i < 1000 && fake_count(&x.fake, "pubsub.subscribe") < 2; i++)
		fake_say(&x.fake, "messages 99 1 0 [[a, \"something to take up room, and more of it\", null]]");
	fake_await(&x.fake, "pubsub.subscribe", 2);
	end(&x);
}

static void two_of_one_id_are_no_harm(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *a = subscribe(x.client, "a"), *b = subscribe(x.client, "b");
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]");
	expect_next(b, "1 a 1");
	wherry_feed_close(a);
	wherry_feed_close(b);
	expect_ask(x.client, "sys.ping", "true");
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_gap_is_told_in_its_place),
	    cmocka_unit_test(callbacks_hear_the_gap),
	    cmocka_unit_test(they_are_made_anew_before_anything_else),
	    cmocka_unit_test(one_that_is_refused_then_ends),
	    cmocka_unit_test(what_passes_by_itself_is_asked_again),
	    cmocka_unit_test(cuts_while_it_is_asked_are_no_gap),
	    cmocka_unit_test(with_once_the_end_is_told),
	    cmocka_unit_test(gaps_are_bounded_for_whoever_never_looks),
	    cmocka_unit_test(what_can_not_be_read_ends_the_connection),
	    cmocka_unit_test(an_id_that_is_none_is_asked_for_again),
	    cmocka_unit_test(a_flood_for_ids_that_are_never_told_ends),
	    cmocka_unit_test(two_of_one_id_are_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
