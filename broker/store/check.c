// Counts and checks everything that a store keeps, against everything else.

#include "store/inside.h"

struct count {
	int64_t memory, trees;
	uint32_t due; // keys that must be in the heap
};

static const char *extra_fault(const struct entry *e, const struct due *d, struct count *count)
{
	const struct extra *x = entry_extra(e);
	if (x == NULL)
		return NULL;
	if (x->entry != e)
		return "an extra is another entry's";
	count->memory += (int64_t)(mem_cost(sizeof(*x)) + records_measured(x->records).memory);
	count->trees += records_measured(x->records).tree;
	bool timed = x->deadline_ms != 0 || x->alarm_ms != 0;
	count->due += timed;
	if (timed != (x->place != 0))
		return "a key with a time is not among the due, or one without is";
	if (timed && (x->place > d->count || d->items[x->place].extra != x))
		return "a key's place among the due is another's";
	return x->records == NULL ? NULL : records_fault(x->records);
}

static const char *table_fault(struct store *s, const struct table *t, const struct due *d, struct count *count)
{
	uint32_t live = 0, dead = 0;
	for (uint32_t i = 0; i < table_size(t); i++) {
		uint64_t slot = table_slots(t)[i];
		dead += slot == SLOT_DEAD;
		if (!slot_is_key(slot))
			continue;
		const struct entry *e = slot_pointer(slot);
		live++;
		if (e->flags & ENTRY_GONE)
			return "a removed key is still there";
		if (e->flags & ENTRY_CHANGED)
			return "a key is still said to be changed";
		if (table_find(t, store_hash(s, entry_key(e)), entry_key(e)) != e)
			return "a key can't be found";
		count->memory += (int64_t)entry_cost(e);
		const char *fault = extra_fault(e, d, count);
		if (fault != NULL)
			return fault;
	}
	if (table_size(t) > 0)
		count->memory += (int64_t)mem_cost(table_size(t) * sizeof(uint64_t));
	return live == table_live(t) && dead == t->dead ? NULL : "a table's counts are wrong";
}

static const char *due_fault(const struct stripe *stripe, struct count *count)
{
	const struct due *d = &stripe->due;
	for (uint32_t i = 2; i <= d->count; i++) {
		if (d->items[i].ms < d->items[i / 2].ms)
			return "the due are out of order";
	}
	if (d->room > 0)
		count->memory += (int64_t)mem_cost((d->room + (size_t)1) * sizeof(struct due_item));
	if (d->count != count->due)
		return "the due are others than the keys with times";
	if (d->promised != 0)
		return "a promise is left";
	return due_earliest(d) == atomic_load(&stripe->earliest) ? NULL : "a stripe's earliest is another";
}

static const char *stripe_fault(struct store *s, uint32_t index)
{
	const struct stripe *stripe = &s->stripes[index];
	struct count count = {0};
	const char *fault = NULL;
	for (uint32_t ns = 0; ns < store_ns_count(s) && fault == NULL; ns++)
		fault = table_fault(s, &store_space(s, ns)->tables[index], &stripe->due, &count);
	if (fault == NULL)
		fault = due_fault(stripe, &count);
	if (fault == NULL && count.memory != atomic_load(&stripe->memory))
		fault = "a stripe's memory is miscounted";
	if (fault == NULL && count.trees != atomic_load(&stripe->trees))
		fault = "a stripe's trees are miscounted";
	return fault;
}

const char *store_fault(struct store *s)
{
	const char *fault = NULL;
	for (uint32_t i = 0; i < STORE_STRIPES && fault == NULL; i++) {
		stripe_assert_none_held();
		stripe_lock(&s->stripes[i]);
		fault = stripe_fault(s, i);
		stripe_unlock(&s->stripes[i]);
	}
	return fault;
}
