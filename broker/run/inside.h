// What the files of run/ share and nobody else sees.
//
// LOCKS, in the order they may be taken (a later one while holding an earlier one):
//   the store's stripes -> park_lock -> exchange.lock;   the stripes -> held_lock -> session_lock, the bus's;
//   runner.lock: alone, or last
// No lock is held while a command runs, but the stripes of its keys; none while an answer is delivered.

#ifndef RUN_INSIDE_H
#define RUN_INSIDE_H

#include <pthread.h>

#include "base/clock.h"
#include "base/grace.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "codec/request.h"
#include "run/call.h"

enum {
	WINDOW_SLICED = 64, // envelopes sliced ahead
	WINDOW_BOUND = 16,  // requests bound and prefetched together
	RESTARTS_MOST = 64, // a command that asks for yet another key more often has a fault
	HEADER_MOST = 64,
	OWN_SLOTS = 64,
	SESSION_BUCKETS = 1024,
	PARK_BUCKETS = 4096,
};

// A key of a request: canonical, hashed.
struct key_ref {
	wherry_span key;
	uint64_t hash;
	size_t scratch; // offset in the worker's scratch while the window is bound
	uint32_t arg;
	uint8_t mode; // enum txn_mode
	bool in_scratch;
};

// A request, bound to its command and ready to run; or the error it has already.
struct bound {
	const struct request *request;
	const struct command *command;
	uint32_t ns;
	bool named_ns;     // by an option: else it is the session's when it runs
	size_t args, keys; // where they begin in the worker's vectors
	uint32_t argc, key_count;
	struct pack_error error; // status OK: none
	size_t text_at;          // its text in the worker's texts, while the window is bound
};

// One answer within a frame's answers: whose, where, and the LSN it has to wait for.
struct answer_mark {
	uint64_t gate;
	size_t at, len;
	uint32_t id, place; // place: among the frame's answers, of a late one
	bool has_id, parked;
};

struct marks {
	struct answer_mark *row;
	size_t count, room;
};

// A key that need() asked for; the bytes are in the worker's `needed`.
struct needed_key {
	size_t at, len;
	uint32_t ns;
	uint8_t mode; // enum txn_mode
};

// A key that need() answered: the module's own span may be gone when the unit is written.
struct kept_key {
	struct kept_key *next;
	uint8_t bytes[];
};

struct signal_ref {
	uint32_t ns, count;
	uint64_t hash;
	size_t at, len; // the key, in the worker's `notes`
};

struct router_counts {
	atomic_uint_fast64_t frames, bad_frames, requests, errors, restarts;
};

// Requests that ran one after another, and are not yet counted.
enum { ROW_MOST = 16 };

struct timed {
	const struct bound *bound;
	int status;
	bool gone;    // it waits again: another thread may have freed its arguments by now, and its session
	size_t bytes; // request and answer
};

struct timed_row {
	struct router *router;
	struct session *session;
	uint64_t slow_ns;
	unsigned count, most;
	bool follows; // what ran before it on this thread: its time begins at `since`, where that one's ended
	struct timed run[ROW_MOST];
};

// Scratch memory of one running frame: taken from the router's pool, so that nothing is allocated once it is warm.
struct worker {
	struct txn *txn;
	struct request sliced[WINDOW_SLICED];
	struct bound bound[WINDOW_BOUND];
	const void *ahead[WINDOW_BOUND]; // bodies of the frames that are bound ahead, one request each
	wherry_value *args;
	struct key_ref *keys;
	uint32_t *slots;
	size_t arg_room, arg_count, key_room, key_count, slot_room;
	struct buffer scratch;      // canonical keys of the window
	struct buffer texts;        // error texts of the window
	struct buffer needed_bytes; // keys that need() asked for
	struct buffer notes;        // keys that the command signalled
	struct buffer emits;        // messages that it emitted
	struct needed_key *needed;
	struct kept_key *kept; // of the request that runs
	struct signal_ref *signals;
	uint32_t needed_count, needed_room, signal_count, signal_room;
	struct transaction *transaction; // of the request that runs, if it is one
	struct marks marks;
	struct revision_spots spots;
	struct exchange *exchange; // of this frame, once something parked (REQ)
	// Between park() and being registered; a wake() meanwhile is remembered.  Under park_lock.
	struct worker *parking_prev, *parking_next;
	uint64_t parking_ticket;
	bool parking, woken;
	int last_status;               // of the request that ran last
	const struct command *counted; // the command of `batch`, while it stays the same
	struct command_batch batch;
	struct timed_row row;
	struct clock_glance wall;
	// Anybody may look at these, the commands within a grace period; only its own thread writes them.
	_Atomic uint64_t since;                  // ticks when the row of requests began
	_Atomic(const struct command *) running; // inside its run() now; NULL: none is
	_Atomic bool taken;                      // by a thread
	struct worker *outer;                    // of the same thread, below a request inside a request
	uint64_t watched, looks;                 // the watch's: what it met at its last look, and how often in a row
	const struct command *watched_command;
	char fail_text[400];
	struct router_counts counts;
	struct worker *all_prev, *all_next; // in router.workers
};

// A frame's answers that have to wait: for parked requests, then for the flush.  What the frame itself answered is in
// `marks` and `bytes`, with a mark for each parked one in its place; what those answered later is in `late`.
struct exchange {
	struct session *session;
	pthread_mutex_t lock;     // all below but next
	uint32_t waiting;         // parked requests, and 1 while the frame runs
	struct marks marks, late; // those that came late
	struct buffer bytes, late_bytes;
	uint64_t gate;
	struct exchange *next; // in router.held
	uint32_t header_len;
	uint8_t header[HEADER_MOST];
};

enum parked_state { PARKED_WAITING, PARKED_READY, PARKED_RUNNING };

struct parked;

// A parked request's place in the queue of one of its keys.  Under park_lock.
struct park_place {
	struct parked *who;
	struct park_key *key;
	struct park_place *prev, *next;
};

// The requests that wait on one key, oldest first.  Exists while one does.
struct park_key {
	uint32_t ns;
	uint64_t hash;
	wherry_span name;
	uint32_t ready; // woken ones that have not run yet: others queue behind them
	struct park_place *first, *last;
	struct park_key *next; // in its bucket
};

struct parked {
	uint64_t ticket;           // order of arrival, for ever
	struct session *session;   // held; NULL: the broker's own
	struct exchange *exchange; // NULL: nobody wants the answer
	size_t place;              // which answer of the exchange
	const struct command *command;
	uint32_t ns, why, key_count;
	enum parked_state state;
	bool fresh;     // has not run: it queued behind woken ones
	bool rewake;    // woken while it ran
	bool time_up;   // its time ran out while it was woken or ran
	bool timed;     // the timer runs
	bool has_timer; // it was started, and may be firing still
	uint64_t cookie[2];
	struct timer timer;
	struct router *router;
	struct park_place *places;
	struct parked *ticket_prev, *ticket_next;   // in its bucket by ticket
	struct parked *session_prev, *session_next; // of its session
	struct parked *all_prev, *all_next;         // in router.parked_first
	struct parked *ready_prev, *ready_next;
	size_t len;
	uint8_t bytes[]; // the request object
};

struct submitted {
	struct submitted *next;
	uint32_t ns;
	size_t len;
	uint8_t bytes[];
};

struct runner {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct submitted *first, *last;
	bool stop, started, drain_ready;
	int64_t due_ms; // next expiry, Unix time
};

// Messages of a commit that is not yet durable.  Under held_lock.
struct held_emit {
	struct held_emit *next;
	uint64_t gate;
	size_t len;
	uint8_t bytes[];
};

// Under its lock, but met.
struct slow_log {
	pthread_mutex_t lock;
	struct slow_entry *newest, *oldest;
	uint64_t count, left_out; // left_out: log lines since the last one
	int64_t told_ms;          // when that was; 0: never
	atomic_uint_fast64_t met;
};

struct router {
	struct router_config config;
	_Atomic(struct command_table *) table;
	struct grace grace;
	_Atomic(struct worker *) own[OWN_SLOTS];    // of the threads with small numbers, each its own
	_Atomic(struct worker *) pool[GRACE_SLOTS]; // of the others

	pthread_mutex_t session_lock;
	struct session *sessions[SESSION_BUCKETS];
	uint64_t next_session, session_count;

	pthread_mutex_t park_lock;
	struct park_key *park_keys[PARK_BUCKETS];
	struct parked *parked[PARK_BUCKETS];       // all of them, by ticket
	struct parked *parked_first, *parked_last; // all of them, oldest first
	struct parked *ready_first, *ready_last;
	struct worker *parking;
	atomic_uint_fast64_t next_ticket;
	atomic_uint parked_count; // registered ones; rises under park_lock
	bool draining_ready;      // one thread runs the woken ones at a time: order per key
	atomic_bool draining;     // shutting down

	pthread_mutex_t held_lock;
	struct exchange *held_first, *held_last; // gates about rising
	struct held_emit *emits_first, *emits_last;
	atomic_uint held_count, emit_count;

	struct runner runner;
	pthread_mutex_t worker_lock;
	struct worker *workers;    // all of them, for their counts
	struct router_counts past; // of those that are gone
	atomic_uint_fast64_t submits;
	struct slow_log slow;
	atomic_bool stirred; // a worker was taken since the watch last looked
	struct timer watch;
	atomic_bool shows_head[STORE_TYPES]; // by type: the head is one value, which watchers are told
};

// Only the worker's own thread adds, so it needs no locked instruction; anybody may read.
#define WORKER_COUNT(w, what, n)                                                                                      \
	atomic_store_explicit(&(w)->counts.what, atomic_load_explicit(&(w)->counts.what, memory_order_relaxed) + (n), \
	    memory_order_relaxed)

// Growing vectors: makes room for one more, doubling; false: no memory.
bool vector_room(void **rows, size_t *room, size_t count, size_t size);

struct parked;

struct worker *worker_take(struct router *); // NULL: no memory
void worker_give(struct router *, struct worker *);
void worker_free(struct router *, struct worker *);
void workers_count(struct router *, struct router_stats *);

// timing.c.  The last request of a row was done at `now`, 0: at this moment.
int64_t timing_begin(
    struct router *, struct session *, struct worker *);             // a window of requests; answers the wall clock
bool timing_run(struct worker *, const struct command *, bool last); // about to run; whether it ends a row
void timing_row_ends(struct worker *, uint64_t now);
static inline void timing_ran(struct worker *w, const struct bound *b, int status, bool gone, size_t answer_bytes)
{
	struct timed *run = &w->row.run[w->row.count++];
	run->bound = b;
	run->status = status;
	run->gone = gone;
	run->bytes = b->request->raw.len + answer_bytes;
}
void timing_end(struct worker *);                                     // before they are unbound
void timing_part(struct worker *, const struct timed *, uint64_t ns); // a command of a transaction, which was timed
void timing_pause(struct worker *); // what was done since the last request ran is not the next one's
void worker_count(struct worker *); // adds the runs that were counted to their command

// watch.c
void watch_open(struct router *);
void watch_wake(struct router *); // somebody begins to run requests
void watch_stop(struct router *); // nobody does any more

// slow.c: for the slow log: one of `among` that ran in a row.  No lock is held.
void slow_note(
    struct router *, struct session *, const struct worker *, const struct timed *, uint64_t ns, unsigned among);

// bind.c: looks the command up and fills args and keys; the error, if any, into out->error.  An INTERNAL command is
// found for the broker itself (session NULL) only.  `ns`: of a request that names none.
void bind_request(struct router *, const struct command_table *, struct session *, uint32_t ns, struct worker *,
    const struct request *, struct bound *out);
// The same for a parked one: its command and namespace are known.
void bind_parked(struct router *, const struct parked *, struct worker *, const struct request *, struct bound *out);
// Nothing but keys that are read, to be looked at before a transaction: begun once, then a key at a time.  False: the
// error is in out->error.
void bind_keys_begin(struct worker *, const struct request *, uint32_t ns, struct bound *out);
bool bind_key_alone(struct router *, struct worker *, const char *argument, const wherry_value *key, struct bound *out);
void bind_settle(struct worker *, struct bound *, size_t count); // scratch offsets become pointers

// run.c: one bound request.  Appends its answer to `out` and a mark, or parks it.
struct run_as {
	struct router *router;
	struct session *session; // NULL: the broker itself
	struct worker *worker;
	struct buffer *out; // answers
	size_t frame_at;    // where this frame's answers begin in it
	int64_t now_ms;
	struct parked *parked; // runs again; NULL: the first time
	bool evicted;          // why is SHUTDOWN: it must not park again
	size_t more;           // so many bound ones stand behind it and follow at once
	wherry_span header;    // to make an exchange with, if it parks
};
enum run_result { RUN_ANSWERED, RUN_PARKED };
enum run_result run_request(const struct run_as *, struct bound *);
bool slots_clear(struct worker *, uint32_t argc); // of the args of what runs next; false: no memory
// Its command; ELIMIT: it grows, and there is no memory for it.
static inline int call_run(struct call *c)
{
	const struct command *command = c->command;
	if ((command->flags & WHERRY_CMD_GROWS) && store_memory_short(c->router->config.store))
		return call_fail(
		    &c->face, WHERRY_ELIMIT, "the memory limit is reached: delete keys, or raise max_memory");
	txn_swaps(c->txn, command->flags & WHERRY_CMD_SWAPS);
	atomic_store_explicit(&c->worker->running, command, memory_order_relaxed);
	int status = command->run(command->owner->self, &c->face);
	atomic_store_explicit(&c->worker->running, NULL, memory_order_relaxed);
	return status;
}

// transaction.c: the request is done, and unlocked.
void transaction_end(struct worker *, struct bound *later, size_t count);
void transaction_pack_methods(
    struct buffer *out, const struct transaction *); // of the first of its commands, for people

// router.c: a checked request of the broker's own, in a namespace.
struct codec_limits router_codec_limits(struct router *);
void run_internal(struct router *, uint32_t ns, wherry_span request, struct buffer *out);

// keys.c
void needed_clear(struct worker *);
int needed_declare(struct worker *, const struct store *); // to its txn

// answer.c
static inline bool mark_add(struct marks *m, const struct answer_mark *mark)
{
	if (m->count == m->room && !vector_room((void **)&m->row, &m->room, m->count, sizeof(m->row[0])))
		return false;
	m->row[m->count++] = *mark;
	return true;
}
uint64_t marks_gate(const struct marks *);
struct exchange *exchange_new(struct session *, wherry_span header); // waiting is 1; NULL: no memory
// Copies the answers [from, out->len) of `out` and takes over the marks; false: no memory, and nothing will be delivered.
bool exchange_take(struct exchange *, const struct buffer *out, size_t from, struct marks *);
// One of those it waited for has ended: the frame (bytes NULL), or a parked request with its answer.  After the last it
// is delivered, once its gate is durable, and freed.
void exchange_done(
    struct router *, struct exchange *, size_t place, const struct buffer *bytes, const struct answer_mark *);
void answers_release(struct router *, uint64_t lsn, bool failed); // the held ones that may go now

// emit.c
enum emit_kind {
	EMIT_MESSAGE, // topic, payload, headers
	EMIT_CHANGE,  // key, value
	EMIT_STATE,   // the same, for one watch
};
struct emit {
	enum emit_kind kind;
	uint32_t flags;     // EMIT_MESSAGE: WHERRY_MESSAGE_*
	uint32_t ns, event; // EMIT_CHANGE: enum change_word
	int64_t expires_ms;
	uint64_t revision, session, watch;
	wherry_span part[3];
};
bool emit_add(struct buffer *row, const struct emit *); // false: no memory, and the row is as before
// The row of a commit whose stripes are still held: true, if it is published.  Else it is kept until `gate` is durable.
void change_to_bus(struct router *, const struct emit *); // changes.c
void state_to_bus(struct router *, const struct emit *);
bool emit_row(struct router *, wherry_span row, uint64_t gate);
void emit_change(struct router *, const struct emit *, uint64_t gate); // a single EMIT_CHANGE, likewise
// Of a commit whose stripes are still held: true, if they are published.  Else, when what they tell of is durable.
bool emits_commit(struct router *, struct worker *, uint64_t gate);
void emits_finish(struct router *, struct worker *, uint64_t gate, bool published); // no stripe is held any more
void emits_release(struct router *, uint64_t lsn, bool failed);

// parked.c: the queues themselves.  All under park_lock.
struct park_key *park_key_find(struct router *, uint32_t ns, uint64_t hash, wherry_span name);
bool parked_link(struct parked *, const struct worker *, const struct bound *); // into all its queues; false: no memory
void parked_unlink(struct parked *); // out of all of them; its ready counts are given back before
struct parked *parked_by_ticket(struct router *, uint64_t ticket);
void parked_make_ready(struct parked *, uint32_t why); // a waiting one
void parked_unready(struct parked *);                  // out of the ready list, still counted as ready
struct parked *parked_next_ready(struct router *);     // takes the first of the ready list; NULL
void parked_release(struct parked *);                  // it has run: whoever queued behind it may, too
void parked_pass_on(struct parked *);                  // what it was woken for goes to the next

// park.c.  The stripes of the keys are held by the caller of park_register and park_must_queue.
bool park_must_queue(struct router *, const struct run_as *, const struct bound *);
void parking_begin(struct router *, struct worker *, uint64_t ticket); // park() was called
void parking_end(struct router *, struct worker *);
bool park_waits(struct router *, uint32_t ns, wherry_span key);   // does anybody, on that key?
uint64_t park_next_ticket(struct router *, const struct bound *); // for a command that may park; else 0
// The request waits from now on: a new one, or `as->parked` again.  OK; ELIMIT; ENOMEM; ESHUTDOWN (drained, its client
// gone, or its command another owner's now: run it with WHERRY_WHY_SHUTDOWN).
int park_register(const struct run_as *, const struct bound *, struct call *, bool fresh);
void park_signals(struct router *, struct worker *); // wakes whom the commit signalled, its stripes still held
void park_run_ready(struct router *);                // runs woken ones, unless another thread does; many: the runner
void park_session_gone(struct router *, struct session *);
void park_retarget(struct router *, const struct command_table *now); // after a swap; evicts other owners' requests
void parked_free(struct parked *);                                    // out of all lists; not under park_lock
void park_nudge_fresh(struct router *, uint64_t ticket);
void park_wake_all(struct router *, uint32_t why);

// runner.c
int runner_open(struct router *);
void runner_stop(struct router *);
void runner_close(struct router *);       // nobody calls runner_drain_ready() any more
void runner_drain_ready(struct router *); // let the runner run the woken ones

void session_unpark(struct router *, struct session *); // one parked request less

#endif
