// Opening and closing a store, its LSNs, counters and prefetches.

#include "store/inside.h"

static void close_table(struct stripe *stripe, struct table *t)
{
	for (uint32_t i = 0; i < table_size(t); i++) {
		uint64_t slot = table_slots(t)[i];
		if (slot_is_key(slot))
			entry_free_all(stripe, slot_pointer(slot));
	}
	mem_free(table_slots(t));
}

static void close_spaces(struct store *s)
{
	for (uint32_t ns = 0; ns < store_ns_count(s); ns++) {
		for (unsigned i = 0; i < STORE_STRIPES; i++)
			close_table(&s->stripes[i], &store_space(s, ns)->tables[i]);
	}
}

int store_open(struct store **out, const struct store_config *config)
{
	struct store *s = mem_zalloc(sizeof(*s));
	if (s == NULL)
		return WHERRY_ENOMEM;
	s->config = *config;
	if (config->hash_key != NULL)
		s->hash_key = *config->hash_key;
	else
		hash_key_random(&s->hash_key);
	s->config.hash_key = NULL;
	atomic_init(&s->wake, DUE_NONE);
	pthread_mutex_init(&s->names_lock, NULL);
	pthread_mutex_init(&s->commit_lock, NULL);
	pthread_mutex_init(&s->txns_lock, NULL);
	int status = stripes_open(s);
	if (status == WHERRY_OK)
		status = names_open(s);
	if (status != WHERRY_OK) {
		store_close(s);
		return status;
	}
	*out = s;
	return WHERRY_OK;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	assert(s->txns == NULL);
	close_spaces(s);
	names_close(s);
	stripes_close(s);
	pthread_mutex_destroy(&s->names_lock);
	pthread_mutex_destroy(&s->commit_lock);
	pthread_mutex_destroy(&s->txns_lock);
	mem_free(s);
}

// --- memory ------------------------------------------------------------------------------------------------------

void store_set_memory_limit(struct store *s, uint64_t bytes)
{
	atomic_store_explicit(&s->memory_limit, bytes, memory_order_relaxed);
}

uint64_t store_memory(const struct store *s)
{
	int64_t memory = atomic_load_explicit(&s->memory, memory_order_relaxed);
	return memory < 0 ? 0 : (uint64_t)memory;
}

bool store_memory_short(const struct store *s)
{
	uint64_t limit = atomic_load_explicit(&s->memory_limit, memory_order_relaxed);
	return limit != 0 && store_memory(s) >= limit;
}

// --- LSNs --------------------------------------------------------------------------------------------------------

uint64_t store_lsn(const struct store *s)
{
	return atomic_load_explicit(&s->lsn, memory_order_relaxed);
}

uint64_t store_durable_lsn(const struct store *s)
{
	return s->config.sink == NULL ? store_lsn(s) : atomic_load_explicit(&s->durable, memory_order_acquire);
}

bool store_failed(const struct store *s)
{
	return atomic_load_explicit(&s->failed, memory_order_acquire);
}

void store_durable(struct store *s, uint64_t lsn)
{
	uint64_t known = atomic_load(&s->durable);
	do {
		if (known >= lsn)
			return;
	} while (!atomic_compare_exchange_weak(&s->durable, &known, lsn));
	if (s->config.durable != NULL)
		s->config.durable(s->config.arg, lsn, false);
}

void store_flush_failed(struct store *s)
{
	if (atomic_exchange(&s->failed, true))
		return;
	if (s->config.durable != NULL)
		s->config.durable(s->config.arg, store_lsn(s), true);
}

void store_want_flush(struct store *s, uint64_t lsn)
{
	const struct store_sink *sink = s->config.sink;
	if (sink != NULL && lsn > store_durable_lsn(s))
		sink->flush(sink->self, lsn);
}

// --- finding -----------------------------------------------------------------------------------------------------

uint64_t store_hash(const struct store *s, wherry_span key)
{
	return hash_bytes(&s->hash_key, key.ptr, key.len);
}

// Without the lock: the address may be of a table that is gone, which a prefetch does not mind.
void store_prefetch_slot(const struct store *s, uint32_t ns, uint64_t hash)
{
	const struct table *t = &store_space(s, ns)->tables[hash_stripe(hash)];
	uint32_t home = place_home(hash_place(hash), table_size(t));
	__builtin_prefetch(&s->stripes[hash_stripe(hash)], 1);
	__builtin_prefetch((const void *)((uintptr_t)table_slots(t) + (uintptr_t)home * sizeof(uint64_t)));
}

// The slots must not be read without the lock; if somebody has it, the prefetch isn't worth a wait.
void store_prefetch_entry(const struct store *s, uint32_t ns, uint64_t hash)
{
	struct stripe *stripe = &s->stripes[hash_stripe(hash)];
	const struct table *t = &store_space(s, ns)->tables[hash_stripe(hash)];
	if (table_size(t) == 0 || !stripe_try(stripe))
		return;
	const void *entry = table_guess(t, hash);
	stripe_unlock(stripe);
	if (entry == NULL)
		return;
	__builtin_prefetch(entry);
	__builtin_prefetch((const char *)entry + 64);
}

// --- counters ----------------------------------------------------------------------------------------------------

uint64_t store_keys(const struct store *s, uint32_t ns)
{
	const struct space *space = ns < STORE_NAMESPACES ? store_space(s, ns) : NULL;
	uint64_t keys = 0;
	for (unsigned i = 0; space != NULL && i < STORE_STRIPES; i++)
		keys += table_live(&space->tables[i]);
	return keys;
}

static uint64_t table_bytes(const struct space *space)
{
	uint64_t bytes = 0;
	for (unsigned i = 0; i < STORE_STRIPES; i++) {
		uint32_t size = table_size(&space->tables[i]);
		bytes += size == 0 ? 0 : mem_cost(size * sizeof(uint64_t));
	}
	return bytes;
}

static void read_txns(struct store *s, struct store_stats *out)
{
	pthread_mutex_lock(&s->txns_lock);
	out->commits = s->past_commits;
	out->rollbacks = s->past_rollbacks;
	out->restarts = s->past_restarts;
	for (const struct txn *t = s->txns; t != NULL; t = t->next) {
		out->commits += atomic_load_explicit(&t->commits, memory_order_relaxed);
		out->rollbacks += atomic_load_explicit(&t->rollbacks, memory_order_relaxed);
		out->restarts += atomic_load_explicit(&t->restarts, memory_order_relaxed);
	}
	pthread_mutex_unlock(&s->txns_lock);
}

void store_read_stats(const struct store *s, struct store_stats *out)
{
	*out = (struct store_stats){.expired = atomic_load_explicit(&s->expired, memory_order_relaxed)};
	for (uint32_t ns = 0; ns < store_ns_count(s); ns++) {
		out->keys += store_keys(s, ns);
		out->table_bytes += table_bytes(store_space(s, ns));
	}
	int64_t memory = 0, trees = 0;
	for (unsigned i = 0; i < STORE_STRIPES; i++) {
		memory += atomic_load_explicit(&s->stripes[i].memory, memory_order_relaxed);
		trees += atomic_load_explicit(&s->stripes[i].trees, memory_order_relaxed);
	}
	out->memory = (uint64_t)memory;
	out->records_trees = (uint64_t)trees;
	read_txns((struct store *)(uintptr_t)s, out); // a lock is no change
}
