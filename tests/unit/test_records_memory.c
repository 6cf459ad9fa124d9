// What store/records.h says of its memory, and does without: every allocation counted, every one made to
// fail.
//
// This program brings its own base/mem.h, which the linker takes instead of the broker's: it adds up what is
// allocated, so that records_memory() can be held against it, and nothing may be left at the end of a test.

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "records_model.h"

// --- the allocator ---------------------------------------------------------------------------------------

enum { FRONT = 16 }; // keeps the size, and what malloc() aligns to

bool (*_Atomic mem_may_alloc)(size_t size);
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

// --- what is counted -------------------------------------------------------------------------------------

static void memory_is_exact(void **state)
{
	(void)state;
	random_begin(1);
	struct both b = {.records = records_new()};
	for (unsigned i = 0; i < 60000; i++) {
		both_do(&b, i / 8000 % 2 ? 20 : 60);
		assert_int_equal(records_memory(b.records), in_use);
	}
	struct records *copy = records_clone(b.records);
	assert_int_equal(records_memory(b.records) + records_memory(copy), in_use);
	records_free(copy);
	both_free(&b);
	assert_int_equal(in_use, 0);
}

// --- structures ------------------------------------------------------------------------------------------

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
		assert_true(span_equal(subkey, numbered(bytes, i)));
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
		assert_int_equal(records_put(r, numbered(bytes, i), span_of(value, i % 2 ? 450 : 5000)), WHERRY_OK);
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(records_put(r, numbered(bytes, scattered(i * 50) / 50), span_of(value, 1)), WHERRY_OK);
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(records_put(r, numbered(bytes, i), span_of(value, 1)), WHERRY_OK);
	assert_sound(r);
	assert_int_equal(records_memory(r), in_use);
	assert_int_equal(records_count(r), 2000);
	assert_in_range(records_memory(r), 0, 2000 * 13 * 4);
	records_free(r);
	assert_int_equal(in_use, 0);
}

// --- no memory -------------------------------------------------------------------------------------------

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

// Each put is tried with no allocation allowed, then one, two ... until it succeeds; until then nothing may
// change.
static void failing_put_changes_nothing(void **state)
{
	(void)state;
	random_begin(99);
	struct both b = {.records = records_new()};
	size_t empty = in_use;
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
	assert_int_equal(records_memory(b.records), empty);
	assert_int_equal(in_use, empty);
	both_free(&b);
}

static void failing_copy_leaves_nothing(void **state)
{
	(void)state;
	random_begin(3);
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
		both_free(&b);
	}
	allow(0);
	assert_null(records_new());
	allow_all();
	assert_int_equal(in_use, 0);
}

// The put that would make a tree fails after the tree was made.
static void long_record_that_makes_a_tree_fails_cleanly(void **state)
{
	(void)state;
	struct records *r = records_new();
	uint8_t bytes[8], value[LONGEST] = {0};
	for (uint64_t i = 0; i < RECORDS_PACKED_COUNT; i++)
		records_put(r, numbered(bytes, i), span_of(value, i % 2 ? 3 : LONGEST));
	for (int most = 0; !records_is_tree(r); most++) {
		size_t before = in_use;
		allow(most);
		int status = records_put(r, span_text("long"), span_of(value, LONGEST));
		struct records *copy = status == WHERRY_OK ? NULL : records_clone(r);
		allow_all();
		assert_null(copy);
		assert_true(status == WHERRY_OK || in_use == before);
		assert_sound(r);
	}
	assert_int_equal(records_count(r), RECORDS_PACKED_COUNT + 1);
	assert_int_equal(records_memory(r), in_use);
	records_free(r);
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
	    TEST(memory_is_exact),
	    TEST(each_order_fills_and_empties),
	    TEST(runs_leave_full_leaves),
	    TEST(queue_stays_small),
	    TEST(shrinking_values_give_back_memory),
	    TEST(same_length_is_overwritten_in_place),
	    TEST(failing_put_changes_nothing),
	    TEST(failing_copy_leaves_nothing),
	    TEST(long_record_that_makes_a_tree_fails_cleanly),
	};
	return cmocka_run_group_tests_name("records_memory", tests, NULL, NULL);
}
