// Deadlines and alarms, with a clock that the test sets.

#include "world.h"

#include <stdio.h>

static void with_deadline(struct world *w, const char *key, int64_t in_ms)
{
	world_begin(w, key, NULL);
	assert_ok(txn_put_head(w->txn, 0, w->type, text("head")));
	assert_ok(txn_put(w->txn, 0, text("s"), text("v")));
	assert_ok(txn_set_deadline(w->txn, 0, w->now_ms + in_ms));
	world_commit(w);
}

static void with_alarm(struct world *w, const char *key, int64_t in_ms)
{
	world_begin(w, key, NULL);
	assert_ok(txn_put_head(w->txn, 0, w->other, text("head")));
	assert_ok(txn_set_alarm(w->txn, 0, w->now_ms + in_ms));
	world_commit(w);
}

struct rung {
	struct world *w;
	unsigned count;
	char keys[400];
	int64_t again_ms; // the handler sets its alarm so; -1: leaves it
};

static void ring(void *arg, uint32_t ns, uint32_t type, wherry_span key)
{
	struct rung *r = arg;
	assert_int_equal(ns, STORE_NS_DEFAULT);
	assert_int_equal(type, r->w->other);
	r->count++;
	char name[64] = "";
	memcpy(name, key.ptr, key.len);
	strcat(r->keys, name);
	if (r->again_ms < 0)
		return;
	world_begin(r->w, name, NULL); // no stripe is held
	assert_ok(txn_set_alarm(r->w->txn, 0, r->again_ms));
	world_commit(r->w);
}

static int64_t expire(struct world *w, struct rung *r)
{
	*r = (struct rung){.w = w, .again_ms = r->again_ms};
	return store_expire(w->store, w->now_ms, 1000, ring, r);
}

static void an_expired_key_is_gone_at_once(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	with_deadline(&w, "a", 10);
	w.now_ms += 9;
	world_expect(&w, "a", "head");
	w.now_ms += 1;
	world_expect(&w, "a", NULL);
	struct txn_view view;
	wherry_span value;
	wherry_cursor cursor;
	uint64_t rank;
	world_begin(&w, "a", "b", NULL);
	assert_int_equal(txn_open(w.txn, 0, w.type, &view), WHERRY_ENOKEY);
	assert_int_equal(txn_get(w.txn, 0, text("s"), &value), WHERRY_ENOKEY);
	assert_int_equal(txn_seek(w.txn, 0, text(""), 1, &cursor), WHERRY_ENOKEY);
	assert_int_equal(txn_rank(w.txn, 0, text("s"), &rank), WHERRY_ENOKEY);
	assert_int_equal(txn_put(w.txn, 0, text("s"), text("v")), WHERRY_ENOKEY);
	assert_int_equal(txn_del(w.txn, 0, text("s")), WHERRY_ENOKEY);
	assert_int_equal(txn_patch(w.txn, 0, text("s"), 0, text("w")), WHERRY_ENOKEY);
	assert_int_equal(txn_set_deadline(w.txn, 0, 0), WHERRY_ENOKEY);
	assert_int_equal(txn_set_alarm(w.txn, 0, 5), WHERRY_ENOKEY);
	assert_int_equal(txn_remove(w.txn, 0), WHERRY_ENOKEY);
	assert_int_equal(txn_copy(w.txn, 0, 1), WHERRY_ENOKEY);
	assert_int_equal(txn_changes(w.txn), 0);
	txn_unlock(w.txn);
	world_close(&w);
}

static void writing_over_an_expired_key_begins_anew(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	with_deadline(&w, "a", 10);
	with_deadline(&w, "b", 10);
	w.now_ms += 10;
	struct digest before = world_digest(&w);
	for (unsigned round = 0; round < 2; round++) {
		world_begin(&w, "a", "b", NULL);
		assert_ok(txn_put_head(w.txn, 0, w.other, text("another type")));
		struct txn_view view;
		assert_ok(txn_open(w.txn, 0, w.other, &view));
		assert_int_equal(view.records, 0);
		assert_int_equal(view.deadline_ms, 0);
		assert_ok(txn_copy(w.txn, 0, 1));
		if (round == 0) {
			world_undo(&w);
			struct digest after = world_digest(&w);
			assert_memory_equal(&after, &before, sizeof(after));
		} else {
			world_commit(&w);
		}
	}
	world_expect(&w, "b", "another type");
	struct rung r = {.again_ms = -1};
	assert_true(expire(&w, &r) == INT64_MAX);
	world_expect(&w, "a", "another type");
	world_close(&w);
}

static void a_deadline_in_the_past_removes(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	world_begin(&w, "a", NULL);
	assert_ok(txn_set_deadline(w.txn, 0, w.now_ms));
	assert_int_equal(txn_remove(w.txn, 0), WHERRY_ENOKEY);
	world_commit(&w);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 0);
	assert_int_equal(w.woken_ms, 0);
	world_close(&w);
}

static void the_expirer_frees_and_logs(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	int64_t start = w.now_ms;
	char key[16];
	for (int i = 1; i <= 100; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		with_deadline(&w, key, i);
	}
	struct rung r = {.again_ms = -1};
	assert_true(expire(&w, &r) == start + 1);
	w.now_ms += 50;
	assert_true(expire(&w, &r) == start + 51);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 50);
	w.now_ms += 50;
	int64_t next = store_expire(w.store, w.now_ms, 20, ring, &r); // at most so many a call
	assert_true(next <= w.now_ms);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 30);
	assert_true(expire(&w, &r) == INT64_MAX);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 0);
	struct store_stats stats;
	store_read_stats(w.store, &stats);
	assert_int_equal(stats.expired, 100);
	world_close(&w);
}

static void whoever_is_first_wakes_the_expirer(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	struct rung r = {.again_ms = -1};
	with_deadline(&w, "a", 100);
	assert_true(w.woken_ms == w.now_ms + 100);
	w.woken_ms = 0;
	with_deadline(&w, "b", 100);
	with_deadline(&w, "c", 200);
	assert_int_equal(w.woken_ms, 0);
	with_deadline(&w, "c", 50);
	assert_true(w.woken_ms == w.now_ms + 50);
	assert_true(expire(&w, &r) == w.now_ms + 50);
	world_begin(&w, "c", NULL);
	assert_ok(txn_set_deadline(w.txn, 0, 0));
	world_commit(&w);
	assert_true(expire(&w, &r) == w.now_ms + 100);
	w.woken_ms = 0;
	with_alarm(&w, "d", 80);
	assert_true(w.woken_ms == w.now_ms + 80);
	world_close(&w);
}

static void alarms_ring_once_each(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	with_alarm(&w, "a", 10);
	with_alarm(&w, "b", 20);
	struct rung r = {.again_ms = 0}; // the handler clears it
	assert_true(expire(&w, &r) == w.now_ms + 10);
	assert_int_equal(r.count, 0);
	w.now_ms += 10;
	assert_true(expire(&w, &r) == w.now_ms + 10);
	assert_string_equal(r.keys, "a");
	r.again_ms = w.now_ms + 30;
	w.now_ms += 10;
	assert_true(expire(&w, &r) == w.now_ms + 20);
	assert_string_equal(r.keys, "b");
	r.again_ms = 0;
	w.now_ms += 20;
	assert_true(expire(&w, &r) == INT64_MAX);
	assert_string_equal(r.keys, "b");
	world_close(&w);
}

static void an_alarm_left_in_the_past_does_not_spin(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	with_alarm(&w, "a", 10);
	struct rung r = {.again_ms = 1}; // long ago
	w.now_ms += 10;
	for (unsigned i = 0; i < 5; i++) {
		assert_true(expire(&w, &r) == w.now_ms + 1);
		assert_int_equal(r.count, 1);
		assert_true(expire(&w, &r) == w.now_ms + 1);
		assert_int_equal(r.count, 0);
		w.now_ms += 1;
	}
	r.again_ms = -1; // and one whose handler never comes: ever more seldom
	unsigned rings = 0;
	for (unsigned ms = 0; ms < 4000; ms++, w.now_ms++) {
		expire(&w, &r);
		rings += r.count;
	}
	assert_in_range(rings, 4, 30);
	world_close(&w);
}

static void a_deadline_comes_before_a_later_alarm(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.other, text("head")));
	assert_ok(txn_set_alarm(w.txn, 0, w.now_ms + 10));
	assert_ok(txn_set_deadline(w.txn, 0, w.now_ms + 12));
	world_commit(&w);
	struct rung r = {.again_ms = -1};
	w.now_ms += 11;
	assert_true(expire(&w, &r) == w.now_ms + 1); // the deadline, sooner than the alarm's repetition
	assert_int_equal(r.count, 1);
	w.now_ms += 1;
	assert_true(expire(&w, &r) == INT64_MAX);
	assert_int_equal(r.count, 0);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 0);
	world_close(&w);
}

static void a_sink_that_is_full_delays(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	with_deadline(&w, "a", 10);
	with_deadline(&w, "b", 10);
	w.now_ms += 10;
	test_sink_refuse(w.sink, WHERRY_EFULL);
	struct rung r = {.again_ms = -1};
	int64_t next = expire(&w, &r);
	assert_true(next > w.now_ms); // not at once again
	world_expect(&w, "a", NULL);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 2);
	assert_null(store_fault(w.store));
	test_sink_refuse(w.sink, WHERRY_OK);
	w.now_ms = next;
	assert_true(expire(&w, &r) == INT64_MAX);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 0);
	world_close(&w);
}

static void the_wall_clock_may_jump_back(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	with_deadline(&w, "a", 10);
	w.now_ms -= 100000;
	struct rung r = {.again_ms = -1};
	assert_true(expire(&w, &r) == w.now_ms + 100010);
	world_expect(&w, "a", "head");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_expired_key_is_gone_at_once),
	    cmocka_unit_test(writing_over_an_expired_key_begins_anew),
	    cmocka_unit_test(a_deadline_in_the_past_removes),
	    cmocka_unit_test(the_expirer_frees_and_logs),
	    cmocka_unit_test(whoever_is_first_wakes_the_expirer),
	    cmocka_unit_test(alarms_ring_once_each),
	    cmocka_unit_test(an_alarm_left_in_the_past_does_not_spin),
	    cmocka_unit_test(a_deadline_comes_before_a_later_alarm),
	    cmocka_unit_test(a_sink_that_is_full_delays),
	    cmocka_unit_test(the_wall_clock_may_jump_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
