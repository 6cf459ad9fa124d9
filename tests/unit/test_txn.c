// Transactions: undoing, savepoints, slots and locks, gates, what a failing sink leaves.

#include "world.h"

#include <stdio.h>

static struct txn_view view_of(struct world *w, uint32_t slot)
{
	struct txn_view view;
	assert_ok(txn_open(w->txn, slot, TXN_ANY_TYPE, &view));
	return view;
}

static void a_rollback_leaves_no_trace(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	world_set(&w, "b", "two");
	struct digest before = world_digest(&w);
	uint64_t lsn = store_lsn(w.store);
	world_begin(&w, "a", "b", "c", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("in place")));
	assert_ok(txn_put_head(w.txn, 0, w.type, text("a head that needs a larger block than it had before")));
	assert_ok(txn_put(w.txn, 0, text("s"), text("v")));
	assert_ok(txn_remove(w.txn, 1));
	assert_ok(txn_put_head(w.txn, 1, w.other, text("again, as another type")));
	assert_ok(txn_put_head(w.txn, 2, w.type, text("new")));
	assert_ok(txn_set_deadline(w.txn, 2, w.now_ms + 1));
	assert_ok(txn_set_alarm(w.txn, 0, w.now_ms + 1));
	assert_ok(txn_copy(w.txn, 0, 1));
	assert_true(txn_changes(w.txn) > 0);
	world_undo(&w);
	struct digest after = world_digest(&w);
	assert_memory_equal(&after, &before, sizeof(before));
	assert_true(store_lsn(w.store) == lsn);
	assert_int_equal(w.woken_ms, 0);
	world_close(&w);
}

static void savepoints_undo_the_newest(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_begin(&w, "a", "b", NULL);
	size_t none = txn_mark(w.txn);
	assert_int_equal(none, 0);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("one")));
	assert_ok(txn_put(w.txn, 0, text("s"), text("1")));
	size_t mark = txn_mark(w.txn);
	assert_ok(txn_put(w.txn, 0, text("s"), text("longer")));
	assert_ok(txn_del(w.txn, 0, text("s")));
	assert_ok(txn_put_head(w.txn, 1, w.type, text("two")));
	txn_rollback(w.txn, mark);
	wherry_span value;
	assert_ok(txn_get(w.txn, 0, text("s"), &value));
	assert_span(value, "1");
	struct txn_view view;
	assert_int_equal(txn_open(w.txn, 1, TXN_ANY_TYPE, &view), WHERRY_ENOKEY);
	assert_ok(txn_put_head(w.txn, 1, w.type, text("three")));
	world_commit(&w);
	world_expect(&w, "a", "one");
	world_expect(&w, "b", "three");
	world_close(&w);
}

static void nothing_changed_is_no_unit(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	uint64_t units = test_sink_units(w.sink);
	world_begin(&w, "a", "b", NULL);
	assert_ok(txn_set_deadline(w.txn, 0, 0)); // it had none
	assert_ok(txn_copy(w.txn, 0, 0));
	assert_int_equal(txn_copy(w.txn, 1, 0), WHERRY_ENOKEY);
	assert_int_equal(txn_changes(w.txn), 0);
	assert_int_equal(world_commit(&w), 0);
	assert_true(test_sink_units(w.sink) == units);
	world_close(&w);
}

static void slots_say_what_they_may(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	uint64_t hash = store_hash(w.store, text("a"));
	uint32_t reader, writer;
	txn_begin(w.txn, STORE_NS_DEFAULT, w.now_ms);
	assert_ok(txn_key(w.txn, 0, text("a"), hash, TXN_READ, &reader));
	assert_ok(txn_key(w.txn, 0, text("a"), hash, TXN_WRITE, &writer));
	static char huge[STORE_KEY_BYTES + 1];
	assert_int_equal(txn_key(w.txn, 0, span_of(huge, sizeof(huge)), 0, TXN_READ, &(uint32_t){0}), WHERRY_ELIMIT);
	txn_lock(w.txn);
	assert_int_equal(txn_put_head(w.txn, reader, w.type, text("x")), WHERRY_EINTERNAL);
	assert_int_equal(txn_put_head(w.txn, UINT32_MAX, w.type, text("x")), WHERRY_EARG);
	assert_int_equal(txn_put_head(w.txn, writer, 77, text("x")), WHERRY_EARG);
	assert_int_equal(txn_put_head(w.txn, writer, TXN_ANY_TYPE, text("x")), WHERRY_EARG); // of what type?
	assert_ok(txn_put_head(w.txn, writer, w.type, text("x")));
	assert_span(view_of(&w, reader).head, "x"); // the same key
	assert_int_equal(txn_put_head(w.txn, writer, w.other, text("y")), WHERRY_ETYPE);
	assert_ok(txn_put_head(w.txn, writer, TXN_ANY_TYPE, text("a much longer head, so that the entry has to move")));
	assert_span(view_of(&w, reader).head, "a much longer head, so that the entry has to move");
	assert_int_equal(txn_remove(w.txn, reader), WHERRY_EINTERNAL);
	assert_ok(txn_remove(w.txn, writer));
	assert_int_equal(txn_put(w.txn, writer, text("s"), text("v")), WHERRY_ENOKEY);
	world_commit(&w);
	world_close(&w);
}

// Two keys whose hashes have the same top 9 bits, and one with others.
static void find_stripes(struct world *w, char near[16], char far[16])
{
	uint64_t stripe = store_hash(w->store, text("a")) >> 55;
	near[0] = far[0] = 0;
	for (unsigned i = 0; near[0] == 0 || far[0] == 0; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%u", i);
		memcpy(store_hash(w->store, text(key)) >> 55 == stripe ? near : far, key, sizeof(key));
	}
}

static void a_key_found_late_is_had_or_restarts(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	char near[16], far[16];
	find_stripes(&w, near, far);
	world_begin(&w, "a", NULL);
	uint32_t slot;
	assert_ok(txn_put_head(w.txn, 0, w.type, text("one")));
	assert_ok(txn_need(w.txn, 0, text(near), store_hash(w.store, text(near)), TXN_WRITE, &slot));
	assert_ok(txn_put_head(w.txn, slot, w.type, text("two")));
	uint64_t hash = store_hash(w.store, text(far));
	assert_int_equal(txn_need(w.txn, 0, text(far), hash, TXN_WRITE, &slot), WHERRY_RESTART);
	world_undo(&w);
	world_expect(&w, near, NULL);
	world_begin(&w, "a", far, NULL);
	assert_ok(txn_need(w.txn, 0, text(far), hash, TXN_WRITE, &slot));
	assert_ok(txn_put_head(w.txn, slot, w.type, text("three")));
	world_commit(&w);
	world_expect(&w, far, "three");
	struct store_stats stats;
	store_read_stats(w.store, &stats);
	assert_int_equal(stats.restarts, 1);
	world_close(&w);
}

static void a_copy_is_all_of_it(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "to", "in the way");
	world_begin(&w, "from", "to", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.other, text("head")));
	assert_ok(txn_put(w.txn, 0, text("s"), text("v")));
	assert_ok(txn_set_deadline(w.txn, 0, w.now_ms + 7));
	assert_ok(txn_set_alarm(w.txn, 0, w.now_ms + 6));
	assert_ok(txn_copy(w.txn, 0, 1));
	assert_ok(txn_put(w.txn, 0, text("s"), text("another")));
	world_commit(&w);
	world_begin(&w, "to", NULL);
	struct txn_view view = view_of(&w, 0);
	assert_int_equal(view.type, w.other);
	assert_span(view.head, "head");
	assert_int_equal(view.deadline_ms, w.now_ms + 7);
	assert_int_equal(view.alarm_ms, w.now_ms + 6);
	wherry_span value;
	assert_ok(txn_get(w.txn, 0, text("s"), &value));
	assert_span(value, "v");
	txn_unlock(w.txn);
	world_close(&w);
}

static void readers_wait_for_what_they_saw(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	world_begin(&w, "a", NULL);
	view_of(&w, 0);
	assert_int_equal(txn_gate(w.txn), 0); // durable
	txn_unlock(w.txn);
	test_sink_hold(w.sink);
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("two")));
	uint64_t lsn;
	assert_ok(txn_commit(w.txn, &lsn));
	assert_true(txn_gate(w.txn) == lsn);
	txn_unlock(w.txn);
	world_begin(&w, "a", NULL);
	assert_int_equal(txn_gate(w.txn), 0); // nothing read yet
	view_of(&w, 0);
	assert_true(txn_gate(w.txn) == lsn);
	txn_unlock(w.txn);
	store_want_flush(w.store, lsn);
	assert_true(test_sink_wanted(w.sink) == lsn);
	world_begin(&w, "a", NULL);
	assert_ok(txn_remove(w.txn, 0));
	assert_ok(txn_commit(w.txn, &lsn));
	txn_unlock(w.txn);
	struct txn_view view;
	world_begin(&w, "a", NULL); // that it is missing, too
	assert_int_equal(txn_open(w.txn, 0, TXN_ANY_TYPE, &view), WHERRY_ENOKEY);
	assert_true(txn_gate(w.txn) == lsn);
	test_sink_release(w.sink);
	assert_int_equal(txn_gate(w.txn), 0);
	txn_unlock(w.txn);
	assert_true(store_durable_lsn(w.store) == lsn);
	world_close(&w);
}

static void without_a_sink_nothing_waits(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("two")));
	uint64_t lsn;
	assert_ok(txn_commit(w.txn, &lsn));
	assert_int_equal(lsn, 1);
	assert_int_equal(txn_gate(w.txn), 0);
	txn_unlock(w.txn);
	assert_int_equal(store_durable_lsn(w.store), 1);
	world_close(&w);
}

static void what_the_sink_refuses_is_undone(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	struct digest before = world_digest(&w);
	test_sink_refuse(w.sink, WHERRY_EFULL);
	world_begin(&w, "a", "b", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("two")));
	assert_ok(txn_put_head(w.txn, 1, w.type, text("new")));
	assert_ok(txn_set_deadline(w.txn, 1, w.now_ms + 1));
	uint64_t lsn;
	assert_int_equal(txn_commit(w.txn, &lsn), WHERRY_EFULL);
	assert_int_equal(lsn, 0);
	assert_int_equal(txn_changes(w.txn), 0);
	txn_unlock(w.txn);
	struct digest after = world_digest(&w);
	assert_memory_equal(&after, &before, sizeof(before));
	test_sink_refuse(w.sink, WHERRY_OK);
	world_set(&w, "b", "two");
	world_close(&w);
}

static void after_a_failed_flush_nothing_is_written(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	test_sink_hold(w.sink);
	uint64_t lost = world_set(&w, "b", "never durable");
	test_sink_fail(w.sink);
	assert_true(store_failed(w.store));
	world_begin(&w, "a", "b", NULL);
	view_of(&w, 0);
	assert_int_equal(txn_gate(w.txn), 0);
	view_of(&w, 1);
	assert_true(txn_gate(w.txn) == lost); // for ever
	assert_ok(txn_put_head(w.txn, 0, w.type, text("two")));
	uint64_t lsn;
	assert_int_equal(txn_commit(w.txn, &lsn), WHERRY_EIO);
	txn_unlock(w.txn);
	world_expect(&w, "a", "one");
	uint32_t id;
	assert_int_equal(store_type(w.store, "t.new", &id), WHERRY_EIO);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_rollback_leaves_no_trace),
	    cmocka_unit_test(savepoints_undo_the_newest),
	    cmocka_unit_test(nothing_changed_is_no_unit),
	    cmocka_unit_test(slots_say_what_they_may),
	    cmocka_unit_test(a_key_found_late_is_had_or_restarts),
	    cmocka_unit_test(a_copy_is_all_of_it),
	    cmocka_unit_test(readers_wait_for_what_they_saw),
	    cmocka_unit_test(without_a_sink_nothing_waits),
	    cmocka_unit_test(what_the_sink_refuses_is_undone),
	    cmocka_unit_test(after_a_failed_flush_nothing_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
