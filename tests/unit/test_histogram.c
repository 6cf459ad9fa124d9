// Buckets of time: each holds what it says, and shares of them come out right.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/histogram.h"
#include "base/ticks.h"

static uint64_t lower(unsigned bucket)
{
	return bucket == 0 ? 0 : histogram_upper(bucket - 1);
}

static void every_time_is_within_its_bucket(void **state)
{
	(void)state;
	for (uint64_t ns = 0; ns < UINT64_C(1) << 40; ns += 1 + ns / 97) {
		unsigned bucket = histogram_bucket(ns);
		assert_true(bucket < HISTOGRAM_BUCKETS);
		assert_true(lower(bucket) <= ns && ns < histogram_upper(bucket));
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void buckets_are_a_quarter_wide_at_most(void **state)
{
	(void)state;
	for (unsigned i = 1; i < HISTOGRAM_BUCKETS - 1; i++)
		assert_true(histogram_upper(i) - lower(i) <= lower(i) / 4);
	assert_int_equal(histogram_bucket(lower(HISTOGRAM_BUCKETS - 1)), HISTOGRAM_BUCKETS - 1);
	assert_true(lower(HISTOGRAM_BUCKETS - 1) > UINT64_C(180) * 1000000000);
}

static void shares_are_near(void **state)
{
	(void)state;
	uint64_t count[HISTOGRAM_BUCKETS] = {0};
	assert_int_equal(histogram_percentile(count, 0.5), 0);
	for (uint64_t us = 1; us <= 1000; us++)
		count[histogram_bucket(us * 1000)]++;
	const struct {
		double share;
		uint64_t us;
	} wanted[] = {{0.01, 10}, {0.5, 500}, {0.9, 900}, {0.99, 990}};
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		uint64_t ns = histogram_percentile(count, wanted[i].share);
		assert_in_range(ns, wanted[i].us * 750, wanted[i].us * 1250);
	}
}

static void a_rare_one_shows_in_the_last_share_only(void **state)
{
	(void)state;
	uint64_t count[HISTOGRAM_BUCKETS] = {0};
	count[histogram_bucket(1000)] = 9990;
	count[histogram_bucket(50000000)] = 10;
	assert_in_range(histogram_percentile(count, 0.99), 750, 1250);
	assert_in_range(histogram_percentile(count, 0.9995), 40000000, 63000000);
}

// Against the clock that everybody has: the counter's rate is what was measured.
static void ticks_are_nanoseconds(void **state)
{
	(void)state;
	ticks_open();
	uint64_t ns = ticks_clock_ns(), ticks = ticks_now(), passed = 0;
	while (passed < 20000000)
		passed = ticks_clock_ns() - ns;
	uint64_t told = ticks_ns_between(ticks, ticks_now());
	assert_true(told >= passed - passed / 50);
	assert_int_equal(ticks_ns_between(ticks, ticks - 5), 0);
	uint64_t there_and_back = ticks_ns_between(0, ticks_of_ns(1000000));
	assert_in_range(there_and_back, 999900, 1000100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_time_is_within_its_bucket),
	    cmocka_unit_test(buckets_are_a_quarter_wide_at_most),
	    cmocka_unit_test(shares_are_near),
	    cmocka_unit_test(a_rare_one_shows_in_the_last_share_only),
	    cmocka_unit_test(ticks_are_nanoseconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
