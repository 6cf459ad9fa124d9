// One number for a whole keyspace: the sum of the digests of its keys.

#include "store/inside.h"

struct total {
	struct store *store;
	struct digest sum;
	uint64_t keys;
	int64_t now_ms;
};

static void add_records(struct digest_input *in, const struct records *r)
{
	digest_add_u64(in, r == NULL ? 0 : records_count(r));
	if (r == NULL)
		return;
	struct records_place place = records_seek(r, span_of(NULL, 0), 1);
	wherry_span subkey, value;
	while (records_step(r, &place, 1, &subkey, &value)) {
		digest_span(in, subkey);
		digest_span(in, value);
	}
}

static void add_key(struct total *total, const struct space *space, const struct entry *e)
{
	const struct extra *x = entry_extra(e);
	struct digest_input in;
	digest_begin(&in);
	digest_span(&in, span_text(space->name));
	digest_span(&in, entry_key(e));
	digest_span(&in, span_text(store_type_name(total->store, e->type)));
	digest_span(&in, entry_head(e));
	digest_add_u64(&in, e->revision);
	digest_add_u64(&in, x == NULL ? 0 : (uint64_t)x->deadline_ms);
	digest_add_u64(&in, x == NULL ? 0 : (uint64_t)x->alarm_ms);
	add_records(&in, entry_records(e));
	struct digest digest = digest_end(&in);
	digest_sum(&total->sum, &digest);
	total->keys++;
}

static void add_table(struct total *total, const struct space *space, const struct table *t)
{
	for (uint32_t i = 0; i < table_size(t); i++) {
		uint64_t slot = table_slots(t)[i];
		if (slot_is_key(slot) && !entry_expired(slot_pointer(slot), total->now_ms))
			add_key(total, space, slot_pointer(slot));
	}
}

struct digest store_digest(struct store *s, uint64_t *keys)
{
	struct total total = {.store = s, .now_ms = clock_unix_ms(s->config.clock)};
	for (unsigned i = 0; i < STORE_STRIPES; i++) {
		stripe_assert_none_held();
		stripe_lock(&s->stripes[i]);
		for (uint32_t ns = 0; ns < store_ns_count(s); ns++)
			add_table(&total, store_space(s, ns), &store_space(s, ns)->tables[i]);
		stripe_unlock(&s->stripes[i]);
	}
	if (keys != NULL)
		*keys = total.keys;
	return total.sum;
}
