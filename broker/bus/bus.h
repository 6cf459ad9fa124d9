// Publish/subscribe.  A message goes to every subscription whose filter matches its topic, and to one member of each group.
//
//   filters.c     topic -> targets
//   subscribe.c   targets, subscriptions, groups
//   bus.c         publishing
//   retained.c    the last messages of topics
//   segment.c     messages encoded once, for all who get them
//   parcel.c      what one send takes of them
//   watch.c       what becomes of keys, for those who watch them
//   outbox.c      what waits for one session: bounds, gaps, deliveries as they go over the wire
//
// A published message is encoded into the open segment of each target that it matches; bus_flush() hands the segments to
// the outboxes of all their subscribers and tells the sessions that there is something to take.  So what is published in
// one turn travels as one delivery, encoded once.  All of it is in one order, which every subscriber sees.
//
// Threads: any.  Locks: bus.lock, then an outbox's; ready() is called under neither.

#ifndef BUS_BUS_H
#define BUS_BUS_H

#include <stdatomic.h>

#include "bus/topic.h"

struct bus;
struct outbox;
struct parcel;

// Read each time they are used.
struct bus_limits {
	_Atomic int64_t subscriptions;   // of a session
	_Atomic int64_t wildcards;       // filters with a wildcard, of all together: bounds what a publish may cost
	_Atomic int64_t messages, bytes; // of a subscription that says nothing itself
	_Atomic int64_t messages_most, bytes_most; // that it may ask for
	_Atomic int64_t retained, retained_bytes;  // kept messages, of all together
	_Atomic int64_t watched_keys;              // keys and patterns that a session watches
	_Atomic int64_t watch_patterns;            // of all together: each costs a look at every change
};

enum { SUBSCRIBE_FILTERS = 256 }; // of one subscription, at most

// How the messages of a subscription are encoded: once for all that have its filters, and want them so.
enum encoding {
	ENCODED_VALUES, // [topic, payload, headers]
	// A message of SP's: its length in eight bytes, the topic, a zero byte, the payload; or a PUB client's body as it came.
	ENCODED_FRAMES,
	ENCODED_MARKED_FRAMES, // on ipc: a byte 01 before each length
};

enum overflow { OVERFLOW_DROP_OLDEST, OVERFLOW_DROP_NEWEST, OVERFLOW_CONFLATE, OVERFLOW_DISCONNECT };

struct outbox_ops {
	void (*ready)(void *peer);    // there is something to take; not again before outbox_take() found nothing more
	void (*overflow)(void *peer); // a subscription with OVERFLOW_DISCONNECT is full: end the session
	void (*gone)(void *peer);     // the outbox is freed: nothing is called any more
};

struct subscribe {
	const wherry_span *filters; // a message that matches several is delivered once
	uint32_t filter_count;
	wherry_span group;  // of those with the same filters; empty: none
	wherry_span sticky; // the header whose value chooses the member; empty: who has least
	enum overflow overflow;
	int64_t messages, bytes; // 0: the limits' own
	bool retained;           // first what is kept, then what comes
	int64_t now_ms;          // what has expired by then is not kept
	enum encoding encoding;  // frames: without a group, not retained, not conflated
};

int bus_open(struct bus **, const struct bus_limits *);
void bus_close(struct bus *); // no outbox is left

int outbox_open(struct bus *, const struct outbox_ops *, void *peer, struct outbox **);
void outbox_close(struct outbox *); // its subscriptions end; gone() says when nobody uses it any more

// EARG with a static sentence in *why; ELIMIT likewise; ENOMEM.
int bus_subscribe(struct outbox *, const struct subscribe *, uint64_t *id, const char **why);
bool bus_unsubscribe(struct outbox *, uint64_t id); // false: it has none of that id

// What becomes of keys: pushed as "watch", one event each, in the order in which they are told.
enum { WATCH_PATTERN_MOST = 256 };
struct watch {
	uint32_t ns, key_count, pattern_count;
	const wherry_span *keys, *patterns; // canonical keys; globs over str and bin keys
	enum overflow overflow;             // not OVERFLOW_CONFLATE
	int64_t messages, bytes;
};
struct key_event {
	const char *event;
	uint32_t ns;
	wherry_span key, value; // encoded; value empty: nil
	uint64_t revision;
};
int bus_watch(struct outbox *, const struct watch *, uint64_t *id, const char **why); // EARG, ELIMIT, ENOMEM
bool bus_unwatch(struct outbox *, uint64_t id);
void bus_tell(struct bus *, const struct key_event *);
void bus_tell_one(struct outbox *, uint64_t watch, const struct key_event *); // one that is gone is passed over
// How many keys and patterns are watched, and filters are on "$key": while it is 0, nobody wants to be told.
const atomic_uint *bus_watched(const struct bus *);
bool bus_has_key_filters(const struct bus *);

// A message whose topic has no fault.  ENORESP: fewer than `require` would get it, so nobody does; ENOMEM: it can't be
// retained, and nobody gets it.  *receivers is how many subscriptions it goes to, a group counting as one.
int bus_send(struct bus *, const wherry_message *, uint64_t *receivers);
// payload, headers: one encoded value each, headers a map or empty.  Answers how many subscriptions it goes to.
uint64_t bus_publish(struct bus *, wherry_span topic, wherry_span payload, wherry_span headers);
// The same of a PUB client, which sent `body`.
uint64_t bus_publish_plain(struct bus *, wherry_span topic, wherry_span payload, wherry_span body);
void bus_flush(struct bus *);                              // what was published, by anybody, is on its way
uint64_t bus_matches(struct bus *, wherry_span topic);     // how many would get it now
bool bus_may_retain(struct bus *, const wherry_message *); // or the limits are reached

// In no order.  each() answers 0 to go on; it runs under the bus's lock and must not come back here.
void bus_each_retained(
    struct bus *, wherry_span filter, int64_t now_ms, int32_t (*each)(void *arg, const wherry_message *), void *arg);
// Subscribed filters that `match` matches as if they were topics; empty: all.
void bus_each_topic(struct bus *, wherry_span match, int32_t (*each)(void *arg, const wherry_topic *), void *arg);

enum outbox_form {
	OUTBOX_PUSHED,  // [2, "messages", [...]] one after another
	OUTBOX_FETCHED, // ["messages", [...]] one after another, for an array of them
	OUTBOX_FRAMES, // only the messages: for an outbox whose subscriptions all are encoded as frames.  No gap is told
};
struct outbox_taken {
	uint32_t deliveries, messages;
	bool more; // is left
};
// Appends deliveries, oldest first, until `messages` or `bytes` is reached; at least one message, if there is one.
struct outbox_taken outbox_take(struct outbox *, enum outbox_form, uint32_t messages, size_t bytes, struct buffer *out);
// The same, but long runs of messages are lent to the parcel, not copied; it ends when the parcel has no place for another.
struct outbox_taken outbox_lend(struct outbox *, enum outbox_form, size_t bytes, struct parcel *);

bool outbox_subscribes(struct outbox *); // it has a subscription

// each() answers 0 to go on; it runs under the outbox's lock.
void outbox_each(struct outbox *, int32_t (*each)(void *arg, const wherry_subscription *), void *arg);

struct bus_stats {
	uint64_t subscriptions, filters, published, retained, retained_bytes;
	uint64_t matched;                       // deliveries that were due: the sum of the next three, and what waits
	uint64_t delivered, dropped, forgotten; // forgotten: their subscription ended before
};
void bus_read_stats(struct bus *, struct bus_stats *);

#endif
