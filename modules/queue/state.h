// A queue that is open during a run, and what may happen to a message in it.
//
// Whoever opens a queue closes it before the same key is opened again (a dead-letter queue is a queue like others): the
// head is in the struct meanwhile.  On an error nothing has to be closed: the broker undoes it all.
// All functions answer a status; anything but OK ends the run with it, unless it says otherwise.

#ifndef QUEUE_STATE_H
#define QUEUE_STATE_H

#include "bytes.h"
#include "record.h"

struct tally {
	uint32_t events[EVENTS];
};

enum overflow { OVERFLOW_REJECT, OVERFLOW_DROP_OLDEST, OVERFLOW_DEAD_OLDEST };

// What holds for a queue: its own settings, the module's options for the rest.
struct settings {
	int64_t visible_ms, dedup_ms;
	uint32_t max_attempts;          // 0: any number
	uint64_t max_length, max_bytes; // 0: unbounded
	uint8_t overflow;
	uint8_t backoffs;
	int64_t backoff_ms[QUEUE_BACKOFFS];
	bool has_dead_letter, drops_dead; // a name of its own; none at all
	wherry_span dead_letter;          // lent by the key
};

struct queue {
	const struct queues *all;
	wherry_call *call;
	uint32_t arg;
	bool there, changed;
	wherry_span key; // of an argument; of one that need() gave, only if whoever opened it says so
	struct head head;
	int64_t alarm_ms, wake_ms; // as it is; the earliest time that came into being
	int64_t deadline_ms;       // of the key
	uint32_t fresh;            // how many became ready
	uint32_t events[EVENTS];
	struct tally *tally;
	struct queue *dead; // room for its dead-letter queue, open if dead->all is set
};

// queue.c's part of the run: OK also where there is none (there is false).  `dead` may be NULL: nothing dies in it.
int32_t queue_open(
    struct queue *, const struct queues *, wherry_call *, uint32_t arg, struct queue *dead, struct tally *);
int32_t queue_make(struct queue *); // it is there from now on
int32_t queue_close(struct queue *);
// Sets the alarm to the earliest of all times there are; after the last change.  What is known under a deduplication id
// is forgotten with KNOWN_LATE_MS of delay, and so much of it at once.
enum { KNOWN_LATE_MS = 1000 };
int32_t queue_alarm(struct queue *);
void tally_tell(const struct queues *, const struct tally *); // the last thing before OK is answered

// The first record at or after `from`, if it is of that family: ENOKEY if not.
int32_t queue_first(struct queue *, enum family, const struct subkey *from, wherry_span *subkey, wherry_span *value);
// How many records of a family lie in [from, to].
int32_t queue_count(struct queue *, const struct subkey *from, const struct subkey *to, uint64_t *count);

// settings.c
int32_t settings_read(struct queue *, struct settings *);
int32_t settings_dead_key(struct queue *, const struct settings *, struct bytes *, wherry_span *key);

// --- messages ---------------------------------------------------------------------------------------------------------

int32_t message_get(struct queue *, uint64_t id, struct message *); // ENOKEY; ECORRUPT
// A new one: priority, max_attempts, expires, flags, first, last, value and headers are given; delayed if due_ms lies ahead.
int32_t message_add(struct queue *, struct message *);
int32_t message_ready(struct queue *, struct message *);
int32_t message_delay(struct queue *, struct message *, int64_t until_ms);
int32_t message_reserve(struct queue *, struct message *, int64_t until_ms, uint64_t session);
int32_t message_remove(struct queue *, const struct message *);

// dead.c
// Its time, session or worker gave it up: ready or delayed again, or dead.
int32_t message_failed(struct queue *, struct message *, int64_t delay_ms, wherry_span error);
// Moves it to the dead-letter queue, with its history; or drops it, where there is none.  `event` says which of the
// counts.  ETYPE: what has that name is no queue.
enum death { DEATH_ATTEMPTS, DEATH_REJECTED, DEATH_EXPIRED, DEATH_OVERFLOW };
int32_t message_die(struct queue *, struct message *, enum death, wherry_span error);
// What to do where nobody can be told ETYPE: the message is delayed, and tried again then.  Other statuses stay.
int32_t message_kept(struct queue *, struct message *, int32_t status);
uint64_t origin_hash(wherry_span key);
// The key of the queue that a dead message came from, into `room`.  EARG: it does not say.
int32_t message_origin(const struct queues *, const struct message *, void *room, size_t most, wherry_span *key);
// Opens the queue's dead-letter queue by need(); *there false: it drops its dead.
int32_t dead_open(struct queue *, bool *there);

// push.c
int32_t known_forget(struct queue *, wherry_span until, wherry_span name); // its two records
// Room for `messages` of `bytes` in all, as the queue's overflow says.  EFULL.  A dead-letter queue is never full.
int32_t queue_room(struct queue *, uint64_t messages, uint64_t bytes, bool never_full);

#define QUEUE_TEXT(literal) ((wherry_span){(literal), sizeof(literal) - 1})

#endif
