// Units from a log, made again: each one a transaction that gets its old LSN and tells no sink.  Operations on what is
// not there do nothing: a unit may be older than the state that it is replayed on, which a later one then explains.

#include "store/inside.h"

struct store_replay {
	struct store *store;
	struct txn *txn;
	uint32_t spaces[STORE_NAMESPACES], types[STORE_TYPES]; // the log's ids -> ours + 1; 0: not defined
};

static int define(struct store_replay *r, const struct unit_op *op)
{
	uint32_t *map = op->type == 0 ? r->spaces : r->types, id;
	if (op->ns >= (op->type == 0 ? STORE_NAMESPACES : STORE_TYPES))
		return WHERRY_ECORRUPT;
	int status = names_replay(r->store, op, &id);
	if (status == WHERRY_EARG)
		return WHERRY_ECORRUPT;
	if (status == WHERRY_OK)
		map[op->ns] = id + 1;
	return status;
}

// Its ids become ours.
static int translate(const struct store_replay *r, struct unit_op *op)
{
	if (op->ns >= STORE_NAMESPACES || r->spaces[op->ns] == 0)
		return WHERRY_ECORRUPT;
	op->ns = r->spaces[op->ns] - 1;
	if (op->key.len > STORE_KEY_BYTES || op->subkey.len > STORE_KEY_BYTES || op->value.len > STORE_HEAD_BYTES)
		return WHERRY_ECORRUPT;
	if (op->kind != UNIT_HEAD)
		return WHERRY_OK;
	if (op->type >= STORE_TYPES || r->types[op->type] == 0)
		return WHERRY_ECORRUPT;
	op->type = r->types[op->type] - 1;
	return WHERRY_OK;
}

static int declare_key(struct store_replay *r, struct unit_op *op)
{
	uint32_t slot;
	int status = translate(r, op);
	if (status != WHERRY_OK)
		return status;
	return txn_key(r->txn, op->ns, op->key, store_hash(r->store, op->key), TXN_WRITE, &slot);
}

// First pass: defines, and the keys, in order: operation i of the second pass has slot i.
static int declare(struct store_replay *r, wherry_span rest)
{
	struct unit_op op;
	int status;
	while ((status = unit_read(&rest, &op)) == WHERRY_OK) {
		status = op.kind == UNIT_DEFINE ? define(r, &op) : declare_key(r, &op);
		if (status != WHERRY_OK)
			return status;
	}
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int apply(struct txn *t, struct slot *s, const struct unit_op *op)
{
	if (op->kind == UNIT_HEAD)
		return change_head(t, s, op->type, op->value);
	struct entry *e = slot_entry(t, s);
	if (e == NULL)
		return WHERRY_ENOKEY;
	switch (op->kind) {
	case UNIT_REMOVE:
		return change_remove(t, s, e);
	case UNIT_DEADLINE:
		return change_deadline(t, s, e, op->ms);
	case UNIT_ALARM:
		return change_alarm(t, s, e, op->ms);
	case UNIT_PUT:
		return change_put(t, s, e, op->subkey, op->value);
	case UNIT_DEL:
		return change_del(t, s, e, op->subkey);
	case UNIT_PATCH:
		return change_patch(t, s, e, op->subkey, op->at, op->value);
	case UNIT_DEFINE:
	case UNIT_HEAD:
		break;
	}
	return WHERRY_ECORRUPT;
}

static int apply_all(struct store_replay *r, wherry_span rest)
{
	struct unit_op op;
	for (uint32_t slot = 0; unit_read(&rest, &op) == WHERRY_OK;) {
		if (op.kind == UNIT_DEFINE)
			continue;
		int status = translate(r, &op);
		if (status == WHERRY_OK)
			status = apply(r->txn, txn_slot(r->txn, slot++), &op);
		if (status != WHERRY_OK && status != WHERRY_ENOKEY && status != WHERRY_EARG)
			return status;
	}
	return WHERRY_OK;
}

int store_replay_begin(struct store_replay **out, struct store *s)
{
	struct store_replay *r = mem_zalloc(sizeof(*r));
	if (r == NULL)
		return WHERRY_ENOMEM;
	r->store = s;
	int status = txn_new(&r->txn, s);
	if (status != WHERRY_OK) {
		mem_free(r);
		return status;
	}
	*out = r;
	return WHERRY_OK;
}

int store_replay_unit(struct store_replay *r, uint64_t lsn, wherry_span unit)
{
	struct txn *t = r->txn;
	txn_begin(t, STORE_NS_DEFAULT, INT64_MIN); // nothing has expired
	t->logging = false;
	t->replay_lsn = lsn;
	int status = declare(r, unit);
	if (status != WHERRY_OK)
		return status;
	txn_lock(t);
	status = apply_all(r, unit);
	if (status == WHERRY_OK)
		status = txn_commit(t, &lsn);
	txn_rollback(t, 0);
	txn_unlock(t);
	if (status == WHERRY_OK)
		store_replayed(r->store,
		    t->replay_lsn); // also where nothing was changed: defines, what is gone since
	return status;
}

void store_replay_end(struct store_replay *r)
{
	if (r == NULL)
		return;
	txn_free(r->txn);
	mem_free(r);
}
