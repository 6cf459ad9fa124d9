// The requests of a workload, and whether their answers are right.

#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "value.h"

enum { FIXARRAY = 0x90, FIXSTR = 0xa0, FIXSTR_MAX = 31, STR8 = 0xd9, STR16 = 0xda, STR32 = 0xdb };

static size_t put_str_header(uint8_t *to, size_t len)
{
	if (len <= FIXSTR_MAX) {
		to[0] = (uint8_t)(FIXSTR | len);
		return 1;
	}
	unsigned width = len <= UINT8_MAX ? 1 : len <= UINT16_MAX ? 2 : 4;
	to[0] = width == 1 ? STR8 : width == 2 ? STR16 : STR32;
	for (unsigned i = 0; i < width; i++)
		to[1 + i] = (uint8_t)(len >> (8 * (width - 1 - i)));
	return 1 + width;
}

bool work_begin(struct work *w, const struct bench_options *o)
{
	uint8_t header[8];
	size_t key = strlen(o->prefix) + BENCH_DIGITS;
	*w = (struct work){.options = o};
	w->key_len = put_str_header(header, key) + key;
	w->value_len = put_str_header(header, (size_t)o->size) + (size_t)o->size;
	if (o->kind != BENCH_INCR && o->kind != BENCH_SET)
		return true;
	w->acknowledged = calloc((size_t)o->keys, sizeof(*w->acknowledged));
	return w->acknowledged != NULL;
}

void work_end(struct work *w)
{
	free((void *)w->acknowledged);
	request_free(&w->fixed);
}

bool maker_begin(struct maker *m, const struct work *w, uint64_t seed)
{
	size_t prefix = strlen(w->options->prefix), size = (size_t)w->options->size;
	*m = (struct maker){.work = w, .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
	m->params = malloc(1 + w->key_len + w->value_len);
	if (m->params == NULL)
		return false;
	uint8_t *at = m->params + 1;
	at += put_str_header(at, prefix + BENCH_DIGITS);
	memcpy(at, w->options->prefix, prefix);
	put_str_header(m->params + 1 + w->key_len, size);
	return true;
}

void maker_end(struct maker *m)
{
	free(m->params);
	m->params = NULL;
}

// --- keys and values --------------------------------------------------------------------------------------------------

const uint8_t *maker_key(struct maker *m, uint64_t key)
{
	uint8_t *digit = m->params + 1 + m->work->key_len;
	for (unsigned i = 0; i < BENCH_DIGITS; i++, key /= 10)
		*--digit = (uint8_t)('0' + key % 10);
	return m->params + 1;
}

static uint64_t scramble(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

// Sixteen letters, so that people can look at a value, too.
const uint8_t *maker_value(struct maker *m, uint64_t key)
{
	uint8_t *value = m->params + 1 + m->work->key_len;
	uint8_t *at = value + m->work->value_len - m->work->options->size;
	size_t left = (size_t)m->work->options->size;
	for (uint64_t word = key << 32; left > 0; word++) {
		uint64_t letters = (scramble(word) & UINT64_C(0x0f0f0f0f0f0f0f0f)) + UINT64_C(0x6161616161616161);
		size_t n = left < sizeof(letters) ? left : sizeof(letters);
		memcpy(at, &letters, n);
		at += n;
		left -= n;
	}
	return value;
}

static uint64_t next_random(struct maker *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random >> 32;
}

// --- requests ---------------------------------------------------------------------------------------------------------

static void ask_fixed(const struct work *w, wherry_request *q)
{
	*q = (wherry_request){.size = sizeof(*q),
	    .method = w->fixed.method,
	    .params = w->fixed.params.data,
	    .params_len = w->fixed.params.size,
	    .options = w->fixed.options.size > 0 ? w->fixed.options.data : NULL,
	    .options_len = w->fixed.options.size};
}

void maker_ask(struct maker *m, const struct asked *asked, wherry_request *q)
{
	static const char *const methods[] = {[BENCH_GET] = "kv.get",
	    [BENCH_SET] = "kv.set",
	    [BENCH_INCR] = "kv.incr",
	    [BENCH_MIXED] = "",
	    [BENCH_METHOD] = ""};
	if (asked->kind == BENCH_METHOD) {
		ask_fixed(m->work, q);
		return;
	}
	bool set = asked->kind == BENCH_SET;
	maker_key(m, asked->key);
	if (set)
		maker_value(m, asked->key);
	m->params[0] = (uint8_t)(FIXARRAY | (set ? 2 : 1));
	*q = (wherry_request){.size = sizeof(*q),
	    .method = methods[asked->kind],
	    .params = m->params,
	    .params_len = 1 + m->work->key_len + (set ? m->work->value_len : 0)};
}

void maker_next(struct maker *m, struct asked *asked, wherry_request *q)
{
	const struct bench_options *o = m->work->options;
	asked->kind = o->kind;
	asked->key = next_random(m) * o->keys >> 32;
	if (o->kind == BENCH_MIXED)
		asked->kind = (double)next_random(m) < o->read_share * 0x1p32 ? BENCH_GET : BENCH_SET;
	maker_ask(m, asked, q);
}

// --- answers ----------------------------------------------------------------------------------------------------------

bool encoded_number(const wherry_reply *r, uint64_t *number)
{
	const uint8_t *at = r->result;
	if (r->result_len == 1 && at[0] < 0x80) {
		*number = at[0];
		return true;
	}
	bool is_unsigned = r->result_len > 1 && at[0] >= 0xcc && at[0] <= 0xcf;
	bool is_signed = r->result_len > 1 && at[0] >= 0xd0 && at[0] <= 0xd3 && at[1] < 0x80;
	if (!is_unsigned && !is_signed)
		return false;
	size_t width = (size_t)1 << ((at[0] - 0xcc) & 3);
	if (r->result_len != 1 + width)
		return false;
	*number = 0;
	for (size_t i = 0; i < width; i++)
		*number = *number << 8 | at[1 + i];
	return true;
}

void copy_tame(char *to, size_t room, const char *from)
{
	const unsigned char *at = (const unsigned char *)from, *end = at + strlen(from);
	size_t len = 0;
	for (size_t taken; at < end && len + 4 < room;
	     at += taken > 0 ? taken : 1) { // 4: the longest character, and the end
		taken = tame_length(at, end);
		if (taken > 1)
			memcpy(to + len, at, taken);
		else
			to[len] = *at == '\n' || *at == '\t' ? ' ' : taken > 0 ? (char)*at : '?';
		len += taken > 0 ? taken : 1;
	}
	to[len] = 0;
}

void describe_value(const wherry_reply *r, char *text, size_t room)
{
	char *json = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&json, &len);
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	if (f != NULL && msgpack_unpack_next(&u, r->result, r->result_len, NULL) == MSGPACK_UNPACK_SUCCESS)
		value_as_json(&u.data, f);
	msgpack_unpacked_destroy(&u);
	if (f != NULL)
		fclose(f);
	copy_tame(text, room, json != NULL && len > 0 ? json : "something that can't be read");
	if (json != NULL && len >= room && room > 4)
		memcpy(text + room - 4, "...", 4);
	free(json);
}

static bool is_right(struct maker *m, const struct asked *asked, const wherry_reply *r)
{
	uint64_t number;
	switch (asked->kind) {
	case BENCH_GET:
		return r->result_len == m->work->value_len &&
		       memcmp(r->result, maker_value(m, asked->key), r->result_len) == 0;
	case BENCH_SET:
	case BENCH_INCR:
		return encoded_number(r, &number) && number > 0;
	default:
		return true;
	}
}

bool maker_check(struct maker *m, const struct asked *asked, const wherry_reply *r, char *what)
{
	static const char *const wanted[] = {[BENCH_GET] = "the value that was set",
	    [BENCH_SET] = "a revision",
	    [BENCH_INCR] = "a number above 0",
	    [BENCH_MIXED] = "",
	    [BENCH_METHOD] = ""};
	if (is_right(m, asked, r))
		return true;
	if (what != NULL) {
		wherry_request q;
		char got[80], prefix[80];
		maker_ask(m, asked, &q);
		describe_value(r, got, sizeof(got));
		copy_tame(prefix, sizeof(prefix), m->work->options->prefix);
		snprintf(what, BENCH_WHAT, "%s %s%09llu answered %s, not %s", q.method, prefix,
		    (unsigned long long)asked->key, got, wanted[asked->kind]);
	}
	return false;
}
