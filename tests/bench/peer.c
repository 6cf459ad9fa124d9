// Frames of requests for Wherry and Redis, and the check of their answers.

#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXINT_IDS = 128, MAX_REQUESTS = 65536 };

struct writer {
	uint8_t *bytes;
	size_t len;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
	memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

static void put_u8(struct writer *w, unsigned byte)
{
	w->bytes[w->len++] = (uint8_t)byte;
}

static void put_be(struct writer *w, uint64_t value, unsigned size)
{
	while (size-- > 0)
		put_u8(w, (unsigned)(value >> (8 * size)) & 0xff);
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

// The key's place, its digits still zero, and the value's, which begins with the key.
static void put_key(struct writer *w, const struct frame_spec *spec)
{
	put_text(w, spec->prefix);
	for (size_t i = strlen(spec->prefix); i < KEY_LEN; i++)
		put_u8(w, '0');
}

static void put_value(struct writer *w, uint32_t size)
{
	memset(w->bytes + w->len, 'v', size);
	w->len += size;
}

// --- msgpack ---

// All ids of a frame have the same length, so that requests are a constant stride apart.
static void put_id(struct writer *w, uint32_t id, uint32_t requests)
{
	if (requests <= FIXINT_IDS) {
		put_u8(w, id);
		return;
	}
	put_u8(w, 0xcd);
	put_be(w, id, 2);
}

static void put_bin_head(struct writer *w, uint32_t size)
{
	unsigned bytes = size < 256 ? 1 : size < 65536 ? 2 : 4;
	put_u8(w, bytes == 1 ? 0xc4 : bytes == 2 ? 0xc5 : 0xc6);
	put_be(w, size, bytes);
}

static void put_wherry_request(struct frame_shape *s, struct writer *w, const struct frame_spec *spec, uint32_t id)
{
	put_u8(w, 0x94);
	put_u8(w, 0x00);
	put_id(w, id, spec->requests);
	put_text(w, spec->set ? "\xa6kv.set\x92" : "\xa6kv.get\x91");
	put_u8(w, 0xa0 | KEY_LEN);
	if (id == 0)
		s->first_key = w->len;
	put_key(w, spec);
	if (!spec->set)
		return;
	put_bin_head(w, spec->value_size);
	if (id == 0)
		s->value_from_key = w->len - s->first_key;
	put_value(w, spec->value_size);
}

static uint32_t wherry_answer_head(uint8_t *head, const struct frame_spec *spec, uint32_t id)
{
	struct writer w = {head, 0};
	put_text(&w, "\x94\x01");
	put_id(&w, id, spec->requests);
	put_u8(&w, 0xc0);
	if (!spec->set)
		put_bin_head(&w, spec->value_size);
	return (uint32_t)w.len;
}

static void put_sp_head(struct frame_shape *s, struct writer *w, const struct frame_spec *spec)
{
	w->len += SP_LENGTH;
	s->request_id = spec->peer == PEER_WHERRY_REQ ? w->len : 0;
	put_be(w, spec->peer == PEER_WHERRY_REQ ? 0x80000000U : 1, SP_HEADER);
}

static void put_sp_length(struct writer *w)
{
	struct writer head = {w->bytes, 0};
	put_be(&head, w->len - SP_LENGTH, SP_LENGTH);
}

// --- RESP ---

static void put_redis_request(struct frame_shape *s, struct writer *w, const struct frame_spec *spec, uint32_t id)
{
	char head[32];
	put_text(w, spec->set ? "*3\r\n$3\r\nSET\r\n$16\r\n" : "*2\r\n$3\r\nGET\r\n$16\r\n");
	if (id == 0)
		s->first_key = w->len;
	put_key(w, spec);
	put_text(w, "\r\n");
	if (!spec->set)
		return;
	(void)snprintf(head, sizeof head, "$%u\r\n", spec->value_size);
	put_text(w, head);
	if (id == 0)
		s->value_from_key = w->len - s->first_key;
	put_value(w, spec->value_size);
	put_text(w, "\r\n");
}

static uint32_t redis_answer_head(uint8_t *head, const struct frame_spec *spec)
{
	if (spec->set)
		return (uint32_t)snprintf((char *)head, ANSWER_HEAD, "+OK\r\n");
	return (uint32_t)snprintf((char *)head, ANSWER_HEAD, "$%u\r\n", spec->value_size);
}

// --- a frame ---

static void *must_alloc(size_t count, size_t size)
{
	void *p = calloc(count, size);
	if (!p) {
		perror("load");
		exit(2);
	}
	return p;
}

static void put_request(struct frame_shape *s, struct writer *w, const struct frame_spec *spec, uint32_t id)
{
	if (s->sp) {
		put_wherry_request(s, w, spec, id);
		s->head_len = wherry_answer_head(s->heads[id], spec, id);
	} else {
		put_redis_request(s, w, spec, id);
		s->head_len = redis_answer_head(s->heads[id], spec);
	}
}

static void make_triples(struct frame_shape *s)
{
	for (unsigned i = 0; i < 1000; i++)
		memcpy(
		    s->triples[i], (char[]){(char)('0' + i / 100), (char)('0' + i / 10 % 10), (char)('0' + i % 10)}, 3);
}

void frame_shape_make(struct frame_shape *s, const struct frame_spec *spec)
{
	*s = (struct frame_shape){.requests = spec->requests, .set = spec->set, .value_size = spec->value_size};
	s->sp = spec->peer != PEER_REDIS;
	s->tail_len = s->sp || spec->set ? 0 : 2;
	make_triples(s);
	s->bytes = must_alloc(spec->requests + 1, 128 + (spec->set ? spec->value_size : 0));
	s->heads = must_alloc(spec->requests, ANSWER_HEAD);
	struct writer w = {s->bytes, 0};
	if (s->sp)
		put_sp_head(s, &w, spec);
	size_t start = w.len;
	for (uint32_t id = 0; id < spec->requests; id++)
		put_request(s, &w, spec, id);
	if (s->sp)
		put_sp_length(&w);
	s->stride = (w.len - start) / spec->requests;
	s->len = w.len;
}

void frame_shape_free(struct frame_shape *s)
{
	free(s->bytes);
	free(s->heads);
}

void frame_put_key(const struct frame_shape *s, uint8_t *frame, uint32_t request, uint64_t key)
{
	uint8_t *at = frame + s->first_key + request * s->stride;
	for (unsigned i = KEY_LEN; i > KEY_LEN - KEY_DIGITS; i -= 3, key /= 1000)
		memcpy(at + i - 3, s->triples[key % 1000], 3);
	if (s->value_from_key)
		memcpy(at + s->value_from_key, at, s->value_size < KEY_LEN ? s->value_size : KEY_LEN);
}

void frame_put_request_id(const struct frame_shape *s, uint8_t *frame, uint32_t id)
{
	if (s->request_id)
		store_be32(frame + s->request_id, id | 0x80000000U);
}

// --- answers ---

// A revision: any unsigned integer above 0.
static long check_revision(const uint8_t *p, size_t len, uint32_t head)
{
	if (len <= head)
		return 0;
	unsigned byte = p[head];
	if (byte > 0 && byte < 0x80)
		return (long)head + 1;
	if (byte < 0xcc || byte > 0xcf)
		return -1;
	size_t whole = head + 1 + ((size_t)1 << (byte - 0xcc));
	return len < whole ? 0 : (long)whole;
}

static long check_value(const struct frame_shape *s, const uint8_t *key, const uint8_t *p, size_t len)
{
	size_t whole = s->head_len + s->value_size + s->tail_len;
	if (len < whole)
		return 0;
	if (memcmp(p + s->head_len, key, s->value_size < KEY_LEN ? s->value_size : KEY_LEN) != 0)
		return -1;
	if (s->tail_len && memcmp(p + whole - 2, "\r\n", 2) != 0)
		return -1;
	return (long)whole;
}

long frame_check_answer(
    const struct frame_shape *s, const uint8_t *frame, uint32_t request, const uint8_t *p, size_t len)
{
	size_t known = len < s->head_len ? len : s->head_len;
	if (memcmp(p, s->heads[request], known) != 0)
		return -1;
	if (len < s->head_len)
		return 0;
	if (!s->set)
		return check_value(s, frame + s->first_key + request * s->stride, p, len);
	return s->sp ? check_revision(p, len, s->head_len) : (long)s->head_len;
}
