// What the files of the client share.
//
// Two roles keep system calls out of the lock.  SENDER (link.sending): frames all that is pending and sends it; taken
// by whoever has something to send and finds nobody sending, so what threads ask meanwhile travels in the next frame.
// DRIVER (driven): connects, waits and receives, for all; a caller that waits takes it if nobody has it, and hands it on
// when its own answer has come.  Once the client's thread runs, it is the driver for good.
//
// Locks: wherry_client.lock guards everything in wherry_client, every request that is PENDING or SENT, and the batch or
// reply behind it; no system call is made under it that may wait, and no callback.  What only a role uses, and what is
// constant, is marked.

#ifndef CLIENT_INSIDE_H
#define CLIENT_INSIDE_H

#include <pthread.h>

#include "bytes.h"
#include "pack.h"
#include "transport.h"
#include "wherry/client.h"
#include "wire.h"

// --- requests ---------------------------------------------------------------------------------------------------------

struct request;

// How a request ended: status OK, and the broker's answer (an error, or nil and a result; lent); or another status, and
// NULL or a sentence: a literal or link.why, unless it is for a caller that waits.
struct outcome {
	int status;
	const char *text;
	struct run error, result;
};

enum place { NOWHERE, PENDING, SENT };

struct request {
	struct request *next, *prev;
	// Takes the outcome, under the lock.  The request is in no list any more.
	void (*ended)(struct wherry_client *, struct request *, const struct outcome *);
	const void *group;    // those of one batch may share a frame that others may not
	const uint8_t *bytes; // as wire_request_write() wrote them; the owner's
	size_t len, cost;     // of max_pending: len, and of the library's memory
	uint64_t seq;         // of sending; the id is its lower half.  0: never sent
	uint64_t frame;       // SENT: up to where in the connection's stream its frame goes
	int64_t deadline;     // the driver ends it then; NO_DEADLINE: the owner minds the time
	uint32_t mates;       // how many its frame has
	uint8_t place, cuts;
	bool repeatable; // WHERRY_REPEATABLE, or session.use
	bool bound;      // ends with the connection, sent or not: whoever asked asks anew
	bool uses_ns;    // session.use
	bool alone;      // the broker may refuse its frame: it travels without others
	bool fence;      // sent behind such a frame
	bool may_part;   // may be sent again, alone, if the answers of its frame are too large together
	bool again;      // may have run on an earlier connection
	bool doubtful;   // the same, and whether it may be repeated is not known yet
};

struct list {
	struct request *first, *last;
};

void list_append(struct list *, struct request *);
void list_prepend(struct list *, struct request *);
void list_remove(struct list *, struct request *);
void list_join(struct list *front, struct list *back); // into `front`; `back` is empty then

// Requests that were sent, by id.  Those that nobody waits for any more keep their ids until they are answered, so that a
// late answer is never taken for another's.
struct table {
	struct slot {
		struct request *request; // NULL: given up
		uint32_t id;
		bool used;
	} * slots;
	size_t room, used, given_up; // room: a power of two, at least twice `used`
};

bool table_reserve(struct table *);                              // false: no memory
void table_put(struct table *, struct request *, uint64_t *seq); // gives it an id; the caller has reserved
struct request *table_take(struct table *, uint32_t id);         // NULL: not there, or given up
void table_give_up(struct table *, const struct request *);
void table_clear(struct table *);

// --- the connection ---------------------------------------------------------------------------------------------------

enum link_state {
	LINK_DOWN,     // none; the next attempt is at `next_try`
	LINK_OPENING,  // the transport connects
	LINK_GREETING, // SP's greeting
	LINK_SETUP,    // name, namespace, and what may be repeated
	LINK_READY,    // to be told of (on_change) before anything is sent
	LINK_UP,
	LINK_ENDED, // `once`, and it was lost
};

enum { SETUP_NAME, SETUP_NS, SETUP_COMMANDS, SETUPS };

struct link {
	enum link_state state;
	struct transport *transport; // opened and closed by the driver; the sender uses it, too
	struct bytes in;             // the driver's
	size_t in_at;
	struct bytes out; // the sender's; the driver's until UP
	size_t out_at;
	uint64_t queued, handed; // bytes of this connection: put into `out` so far; taken by the transport
	bool sending, leaving;   // leaving: the driver waits for the role, to close
	const char *doomed;      // why the driver gives it up before anything else is sent
	bool stuck;              // the transport takes no more: the driver waits for it
	bool send_failed;        // what the broker said before it closed is still read
	bool polling;            // the driver may be woken by waits_wake()
	bool woken;              // since it last waited
	bool proven;             // something came while it was UP
	int64_t heard_ms;        // when something came
	int64_t give_up_ms;      // when the attempt ends
	int64_t next_try, backoff;
	uint64_t random;
	uint32_t setup_id[SETUPS];
	unsigned setup_left;  // a bit each
	wherry_error refusal; // the broker's, of the set-up
	const char *refused;  // what it was of
	int status;           // why there is no connection
	char why[TRANSPORT_WHY];
};

// --- the client -------------------------------------------------------------------------------------------------------

// A caller that waits.
struct waiter {
	struct waiter *next, *prev;
	pthread_cond_t wake;
	bool ended;
	const void *wants; // what waiters_wake() is told; NULL: nothing of that kind
};

struct note {
	struct note *next;
	uint64_t lost; // just before this one
	size_t method_len, params_len;
	uint8_t bytes[]; // the method, then the params
};

enum { FEED_BUCKETS = 64 };

// feed.h
struct feeds {
	struct wherry_feed *first, *last; // in the order in which they were made
	struct wherry_feed *by_id[FEED_BUCKETS];
	struct wherry_feed *first_to_tell, *last_to_tell;
	uint64_t asked; // whose answer is awaited
	struct note *first_early, **last_early;
	uint64_t early_bytes;
};

enum { NS_ROOM = 256 };

struct wherry_client {
	// constant
	char *url, *tls_ca_file, *name;
	bool tls_unverified, once;
	int64_t connect_ms, backoff_ms, backoff_max_ms;
	uint64_t max_frame, max_notes, max_pending;
	size_t frame_bytes;
	struct waits waits;

	pthread_mutex_t lock;   // guards all below
	pthread_cond_t roles;   // a role was laid down, a callback has returned
	pthread_cond_t settled; // no asynchronous request is left
	int64_t call_ms;
	struct link link;
	struct list pending, sent;
	struct table table;
	uint64_t seq;
	wherry_client_counts counts; // in_flight and pending_bytes are kept here
	int64_t bound;               // no request's `deadline` is earlier

	char ns[NS_ROOM];   // where the session works; "": the broker's first
	uint64_t ns_seq;    // what was sent before it may have been for another
	struct bytes verbs; // what sys.commands said, if it was asked: 'r' or '-', the name, 0

	bool driven;
	pthread_t driver; // if driven
	struct waiter *waiters;

	struct note *first_note, **last_note;
	uint64_t note_bytes, lost_notes;
	uint64_t losses, losses_told; // connections that were lost; poll told of

	struct async *spare, *done; // recycled; ended and not told yet, oldest first
	struct async **last_done;
	size_t spare_bytes;
	uint64_t asynchronous; // requests of wherry_client_send() whose callback has not returned

	pthread_t thread;
	enum { THREAD_NONE, THREAD_WANTED, THREAD_RUNS } thread_state;
	bool closing;
	enum telling {
		TELLING_NOTHING,
		TELLING_ANSWERS,
		TELLING_NOTE,
		TELLING_CHANGE,
		TELLING_MESSAGES,
	} telling;
	uint64_t told; // callbacks so far
	wherry_heard heard;
	void *heard_arg;
	wherry_changed changed;
	void *changed_arg;
	bool loss_to_tell;
	wherry_error loss;
	bool urgently;      // what this thread enqueues goes before all that waits
	struct list urgent; // that is here

	struct feeds feeds;
	struct wherry_consumer *consumers;
	bool errands;  // something of these is to be asked for
	int64_t alarm; // or will be, then
};

// status.c; `e` may be NULL.  All answer the code.
void error_clear(wherry_error *);
int error_local(wherry_error *, int status, const char *text);
int error_remote(wherry_error *, struct run encoded, struct run *details); // a malformed one is ECORRUPT

// request.c
int request_copy(const wherry_request *from, wherry_request *to); // from a caller's, of any size; EARG
int request_check(const wherry_request *, struct wire_request *, struct request *, const char **why);
// One of the library's own: into `to`, and what it is like to be sent.  Frees what was packed.  ENOMEM, EARG.
int request_encode(
    const char *method, struct pack *params, struct pack *options, struct request *like, struct bytes *to);
int request_admit(struct wherry_client *, size_t cost, const char **why); // may so much be taken now?
void request_enqueue(struct wherry_client *, struct request *);
void request_end(struct wherry_client *, struct request *, const struct outcome *);
void request_fail(struct wherry_client *, struct request *, int status, const char *text);
void request_time_out(struct wherry_client *, struct request *);
void request_expire(struct wherry_client *); // those whose `deadline` has passed

// send.c
void send_pending(struct wherry_client *); // takes the role if it is free, and lays it down again
bool send_may(const struct link *);
void send_request_now(struct wherry_client *, const struct wire_request *, uint32_t id); // of the set-up
bool send_frame_begin(struct link *, size_t *begin);
void send_frame_end(struct wherry_client *, size_t begin);

// link.c, the driver's
void link_open(struct wherry_client *);                   // DOWN: begins an attempt
void link_attempt(struct wherry_client *, int64_t until); // OPENING to SETUP: goes on with it
void link_failed(struct wherry_client *, int status, const char *why);
void link_lost(struct wherry_client *, int status, const char *why); // it was UP
void link_close(struct wherry_client *);
void link_doom(struct wherry_client *, const char *why); // a literal

// setup.c, the driver's
void setup_begin(struct wherry_client *);
void setup_answer(struct wherry_client *, const struct wire_object *);

// verbs.c
enum verb { VERB_UNKNOWN, VERB_READS, VERB_OTHER };
enum verb verb_of(const struct wherry_client *, const struct request *);
void verbs_learn(struct wherry_client *, struct run answer);

// receive.c, the driver's
int receive(struct wherry_client *, size_t *count); // without the lock
const char *receive_frames(struct wherry_client *); // NULL, or why what came is no answer

// drive.c
void drive_begin(struct wherry_client *);                                    // takes the role
void drive(struct wherry_client *, int64_t until);                           // one step, in the role
unsigned drive_wait(struct wherry_client *, unsigned wanted, int64_t until); // the driver's, as transport_wait()
void drive_wake(struct wherry_client *);                                     // the driver, if it waits
// For `roles` or `settled`; false: the time ran out.
bool drive_wait_woken(struct wherry_client *, pthread_cond_t *, int64_t deadline);
void waiter_add(struct wherry_client *, struct waiter *);
void waiter_remove(struct wherry_client *, struct waiter *);   // hands the role on
void waiters_wake(struct wherry_client *, const void *wanted); // all of them
void waiter_wake_one(struct wherry_client *, const void *wanted);
// Waits until waiter->ended, driving if nobody does; false: the time ran out.
bool drive_until(struct wherry_client *, struct waiter *, int64_t deadline);
void drive_if_idle(struct wherry_client *); // looks whether a connection that was silent still lives

// note.c
struct note *note_new(const struct wire_object *);     // NULL: no memory
size_t note_cost(const struct note *);                 // of max_notes
void note_keep(struct wherry_client *, struct note *); // NULL: counts it as lost
void note_tell(struct wherry_client *);                // hands them to `heard`; on the client's thread
void note_free_all(struct wherry_client *);

// async.c
struct async *async_new(struct wherry_client *, size_t len); // NULL: no memory
void async_recycle(struct wherry_client *, struct async *);
struct request *async_request(struct async *, size_t len, uint8_t **bytes);
void async_tell(struct wherry_client *); // calls back for all that have ended; on the client's thread
void async_free_all(struct wherry_client *);

// thread.c
int thread_start(struct wherry_client *); // OK also if it runs; ENOMEM
void thread_end(struct wherry_client *);
bool on_own_thread(const struct wherry_client *);
void tell_begin(struct wherry_client *, enum telling); // drops the lock around a callback
void tell_end(struct wherry_client *);
void errand(struct wherry_client *, int64_t when); // the client's thread looks what is to be asked for; AT_ONCE: now

#endif
