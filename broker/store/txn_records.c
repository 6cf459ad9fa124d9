// What transactions do to the records of a key, and how they read them.

#include "store/inside.h"
#include "store/records_take.h"

// A value of the same length is overwritten; a larger one is exchanged: that keeps the old one without a copy.
enum { PATCH_MOST = 512 };

static struct unit_op unit_of(enum unit_op_kind kind, const struct slot *s, wherry_span subkey, wherry_span value)
{
	return (struct unit_op){.kind = kind, .ns = s->ns, .key = s->key, .subkey = subkey, .value = value};
}

static struct undo_op *push_subkey(
    struct txn *t, enum undo_kind kind, struct slot *s, struct entry *e, wherry_span subkey, size_t more)
{
	struct undo_op *op = undo_push(t, kind, s, e, subkey.len + more);
	op->len = (uint16_t)subkey.len;
	if (subkey.len > 0)
		memcpy(op->payload, subkey.ptr, subkey.len);
	return op;
}

static bool overwrite(
    struct txn *t, struct slot *s, struct entry *e, wherry_span subkey, wherry_span old, uint64_t at, wherry_span bytes)
{
	if (!undo_room(t, subkey.len + bytes.len))
		return false;
	struct undo_op *op = push_subkey(t, UNDO_PATCH, s, e, subkey, bytes.len);
	op->patch.at = at;
	op->patch.len = bytes.len;
	if (bytes.len > 0)
		memcpy(op->payload + op->len, (const char *)old.ptr + at, bytes.len);
	records_patch(entry_records(e), undo_subkey(op), at, bytes);
	return true;
}

static bool take(struct txn *t, struct slot *s, struct entry *e, wherry_span subkey, size_t size)
{
	size_t more = undo_taken_at(subkey.len) - subkey.len + size;
	if (!undo_room(t, subkey.len + more))
		return false;
	struct undo_op *op = push_subkey(t, UNDO_TAKEN, s, e, subkey, more);
	struct records *r = entry_records(e);
	struct records_measure before = records_measured(r);
	records_take(r, undo_subkey(op), undo_taken(op));
	records_recount(txn_stripe(t, s->hash), r, before);
	return true;
}

static bool add(struct txn *t, struct slot *s, struct entry *e, wherry_span subkey, wherry_span value)
{
	if (!undo_room(t, subkey.len))
		return false;
	struct records *r = entry_records(e);
	struct records_measure before = records_measured(r);
	push_subkey(t, UNDO_PUT, s, e, subkey, 0); // first: subkey may point into the records
	bool done = records_put(r, subkey, value) == WHERRY_OK;
	records_recount(txn_stripe(t, s->hash), r, before);
	if (!done)
		undo_drop(t);
	return done;
}

// The records of the key, made if it had none.  The entry may have moved.
static struct entry *with_records(struct txn *t, struct slot *s, struct entry *e)
{
	struct extra *x = change_extra(t, s, e);
	if (x == NULL || !undo_room(t, 0))
		return NULL;
	if (x->records == NULL) {
		struct records *r = records_new();
		if (r == NULL)
			return NULL;
		records_counted(txn_stripe(t, s->hash), r);
		undo_push(t, UNDO_RECORDS, s, x->entry, 0)->records = NULL;
		x->records = r;
	}
	return x->entry;
}

static bool put(struct txn *t, struct slot *s, struct entry *e, wherry_span subkey, wherry_span value)
{
	e = with_records(t, s, e);
	if (e == NULL)
		return false;
	wherry_span old;
	if (!records_get(entry_records(e), subkey, &old))
		return add(t, s, e, subkey, value);
	if (old.len == value.len && value.len <= PATCH_MOST)
		return overwrite(t, s, e, subkey, old, 0, value);
	return take(t, s, e, subkey, records_taken_size(entry_records(e), subkey)) && add(t, s, e, subkey, value);
}

int change_put(struct txn *t, struct slot *s, struct entry *e, wherry_span subkey, wherry_span value)
{
	struct unit_op op = unit_of(UNIT_PUT, s, subkey, value);
	if (!redo_room(t, &op))
		return WHERRY_ENOMEM;
	size_t mark = txn_mark(t), redo_len = t->redo.len;
	// The unit gets it first: subkey and value may point into what is about to change.  No operation of put() logs,
	// so all of them go back to in front of it.
	redo_write(t, &op);
	bool done = put(t, s, e, subkey, value);
	if (!done)
		txn_rollback(t, mark);
	if (done)
		undo_at(t, mark)->redo_len = redo_len;
	else
		t->redo.len = redo_len;
	return done ? WHERRY_OK : WHERRY_ENOMEM;
}

int change_patch(struct txn *t, struct slot *s, struct entry *e, wherry_span subkey, uint64_t at, wherry_span bytes)
{
	wherry_span old;
	const struct records *r = entry_records(e);
	if (r == NULL || !records_get(r, subkey, &old))
		return WHERRY_ENOKEY;
	if (at > old.len || bytes.len > old.len - at)
		return WHERRY_EARG;
	struct unit_op op = unit_of(UNIT_PATCH, s, subkey, bytes);
	op.at = at;
	if (!redo_room(t, &op))
		return WHERRY_ENOMEM;
	size_t redo_len = t->redo.len;
	redo_write(t, &op);
	bool done = overwrite(t, s, e, subkey, old, at, bytes);
	if (done)
		undo_at(t, t->undo_last)->redo_len = redo_len;
	else
		t->redo.len = redo_len;
	return done ? WHERRY_OK : WHERRY_ENOMEM;
}

int change_del(struct txn *t, struct slot *s, struct entry *e, wherry_span subkey)
{
	const struct records *r = entry_records(e);
	size_t size = r == NULL ? 0 : records_taken_size(r, subkey);
	if (size == 0)
		return WHERRY_ENOKEY;
	struct unit_op op = unit_of(UNIT_DEL, s, subkey, span_of(NULL, 0));
	if (!redo_room(t, &op))
		return WHERRY_ENOMEM;
	size_t redo_len = t->redo.len;
	redo_write(t, &op);
	bool done = take(t, s, e, subkey, size);
	if (done)
		undo_at(t, t->undo_last)->redo_len = redo_len;
	else
		t->redo.len = redo_len;
	return done ? WHERRY_OK : WHERRY_ENOMEM;
}

// --- by slot -----------------------------------------------------------------------------------------------------

int txn_put(struct txn *t, uint32_t slot, wherry_span subkey, wherry_span value)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	if (status == WHERRY_OK && (subkey.len > STORE_KEY_BYTES || value.len > STORE_HEAD_BYTES))
		status = WHERRY_ELIMIT;
	return status == WHERRY_OK ? change_put(t, s, e, subkey, value) : status;
}

int txn_patch(struct txn *t, uint32_t slot, wherry_span subkey, uint64_t at, wherry_span bytes)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	return status == WHERRY_OK ? change_patch(t, s, e, subkey, at, bytes) : status;
}

int txn_del(struct txn *t, uint32_t slot, wherry_span subkey)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	return status == WHERRY_OK ? change_del(t, s, e, subkey) : status;
}

int txn_put_between(struct txn *t, uint32_t slot, wherry_span before, wherry_span after, wherry_span value)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	if (status == WHERRY_OK && value.len > STORE_HEAD_BYTES)
		status = WHERRY_ELIMIT;
	return status == WHERRY_OK ? change_put_between(t, s, e, before, after, value) : status;
}

// --- reading -----------------------------------------------------------------------------------------------------

// The records of a slot: OK with *r NULL if the key has none.
static int slot_records(struct txn *t, uint32_t slot, const struct records **r)
{
	struct slot *s = txn_slot(t, slot);
	if (s == NULL)
		return WHERRY_EARG;
	const struct entry *e = slot_entry(t, s);
	if (e == NULL)
		return WHERRY_ENOKEY;
	*r = entry_records(e);
	return WHERRY_OK;
}

int txn_get(struct txn *t, uint32_t slot, wherry_span subkey, wherry_span *value)
{
	const struct records *r;
	int status = slot_records(t, slot, &r);
	if (status != WHERRY_OK)
		return status;
	return r != NULL && records_get(r, subkey, value) ? WHERRY_OK : WHERRY_ENOKEY;
}

int txn_rank(struct txn *t, uint32_t slot, wherry_span subkey, uint64_t *rank)
{
	const struct records *r;
	int status = slot_records(t, slot, &r);
	if (status != WHERRY_OK)
		return status;
	return r != NULL && records_rank(r, subkey, rank) ? WHERRY_OK : WHERRY_ENOKEY;
}

// What a wherry_cursor holds.
struct place {
	struct txn *txn;
	const struct records *records; // NULL: there are none
	uint64_t serial, version;
	struct records_place at;
	uint32_t slot;
	int32_t direction;
};
static_assert(sizeof(struct place) <= sizeof(wherry_cursor), "it fits");

static void set_cursor(wherry_cursor *cursor, struct txn *t, uint32_t slot, const struct records *r,
    struct records_place at, int direction)
{
	struct place p = {.txn = t,
	    .records = r,
	    .serial = t->serial,
	    .version = r == NULL ? 0 : records_version(r),
	    .at = at,
	    .slot = slot,
	    .direction = direction};
	memcpy(cursor->opaque, &p, sizeof(p));
}

int txn_seek(struct txn *t, uint32_t slot, wherry_span subkey, int direction, wherry_cursor *cursor)
{
	const struct records *r;
	int status = slot_records(t, slot, &r);
	if (status != WHERRY_OK)
		return status;
	struct records_place at = {0};
	if (r != NULL)
		at = records_seek(r, subkey, direction);
	set_cursor(cursor, t, slot, r, at, direction);
	return WHERRY_OK;
}

int txn_seek_rank(struct txn *t, uint32_t slot, int64_t rank, int direction, wherry_cursor *cursor)
{
	const struct records *r;
	int status = slot_records(t, slot, &r);
	if (status != WHERRY_OK)
		return status;
	if (rank < -1)
		return WHERRY_EARG;
	struct records_place at = {0};
	if (r != NULL && rank < 0)
		at = records_seek(r, span_of(NULL, 0), -1);
	else if (r != NULL)
		at = records_seek_rank(r, (uint64_t)rank);
	set_cursor(cursor, t, slot, r, at, direction);
	return WHERRY_OK;
}

// Stale: another transaction by now, a rollback, the key or its records are others, the records changed.
static bool is_stale(const struct place *p)
{
	if (p->serial != p->txn->serial || !p->txn->locked)
		return true;
	const struct entry *e = slot_entry(p->txn, txn_slot(p->txn, p->slot));
	if (e == NULL || entry_records(e) != p->records)
		return true;
	return p->records != NULL && records_version(p->records) != p->version;
}

int txn_next(wherry_cursor *cursor, wherry_span *subkey, wherry_span *value)
{
	struct place p;
	memcpy(&p, cursor->opaque, sizeof(p));
	if (is_stale(&p))
		return WHERRY_ESTALE;
	if (p.records == NULL || !records_step(p.records, &p.at, p.direction, subkey, value))
		return WHERRY_ENOKEY;
	memcpy(cursor->opaque, &p, sizeof(p));
	return WHERRY_OK;
}
