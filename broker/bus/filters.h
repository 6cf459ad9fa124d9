// Which targets a topic leads to.  A filter without a wildcard is found by one look into a hash table; those with one are
// in a trie by tokens, whose edges are in another, so that a step costs the same however many there are beside it.  A walk
// visits each node at most once, so what a publish may cost is bounded by how many wildcards the bus allows.
// Threads: the bus's lock.

#ifndef BUS_FILTERS_H
#define BUS_FILTERS_H

#include "base/hash.h"
#include "bus/links.h"
#include "bus/topic.h"

enum {
	FILTERS_WILD_TOKENS = 32, // of a filter with a wildcard
};

struct filters {
	struct hash_key key;
	struct links exact, edges;
	struct filter_node *root;
	size_t nodes; // but the root
};

struct filter_place; // where one filter's target is

int filters_open(struct filters *);   // ENOMEM
void filters_close(struct filters *); // empty by then, or its places are freed
// The place of a filter without fault; made if it is new.  ENOMEM; ELIMIT: a wildcard and more than FILTERS_WILD_TOKENS tokens.
int filters_place(struct filters *, wherry_span filter, struct filter_place **);
void *filters_find(const struct filters *, wherry_span filter); // its target; NULL: none
void **filter_target(struct filter_place *);                    // NULL at first
void filters_forget(struct filters *, struct filter_place *);   // its target is NULL: frees it
// Calls found() with each target that is not NULL, each once.
void filters_match(const struct filters *, wherry_span topic, void (*found)(void *arg, void *target), void *arg);
void filters_each(const struct filters *, void (*each)(void *arg, void *target), void *arg);

#endif
