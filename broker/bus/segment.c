#include "bus/segment.h"

#include "base/mem.h"
#include "codec/cursor.h"
#include "codec/pack.h"

enum {
	FIXARRAY_3 = 0x93,
	NIL = 0xc0,
	FIXSTR = 0xa0,
	STR8 = 0xd9,
	STR16 = 0xda,
	SHORT_STR = 31,
	BYTE_STR = 255,
	HEADS = 24, // at most, with the header of what was kept
	FRAME_MARK = 1,
	FRAME_HEAD = 9
};

// 512 ends are 2 KiB: what a quiet topic's single message needs of it is never touched.
struct segment *segment_new(void)
{
	struct segment *s = mem_alloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	atomic_init(&s->refs, 1);
	s->count = 0;
	s->bytes = (struct buffer){0};
	return s;
}

void segment_drop(struct segment *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	buffer_free(&s->bytes);
	mem_free(s);
}

// A topic is at most 512 bytes long.
static void add_topic(struct buffer *b, wherry_span topic)
{
	if (topic.len <= SHORT_STR) {
		buffer_byte(b, (uint8_t)(FIXSTR | topic.len));
	} else if (topic.len <= BYTE_STR) {
		buffer_byte(b, STR8);
		buffer_byte(b, (uint8_t)topic.len);
	} else {
		buffer_byte(b, STR16);
		buffer_byte(b, (uint8_t)(topic.len >> 8));
		buffer_byte(b, (uint8_t)topic.len);
	}
	buffer_append(b, topic.ptr, topic.len);
}

static void add_headers(struct buffer *b, wherry_span headers)
{
	if (headers.len > 0)
		buffer_append(b, headers.ptr, headers.len);
	else
		buffer_byte(b, NIL);
}

static void add_headers_retained(struct buffer *b, wherry_span headers)
{
	struct cursor c = cursor_of(headers);
	uint32_t pairs = 0;
	cursor_map(&c, &pairs);
	struct wherry_out pack = {b, NULL};
	pack_map(&pack, pairs + 1);
	pack_cstring(&pack, "retained");
	pack_bool(&pack, true);
	buffer_append(b, c.at, (size_t)(c.end - c.at));
}

static bool add(struct segment *s, wherry_span topic, wherry_span payload, wherry_span headers,
    void (*add_its_headers)(struct buffer *, wherry_span))
{
	struct buffer *b = &s->bytes;
	if (!buffer_reserve(b, HEADS + topic.len + payload.len + headers.len)) {
		b->failed = false;
		return false;
	}
	buffer_byte(b, FIXARRAY_3);
	add_topic(b, topic);
	buffer_append(b, payload.ptr, payload.len);
	add_its_headers(b, headers);
	s->end[s->count++] = (uint32_t)b->len;
	return true;
}

bool segment_add(struct segment *s, wherry_span topic, wherry_span payload, wherry_span headers)
{
	return add(s, topic, payload, headers, add_headers);
}

bool segment_add_retained(struct segment *s, wherry_span topic, wherry_span payload, wherry_span headers)
{
	return add(s, topic, payload, headers, add_headers_retained);
}

static void add_length(struct buffer *b, uint64_t length)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buffer_byte(b, (uint8_t)(length >> shift));
}

bool segment_add_frame(struct segment *s, bool marked, wherry_span topic, wherry_span payload, wherry_span body)
{
	struct buffer *b = &s->bytes;
	size_t len = body.len > 0 ? body.len : topic.len + 1 + payload.len;
	if (!buffer_reserve(b, FRAME_HEAD + len)) {
		b->failed = false;
		return false;
	}
	if (marked)
		buffer_byte(b, FRAME_MARK);
	add_length(b, len);
	if (body.len > 0) {
		buffer_append(b, body.ptr, body.len);
	} else {
		buffer_append(b, topic.ptr, topic.len);
		buffer_byte(b, 0);
		buffer_append(b, payload.ptr, payload.len);
	}
	s->end[s->count++] = (uint32_t)b->len;
	return true;
}

wherry_span segment_topic(const struct segment *s, uint32_t message)
{
	const uint8_t *at = s->bytes.data + segment_begin(s, message) + 1;
	if (at[0] == STR8)
		return span_of(at + 2, at[1]);
	if (at[0] == STR16)
		return span_of(at + 3, (size_t)at[1] << 8 | at[2]);
	return span_of(at + 1, at[0] & SHORT_STR);
}
