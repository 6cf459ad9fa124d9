// What bus.c, subscribe.c, lane.c, group.c and outbox.c share.
//
//   target        filters that somebody has, one or some together: its plain subscriptions in lanes, its groups
//   lane          those of its plain subscriptions that want the same encoding
//   feed          a segment that is being filled, for all of a lane or for one member of a group
//   subscription  in its target or group (bus.lock), and in its outbox (bus.lock to change, either to read)
//   entry         a run of a segment's messages that waits in an outbox (outbox.lock)

#ifndef BUS_INSIDE_H
#define BUS_INSIDE_H

#include <pthread.h>

#include "bus/bus.h"
#include "bus/filters.h"
#include "bus/parcel.h"
#include "bus/retained.h"
#include "bus/segment.h"

struct subscription;
struct watch_point;

struct feed {
	struct segment *open; // NULL: nothing yet
	uint64_t lost;        // messages that there was no memory for, behind those of `open`
	struct feed *next;    // of the bus's, as long as it has something
	bool listed;
	enum encoding encoding;
	struct subscription *only; // NULL: those of the lane that it is in
};

struct members {
	struct subscription **row;
	uint32_t count, room;
};

struct group {
	struct group *next;
	struct members members;
	uint32_t turn;      // of equals, this one is next
	wherry_span sticky; // the first member's; empty: who has least
	size_t len;
	char name[]; // then the sticky header's name
};

// One filter of a target, in the row of those that are at the filter's place.  A target with one filter stands first.
struct leaf {
	struct target *target;
	struct filter_place *place;
	struct leaf *next, *prev;
};

struct lane {
	struct feed feed;
	struct members members;
	struct lane *next;
};

struct target {
	struct lane values; // the first of its lanes, also when nobody is in it
	struct link link;   // of several filters: in bus.sets
	struct group *groups;
	uint64_t met; // the number of the last look that came by
	uint32_t filter_count;
	wherry_span *filters; // in their order
	struct leaf leaf[];
};

struct subscription {
	uint64_t id;
	struct outbox *outbox;
	struct target *target;
	struct lane *lane;   // NULL: in a group
	struct group *group; // NULL: plain
	struct feed feed;    // of a member
	enum overflow overflow;
	uint64_t max_messages, max_bytes;
	struct subscription *next; // of the outbox
	bool watches;              // keys: it has no target but points
	uint32_t point_count;
	struct watch_point **points;
	uint64_t told; // the last event that it was told

	// Under outbox.lock.
	struct entry *first, *last; // its entries, oldest first
	uint64_t pending, bytes;
	uint64_t next_seq, lost; // lost: not told yet, behind its last entry
	uint64_t delivered, dropped;
	struct links topics; // OVERFLOW_CONFLATE: its entries by topic
};

struct entry {
	struct link link;              // OVERFLOW_CONFLATE: in topics
	struct entry *next, *prev;     // of the outbox
	struct entry *later, *earlier; // of the subscription
	struct subscription *subscription;
	struct segment *segment;
	uint32_t from, to;
	uint64_t seq, lost; // of the message `from`; lost just before it
};

struct outbox {
	struct bus *bus;
	const struct outbox_ops *ops;
	void *peer;
	struct subscription *subscriptions; // bus.lock and outbox.lock to change
	uint32_t subscription_count, point_count;
	atomic_uint refs;
	pthread_mutex_t lock;
	struct entry *first, *last;
	bool told; // ready() was called, and not everything has been taken since
	bool closed, overflowed;
	atomic_bool marked; // in a list of those that are to be told: the bus's, or a flush's own
	struct outbox *next_marked;
};

struct bus {
	const struct bus_limits *limits;
	pthread_mutex_t lock;
	struct filters filters;
	struct links sets;   // targets of several filters
	struct hash_key key; // for topics, sets and sticky values
	struct retained retained;
	uint64_t next_id;
	uint64_t look;         // a number for each message and each look at what is kept, so that nothing is met twice
	struct feed *feeds;    // those that have something
	struct outbox *marked; // to be told at the end of a flush
	atomic_bool has_work;  // of these
	uint64_t subscriptions, targets, wildcards, published, matched;
	struct links watched_keys;
	struct watch_point *patterns;
	uint64_t pattern_count, told;     // told: events so far
	atomic_uint watched, key_filters; // watched: points that watches stand at, and key_filters
	atomic_uint_fast64_t delivered, dropped, forgotten;
};

// bus.c, under bus.lock
void feed_empty(struct feed *); // hands its messages out
void feed_unlist(struct bus *, struct feed *);
void bus_note_work(struct bus *); // there may be something to flush

// subscribe.c, under bus.lock
struct subscription *subscription_new(
    struct outbox *, enum overflow, int64_t messages, int64_t bytes); // NULL: no memory
void subscription_list(struct outbox *, struct subscription *);

// watch.c, under bus.lock
void watch_leave(struct bus *, struct subscription *);

// lane.c, under bus.lock
bool lane_join(struct target *, struct subscription *, enum encoding); // false: no memory
void lane_leave(struct bus *, struct subscription *);
uint64_t lane_members(const struct target *); // in all its lanes

// group.c, under bus.lock
struct subscription *group_choose(struct bus *, struct group *, wherry_span headers);
struct group *group_join(
    struct target *, struct subscription *, wherry_span name, wherry_span sticky); // NULL: no memory
void group_leave(struct target *, struct subscription *);
bool members_add(struct members *, struct subscription *);
void members_remove(struct members *, struct subscription *);

// outbox.c, under bus.lock: takes outbox.lock
void outbox_add(struct subscription *, struct segment *, uint64_t lost);
void outbox_forget(struct subscription *);       // its entries
void outbox_remove_first(struct subscription *); // under outbox.lock
void outbox_drop(struct outbox *);

#endif
