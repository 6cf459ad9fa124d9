// Watches of keys by the C client: events in order, what there is told again after a gap.

#include "client_messages.h"
#include "proxy.h"

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

// --- with a real one --------------------------------------------------------------------------------------------------

static void what_becomes_of_keys(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv");
	wherry_client *c = connect_to(p.url), *other = connect_to(p.url);
	expect_ask(other, "kv.set user.1 old", "1");
	wherry_feed *s = watch_with(c, (wherry_watch_options){.flags = WHERRY_INITIAL});
	expect_next_event(s, "state \"user.1\" \"old\" 1");
	expect_ask(other, "kv.set user.1 new", "2");
	expect_ask(other, "kv.cas user.1 new newer", "[true, 3]");
	expect_ask(other, "kv.set other.1 x", "4");
	expect_ask(other, "kv.del user.1", "1");
	expect_next_event(s, "put \"user.1\" \"new\" 2");
	expect_next_event(s, "cas \"user.1\" \"newer\" 3");
	wherry_event e = {0};
	assert_int_equal(wherry_feed_next_event(s, 10000, &e, NULL), WHERRY_OK);
	assert_string_equal(e.event, "del");
	assert_int_equal(e.value_len, 1);
	wherry_event_free(&e);
	expect_ask(other, "kv.set user.2 1 --ttl_ms=20", "6");
	expect_next_event(s, "put \"user.2\" 1 6");
	assert_int_equal(wherry_feed_next_event(s, 10000, &e, NULL), WHERRY_OK);
	assert_string_equal(e.event, "expire");
	wherry_event_free(&e);
	wherry_feed_close(s);
	wherry_client_close(c);
	wherry_client_close(other);
	place_leave(&p);
}

enum { KEYS = 200 };

struct cache {
	pthread_mutex_t lock;
	unsigned gaps;
	uint64_t revisions[KEYS]; // 0: it is not there
};

// A key that changes while its state is looked for may be told twice.
static void cached(void *arg, const wherry_event *e)
{
	struct cache *x = arg;
	char *key = embed_show(span_of(e->key, e->key_len));
	unsigned number = (unsigned)strtoul(strchr(key, '.') + 1, NULL, 10);
	assert_true(number < KEYS);
	pthread_mutex_lock(&x->lock);
	assert_true(e->revision >= x->revisions[number]);
	x->revisions[number] = e->revision;
	pthread_mutex_unlock(&x->lock);
	free(key);
}

static void forget(void *arg, int ended, const wherry_error *why)
{
	struct cache *x = arg;
	(void)why;
	assert_int_equal(ended, 0);
	pthread_mutex_lock(&x->lock);
	memset(x->revisions, 0, sizeof(x->revisions));
	x->gaps++;
	pthread_mutex_unlock(&x->lock);
}

static bool cache_is(struct cache *x, const uint64_t *revisions)
{
	pthread_mutex_lock(&x->lock);
	bool is = memcmp(x->revisions, revisions, sizeof(x->revisions)) == 0;
	pthread_mutex_unlock(&x->lock);
	return is;
}

static uint64_t set(wherry_client *c, unsigned number)
{
	char line[64];
	wherry_reply r = {0};
	snprintf(line, sizeof(line), "kv.set user.%u x", number);
	assert_int_equal(ask(c, line, 0, 0, &r), WHERRY_OK);
	char *shown = embed_show(span_of(r.result, r.result_len));
	uint64_t revision = strtoull(shown, NULL, 10);
	free(shown);
	wherry_reply_free(&r);
	return revision;
}

// Whoever forgets at each gap knows all there is in the end, whatever happened to the connection.
static void a_cache_is_right_after_every_cut(void **state)
{
	(void)state;
	struct place p;
	struct cache x = {.lock = PTHREAD_MUTEX_INITIALIZER};
	uint64_t revisions[KEYS] = {0};
	place_open(&p, "kv");
	struct proxy *proxy = proxy_open(p.dir, p.url);
	const wherry_client_options options = {.size = sizeof(options), .backoff_ms = 1, .backoff_max_ms = 20};
	proxy_cut_next(proxy, PROXY_TO_CLIENT, 2000);
	wherry_client *direct = connect_to(p.url), *c = connect_with(proxy_url(proxy), &options);
	watch_with(c, (wherry_watch_options){.flags = WHERRY_INITIAL, .on_event = cached, .on_gap = forget, .arg = &x});
	proxy_cut_random(proxy, 3000);
	for (unsigned i = 0; i < KEYS || counts_of(c).connections < 10; i++) {
		revisions[i % KEYS] = set(direct, i % KEYS);
		chatter(c);
	}
	proxy_cut_random(proxy, 0);
	for (unsigned i = 0; i < KEYS; i += 2)
		revisions[i] = set(direct, i);
	AWAIT(cache_is(&x, revisions));
	assert_true(x.gaps > 0);
	wherry_client_close(c);
	wherry_client_close(direct);
	proxy_close(proxy);
	place_leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_are_pulled),
	    cmocka_unit_test(what_there_is_is_told_again),
	    cmocka_unit_test(slow_pullers_lose_the_oldest),
	    cmocka_unit_test(lies_end_the_connection),
	    cmocka_unit_test(keys_must_be_whole),
	    cmocka_unit_test(what_becomes_of_keys),
	    cmocka_unit_test(a_cache_is_right_after_every_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
