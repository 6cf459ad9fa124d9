// What a transaction did, as a list to be walked back, and the redo unit beside it.
//
// A rollback takes back the changes, newest first.  What they had made (entries, records, the room of taken ones) is given
// up when the transaction ends, newest first again: operations refer to what older ones made, and a record that was taken
// can be put back only as long as nothing near it was settled (store/records_take.h).

#include "store/inside.h"
#include "store/records_take.h"

static bool room(struct buffer *b, size_t more)
{
	if (buffer_reserve(b, more))
		return true;
	b->failed = false; // what is in it stays good
	return false;
}

static size_t op_size(size_t payload)
{
	enum { ALIGN = _Alignof(max_align_t) };
	return (sizeof(struct undo_op) + payload + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

bool undo_room(struct txn *t, size_t payload)
{
	return room(&t->undo, op_size(payload));
}

struct undo_op *undo_push(struct txn *t, enum undo_kind kind, const struct slot *s, struct entry *e, size_t payload)
{
	struct undo_op *op = undo_at(t, t->undo.len);
	*op = (struct undo_op){.kind = (uint8_t)kind,
	    .ns = (uint16_t)s->ns,
	    .swapped = t->swaps,
	    .size = op_size(payload),
	    .prev = t->undo_last,
	    .redo_len = t->redo.len,
	    .hash = s->hash,
	    .entry = e,
	    .changed = (e->flags & ENTRY_CHANGED) != 0};
	e->flags |= ENTRY_CHANGED;
	t->undo_last = t->undo.len;
	t->undo.len += op->size;
	t->changes++;
	return op;
}

static void unmark(const struct undo_op *op)
{
	if (!op->changed)
		op->entry->flags &= (uint8_t)~ENTRY_CHANGED;
}

void undo_drop(struct txn *t)
{
	const struct undo_op *op = undo_at(t, t->undo_last);
	unmark(op);
	t->undo.len = t->undo_last;
	t->undo_last = op->prev;
	t->changes--;
}

// --- rolling back ------------------------------------------------------------------------------------------------

static void undo_head(const struct undo_op *op)
{
	struct entry *e = op->entry;
	e->type = op->type;
	e->head_len = op->len;
	memcpy(entry_head_ptr(e), op->payload, op->len);
}

static void undo_moved(struct txn *t, const struct undo_op *op)
{
	struct extra *x = entry_extra(op->old);
	table_replace(txn_table(t, op->ns, op->hash), op->hash, op->entry, op->old);
	if (x != NULL)
		x->entry = op->old;
}

static void undo_due(struct txn *t, const struct undo_op *op)
{
	struct extra *x = entry_extra(op->entry);
	x->deadline_ms = op->due.deadline_ms;
	x->alarm_ms = op->due.alarm_ms;
	t->dues--;
}

// Leaves the other records in the operation, to be freed.
static void undo_records(struct undo_op *op)
{
	struct extra *x = entry_extra(op->entry);
	struct records *made = x->records;
	x->records = op->records;
	op->records = made;
}

static void undo_record(struct txn *t, const struct undo_op *op)
{
	struct records *r = entry_records(op->entry);
	struct records_measure before = records_measured(r);
	wherry_span subkey = undo_subkey(op);
	if (op->kind == UNDO_PUT)
		records_drop(r, subkey);
	else if (op->kind == UNDO_TAKEN)
		records_restore(r, undo_taken(op));
	else
		records_patch(r, subkey, op->patch.at, span_of(op->payload + op->len, op->patch.len));
	records_recount(txn_stripe(t, op->hash), r, before);
}

static void take_back(struct txn *t, struct undo_op *op)
{
	switch ((enum undo_kind)op->kind) {
	case UNDO_CREATED:
		table_erase(txn_stripe(t, op->hash), txn_table(t, op->ns, op->hash), op->hash, op->entry);
		break;
	case UNDO_MOVED:
		undo_moved(t, op);
		break;
	case UNDO_HEAD:
		undo_head(op);
		break;
	case UNDO_REMOVED:
		op->entry->flags &= (uint8_t)~ENTRY_GONE;
		break;
	case UNDO_DUE:
		undo_due(t, op);
		break;
	case UNDO_RECORDS:
		undo_records(op);
		break;
	case UNDO_PUT:
	case UNDO_TAKEN:
	case UNDO_PATCH:
		undo_record(t, op);
		break;
	}
}

static void settle(struct txn *t, const struct undo_op *op)
{
	struct records *r = entry_records(op->entry);
	if (r == NULL)
		return;
	struct records_measure before = records_measured(r);
	records_settle(r, undo_subkey(op));
	records_recount(txn_stripe(t, op->hash), r, before);
}

static void give_up(struct txn *t, const struct undo_op *op)
{
	struct stripe *stripe = txn_stripe(t, op->hash);
	switch ((enum undo_kind)op->kind) {
	case UNDO_CREATED:
		entry_free_all(stripe, op->entry);
		break;
	case UNDO_MOVED:
		if (entry_extra(op->entry) != NULL && entry_extra(op->old) == NULL)
			extra_free(stripe, entry_extra(op->entry));
		entry_free(stripe, op->entry);
		break;
	case UNDO_RECORDS:
		records_release(stripe, op->records);
		break;
	case UNDO_PUT:
	case UNDO_TAKEN:
		settle(t, op);
		break;
	case UNDO_HEAD:
	case UNDO_REMOVED:
	case UNDO_DUE:
	case UNDO_PATCH:
		break;
	}
}

void undo_end(struct txn *t)
{
	size_t after = t->undo.len;
	for (size_t at = t->undo_last; after > 0; after = at, at = undo_at(t, at)->prev) {
		if (undo_at(t, at)->undone)
			give_up(t, undo_at(t, at));
	}
}

size_t txn_mark(const struct txn *t)
{
	return t->undo.len;
}

void txn_rollback(struct txn *t, size_t mark)
{
	size_t after = t->undo.len;
	for (size_t at = t->undo_last; after > mark; after = at, at = undo_at(t, at)->prev) {
		struct undo_op *op = undo_at(t, at);
		if (op->undone)
			continue;
		take_back(t, op);
		unmark(op);
		op->undone = true;
		t->redo.len = op->redo_len;
		t->changes--;
	}
	t->shape++;
	t->serial++;
	if (mark > 0 || t->undo.len == 0)
		return;
	undo_end(t);
	t->undo.len = t->undo_last = 0;
	txn_count(&t->rollbacks);
}

void txn_swaps(struct txn *t, bool swaps)
{
	t->swaps = swaps;
}

size_t txn_changes(const struct txn *t)
{
	return t->changes;
}

// --- redo --------------------------------------------------------------------------------------------------------

bool redo_room(struct txn *t, const struct unit_op *op)
{
	return !t->logging || room(&t->redo, unit_bound(op));
}

void redo_write(struct txn *t, const struct unit_op *op)
{
	if (t->logging)
		unit_write(&t->redo, op);
}

static bool redo_add(struct txn *t, const struct unit_op *op)
{
	if (!redo_room(t, op))
		return false;
	redo_write(t, op);
	return true;
}

static bool redo_records(struct txn *t, struct unit_op *op, const struct records *r)
{
	struct records_place place = records_seek(r, span_of(NULL, 0), 1);
	op->kind = UNIT_PUT;
	while (records_step(r, &place, 1, &op->subkey, &op->value)) {
		if (!redo_add(t, op))
			return false;
	}
	return true;
}

bool redo_whole(struct txn *t, const struct slot *s, const struct entry *e)
{
	if (!t->logging)
		return true;
	const struct extra *x = entry_extra(e);
	struct unit_op op = {.kind = UNIT_REMOVE, .ns = s->ns, .key = s->key};
	if (!redo_add(t, &op))
		return false;
	op = (struct unit_op){.kind = UNIT_HEAD, .ns = s->ns, .key = s->key, .type = e->type, .value = entry_head(e)};
	if (!redo_add(t, &op))
		return false;
	op.kind = UNIT_DEADLINE;
	op.ms = x == NULL ? 0 : x->deadline_ms;
	if (op.ms != 0 && !redo_add(t, &op))
		return false;
	op.kind = UNIT_ALARM;
	op.ms = x == NULL ? 0 : x->alarm_ms;
	if (op.ms != 0 && !redo_add(t, &op))
		return false;
	return x == NULL || x->records == NULL || redo_records(t, &op, x->records);
}
