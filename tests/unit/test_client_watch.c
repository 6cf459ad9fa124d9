// Watches of keys by the C client: events in order, what there is told again after a gap.

#include "client_messages.h"

struct fixture {
	struct fake fake;
	wherry_client *client;
};

static void begin(struct fixture *x)
{
	const wherry_client_options options = {.size = sizeof(options), .backoff_ms = 1, .backoff_max_ms = 5};
	fake_open(&x->fake);
	fake_rule(&x->fake, "kv.watch", "3");
	x->client = connect_with(fake_url(&x->fake), &options);
}

static void end(struct fixture *x)
{
	wherry_client_close(x->client);
	fake_close(&x->fake);
}

// ["user.*"]
static wherry_feed *watch_with(wherry_client *c, wherry_watch_options w)
{
	wherry_feed *s;
	wherry_error error;
	w.size = sizeof(w);
	w.keys = "\x91\xa6user.*";
	w.keys_len = 8;
	if (wherry_client_watch(c, &w, &s, &error) != WHERRY_OK)
		fail_msg("%s: %s", error.name, error.text);
	return s;
}

static void events_are_pulled(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	fake_say_before(&x.fake, "watch 3 state user.1 old 5 0");
	wherry_feed *s = watch_with(x.client, (wherry_watch_options){.flags = WHERRY_INITIAL});
	fake_expect(&x.fake, 0, "kv.watch \"user.*\" {\"ns\", \"default\", \"initial\", true}");
	fake_say(&x.fake, "watch 3 put user.1 {a: 1} 6 0");
	fake_say(&x.fake, "watch 3 del user.1 null 7 2");
	expect_next_event(s, "state \"user.1\" \"old\" 5");
	expect_next_event(s, "put \"user.1\" {\"a\": 1} 6");
	expect_next_event(s, "del \"user.1\" null 7 lost 2");
	wherry_delivery m = {0};
	assert_int_equal(wherry_feed_next(s, 0, &m, NULL), WHERRY_EARG); // it is a watch
	wherry_feed_close(s);
	fake_await(&x.fake, "kv.unwatch 3", 1);
	end(&x);
}

static void what_there_is_is_told_again(void **state)
{
	(void)state;
	struct fixture x;
	struct heard h = HEARD;
	unsigned at = 0;
	begin(&x);
	watch_with(x.client,
	    (wherry_watch_options){.flags = WHERRY_INITIAL, .on_event = hear_event, .on_gap = hear_gap, .arg = &h});
	fake_say(&x.fake, "watch 3 put user.1 1 6 0");
	expect_heard(&h, &at, "put \"user.1\" 1 6");
	fake_rule(&x.fake, "kv.watch", "4");
	fake_say_before(&x.fake, "watch 4 state user.2 2 9 0");
	fake_cut(&x.fake);
	expect_heard(&h, &at, "gap: ESTALE");
	expect_heard(&h, &at, "state \"user.2\" 2 9 gap");
	assert_int_equal(fake_count(&x.fake, "kv.watch \"user.*\" {\"ns\", \"default\", \"initial\", true}"), 2);
	end(&x);
}

static void slow_pullers_lose_the_oldest(void **state)
{
	(void)state;
	struct fixture x;
	char line[SHOWN];
	wherry_event e = {0};
	begin(&x);
	wherry_feed *s = watch_with(x.client, (wherry_watch_options){.keep_bytes = 300});
	for (int i = 1; i <= 50; i++) {
		snprintf(line, sizeof(line), "watch 3 put user.1 %d %d 0", i, i);
		fake_say(&x.fake, line);
	}
	expect_ask(x.client, "sys.ping", "true");
	assert_int_equal(wherry_feed_next_event(s, 0, &e, NULL), WHERRY_OK);
	assert_true(e.lost > 40);
	assert_int_equal(e.revision, e.lost + 1);
	wherry_event_free(&e);
	end(&x);
}

static void lies_end_the_connection(void **state)
{
	(void)state;
	static const char *const lies[] = {
	    "watch 3",
	    "watch 3 put k",
	    "watch 3 put k 1 1",
	    "watch 3 5 k 1 1 0",
	    "watch 3 put k 1 x 0",
	    "watch 3 put k 1 1 -1",
	    "watch 3 a_name_that_no_event_can_have k 1 1 0",
	};
	struct fixture x;
	begin(&x);
	wherry_feed *s = watch_with(x.client, (wherry_watch_options){.flags = 0});
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fake_say(&x.fake, lies[i]);
		expect_next_event(s, "ESTALE");
	}
	end(&x);
}

static void keys_must_be_whole(void **state)
{
	(void)state;
	struct fixture x;
	wherry_feed *s;
	wherry_error error;
	wherry_watch_options w = {.size = sizeof(w), .keys = "\x92\xa1k", .keys_len = 3};
	begin(&x);
	assert_int_equal(wherry_client_watch(x.client, &w, &s, &error), WHERRY_EARG);
	assert_null(s);
	w = (wherry_watch_options){.size = sizeof(w), .keys = "\xa1k", .keys_len = 2};
	assert_int_equal(wherry_client_watch(x.client, &w, &s, &error), WHERRY_EARG);
	assert_non_null(strstr(error.text, "msgpack array"));
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_are_pulled),
	    cmocka_unit_test(what_there_is_is_told_again),
	    cmocka_unit_test(slow_pullers_lose_the_oldest),
	    cmocka_unit_test(lies_end_the_connection),
	    cmocka_unit_test(keys_must_be_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
