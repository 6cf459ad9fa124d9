// Units: writing and reading them, replaying them, and what a damaged one does.

#include "world.h"

#include <stdlib.h>

#include "store/unit.h"

// Wherever it ends: OK or ECORRUPT, and nothing is read behind the end.
static void read_cut(wherry_span unit)
{
	for (size_t cut = 0; cut < unit.len; cut++) {
		uint8_t *exact = malloc(cut == 0 ? 1 : cut);
		assert_non_null(exact);
		memcpy(exact, unit.ptr, cut);
		wherry_span rest = span_of(exact, cut);
		struct unit_op op;
		int status;
		while ((status = unit_read(&rest, &op)) == WHERRY_OK)
			;
		assert_true(status == WHERRY_ENOKEY || status == WHERRY_ECORRUPT);
		free(exact);
	}
}

static void units_are_read_as_written(void **state)
{
	(void)state;
	static const struct unit_op ops[] = {
	    {.kind = UNIT_DEFINE, .type = 1, .ns = 249, .key = {"kv.value", 8}},
	    {.kind = UNIT_HEAD, .ns = 300, .type = 200, .key = {"key", 3}, .value = {"head", 4}},
	    {.kind = UNIT_REMOVE, .ns = 4095, .key = {"", 0}},
	    {.kind = UNIT_DEADLINE, .ns = 1, .key = {"key", 3}, .ms = INT64_MAX},
	    {.kind = UNIT_ALARM, .ns = 1, .key = {"key", 3}, .ms = -1},
	    {.kind = UNIT_PUT, .ns = 1, .key = {"key", 3}, .subkey = {"s", 1}, .value = {"v", 1}},
	    {.kind = UNIT_DEL, .ns = 1, .key = {"key", 3}, .subkey = {"s", 1}},
	    {.kind = UNIT_PATCH, .ns = 1, .key = {"key", 3}, .subkey = {"s", 1}, .at = UINT64_MAX, .value = {"v", 1}},
	};
	enum { OPS = sizeof(ops) / sizeof(*ops) };
	struct buffer unit = {0};
	for (unsigned i = 0; i < OPS; i++) {
		size_t before = unit.len;
		unit_write(&unit, &ops[i]);
		assert_true(unit.len - before <= unit_bound(&ops[i]));
	}
	wherry_span rest = buffer_span(&unit);
	struct unit_op op;
	for (unsigned i = 0; i < OPS; i++) {
		assert_ok(unit_read(&rest, &op));
		assert_int_equal(op.kind, ops[i].kind);
		assert_int_equal(op.ns, ops[i].ns);
		assert_int_equal(op.type, ops[i].type);
		assert_true(op.ms == ops[i].ms && op.at == ops[i].at);
		assert_true(span_equal(op.key, ops[i].key));
		assert_true(span_equal(op.subkey, ops[i].subkey));
		assert_true(span_equal(op.value, ops[i].value));
	}
	assert_int_equal(unit_read(&rest, &op), WHERRY_ENOKEY);
	read_cut(buffer_span(&unit));
	buffer_free(&unit);
}

static void overlong_numbers_are_corrupt(void **state)
{
	(void)state;
	static const uint8_t ns[] = {UNIT_REMOVE, 0xff, 0xff, 0xff, 0xff, 0x1f, 0};
	static const uint8_t at[] = {UNIT_ALARM, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
	static const uint8_t kind[] = {99};
	struct unit_op op;
	assert_int_equal(unit_read(&(wherry_span){ns, sizeof(ns)}, &op), WHERRY_ECORRUPT);
	assert_int_equal(unit_read(&(wherry_span){at, sizeof(at)}, &op), WHERRY_ECORRUPT);
	assert_int_equal(unit_read(&(wherry_span){kind, sizeof(kind)}, &op), WHERRY_ECORRUPT);
}

// The ids of the log are others than those of the store.
static void names_tell_what_ids_mean(void **state)
{
	(void)state;
	struct world w, copy;
	world_open(&w, true);
	world_open(&copy, false);
	uint32_t ns, other, slot;
	assert_ok(store_ns_create(copy.store, text("another"), &other));
	assert_ok(store_ns_create(w.store, text("jobs"), &ns));
	assert_int_equal(ns, other);
	assert_ok(store_type(copy.store, "a.third", &other));
	assert_ok(store_type(w.store, "a.fourth", &other));
	txn_begin(w.txn, ns, w.now_ms);
	assert_ok(txn_key(w.txn, ns, text("a"), store_hash(w.store, text("a")), TXN_WRITE, &slot));
	txn_lock(w.txn);
	assert_ok(txn_put_head(w.txn, slot, other, text("head")));
	world_commit(&w);
	test_sink_replay(w.sink, copy.store);
	struct digest live = world_digest(&w), made = world_digest(&copy);
	assert_memory_equal(&live, &made, sizeof(live));
	assert_ok(store_ns_find(copy.store, text("jobs"), &ns));
	assert_int_equal(ns, 2);
	assert_int_equal(store_keys(copy.store, ns), 1);
	assert_true(store_lsn(copy.store) == store_lsn(w.store));
	assert_true(store_durable_lsn(copy.store) == store_lsn(w.store));
	uint64_t next = world_set(&copy, "b", "LSNs go on");
	assert_true(next == store_lsn(w.store) + 1);
	world_close(&copy);
	world_close(&w);
}

// Units twice, and from the middle on a state that has them already: what a snapshot that is not exact needs.
static void replay_is_idempotent(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	for (unsigned i = 0; i < 60; i++) {
		world_begin(&w, "a", "b", NULL);
		unsigned k = i % 2;
		assert_ok(txn_put_head(w.txn, k, w.type, text(i % 3 ? "head" : "a longer head")));
		assert_ok(txn_put(w.txn, k, text(i % 5 ? "s" : "t"), text(i % 7 ? "v" : "another")));
		if (i % 11 == 10)
			assert_ok(txn_remove(w.txn, k));
		world_commit(&w);
	}
	struct store *copy;
	struct store_config config = {.clock = &w.clock};
	assert_ok(store_open(&copy, &config));
	test_sink_replay(w.sink, copy);
	struct digest once = store_digest(copy, NULL);
	test_sink_replay(w.sink, copy);
	struct digest twice = store_digest(copy, NULL), live = world_digest(&w);
	assert_memory_equal(&live, &once, sizeof(once));
	assert_memory_equal(&live, &twice, sizeof(once));
	store_close(copy);
	world_close(&w);
}

static int replay_ops(struct store *s, const struct unit_op *ops, unsigned count)
{
	struct buffer unit = {0};
	for (unsigned i = 0; i < count; i++)
		unit_write(&unit, &ops[i]);
	struct store_replay *r;
	assert_ok(store_replay_begin(&r, s));
	int status = store_replay_unit(r, 5, buffer_span(&unit));
	store_replay_end(r);
	buffer_free(&unit);
	return status;
}

static void what_is_not_there_is_passed_over(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	wherry_span key = text("a"), subkey = text("s");
	struct unit_op ops[] = {
	    {.kind = UNIT_DEFINE, .type = 0, .ns = 3, .key = text("default")},
	    {.kind = UNIT_PUT, .ns = 3, .key = key, .subkey = subkey, .value = text("v")},
	    {.kind = UNIT_DEL, .ns = 3, .key = key, .subkey = subkey},
	    {.kind = UNIT_PATCH, .ns = 3, .key = key, .subkey = subkey, .value = text("v")},
	    {.kind = UNIT_DEADLINE, .ns = 3, .key = key, .ms = 1},
	    {.kind = UNIT_ALARM, .ns = 3, .key = key, .ms = 1},
	    {.kind = UNIT_REMOVE, .ns = 3, .key = key},
	};
	assert_ok(replay_ops(w.store, ops, sizeof(ops) / sizeof(*ops)));
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 0);
	assert_int_equal(store_lsn(w.store), 5);
	world_close(&w);
}

static void a_damaged_unit_does_nothing(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	wherry_span key = text("a");
	struct unit_op ops[] = {
	    {.kind = UNIT_DEFINE, .type = 0, .ns = 3, .key = text("default")},
	    {.kind = UNIT_DEFINE, .type = 1, .ns = 4, .key = text("t.thing")},
	    {.kind = UNIT_HEAD, .ns = 3, .type = 4, .key = key, .value = text("head")},
	    {.kind = UNIT_HEAD, .ns = 3, .type = 5, .key = key, .value = text("of no type")},
	};
	assert_int_equal(replay_ops(w.store, ops, 4), WHERRY_ECORRUPT);
	ops[3] = (struct unit_op){.kind = UNIT_REMOVE, .ns = 0, .key = key}; // not defined
	assert_int_equal(replay_ops(w.store, ops, 4), WHERRY_ECORRUPT);
	ops[3] = (struct unit_op){.kind = UNIT_DEFINE, .type = 0, .ns = 9, .key = text("not a name")};
	assert_int_equal(replay_ops(w.store, ops, 4), WHERRY_ECORRUPT);
	ops[3] = (struct unit_op){.kind = UNIT_DEFINE, .type = 1, .ns = STORE_TYPES, .key = text("t.many")};
	assert_int_equal(replay_ops(w.store, ops, 4), WHERRY_ECORRUPT);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 0);
	assert_int_equal(store_lsn(w.store), 0);
	assert_ok(replay_ops(w.store, ops, 3));
	world_expect(&w, "a", "head");
	world_close(&w);
}

// Every bit of a unit flipped: it is refused or it is something else, but nothing breaks.
static void flipped_bits_break_nothing(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	struct unit_op ops[] = {
	    {.kind = UNIT_DEFINE, .type = 0, .ns = 3, .key = text("default")},
	    {.kind = UNIT_DEFINE, .type = 1, .ns = 4, .key = text("t.thing")},
	    {.kind = UNIT_HEAD, .ns = 3, .type = 4, .key = text("a"), .value = text("head")},
	    {.kind = UNIT_PUT, .ns = 3, .key = text("a"), .subkey = text("s"), .value = text("v")},
	    {.kind = UNIT_PATCH, .ns = 3, .key = text("a"), .subkey = text("s"), .value = text("w")},
	    {.kind = UNIT_DEADLINE, .ns = 3, .key = text("a"), .ms = 99999999},
	};
	struct buffer unit = {0};
	for (unsigned i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		unit_write(&unit, &ops[i]);
	for (size_t bit = 0; bit < unit.len * 8; bit++) {
		unit.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		struct store_replay *r;
		assert_ok(store_replay_begin(&r, w.store));
		int status = store_replay_unit(r, bit + 1, buffer_span(&unit));
		assert_true(status == WHERRY_OK || status == WHERRY_ECORRUPT);
		store_replay_end(r);
		assert_null(store_fault(w.store));
		unit.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	buffer_free(&unit);
	world_close(&w);
}

static void replayed_deadlines_are_kept(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("head")));
	assert_ok(txn_set_deadline(w.txn, 0, w.now_ms + 10));
	world_commit(&w);
	w.now_ms += 10; // expired before it is replayed
	struct world copy;
	world_open(&copy, false);
	copy.now_ms = w.now_ms;
	test_sink_replay(w.sink, copy.store);
	assert_int_equal(store_keys(copy.store, STORE_NS_DEFAULT), 1);
	world_expect(&copy, "a", NULL);
	assert_true(copy.woken_ms == w.now_ms);
	world_close(&copy);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(units_are_read_as_written),
	    cmocka_unit_test(overlong_numbers_are_corrupt),
	    cmocka_unit_test(names_tell_what_ids_mean),
	    cmocka_unit_test(replay_is_idempotent),
	    cmocka_unit_test(what_is_not_there_is_passed_over),
	    cmocka_unit_test(a_damaged_unit_does_nothing),
	    cmocka_unit_test(flipped_bits_break_nothing),
	    cmocka_unit_test(replayed_deadlines_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
