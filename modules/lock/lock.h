// The lock module from the inside: what its files share.  lock.c is the index: the type, the options, the commands.
//
// A key of the type "lock.lock" exists while somebody holds it.  Its head says how many may hold it at once, each of its
// records is one holder: token -> until when, since when, for which session.  Who waits is known to the broker alone.
//
// The token is the revision of the commit that granted, which no command can know before it is committed.  So the newest
// holder stands under NEWEST until the next change of the lock, and whoever makes that change first gives it its token,
// the revision that the key is at until then: lock_settle().
//
// Time frees a lock by the alarm alone: a command that came a moment before it must not overtake those who wait.  The
// alarm may be early, never late: it is at or before the deadline of each holder.
//
// A session that holds something which ends with it has a key of the type "lock.session" in the module's own namespace: a
// record for each such lock, of any namespace.  It may have too many records, of locks that were deleted, never too few.
//
// Threads: struct lock is written by the control thread only, in the atomics; commands run on many workers at once.

#ifndef LOCK_H
#define LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

struct lock {
	const wherry_keys *keys;
	const wherry_write *write;
	const wherry_host *host;
	wherry_owner *owner;
	_Atomic int64_t ttl, max_ttl, max_wait, max_permits; // the options
};

enum { LOCK_LOCK, LOCK_SESSION }; // index of the type

enum { METRIC_GRANTED, METRIC_REFUSED, METRIC_RELEASED, METRIC_EXTENDED, METRIC_EXPIRED, METRIC_ENDED, METRIC_STALE };

// The places of arguments in wherry_call.args: the tables in lock.c are made from these.
enum { NAME };
enum { ACQUIRE_NAME, ACQUIRE_TTL_MS, ACQUIRE_WAIT_MS, ACQUIRE_PERMITS, ACQUIRE_SESSION };
enum { RELEASE_NAME, RELEASE_TOKEN, RELEASE_PERMITS };
enum { EXTEND_NAME, EXTEND_TOKEN, EXTEND_TTL_MS, EXTEND_PERMITS };
enum { LET_GO_NAME, LET_GO_SESSION };
enum { LIST_CURSOR, LIST_LIMIT };

// A lock as it is while a command runs.  Free: no record, and no key.
struct held {
	wherry_key key;
	uint32_t permits; // 0: free
};

struct holder {
	uint64_t token; // 0: granted by the transaction that runs now
	int64_t deadline_ms, since_ms;
	uint64_t session;
	bool bound; // it ends with its session
};

// A walk over the holders, oldest first.  Ends where the lock changes.
struct holders {
	wherry_cursor cursor;
	const wherry_keys *keys;
	uint64_t revision;
};

// holders.c: the key and its records.  All answer the status of what failed first.
int32_t lock_open(const struct lock *, wherry_call *, uint32_t arg, struct held *); // OK, too, if it is free
int32_t lock_settle(const struct lock *, wherry_call *, uint32_t arg, const struct held *);
int32_t lock_add(const struct lock *, wherry_call *, uint32_t arg, uint32_t permits, const struct holder *);
int32_t lock_find(const struct lock *, wherry_call *, uint32_t arg, uint64_t token, struct holder *); // once settled
int32_t lock_put(const struct lock *, wherry_call *, uint32_t arg, const struct holder *);
int32_t lock_drop(const struct lock *, wherry_call *, uint32_t arg, uint64_t token);
int32_t lock_freed(const struct lock *, wherry_call *, uint32_t arg, uint32_t count); // some were dropped
int32_t lock_wake_by(const struct lock *, wherry_call *, uint32_t arg, const struct held *, int64_t deadline_ms);
int32_t lock_holders(const struct lock *, wherry_call *, uint32_t arg, const struct held *, struct holders *);
int32_t lock_next(struct holders *, struct holder *); // ENOKEY at the end
uint32_t lock_head_permits(wherry_span head);

// terms.c: what a caller asks for, checked.
int32_t lock_ttl(const struct lock *, wherry_call *, uint32_t arg, int64_t *deadline_ms);
int32_t lock_wait(const struct lock *, wherry_call *, uint32_t arg, int64_t *wait_ms);
int32_t lock_permits(const struct lock *, wherry_call *, uint32_t arg, uint32_t *permits); // 0: it said nothing
int32_t lock_same_permits(const struct lock *, wherry_call *, const struct held *, uint32_t permits);
int32_t lock_fail(const struct lock *, wherry_call *, int32_t status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// session.c: what ends with a session.
int32_t lock_bind(const struct lock *, wherry_call *, uint32_t arg);                     // to the one that asks
int32_t lock_unbind(const struct lock *, wherry_call *, uint32_t arg, uint64_t session); // unless it holds more of it
int32_t lock_ended(void *self, wherry_call *);  // a session has: lets go of all that is bound to it, by
int32_t lock_let_go(void *self, wherry_call *); // one request for each lock
int32_t lock_sweep(void *self, wherry_call *);  // looks for sessions that ended while the module was not there
void lock_session_ended(void *self, uint64_t session);
int32_t lock_start(void *self, wherry_why *);

// ending.c: many holders of one lock
struct lock_ending {
	uint64_t session; // whose bound ones end; 0: those whose time has run out
	int64_t next_ms;  // of those that stay, the first deadline
	uint32_t count;
};
int32_t lock_end_some(const struct lock *, wherry_call *, uint32_t arg, const struct held *, struct lock_ending *);
int32_t lock_expire(void *self, wherry_call *); // the alarm

// acquire.c, hold.c, show.c, list.c: the commands
int32_t lock_acquire(void *self, wherry_call *);
int32_t lock_release(void *self, wherry_call *);
int32_t lock_extend(void *self, wherry_call *);
int32_t lock_show(void *self, wherry_call *);
int32_t lock_list(void *self, wherry_call *);

static inline int64_t lock_option(const _Atomic int64_t *option)
{
	return atomic_load_explicit(option, memory_order_relaxed);
}

static inline bool lock_flag(const wherry_value *option)
{
	return option->kind == WHERRY_BOOL && option->as.i;
}

static inline void lock_count(const struct lock *l, uint32_t metric, int64_t n)
{
	l->host->metric_add(l->owner, metric, n);
}

#endif
