// What a send is lent of an outbox is, byte for byte, what it would be given as a copy, however it is cut into parts.

#include "ear.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "bus/parcel.h"

enum { ROUNDS = 300, PARTS = 8 };

static uint64_t listen_to_frames(struct ear *e, const char *filter)
{
	wherry_span span = span_text(filter);
	return listen_with(e, &(struct subscribe){.filters = &span, .filter_count = 1, .encoding = ENCODED_FRAMES});
}

// Mostly short, some long enough to be lent, some as long as a segment.
static void publish(struct bus *b, unsigned *seed)
{
	static uint8_t payload[80000];
	static const size_t sizes[] = {1, 40, 900, 1100, 9000, 70000};
	size_t len = 5 + next(seed) % sizes[next(seed) % 6];
	memset(payload, (int)(next(seed) % 128), len);
	memcpy(payload, (uint8_t[]){0xc6, 0, (uint8_t)((len - 5) >> 16), (uint8_t)((len - 5) >> 8), (uint8_t)(len - 5)},
	    5);
	bus_publish(b, span_text("t"), span_of(payload, len), (wherry_span){0});
	if (next(seed) % 3 == 0)
		bus_flush(b);
}

// As a sender does: so many bytes at most, and the kernel takes some of them.
static void send_parts(struct parcel *p, unsigned *seed, struct buffer *out)
{
	size_t end = out->len + parcel_len(p), begin = out->len;
	while (out->len < end) {
		wherry_span parts[PARTS];
		size_t most = 1 + next(seed) % 100000, given = 0;
		unsigned count = parcel_parts(p, out->len - begin, most, parts, 1 + next(seed) % PARTS);
		assert_true(count > 0);
		for (unsigned i = 0; i < count; i++) {
			assert_true(parts[i].len > 0);
			given += parts[i].len;
		}
		assert_true(given <= most);
		size_t taken = next(seed) % 2 ? parts[0].len : 1 + next(seed) % parts[0].len;
		buffer_append(out, parts[0].ptr, taken);
	}
	assert_int_equal(out->len, end);
}

static void take_lent(struct outbox *o, unsigned *seed, struct buffer *out)
{
	struct parcel p = {.lent = 0};
	struct outbox_taken taken;
	do {
		buffer_clear(&p.own);
		taken = outbox_lend(o, OUTBOX_FRAMES, next(seed) % 300000, &p);
		send_parts(&p, seed, out);
		parcel_clear(&p);
	} while (taken.more);
	buffer_free(&p.own);
}

static void lent_is_what_is_copied(void **state)
{
	(void)state;
	unsigned seed = 4;
	struct bus *b = ear_bus();
	struct ear copied, lent;
	struct buffer copy = {0}, parts = {0};
	ear_open(b, &copied);
	ear_open(b, &lent);
	listen_to_frames(&copied, "t");
	listen_to_frames(&lent, "t");
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned n = next(&seed) % 12; n > 0; n--)
			publish(b, &seed);
		bus_flush(b);
		buffer_clear(&copy);
		buffer_clear(&parts);
		outbox_take(copied.outbox, OUTBOX_FRAMES, UINT32_MAX, SIZE_MAX, &copy);
		take_lent(lent.outbox, &seed, &parts);
		assert_true(span_equal(buffer_span(&copy), buffer_span(&parts)));
	}
	outbox_close(copied.outbox);
	outbox_close(lent.outbox);
	bus_close(b);
	buffer_free(&copy);
	buffer_free(&parts);
}

// A segment lives as long as a parcel has something of it, also when its outbox is gone.
static void what_is_lent_outlives_its_outbox(void **state)
{
	(void)state;
	unsigned seed = 5;
	struct bus *b = ear_bus();
	struct ear e;
	struct parcel p = {.lent = 0};
	struct buffer out = {0};
	static uint8_t payload[5000] = {0xc5, 0x13, 0x85};
	ear_open(b, &e);
	listen_to_frames(&e, "t");
	memset(payload + 3, 'x', sizeof(payload) - 3);
	bus_publish(b, span_text("t"), span_of(payload, sizeof(payload)), (wherry_span){0});
	bus_flush(b);
	assert_int_equal(outbox_lend(e.outbox, OUTBOX_FRAMES, 1, &p).messages, 1);
	assert_int_equal(p.run_count, 1);
	assert_int_equal(p.own.len, 0);
	outbox_close(e.outbox);
	bus_close(b);
	send_parts(&p, &seed, &out);
	assert_memory_equal(out.data + out.len - sizeof(payload), payload, sizeof(payload));
	parcel_clear(&p);
	buffer_free(&p.own);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lent_is_what_is_copied),
	    cmocka_unit_test(what_is_lent_outlives_its_outbox),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
