// The bus: who gets what, in which order, and that every gap is told.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bus/bus.h"
#include "bus/filters.h"
#include "codec/cursor.h"

// --- a listener ---------------------------------------------------------------------------------------------------------

struct ear {
	struct outbox *outbox;
	unsigned ready, overflowed, gone;
};

static void on_ready(void *peer)
{
	((struct ear *)peer)->ready++;
}

static void on_overflow(void *peer)
{
	((struct ear *)peer)->overflowed++;
}

static void on_gone(void *peer)
{
	((struct ear *)peer)->gone++;
}

static const struct outbox_ops ear_ops = {on_ready, on_overflow, on_gone};

static struct bus_limits limits = {1000, 1000, 10, 100000, 100000, 1 << 20};

static struct bus *open_bus(void)
{
	struct bus *b;
	assert_int_equal(bus_open(&b, &limits), 0);
	return b;
}

static void open_ear(struct bus *b, struct ear *e)
{
	*e = (struct ear){0};
	assert_int_equal(outbox_open(b, &ear_ops, e, &e->outbox), 0);
}

static uint64_t listen_with(struct ear *e, const struct subscribe *wanted)
{
	uint64_t id;
	const char *why;
	assert_int_equal(bus_subscribe(e->outbox, wanted, &id, &why), 0);
	return id;
}

static uint64_t listen_to(struct ear *e, const char *filter)
{
	return listen_with(e, &(struct subscribe){.filter = span_text(filter)});
}

// An int as payload.
static uint64_t say(struct bus *b, const char *topic, unsigned number)
{
	uint8_t payload[5] = {
	    0xce, (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
	return bus_publish(b, span_text(topic), span_of(payload, sizeof(payload)), (wherry_span){0});
}

// "2:1+0 a=1 b=2; " : subscription, seq, lost, messages.
static void show_delivery(const wherry_value *body, char *text, size_t room)
{
	struct cursor c = {body->as.bytes.ptr, (const uint8_t *)body->as.bytes.ptr + body->as.bytes.len};
	wherry_value id, seq, lost, list, message, part;
	assert_true(cursor_next(&c, &id) && cursor_next(&c, &seq) && cursor_next(&c, &lost) && cursor_next(&c, &list));
	size_t len = strlen(text);
	len += (size_t)snprintf(text + len, room - len, "%ld:%ld+%ld", (long)id.as.i, (long)seq.as.i, (long)lost.as.i);
	c = (struct cursor){list.as.bytes.ptr, (const uint8_t *)list.as.bytes.ptr + list.as.bytes.len};
	while (cursor_next(&c, &message)) {
		struct cursor m = {message.as.bytes.ptr, (const uint8_t *)message.as.bytes.ptr + message.as.bytes.len};
		assert_true(cursor_next(&m, &part));
		len += (size_t)snprintf(
		    text + len, room - len, " %.*s=", (int)part.as.bytes.len, (const char *)part.as.bytes.ptr);
		assert_true(cursor_next(&m, &part));
		len += (size_t)snprintf(text + len, room - len, "%ld", (long)part.as.i);
	}
	snprintf(text + len, room - len, "; ");
}

static const char *take(struct ear *e, uint32_t messages, size_t bytes)
{
	static char text[8192];
	struct buffer out = {0};
	outbox_take(e->outbox, OUTBOX_FETCHED, messages, bytes, &out);
	text[0] = 0;
	struct cursor c = cursor_of(buffer_span(&out));
	for (wherry_value delivery, method, body; cursor_next(&c, &delivery);) {
		struct cursor d = {
		    delivery.as.bytes.ptr, (const uint8_t *)delivery.as.bytes.ptr + delivery.as.bytes.len};
		assert_true(cursor_next(&d, &method) && cursor_next(&d, &body));
		show_delivery(&body, text, sizeof(text));
	}
	buffer_free(&out);
	return text;
}

static const char *take_all(struct ear *e)
{
	return take(e, 1000000, SIZE_MAX / 2);
}

// --- tests --------------------------------------------------------------------------------------------------------------

static void what_matches_is_delivered_once_and_in_order(void **state)
{
	(void)state;
	struct bus *b = open_bus();
	struct ear a, c;
	open_ear(b, &a);
	open_ear(b, &c);
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
	struct bus *b = open_bus();
	struct ear a, c;
	open_ear(b, &a);
	open_ear(b, &c);
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
	struct bus *b = open_bus();
	struct ear a, c, d, e;
	open_ear(b, &a);
	open_ear(b, &c);
	open_ear(b, &d);
	open_ear(b, &e);
	listen_with(&a, &(struct subscribe){.filter = span_text("t.>"), .messages = 3});
	listen_with(
	    &c, &(struct subscribe){.filter = span_text("t.>"), .messages = 3, .overflow = OVERFLOW_DROP_NEWEST});
	listen_with(&d, &(struct subscribe){.filter = span_text("t.>"), .messages = 3, .overflow = OVERFLOW_CONFLATE});
	listen_with(
	    &e, &(struct subscribe){.filter = span_text("t.>"), .messages = 3, .overflow = OVERFLOW_DISCONNECT});
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

static void a_group_gets_each_message_once(void **state)
{
	(void)state;
	struct bus *b = open_bus();
	struct ear a, c;
	open_ear(b, &a);
	open_ear(b, &c);
	struct subscribe wanted = {.filter = span_text("t"), .group = span_text("g")};
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

static void takes_are_bounded(void **state)
{
	(void)state;
	struct bus *b = open_bus();
	struct ear a;
	open_ear(b, &a);
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

// --- the filters against the plain rule -----------------------------------------------------------------------------------

static unsigned next(unsigned *seed)
{
	return (*seed = *seed * 1103515245u + 12345u) >> 16;
}

static void make(unsigned *seed, const char *const *words, unsigned count, bool filter, char *text)
{
	unsigned tokens = 1 + next(seed) % 5;
	text[0] = 0;
	for (unsigned i = 0; i < tokens; i++) {
		const char *word = words[next(seed) % count];
		if (strcmp(word, ">") == 0 && (!filter || i + 1 < tokens))
			word = "a";
		sprintf(text + strlen(text), "%s%s", i > 0 ? "." : "", word);
	}
}

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
		struct bus *b = open_bus();
		struct ear ears[EARS];
		struct book books[SUBS] = {0};
		unsigned seed = round * 7919 + 1;
		for (unsigned i = 0; i < EARS; i++)
			open_ear(b, &ears[i]);
		for (unsigned i = 0; i < SUBS; i++) {
			struct subscribe wanted = {.filter = span_text(filters[next(&seed) % 6]),
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
	    cmocka_unit_test(a_group_gets_each_message_once),
	    cmocka_unit_test(takes_are_bounded),
	    cmocka_unit_test(the_trie_agrees_with_the_rule),
	    cmocka_unit_test(nothing_is_lost_silently),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
