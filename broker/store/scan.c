// Walking all keys of a namespace by hash position: stripe and place, the top bits of the hash.  A step visits the keys
// whose position is in [cursor, next), whatever tables look like: one that is there throughout is visited exactly once.

#include "store/inside.h"

enum { PLACES_BITS = 32 };
static const uint64_t PLACES = UINT64_C(1) << PLACES_BITS;

struct scan {
	struct store *store;
	struct txn *txn; // made for the first removal
	uint32_t ns, type;
	int64_t now_ms;
	uint64_t left; // about how many more to visit
	uint64_t gate;
	int32_t (*each)(void *arg, const struct txn_view *);
	void *arg;
	int status;
};

static int remove_key(struct scan *x, struct entry *e, uint64_t hash)
{
	struct slot slot = {.key = entry_key(e), .hash = hash, .ns = x->ns};
	return change_remove(x->txn, &slot, e);
}

static void visit(struct scan *x, struct entry *e, uint64_t hash)
{
	if ((e->flags & ENTRY_GONE) || entry_expired(e, x->now_ms) || x->status != WHERRY_OK)
		return;
	if (x->type != TXN_ANY_TYPE && x->type != e->type)
		return;
	struct txn_view view = entry_view(e);
	if (x->each(x->arg, &view) == WHERRY_SCAN_REMOVE)
		x->status = remove_key(x, e, hash);
}

// All keys with a place in [low, high): from the home of the first on, to the first empty slot behind the home of the
// last, since probing put none of them further.
static void visit_places(struct scan *x, const struct table *t, uint64_t low, uint64_t high)
{
	uint32_t size = table_size(t);
	const uint64_t *slots = table_slots(t);
	uint32_t first = place_home((uint32_t)low, size), last = place_home((uint32_t)(high - 1), size);
	for (uint32_t i = 0; i < size; i++) {
		uint32_t at = first + i < size ? first + i : first + i - size;
		if (slots[at] == SLOT_EMPTY && first + i >= last)
			return;
		if (!slot_is_key(slots[at]))
			continue;
		struct entry *e = slot_pointer(slots[at]);
		uint64_t hash = store_hash(x->store, entry_key(e));
		if (hash_place(hash) < low || hash_place(hash) >= high)
			continue;
		x->left -= x->left > 0;
		visit(x, e, hash);
	}
}

// How far `left` keys reach, if they are spread evenly.
static uint64_t reach(const struct scan *x, const struct table *t, uint64_t low)
{
	uint64_t width = PLACES / table_live(t);
	if (x->left >= (PLACES - low) / width)
		return PLACES;
	return low + x->left * width + 1;
}

static void finish_stripe(struct scan *x, const struct stripe *stripe)
{
	uint64_t lsn;
	int status = txn_commit(x->txn, &lsn);
	if (status != WHERRY_OK)
		x->status = status;
	if (stripe->last_lsn > x->gate)
		x->gate = stripe->last_lsn;
}

// Answers the place where to go on; PLACES: the stripe is done.
static uint64_t scan_stripe(struct scan *x, uint32_t index, uint64_t low)
{
	const struct table *t = &store_space(x->store, x->ns)->tables[index];
	struct stripe *stripe = &x->store->stripes[index];
	txn_begin(x->txn, x->ns, x->now_ms);
	txn_lock_stripe(x->txn, index);
	uint64_t high = PLACES;
	if (table_live(t) > 0) {
		high = reach(x, t, low);
		visit_places(x, t, low, high);
	}
	finish_stripe(x, stripe);
	txn_unlock(x->txn);
	return high;
}

static uint64_t walk(struct scan *x, uint64_t cursor)
{
	uint32_t index = (uint32_t)(cursor >> PLACES_BITS);
	uint64_t low = cursor & (PLACES - 1);
	while (index < STORE_STRIPES && x->left > 0 && x->status == WHERRY_OK) {
		uint64_t high = scan_stripe(x, index, low);
		low = high == PLACES ? 0 : high;
		index += high == PLACES;
	}
	return index == STORE_STRIPES ? 0 : (uint64_t)index << PLACES_BITS | low;
}

uint64_t store_scan(struct store *s, uint32_t ns, uint64_t cursor, uint32_t count, uint32_t type, int64_t now_ms,
    int32_t (*each)(void *arg, const struct txn_view *), void *arg, uint64_t *gate, int *status)
{
	struct scan x = {.store = s,
	    .ns = ns,
	    .type = type,
	    .now_ms = now_ms,
	    .left = count == 0 ? 1 : count,
	    .each = each,
	    .arg = arg};
	*status = WHERRY_OK;
	if (ns >= store_ns_count(s) || cursor >> PLACES_BITS >= STORE_STRIPES)
		return 0;
	*status = txn_new(&x.txn, s);
	if (*status != WHERRY_OK)
		return cursor;
	uint64_t next = walk(&x, cursor);
	txn_free(x.txn);
	*status = x.status;
	if (s->config.sink != NULL && x.gate > store_durable_lsn(s) && x.gate > *gate)
		*gate = x.gate;
	return next;
}
