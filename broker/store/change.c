// What transactions do to keys.  Each change gets all the room it needs (undo list, redo unit, memory) before it
// changes anything; those put together from several go back to their beginning when one fails.

#include "store/inside.h"
#include "store/records_take.h"

// Larger heads are exchanged, not overwritten: that copies them once, not twice.
enum { IN_PLACE_MOST = 1024 };
static_assert(IN_PLACE_MOST <= UINT16_MAX, "the undo operation's length holds it");

static struct unit_op unit_of(enum unit_op_kind kind, const struct slot *s)
{
	return (struct unit_op){.kind = kind, .ns = s->ns, .key = s->key};
}

static int create(struct txn *t, struct slot *s, uint32_t type, wherry_span head)
{
	struct stripe *stripe = txn_stripe(t, s->hash);
	struct table *table = txn_table(t, s->ns, s->hash);
	struct unit_op op = unit_of(UNIT_HEAD, s);
	op.type = type;
	op.value = head;
	if (!undo_room(t, 0) || !redo_room(t, &op))
		return WHERRY_ENOMEM;
	struct entry *e = entry_new(stripe, NULL, s->key, type, head);
	if (e == NULL)
		return WHERRY_ENOMEM;
	if (!table_reserve(stripe, table)) { // last: an empty table is not left behind
		entry_free(stripe, e);
		return WHERRY_ENOMEM;
	}
	table_insert(table, s->hash, e);
	undo_push(t, UNDO_CREATED, s, e, 0);
	redo_write(t, &op);
	t->shape++;
	s->entry = e;
	s->seen = t->shape;
	return WHERRY_OK;
}

static int make_room_and_create(struct txn *t, struct slot *s, uint32_t type, wherry_span head)
{
	size_t mark = txn_mark(t);
	int status = s->expired == NULL ? WHERRY_OK : change_remove(t, s, s->expired);
	if (status == WHERRY_OK)
		status = create(t, s, type, head);
	if (status != WHERRY_OK)
		txn_rollback(t, mark);
	return status;
}

static bool fits_in_place(const struct entry *e, wherry_span head)
{
	return e->head_len <= IN_PLACE_MOST && head.len <= IN_PLACE_MOST &&
	       entry_cost_of(e->flags & ENTRY_EXTRA, e->key_len, head.len) == entry_cost(e);
}

static bool overwrite(struct txn *t, struct slot *s, struct entry *e, uint32_t type, wherry_span head)
{
	if (!undo_room(t, e->head_len))
		return false;
	struct undo_op *op = undo_push(t, UNDO_HEAD, s, e, e->head_len);
	op->type = e->type;
	op->len = (uint16_t)e->head_len;
	memcpy(op->payload, entry_head_ptr(e), e->head_len);
	e->type = (uint8_t)type;
	e->head_len = (uint32_t)head.len;
	if (head.len > 0)
		memmove(entry_head_ptr(e), head.ptr, head.len); // it may be part of the old one
	return true;
}

// Exchanges the entry for a new one of the same key with the extra given, which becomes its own.
static struct entry *move(
    struct txn *t, struct slot *s, struct entry *old, struct extra *x, uint32_t type, wherry_span head)
{
	if (!undo_room(t, 0))
		return NULL;
	struct entry *e = entry_new(txn_stripe(t, s->hash), x, entry_key(old), type, head);
	if (e == NULL)
		return NULL;
	e->revision = old->revision;
	if (x != NULL)
		x->entry = e;
	table_replace(txn_table(t, s->ns, s->hash), s->hash, old, e);
	undo_push(t, UNDO_MOVED, s, e, 0)->old = old;
	t->shape++;
	s->entry = e;
	s->seen = t->shape;
	return e;
}

static bool extra_is_empty(const struct extra *x)
{
	return x->deadline_ms == 0 && x->alarm_ms == 0 && x->records == NULL;
}

static bool replace(struct txn *t, struct slot *s, struct entry *e, uint32_t type, wherry_span head)
{
	struct extra *x = entry_extra(e);
	if (x != NULL && extra_is_empty(x))
		x = NULL; // the old entry keeps it, and takes it away with the commit
	return move(t, s, e, x, type, head) != NULL;
}

struct extra *change_extra(struct txn *t, struct slot *s, struct entry *e)
{
	if (entry_extra(e) != NULL)
		return entry_extra(e);
	struct stripe *stripe = txn_stripe(t, s->hash);
	struct extra *x = extra_new(stripe, s->ns);
	if (x != NULL && move(t, s, e, x, e->type, entry_head(e)) == NULL) {
		extra_free(stripe, x);
		x = NULL;
	}
	return x;
}

int change_head(struct txn *t, struct slot *s, uint32_t type, wherry_span head)
{
	struct entry *e = slot_entry(t, s);
	if (e == NULL)
		return make_room_and_create(t, s, type, head);
	struct unit_op op = unit_of(UNIT_HEAD, s);
	op.type = type;
	op.value = head;
	if (!redo_room(t, &op))
		return WHERRY_ENOMEM;
	size_t redo_len = t->redo.len;
	redo_write(t, &op); // first: the head may be part of the old one
	bool done = fits_in_place(e, head) ? overwrite(t, s, e, type, head) : replace(t, s, e, type, head);
	if (done)
		undo_at(t, t->undo_last)->redo_len = redo_len;
	else
		t->redo.len = redo_len;
	return done ? WHERRY_OK : WHERRY_ENOMEM;
}

int change_remove(struct txn *t, struct slot *s, struct entry *e)
{
	struct unit_op op = unit_of(UNIT_REMOVE, s);
	if (!undo_room(t, 0) || !redo_room(t, &op))
		return WHERRY_ENOMEM;
	undo_push(t, UNDO_REMOVED, s, e, 0);
	redo_write(t, &op);
	e->flags |= ENTRY_GONE;
	t->shape++;
	return WHERRY_OK;
}

static void push_due(struct txn *t, struct slot *s, struct extra *x)
{
	struct undo_op *op = undo_push(t, UNDO_DUE, s, x->entry, 0);
	op->due.deadline_ms = x->deadline_ms;
	op->due.alarm_ms = x->alarm_ms;
	t->dues++;
}

// *at (offset in the extra) becomes `unix_ms`.
static int set_time(struct txn *t, struct slot *s, struct entry *e, const struct unit_op *op, size_t offset)
{
	const struct extra *now = entry_extra(e);
	int64_t before = 0;
	if (now != NULL)
		memcpy(&before, (const char *)now + offset, sizeof(before));
	// An alarm set again in the past is a change: it is due again at once, not when it would be repeated.
	bool same = before == op->ms && (op->ms == 0 || op->ms > t->now_ms);
	if (same && t->replay_lsn == 0)
		return WHERRY_OK;
	size_t mark = txn_mark(t);
	struct extra *x = change_extra(t, s, e);
	if (x == NULL || !undo_room(t, 0) || !redo_room(t, op)) {
		txn_rollback(t, mark);
		return WHERRY_ENOMEM;
	}
	push_due(t, s, x);
	redo_write(t, op);
	memcpy((char *)x + offset, &op->ms, sizeof(op->ms));
	return WHERRY_OK;
}

// The end of all time means "never" among the due: a millisecond before it is as good.
static int64_t before_never(int64_t unix_ms)
{
	return unix_ms == DUE_NONE ? DUE_NONE - 1 : unix_ms;
}

int change_deadline(struct txn *t, struct slot *s, struct entry *e, int64_t unix_ms)
{
	struct unit_op op = unit_of(UNIT_DEADLINE, s);
	op.ms = before_never(unix_ms);
	return set_time(t, s, e, &op, offsetof(struct extra, deadline_ms));
}

int change_alarm(struct txn *t, struct slot *s, struct entry *e, int64_t unix_ms)
{
	struct unit_op op = unit_of(UNIT_ALARM, s);
	op.ms = before_never(unix_ms);
	return set_time(t, s, e, &op, offsetof(struct extra, alarm_ms));
}

// --- copying -----------------------------------------------------------------------------------------------------

// What the end of the transaction will settle in the original, it will not know of in the copy.
static struct records *copy_records(const struct txn *t, const struct records *from)
{
	struct records *r = records_clone(from);
	for (size_t at = 0; r != NULL && at < t->undo.len; at += undo_at(t, at)->size) {
		const struct undo_op *op = undo_at(t, at);
		if ((op->kind == UNDO_TAKEN || op->kind == UNDO_PUT) && entry_records(op->entry) == from)
			records_settle(r, undo_subkey(op));
	}
	return r;
}

static struct extra *copy_extra(const struct txn *t, const struct slot *to, const struct extra *from)
{
	struct stripe *stripe = txn_stripe(t, to->hash);
	struct extra *x = extra_new(stripe, to->ns);
	if (x == NULL)
		return NULL;
	x->deadline_ms = from->deadline_ms;
	x->alarm_ms = from->alarm_ms;
	if (from->records == NULL)
		return x;
	x->records = copy_records(t, from->records);
	records_counted(stripe, x->records);
	if (x->records != NULL)
		return x;
	extra_free(stripe, x);
	return NULL;
}

// A copy for `to`, not yet in the table.
static struct entry *copy_of(const struct txn *t, const struct slot *to, const struct entry *from)
{
	struct stripe *stripe = txn_stripe(t, to->hash);
	const struct extra *source = entry_extra(from);
	struct extra *x = NULL;
	if (source != NULL && !extra_is_empty(source)) {
		x = copy_extra(t, to, source);
		if (x == NULL)
			return NULL;
	}
	struct entry *e = entry_new(stripe, x, to->key, from->type, entry_head(from));
	if (e == NULL && x != NULL)
		extra_free(stripe, x);
	else if (x != NULL)
		x->entry = e;
	return e;
}

static bool insert_copy(struct txn *t, struct slot *to, const struct entry *from)
{
	struct stripe *stripe = txn_stripe(t, to->hash);
	struct table *table = txn_table(t, to->ns, to->hash);
	struct entry *e = undo_room(t, 0) ? copy_of(t, to, from) : NULL;
	if (e == NULL)
		return false;
	if (!table_reserve(stripe, table)) {
		entry_free_all(stripe, e);
		return false;
	}
	table_insert(table, to->hash, e);
	undo_push(t, UNDO_CREATED, to, e, 0);
	t->shape++;
	struct extra *x = entry_extra(e);
	if (x != NULL && (x->deadline_ms != 0 || x->alarm_ms != 0)) {
		if (!undo_room(t, 0))
			return false;
		push_due(t, to, x);
	}
	return redo_whole(t, to, e);
}

static int copy_over(struct txn *t, struct slot *to, const struct entry *from)
{
	size_t mark = txn_mark(t);
	struct entry *old = slot_entry(t, to);
	if (old == NULL)
		old = to->expired;
	int status = old == NULL ? WHERRY_OK : change_remove(t, to, old);
	if (status == WHERRY_OK && !insert_copy(t, to, from))
		status = WHERRY_ENOMEM;
	if (status != WHERRY_OK)
		txn_rollback(t, mark);
	return status;
}

// --- by slot -----------------------------------------------------------------------------------------------------

int txn_put_head(struct txn *t, uint32_t slot, uint32_t type, wherry_span head)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	if (status != WHERRY_OK && status != WHERRY_ENOKEY)
		return status;
	if (head.len > STORE_HEAD_BYTES)
		return WHERRY_ELIMIT;
	if (e != NULL && type == TXN_ANY_TYPE)
		type = e->type;
	if (e != NULL && type != e->type)
		return WHERRY_ETYPE;
	if (store_type_name(t->store, type) == NULL)
		return WHERRY_EARG;
	return change_head(t, s, type, head);
}

int txn_remove(struct txn *t, uint32_t slot)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	return status == WHERRY_OK ? change_remove(t, s, e) : status;
}

int txn_copy(struct txn *t, uint32_t from, uint32_t to)
{
	struct slot *s, *source = txn_slot(t, from);
	struct entry *e;
	int status = slot_write(t, to, &s, &e);
	if (source == NULL)
		return WHERRY_EARG;
	if (status != WHERRY_OK && status != WHERRY_ENOKEY)
		return status;
	const struct entry *origin = slot_entry(t, source);
	if (origin == NULL)
		return WHERRY_ENOKEY;
	return origin == e ? WHERRY_OK : copy_over(t, s, origin);
}

int txn_set_deadline(struct txn *t, uint32_t slot, int64_t unix_ms)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	if (status != WHERRY_OK)
		return status;
	if (unix_ms != 0 && unix_ms <= t->now_ms)
		return change_remove(t, s, e);
	return change_deadline(t, s, e, unix_ms);
}

int txn_set_alarm(struct txn *t, uint32_t slot, int64_t unix_ms)
{
	struct slot *s;
	struct entry *e;
	int status = slot_write(t, slot, &s, &e);
	return status == WHERRY_OK ? change_alarm(t, s, e, unix_ms) : status;
}
