// The open-addressing tables.

#include "store/inside.h"

// Load at most 17/20.  Below STEEP slots a table grows by half, above by a quarter: what a key pays for empty slots
// counts there.
enum { LOAD_NUM = 17, LOAD_DEN = 20, SIZE_LEAST = 8, STEEP = 512, AHEAD = 8 };

static uint32_t next_index(uint32_t index, uint32_t size)
{
	return index + 1 == size ? 0 : index + 1;
}

static uint32_t prev_index(uint32_t index, uint32_t size)
{
	return index == 0 ? size - 1 : index - 1;
}

static bool entry_is(const struct entry *e, wherry_span key)
{
	return e->key_len == key.len && !(e->flags & ENTRY_GONE) && memcmp(entry_key_ptr(e), key.ptr, key.len) == 0;
}

static uint64_t slot_of(uint64_t hash, const struct entry *e)
{
	uint64_t pointer = (uintptr_t)e;
	assert((pointer & ~SLOT_POINTER) == 0);
	return hash << SLOT_TAG_SHIFT | pointer;
}

struct entry *table_find(const struct table *t, uint64_t hash, wherry_span key)
{
	uint32_t size = table_size(t);
	if (size == 0)
		return NULL;
	const uint64_t *slots = table_slots(t);
	uint64_t tag = hash << SLOT_TAG_SHIFT;
	for (uint32_t i = place_home(hash_place(hash), size); slots[i] != SLOT_EMPTY; i = next_index(i, size)) {
		uint64_t pointer = slots[i] ^ tag; // the pointer alone, if the tag is the same
		if (pointer <= SLOT_POINTER && slot_is_key(pointer) && entry_is(slot_pointer(pointer), key))
			return slot_pointer(pointer);
	}
	return NULL;
}

const struct entry *table_guess(const struct table *t, uint64_t hash)
{
	uint32_t size = table_size(t);
	if (size == 0)
		return NULL;
	const uint64_t *slots = table_slots(t);
	uint64_t tag = hash << SLOT_TAG_SHIFT;
	for (uint32_t i = place_home(hash_place(hash), size); slots[i] != SLOT_EMPTY; i = next_index(i, size)) {
		uint64_t pointer = slots[i] ^ tag;
		if (pointer <= SLOT_POINTER && slot_is_key(pointer))
			return slot_pointer(pointer);
	}
	return NULL;
}

// Where `e` is: it is there.
static uint32_t index_of(const struct table *t, uint64_t hash, const struct entry *e)
{
	uint32_t size = table_size(t);
	const uint64_t *slots = table_slots(t);
	uint64_t wanted = slot_of(hash, e);
	uint32_t i = place_home(hash_place(hash), size);
	while (slots[i] != wanted) {
		assert(slots[i] != SLOT_EMPTY);
		i = next_index(i, size);
	}
	return i;
}

static void put(uint64_t *slots, uint32_t size, uint64_t hash, const struct entry *e)
{
	uint32_t i = place_home(hash_place(hash), size);
	while (slots[i] != SLOT_EMPTY)
		i = next_index(i, size);
	slots[i] = slot_of(hash, e);
}

static size_t slots_cost(uint32_t size)
{
	return size == 0 ? 0 : mem_cost(size * sizeof(uint64_t));
}

static void refill(const struct hash_key *key, const struct table *t, uint64_t *fresh, uint32_t fresh_size)
{
	const uint64_t *slots = table_slots(t);
	uint32_t size = table_size(t);
	for (uint32_t i = 0; i < size; i++) {
		if (i + AHEAD < size)
			__builtin_prefetch(slot_pointer(slots[i + AHEAD]));
		if (!slot_is_key(slots[i]))
			continue;
		struct entry *e = slot_pointer(slots[i]);
		put(fresh, fresh_size, hash_bytes(key, entry_key_ptr(e), e->key_len), e);
	}
}

static void give(struct stripe *stripe, struct table *t, uint64_t *slots, uint32_t size)
{
	uint64_t *old = table_slots(t);
	stripe_memory(stripe, (int64_t)slots_cost(size) - (int64_t)slots_cost(table_size(t)));
	atomic_store_explicit(&t->slots, slots, memory_order_relaxed);
	atomic_store_explicit(&t->size, size, memory_order_relaxed);
	t->dead = 0;
	mem_free(old);
}

static bool resize(struct stripe *stripe, struct table *t, uint32_t size)
{
	uint64_t *slots = mem_zalloc(size * sizeof(*slots));
	if (slots == NULL)
		return false;
	refill(&stripe->store->hash_key, t, slots, size);
	give(stripe, t, slots, size);
	return true;
}

static uint32_t grown(uint32_t size)
{
	if (size < SIZE_LEAST)
		return SIZE_LEAST;
	return size < STEEP ? size + size / 2 : size + size / 4;
}

bool table_reserve(struct stripe *stripe, struct table *t)
{
	uint32_t size = table_size(t), live = table_live(t);
	uint64_t used = (uint64_t)live + t->dead + 1;
	if (used * LOAD_DEN <= (uint64_t)size * LOAD_NUM)
		return true;
	// Mostly tombstones: the same size again, without them.
	bool cleaning = ((uint64_t)live + 1) * LOAD_DEN <= (uint64_t)size * (LOAD_NUM - 3);
	return resize(stripe, t, cleaning ? size : grown(size));
}

void table_insert(struct table *t, uint64_t hash, struct entry *e)
{
	uint64_t *slots = table_slots(t);
	uint32_t size = table_size(t);
	uint32_t i = place_home(hash_place(hash), size);
	while (slot_is_key(slots[i]))
		i = next_index(i, size);
	if (slots[i] == SLOT_DEAD)
		t->dead--;
	slots[i] = slot_of(hash, e);
	atomic_store_explicit(&t->live, table_live(t) + 1, memory_order_relaxed);
}

void table_replace(struct table *t, uint64_t hash, const struct entry *old, struct entry *e)
{
	table_slots(t)[index_of(t, hash, old)] = slot_of(hash, e);
}

// A slot in front of an empty one need not be a tombstone, nor need those before it.
static void bury(struct table *t, uint32_t i)
{
	uint64_t *slots = table_slots(t);
	uint32_t size = table_size(t);
	slots[i] = SLOT_DEAD;
	t->dead++;
	if (slots[next_index(i, size)] != SLOT_EMPTY)
		return;
	for (; slots[i] == SLOT_DEAD; i = prev_index(i, size)) {
		slots[i] = SLOT_EMPTY;
		t->dead--;
	}
}

void table_erase(struct stripe *stripe, struct table *t, uint64_t hash, const struct entry *e)
{
	bury(t, index_of(t, hash, e));
	uint32_t live = table_live(t) - 1, size = table_size(t);
	atomic_store_explicit(&t->live, live, memory_order_relaxed);
	if (live == 0)
		give(stripe, t, NULL, 0);
	else if (size > SIZE_LEAST && live < size / 4)
		(void)resize(stripe, t,
		    size / 2 < SIZE_LEAST ? SIZE_LEAST : size / 2); // no memory: stays large
}
