// Messaging of the C client with a real broker: what is published is heard, in order, or its loss is told; connections
// that are cut at random, brokers that are started anew.

#include <pthread.h>

#include "client_messages.h"
#include "proxy.h"

static const wherry_client_options brisk = {.size = sizeof(brisk), .backoff_ms = 1, .backoff_max_ms = 20};

static void publish(wherry_client *c, const char *topic, unsigned number)
{
	char line[64];
	snprintf(line, sizeof(line), "pubsub.publish %s %u", topic, number);
	wherry_reply r = {0};
	if (ask(c, line, 0, 0, &r) != WHERRY_OK)
		fail_msg("%s: %s", r.error.name, r.error.text);
	wherry_reply_free(&r);
}

static unsigned number_of(const wherry_delivery *m)
{
	char *shown = embed_show(span_of(m->payload, m->payload_len));
	unsigned number = (unsigned)strtoul(shown, NULL, 10);
	free(shown);
	return number;
}

// --- what is published is heard ---------------------------------------------------------------------------------------

static void messages_are_heard(void **state)
{
	(void)state;
	struct place p;
	struct heard h = HEARD;
	unsigned at = 0;
	place_open(&p, "pubsub");
	wherry_client *c = connect_to(p.url);
	wherry_feed *pulled = subscribe(c, "room.*");
	wherry_feed *told = subscribe_with(
	    c, "room.>", (wherry_subscribe_options){.on_message = hear_message, .on_gap = hear_gap, .arg = &h});
	expect_ask(c, "pubsub.publish room.one hello --headers={from: \"me\"}", "2");
	expect_ask(c, "pubsub.publish room.one.two 2", "1");
	expect_next(pulled, "1 room.one \"hello\" {\"from\": \"me\"}");
	expect_heard(&h, &at, "1 room.one \"hello\" {\"from\": \"me\"}");
	expect_heard(&h, &at, "2 room.one.two 2");
	expect_nothing(pulled);
	wherry_feed_close(pulled);
	wherry_feed_close(told);
	AWAIT((expect_ask(c, "pubsub.publish room.one hello", "0"), true));
	wherry_client_close(c);
	place_leave(&p);
}

static void retained_ones_come_first_and_again(void **state)
{
	(void)state;
	struct place p;
	wherry_delivery m = {0};
	place_open(&p, "pubsub");
	struct proxy *proxy = proxy_open(p.dir, p.url);
	wherry_client *direct = connect_to(p.url);
	expect_ask(direct, "pubsub.publish door open --retain", "0");
	proxy_cut_next(proxy, PROXY_TO_CLIENT, 400);
	wherry_client *c = connect_with(proxy_url(proxy), &brisk);
	wherry_feed *s = subscribe_with(c, "door", (wherry_subscribe_options){.flags = WHERRY_RETAINED});
	expect_next(s, "1 door \"open\" {\"retained\": true}");
	for (unsigned i = 2; counts_of(c).connections == 1; i++)
		publish(direct, "door", i);
	while (wherry_feed_next(s, 10000, &m, NULL) == WHERRY_OK)
		;
	assert_int_equal(wherry_feed_next(s, 10000, &m, NULL), WHERRY_OK);
	assert_memory_equal(m.payload, "\xa4open", 5);
	assert_int_equal(m.flags, WHERRY_AFTER_GAP);
	wherry_delivery_free(&m);
	wherry_client_close(c);
	wherry_client_close(direct);
	proxy_close(proxy);
	place_leave(&p);
}

static void a_group_shares(void **state)
{
	(void)state;
	enum { COUNT = 1000 };
	struct place p;
	wherry_delivery m = {0};
	unsigned sum = 0, each[2] = {0};
	place_open(&p, "pubsub");
	wherry_client *publisher = connect_to(p.url), *clients[2] = {connect_to(p.url), connect_to(p.url)};
	wherry_feed *feeds[2];
	for (int i = 0; i < 2; i++)
		feeds[i] = subscribe_with(clients[i], "work", (wherry_subscribe_options){.group = "g"});
	for (unsigned i = 0; i < COUNT; i++)
		publish(publisher, "work", i);
	while (each[0] + each[1] < COUNT)
		for (int i = 0; i < 2; i++)
			while (wherry_feed_next(feeds[i], 1, &m, NULL) == WHERRY_OK) {
				sum += number_of(&m);
				each[i]++;
			}
	assert_int_equal(sum, COUNT * (COUNT - 1) / 2);
	assert_true(each[0] > 0 && each[1] > 0);
	wherry_delivery_free(&m);
	for (int i = 0; i < 2; i++)
		wherry_client_close(clients[i]);
	wherry_client_close(publisher);
	place_leave(&p);
}

// --- slow ones --------------------------------------------------------------------------------------------------------

struct tally {
	unsigned last, broken;
	atomic_ulong told, lost, gaps;
	long pause;
};

// Numbers rise by one, and by what is told as lost; after a gap they rise.
static void tally(void *arg, const wherry_delivery *m)
{
	struct tally *t = arg;
	unsigned number = number_of(m);
	bool gap = (m->flags & WHERRY_AFTER_GAP) != 0 || t->last == 0;
	t->broken += gap ? number <= t->last : number != t->last + 1 + m->lost;
	t->last = number;
	atomic_fetch_add(&t->told, 1);
	atomic_fetch_add(&t->lost, m->lost);
	if (t->pause > 0)
		pause_ms(t->pause);
}

static void tally_gap(void *arg, int ended, const wherry_error *why)
{
	struct tally *t = arg;
	(void)why;
	t->broken += ended != 0;
	atomic_fetch_add(&t->gaps, 1);
}

static void a_slow_callback_is_told_what_it_lost(void **state)
{
	(void)state;
	enum { COUNT = 200000 };
	struct place p;
	struct tally t = {.pause = 1};
	place_open(&p, "pubsub");
	wherry_client *publisher = connect_to(p.url), *c = connect_to(p.url);
	subscribe_with(c, "flood",
	    (wherry_subscribe_options){.max_messages = 100, .on_message = tally, .on_gap = tally_gap, .arg = &t});
	wherry_batch *b = wherry_batch_new();
	for (uint32_t i = 1; i <= COUNT; i++) {
		uint8_t params[] = {0x92, 0xa5, 'f', 'l', 'o', 'o', 'd', 0xce, (uint8_t)(i >> 24), (uint8_t)(i >> 16),
		    (uint8_t)(i >> 8), (uint8_t)i};
		wherry_batch_add(b, "pubsub.publish", params, sizeof(params), NULL, 0);
	}
	assert_int_equal(wherry_client_run(publisher, b, NULL), WHERRY_OK);
	wherry_batch_free(b);
	AWAIT(t.told + t.lost == COUNT);
	assert_int_equal(t.broken, 0);
	assert_true(t.lost > 0);
	assert_int_equal(t.last, COUNT);
	wherry_client_close(c);
	wherry_client_close(publisher);
	place_leave(&p);
}

// --- bad luck ---------------------------------------------------------------------------------------------------------

static void a_broker_is_started_anew(void **state)
{
	(void)state;
	struct place p;
	place_open(&p, "kv,pubsub");
	wherry_client *c = connect_with(p.url, &brisk);
	wherry_feed *s = subscribe(c, "a");
	wherry_feed *w;
	const wherry_watch_options o = {
	    .size = sizeof(o), .flags = WHERRY_INITIAL, .keys = "\x92\xa1k\xa2n*", .keys_len = 6};
	assert_int_equal(wherry_client_watch(c, &o, &w, NULL), WHERRY_OK);
	expect_next_event(w, "state \"k\" null 0"); // named, and not there
	expect_ask(c, "pubsub.publish a 1", "1");
	expect_next(s, "1 a 1");
	restart_idle(&p);
	expect_next(s, "ESTALE");
	expect_next_event(w, "ESTALE");
	expect_next_event(w, "state \"k\" null 0 gap");
	expect_ask(c, "pubsub.publish a 2", "1");
	expect_next(s, "2 a 2 gap");
	wherry_client_close(c);
	place_leave(&p);
}

struct flood {
	wherry_client *client;
	atomic_bool ends;
	unsigned sent;
};

static void *flood(void *arg)
{
	struct flood *f = arg;
	while (!atomic_load(&f->ends))
		publish(f->client, "n", ++f->sent);
	return NULL;
}

static void no_cut_loses_silently(void **state)
{
	(void)state;
	struct place p;
	struct tally told = {0}, pulled = {0};
	struct flood f = {0};
	pthread_t thread;
	wherry_delivery m = {0};
	place_open(&p, "pubsub");
	struct proxy *proxy = proxy_open(p.dir, p.url);
	f.client = connect_to(p.url);
	proxy_cut_next(proxy, PROXY_TO_CLIENT, 3000);
	wherry_client *c = connect_with(proxy_url(proxy), &brisk);
	proxy_cut_random(proxy, 6000);
	wherry_feed *s = subscribe(c, "n");
	subscribe_with(c, "n", (wherry_subscribe_options){.on_message = tally, .on_gap = tally_gap, .arg = &told});
	pthread_create(&thread, NULL, flood, &f);
	for (uint64_t until = counts_of(c).connections + 30; counts_of(c).connections < until;) {
		chatter(c);
		int status = wherry_feed_next(s, 10, &m, NULL);
		if (status == WHERRY_OK)
			tally(&pulled, &m);
		else if (status == WHERRY_ESTALE)
			tally_gap(&pulled, 0, NULL);
		else
			assert_int_equal(status, WHERRY_ETIMEOUT);
	}
	proxy_cut_random(proxy, 0);
	AWAIT(told.told > 0 && wherry_feed_next(s, 0, &m, NULL) == WHERRY_OK);
	atomic_store(&f.ends, true);
	pthread_join(thread, NULL);
	print_message("%u cuts, %u sent; told %lu, %lu lost, %lu gaps; pulled %lu\n", proxy_cuts(proxy), f.sent,
	    told.told, told.lost, told.gaps, pulled.told);
	wherry_client_close(c);
	assert_int_equal(told.broken, 0);
	assert_int_equal(pulled.broken, 0);
	assert_true(told.gaps > 5);
	wherry_delivery_free(&m);
	proxy_close(proxy);
	wherry_client_close(f.client);
	place_leave(&p);
}

// Closing while messages are told, and clients with feeds that are not closed.
static void closing_amid_a_flood(void **state)
{
	(void)state;
	struct place p;
	struct flood f = {0};
	pthread_t thread;
	place_open(&p, "pubsub");
	f.client = connect_to(p.url);
	pthread_create(&thread, NULL, flood, &f);
	for (int round = 0; round < 20; round++) {
		struct tally t[4] = {0};
		wherry_feed *s[4];
		wherry_client *c = connect_to(p.url);
		for (int i = 0; i < 4; i++)
			s[i] = subscribe_with(
			    c, "n", (wherry_subscribe_options){.on_message = tally, .on_gap = tally_gap, .arg = &t[i]});
		AWAIT(t[0].told > 0);
		for (int i = round % 2; i < 4; i += 2) {
			wherry_feed_close(s[i]);
			unsigned long told = t[i].told;
			expect_ask(c, "sys.ping", "\"PONG\"");
			assert_int_equal(t[i].told, told);
		}
		wherry_client_close(c);
		for (int i = 0; i < 4; i++)
			assert_int_equal(t[i].broken, 0);
	}
	atomic_store(&f.ends, true);
	pthread_join(thread, NULL);
	wherry_client_close(f.client);
	place_leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_are_heard),
	    cmocka_unit_test(retained_ones_come_first_and_again),
	    cmocka_unit_test(a_group_shares),
	    cmocka_unit_test(a_slow_callback_is_told_what_it_lost),
	    cmocka_unit_test(a_broker_is_started_anew),
	    cmocka_unit_test(no_cut_loses_silently),
	    cmocka_unit_test(closing_amid_a_flood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
