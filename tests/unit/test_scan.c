// Scans: every key that is there throughout exactly once, whatever else comes and goes meanwhile.

#include "world.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

struct seen {
	unsigned char *times; // by the number in "key-<number>"
	unsigned count;
	unsigned total, foreign;
	uint32_t remove_odd;
};

static int32_t see(void *arg, const struct txn_view *view)
{
	struct seen *s = arg;
	char key[32] = "";
	memcpy(key, view->key.ptr, view->key.len);
	unsigned number;
	s->total++;
	if (sscanf(key, "key-%u", &number) != 1 || number >= s->count) {
		s->foreign++;
		return WHERRY_SCAN_NEXT;
	}
	s->times[number]++;
	return s->remove_odd && number % 2 == 1 ? WHERRY_SCAN_REMOVE : WHERRY_SCAN_NEXT;
}

static void set_many(struct world *w, unsigned count)
{
	char key[32];
	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		world_set(w, key, "head");
	}
}

static unsigned scan_all(struct world *w, struct seen *s, uint32_t step, uint32_t type)
{
	uint64_t cursor = 0, gate = 0;
	unsigned calls = 0;
	int status;
	do {
		cursor = store_scan(w->store, STORE_NS_DEFAULT, cursor, step, type, w->now_ms, see, s, &gate, &status);
		assert_ok(status);
		calls++;
	} while (cursor != 0);
	return calls;
}

static void each_key_once_in_steps_of_any_size(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	set_many(&w, 3000);
	static const uint32_t steps[] = {0, 1, 7, 10, 100, 1000, 5000, UINT32_MAX};
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		unsigned char times[3000] = {0};
		struct seen s = {.times = times, .count = 3000};
		unsigned calls = scan_all(&w, &s, steps[i], TXN_ANY_TYPE);
		for (unsigned k = 0; k < 3000; k++)
			assert_int_equal(times[k], 1);
		if (steps[i] > 0 && steps[i] < 5000) // about as many as asked for
			assert_in_range(calls, 3000 / (2 * steps[i]), 3 * 3000 / steps[i] + 2);
	}
	world_close(&w);
}

static void an_empty_namespace_ends_at_once(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	struct seen s = {0};
	assert_int_equal(scan_all(&w, &s, 10, TXN_ANY_TYPE), 1);
	uint64_t gate = 0;
	int status;
	assert_int_equal(store_scan(w.store, 77, 0, 10, TXN_ANY_TYPE, 0, see, &s, &gate, &status), 0);
	assert_int_equal(store_scan(w.store, 0, UINT64_MAX, 10, TXN_ANY_TYPE, 0, see, &s, &gate, &status), 0);
	assert_int_equal(s.total, 0);
	world_close(&w);
}

// Between the steps, tables grow to many times their size and shrink again.
static void growth_and_shrinking_between_the_steps(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	set_many(&w, 2000);
	unsigned char times[2000] = {0};
	struct seen s = {.times = times, .count = 2000};
	uint64_t cursor = 0, gate = 0;
	int status;
	char key[32];
	for (unsigned step = 0; step == 0 || cursor != 0; step++) {
		for (unsigned i = 0; i < 200; i++) {
			snprintf(key, sizeof(key), "other-%u", (step / 20 * 4000 + step % 20 * 200 + i) % 12000);
			world_begin(&w, key, NULL);
			if (step / 20 % 2 == 0)
				assert_ok(txn_put_head(w.txn, 0, w.other, text("head")));
			else
				(void)txn_remove(w.txn, 0);
			world_commit(&w);
		}
		cursor = store_scan(w.store, 0, cursor, 20, TXN_ANY_TYPE, w.now_ms, see, &s, &gate, &status);
		assert_ok(status);
	}
	for (unsigned k = 0; k < 2000; k++)
		assert_int_equal(times[k], 1);
	world_close(&w);
}

static void types_and_expired_keys_are_left_out(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	set_many(&w, 100);
	world_begin(&w, "other", "key-7", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.other, text("head")));
	assert_ok(txn_set_deadline(w.txn, 1, w.now_ms + 1));
	world_commit(&w);
	w.now_ms++;
	unsigned char times[100] = {0};
	struct seen s = {.times = times, .count = 100};
	scan_all(&w, &s, 10, w.type);
	assert_int_equal(s.total, 99);
	assert_int_equal(s.foreign, 0);
	assert_int_equal(times[7], 0);
	s = (struct seen){.times = times, .count = 100};
	scan_all(&w, &s, 10, w.other);
	assert_int_equal(s.total, 1);
	world_close(&w);
}

static void a_scan_removes(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	set_many(&w, 1000);
	unsigned char times[1000] = {0};
	struct seen s = {.times = times, .count = 1000, .remove_odd = 1};
	scan_all(&w, &s, 64, TXN_ANY_TYPE);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 500);
	world_expect(&w, "key-1", NULL);
	world_expect(&w, "key-2", "head");
	world_check(&w);
	test_sink_refuse(w.sink, WHERRY_EFULL);
	uint64_t gate = 0;
	int status;
	s.remove_odd = 0;
	memset(times, 0, sizeof(times));
	store_scan(w.store, 0, 0, 1000, TXN_ANY_TYPE, w.now_ms, see, &s, &gate, &status);
	assert_ok(status); // nothing to remove
	test_sink_refuse(w.sink, WHERRY_OK);
	world_close(&w);
}

static int32_t remove_each(void *arg, const struct txn_view *view)
{
	(void)arg;
	(void)view;
	return WHERRY_SCAN_REMOVE;
}

static void a_removal_that_fails_is_told(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	set_many(&w, 100);
	test_sink_refuse(w.sink, WHERRY_EFULL);
	uint64_t gate = 0;
	int status;
	store_scan(w.store, 0, 0, 1000, TXN_ANY_TYPE, w.now_ms, remove_each, NULL, &gate, &status);
	assert_int_equal(status, WHERRY_EFULL);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 100);
	test_sink_refuse(w.sink, WHERRY_OK);
	world_close(&w);
}

static void a_scan_waits_for_what_it_saw(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	struct seen s = {0};
	uint64_t gate = 0;
	int status;
	store_scan(w.store, 0, 0, 1000, TXN_ANY_TYPE, w.now_ms, see, &s, &gate, &status);
	assert_int_equal(gate, 0);
	test_sink_hold(w.sink);
	uint64_t lsn = world_set(&w, "a", "two");
	store_scan(w.store, 0, 0, 1000, TXN_ANY_TYPE, w.now_ms, see, &s, &gate, &status);
	assert_true(gate == lsn);
	test_sink_flow(w.sink);
	world_close(&w);
}

struct churn {
	struct world *w;
	atomic_bool stop;
	atomic_uint_fast64_t changes;
};

static void churn_one(struct churn *c, struct txn *t, unsigned number, bool put)
{
	char key[32];
	snprintf(key, sizeof(key), "other-%u", number);
	uint32_t slot;
	uint64_t lsn;
	txn_begin(t, STORE_NS_DEFAULT, c->w->now_ms);
	assert_ok(txn_key(t, 0, text(key), store_hash(c->w->store, text(key)), TXN_WRITE, &slot));
	txn_lock(t);
	if (put)
		assert_ok(txn_put_head(t, slot, c->w->other, text("head")));
	else
		(void)txn_remove(t, slot);
	assert_ok(txn_commit(t, &lsn));
	txn_unlock(t);
	c->changes++;
}

static void *churn(void *arg)
{
	struct churn *c = arg;
	struct txn *t;
	assert_ok(txn_new(&t, c->w->store));
	for (unsigned round = 0; !c->stop; round++) {
		for (unsigned i = 0; i < 15000 && !c->stop; i++)
			churn_one(c, t, i, round % 2 == 0);
	}
	txn_free(t);
	return NULL;
}

static void exactly_once_while_others_write(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	set_many(&w, 3000);
	struct churn c = {.w = &w};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, churn, &c), 0);
	while (c.changes == 0)
		sched_yield();
	for (unsigned round = 0; round < 10; round++) {
		unsigned char times[3000] = {0};
		struct seen s = {.times = times, .count = 3000};
		scan_all(&w, &s, 30, TXN_ANY_TYPE);
		for (unsigned k = 0; k < 3000; k++)
			assert_int_equal(times[k], 1);
	}
	c.stop = true;
	pthread_join(thread, NULL);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_key_once_in_steps_of_any_size),
	    cmocka_unit_test(an_empty_namespace_ends_at_once),
	    cmocka_unit_test(growth_and_shrinking_between_the_steps),
	    cmocka_unit_test(types_and_expired_keys_are_left_out),
	    cmocka_unit_test(a_scan_removes),
	    cmocka_unit_test(a_removal_that_fails_is_told),
	    cmocka_unit_test(a_scan_waits_for_what_it_saw),
	    cmocka_unit_test(exactly_once_while_others_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
