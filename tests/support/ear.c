#include "ear.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "codec/cursor.h"

// --- a listener ---------------------------------------------------------------------------------------------------------

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

struct bus_limits ear_limits = {1000, 1000, 10, 100000, 100000, 1 << 20, 1000, 1 << 20, 1000, 100};

struct bus *ear_bus(void)
{
	struct bus *b;
	assert_int_equal(bus_open(&b, &ear_limits), 0);
	return b;
}

void ear_open(struct bus *b, struct ear *e)
{
	*e = (struct ear){0};
	assert_int_equal(outbox_open(b, &ear_ops, e, &e->outbox), 0);
}

uint64_t listen_with(struct ear *e, const struct subscribe *wanted)
{
	uint64_t id;
	const char *why;
	assert_int_equal(bus_subscribe(e->outbox, wanted, &id, &why), 0);
	return id;
}

uint64_t listen_to(struct ear *e, const char *filter)
{
	return listen_with(e, &(struct subscribe){.filters = (wherry_span[]){span_text(filter)}, .filter_count = 1});
}

uint64_t say(struct bus *b, const char *topic, unsigned number)
{
	uint8_t payload[5] = {
	    0xce, (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
	return bus_publish(b, span_text(topic), span_of(payload, sizeof(payload)), (wherry_span){0});
}

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

const char *take(struct ear *e, uint32_t messages, size_t bytes)
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

const char *take_all(struct ear *e)
{
	return take(e, 1000000, SIZE_MAX / 2);
}

// --- by chance ----------------------------------------------------------------------------------------------------------

unsigned next(unsigned *seed)
{
	return (*seed = *seed * 1103515245u + 12345u) >> 16;
}

void make(unsigned *seed, const char *const *words, unsigned count, bool filter, char *text)
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
