// The last message of each topic, as far as it was asked to be kept.  A trie by tokens, so that a filter leads to its topics
// without a look at all others.  What has expired is not shown, but stays until it is forgotten: whoever has a message
// kept knows when.  Threads: the bus's lock.

#ifndef BUS_RETAINED_H
#define BUS_RETAINED_H

#include "base/hash.h"
#include "bus/links.h"
#include "bus/topic.h"

struct retained {
	struct hash_key key;
	struct links edges;
	struct kept_node *root;
	uint64_t count, bytes;
};

struct kept {
	int64_t expires_ms; // Unix time; 0: never
	uint64_t met;       // the caller's own
	wherry_span topic, payload, headers;
};

int retained_open(struct retained *); // ENOMEM
void retained_close(struct retained *);
bool retained_clears(wherry_span payload); // nil or empty: the topic's is forgotten
// Keeps it in the place of the one before, or forgets that.  ENOMEM: nothing changed.
int retained_put(struct retained *, const wherry_message *);
// What count and bytes would be.
void retained_would_be(const struct retained *, const wherry_message *, uint64_t *count, uint64_t *bytes);
// Those that the filter matches.  each() answers 0 to go on; it must change nothing.  false: it ended.
bool retained_each(const struct retained *, wherry_span filter, int32_t (*each)(void *arg, struct kept *), void *arg);

#endif
