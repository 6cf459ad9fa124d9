// Where tests of the store begin and end.

#include "world.h"

enum { START_MS = 1000000 };

static int64_t on_unix_ms(void *self)
{
	return ((struct world *)self)->now_ms;
}

static uint64_t on_ticks_ns(void *self)
{
	return (uint64_t)((struct world *)self)->now_ms * 1000000;
}

static void on_next_due(void *arg, int64_t unix_ms)
{
	((struct world *)arg)->woken_ms = unix_ms;
}

void world_open(struct world *w, bool with_sink)
{
	static const struct hash_key key = {{1, 2, 3}};
	*w = (struct world){.now_ms = START_MS};
	w->clock = (struct clock){on_unix_ms, on_ticks_ns, w};
	w->sink = with_sink ? test_sink_new() : NULL;
	struct store_config config = {.clock = &w->clock,
	    .sink = with_sink ? test_sink_face(w->sink) : NULL,
	    .hash_key = &key,
	    .next_due = on_next_due,
	    .arg = w};
	assert_ok(store_open(&w->store, &config));
	if (with_sink)
		test_sink_attach(w->sink, w->store);
	assert_ok(store_type(w->store, "t.thing", &w->type));
	assert_ok(store_type(w->store, "t.other", &w->other));
	assert_ok(txn_new(&w->txn, w->store));
}

void world_check(struct world *w)
{
	const char *fault = store_fault(w->store);
	if (fault != NULL)
		fail_msg("the store is broken: %s", fault);
	if (w->sink != NULL)
		test_sink_check_replay(w->sink, w->store);
}

static int32_t remove_it(void *arg, const struct txn_view *view)
{
	(void)arg;
	(void)view;
	return WHERRY_SCAN_REMOVE;
}

static void no_alarm(void *arg, uint32_t ns, uint32_t type, wherry_span key)
{
	(void)arg;
	(void)ns;
	(void)type;
	(void)key;
}

void world_remove_all(struct world *w)
{
	store_expire(w->store, w->now_ms, UINT32_MAX, no_alarm, NULL);
	for (uint32_t ns = 0; ns < store_ns_count(w->store); ns++) {
		uint64_t gate = 0, cursor = 0;
		int status;
		do {
			cursor = store_scan(
			    w->store, ns, cursor, 100, TXN_ANY_TYPE, w->now_ms, remove_it, NULL, &gate, &status);
			assert_ok(status);
		} while (cursor != 0);
		assert_int_equal(store_keys(w->store, ns), 0);
	}
}

void world_close(struct world *w)
{
	world_check(w);
	if (!store_failed(w->store)) {
		world_remove_all(w);
		world_check(w);
		struct store_stats stats;
		store_read_stats(w->store, &stats);
		assert_int_equal(stats.memory, 0);
		assert_int_equal(stats.keys, 0);
		assert_int_equal(stats.table_bytes, 0);
		assert_int_equal(stats.records_trees, 0);
	}
	txn_free(w->txn);
	store_close(w->store);
	test_sink_free(w->sink);
}

void world_begin(struct world *w, const char *key, ...)
{
	va_list more;
	va_start(more, key);
	txn_begin(w->txn, STORE_NS_DEFAULT, w->now_ms);
	for (; key != NULL; key = va_arg(more, const char *)) {
		uint32_t slot;
		uint64_t hash = store_hash(w->store, text(key));
		assert_ok(txn_key(w->txn, STORE_NS_DEFAULT, text(key), hash, TXN_WRITE, &slot));
	}
	va_end(more);
	txn_lock(w->txn);
}

uint64_t world_commit(struct world *w)
{
	uint64_t lsn;
	assert_ok(txn_commit(w->txn, &lsn));
	txn_unlock(w->txn);
	return lsn;
}

void world_undo(struct world *w)
{
	txn_rollback(w->txn, 0);
	txn_unlock(w->txn);
}

uint64_t world_set(struct world *w, const char *key, const char *head)
{
	world_begin(w, key, NULL);
	assert_ok(txn_put_head(w->txn, 0, w->type, text(head)));
	return world_commit(w);
}

void world_expect(struct world *w, const char *key, const char *head)
{
	struct txn_view view;
	world_begin(w, key, NULL);
	int status = txn_open(w->txn, 0, TXN_ANY_TYPE, &view);
	assert_int_equal(status, head == NULL ? WHERRY_ENOKEY : WHERRY_OK);
	if (head != NULL)
		assert_span(view.head, head);
	txn_unlock(w->txn);
}

uint64_t world_revision(struct world *w, const char *key)
{
	struct txn_view view = {0};
	world_begin(w, key, NULL);
	int status = txn_open(w->txn, 0, TXN_ANY_TYPE, &view);
	txn_unlock(w->txn);
	return status == WHERRY_OK ? view.revision : 0;
}

struct digest world_digest(struct world *w)
{
	return store_digest(w->store, NULL);
}
