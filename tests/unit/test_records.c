// store/records.h against a naive model: the same operations on both, then everything that can be asked is
// compared.

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "records_model.h"

static void random_program_agrees_with_the_model(void **state)
{
	(void)state;
	static const unsigned puts[] = {70, 45, 20, 60, 3, 30};
	random_begin(20240229);
	struct both b = {.records = records_new()};
	bool was_tree = false, was_packed_again = false;
	for (unsigned i = 0; i < 200000; i++) {
		both_do(&b, puts[i / 8000 % 6]);
		was_packed_again |= was_tree && !records_is_tree(b.records);
		was_tree |= records_is_tree(b.records);
		if (i % 100 == 0)
			assert_same(b.records, &b.model);
	}
	assert_true(was_tree && was_packed_again);
	both_free(&b);
}

// --- forms, edges ----------------------------------------------------------------------------------------

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
	assert_false(records_get(r, nothing, &value) || records_del(r, nothing) || records_rank(r, nothing, &rank));
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
	// Its own tail, as a value of the same, and of another record.
	assert_int_equal(
	    records_put(r, span_text("tail"), span_of((const uint8_t *)got.ptr + large - 3, 3)), WHERRY_OK);
	assert_int_equal(
	    records_put(r, span_text("large"), span_of((const uint8_t *)got.ptr + 8, large - 8)), WHERRY_OK);
	assert_true(records_get(r, span_text("large"), &got));
	assert_memory_equal((const uint8_t *)got.ptr + large - 11, "end", 3);
	assert_sound(r);
	assert_true(records_del(r, span_text("large")));
	assert_in_range(records_memory(r), empty, empty + 200);
	records_free(r);
	free(value);
}

// --- copies ----------------------------------------------------------------------------------------------

static void copy_is_independent(void **state)
{
	(void)state;
	random_begin(7);
	for (unsigned size = 0; size <= 4000; size = size * 4 + 5) {
		struct both b = {.records = records_new()};
		for (unsigned i = 0; i < size; i++)
			both_do(&b, 90);
		struct records *copy = records_clone(b.records);
		assert_non_null(copy);
		assert_int_equal(records_memory(copy), records_memory(b.records));
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_one_has_nothing),
	    cmocka_unit_test(forms_change_with_room_between),
	    cmocka_unit_test(random_program_agrees_with_the_model),
	    cmocka_unit_test(large_values_come_and_go),
	    cmocka_unit_test(copy_is_independent),
	};
	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
