// store/records.h against a naive model: the same operations on both, then everything that can be asked is compared.
//
// This program brings its own base/mem.h, which the linker takes instead of the broker's: it adds up what is allocated,
// so that records_memory() can be held against it, and nothing may be left at the end of a test.

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "store/records.h"

// --- the allocator --------------------------------------------------------------------------------------------------

enum { FRONT = 16 }; // keeps the size, and what malloc() aligns to

bool (*mem_may_alloc)(size_t size);
static size_t in_use;

void *mem_alloc(size_t size)
{
	if (mem_may_alloc != NULL && !mem_may_alloc(size))
		return NULL;
	unsigned char *block = malloc(FRONT + size);
	assert_non_null(block);
	memcpy(block, &size, sizeof size);
	in_use += mem_cost(size);
	return block + FRONT;
}

void mem_free(void *old)
{
	if (old == NULL)
		return;
	unsigned char *block = (unsigned char *)old - FRONT;
	size_t size;
	memcpy(&size, block, sizeof size);
	in_use -= mem_cost(size);
	free(block);
}

void *mem_zalloc(size_t size)
{
	void *block = mem_alloc(size);
	return block == NULL ? NULL : memset(block, 0, size);
}

void *mem_resize(void *old, size_t size)
{
	void *block = mem_alloc(size);
	if (block == NULL || old == NULL)
		return block;
	size_t old_size;
	memcpy(&old_size, (unsigned char *)old - FRONT, sizeof old_size);
	memcpy(block, old, old_size < size ? old_size : size);
	mem_free(old);
	return block;
}

char *mem_strdup(const char *text)
{
	char *copy = mem_alloc(strlen(text) + 1);
	return copy == NULL ? NULL : strcpy(copy, text);
}

static int allocations_left;

static bool may_alloc(size_t size)
{
	(void)size;
	return allocations_left-- > 0;
}

static void allow(int allocations)
{
	allocations_left = allocations;
	mem_may_alloc = may_alloc;
}

static void allow_all(void)
{
	mem_may_alloc = NULL;
}

// --- the model ------------------------------------------------------------------------------------------------------

struct pair {
	wherry_span subkey, value;
};

struct model {
	struct pair *pair;
	size_t count, room;
};

static wherry_span keep(wherry_span bytes)
{
	void *copy = malloc(bytes.len + 1);
	assert_non_null(copy);
	if (bytes.len > 0)
		memcpy(copy, bytes.ptr, bytes.len);
	return span_of(copy, bytes.len);
}

static size_t model_find(const struct model *m, wherry_span subkey, bool *found)
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

static void model_put(struct model *m, wherry_span subkey, wherry_span value)
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

static bool model_del(struct model *m, wherry_span subkey)
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

static void model_free(struct model *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free((void *)m->pair[i].subkey.ptr);
		free((void *)m->pair[i].value.ptr);
	}
	free(m->pair);
	*m = (struct model){0};
}

// --- comparing ------------------------------------------------------------------------------------------------------

static void assert_span(wherry_span is, wherry_span should)
{
	assert_int_equal(is.len, should.len);
	if (is.len > 0)
		assert_memory_equal(is.ptr, should.ptr, is.len);
}

static void assert_sound(const struct records *r)
{
	const char *fault = records_fault(r);
	if (fault != NULL)
		fail_msg("%s", fault);
}

// The place gives the model's records from `at` on, at most `most` of them, and ends where they end.
static void assert_walk(const struct records *r, struct records_place place, int direction,
                        const struct model *m, size_t at, size_t most)
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

static void assert_same(const struct records *r, const struct model *m)
{
	assert_sound(r);
	assert_int_equal(records_count(r), m->count);
	assert_walk(r, records_seek_rank(r, 0), 1, m, 0, SIZE_MAX);
	assert_walk(r, records_seek(r, span_of(NULL, 0), -1), -1, m, m->count - 1, SIZE_MAX);
}

// All that can be asked about one subkey.
static void assert_around(const struct records *r, const struct model *m, wherry_span subkey)
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

// --- what the programs put ------------------------------------------------------------------------------------------

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % bound;
}

static wherry_span numbered(uint8_t bytes[static 8], uint64_t number)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	return span_of(bytes, 8);
}

enum { LONGEST = 6000 };

// One of a few thousand subkeys, so that operations meet: mostly short, some share long beginnings, one is empty.
static wherry_span some_subkey(uint8_t bytes[static LONGEST])
{
	uint64_t which = random_below(3000);
	memset(bytes, 'k', LONGEST);
	size_t before = which % 10 == 0 ? which % 700 : which % 500 == 1 ? LONGEST - 8 : 0;
	if (which == 0)
		return span_of(bytes, 0);
	numbered(bytes + before, which << (which % 7 * 8));
	return span_of(bytes, before + 1 + which % 8);
}

static wherry_span some_value(uint8_t bytes[static LONGEST])
{
	static const size_t most[] = {0, 9, 9, 40, 40, 40, 200, 600, LONGEST};
	size_t bound = most[random_below(random_below(8) == 0 ? 9 : 6)];
	size_t len = random_below(bound + 1);
	memset(bytes, (int)random_below(256), len);
	return span_of(bytes, len);
}

// --- a random program ------------------------------------------------------------------------------------------------

struct both {
	struct records *records;
	struct model model;
};

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

// `puts` of 100 are insertions, the rest removals and questions.
static void both_do(struct both *b, unsigned puts)
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

static void random_program_agrees_with_the_model(void **state)
{
	(void)state;
	static const unsigned puts[] = {70, 45, 20, 60, 3, 30};
	random_state = 20240229;
	struct both b = {.records = records_new()};
	bool was_tree = false, was_packed_again = false;
	for (unsigned i = 0; i < 200000; i++) {
		both_do(&b, puts[i / 8000 % 6]);
		was_packed_again |= was_tree && !records_is_tree(b.records);
		was_tree |= records_is_tree(b.records);
		if (i % 100 == 0) {
			assert_same(b.records, &b.model);
			assert_int_equal(records_memory(b.records), in_use);
		}
	}
	assert_true(was_tree && was_packed_again);
	records_free(b.records);
	model_free(&b.model);
	assert_int_equal(in_use, 0);
}

// --- structures -----------------------------------------------------------------------------------------------------

enum { MANY = 100000 };

static uint64_t rising(uint64_t i)
{
	return i;
}

static uint64_t falling(uint64_t i)
{
	return MANY - 1 - i;
}

static uint64_t scattered(uint64_t i)
{
	return i * 61813 % MANY;
}

static void fill(struct records *r, uint64_t (*order)(uint64_t))
{
	uint8_t bytes[8];
	for (uint64_t i = 0; i < MANY; i++) {
		wherry_span subkey = numbered(bytes, order(i));
		assert_int_equal(records_put(r, subkey, subkey), WHERRY_OK);
		if (i % 10000 == 0)
			assert_sound(r);
	}
	assert_sound(r);
	assert_int_equal(records_memory(r), in_use);
	assert_int_equal(records_count(r), MANY);
}

static void assert_numbers(const struct records *r)
{
	uint8_t bytes[8];
	wherry_span subkey, value;
	struct records_place place = records_seek(r, span_of(NULL, 0), 1);
	for (uint64_t i = 0; i < MANY; i++) {
		assert_true(records_step(r, &place, 1, &subkey, &value));
		assert_span(subkey, numbered(bytes, i));
		uint64_t rank;
		assert_true(records_rank(r, subkey, &rank));
		assert_int_equal(rank, i);
	}
	assert_false(records_step(r, &place, 1, &subkey, &value));
}

static void drain(struct records *r, uint64_t (*order)(uint64_t))
{
	uint8_t bytes[8];
	for (uint64_t i = 0; i < MANY; i++) {
		assert_true(records_del(r, numbered(bytes, order(i))));
		if (i % 10000 == 0)
			assert_sound(r);
		if (i == MANY / 10 * 9)
			assert_in_range(records_memory(r), 0, MANY / 10 * 80);
	}
}

static void each_order_fills_and_empties(void **state)
{
	(void)state;
	static uint64_t (*const orders[])(uint64_t) = {rising, falling, scattered};
	for (unsigned in = 0; in < 3; in++) {
		for (unsigned out = 0; out < 3; out++) {
			struct records *r = records_new();
			size_t empty = records_memory(r);
			fill(r, orders[in]);
			assert_numbers(r);
			drain(r, orders[out]);
			assert_sound(r);
			assert_int_equal(records_count(r), 0);
			assert_false(records_is_tree(r));
			assert_int_equal(records_memory(r), empty);
			assert_int_equal(in_use, empty);
			records_free(r);
		}
	}
	assert_int_equal(in_use, 0);
}

static void runs_leave_full_leaves(void **state)
{
	(void)state;
	uint64_t (*const orders[])(uint64_t) = {rising, falling};
	for (unsigned i = 0; i < 2; i++) {
		struct records *r = records_new();
		fill(r, orders[i]);
		// Lengths, subkey, value and slot are 20 bytes; an eighth more is for what is around them.
		assert_in_range(records_memory(r), MANY * 20, MANY * 20 + MANY * 20 / 8);
		records_free(r);
	}
	// Several runs at once, as of the families of a queue, side by side in one leaf at first.
	struct records *r = records_new();
	uint8_t bytes[8];
	for (uint64_t i = 0; i < MANY; i++) {
		wherry_span subkey = numbered(bytes, i % 3 << 32 | i);
		assert_int_equal(records_put(r, subkey, subkey), WHERRY_OK);
	}
	assert_sound(r);
	assert_in_range(records_memory(r), MANY * 20, MANY * 20 + MANY * 20 / 4);
	records_free(r);
	assert_int_equal(in_use, 0);
}

static void queue_stays_small(void **state)
{
	(void)state;
	struct records *r = records_new();
	uint8_t bytes[8], value[700] = {0};
	size_t most = 0;
	for (uint64_t i = 0; i < 50000; i++) {
		assert_int_equal(records_put(r, numbered(bytes, i), span_of(value, i % 700)), WHERRY_OK);
		if (i >= 200)
			assert_true(records_del(r, numbered(bytes, i - 200)));
		if (records_memory(r) > most)
			most = records_memory(r);
	}
	assert_sound(r);
	assert_int_equal(records_count(r), 200);
	assert_in_range(most, 0, 200 * 700 * 2);
	records_free(r);
	assert_int_equal(in_use, 0);
}

static void shrinking_values_give_back_memory(void **state)
{
	(void)state;
	struct records *r = records_new();
	uint8_t bytes[8], value[5000] = {0};
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(records_put(r, numbered(bytes, i), span_of(value, i % 2 ? 450 : 5000)),
		                 WHERRY_OK);
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(records_put(r, numbered(bytes, scattered(i * 50) / 50), span_of(value, 1)),
		                 WHERRY_OK);
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(records_put(r, numbered(bytes, i), span_of(value, 1)), WHERRY_OK);
	assert_sound(r);
	assert_int_equal(records_memory(r), in_use);
	assert_int_equal(records_count(r), 2000);
	assert_in_range(records_memory(r), 0, 2000 * 13 * 4);
	records_free(r);
	assert_int_equal(in_use, 0);
}

// --- forms, edges ---------------------------------------------------------------------------------------------------

static void forms_change_with_room_between(void **state)
{
	(void)state;
	struct records *r = records_new();
	uint8_t bytes[8];
	for (uint64_t i = 0; i < RECORDS_PACKED_COUNT; i++)
		records_put(r, numbered(bytes, i), span_text("v"));
	assert_false(records_is_tree(r));
	records_put(r, numbered(bytes, RECORDS_PACKED_COUNT), span_text("v"));
	assert_true(records_is_tree(r));
	records_del(r, numbered(bytes, 0));
	assert_true(records_is_tree(r));
	for (uint64_t i = 1; i <= RECORDS_PACKED_COUNT / 2; i++)
		records_del(r, numbered(bytes, i));
	assert_false(records_is_tree(r));
	records_put(r, numbered(bytes, 0), span_text("v"));
	assert_false(records_is_tree(r));
	assert_sound(r);
	records_free(r);

	r = records_new();
	uint8_t value[400] = {0};
	for (uint64_t i = 0; i * sizeof value < RECORDS_PACKED_BYTES; i++)
		records_put(r, numbered(bytes, i), span_of(value, sizeof value));
	assert_true(records_is_tree(r));
	records_free(r);
	assert_int_equal(in_use, 0);
}

static void empty_one_has_nothing(void **state)
{
	(void)state;
	struct records *r = records_new();
	wherry_span nothing = span_of(NULL, 0), subkey, value;
	uint64_t rank;
	for (int direction = -1; direction <= 1; direction += 2) {
		struct records_place place = records_seek(r, span_text("a"), direction);
		assert_false(records_step(r, &place, direction, &subkey, &value));
		place = records_seek(r, nothing, direction);
		assert_false(records_step(r, &place, direction, &subkey, &value));
	}
	assert_false(records_get(r, nothing, &value) || records_del(r, nothing) ||
	             records_rank(r, nothing, &rank));
	assert_false(records_patch(r, nothing, 0, nothing));
	assert_int_equal(records_version(r), 0);
	assert_int_equal(records_put(r, nothing, nothing), WHERRY_OK);
	assert_true(records_get(r, nothing, &value));
	assert_int_equal(value.len, 0);
	assert_true(records_patch(r, nothing, 0, nothing));
	assert_false(records_patch(r, nothing, UINT64_MAX, span_text("abc")));
	assert_int_equal(records_version(r), 2);
	records_free(r);
	records_free(NULL);
	assert_int_equal(in_use, 0);
}

static void large_values_come_and_go(void **state)
{
	(void)state;
	size_t large = 16 << 20;
	uint8_t *value = calloc(1, large);
	assert_non_null(value);
	struct records *r = records_new();
	size_t empty = records_memory(r);
	assert_int_equal(records_put(r, span_text("small"), span_text("s")), WHERRY_OK);
	assert_int_equal(records_put(r, span_text("large"), span_of(value, large)), WHERRY_OK);
	assert_true(records_patch(r, span_text("large"), large - 3, span_text("end")));
	assert_false(records_patch(r, span_text("large"), large - 2, span_text("end")));
	wherry_span got;
	assert_true(records_get(r, span_text("large"), &got));
	assert_int_equal(got.len, large);
	assert_memory_equal((const uint8_t *)got.ptr + large - 3, "end", 3);
	assert_int_equal(records_memory(r), in_use);
	// Its own tail, as a value of the same, and of another record.
	assert_int_equal(records_put(r, span_text("tail"), span_of((const uint8_t *)got.ptr + large - 3, 3)),
	                 WHERRY_OK);
	assert_int_equal(records_put(r, span_text("large"), span_of((const uint8_t *)got.ptr + 8, large - 8)),
	                 WHERRY_OK);
	assert_true(records_get(r, span_text("large"), &got));
	assert_memory_equal((const uint8_t *)got.ptr + large - 11, "end", 3);
	assert_sound(r);
	assert_true(records_del(r, span_text("large")));
	assert_in_range(records_memory(r), empty, empty + 200);
	records_free(r);
	free(value);
	assert_int_equal(in_use, 0);
}

static void same_length_is_overwritten_in_place(void **state)
{
	(void)state;
	struct records *r = records_new();
	uint8_t bytes[8];
	for (uint64_t i = 0; i < 1000; i++)
		records_put(r, numbered(bytes, i), span_text("before"));
	wherry_span before, after;
	assert_true(records_get(r, numbered(bytes, 500), &before));
	allow(0);
	assert_int_equal(records_put(r, numbered(bytes, 500), span_text("after!")), WHERRY_OK);
	allow_all();
	assert_true(records_get(r, numbered(bytes, 500), &after));
	assert_ptr_equal(before.ptr, after.ptr);
	assert_memory_equal(after.ptr, "after!", 6);
	records_free(r);
}

// --- copies ---------------------------------------------------------------------------------------------------------

static void copy_is_independent(void **state)
{
	(void)state;
	random_state = 7;
	for (unsigned size = 0; size <= 4000; size = size * 4 + 5) {
		struct both b = {.records = records_new()};
		for (unsigned i = 0; i < size; i++)
			both_do(&b, 90);
		size_t before = in_use;
		struct records *copy = records_clone(b.records);
		assert_non_null(copy);
		assert_int_equal(records_memory(copy), in_use - before);
		assert_same(copy, &b.model);
		for (unsigned i = 0; i < size; i++) {
			uint8_t bytes[LONGEST];
			records_del(b.records, some_subkey(bytes));
		}
		assert_same(copy, &b.model);
		records_free(b.records);
		assert_same(copy, &b.model);
		records_free(copy);
		model_free(&b.model);
	}
	assert_int_equal(in_use, 0);
}

// --- no memory ------------------------------------------------------------------------------------------------------

// Each put is tried with no allocation allowed, then one, two ... until it succeeds; until then nothing may change.
static void failing_put_changes_nothing(void **state)
{
	(void)state;
	random_state = 99;
	struct both b = {.records = records_new()};
	unsigned failures = 0;
	for (unsigned i = 0; i < 6000; i++) {
		uint8_t key_bytes[LONGEST], value_bytes[LONGEST], bytes[8];
		wherry_span subkey = i % 2 ? some_subkey(key_bytes) : numbered(bytes, i);
		wherry_span value = some_value(value_bytes);
		for (int most = 0;; most++) {
			size_t before = in_use;
			uint64_t version = records_version(b.records);
			allow(most);
			int status = records_put(b.records, subkey, value);
			allow_all();
			if (status == WHERRY_OK)
				break;
			failures++;
			assert_int_equal(status, WHERRY_ENOMEM);
			assert_int_equal(in_use, before);
			assert_int_equal(records_version(b.records), version);
			if (i % 8 == 0)
				assert_same(b.records, &b.model);
		}
		model_put(&b.model, subkey, value);
	}
	assert_same(b.records, &b.model);
	assert_true(failures > 200);

	// Removing needs no memory at all, and leaves what an empty one has.
	allow(0);
	while (b.model.count > 0) {
		wherry_span subkey = b.model.pair[random_below(b.model.count)].subkey;
		assert_true(records_del(b.records, subkey));
		model_del(&b.model, subkey);
		if (b.model.count % 50 == 0)
			assert_same(b.records, &b.model);
	}
	allow_all();
	assert_int_equal(records_memory(b.records), mem_cost(24));
	assert_int_equal(in_use, mem_cost(24));
	records_free(b.records);
	model_free(&b.model);
}

static void failing_copy_leaves_nothing(void **state)
{
	(void)state;
	random_state = 3;
	for (unsigned size = 10; size <= 3000; size *= 17) {
		struct both b = {.records = records_new()};
		for (unsigned i = 0; i < size; i++)
			both_do(&b, 90);
		size_t before = in_use;
		struct records *copy = NULL;
		int most = 0;
		for (; copy == NULL; most++) {
			assert_int_equal(in_use, before);
			allow(most);
			copy = records_clone(b.records);
		}
		allow_all();
		assert_true(most > 1);
		assert_same(copy, &b.model);
		records_free(copy);
		records_free(b.records);
		model_free(&b.model);
	}
	allow(0);
	assert_null(records_new());
	allow_all();
	assert_int_equal(in_use, 0);
}

static int nothing_allocated(void **state)
{
	(void)state;
	in_use = 0; // what a failed test left is not the next one's
	allow_all();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, nothing_allocated)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(empty_one_has_nothing),
	    TEST(forms_change_with_room_between),
	    TEST(random_program_agrees_with_the_model),
	    TEST(each_order_fills_and_empties),
	    TEST(runs_leave_full_leaves),
	    TEST(queue_stays_small),
	    TEST(shrinking_values_give_back_memory),
	    TEST(large_values_come_and_go),
	    TEST(same_length_is_overwritten_in_place),
	    TEST(copy_is_independent),
	    TEST(failing_put_changes_nothing),
	    TEST(failing_copy_leaves_nothing),
	};
	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
