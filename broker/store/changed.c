// What a commit did, told key by key to whoever watches (store_config.changed), its stripes still held: of each key once,
// as it is now.  The undo list is walked from the oldest operation on; a key that was told has the commit's revision.

#include "store/inside.h"

struct telling {
	struct txn *txn;
	uint64_t lsn;
};

static void tell(const struct telling *x, const struct undo_op *op, enum store_event event, const struct entry *e)
{
	const struct store_config *config = &x->txn->store->config;
	struct store_change change = {
	    .event = event, .swapped = op->swapped, .ns = op->ns, .revision = x->lsn, .hash = op->hash};
	change.key = entry_key(e);
	change.type = e->type;
	change.head = event == STORE_PUT ? entry_head(e) : (wherry_span){0};
	config->changed(config->arg, &change);
}

// One that had been there.  It may be there again by now, as another entry: what stood in the way of that one had expired,
// or it was replaced, which is no end.
static void tell_removed(const struct telling *x, const struct undo_op *op, bool is_back)
{
	struct entry *e = op->entry;
	bool expired = entry_expired(e, x->txn->now_ms);
	if (e->revision == 0 || e->revision == x->lsn || (is_back && !expired))
		return;
	e->revision = x->lsn;
	tell(x, op, expired ? STORE_EXPIRE : STORE_DEL, e);
}

static void tell_of(const struct telling *x, const struct undo_op *op)
{
	struct entry *now = table_find(txn_table(x->txn, op->ns, op->hash), op->hash, entry_key(op->entry));
	if (op->kind == UNDO_REMOVED)
		tell_removed(x, op, now != NULL);
	if (now == NULL || now->revision == x->lsn)
		return;
	now->revision = x->lsn;
	tell(x, op, STORE_PUT, now);
}

void changes_tell(struct txn *t, uint64_t lsn)
{
	const struct store_config *config = &t->store->config;
	if (config->watched == NULL || atomic_load_explicit(config->watched, memory_order_relaxed) == 0 ||
	    t->replay_lsn != 0)
		return;
	struct telling x = {t, lsn};
	for (size_t at = 0; at < t->undo.len; at += undo_at(t, at)->size)
		if (!undo_at(t, at)->undone)
			tell_of(&x, undo_at(t, at));
}
