// The store by the whole: names, keys and their memory, LSNs, the digest, what a reader of keys sees.

#include "world.h"

#include <stdio.h>

static void names_are_found_again(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	uint32_t id, again;
	assert_string_equal(store_ns_name(w.store, STORE_NS_DEFAULT), "default");
	assert_ok(store_ns_create(w.store, text("jobs"), &id));
	assert_int_equal(id, 1);
	assert_int_equal(store_ns_create(w.store, text("jobs"), &again), WHERRY_EEXIST);
	assert_ok(store_ns_find(w.store, text("jobs"), &again));
	assert_int_equal(again, id);
	assert_int_equal(store_ns_find(w.store, text("none"), &again), WHERRY_ENOKEY);
	assert_int_equal(store_ns_create(w.store, text(""), &again), WHERRY_EARG);
	assert_int_equal(store_ns_create(w.store, text("a b"), &again), WHERRY_EARG);
	assert_int_equal(store_ns_create(w.store, span_of("a\0b", 3), &again), WHERRY_EARG);
	assert_int_equal(store_ns_count(w.store), 2);
	assert_null(store_ns_name(w.store, 2));
	assert_ok(store_type(w.store, "t.other", &again));
	assert_int_equal(again, w.other);
	assert_string_equal(store_type_name(w.store, w.type), "t.thing");
	assert_null(store_type_name(w.store, 2));
	world_close(&w);
}

static void names_have_limits(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	uint32_t id;
	char name[32];
	for (unsigned i = 2; i < STORE_TYPES; i++) {
		snprintf(name, sizeof(name), "type.%u", i);
		assert_ok(store_type(w.store, name, &id));
	}
	assert_int_equal(store_type(w.store, "one.more", &id), WHERRY_ELIMIT);
	for (unsigned i = 1; i < STORE_NAMESPACES; i++) {
		snprintf(name, sizeof(name), "ns-%u", i);
		assert_ok(store_ns_create(w.store, text(name), &id));
		assert_int_equal(id, i);
	}
	assert_int_equal(store_ns_create(w.store, text("one-more"), &id), WHERRY_ELIMIT);
	assert_ok(store_ns_find(w.store, text("ns-4095"), &id));
	assert_int_equal(id, 4095);
	world_close(&w);
}

static void a_name_the_sink_refuses_does_not_come_into_being(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	uint32_t id;
	test_sink_refuse(w.sink, WHERRY_EFULL);
	assert_int_equal(store_type(w.store, "t.third", &id), WHERRY_EFULL);
	assert_int_equal(store_ns_create(w.store, text("jobs"), &id), WHERRY_EFULL);
	test_sink_refuse(w.sink, WHERRY_OK);
	assert_int_equal(store_ns_find(w.store, text("jobs"), &id), WHERRY_ENOKEY);
	assert_ok(store_type(w.store, "t.third", &id));
	assert_ok(store_ns_create(w.store, text("jobs"), &id));
	world_close(&w);
}

static void a_key_lives_and_dies(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_expect(&w, "a", NULL);
	uint64_t first = world_set(&w, "a", "one");
	assert_int_equal(world_revision(&w, "a"), first);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 1);
	uint64_t second = world_set(&w, "a", "two, which is longer than one by more than a chunk");
	assert_true(second == first + 1);
	world_expect(&w, "a", "two, which is longer than one by more than a chunk");
	assert_int_equal(world_revision(&w, "a"), second);
	world_begin(&w, "a", "b", NULL);
	assert_ok(txn_remove(w.txn, 0));
	assert_int_equal(txn_remove(w.txn, 0), WHERRY_ENOKEY);
	assert_int_equal(txn_remove(w.txn, 1), WHERRY_ENOKEY);
	world_commit(&w);
	world_expect(&w, "a", NULL);
	assert_int_equal(store_keys(w.store, STORE_NS_DEFAULT), 0);
	world_close(&w);
}

static void a_view_shows_the_whole_key(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.other, text("head")));
	assert_ok(txn_put(w.txn, 0, text("s"), text("value")));
	assert_ok(txn_set_deadline(w.txn, 0, w.now_ms + 5));
	assert_ok(txn_set_alarm(w.txn, 0, w.now_ms + 3));
	uint64_t lsn = world_commit(&w);
	struct txn_view view;
	world_begin(&w, "a", NULL);
	assert_int_equal(txn_open(w.txn, 0, w.type, &view), WHERRY_ETYPE);
	assert_ok(txn_open(w.txn, 0, w.other, &view));
	assert_span(view.key, "a");
	assert_span(view.head, "head");
	assert_true(view.revision == lsn);
	assert_int_equal(view.deadline_ms, w.now_ms + 5);
	assert_int_equal(view.alarm_ms, w.now_ms + 3);
	assert_int_equal(view.records, 1);
	struct store_stats stats;
	store_read_stats(w.store, &stats);
	assert_in_range(view.bytes, 100, stats.memory);
	txn_unlock(w.txn);
	world_close(&w);
}

static void namespaces_are_apart(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	uint32_t ns, slot;
	assert_ok(store_ns_create(w.store, text("jobs"), &ns));
	world_set(&w, "a", "here");
	uint64_t hash = store_hash(w.store, text("a")), lsn;
	txn_begin(w.txn, ns, w.now_ms);
	assert_ok(txn_key(w.txn, ns, text("a"), hash, TXN_WRITE, &slot));
	txn_lock(w.txn);
	struct txn_view view;
	assert_int_equal(txn_open(w.txn, slot, TXN_ANY_TYPE, &view), WHERRY_ENOKEY);
	assert_ok(txn_put_head(w.txn, slot, w.type, text("there")));
	assert_ok(txn_commit(w.txn, &lsn));
	txn_unlock(w.txn);
	world_expect(&w, "a", "here");
	assert_int_equal(store_keys(w.store, ns), 1);
	txn_begin(w.txn, ns, w.now_ms);
	assert_int_equal(txn_key(w.txn, 2, text("a"), hash, TXN_WRITE, &slot), WHERRY_EARG);
	world_close(&w);
}

static void heads_of_all_sizes(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	char head[5000];
	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = (char)('a' + i % 26);
	static const size_t sizes[] = {0, 1, 15, 16, 17, 300, 1023, 1024, 1025, 4000, 4001, 4999, 3, 0};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct txn_view view;
		world_begin(&w, "k", NULL);
		assert_ok(txn_put_head(w.txn, 0, w.type, span_of(head, sizes[i])));
		world_commit(&w);
		world_begin(&w, "k", NULL);
		assert_ok(txn_open(w.txn, 0, w.type, &view));
		assert_int_equal(view.head.len, sizes[i]);
		assert_memory_equal(view.head.ptr, head, sizes[i]);
		txn_unlock(w.txn);
		world_check(&w);
	}
	world_close(&w);
}

// A module may hand back a part of what it was lent.
static void a_head_may_be_made_of_the_old_one(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "0123456789");
	struct txn_view view;
	world_begin(&w, "a", NULL);
	assert_ok(txn_open(w.txn, 0, w.type, &view));
	assert_ok(txn_put_head(w.txn, 0, w.type, span_of((const char *)view.head.ptr + 2, 8)));
	assert_ok(txn_put(w.txn, 0, text("s"), text("abcdef")));
	wherry_span value;
	assert_ok(txn_get(w.txn, 0, text("s"), &value));
	assert_ok(txn_put(w.txn, 0, text("s"), span_of((const char *)value.ptr + 1, 3)));
	assert_ok(txn_get(w.txn, 0, text("s"), &value));
	assert_span(value, "bcd");
	world_commit(&w);
	world_expect(&w, "a", "23456789");
	world_close(&w);
}

static void memory_is_counted(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	char key[32];
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		world_set(&w, key, "a head of some thirty bytes !!");
	}
	struct store_stats stats;
	store_read_stats(w.store, &stats);
	uint64_t about = store_memory(w.store);
	assert_in_range(about, stats.memory - 512 * 1024, stats.memory + 512 * 1024);
	assert_in_range(stats.memory / 20000, 60, 100);
	assert_false(store_memory_short(w.store));
	store_set_memory_limit(w.store, about);
	assert_true(store_memory_short(w.store));
	store_set_memory_limit(w.store, about + 1);
	assert_false(store_memory_short(w.store));
	world_close(&w);
}

static void prefetching_finds_nothing_and_breaks_nothing(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, false);
	uint64_t hash = store_hash(w.store, text("a"));
	store_prefetch_slot(w.store, STORE_NS_DEFAULT, hash);
	store_prefetch_entry(w.store, STORE_NS_DEFAULT, hash);
	world_set(&w, "a", "one");
	store_prefetch_slot(w.store, STORE_NS_DEFAULT, hash);
	store_prefetch_entry(w.store, STORE_NS_DEFAULT, hash);
	world_close(&w);
}

static void the_digest_sees_everything(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	struct digest seen[8];
	unsigned count = 0;
	seen[count++] = world_digest(&w);
	world_set(&w, "a", "one");
	seen[count++] = world_digest(&w);
	world_set(&w, "a", "two");
	seen[count++] = world_digest(&w);
	for (unsigned what = 0; what < 4; what++) {
		world_begin(&w, "a", NULL);
		if (what == 0)
			assert_ok(txn_set_deadline(w.txn, 0, w.now_ms + 10));
		if (what == 1)
			assert_ok(txn_set_alarm(w.txn, 0, w.now_ms + 10));
		if (what == 2)
			assert_ok(txn_put(w.txn, 0, text("s"), text("v")));
		if (what == 3)
			assert_ok(txn_patch(w.txn, 0, text("s"), 0, text("w")));
		world_commit(&w);
		seen[count++] = world_digest(&w);
	}
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(&seen[i], &seen[k], sizeof(seen[i]));
	}
	w.now_ms += 10; // expired: as if it were not there
	assert_memory_equal(&seen[0], &(struct digest[]){world_digest(&w)}[0], sizeof(seen[0]));
	world_close(&w);
}

static void counters_add_up(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	world_set(&w, "a", "one");
	world_set(&w, "b", "one");
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("two")));
	world_undo(&w);
	struct store_stats stats;
	store_read_stats(w.store, &stats);
	assert_int_equal(stats.keys, 2);
	assert_int_equal(stats.commits, 2);
	assert_int_equal(stats.rollbacks, 1);
	assert_int_equal(stats.restarts, 0);
	assert_true(store_lsn(w.store) == test_sink_units(w.sink));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_found_again),
	    cmocka_unit_test(names_have_limits),
	    cmocka_unit_test(a_name_the_sink_refuses_does_not_come_into_being),
	    cmocka_unit_test(a_key_lives_and_dies),
	    cmocka_unit_test(a_view_shows_the_whole_key),
	    cmocka_unit_test(namespaces_are_apart),
	    cmocka_unit_test(heads_of_all_sizes),
	    cmocka_unit_test(a_head_may_be_made_of_the_old_one),
	    cmocka_unit_test(memory_is_counted),
	    cmocka_unit_test(prefetching_finds_nothing_and_breaks_nothing),
	    cmocka_unit_test(the_digest_sees_everything),
	    cmocka_unit_test(counters_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
