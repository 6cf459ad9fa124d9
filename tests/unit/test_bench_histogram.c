// The histogram of `wherry bench`: percentiles are within 1 % of the truth, from a microsecond to minutes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "histogram.h"

static struct histogram *made(void)
{
	struct histogram *h = calloc(1, sizeof(*h));
	assert_non_null(h);
	return h;
}

static void assert_near(double got, double wanted)
{
	assert_true(got >= wanted * 0.99 && got <= wanted * 1.01);
}

static void test_any_time_is_told_to_within_a_percent(void **state)
{
	(void)state;
	for (uint64_t ns = 1000; ns < UINT64_C(250000000000); ns += ns / 23 + 1) {
		struct histogram *h = made();
		histogram_add(h, ns);
		histogram_add(h, UINT64_C(260000000000)); // so that it is not the maximum, which is exact
		assert_near(histogram_us(h, 0.5), (double)ns / 1000);
		free(h);
	}
}

static void test_percentiles_of_many(void **state)
{
	(void)state;
	struct histogram *h = made();
	for (uint64_t us = 1; us <= 100000; us++)
		histogram_add(h, us * 1000);
	assert_near(histogram_us(h, 0.5), 50000);
	assert_near(histogram_us(h, 0.99), 99000);
	assert_near(histogram_us(h, 0.999), 99900);
	assert_true(histogram_us(h, 1) == 100000);
	assert_near(histogram_mean_us(h), 50000.5);
	free(h);
}

static void test_few_none_and_too_long(void **state)
{
	(void)state;
	struct histogram *h = made();
	assert_true(histogram_us(h, 0.99) == 0 && histogram_mean_us(h) == 0);
	histogram_add(h, 1234567);
	assert_true(histogram_us(h, 0.5) == 1234.567 && histogram_us(h, 0.999) == 1234.567);
	histogram_add(h, UINT64_MAX / 4);
	assert_true(histogram_us(h, 1) == (double)(UINT64_MAX / 4) / 1000);
	assert_near(histogram_us(h, 0.5), 1234.567);
	free(h);
}

static void test_merged_and_since(void **state)
{
	(void)state;
	struct histogram *a = made(), *b = made(), *all = made(), *since = made();
	for (unsigned i = 0; i < 100; i++) {
		histogram_add(a, 1000000);
		histogram_add(b, 9000000);
	}
	histogram_merge(all, a);
	struct histogram before = *all;
	histogram_merge(all, b);
	assert_int_equal(all->count, 200);
	assert_near(histogram_us(all, 0.25), 1000);
	assert_near(histogram_us(all, 0.75), 9000);
	histogram_since(since, all, &before);
	assert_int_equal(since->count, 100);
	assert_near(histogram_us(since, 0.01), 9000);
	free(a), free(b), free(all), free(since);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_any_time_is_told_to_within_a_percent),
	    cmocka_unit_test(test_percentiles_of_many),
	    cmocka_unit_test(test_few_none_and_too_long),
	    cmocka_unit_test(test_merged_and_since),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
