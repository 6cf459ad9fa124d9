// The slow log: the last requests that took long, with their arguments cut short and secrets left out.
//
// Threads: any.  Its lock is taken alone, and only for requests that were slow.

#ifndef RUN_SLOW_H
#define RUN_SLOW_H

#include "run/router.h"

struct slow_run {
	uint64_t id; // rises by one for each slow request, also those that are not kept
	int64_t at_ms;
	uint64_t us, session; // session 0: the broker itself, or one that may be gone
	unsigned among;       // how many ran in a row that was timed as one; 1: it is certain which of them was slow
	const char *command, *module, *ns, *client, *remote;
	int status;
	wherry_span args; // msgpack: an array of str
};

// The newest first, until each() says false; under the lock.  `clear` forgets all of them in the same step.
void slow_each(struct router *, bool clear, bool (*each)(void *arg, const struct slow_run *), void *arg);
void slow_clear(struct router *);

#endif
