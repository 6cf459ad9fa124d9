// Subscriptions of the C client: what is asked for, whose a delivery is, pulled or heard, and what is told of losses.

#include <pthread.h>

#include "client_messages.h"

struct fixture {
	struct fake fake;
	wherry_client *client;
};

static void begin(struct fixture *x)
{
	const wherry_client_options options = {.size = sizeof(options), .backoff_ms = 1, .backoff_max_ms = 5};
	fake_open(&x->fake);
	fake_rule(&x->fake, "pubsub.subscribe", "7");
	x->client = connect_with(fake_url(&x->fake), &options);
}

static void end(struct fixture *x)
{
	wherry_client_close(x->client);
	fake_close(&x->fake);
}

// --- what is asked for ------------------------------------------------------------------------------------------------

static void all_that_is_wished_for_is_asked(void **state)
{
	(void)state;
	struct fixture x;
	const char *const filters[] = {"a.*", "b.>"};
	const wherry_subscribe_options w = {.size = sizeof(w),
	    .flags = WHERRY_RETAINED,
	    .filters = filters,
	    .filter_count = 2,
	    .group = "workers",
	    .sticky = "user",
	    .overflow = "conflate",
	    .max_messages = 5,
	    .max_bytes = 4096,
	    .ns = "red"};
	wherry_feed *s;
	begin(&x);
	assert_int_equal(wherry_client_subscribe(x.client, &w, &s, NULL), WHERRY_OK);
	fake_expect(&x.fake, 0,
	    "pubsub.subscribe \"a.*\", \"b.>\" {\"ns\", \"red\", \"group\", \"workers\", \"sticky\", \"user\", "
	    "\"overflow\", \"conflate\", \"max_messages\", 5, \"max_bytes\", 4096, \"retained\", true}");
	wherry_feed_close(s);
	fake_await(&x.fake, "pubsub.unsubscribe 7", 1);
	end(&x);
}

static void it_stays_in_its_namespace(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	subscribe(x.client, "a");
	expect_ask(x.client, "session.use blue", "true");
	subscribe(x.client, "b");
	fake_cut(&x.fake);
	fake_await(&x.fake, "pubsub.subscribe \"b\" {\"ns\", \"blue\"}", 2);
	fake_await(&x.fake, "pubsub.subscribe \"a\" {\"ns\", \"default\"}", 2);
	end(&x);
}

static void what_can_not_be_asked_is_not(void **state)
{
	(void)state;
	struct fixture x;
	wherry_feed *s;
	wherry_error error;
	const wherry_subscribe_options none = {.size = sizeof(none)}, unsized = {.filter_count = 1};
	begin(&x);
	assert_int_equal(wherry_client_subscribe(x.client, &none, &s, &error), WHERRY_EARG);
	assert_null(s);
	assert_int_equal(wherry_client_subscribe(x.client, &unsized, &s, &error), WHERRY_EARG);
	assert_int_equal(error.local, 1);
	assert_int_equal(fake_count(&x.fake, ""), 0);
	wherry_feed_close(NULL);
	end(&x);
}

static void a_refusal_is_answered(void **state)
{
	(void)state;
	struct fixture x;
	const char *const filters[] = {"a..b"};
	const wherry_subscribe_options w = {.size = sizeof(w), .filters = filters, .filter_count = 1};
	wherry_feed *s;
	wherry_error error;
	begin(&x);
	fake_rule(&x.fake, "pubsub.subscribe", "EARG");
	assert_int_equal(wherry_client_subscribe(x.client, &w, &s, &error), WHERRY_EARG);
	assert_null(s);
	assert_int_equal(error.local, 0);
	assert_string_equal(error.text, "as the test says");
	fake_rule(&x.fake, "pubsub.subscribe", "EAGAIN");
	assert_int_equal(wherry_client_subscribe(x.client, &w, &s, NULL), WHERRY_EAGAIN);
	end(&x);
}

// --- pulled and heard -------------------------------------------------------------------------------------------------

static void messages_are_pulled_in_order(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a.>");
	expect_nothing(s);
	fake_say(&x.fake, "messages 7 1 0 [[a.b, 1, null], [a.c, {x: [2]}, {h: b\"v\"}]]");
	fake_say(&x.fake, "messages 7 3 0 [[a.d, \"three\"]]"); // without headers
	expect_next(s, "1 a.b 1");
	expect_next(s, "2 a.c {\"x\": [2]} {\"h\": b\"v\"}");
	expect_next(s, "3 a.d \"three\"");
	expect_nothing(s);
	end(&x);
}

static void messages_are_heard_in_order(void **state)
{
	(void)state;
	struct fixture x;
	struct heard h = HEARD;
	unsigned at = 0;
	begin(&x);
	wherry_feed *s =
	    subscribe_with(x.client, "a.>", (wherry_subscribe_options){.on_message = hear_message, .arg = &h});
	fake_say(&x.fake, "messages 7 1 0 [[a.b, 1, null], [a.c, 2, null]]");
	fake_say(&x.fake, "messages 7 8 5 [[a.d, 3, null]]");
	expect_heard(&h, &at, "1 a.b 1");
	expect_heard(&h, &at, "2 a.c 2");
	expect_heard(&h, &at, "8 a.d 3 lost 5");
	wherry_delivery m = {0};
	assert_int_equal(wherry_feed_next(s, 0, &m, NULL), WHERRY_EARG); // it has a callback
	wherry_feed_close(s);
	end(&x);
}

static void losses_are_told_once(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	fake_say(&x.fake, "messages 7 4 3 [[a, 4, null], [a, 5, null]]");
	expect_next(s, "4 a 4 lost 3");
	expect_next(s, "5 a 5");
	fake_say(&x.fake, "messages 7 6 0 []"); // nothing
	fake_say(&x.fake, "messages 7 8 2 []"); // a gap with nothing behind it yet
	fake_say(&x.fake, "messages 7 8 0 [[a, 8, null]]");
	expect_next(s, "8 a 8 lost 2");
	fake_say(&x.fake, "messages 7 12 0 [[a, 12, null]]"); // a number was passed over without a word
	expect_next(s, "12 a 12 lost 3");
	fake_say(&x.fake, "messages 7 13 18446744073709551615 [[a, 13, null]]");
	expect_next(s, "12 a 13 lost 18446744073709551615"); // (numbers go round)
	end(&x);
}

// --- whose it is ------------------------------------------------------------------------------------------------------

static void a_delivery_may_come_before_the_id_is_told(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	fake_say_before(&x.fake, "messages 7 1 0 [[a, 1, null]]"); // in the frame of the answer
	wherry_feed *first = subscribe(x.client, "a");
	expect_next(first, "1 a 1");
	fake_rule(&x.fake, "pubsub.subscribe", FAKE_HOLD); // in frames before it
	wherry_feed *second = subscribe_with(x.client, "c", (wherry_subscribe_options){.flags = WHERRY_NO_WAIT});
	fake_await(&x.fake, "pubsub.subscribe \"c\"", 1);
	fake_say(&x.fake, "messages 9 1 0 [[c, 1, null]]");
	fake_say(&x.fake, "messages 8 1 0 [[nobody, 1, null]]");
	fake_say(&x.fake, "messages 9 2 0 [[c, 2, null]]");
	fake_release(&x.fake, "pubsub.subscribe", "9");
	expect_next(second, "1 c 1");
	expect_next(second, "2 c 2");
	wherry_note note = {0}; // what nobody claims is for whoever hears notes
	assert_int_equal(wherry_client_poll(x.client, 10000, &note, NULL), WHERRY_OK);
	char *shown = embed_show(span_of(note.params, note.params_len));
	assert_string_equal(shown, "[8, 1, 0, [[\"nobody\", 1, null]]]");
	free(shown);
	wherry_note_free(&note);
	end(&x);
}

static void others_hear_what_is_not_claimed(void **state)
{
	(void)state;
	struct fixture x;
	wherry_note note = {0};
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	fake_say(&x.fake, "messages 8 1 0 [[b, 1, null]]");
	fake_say(&x.fake, "messages x 1 0 [[b, 1, null]]");
	fake_say(&x.fake, "session goodbye null");
	fake_say(&x.fake, "watch 7 put k 1 1 0"); // a watch's id is no subscription's
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]");
	expect_next(s, "1 a 1");
	for (int i = 0; i < 4; i++)
		assert_int_equal(wherry_client_poll(x.client, 10000, &note, NULL), WHERRY_OK);
	assert_int_equal(note.method_len, 5);
	assert_int_equal(wherry_client_poll(x.client, 0, &note, NULL), WHERRY_ETIMEOUT);
	wherry_note_free(&note);
	end(&x);
}

static void after_the_end_nothing_is_told(void **state)
{
	(void)state;
	struct fixture x;
	struct heard h = HEARD;
	wherry_note note = {0};
	begin(&x);
	fake_rule(&x.fake, "pubsub.unsubscribe", FAKE_HOLD);
	wherry_feed *s =
	    subscribe_with(x.client, "a", (wherry_subscribe_options){.on_message = hear_message, .arg = &h});
	wherry_feed_close(s);
	fake_await(&x.fake, "pubsub.unsubscribe 7", 1);
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]");
	fake_release(&x.fake, "pubsub.unsubscribe", "1");
	expect_ask(x.client, "sys.ping", "true");
	assert_int_equal(heard_count(&h), 0);
	assert_int_equal(wherry_client_poll(x.client, 0, &note, NULL), WHERRY_ETIMEOUT);
	end(&x);
}

static void one_that_was_given_up_is_left_when_it_is_made(void **state)
{
	(void)state;
	struct fixture x;
	const char *const filters[] = {"a"};
	wherry_subscribe_options w = {.size = sizeof(w), .filters = filters, .filter_count = 1, .timeout_ms = 30};
	wherry_feed *s;
	wherry_error error;
	begin(&x);
	fake_rule(&x.fake, "pubsub.subscribe", FAKE_HOLD);
	assert_int_equal(wherry_client_subscribe(x.client, &w, &s, &error), WHERRY_ETIMEOUT);
	assert_null(s);
	assert_int_equal(error.local, 1);
	fake_release(&x.fake, "pubsub.subscribe", "70");
	fake_await(&x.fake, "pubsub.unsubscribe 70", 1);
	w.flags = WHERRY_NO_WAIT;
	assert_int_equal(wherry_client_subscribe(x.client, &w, &s, &error), WHERRY_OK);
	fake_await(&x.fake, "pubsub.subscribe", 2);
	wherry_feed_close(s);
	fake_release(&x.fake, "pubsub.subscribe", "71");
	fake_await(&x.fake, "pubsub.unsubscribe 71", 1);
	end(&x);
}

// --- stopping ---------------------------------------------------------------------------------------------------------

static void *wait_for_one(void *arg)
{
	wherry_delivery m = {0};
	intptr_t status = wherry_feed_next(arg, -1, &m, NULL);
	wherry_delivery_free(&m);
	return (void *)status; // NOLINT
}

static void who_waits_is_woken_when_it_is_stopped(void **state)
{
	(void)state;
	struct fixture x;
	pthread_t threads[4];
	void *status;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, wait_for_one, s);
	wherry_feed_stop(s);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &status);
		assert_int_equal((intptr_t)status, WHERRY_ESHUTDOWN);
	}
	wherry_feed_stop(s);
	wherry_feed_close(s);
	end(&x);
}

static void what_was_kept_is_told_after_the_stop(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null], [a, 2, null]]");
	expect_next(s, "1 a 1");
	wherry_feed_stop(s);
	expect_next(s, "2 a 2");
	expect_next(s, "ESHUTDOWN");
	expect_next(s, "ESHUTDOWN");
	end(&x);
}

static void many_threads_pull(void **state)
{
	(void)state;
	enum { THREADS = 8 };
	struct fixture x;
	pthread_t threads[THREADS];
	void *status;
	begin(&x);
	wherry_feed *s = subscribe(x.client, "a");
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, wait_for_one, s);
	fake_say(&x.fake, "messages 7 1 0 [[a,1,null],[a,2,null],[a,3,null],[a,4,null],[a,5,null],[a,6,null]]");
	fake_say(&x.fake, "messages 7 7 0 [[a,7,null]]");
	fake_say(&x.fake, "messages 7 8 0 [[a,8,null]]");
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &status);
		assert_int_equal((intptr_t)status, WHERRY_OK);
	}
	expect_nothing(s);
	end(&x);
}

// --- bounds -----------------------------------------------------------------------------------------------------------

static void say_many(struct fixture *x, unsigned from, unsigned to)
{
	char line[SHOWN];
	for (unsigned i = from; i <= to; i++) {
		snprintf(line, sizeof(line), "messages 7 %u 0 [[a, %u, null]]", i, i);
		fake_say(&x->fake, line);
	}
	expect_ask(x->client, "sys.ping", "true"); // all has come
}

static void whoever_pulls_too_slowly_loses_the_oldest(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_feed *s = subscribe_with(x.client, "a", (wherry_subscribe_options){.keep_bytes = 200});
	say_many(&x, 1, 100);
	wherry_delivery m = {0};
	assert_int_equal(wherry_feed_next(s, 0, &m, NULL), WHERRY_OK);
	assert_true(m.lost > 90);
	assert_int_equal(m.seq, m.lost + 1);
	while (m.seq < 100) {
		uint64_t before = m.seq;
		assert_int_equal(wherry_feed_next(s, 0, &m, NULL), WHERRY_OK);
		assert_int_equal(m.seq, before + 1);
		assert_int_equal(m.lost, 0);
	}
	expect_nothing(s);
	wherry_delivery_free(&m);
	end(&x);
}

static void or_the_newest(void **state)
{
	(void)state;
	struct fixture x;
	wherry_delivery m = {0};
	uint64_t lost = 0, told = 0;
	begin(&x);
	wherry_feed *s =
	    subscribe_with(x.client, "a", (wherry_subscribe_options){.keep_bytes = 200, .overflow = "drop_newest"});
	say_many(&x, 1, 100);
	expect_next(s, "1 a 1");
	while (wherry_feed_next(s, 0, &m, NULL) == WHERRY_OK)
		told = m.seq;
	assert_in_range(told, 2, 10);
	say_many(&x, 101, 101);
	assert_int_equal(wherry_feed_next(s, 0, &m, NULL), WHERRY_OK);
	lost = m.lost;
	assert_int_equal(told + lost, 100);
	assert_int_equal(m.seq, 101);
	wherry_delivery_free(&m);
	end(&x);
}

// --- from callbacks ---------------------------------------------------------------------------------------------------

struct within {
	wherry_client *client;
	wherry_feed *self, *other;
	atomic_uint calls;
	atomic_int waited;
};

static void close_self(void *arg, const wherry_delivery *m)
{
	struct within *w = arg;
	(void)m;
	wherry_feed_close(w->self);
	atomic_fetch_add(&w->calls, 1);
}

static void a_callback_may_close_what_it_is_of(void **state)
{
	(void)state;
	struct fixture x;
	struct within w = {0};
	begin(&x);
	fake_rule(&x.fake, "pubsub.subscribe", FAKE_HOLD);
	w.self = subscribe_with(
	    x.client, "a", (wherry_subscribe_options){.on_message = close_self, .arg = &w, .flags = WHERRY_NO_WAIT});
	fake_release(&x.fake, "pubsub.subscribe", "7");
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null], [a, 2, null]]");
	fake_say(&x.fake, "messages 7 3 0 [[a, 3, null]]");
	fake_await(&x.fake, "pubsub.unsubscribe 7", 1);
	expect_ask(x.client, "sys.ping", "true");
	assert_int_equal(w.calls, 1);
	end(&x);
}

static void subscribe_within(void *arg, const wherry_delivery *m)
{
	struct within *w = arg;
	const char *const filters[] = {"b"};
	wherry_subscribe_options again = {.size = sizeof(again), .filters = filters, .filter_count = 1};
	wherry_feed *s;
	(void)m;
	atomic_store(&w->waited, wherry_client_subscribe(w->client, &again, &s, NULL));
	again.flags = WHERRY_NO_WAIT;
	wherry_client_subscribe(w->client, &again, &w->other, NULL);
	atomic_fetch_add(&w->calls, 1);
}

static void a_callback_may_subscribe_without_waiting(void **state)
{
	(void)state;
	struct fixture x;
	struct within w = {0};
	begin(&x);
	w.client = x.client;
	subscribe_with(x.client, "a", (wherry_subscribe_options){.on_message = subscribe_within, .arg = &w});
	fake_rule(&x.fake, "pubsub.subscribe", "8");
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null]]");
	fake_await(&x.fake, "pubsub.subscribe \"b\"", 1);
	AWAIT(w.calls == 1);
	assert_int_equal(w.waited, WHERRY_EARG);
	fake_say(&x.fake, "messages 8 1 0 [[b, 1, null]]");
	expect_next(w.other, "1 b 1");
	end(&x);
}

static void slowly(void *arg, const wherry_delivery *m)
{
	struct within *w = arg;
	(void)m;
	atomic_fetch_add(&w->calls, 1);
	pause_ms(20);
	atomic_store(&w->waited, 1);
}

static void closing_waits_for_the_callback(void **state)
{
	(void)state;
	struct fixture x;
	struct within w = {0};
	begin(&x);
	wherry_feed *s = subscribe_with(x.client, "a", (wherry_subscribe_options){.on_message = slowly, .arg = &w});
	fake_say(&x.fake, "messages 7 1 0 [[a, 1, null], [a, 2, null], [a, 3, null]]");
	AWAIT(w.calls > 0);
	wherry_feed_close(s);
	assert_int_equal(w.waited, 1);
	unsigned calls = w.calls;
	expect_ask(x.client, "sys.ping", "true");
	assert_int_equal(w.calls, calls);
	assert_true(calls < 3);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_that_is_wished_for_is_asked),
	    cmocka_unit_test(it_stays_in_its_namespace),
	    cmocka_unit_test(what_can_not_be_asked_is_not),
	    cmocka_unit_test(a_refusal_is_answered),
	    cmocka_unit_test(messages_are_pulled_in_order),
	    cmocka_unit_test(messages_are_heard_in_order),
	    cmocka_unit_test(losses_are_told_once),
	    cmocka_unit_test(a_delivery_may_come_before_the_id_is_told),
	    cmocka_unit_test(others_hear_what_is_not_claimed),
	    cmocka_unit_test(after_the_end_nothing_is_told),
	    cmocka_unit_test(one_that_was_given_up_is_left_when_it_is_made),
	    cmocka_unit_test(who_waits_is_woken_when_it_is_stopped),
	    cmocka_unit_test(what_was_kept_is_told_after_the_stop),
	    cmocka_unit_test(many_threads_pull),
	    cmocka_unit_test(whoever_pulls_too_slowly_loses_the_oldest),
	    cmocka_unit_test(or_the_newest),
	    cmocka_unit_test(a_callback_may_close_what_it_is_of),
	    cmocka_unit_test(a_callback_may_subscribe_without_waiting),
	    cmocka_unit_test(closing_waits_for_the_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
