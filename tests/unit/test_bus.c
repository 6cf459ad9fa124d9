// The bus: who gets what, in which order, and that every gap is told.

#include "ear.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bus/filters.h"
#include "codec/cursor.h"
#include "wherry/status.h"

// --- tests --------------------------------------------------------------------------------------------------------------

static void what_matches_is_delivered_once_and_in_order(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a, c;
	ear_open(b, &a);
	ear_open(b, &c);
	listen_to(&a, "t.x");
	listen_to(&a, "t.*");
	listen_to(&c, ">");
	assert_int_equal(say(b, "t.x", 1), 3);
	assert_int_equal(say(b, "t.y", 2), 2);
	assert_int_equal(say(b, "u", 3), 1);
	assert_int_equal(say(b, "$sys.x", 4), 0);
	assert_int_equal(a.ready, 0);
	bus_flush(b);
	assert_int_equal(a.ready, 1);
	assert_int_equal(c.ready, 1);
	assert_string_equal(take_all(&c), "3:1+0 t.x=1 t.y=2 u=3; ");
	const char *got = take_all(&a);
	assert_true(strstr(got, "1:1+0 t.x=1; ") != NULL && strstr(got, "2:1+0 t.x=1 t.y=2; ") != NULL);
	say(b, "t.x", 5);
	bus_flush(b);
	say(b, "t.x", 6);
	bus_flush(b);
	assert_int_equal(c.ready, 2); // told once until it has taken all
	assert_string_equal(take_all(&c), "3:4+0 t.x=5 t.x=6; ");
	outbox_close(a.outbox);
	outbox_close(c.outbox);
	assert_int_equal(a.gone + c.gone, 2);
	bus_close(b);
}

static void a_new_subscription_gets_nothing_old(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a, c;
	ear_open(b, &a);
	ear_open(b, &c);
	listen_to(&a, "t");
	say(b, "t", 1);
	listen_to(&c, "t");
	say(b, "t", 2);
	bus_flush(b);
	assert_string_equal(take_all(&a), "1:1+0 t=1 t=2; ");
	assert_string_equal(take_all(&c), "2:1+0 t=2; ");
	assert_true(bus_unsubscribe(a.outbox, 1));
	assert_false(bus_unsubscribe(a.outbox, 2));
	assert_int_equal(say(b, "t", 3), 1);
	outbox_close(a.outbox);
	outbox_close(c.outbox);
	bus_close(b);
}

static void policies_say_what_was_lost(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a, c, d, e;
	ear_open(b, &a);
	ear_open(b, &c);
	ear_open(b, &d);
	ear_open(b, &e);
	listen_with(
	    &a, &(struct subscribe){.filters = (wherry_span[]){span_text("t.>")}, .filter_count = 1, .messages = 3});
	listen_with(&c, &(struct subscribe){.filters = (wherry_span[]){span_text("t.>")},
			    .filter_count = 1,
			    .messages = 3,
			    .overflow = OVERFLOW_DROP_NEWEST});
	listen_with(&d, &(struct subscribe){.filters = (wherry_span[]){span_text("t.>")},
			    .filter_count = 1,
			    .messages = 3,
			    .overflow = OVERFLOW_CONFLATE});
	listen_with(&e, &(struct subscribe){.filters = (wherry_span[]){span_text("t.>")},
			    .filter_count = 1,
			    .messages = 3,
			    .overflow = OVERFLOW_DISCONNECT});
	for (unsigned i = 1; i <= 5; i++) {
		say(b, i % 2 ? "t.x" : "t.y", i);
		bus_flush(b);
	}
	assert_string_equal(take_all(&a), "1:3+2 t.x=3 t.y=4 t.x=5; ");
	assert_string_equal(take_all(&c), "2:1+0 t.x=1 t.y=2 t.x=3; ");
	assert_string_equal(take_all(&d), "3:4+3 t.y=4 t.x=5; ");
	assert_int_equal(e.overflowed > 0, 1);
	say(b, "t.z", 6);
	bus_flush(b);
	assert_string_equal(take_all(&a), "1:6+0 t.z=6; ");
	assert_string_equal(take_all(&c), "2:6+2 t.z=6; ");
	outbox_close(a.outbox);
	outbox_close(c.outbox);
	outbox_close(d.outbox);
	outbox_close(e.outbox);
	bus_close(b);
}

// A message that is larger than max_bytes waits alone.
static void a_large_message_comes_nevertheless(void **state)
{
	(void)state;
	for (enum overflow policy = OVERFLOW_DROP_OLDEST; policy <= OVERFLOW_DISCONNECT; policy++) {
		struct bus *b = ear_bus();
		struct ear a;
		ear_open(b, &a);
		listen_with(&a,
		    &(struct subscribe){
			.filters = (wherry_span[]){span_text("t")}, .filter_count = 1, .bytes = 1, .overflow = policy});
		say(b, "t", 1);
		bus_flush(b);
		assert_string_equal(take_all(&a), "1:1+0 t=1; ");
		assert_int_equal(a.overflowed, 0);
		say(b, "t", 2);
		say(b, "t", 3);
		bus_flush(b);
		assert_int_equal(a.overflowed, policy == OVERFLOW_DISCONNECT);
		if (policy == OVERFLOW_DROP_OLDEST || policy == OVERFLOW_CONFLATE)
			assert_string_equal(take_all(&a), "1:3+1 t=3; ");
		if (policy == OVERFLOW_DROP_NEWEST)
			assert_string_equal(take_all(&a), "1:2+0 t=2; ");
		outbox_close(a.outbox);
		bus_close(b);
	}
}

static void a_group_gets_each_message_once(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a, c;
	ear_open(b, &a);
	ear_open(b, &c);
	struct subscribe wanted = {
	    .filters = (wherry_span[]){span_text("t")}, .filter_count = 1, .group = span_text("g")};
	listen_with(&a, &wanted);
	listen_with(&c, &wanted);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(say(b, "t", i), 1);
	bus_flush(b);
	assert_string_equal(take_all(&a), "1:1+0 t=0 t=2 t=4; ");
	say(b, "t", 6); // to the one that has taken
	bus_flush(b);
	assert_string_equal(take_all(&a), "1:4+0 t=6; ");
	assert_string_equal(take_all(&c), "2:1+0 t=1 t=3 t=5; ");
	outbox_close(a.outbox);
	assert_int_equal(say(b, "t", 7), 1);
	bus_flush(b);
	assert_string_equal(take_all(&c), "2:4+0 t=7; ");
	outbox_close(c.outbox);
	assert_int_equal(say(b, "t", 8), 0);
	bus_close(b);
}

static void expect_frames(struct ear *e, const char *wanted, size_t len)
{
	struct buffer out = {0};
	outbox_take(e->outbox, OUTBOX_FRAMES, UINT32_MAX, SIZE_MAX / 2, &out);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, wanted, len);
	buffer_free(&out);
}
#define EXPECT_FRAMES(ear, text) expect_frames(ear, text, sizeof(text) - 1)

static void frames_are_encoded_beside_values(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear values, frames, marked;
	ear_open(b, &values);
	ear_open(b, &frames);
	ear_open(b, &marked);
	listen_to(&values, "a.*");
	wherry_span filter = span_text("a.*");
	struct subscribe wanted = {.filters = &filter, .filter_count = 1, .encoding = ENCODED_FRAMES};
	listen_with(&frames, &wanted);
	wanted.encoding = ENCODED_MARKED_FRAMES;
	listen_with(&marked, &wanted);
	assert_int_equal(bus_publish(b, span_text("a.b"), span_text("\x07"), (wherry_span){0}), 3);
	static const char body[] = "a.b\0\xff\xfe";
	bus_publish_plain(b, span_text("a.b"), span_text("\x08"), span_of(body, sizeof(body) - 1));
	bus_flush(b);
	EXPECT_FRAMES(&frames, "\0\0\0\0\0\0\0\x05"
			       "a.b\0\x07"
			       "\0\0\0\0\0\0\0\x06"
			       "a.b\0\xff\xfe");
	EXPECT_FRAMES(&marked, "\1\0\0\0\0\0\0\0\x05"
			       "a.b\0\x07"
			       "\1\0\0\0\0\0\0\0\x06"
			       "a.b\0\xff\xfe");
	assert_string_equal(take_all(&values), "1:1+0 a.b=7 a.b=8; ");
	outbox_close(frames.outbox);
	assert_int_equal(bus_publish(b, span_text("a.b"), span_text("\x07"), (wherry_span){0}), 2);
	outbox_close(values.outbox);
	outbox_close(marked.outbox);
	bus_close(b);
}

static void takes_are_bounded(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a;
	ear_open(b, &a);
	listen_to(&a, "t");
	for (unsigned i = 1; i <= 5; i++)
		say(b, "t", i);
	bus_flush(b);
	assert_string_equal(take(&a, 2, 1000), "1:1+0 t=1 t=2; ");
	assert_string_equal(take(&a, 10, 0), "1:3+0 t=3; ");
	assert_string_equal(take(&a, 10, 1000), "1:4+0 t=4 t=5; ");
	assert_string_equal(take(&a, 10, 1000), "");
	outbox_close(a.outbox);
	bus_close(b);
}

// --- several filters ----------------------------------------------------------------------------------------------------

static void one_message_for_all_filters_of_a_subscription(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a, c;
	ear_open(b, &a);
	ear_open(b, &c);
	wherry_span both[] = {span_text("t.*"), span_text("t.x"), span_text("t.*")}, turned[] = {both[1], both[0]};
	listen_with(&a, &(struct subscribe){.filters = both, .filter_count = 3});
	listen_with(&c, &(struct subscribe){.filters = turned, .filter_count = 2});
	listen_to(&c, "t.x");
	assert_int_equal(say(b, "t.x", 1), 3);
	assert_int_equal(say(b, "t.y", 2), 2);
	assert_int_equal(bus_matches(b, span_text("t.x")), 3);
	bus_flush(b);
	assert_string_equal(take_all(&a), "1:1+0 t.x=1 t.y=2; ");
	struct bus_stats stats;
	bus_read_stats(b, &stats);
	assert_int_equal(stats.filters, 2); // the same set, and one alone
	assert_true(bus_unsubscribe(c.outbox, 3));
	assert_int_equal(say(b, "t.x", 3), 2);
	listen_to(&a, "t.x");
	assert_int_equal(say(b, "t.x", 4), 3);
	outbox_close(a.outbox);
	assert_int_equal(say(b, "t.x", 5), 1);
	outbox_close(c.outbox);
	assert_int_equal(say(b, "t.x", 6), 0);
	bus_read_stats(b, &stats);
	assert_int_equal(stats.filters, 0);
	bus_close(b);
}

static void bounds_of_filters(void **state)
{
	(void)state;
	static wherry_span many[SUBSCRIBE_FILTERS + 1];
	static char text[SUBSCRIBE_FILTERS + 1][16];
	struct bus *b = ear_bus();
	struct ear a;
	uint64_t id;
	const char *why;
	ear_open(b, &a);
	for (unsigned i = 0; i <= SUBSCRIBE_FILTERS; i++) {
		snprintf(text[i], sizeof(text[i]), "%u.*", i);
		many[i] = span_text(text[i]);
	}
	struct subscribe wanted = {.filters = many, .filter_count = SUBSCRIBE_FILTERS + 1};
	assert_int_equal(bus_subscribe(a.outbox, &wanted, &id, &why), WHERRY_EARG);
	assert_string_equal(why, "a subscription has at most 256 filters");
	ear_limits.wildcards = 10;
	wanted.filter_count = 11; // one wildcard more than the limit: nothing of it stays
	assert_int_equal(bus_subscribe(a.outbox, &wanted, &id, &why), WHERRY_ELIMIT);
	assert_int_equal(say(b, "0.x", 1), 0);
	wanted.filter_count = 10;
	assert_int_equal(bus_subscribe(a.outbox, &wanted, &id, &why), WHERRY_OK);
	assert_int_equal(bus_subscribe(a.outbox, &wanted, &id, &why), WHERRY_OK);
	assert_int_equal(say(b, "0.x", 1), 2);
	wanted.filter_count = 0;
	assert_int_equal(bus_subscribe(a.outbox, &wanted, &id, &why), WHERRY_EARG);
	ear_limits.wildcards = 1000;
	outbox_close(a.outbox);
	bus_close(b);
}

static void fewer_than_required(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a;
	ear_open(b, &a);
	listen_to(&a, "t");
	uint64_t receivers;
	wherry_message m = {.size = sizeof(m), .topic = span_text("t"), .payload = span_of("\x01", 1), .require = 2};
	assert_int_equal(bus_send(b, &m, &receivers), WHERRY_ENORESP);
	m.require = 1;
	assert_int_equal(bus_send(b, &m, &receivers), WHERRY_OK);
	assert_int_equal(receivers, 1);
	bus_flush(b);
	assert_string_equal(take_all(&a), "1:1+0 t=1; ");
	outbox_close(a.outbox);
	bus_close(b);
}

static int32_t note_topic(void *arg, const wherry_topic *t)
{
	char *text = arg;
	sprintf(text + strlen(text), "%.*s:%lu/%lu ", (int)t->filter.len, (const char *)t->filter.ptr,
	    (unsigned long)t->subscriptions, (unsigned long)t->groups);
	return 0;
}

static void who_listens_to_what(void **state)
{
	(void)state;
	struct bus *b = ear_bus();
	struct ear a;
	ear_open(b, &a);
	listen_to(&a, "t.*");
	listen_with(
	    &a, &(struct subscribe){.filters = (wherry_span[]){span_text("t.*"), span_text("u.x")}, .filter_count = 2});
	listen_with(&a, &(struct subscribe){
			    .filters = (wherry_span[]){span_text("u.x")}, .filter_count = 1, .group = span_text("g")});
	char text[256] = "";
	bus_each_topic(b, span_text("t.>"), note_topic, text);
	bus_each_topic(b, span_text("u.*"), note_topic, text);
	assert_string_equal(text, "t.*:2/0 u.x:2/1 ");
	outbox_close(a.outbox);
	bus_close(b);
}

// --- the filters against the plain rule -----------------------------------------------------------------------------------

static void count_target(void *arg, void *target)
{
	(void)target;
	++*(unsigned *)arg;
}

static void the_trie_agrees_with_the_rule(void **state)
{
	(void)state;
	static const char *const words[] = {"a", "b", "c", "$s", "*", ">"};
	enum { FILTERS = 400 };
	static char filter[FILTERS][64];
	static struct filter_place *place[FILTERS];
	struct filters f;
	unsigned seed = 1973;
	assert_int_equal(filters_open(&f), 0);
	for (unsigned turn = 0; turn < 20000; turn++) {
		unsigned i = next(&seed) % FILTERS;
		if (place[i] != NULL) {
			bool shared = false;
			for (unsigned j = 0; j < FILTERS; j++)
				shared |= j != i && place[j] == place[i];
			if (!shared) {
				*filter_target(place[i]) = NULL;
				filters_forget(&f, place[i]);
			}
			place[i] = NULL;
		} else {
			make(&seed, words, 6, true, filter[i]);
			assert_int_equal(filters_place(&f, span_text(filter[i]), &place[i]), 0);
			*filter_target(place[i]) = filter[i];
		}
		char topic[64];
		make(&seed, words, 4, false, topic);
		unsigned got = 0, want = 0;
		filters_match(&f, span_text(topic), count_target, &got);
		for (unsigned j = 0; j < FILTERS; j++) {
			bool first = place[j] != NULL;
			for (unsigned k = 0; first && k < j; k++)
				first = place[k] != place[j];
			want += first && filter_matches(span_text(filter[j]), span_text(topic));
		}
		assert_int_equal(got, want);
	}
	unsigned all = 0, distinct = 0;
	filters_each(&f, count_target, &all);
	for (unsigned j = 0; j < FILTERS; j++) {
		bool first = place[j] != NULL;
		for (unsigned k = 0; first && k < j; k++)
			first = place[k] != place[j];
		distinct += first;
	}
	assert_int_equal(all, distinct);
	filters_close(&f);
}

// --- everything adds up ----------------------------------------------------------------------------------------------------

// Random publishers, takers, policies, bounds, and allocations that fail: of each subscription's messages every one was
// delivered, once and in order, or told as lost.
struct book {
	uint64_t id, matched, next_seq, delivered, lost;
	int64_t last; // number of the last message: rises
	bool conflates;
};

static unsigned fail_seed, fail_every;

static bool may_alloc(size_t size)
{
	(void)size;
	return fail_every == 0 || next(&fail_seed) % fail_every != 0;
}

static void check_taken(struct book *books, unsigned count, struct buffer *out)
{
	struct cursor c = cursor_of(buffer_span(out));
	for (wherry_value delivery, method, body, id, seq, lost, list, message, part; cursor_next(&c, &delivery);) {
		struct cursor d = {
		    delivery.as.bytes.ptr, (const uint8_t *)delivery.as.bytes.ptr + delivery.as.bytes.len};
		assert_true(cursor_next(&d, &method) && cursor_next(&d, &body));
		struct cursor k = {body.as.bytes.ptr, (const uint8_t *)body.as.bytes.ptr + body.as.bytes.len};
		assert_true(
		    cursor_next(&k, &id) && cursor_next(&k, &seq) && cursor_next(&k, &lost) && cursor_next(&k, &list));
		struct book *book = NULL;
		for (unsigned i = 0; i < count; i++)
			if (books[i].id == (uint64_t)id.as.i)
				book = &books[i];
		assert_non_null(book);
		assert_int_equal(seq.as.i, book->next_seq + (uint64_t)lost.as.i);
		book->lost += (uint64_t)lost.as.i;
		book->next_seq = (uint64_t)seq.as.i;
		struct cursor l = {list.as.bytes.ptr, (const uint8_t *)list.as.bytes.ptr + list.as.bytes.len};
		while (cursor_next(&l, &message)) {
			struct cursor m = {
			    message.as.bytes.ptr, (const uint8_t *)message.as.bytes.ptr + message.as.bytes.len};
			assert_true(cursor_next(&m, &part) && cursor_next(&m, &part));
			assert_true(part.as.i > book->last);
			book->last = part.as.i;
			book->next_seq++;
			book->delivered++;
		}
	}
}

static void nothing_is_lost_silently(void **state)
{
	(void)state;
	enum { SUBS = 12, EARS = 3 };
	static const char *const filters[] = {"t.a", "t.*", ">", "t.b", "*.c", "t.a"};
	static const char *const topics[] = {"t.a", "t.b", "t.c", "u.c", "v"};
	for (unsigned round = 0; round < 60; round++) {
		struct bus *b = ear_bus();
		struct ear ears[EARS];
		struct book books[SUBS] = {0};
		unsigned seed = round * 7919 + 1;
		for (unsigned i = 0; i < EARS; i++)
			ear_open(b, &ears[i]);
		for (unsigned i = 0; i < SUBS; i++) {
			struct subscribe wanted = {.filters = (wherry_span[]){span_text(filters[next(&seed) % 6])},
			    .filter_count = 1,
			    .messages = 1 + next(&seed) % 20,
			    .bytes = 20 + next(&seed) % 400,
			    .overflow = (enum overflow)(next(&seed) % 3)};
			books[i] =
			    (struct book){.id = listen_with(&ears[i % EARS], &wanted), .next_seq = 1, .last = -1};
		}
		mem_may_alloc = may_alloc;
		fail_every = round % 2 ? 0 : 20;
		fail_seed = round;
		uint64_t matched = 0;
		struct buffer out = {0};
		mem_may_alloc = NULL;
		assert_true(buffer_reserve(&out, 1 << 16));
		mem_may_alloc = round % 2 ? NULL : may_alloc;
		for (unsigned i = 0; i < 3000; i++) {
			unsigned what = next(&seed) % 10;
			if (what < 7) {
				matched += say(b, topics[next(&seed) % 5], i);
			} else if (what < 9) {
				bus_flush(b);
			} else {
				outbox_take(ears[next(&seed) % EARS].outbox, OUTBOX_FETCHED, 1 + next(&seed) % 10,
				    next(&seed) % 200, &out);
				assert_false(out.failed);
				check_taken(books, SUBS, &out);
				buffer_clear(&out);
			}
		}
		mem_may_alloc = NULL;
		matched += say(b, "t.a", 5000);
		bus_flush(b);
		uint64_t seen = 0;
		for (unsigned i = 0; i < EARS; i++) {
			while (outbox_take(ears[i].outbox, OUTBOX_FETCHED, 1000, 1 << 16, &out).messages > 0) {
				check_taken(books, SUBS, &out);
				buffer_clear(&out);
			}
			outbox_close(ears[i].outbox);
		}
		buffer_free(&out);
		struct bus_stats stats;
		bus_read_stats(b, &stats);
		for (unsigned i = 0; i < SUBS; i++)
			seen += books[i].delivered;
		assert_int_equal(stats.delivered, seen);
		assert_int_equal(stats.matched, matched);
		assert_int_equal(stats.matched, stats.delivered + stats.dropped + stats.forgotten);
		bus_close(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_matches_is_delivered_once_and_in_order),
	    cmocka_unit_test(a_new_subscription_gets_nothing_old),
	    cmocka_unit_test(policies_say_what_was_lost),
	    cmocka_unit_test(a_large_message_comes_nevertheless),
	    cmocka_unit_test(a_group_gets_each_message_once),
	    cmocka_unit_test(frames_are_encoded_beside_values),
	    cmocka_unit_test(takes_are_bounded),
	    cmocka_unit_test(one_message_for_all_filters_of_a_subscription),
	    cmocka_unit_test(bounds_of_filters),
	    cmocka_unit_test(fewer_than_required),
	    cmocka_unit_test(who_listens_to_what),
	    cmocka_unit_test(the_trie_agrees_with_the_rule),
	    cmocka_unit_test(nothing_is_lost_silently),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
