// The ordered records of one key: subkey -> value by memcmp of the subkey, with ranks.  A sorted packed array
// while small, an order-statistics B+tree (counts in the inner nodes, leaves linked) when large, and back
// when it shrinks.  Knows nothing of keys, locks, undo or the log.  Threads: the caller's lock; readers may
// share.

#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

struct records; // opaque

// Above either: a tree.  A record longer than about 500 bytes has an allocation of its own and counts as ten.
enum { RECORDS_PACKED_BYTES = 2048, RECORDS_PACKED_COUNT = 64 };

struct records *records_new(void);                     // NULL: no memory
void records_free(struct records *);                   // NULL does nothing
struct records *records_clone(const struct records *); // NULL: no memory

uint64_t records_count(const struct records *);
size_t records_memory(const struct records *);    // as mem_cost() counts it, all of it
uint64_t records_version(const struct records *); // rises with each change: cursors compare it

// Spans answered point into the records and hold until their next change.
bool records_get(const struct records *, wherry_span subkey, wherry_span *value);
// Inserts or replaces.  WHERRY_OK or ENOMEM (unchanged).  `subkey` and `value` may point into these records.
int records_put(struct records *, wherry_span subkey, wherry_span value);
bool records_del(struct records *, wherry_span subkey); // false: was not there.  Never fails for lack of memory
// Overwrites value[at, at + bytes.len) of an existing record in place; false if it is not there or too short.
bool records_patch(struct records *, wherry_span subkey, uint64_t at, wherry_span bytes);
bool records_rank(const struct records *, wherry_span subkey, uint64_t *rank); // false: not there

// A place: valid while records_version() is unchanged.
struct records_place {
	const void *leaf; // NULL: at the end
	uint32_t index;
};

// The first record >= subkey (direction 1) or the last <= subkey (-1; an empty subkey: the very last).
struct records_place records_seek(const struct records *, wherry_span subkey, int direction);
struct records_place records_seek_rank(const struct records *, uint64_t rank);
// false at the end; else the record at the place, and the place moved one on in `direction`.
bool records_step(
    const struct records *, struct records_place *, int direction, wherry_span *subkey, wherry_span *value);

// Tests and sys.inspect: every invariant (order, counts, links, fill); a static sentence naming the broken
// one, or NULL.
const char *records_fault(const struct records *);
bool records_is_tree(const struct records *);

#endif
