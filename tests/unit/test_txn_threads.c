// Transactions of many threads: money moves between accounts and none is made or lost, locks are taken in an order that
// can't deadlock, and expiry, scans, digests and counters go on meanwhile.  No more than 64 keys a transaction: the
// thread sanitizer's deadlock detector counts no further.

#include "world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { ACCOUNTS = 40, START = 1000, THREADS = 4, TRANSFERS = 4000 };

struct bank {
	struct world w;
	char name[ACCOUNTS][16];
	atomic_uint running;
	atomic_uint_fast64_t highest; // of the LSNs given
};

struct teller {
	struct bank *bank;
	uint64_t random;
	unsigned restarts, undone;
};

static unsigned roll(struct teller *teller, unsigned below)
{
	teller->random = teller->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(teller->random >> 33) % below;
}

static uint32_t declare(struct bank *b, struct txn *t, unsigned account)
{
	uint32_t slot;
	wherry_span key = text(b->name[account]);
	assert_ok(txn_key(t, STORE_NS_DEFAULT, key, store_hash(b->w.store, key), TXN_WRITE, &slot));
	return slot;
}

static int64_t balance(struct txn *t, uint32_t slot)
{
	struct txn_view view;
	int64_t amount;
	assert_ok(txn_open(t, slot, TXN_ANY_TYPE, &view));
	assert_int_equal(view.head.len, sizeof(amount));
	memcpy(&amount, view.head.ptr, sizeof(amount));
	return amount;
}

static void set_balance(struct bank *b, struct txn *t, uint32_t slot, int64_t amount)
{
	assert_ok(txn_put_head(t, slot, b->w.type, span_of(&amount, sizeof(amount))));
}

static void finish(struct bank *b, struct txn *t, bool undo)
{
	uint64_t lsn = 0;
	if (undo)
		txn_rollback(t, 0);
	else
		assert_ok(txn_commit(t, &lsn));
	uint64_t highest = b->highest;
	while (lsn > highest && !atomic_compare_exchange_weak(&b->highest, &highest, lsn))
		;
	txn_unlock(t);
}

// From one account to another that is found only while the first is locked.
static void transfer(struct teller *teller, struct txn *t)
{
	struct bank *b = teller->bank;
	unsigned from = roll(teller, ACCOUNTS), to = roll(teller, ACCOUNTS);
	uint32_t source, target;
	bool declared = roll(teller, 2) == 0;
	for (;;) {
		txn_begin(t, STORE_NS_DEFAULT, b->w.now_ms);
		source = declare(b, t, from);
		if (declared)
			target = declare(b, t, to);
		txn_lock(t);
		int64_t amount = 1 + (int64_t)roll(teller, 5);
		set_balance(b, t, source, balance(t, source) - amount);
		wherry_span key = text(b->name[to]);
		if (declared || txn_need(t, 0, key, store_hash(b->w.store, key), TXN_WRITE, &target) == WHERRY_OK) {
			set_balance(b, t, target, balance(t, target) + amount);
			break;
		}
		txn_rollback(t, 0);
		txn_unlock(t);
		teller->restarts++;
		declared = true;
	}
	bool undo = roll(teller, 5) == 0;
	teller->undone += undo;
	finish(b, t, undo);
}

static void audit(struct bank *b, struct txn *t)
{
	uint32_t slots[ACCOUNTS];
	txn_begin(t, STORE_NS_DEFAULT, b->w.now_ms);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		slots[i] = declare(b, t, i);
	txn_lock(t);
	int64_t sum = 0;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		sum += balance(t, slots[i]);
	txn_unlock(t);
	assert_true(sum == (int64_t)ACCOUNTS * START);
}

// Keys that come and go, with records and deadlines, beside the accounts.
static void bustle(struct teller *teller, struct txn *t)
{
	struct bank *b = teller->bank;
	char name[16];
	snprintf(name, sizeof(name), "other-%u", roll(teller, 300));
	uint32_t slot;
	txn_begin(t, STORE_NS_DEFAULT, b->w.now_ms);
	assert_ok(txn_key(t, 0, text(name), store_hash(b->w.store, text(name)), TXN_WRITE, &slot));
	txn_lock(t);
	struct txn_view view;
	if (txn_open(t, slot, TXN_ANY_TYPE, &view) != WHERRY_OK) {
		assert_ok(txn_put_head(t, slot, b->w.other, text("head")));
		assert_ok(txn_put(t, slot, text("s"), text("v")));
		assert_ok(txn_set_deadline(t, slot, b->w.now_ms + 1 + (int)roll(teller, 20)));
	} else if (roll(teller, 2) == 0) {
		assert_ok(txn_set_alarm(t, slot, b->w.now_ms + (int)roll(teller, 20)));
	} else {
		assert_ok(txn_remove(t, slot));
	}
	finish(b, t, false);
}

static void *tell(void *arg)
{
	struct teller *teller = arg;
	struct txn *t;
	assert_ok(txn_new(&t, teller->bank->w.store));
	for (unsigned i = 0; i < TRANSFERS; i++) {
		transfer(teller, t);
		bustle(teller, t);
		if (i % 100 == 0)
			audit(teller->bank, t);
		uint64_t hash = store_hash(teller->bank->w.store, text(teller->bank->name[i % ACCOUNTS]));
		store_prefetch_slot(teller->bank->w.store, STORE_NS_DEFAULT, hash);
		store_prefetch_entry(teller->bank->w.store, STORE_NS_DEFAULT, hash);
	}
	txn_free(t);
	teller->bank->running--;
	return NULL;
}

static void ring(void *arg, uint32_t ns, uint32_t type, wherry_span key)
{
	struct bank *b = arg;
	assert_int_equal(ns, STORE_NS_DEFAULT);
	assert_int_equal(type, b->w.other);
	assert_in_range(key.len, 7, 15);
}

static int32_t look(void *arg, const struct txn_view *view)
{
	unsigned *accounts = arg;
	*accounts += view->head.len == sizeof(int64_t);
	return WHERRY_SCAN_NEXT;
}

static void watch_over(struct bank *b)
{
	uint64_t gate = 0, cursor = 0;
	unsigned accounts = 0;
	int status;
	do
		cursor =
		    store_scan(b->w.store, 0, cursor, 50, TXN_ANY_TYPE, b->w.now_ms, look, &accounts, &gate, &status);
	while (cursor != 0);
	assert_int_equal(accounts, ACCOUNTS);
	b->w.now_ms++;
	store_expire(b->w.store, b->w.now_ms, 100, ring, b);
	store_digest(b->w.store, NULL);
	struct store_stats stats;
	store_read_stats(b->w.store, &stats);
	store_want_flush(b->w.store, store_lsn(b->w.store));
}

static void open_bank(struct bank *b, bool with_sink)
{
	memset(b, 0, sizeof(*b));
	world_open(&b->w, with_sink);
	if (with_sink)
		test_sink_thread(b->w.sink);
	txn_begin(b->w.txn, STORE_NS_DEFAULT, b->w.now_ms);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		snprintf(b->name[i], sizeof(b->name[i]), "account-%u", i);
		declare(b, b->w.txn, i);
	}
	txn_lock(b->w.txn);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		set_balance(b, b->w.txn, i, START);
	world_commit(&b->w);
}

static void run(bool with_sink)
{
	static struct bank b;
	open_bank(&b, with_sink);
	struct teller tellers[THREADS];
	pthread_t threads[THREADS];
	b.running = THREADS;
	for (unsigned i = 0; i < THREADS; i++) {
		tellers[i] = (struct teller){.bank = &b, .random = i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, tell, &tellers[i]), 0);
	}
	while (b.running > 0)
		watch_over(&b);
	unsigned restarts = 0, undone = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		restarts += tellers[i].restarts;
		undone += tellers[i].undone;
	}
	audit(&b, b.w.txn);
	assert_true(restarts > 0 && undone > 0);
	assert_true(store_lsn(b.w.store) >= b.highest);
	if (with_sink)
		test_sink_flow(b.w.sink);
	assert_true(store_durable_lsn(b.w.store) == store_lsn(b.w.store));
	world_close(&b.w);
}

static void no_money_is_made_or_lost(void **state)
{
	(void)state;
	run(false);
}

static void and_the_log_says_the_same(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_money_is_made_or_lost),
	    cmocka_unit_test(and_the_log_says_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
