// One namespace's keys of one stripe: open addressing with linear probing.  A slot is 48 bits of pointer and 16 of the
// hash.  A key's home is its place (32 further hash bits) scaled to the size, so sizes need not be powers of two and
// homes are in the order of places: what a scan's cursor rests on.
//
// Threads: the stripe's lock; `slots`, `size` and `live` are atomics because prefetches and counts read them without.

#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stdatomic.h>

#include "store/entry.h"

enum { STRIPE_SHIFT = 64 - 9, PLACE_SHIFT = STRIPE_SHIFT - 32, SLOT_TAG_SHIFT = 48 };
static_assert(STORE_STRIPES == 1 << (64 - STRIPE_SHIFT), "the top bits choose the stripe");

#define SLOT_EMPTY UINT64_C(0)
#define SLOT_DEAD UINT64_C(1) // was a key: probing goes on behind it
#define SLOT_POINTER ((UINT64_C(1) << SLOT_TAG_SHIFT) - 1)

struct table {
	_Atomic(uint64_t *) slots;
	_Atomic uint32_t size, live; // live: those that are GONE too, until the commit
	uint32_t dead;
};

static inline uint32_t hash_stripe(uint64_t hash)
{
	return (uint32_t)(hash >> STRIPE_SHIFT);
}

static inline uint32_t hash_place(uint64_t hash)
{
	return (uint32_t)(hash >> PLACE_SHIFT);
}

static inline uint32_t place_home(uint32_t place, uint32_t size)
{
	return (uint32_t)((uint64_t)place * size >> 32);
}

static inline uint64_t *table_slots(const struct table *t)
{
	return atomic_load_explicit(&t->slots, memory_order_relaxed);
}

static inline uint32_t table_size(const struct table *t)
{
	return atomic_load_explicit(&t->size, memory_order_relaxed);
}

static inline uint32_t table_live(const struct table *t)
{
	return atomic_load_explicit(&t->live, memory_order_relaxed);
}

static inline struct entry *slot_pointer(uint64_t slot)
{
	return (struct entry *)(uintptr_t)(slot & SLOT_POINTER);
}

static inline bool slot_is_key(uint64_t slot)
{
	return slot > SLOT_DEAD;
}

struct stripe;

struct entry *table_find(const struct table *, uint64_t hash, wherry_span key); // not what is GONE
const struct entry *table_guess(const struct table *, uint64_t hash);           // by the tag alone; NULL: none
bool table_reserve(struct stripe *, struct table *);                            // room for one more; false: no memory
void table_insert(struct table *, uint64_t hash, struct entry *);               // after table_reserve
void table_replace(struct table *, uint64_t hash, const struct entry *old, struct entry *); // never fails
void table_erase(struct stripe *, struct table *, uint64_t hash,
    const struct entry *); // never fails; may shrink

#endif
