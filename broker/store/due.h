// The deadlines and alarms of one stripe: a binary heap by time.  Only commits and the expirer change it, so a rollback
// has nothing to put back.  Threads: the stripe's lock.

#ifndef STORE_DUE_H
#define STORE_DUE_H

#include "store/entry.h"

struct due_item {
	int64_t ms;
	struct extra *extra;
};

struct due {
	struct due_item *items; // items[1 .. count]
	uint32_t count, room;
	uint32_t promised; // insertions that the open transaction's commit may make
};

#define DUE_NONE INT64_MAX

bool due_promise(struct stripe *); // room for one more insertion; false: no memory
void due_set(struct stripe *, struct extra *,
    int64_t ms);                          // inserts, moves; DUE_NONE: takes out.  After due_promise
int64_t due_earliest(const struct due *); // DUE_NONE: there is nothing
// Ends a change: promises are void, the stripe's earliest is told, and an empty heap gives its memory back.
void due_settle(struct stripe *);

#endif
