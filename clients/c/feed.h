// Subscriptions and watches, on the inside: how the broker's deliveries become theirs.
//
//   feed.c  making them, making them anew, leaving them
//   deliver.c       whose a delivery is, and what is kept of it
//   pull.c          handing it to those who wait, or to callbacks
//
// Locks: wherry_client.lock guards all of it; what is constant is marked.

#ifndef CLIENT_FEED_H
#define CLIENT_FEED_H

#include <stdatomic.h>

#include "inside.h"
#include "wherry/messaging.h"

// What is left of a delivery: messages after one another, or one event.  Checked when it came.
struct parcel {
	struct parcel *next;
	uint64_t lost; // just before its first
	uint64_t count;
	size_t at, len;
	bool gap;       // to be told before it
	bool after_gap; // told already: its first says so, too
	uint8_t bytes[];
};

enum feed_state {
	WANTED, // to be asked for, on this connection or the next
	ASKED,
	MADE,
	LEAVING, // its end was asked for
	ENDED,
};

struct wherry_feed {
	struct request request; // first: of asking, then of leaving
	struct wherry_feed *next, *prev, *next_of_bucket, *next_to_tell;

	// constant
	struct wherry_client *client;
	bool watches, drops_newest;
	uint64_t keep_bytes;
	wherry_on_message on_message;
	wherry_on_event on_event;
	wherry_on_gap on_gap;
	void *arg;
	struct request like; // of asking
	struct bytes ask;

	enum feed_state state;
	bool was_made; // ever
	bool stopped;
	bool to_tell;       // it is listed
	bool telling;       // a callback of it may be running
	atomic_bool closed; // no callback begins any more
	bool gone;          // and nobody has it
	bool end_told;
	uint64_t id;
	uint64_t next_seq; // the broker's, on this connection; 0: not known
	int64_t retry_at;
	uint8_t leave[48]; // the bytes of that request
	wherry_error gap_why, end_why;

	struct parcel *first, *last;
	uint64_t kept;       // bytes of parcels
	uint64_t lost;       // behind the last
	bool gap, after_gap; // likewise
	uint64_t seq;        // of the last message told
};

// feed.c
void feeds_ask(struct wherry_client *, int64_t now); // for all that are wanted
void feeds_lost(struct wherry_client *);             // the connection
void feeds_free(struct wherry_client *);
void feed_end(struct wherry_feed *, const wherry_error *why);
void feed_release(struct wherry_feed *); // frees it if nobody has it any more

void feed_discard(struct wherry_feed *);                                                  // its owner has gone
const char *namespace_for(struct wherry_client *, const char *asked, char room[NS_ROOM]); // without the lock

static inline bool feed_is_pulled(const struct wherry_feed *s)
{
	return s->on_message == NULL && s->on_event == NULL;
}

// deliver.c
const char *deliver(struct wherry_client *, const struct wire_object *note); // NULL, or why it is no delivery
void feed_known(struct wherry_feed *);                                       // it has its id
void feed_unknown(struct wherry_feed *);                                     // it has it no more
void early_release(struct wherry_client *);                                  // no answer is awaited any more
struct parcel *parcel_take(struct wherry_feed *);                            // the first; the caller's
void parcels_free(struct wherry_feed *);
uint64_t add_capped(uint64_t, uint64_t);

// pull.c
void feed_came(struct wherry_feed *);   // a parcel
void feed_turned(struct wherry_feed *); // its state, for all who wait for it
void feeds_tell(struct wherry_client *);

#endif
