// What a commit tells of the keys that it changed: each once, as it is now, and to whom it may concern only when a crash can
// no longer take it back.

#include "harness.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bus/bus.h"

// --- the store ----------------------------------------------------------------------------------------------------------

static char told[1024];
static atomic_uint watched;

static void on_change(void *arg, const struct store_change *c)
{
	static const char *const words[] = {"put", "del", "expire"};
	(void)arg;
	size_t at = strlen(told);
	snprintf(told + at, sizeof(told) - at, "%s%s %.*s=%.*s; ", words[c->event], c->swapped ? "!" : "",
	    (int)c->key.len, (const char *)c->key.ptr, (int)c->head.len,
	    c->head.len > 0 ? (const char *)c->head.ptr : "");
}

struct setting {
	struct store *store;
	struct txn *txn;
	uint32_t type, other;
	int64_t now_ms;
};

static void set_up(struct setting *s)
{
	struct store_config config = {.clock = &clock_system, .changed = on_change, .watched = &watched};
	*s = (struct setting){.now_ms = 1000};
	assert_ok(store_open(&s->store, &config));
	assert_ok(store_type(s->store, "t.thing", &s->type));
	assert_ok(store_type(s->store, "t.other", &s->other));
	assert_ok(txn_new(&s->txn, s->store));
	told[0] = 0;
	atomic_store(&watched, 1);
}

static void tear_down(struct setting *s)
{
	txn_free(s->txn);
	store_close(s->store);
}

static void begin(struct setting *s, const char *const *keys, unsigned count)
{
	txn_begin(s->txn, STORE_NS_DEFAULT, s->now_ms);
	for (unsigned i = 0; i < count; i++) {
		uint32_t slot;
		assert_ok(txn_key(
		    s->txn, STORE_NS_DEFAULT, text(keys[i]), store_hash(s->store, text(keys[i])), TXN_WRITE, &slot));
		assert_int_equal(slot, i);
	}
	txn_lock(s->txn);
}

static void expect_told(struct setting *s, const char *wanted)
{
	uint64_t lsn;
	told[0] = 0;
	assert_ok(txn_commit(s->txn, &lsn));
	txn_unlock(s->txn);
	assert_string_equal(told, wanted);
}

static void each_key_once_as_it_is_now(void **state)
{
	(void)state;
	static const char *const keys[] = {"a", "b"};
	struct setting s;
	set_up(&s);
	begin(&s, keys, 2);
	assert_ok(txn_put_head(s.txn, 0, s.type, text("1")));
	assert_ok(txn_put_head(s.txn, 1, s.type, text("2")));
	assert_ok(txn_put_head(s.txn, 0, s.type, text("a head that takes another block than the first one had")));
	assert_ok(txn_put(s.txn, 1, text("field"), text("value")));
	assert_ok(txn_set_deadline(s.txn, 1, s.now_ms + 10));
	expect_told(&s, "put a=a head that takes another block than the first one had; put b=2; ");
	tear_down(&s);
}

static void gone_again_was_never_there(void **state)
{
	(void)state;
	static const char *const keys[] = {"a", "b"};
	struct setting s;
	set_up(&s);
	begin(&s, keys, 2);
	assert_ok(txn_put_head(s.txn, 0, s.type, text("1")));
	assert_ok(txn_remove(s.txn, 0));
	assert_ok(txn_put_head(s.txn, 1, s.type, text("2")));
	size_t mark = txn_mark(s.txn);
	assert_ok(txn_put_head(s.txn, 1, s.type, text("3")));
	txn_rollback(s.txn, mark);
	expect_told(&s, "put b=2; ");
	begin(&s, keys, 2);
	assert_ok(txn_put(s.txn, 1, text("field"), text("value")));
	assert_ok(txn_remove(s.txn, 1));
	expect_told(&s, "del b=; ");
	tear_down(&s);
}

static void what_is_replaced_did_not_end(void **state)
{
	(void)state;
	static const char *const keys[] = {"a"};
	struct setting s;
	set_up(&s);
	begin(&s, keys, 1);
	assert_ok(txn_put_head(s.txn, 0, s.type, text("1")));
	expect_told(&s, "put a=1; ");
	begin(&s, keys, 1);
	assert_ok(txn_remove(s.txn, 0));
	txn_swaps(s.txn, true);
	assert_ok(txn_put_head(s.txn, 0, s.other, text("2")));
	assert_ok(txn_set_deadline(s.txn, 0, s.now_ms + 10));
	expect_told(&s, "put a=2; ");
	begin(&s, keys, 1);
	txn_swaps(s.txn, true);
	assert_ok(txn_put_head(s.txn, 0, s.other, text("3")));
	expect_told(&s, "put! a=3; ");
	s.now_ms += 10; // it has expired, and is in the way
	begin(&s, keys, 1);
	assert_ok(txn_put_head(s.txn, 0, s.type, text("4")));
	expect_told(&s, "expire a=; put a=4; ");
	tear_down(&s);
}

static void alarm_unwanted(void *arg, uint32_t ns, uint32_t type, wherry_span key)
{
	(void)arg, (void)ns, (void)type, (void)key;
	fail();
}

static void expiry_is_told_and_silence_kept(void **state)
{
	(void)state;
	static const char *const keys[] = {"a"};
	struct setting s;
	set_up(&s);
	begin(&s, keys, 1);
	assert_ok(txn_put_head(s.txn, 0, s.type, text("1")));
	assert_ok(txn_set_deadline(s.txn, 0, s.now_ms + 10));
	expect_told(&s, "put a=1; ");
	told[0] = 0;
	store_expire(s.store, s.now_ms + 10, 10, alarm_unwanted, NULL);
	assert_string_equal(told, "expire a=; ");
	atomic_store(&watched, 0);
	begin(&s, keys, 1);
	assert_ok(txn_put_head(s.txn, 0, s.type, text("2")));
	expect_told(&s, "");
	tear_down(&s);
}

// --- and the router -----------------------------------------------------------------------------------------------------

static void expect_events(struct outbox *o, unsigned count)
{
	struct buffer out = {0};
	struct outbox_taken taken = outbox_take(o, OUTBOX_PUSHED, 1000, 1 << 20, &out);
	assert_int_equal(taken.messages, count);
	buffer_free(&out);
}

// "k" as the harness encodes it.
static uint64_t watch_key(struct harness *h, struct outbox *o)
{
	static const wherry_span key = {"\xa1k", 2};
	struct watch w = {.key_count = 1, .keys = &key};
	uint64_t id;
	const char *why;
	(void)h;
	assert_ok(bus_watch(o, &w, &id, &why));
	return id;
}

static void told_when_durable(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	struct outbox *o = session_outbox(&p->session);
	watch_key(&h, o);
	test_sink_hold(h.sink);
	EXPECT(p, "t.set k one", "");
	EXPECT(p, "t.set k two", "");
	expect_events(o, 0);
	test_sink_release(h.sink);
	free(peer_late(p));
	free(peer_late(p));
	expect_events(o, 2);
	EXPECT(p, "t.set k three", "");
	test_sink_fail(h.sink);
	free(peer_late(p));
	expect_events(o, 0); // nobody hears of what a crash may take back
	peer_close(p);
	harness_close(&h);
}

static void a_watch_ends_with_its_session(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, false);
	struct peer *p = peer_open(&h, true);
	uint64_t id = watch_key(&h, session_outbox(&p->session));
	assert_false(bus_unsubscribe(session_outbox(&p->session), id)); // it is none of these
	assert_int_equal(atomic_load(bus_watched(h.bus)), 1);
	peer_close(p);
	assert_int_equal(atomic_load(bus_watched(h.bus)), 0);
	struct bus_stats stats;
	bus_read_stats(h.bus, &stats);
	assert_int_equal(stats.subscriptions, 0);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_key_once_as_it_is_now),
	    cmocka_unit_test(gone_again_was_never_there),
	    cmocka_unit_test(what_is_replaced_did_not_end),
	    cmocka_unit_test(expiry_is_told_and_silence_kept),
	    cmocka_unit_test(told_when_durable),
	    cmocka_unit_test(a_watch_ends_with_its_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
