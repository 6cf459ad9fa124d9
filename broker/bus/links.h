// A chained hash table of things that begin with a struct link.  It owns only its heads.  Threads: the owner's lock.

#ifndef BUS_LINKS_H
#define BUS_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link {
	struct link *next;
	uint64_t hash;
};

struct links {
	struct link **heads;
	size_t room, count; // room: a power of two, or 0
};

bool links_add(struct links *, struct link *); // false: no memory, and nothing changed
void links_remove(struct links *, struct link *);
void links_free(struct links *); // the heads

// The first of those whose hash may be the same; go on with ->next, and compare.
static inline struct link *links_first(const struct links *l, uint64_t hash)
{
	return l->room > 0 ? l->heads[hash & (l->room - 1)] : NULL;
}

#endif
