// The queue module from the inside: what its files share.  queue.c is the index: types, options, arguments, commands.
//
// CAVEATS FIRST.  At least once: a message may come again until it is acknowledged in time; at most once with
// ack: false.  First in, first out within a priority while nothing is redelivered.  Ids begin at 1 again in a queue
// that was deleted, so a token of before may meet a message of after: let workers finish first.
//
// A key of the type "queue.queue" has a small head (struct head: what changes with every command) and records in
// families, by the first byte of the subkey (record.h):
//
//   message   id -> what it is, its value, its headers.  Written once; changes of state patch its first bytes
//   ready     9 - priority, id          delayed    due time, id
//   reserved  deadline, id -> session   expiry     deadline, id (only of those with ttl_ms)
//   known     deduplication id -> message id, until when      known until: time, message id -> deduplication id
//   dead      origin, id: which of them came from where, in a queue that gets dead messages
//   settings  what queue.create said    counts     what seldom happens
//
// So push is two small records more, pop is three changes of O(log n), ack is two removals, and counting is in the head.
// The key's alarm is never later than the earliest of all those times.  It may be earlier: then it finds nothing to do
// and is set anew, which costs less than moving it with each message.
//
// Threads: struct queues is written by the control thread only, in the atomics; commands run on many workers at once.
// All state is in the keys; sessions.c keeps a hint of who may hold something where.

#ifndef QUEUE_H
#define QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

enum { QUEUE_QUEUE }; // index of the type

enum option {
	OPTION_VISIBLE,
	OPTION_MAX_ATTEMPTS,
	OPTION_DEDUP_WINDOW,
	OPTION_DEDUP_IDS,
	OPTION_MAX_RESERVE,
	OPTION_MAX_MESSAGE,
	OPTION_MAX_POP,
	OPTION_POP_BYTES,
	OPTIONS,
};

// What happens to messages: metrics of the module, and from EVENT_KEPT on counts of the queue.
enum event {
	EVENT_PUSHED,
	EVENT_DUPLICATE,
	EVENT_POPPED,
	EVENT_ACKED,
	EVENT_KICKED,
	EVENT_PURGED,
	EVENT_KEPT,
	EVENT_NACKED = EVENT_KEPT,
	EVENT_TIMEOUT,
	EVENT_RETURNED,
	EVENT_DEAD,
	EVENT_EXPIRED,
	EVENT_DROPPED,
	EVENTS,
};

struct sessions;

struct queues {
	const wherry_keys *keys; // the host's tables, one load nearer than through `host`
	const wherry_write *write;
	const wherry_read *read;
	const wherry_host *host;
	wherry_owner *owner;
	struct sessions *sessions;
	_Atomic int64_t options[OPTIONS];
};

static inline int64_t queues_option(const struct queues *all, enum option option)
{
	return atomic_load_explicit(&all->options[option], memory_order_relaxed);
}

#define QUEUE_MS_MOST (INT64_C(1) << 40)                  // the longest delay or lifetime: some 34 years
#define QUEUE_VISIBLE_MOST (INT64_C(12) * 60 * 60 * 1000) // the longest a message is out of sight
#define QUEUE_DEDUP_MOST (INT64_C(24) * 60 * 60 * 1000)
enum { QUEUE_BACKOFFS = 16, QUEUE_PRIORITY = 4, QUEUE_PRIORITY_MOST = 9, QUEUE_MAX_MESSAGE = 8 << 20 };

// The places of arguments in wherry_call.args: the tables in queue.c are made from these.
enum { QUEUE_KEY };
enum { PUSH_KEY, PUSH_PRIORITY, PUSH_DELAY_MS, PUSH_TTL_MS, PUSH_DEDUP, PUSH_MAX_ATTEMPTS, PUSH_HEADERS, PUSH_VALUES };
enum { POP_WAIT_MS, POP_MAX, POP_VISIBLE_MS, POP_HOLD, POP_ACK, POP_KEYS };
enum { ACK_KEY, ACK_TOKENS };
enum { NACK_KEY, NACK_TOKEN, NACK_DELAY_MS, NACK_COUNT, NACK_REASON };
enum { TOUCH_KEY, TOUCH_TOKEN, TOUCH_VISIBLE_MS };
enum { TERM_KEY, TERM_TOKEN, TERM_REASON };
enum { PEEK_KEY, PEEK_STATE, PEEK_SKIP, PEEK_MAX };
enum { STATS_KEY };
enum { KICK_KEY, KICK_COUNT };
enum { PAUSE_KEY, PAUSE_IN, PAUSE_OUT };
enum {
	CREATE_KEY,
	CREATE_VISIBLE_MS,
	CREATE_MAX_ATTEMPTS,
	CREATE_BACKOFF,
	CREATE_DEAD_LETTER,
	CREATE_MAX_LENGTH,
	CREATE_MAX_BYTES,
	CREATE_OVERFLOW,
	CREATE_DEDUP_MS
};
enum { RECLAIM_KEY, RECLAIM_AFTER };
enum { RECOVER_CURSOR };

// push.c, pop.c, settle.c
int32_t queue_push(void *self, wherry_call *);
int32_t queue_pop(void *self, wherry_call *);
int32_t queue_ack(void *self, wherry_call *);
int32_t queue_nack(void *self, wherry_call *);
int32_t queue_touch(void *self, wherry_call *);
int32_t queue_term(void *self, wherry_call *);
// look.c, kick.c, admin.c
int32_t queue_peek(void *self, wherry_call *);
int32_t queue_stats(void *self, wherry_call *);
int32_t queue_kick(void *self, wherry_call *);
int32_t queue_purge(void *self, wherry_call *);
int32_t queue_pause(void *self, wherry_call *);
int32_t queue_create(void *self, wherry_call *);
int32_t queue_delete(void *self, wherry_call *);
// due.c, reclaim.c: the broker itself asks
int32_t queue_due(void *self, wherry_call *);
int32_t queue_reclaim(void *self, wherry_call *);
int32_t queue_recover(void *self, wherry_call *);
int32_t queues_start(void *self, wherry_why *);
void queues_session_ended(void *self, uint64_t session);

// fail.c: errors with numbers in their text.
int32_t queue_fail(const struct queues *, wherry_call *, int32_t status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// An option that is an integer within bounds: absent ones become `preset`.  EARG names it.
int32_t queue_number(const struct queues *, wherry_call *, uint32_t arg, const char *name, int64_t least, int64_t most,
    int64_t preset, int64_t *out);

static inline bool queue_flag(const wherry_value *option, bool preset)
{
	return option->kind == WHERRY_BOOL ? option->as.i != 0 : preset;
}

#endif
