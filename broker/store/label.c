// Records in an order of their own: 8-byte big-endian labels, the middle of two neighbours, at the ends a step away.
// When there is no room left between two, all labels of the key are made anew at even distances.

#include <endian.h>

#include "store/inside.h"

enum { LABEL_BYTES = 8 };
static const uint64_t STEP = UINT64_C(1) << 32;

static bool read_label(wherry_span subkey, uint64_t *label)
{
	if (subkey.len != LABEL_BYTES)
		return false;
	memcpy(label, subkey.ptr, sizeof(*label));
	*label = be64toh(*label);
	return true;
}

// Between which two a new record comes: an end is missing where has_* is false.
struct gap {
	uint64_t low, high;
	bool has_low, has_high;
	uint64_t rank; // of the new record
};

// The record at `rank`, as one side of the gap.
static int side(const struct records *r, uint64_t rank, bool *has, uint64_t *label)
{
	struct records_place place = records_seek_rank(r, rank);
	wherry_span subkey, value;
	*has = records_step(r, &place, 1, &subkey, &value);
	return !*has || read_label(subkey, label) ? WHERRY_OK : WHERRY_EARG;
}

// Right behind `before`; without it right in front of `after`; without both at the end.
static int find_gap(const struct records *r, wherry_span before, wherry_span after, struct gap *gap)
{
	*gap = (struct gap){.rank = r == NULL ? 0 : records_count(r)};
	if (r == NULL)
		return before.len + after.len == 0 ? WHERRY_OK : WHERRY_ENOKEY;
	uint64_t behind = gap->rank;
	if (after.len > 0 && !records_rank(r, after, &behind))
		return WHERRY_ENOKEY;
	gap->rank = behind;
	if (before.len > 0) {
		if (!records_rank(r, before, &gap->rank))
			return WHERRY_ENOKEY;
		gap->rank++;
		if (after.len > 0 && gap->rank != behind)
			return WHERRY_EARG; // no neighbours
	}
	int status = WHERRY_OK;
	if (gap->rank > 0)
		status = side(r, gap->rank - 1, &gap->has_low, &gap->low);
	if (status == WHERRY_OK)
		status = side(r, gap->rank, &gap->has_high, &gap->high);
	return status;
}

// A label within the gap; false: there is none.
static bool choose(const struct gap *gap, uint64_t *label)
{
	if (!gap->has_low && !gap->has_high) {
		*label = UINT64_C(1) << 63;
	} else if (!gap->has_low) {
		*label = gap->high > STEP ? gap->high - STEP : gap->high / 2;
		return gap->high > 0;
	} else if (!gap->has_high) {
		uint64_t room = UINT64_MAX - gap->low;
		*label = gap->low + (room > STEP ? STEP : room / 2 + room % 2);
		return room > 0;
	} else {
		*label = gap->low + (gap->high - gap->low) / 2;
		return gap->high - gap->low > 1;
	}
	return true;
}

// --- anew --------------------------------------------------------------------------------------------------------

static bool append(struct records *r, uint64_t label, wherry_span value)
{
	uint64_t bytes = htobe64(label);
	return records_put(r, span_of(&bytes, sizeof(bytes)), value) == WHERRY_OK;
}

// All records under new labels, the new value at its rank among them; a step apart around the middle, so that both
// ends keep room, or as far as they can be if there are very many.
static int relabel(const struct records *r, uint64_t rank, wherry_span value, struct records *out)
{
	uint64_t count = records_count(r) + 1;
	uint64_t step = count < STEP / 2 ? STEP : UINT64_MAX / (count + 1);
	uint64_t label = (UINT64_C(1) << 63) - count / 2 * step;
	struct records_place place = records_seek_rank(r, 0);
	for (uint64_t i = 0; i < count; i++, label += step) {
		wherry_span subkey = {0}, each = value;
		if (i != rank && !records_step(r, &place, 1, &subkey, &each))
			return WHERRY_EINTERNAL;
		if (i != rank && subkey.len != LABEL_BYTES)
			return WHERRY_EARG;
		if (!append(out, label, each))
			return WHERRY_ENOMEM;
	}
	return WHERRY_OK;
}

static int renew(struct txn *t, struct slot *s, struct entry *e, uint64_t rank, wherry_span value)
{
	struct extra *x = entry_extra(e);
	struct records *fresh = records_new();
	int status = fresh != NULL && undo_room(t, 0) ? relabel(x->records, rank, value, fresh) : WHERRY_ENOMEM;
	if (status != WHERRY_OK) {
		records_free(fresh);
		return status;
	}
	size_t mark = txn_mark(t);
	records_counted(txn_stripe(t, s->hash), fresh);
	undo_push(t, UNDO_RECORDS, s, e, 0)->records = x->records;
	x->records = fresh;
	if (redo_whole(t, s, e))
		return WHERRY_OK;
	txn_rollback(t, mark);
	return WHERRY_ENOMEM;
}

int change_put_between(
    struct txn *t, struct slot *s, struct entry *e, wherry_span before, wherry_span after, wherry_span value)
{
	struct gap gap;
	int status = find_gap(entry_records(e), before, after, &gap);
	if (status != WHERRY_OK)
		return status;
	uint64_t label;
	if (!choose(&gap, &label))
		return renew(t, s, e, gap.rank, value);
	uint64_t bytes = htobe64(label);
	return change_put(t, s, e, span_of(&bytes, sizeof(bytes)), value);
}
