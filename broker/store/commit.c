// For good: the LSN, the sink, and then what the undo list says: revisions, and freeing what nobody can want back.

#include "store/inside.h"
#include "store/records_take.h"

static int append(struct store *s, wherry_span unit, uint64_t *lsn)
{
	const struct store_sink *sink = s->config.sink;
	int status = sink->reserve(sink->self, unit.len);
	if (status != WHERRY_OK)
		return status;
	pthread_mutex_lock(&s->commit_lock);
	*lsn = atomic_fetch_add_explicit(&s->lsn, 1, memory_order_relaxed) + 1;
	sink->append(sink->self, *lsn, unit);
	pthread_mutex_unlock(&s->commit_lock);
	return WHERRY_OK;
}

int store_log(struct store *s, wherry_span unit, uint64_t *lsn)
{
	if (store_failed(s))
		return WHERRY_EIO;
	if (s->config.sink != NULL)
		return append(s, unit, lsn);
	*lsn = atomic_fetch_add_explicit(&s->lsn, 1, memory_order_relaxed) + 1;
	return WHERRY_OK;
}

void store_replayed(struct store *s, uint64_t lsn)
{
	if (lsn <= store_lsn(s))
		return;
	atomic_store_explicit(&s->lsn, lsn, memory_order_relaxed);
	atomic_store_explicit(&s->durable, lsn, memory_order_release);
}

static int promise_dues(struct txn *t)
{
	for (size_t at = 0; t->dues > 0 && at < t->undo.len; at += undo_at(t, at)->size) {
		const struct undo_op *op = undo_at(t, at);
		if (op->kind == UNDO_DUE && !op->undone && !due_promise(txn_stripe(t, op->hash)))
			return WHERRY_ENOMEM;
	}
	return WHERRY_OK;
}

static int make_final(struct txn *t, uint64_t *lsn)
{
	int status = promise_dues(t);
	if (status != WHERRY_OK)
		return status;
	if (t->replay_lsn == 0)
		return store_log(t->store, buffer_span(&t->redo), lsn);
	*lsn = t->replay_lsn;
	return WHERRY_OK;
}

// An alarm in the past is due a millisecond from now, so that a handler that leaves it there does not spin.
static int64_t next_due(const struct extra *x, int64_t now_ms)
{
	int64_t due = x->deadline_ms == 0 ? DUE_NONE : x->deadline_ms;
	if (x->alarm_ms == 0)
		return due;
	int64_t alarm = x->alarm_ms > now_ms ? x->alarm_ms : now_ms + 1;
	return alarm < due ? alarm : due;
}

static void finish_moved(struct stripe *stripe, const struct undo_op *op)
{
	struct extra *x = entry_extra(op->old);
	if (x != NULL && entry_extra(op->entry) == NULL)
		extra_free(stripe, x);
	entry_free(stripe, op->old);
}

static void finish_taken(struct stripe *stripe, const struct undo_op *op)
{
	struct extra *x = entry_extra(op->entry);
	if (x->records != NULL && records_count(x->records) == 0) {
		records_release(stripe, x->records);
		x->records = NULL;
	} else if (x->records != NULL) {
		struct records_measure before = records_measured(x->records);
		records_settle(x->records, undo_subkey(op));
		records_recount(stripe, x->records, before);
	}
	records_discard(undo_taken(op));
}

static void finish(struct txn *t, struct undo_op *op, uint64_t lsn)
{
	struct stripe *stripe = txn_stripe(t, op->hash);
	stripe->last_lsn = lsn;
	op->entry->revision = lsn;
	op->entry->flags &= (uint8_t)~ENTRY_CHANGED;
	switch ((enum undo_kind)op->kind) {
	case UNDO_MOVED:
		finish_moved(stripe, op);
		break;
	case UNDO_REMOVED:
		table_erase(stripe, txn_table(t, op->ns, op->hash), op->hash, op->entry);
		entry_free_all(stripe, op->entry);
		break;
	case UNDO_DUE:
		due_set(stripe, entry_extra(op->entry), next_due(entry_extra(op->entry), t->now_ms));
		break;
	case UNDO_RECORDS:
		records_release(stripe, op->records);
		break;
	case UNDO_TAKEN:
		finish_taken(stripe, op);
		break;
	case UNDO_CREATED:
	case UNDO_HEAD:
	case UNDO_PUT:
	case UNDO_PATCH:
		break;
	}
}

// Answers whether the stripes' heaps changed.
static bool finish_all(struct txn *t, uint64_t lsn)
{
	bool dues = false;
	for (size_t at = 0; at < t->undo.len; at += undo_at(t, at)->size) {
		struct undo_op *op = undo_at(t, at);
		if (op->undone)
			continue;
		dues |= op->kind == UNDO_DUE || (op->kind == UNDO_REMOVED && entry_extra(op->entry) != NULL);
		finish(t, op, lsn);
	}
	return dues;
}

static void empty(struct txn *t)
{
	t->undo.len = t->undo_last = t->changes = 0;
	t->redo.len = 0;
	t->dues = 0;
	t->shape++;
}

int txn_commit(struct txn *t, uint64_t *lsn)
{
	*lsn = 0;
	int status = t->changes == 0 ? WHERRY_OK : make_final(t, lsn);
	if (status != WHERRY_OK) {
		txn_rollback(t, 0);
		txn_each_stripe(t, due_settle);
		return status;
	}
	if (*lsn > 0)
		changes_tell(t, *lsn);
	undo_end(t); // first: undone operations refer to what finishing frees
	if (finish_all(t, *lsn))
		txn_each_stripe(t, due_settle);
	if (*lsn > t->gate)
		t->gate = *lsn;
	if (*lsn > 0)
		txn_count(&t->commits);
	empty(t);
	return WHERRY_OK;
}
