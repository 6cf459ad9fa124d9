// A key in memory: one block of {header, [pointer to its extra], key, head}.  The extra holds what few keys have:
// records, a deadline, an alarm.  Threads: the stripe's lock.

#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "store/records.h"
#include "store/store.h"

enum {
	ENTRY_EXTRA = 1,   // the pointer is there
	ENTRY_GONE = 2,    // removed by the open transaction: no lookup finds it, a rollback clears the bit
	ENTRY_CHANGED = 4, // by the open transaction
};

struct entry {
	uint64_t revision;
	uint32_t head_len;
	uint16_t key_len;
	uint8_t type, flags;
	unsigned char rest[]; // [struct extra *], key, head
};

static_assert(sizeof(struct entry) == 16, "the header that each key pays");
static_assert(STORE_KEY_BYTES <= UINT16_MAX && STORE_TYPES <= UINT8_MAX, "the fields hold them");

struct extra {
	struct entry *entry;
	struct records *records;       // NULL: none
	int64_t deadline_ms, alarm_ms; // 0: none
	uint32_t place;                // in the stripe's due heap, 1-based; 0: not there
	uint16_t ns;
};

static inline struct extra *entry_extra(const struct entry *e)
{
	struct extra *x = NULL;
	if (e->flags & ENTRY_EXTRA)
		memcpy(&x, e->rest, sizeof(x));
	return x;
}

static inline void entry_set_extra(struct entry *e, struct extra *x)
{
	memcpy(e->rest, &x, sizeof(x));
}

static inline unsigned char *entry_key_ptr(const struct entry *e)
{
	return (unsigned char *)e->rest + (e->flags & ENTRY_EXTRA ? sizeof(struct extra *) : 0);
}

static inline wherry_span entry_key(const struct entry *e)
{
	return (wherry_span){entry_key_ptr(e), e->key_len};
}

static inline unsigned char *entry_head_ptr(const struct entry *e)
{
	return entry_key_ptr(e) + e->key_len;
}

static inline wherry_span entry_head(const struct entry *e)
{
	return (wherry_span){entry_head_ptr(e), e->head_len};
}

static inline struct records *entry_records(const struct entry *e)
{
	const struct extra *x = entry_extra(e);
	return x == NULL ? NULL : x->records;
}

static inline bool entry_expired(const struct entry *e, int64_t now_ms)
{
	const struct extra *x = entry_extra(e);
	return x != NULL && x->deadline_ms != 0 && x->deadline_ms <= now_ms;
}

// What the block of such an entry costs.  Blocks are asked for at the size that they cost anyway, so a head may grow
// in place up to the next chunk.
static inline size_t entry_cost_of(bool extra, size_t key_len, size_t head_len)
{
	return mem_cost(sizeof(struct entry) + (extra ? sizeof(struct extra *) : 0) + key_len + head_len);
}

static inline size_t entry_cost(const struct entry *e)
{
	return entry_cost_of(e->flags & ENTRY_EXTRA, e->key_len, e->head_len);
}

struct stripe;

// All of these count for the stripe.  NULL: no memory.
struct entry *entry_new(struct stripe *, struct extra *, wherry_span key, uint32_t type, wherry_span head);
void entry_free(struct stripe *, struct entry *); // the block only
struct extra *extra_new(struct stripe *, uint32_t ns);
void extra_free(struct stripe *, struct extra *); // with its records and its place among the due
void entry_free_all(struct stripe *, struct entry *);
void records_release(struct stripe *, struct records *); // NULL does nothing
void records_counted(struct stripe *,
    const struct records *); // a new one, or after records_measure and a change

struct records_measure {
	size_t memory;
	bool tree;
};
struct records_measure records_measured(const struct records *);
void records_recount(struct stripe *, const struct records *, struct records_measure before);

uint64_t entry_bytes(const struct entry *);
struct txn_view entry_view(const struct entry *);

#endif
