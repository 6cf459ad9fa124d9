// Deadlines and alarms that are due: expired keys are removed, one unit a stripe; alarms are handed out with no stripe
// held.

#include "store/inside.h"

enum { RETRY_MS = 1000, LATE_MOST_MS = 1000 };

struct alarm {
	uint32_t ns, type;
	size_t key_len; // and the key behind it
};

struct expiry {
	struct store *store;
	struct txn *txn;
	struct buffer alarms; // struct alarm and key, after one another
	int64_t now_ms;
	unsigned left; // how many keys more
	int status;
	void (*alarm)(void *arg, uint32_t ns, uint32_t type, wherry_span key);
	void *arg;
};

// The alarm stays with the key until its handler's commit.  It is handed out again if that does not come: after a
// millisecond, and ever more seldom the longer it is overdue.
static int note_alarm(struct expiry *x, struct stripe *stripe, struct extra *extra)
{
	const struct entry *e = extra->entry;
	struct alarm alarm = {.ns = extra->ns, .type = e->type, .key_len = e->key_len};
	if (!buffer_reserve(&x->alarms, sizeof(alarm) + alarm.key_len))
		return WHERRY_ENOMEM;
	buffer_append(&x->alarms, &alarm, sizeof(alarm));
	buffer_append(&x->alarms, entry_key_ptr(e), e->key_len);
	int64_t late = x->now_ms - extra->alarm_ms;
	late = late < 1 ? 1 : late > LATE_MOST_MS ? LATE_MOST_MS : late;
	int64_t again = x->now_ms + late;
	if (extra->deadline_ms != 0 && extra->deadline_ms < again)
		again = extra->deadline_ms;
	due_set(stripe, extra, again);
	return WHERRY_OK;
}

// It stays in the heap, to be tried again should the commit fail; the commit takes it out.
static int remove_expired(struct expiry *x, struct stripe *stripe, struct extra *extra)
{
	struct slot slot = {.key = entry_key(extra->entry), .ns = extra->ns};
	slot.hash = store_hash(x->store, slot.key);
	int status = change_remove(x->txn, &slot, extra->entry);
	due_set(stripe, extra, x->now_ms + RETRY_MS);
	return status;
}

static unsigned handle_due(struct expiry *x, struct stripe *stripe)
{
	struct due *d = &stripe->due;
	unsigned removed = 0;
	for (; x->left > 0 && x->status == WHERRY_OK && due_earliest(d) <= x->now_ms; x->left--) {
		struct extra *extra = d->items[1].extra;
		if (!entry_expired(extra->entry, x->now_ms)) {
			x->status = note_alarm(x, stripe, extra);
			continue;
		}
		x->status = remove_expired(x, stripe, extra);
		removed++;
	}
	return removed;
}

static void expire_stripe(struct expiry *x, uint32_t index)
{
	txn_begin(x->txn, STORE_NS_DEFAULT, x->now_ms);
	txn_lock_stripe(x->txn, index);
	unsigned removed = handle_due(x, &x->store->stripes[index]);
	uint64_t lsn;
	int status = txn_commit(x->txn, &lsn);
	due_settle(&x->store->stripes[index]);
	txn_unlock(x->txn);
	if (x->store->config.watched != NULL && atomic_load(x->store->config.watched) > 0)
		store_want_flush(x->store, lsn); // who watches waits for it
	if (status == WHERRY_OK)
		atomic_fetch_add_explicit(&x->store->expired, removed, memory_order_relaxed);
	else
		x->status = status;
}

static void hand_out(struct expiry *x)
{
	for (size_t at = 0; at < x->alarms.len;) {
		struct alarm alarm;
		memcpy(&alarm, x->alarms.data + at, sizeof(alarm));
		at += sizeof(alarm);
		x->alarm(x->arg, alarm.ns, alarm.type, span_of(x->alarms.data + at, alarm.key_len));
		at += alarm.key_len;
	}
	buffer_clear(&x->alarms);
}

static int64_t earliest_of_all(struct store *s)
{
	int64_t earliest = DUE_NONE;
	for (unsigned i = 0; i < STORE_STRIPES; i++) {
		int64_t one = atomic_load(&s->stripes[i].earliest);
		earliest = one < earliest ? one : earliest;
	}
	return earliest;
}

static void walk(struct expiry *x)
{
	for (uint32_t i = 0; i < STORE_STRIPES && x->left > 0 && x->status == WHERRY_OK; i++) {
		if (atomic_load(&x->store->stripes[i].earliest) > x->now_ms)
			continue;
		expire_stripe(x, i);
		hand_out(x);
	}
}

int64_t store_expire(struct store *s, int64_t now_ms, unsigned most,
    void (*alarm)(void *arg, uint32_t ns, uint32_t type, wherry_span key), void *arg)
{
	struct expiry x = {.store = s, .now_ms = now_ms, .left = most, .alarm = alarm, .arg = arg};
	x.status = txn_new(&x.txn, s);
	// Whoever from here on makes something due earlier than what we shall answer, tells next_due().
	atomic_store(&s->wake, DUE_NONE);
	if (x.status == WHERRY_OK)
		walk(&x);
	txn_free(x.txn);
	buffer_free(&x.alarms);
	int64_t next = earliest_of_all(s);
	if (x.status != WHERRY_OK && next < now_ms + RETRY_MS)
		next = now_ms + RETRY_MS;
	for (int64_t known = atomic_load(&s->wake);
	     known > next && !atomic_compare_exchange_weak(&s->wake, &known, next);)
		;
	return next;
}

// Those below `at` in the stripe's heap that are due: of a heap, only what may be.
static uint64_t count_expired(const struct due *d, uint32_t at, uint32_t ns, int64_t now_ms)
{
	if (at > d->count || d->items[at].ms > now_ms)
		return 0;
	const struct extra *x = d->items[at].extra;
	uint64_t here = x->ns == ns && entry_expired(x->entry, now_ms) ? 1 : 0;
	return here + count_expired(d, 2 * at, ns, now_ms) + count_expired(d, 2 * at + 1, ns, now_ms);
}

uint64_t store_live_keys(struct store *s, uint32_t ns, int64_t now_ms)
{
	uint64_t keys = 0, expired = 0;
	stripe_assert_none_held();
	for (unsigned i = 0; i < STORE_STRIPES; i++) {
		struct stripe *stripe = &s->stripes[i];
		const struct space *space = store_space(s, ns);
		if (atomic_load(&stripe->earliest) > now_ms) {
			keys += space != NULL ? table_live(&space->tables[i]) : 0;
			continue;
		}
		stripe_lock(stripe);
		keys += space != NULL ? table_live(&space->tables[i]) : 0;
		expired += count_expired(&stripe->due, 1, ns, now_ms);
		stripe_unlock(stripe);
	}
	return keys - expired;
}
