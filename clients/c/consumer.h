// Consumers of queues, on the inside.
//
//   consumer.c  what a consumer asks for: jobs, and more time for them; its life
//   job.c       jobs: as they come, in work, ended
//   work.c      handing them to those who wait, or to callbacks
//
// A job is in one of its consumer's four lists: it waits here, somebody works on it, it is ended and the broker's word is
// awaited, or that word is to be told.  One pop is under way at a time, for as many as prefetch leaves room for.
//
// Locks: wherry_client.lock guards all of it; what is constant is marked.

#ifndef CLIENT_CONSUMER_H
#define CLIENT_CONSUMER_H

#include <stdatomic.h>

#include "inside.h"
#include "wherry/messaging.h"

struct job {
	wherry_job shown; // first
	struct wherry_consumer *consumer;
	struct job_list *list;
	struct job *next, *prev;
	bool lost;    // its reservation is, as far as is known
	bool quiet;   // nobody is told what came of it
	bool dropped; // in no list: what it asked for last is awaited
	int64_t reserved_until, touch_at, touch_until, touched;
	struct run params; // [queue, token]
	struct request verdict, touch;
	struct outcome outcome; // of the verdict; lent until the next receive()
	uint8_t *reasoned;      // a verdict that does not fit into `room`
	uint8_t *room;          // for touching, then for a verdict, as long as the consumer's
	uint8_t bytes[];
};

struct job_list {
	struct job *first, *last;
	uint32_t count;
};

struct wherry_consumer {
	struct request pop; // first
	struct wherry_consumer *next, *prev;

	// constant
	struct wherry_client *client;
	bool holds;
	uint32_t prefetch;
	int64_t visible_ms, touch_ms;
	wherry_on_job on_job;
	wherry_settled settled;
	wherry_on_gap on_gap;
	void *arg;
	struct request like;                   // of pop
	struct bytes ask;                      // its bytes; `max` is the last four
	struct bytes ns, more_time, give_back; // options: of an ack, a touch, a nack that does not count

	struct job_list waiting, working, ending, ended;
	uint32_t alive; // jobs that are not freed
	int64_t next_touch, retry_at, backoff;
	bool stopped, refused, news, telling;
	bool gap;         // the connection was lost
	bool gap_to_tell; // and there is another
	bool end_told;
	atomic_bool closed;
	wherry_error gap_why, end_why;
};

// consumer.c
void consumers_ask(struct wherry_client *, int64_t now); // for whatever is due
void consumers_lost(struct wherry_client *);             // the connection
void consumers_free(struct wherry_client *);
void consumer_end(struct wherry_consumer *, const wherry_error *why);
void consumer_stop(struct wherry_consumer *);
void consumer_release(struct wherry_consumer *); // frees it if nothing of it is left

// job.c
const char *jobs_take(struct wherry_consumer *, struct run answer); // a pop's; NULL, or why it is none
void job_move(struct job *, struct job_list *to);                   // NULL: out of all
void job_give_back(struct job *);                                   // the attempt does not count
void job_drop(struct job *);                                        // says nothing to the broker
void job_settle(struct job *);                                      // it is told
void job_touch(struct job *, int64_t now);
uint32_t jobs_left(const struct wherry_consumer *); // that whoever stops waits for
bool job_is_lost(const struct job *, int64_t now);

// work.c
void consumer_news(struct wherry_consumer *); // jobs came, or its state has changed
void consumers_tell(struct wherry_client *);

#endif
