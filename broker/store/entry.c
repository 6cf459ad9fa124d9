// Making and freeing what a key is made of, counted for its stripe.

#include "store/inside.h"

struct entry *entry_new(struct stripe *stripe, struct extra *extra, wherry_span key, uint32_t type, wherry_span head)
{
	size_t cost = entry_cost_of(extra != NULL, key.len, head.len);
	struct entry *e = mem_alloc(cost - sizeof(size_t));
	if (e == NULL)
		return NULL;
	*e = (struct entry){.head_len = (uint32_t)head.len,
	    .key_len = (uint16_t)key.len,
	    .type = (uint8_t)type,
	    .flags = extra != NULL ? ENTRY_EXTRA : 0};
	if (extra != NULL)
		entry_set_extra(e, extra);
	if (key.len > 0)
		memcpy(entry_key_ptr(e), key.ptr, key.len);
	if (head.len > 0)
		memcpy(entry_head_ptr(e), head.ptr, head.len);
	stripe_memory(stripe, (int64_t)cost);
	return e;
}

void entry_free(struct stripe *stripe, struct entry *e)
{
	stripe_memory(stripe, -(int64_t)entry_cost(e));
	mem_free(e);
}

struct extra *extra_new(struct stripe *stripe, uint32_t ns)
{
	struct extra *x = mem_alloc(sizeof(*x));
	if (x == NULL)
		return NULL;
	*x = (struct extra){.ns = (uint16_t)ns};
	stripe_memory(stripe, (int64_t)mem_cost(sizeof(*x)));
	return x;
}

void extra_free(struct stripe *stripe, struct extra *x)
{
	due_set(stripe, x, DUE_NONE);
	records_release(stripe, x->records);
	stripe_memory(stripe, -(int64_t)mem_cost(sizeof(*x)));
	mem_free(x);
}

void entry_free_all(struct stripe *stripe, struct entry *e)
{
	struct extra *x = entry_extra(e);
	if (x != NULL)
		extra_free(stripe, x);
	entry_free(stripe, e);
}

struct records_measure records_measured(const struct records *r)
{
	if (r == NULL)
		return (struct records_measure){0};
	return (struct records_measure){records_memory(r), records_is_tree(r)};
}

void records_recount(struct stripe *stripe, const struct records *r, struct records_measure before)
{
	struct records_measure now = records_measured(r);
	if (now.memory != before.memory)
		stripe_memory(stripe, (int64_t)now.memory - (int64_t)before.memory);
	if (now.tree != before.tree)
		atomic_fetch_add_explicit(&stripe->trees, now.tree ? 1 : -1, memory_order_relaxed);
}

void records_counted(struct stripe *stripe, const struct records *r)
{
	records_recount(stripe, r, records_measured(NULL));
}

void records_release(struct stripe *stripe, struct records *r)
{
	records_recount(stripe, NULL, records_measured(r));
	records_free(r);
}

uint64_t entry_bytes(const struct entry *e)
{
	const struct extra *x = entry_extra(e);
	uint64_t bytes = entry_cost(e);
	if (x != NULL)
		bytes += mem_cost(sizeof(*x)) + records_measured(x->records).memory;
	return bytes;
}

struct txn_view entry_view(const struct entry *e)
{
	struct txn_view view = {.type = e->type,
	    .key = entry_key(e),
	    .head = entry_head(e),
	    .revision = e->revision,
	    .changed = (e->flags & ENTRY_CHANGED) != 0,
	    .bytes = entry_bytes(e)};
	const struct extra *x = entry_extra(e);
	if (x != NULL) {
		view.deadline_ms = x->deadline_ms;
		view.alarm_ms = x->alarm_ms;
		view.records = x->records == NULL ? 0 : records_count(x->records);
	}
	return view;
}
