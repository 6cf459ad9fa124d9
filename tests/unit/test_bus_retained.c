// What the bus keeps: found by filters, given first and once.

#include "ear.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "wherry/status.h"

static uint64_t keep_until(struct bus *b, const char *topic, unsigned number, int64_t expires_ms)
{
	uint64_t receivers;
	uint8_t payload[2] = {0xcc, (uint8_t)number};
	wherry_message m = {.size = sizeof(m),
	    .flags = WHERRY_MESSAGE_RETAIN,
	    .topic = span_text(topic),
	    .payload = span_of(payload, sizeof(payload)),
	    .expires_ms = expires_ms};
	assert_int_equal(bus_send(b, &m, &receivers), WHERRY_OK);
	return receivers;
}

static uint64_t keep(struct bus *b, const char *topic, unsigned number)
{
	return keep_until(b, topic, number, 0);
}

static void forget(struct bus *b, const char *topic, const char *payload)
{
	uint64_t receivers;
	wherry_message m = {.size = sizeof(m),
	    .flags = WHERRY_MESSAGE_RETAIN | WHERRY_MESSAGE_SILENT,
	    .topic = span_text(topic),
	    .payload = span_of(payload, 1)};
	assert_int_equal(bus_send(b, &m, &receivers), WHERRY_OK);
}

static int32_t sum_up(void *arg, const wherry_message *m)
{
	assert_true(m->topic.len > 0);
	*(unsigned *)arg += ((const uint8_t *)m->payload.ptr)[1];
	return 0;
}

static unsigned kept_sum(struct bus *b, const char *filter)
{
	unsigned sum = 0;
	bus_each_retained(b, span_text(filter), 1000, sum_up, &sum);
	return sum;
}

static void what_is_kept_is_found(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	assert_int_equal(keep(b, "a", 1) + keep(b, "a.b", 2) + keep(b, "a.b.c", 4) + keep(b, "a.d", 8), 0);
	keep(b, "$sys.x", 16);
	keep_until(b, "a.e", 32, 1000);
	keep_until(b, "a.f", 64, 1001);
	assert_int_equal(kept_sum(b, ">"), 1 + 2 + 4 + 8 + 64);
	assert_int_equal(kept_sum(b, "*"), 1);
	assert_int_equal(kept_sum(b, "a.*"), 2 + 8 + 64);
	assert_int_equal(kept_sum(b, "a.>"), 2 + 4 + 8 + 64);
	assert_int_equal(kept_sum(b, "*.*.*"), 4);
	assert_int_equal(kept_sum(b, "$sys.*"), 16);
	assert_int_equal(kept_sum(b, "a.b"), 2);
	assert_int_equal(kept_sum(b, "a.b.c.d") + kept_sum(b, "b.>") + kept_sum(b, "a.b.c.>"), 0);
	keep(b, "a.b", 3);
	assert_int_equal(kept_sum(b, "a.b"), 3);
	forget(b, "a.b", "\xc0");
	forget(b, "a.nowhere", "\xc0");
	forget(b, "a.d", "\xa0"); // the empty text
	assert_int_equal(kept_sum(b, "a.>"), 4 + 64);
	struct bus_stats stats;
	bus_read_stats(b, &stats);
	assert_int_equal(stats.retained, 5);
	bus_close(b);
}

static void kept_ones_come_first_and_once(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a, c;
	ear_open(b, &a);
	ear_open(b, &c);
	listen_to(&a, "t.x");
	assert_int_equal(keep(b, "t.x", 1), 1);
	wherry_span both[] = {span_text("t.*"), span_text("t.x")};
	listen_with(&c, &(struct subscribe){.filters = both, .filter_count = 2, .retained = true});
	keep(b, "t.x", 2);
	bus_flush(b);
	assert_int_equal(c.ready, 1);
	assert_string_equal(take_all(&a), "1:1+0 t.x=1 t.x=2; ");
	assert_string_equal(take_all(&c), "2:1+0 t.x=1 t.x=2; ");
	listen_with(&c, &(struct subscribe){.filters = both, .filter_count = 1, .retained = true});
	bus_flush(b);
	assert_int_equal(c.ready, 2); // what is kept is told of without anything published
	assert_string_equal(take_all(&c), "3:1+0 t.x=2; ");
	outbox_close(a.outbox);
	outbox_close(c.outbox);
	struct bus_stats stats;
	bus_read_stats(b, &stats);
	assert_int_equal(stats.matched, stats.delivered + stats.dropped + stats.forgotten);
	bus_close(b);
}

// What it takes and gives over many changes, against the plain rule.
static void the_kept_agree_with_the_rule(void **state)
{
	(void)state;
	static const char *const words[] = {"a", "b", "c", "$s", "*", ">"};
	enum { TOPICS = 200 };
	static char topic[TOPICS][64];
	unsigned number[TOPICS] = {0}, seed = 7;
	struct bus *b = ear_bus();
	for (unsigned i = 0; i < TOPICS; i++)
		make(&seed, words, 4, false, topic[i]);
	for (unsigned turn = 0; turn < 5000; turn++) {
		unsigned i = next(&seed) % TOPICS, n = next(&seed) % 4;
		for (unsigned j = 0; j < TOPICS; j++)
			if (strcmp(topic[i], topic[j]) == 0)
				number[j] = j == i ? n : 0;
		for (unsigned j = 0; j < i; j++)
			if (strcmp(topic[i], topic[j]) == 0) { // the first of the same name stands for all
				number[j] = n;
				number[i] = 0;
				break;
			}
		if (n > 0)
			keep(b, topic[i], n);
		else
			forget(b, topic[i], "\xc0");
		char filter[64];
		make(&seed, words, 6, true, filter);
		unsigned want = 0;
		for (unsigned j = 0; j < TOPICS; j++)
			want += filter_matches(span_text(filter), span_text(topic[j])) ? number[j] : 0;
		assert_int_equal(kept_sum(b, filter), want);
	}
	bus_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_kept_is_found),
	    cmocka_unit_test(kept_ones_come_first_and_once),
	    cmocka_unit_test(the_kept_agree_with_the_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
