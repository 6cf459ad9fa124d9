#include "records_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// --- the model -------------------------------------------------------------------------------------------

static wherry_span keep(wherry_span bytes)
{
	void *copy = malloc(bytes.len + 1);
	assert_non_null(copy);
	if (bytes.len > 0)
		memcpy(copy, bytes.ptr, bytes.len);
	return span_of(copy, bytes.len);
}

size_t model_find(const struct model *m, wherry_span subkey, bool *found)
{
	size_t low = 0, high = m->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (span_compare(m->pair[middle].subkey, subkey) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < m->count && span_equal(m->pair[low].subkey, subkey);
	return low;
}

void model_put(struct model *m, wherry_span subkey, wherry_span value)
{
	bool found;
	size_t at = model_find(m, subkey, &found);
	wherry_span copy = keep(value);
	if (found) {
		free((void *)m->pair[at].value.ptr);
		m->pair[at].value = copy;
		return;
	}
	if (m->count == m->room) {
		m->room = m->room == 0 ? 64 : m->room * 2;
		m->pair = realloc(m->pair, m->room * sizeof *m->pair);
		assert_non_null(m->pair);
	}
	memmove(&m->pair[at + 1], &m->pair[at], (m->count - at) * sizeof *m->pair);
	m->pair[at] = (struct pair){keep(subkey), copy};
	m->count++;
}

bool model_del(struct model *m, wherry_span subkey)
{
	bool found;
	size_t at = model_find(m, subkey, &found);
	if (!found)
		return false;
	free((void *)m->pair[at].subkey.ptr);
	free((void *)m->pair[at].value.ptr);
	m->count--;
	memmove(&m->pair[at], &m->pair[at + 1], (m->count - at) * sizeof *m->pair);
	return true;
}

void model_free(struct model *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free((void *)m->pair[i].subkey.ptr);
		free((void *)m->pair[i].value.ptr);
	}
	free(m->pair);
	*m = (struct model){0};
}

// --- comparing -------------------------------------------------------------------------------------------

static void assert_span(wherry_span is, wherry_span should)
{
	assert_int_equal(is.len, should.len);
	if (is.len > 0)
		assert_memory_equal(is.ptr, should.ptr, is.len);
}

void assert_sound(const struct records *r)
{
	const char *fault = records_fault(r);
	if (fault != NULL)
		fail_msg("%s", fault);
}

// The place gives the model's records from `at` on, at most `most` of them, and ends where they end.
static void assert_walk(
    const struct records *r, struct records_place place, int direction, const struct model *m, size_t at, size_t most)
{
	wherry_span subkey, value;
	for (; most > 0 && at < m->count; most--, at += direction < 0 ? SIZE_MAX : 1) {
		assert_true(records_step(r, &place, direction, &subkey, &value));
		assert_span(subkey, m->pair[at].subkey);
		assert_span(value, m->pair[at].value);
	}
	if (most > 0)
		assert_false(records_step(r, &place, direction, &subkey, &value));
}

void assert_same(const struct records *r, const struct model *m)
{
	assert_sound(r);
	assert_int_equal(records_count(r), m->count);
	assert_walk(r, records_seek_rank(r, 0), 1, m, 0, SIZE_MAX);
	assert_walk(r, records_seek(r, span_of(NULL, 0), -1), -1, m, m->count - 1, SIZE_MAX);
}

void assert_around(const struct records *r, const struct model *m, wherry_span subkey)
{
	bool found;
	size_t at = model_find(m, subkey, &found);
	wherry_span value;
	uint64_t rank;
	assert_int_equal(records_get(r, subkey, &value), found);
	assert_int_equal(records_rank(r, subkey, &rank), found);
	if (found) {
		assert_span(value, m->pair[at].value);
		assert_int_equal(rank, at);
	}
	assert_walk(r, records_seek(r, subkey, 1), 1, m, at, 3);
	assert_walk(r, records_seek_rank(r, at), -1, m, at, 3);
	size_t last = subkey.len == 0 ? m->count - 1 : found ? at : at - 1;
	assert_walk(r, records_seek(r, subkey, -1), -1, m, last, 3);
}

// --- what the programs put -------------------------------------------------------------------------------

static uint64_t random_state;

void random_begin(uint64_t seed)
{
	random_state = seed;
}

uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % bound;
}

wherry_span numbered(uint8_t bytes[static 8], uint64_t number)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	return span_of(bytes, 8);
}

wherry_span some_subkey(uint8_t bytes[static LONGEST])
{
	uint64_t which = random_below(3000);
	memset(bytes, 'k', LONGEST);
	size_t before = which % 10 == 0 ? which % 700 : which % 500 == 1 ? LONGEST - 8 : 0;
	if (which == 0)
		return span_of(bytes, 0);
	numbered(bytes + before, which << (which % 7 * 8));
	return span_of(bytes, before + 1 + which % 8);
}

wherry_span some_value(uint8_t bytes[static LONGEST])
{
	static const size_t most[] = {0, 9, 9, 40, 40, 40, 200, 600, LONGEST};
	size_t bound = most[random_below(random_below(8) == 0 ? 9 : 6)];
	size_t len = random_below(bound + 1);
	memset(bytes, (int)random_below(256), len);
	return span_of(bytes, len);
}

// --- a random program ------------------------------------------------------------------------------------

static void both_put(struct both *b, wherry_span subkey, wherry_span value)
{
	model_put(&b->model, subkey, value);
	assert_int_equal(records_put(b->records, subkey, value), WHERRY_OK);
}

static void both_patch(struct both *b, wherry_span subkey, wherry_span bytes)
{
	bool found;
	size_t at = model_find(&b->model, subkey, &found);
	uint64_t offset = random_below(20);
	bool fits = found && offset + bytes.len <= b->model.pair[at].value.len;
	assert_int_equal(records_patch(b->records, subkey, offset, bytes), fits);
	if (fits && bytes.len > 0)
		memcpy((uint8_t *)b->model.pair[at].value.ptr + offset, bytes.ptr, bytes.len);
}

// Puts a part of the value of one record as another: the span points into the records themselves.
static void both_put_own(struct both *b, wherry_span subkey)
{
	if (b->model.count == 0)
		return;
	struct records_place place = records_seek_rank(b->records, random_below(b->model.count));
	wherry_span own, value;
	assert_true(records_step(b->records, &place, 1, &own, &value));
	value.len = random_below(value.len + 1);
	model_put(&b->model, subkey, value);
	assert_int_equal(records_put(b->records, subkey, value), WHERRY_OK);
}

// Every other time it is one that is there.
static bool both_del(struct both *b, wherry_span subkey)
{
	if (b->model.count > 0 && random_below(2) == 0)
		subkey = b->model.pair[random_below(b->model.count)].subkey;
	bool was_there = records_del(b->records, subkey);
	assert_int_equal(model_del(&b->model, subkey), was_there);
	return was_there;
}

void both_do(struct both *b, unsigned puts)
{
	uint8_t key_bytes[LONGEST], value_bytes[LONGEST];
	wherry_span subkey = some_subkey(key_bytes), value = some_value(value_bytes);
	uint64_t version = records_version(b->records);
	unsigned what = (unsigned)random_below(100);
	bool changed = true;
	if (what < puts)
		both_put(b, subkey, value);
	else if (what < puts + 2)
		both_put_own(b, subkey);
	else if (what < 92) {
		changed = both_del(b, subkey);
	} else if (what < 95)
		both_patch(b, subkey, value);
	else
		assert_around(b->records, &b->model, subkey);
	if (what < 92 && changed && b->model.count > 0)
		assert_true(records_version(b->records) > version);
}

void both_free(struct both *b)
{
	records_free(b->records);
	model_free(&b->model);
}
