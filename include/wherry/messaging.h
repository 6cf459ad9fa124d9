// Messaging with the C client: subscriptions to topics, watches of keys, consumers of queues.  What client.h says of
// ownership, threads, times and errors holds here.  A tour is in clients/README.md.
//
// CAVEATS FIRST.  Publish/subscribe keeps nothing for who is not there: what was published while there was no
// connection is missed.  That it was is always told; how many they were is not known.  A job may be worked on twice:
// queues deliver at least once.  What a callback does holds up all that the client receives, its own answers included; the
// broker keeps a bounded number of messages meanwhile and tells how many it dropped.  The first subscription, watch or
// consumer starts the client's thread.
//
// NOTHING IS LOST SILENTLY.  `lost` counts what was dropped just before a message: by the broker's bounds (max_messages,
// max_bytes), or here, by keep_bytes, where whoever pulls is too slow.  A lost connection is told in its place among the
// messages: on_gap, or ESTALE from next(), after everything that came before and ahead of everything that comes after.
//
// LOST CONNECTIONS.  Subscriptions and watches are made anew on every new connection, in the order in which they were
// made, before anything else is sent; then the gap is told, so whoever must know what was missed can read it now without
// missing more.  One that the broker refuses then ends: its error is told, and nothing more.  Consumers pop anew, too.
//
// PUBLISHING, pushing and everything else is done by wherry_client_call() and wherry_client_send().  What is subscribed to
// by pubsub.subscribe or kv.watch, through those, is the program's own affair: it comes to wherry_client_poll() or
// wherry_client_on_note(), and ends with its connection.
//
// CLOSING a client closes what is left of these, too: the handles are of no use then.

#ifndef WHERRY_MESSAGING_H
#define WHERRY_MESSAGING_H

#include "client.h"

#ifdef __cplusplus
extern "C" {
#endif

// --- topics -----------------------------------------------------------------------------------------------------------

// What comes of a subscription to topics, or of a watch of keys: pulled by wherry_feed_next(), or told to callbacks.
typedef struct wherry_feed wherry_feed;

// In wherry_delivery.flags and wherry_event.flags: the connection was lost before this one, and how many were missed is not
// known.
#define WHERRY_AFTER_GAP (1u << 0)

// One message.  For wherry_feed_next() begin with {0}, use it again and again, and wherry_delivery_free() at the end.
typedef struct wherry_delivery {
	const char *topic; // not terminated
	size_t topic_len;
	const void *payload; // one encoded value
	size_t payload_len;
	const void *headers; // one encoded map; NULL: none
	size_t headers_len;
	uint64_t seq;   // of this subscription: one more than the last message's, and `lost` more
	uint64_t lost;  // how many were dropped just before this one
	uint32_t flags; // WHERRY_AFTER_GAP
	uint32_t reserved0;
	void *memory; // the library's
	size_t memory_room;
} wherry_delivery;

// On the client's thread; lent until it returns.
typedef void (*wherry_on_message)(void *arg, const wherry_delivery *message);

// On the client's thread.  ended 0: the connection was lost (why: how) and this was made anew just now; what came to pass
// in between was missed.  ended 1: the broker refuses to go on with it (why), or the client opens no more connections
// (`once`): nothing more is told.
typedef void (*wherry_on_gap)(void *arg, int ended, const wherry_error *why);

#define WHERRY_RETAINED (1u << 0) // first the retained messages that match; after a gap, again
#define WHERRY_INITIAL (1u << 1)  // first what there is; after a gap, again (watches)
#define WHERRY_HOLD (1u << 2)     // reservations outlive the connection (consumers)
#define WHERRY_NO_WAIT (1u << 3)  // do not wait for the broker's answer: it is told if it refuses; from callbacks, too

// [grows] All zero, but size and filters, asks for the presets.  Everything is copied.
typedef struct wherry_subscribe_options {
	uint32_t size;              // sizeof(wherry_subscribe_options)
	uint32_t flags;             // WHERRY_RETAINED, WHERRY_NO_WAIT
	const char *const *filters; // "sensor.*.temp", "log.>"
	size_t filter_count;
	const char *group;     // of all subscriptions that name this group, one gets each message; NULL: no group
	const char *sticky;    // the header whose value chooses which; NULL: whichever has least under way
	const char *overflow;  // "drop_oldest", "drop_newest", "conflate", "disconnect"; NULL: the broker's preset
	uint64_t max_messages; // that wait at the broker; 0: its preset
	uint64_t max_bytes;    // likewise
	// Pulled: bytes that wait here, the library's own among them; beyond it the oldest are dropped, with overflow
	// "drop_newest" the newest.  0: 16 MiB.
	uint64_t keep_bytes;
	const char *ns;     // the namespace; NULL: the one that the client works in now, also after a lost connection
	int64_t timeout_ms; // for the broker's answer; 0: the client's call_ms; < 0: for ever
	wherry_on_message on_message; // NULL: wherry_feed_next() pulls
	wherry_on_gap on_gap;         // with on_message; may be NULL: WHERRY_AFTER_GAP tells it, too
	void *arg;
} wherry_subscribe_options;

// Subscribes, and waits for the broker's answer (unless WHERRY_NO_WAIT).  *feed is given, to be closed; NULL when
// it fails.  *error may be NULL.  Messages may come to on_message before this returns.
WHERRY_API int wherry_client_subscribe(
    wherry_client *client, const wherry_subscribe_options *what, wherry_feed **feed, wherry_error *error);

// The next message; any number of threads may ask, and each message goes to one of them.  Waits at most timeout_ms (0:
// not at all; < 0: for ever).  ETIMEOUT: none came.  ESTALE: the connection was lost and the subscription was made anew:
// once for each time, then it goes on (`once`: every time).  ESHUTDOWN: it was stopped, and all that was kept is told.
// Another code: it has ended, and this is why; every time.  EARG: it has a callback, or watches keys; or called from a
// callback.  *error may be NULL.
WHERRY_API int wherry_feed_next(wherry_feed *feed, int64_t timeout_ms, wherry_delivery *message, wherry_error *error);

WHERRY_API void wherry_delivery_free(wherry_delivery *message); // its memory; {0} again

// Unsubscribes, without waiting.  What was kept can still be pulled; who waits in next() is woken, with ESHUTDOWN.
WHERRY_API void wherry_feed_stop(wherry_feed *feed);

// Stops and frees it; no other call of it is under way or begins.  When it returns no callback of it runs any more (called
// from one: after that).  NULL does nothing.
WHERRY_API void wherry_feed_close(wherry_feed *feed);

// --- keys -------------------------------------------------------------------------------------------------------------

// One change of a key.  For wherry_feed_next_event() begin with {0}; wherry_event_free() at the end.
typedef struct wherry_event {
	char event[16];  // "put", "del", "cas", "expire"; "state": what there was (WHERRY_INITIAL); terminated
	const void *key; // one encoded value
	size_t key_len;
	const void
	    *value; // one encoded value; nil after "del" and "expire", and in the "state" of a key that is not there
	size_t value_len;
	uint64_t revision;
	uint64_t lost;  // how many were dropped just before this one
	uint32_t flags; // WHERRY_AFTER_GAP
	uint32_t reserved0;
	void *memory; // the library's
	size_t memory_room;
} wherry_event;

typedef void (*wherry_on_event)(void *arg, const wherry_event *event); // as wherry_on_message

// [grows] As wherry_subscribe_options.
typedef struct wherry_watch_options {
	uint32_t size;    // sizeof(wherry_watch_options)
	uint32_t flags;   // WHERRY_INITIAL, WHERRY_NO_WAIT
	const void *keys; // one encoded array: keys and patterns, as kv.watch takes them
	size_t keys_len;
	const char *overflow;
	uint64_t max_messages, max_bytes;
	uint64_t keep_bytes;
	const char *ns;
	int64_t timeout_ms;
	wherry_on_event on_event; // NULL: wherry_feed_next_event() pulls
	wherry_on_gap on_gap;
	void *arg;
} wherry_watch_options;

// Watches keys, as wherry_client_subscribe() subscribes to topics.  Events of a key come in the order of their revisions.
// A "state" comes for each key that was named, and for each there is that a pattern matches; one that changes meanwhile may
// be told twice, with the same revision.  After a gap nothing is said of what a pattern matches no more: with
// WHERRY_INITIAL, forget what you knew when the gap is told; everything there is follows.
WHERRY_API int wherry_client_watch(
    wherry_client *client, const wherry_watch_options *what, wherry_feed **feed, wherry_error *error);

WHERRY_API int wherry_feed_next_event(wherry_feed *feed, int64_t timeout_ms, wherry_event *event, wherry_error *error);

WHERRY_API void wherry_event_free(wherry_event *event);

// --- queues -----------------------------------------------------------------------------------------------------------

typedef struct wherry_consumer wherry_consumer;

// One job, reserved for whoever got it until he ends it by exactly one of wherry_job_ack(), _nack(), _term() and
// _forget(), from any thread; then it is of no use any more, with all it points to.  Until then its reservation is
// renewed, whether it is worked on or waits here.
typedef struct wherry_job {
	const char *queue; // not terminated
	size_t queue_len;
	const void *value; // one encoded value
	size_t value_len;
	const void *headers; // one encoded map; NULL: none
	size_t headers_len;
	const void *token; // encoded, for commands of your own (tx.exec)
	size_t token_len;
	uint64_t id, attempt; // the first attempt is 1
	int64_t age_ms;       // since it was pushed, when it was handed out
	void *data;           // yours; NULL at first
} wherry_job;

typedef void (*wherry_on_job)(void *arg, wherry_job *job); // on the client's thread

// On the client's thread, once for each job that was acked, nacked or termed: what came of it.  error->code OK: it is
// done.  ESTALE: it was somebody else's already, and nothing was changed (local 0); or the connection was lost, and
// whether it was done is not known (local 1).  The job is lent until this returns.
typedef void (*wherry_settled)(void *arg, const wherry_job *job, const wherry_error *error);

// [grows] All zero, but size and queues, asks for the presets.  Everything is copied.
typedef struct wherry_consume_options {
	uint32_t size;             // sizeof(wherry_consume_options)
	uint32_t flags;            // WHERRY_HOLD
	const char *const *queues; // the first that has something is popped from
	size_t queue_count;
	// How many jobs it holds at most, those that wait here and those in work together: at least as many as are worked
	// on at once.  0: 1.
	uint32_t prefetch;
	uint32_t reserved0;
	int64_t
	    visible_ms; // how long a reservation lasts unless it is renewed, which happens each third of it; 0: 30,000
	int64_t
	    touch_ms;   // for how long a job's is, so that one whose worker hangs comes back; 0: as long as it is held;
			// < 0: not at all
	const char *ns; // as wherry_subscribe_options
	wherry_on_job on_job;   // NULL: wherry_consumer_next() pulls.  It may end the job, or let another thread do so
	wherry_settled settled; // may be NULL
	wherry_on_gap on_gap;   // may be NULL
	void *arg;
} wherry_consume_options;

// Begins to pop.  *consumer is given, to be closed; NULL when it fails.  Waits for nothing; may be called from callbacks.
// A refusal of the broker ends it, and is told; what passes by itself (EAGAIN, ELIMIT, ENOMEM, ESHUTDOWN) is tried again.
WHERRY_API int wherry_client_consume(
    wherry_client *client, const wherry_consume_options *what, wherry_consumer **consumer, wherry_error *error);

// The next job; any number of threads may ask.  Codes as wherry_feed_next(), but for ESTALE: that the connection
// was lost is told for each job (wherry_job_lost) and by on_gap.
WHERRY_API int wherry_consumer_next(
    wherry_consumer *consumer, int64_t timeout_ms, wherry_job **job, wherry_error *error);

// Ends it: done.  All of these return at once; many at a time travel together, and `settled` tells what came of it.
WHERRY_API void wherry_job_ack(wherry_job *job);

#define WHERRY_UNCOUNTED (1u << 0) // not the job's fault: the attempt does not count

// Ends it: to be done again.  delay_ms < 0: after the queue's own backoff.  reason may be NULL.  EARG: the reason is
// longer than 1,000 bytes; ENOMEM: then it is still yours.
WHERRY_API int wherry_job_nack(wherry_job *job, uint32_t flags, int64_t delay_ms, const char *reason);

// Ends it: never to be done, straight to the dead letters.  As wherry_job_nack().
WHERRY_API int wherry_job_term(wherry_job *job, const char *reason);

// Ends it here and tells the broker nothing: it was ended by a command of your own, as in a tx.exec with its token.
WHERRY_API void wherry_job_forget(wherry_job *job);

// OK: it is reserved, as far as is known.  ESTALE: it may be somebody else's by now (its time ran out, or the connection
// was lost and it is not held): whoever can, should stop.
WHERRY_API int wherry_job_lost(const wherry_job *job);

// Takes no more jobs: those that wait here go back at once, with their attempts not counted, next() answers ESHUTDOWN, and
// each that is in work may still be ended as before.  Waits until all have been, and are settled: OK, or ETIMEOUT (0: does
// not wait; < 0: for ever; from a callback it does not wait).
WHERRY_API int wherry_consumer_stop(wherry_consumer *consumer, int64_t timeout_ms);

// Stops, gives back all jobs that are not ended, as those that wait, and frees it; no other call of it, or of a job of it,
// is under way or begins.  As wherry_feed_close().
WHERRY_API void wherry_consumer_close(wherry_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif
