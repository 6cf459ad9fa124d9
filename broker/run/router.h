// The router: takes a frame, runs its requests in order, answers.  The way of a request, in this folder's files:
//
//   router.c  frame: check, slice in windows, prefetch -> each request
//   bind.c    arguments: counts, kinds, options, canonical keys
//   run.c     locks, run(), commit or undo, answer
//   transaction.c  many commands in the place of one
//   keys.c    the ABI's wherry_keys on top of the store's transaction
//   park.c    requests that wait, and their waking
//   answer.c  answers that wait: for parked requests, for the flush
//
// Threads: router_frame() runs on the thread that received the frame; many at once.

#ifndef RUN_ROUTER_H
#define RUN_ROUTER_H

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "bus/bus.h"
#include "codec/cursor.h"
#include "run/command.h"
#include "run/session.h"
#include "store/store.h"

// Read each time they are used, so they may change while the broker runs.
struct router_limits {
	_Atomic int64_t depth, elements, args, key_bytes, answer_bytes, parked_per_session, park_ms, tx_commands;
	_Atomic int64_t slow_us, slow_entries, slow_arg_bytes; // slow_us -1: nothing is slow
};

struct router_hooks {
	void (*session_began)(void *arg, const struct session *);
	void (*session_ended)(void *arg, uint64_t session); // tells the modules; a worker thread
	// To listeners in the broker, after the commit; what is subscribed got it before.  Answers how many heard it.
	uint64_t (*publish)(void *arg, wherry_span topic, wherry_span payload, wherry_span headers);
	uint64_t (*hears)(void *arg, wherry_span topic); // how many would
	void *arg;
};

struct router_config {
	struct store *store;
	struct timers *timers;
	const struct logger *log;
	const struct clock *clock;
	const struct router_limits *limits;
	struct router_hooks hooks;
	struct bus *bus;         // NULL: nothing can be subscribed
	uint64_t sessions_after; // sessions' ids begin behind it
};

int router_open(struct router **, const struct router_config *);
void router_close(struct router *); // no session is left, nothing runs

// Swaps the commands in one step and returns when no thread uses the old table any more; the old one is freed.
// Requests parked by a command that is gone, or another owner's now, are run again with WHERRY_WHY_SHUTDOWN by their old
// owner first, and answered EAGAIN if they park again.
void router_publish(struct router *, struct command_table *);
// The table that is in force: hold it between router_enter and router_leave.
unsigned router_enter(struct router *);
void router_leave(struct router *, unsigned token);
const struct command_table *router_commands(struct router *);
// The command whose run() this thread is inside, NULL: none.  Safe in a signal handler.
const struct command *router_running(void);

enum frame_result {
	FRAME_ANSWERED, // `out` got the answers there are (REQ: all; a duplex session's parked ones come by deliver)
	FRAME_LATE,     // REQ: nothing was appended; the answer comes by deliver(header)
};

// Runs a frame body.  `header` is the SP header that a late REQ answer needs again (empty for duplex), at most 64
// bytes.  Appends to `out`, whose earlier content stays.  A frame with a malformed object runs nothing and is answered
// once, EARG with id nil.
enum frame_result router_frame(
    struct router *, struct session *, wherry_span header, wherry_span body, struct buffer *out);

// The same for many frames of one session that came together: what they share is done once, and small ones can be looked
// at ahead, so that the memory that they need is on its way when they run.  Between begin and end the commands in force
// stay in force, and what its requests wake waits for its end: nothing may wait there, and nobody may go on for long.  The
// thread that began it ends it.
struct router_turn {
	struct router *router;
	struct session *session;
	const struct command_table *table;
	struct worker *worker; // NULL: no memory
	unsigned token, ahead, next;
	int64_t now_ms;
};

void router_turn_begin(struct router_turn *, struct router *, struct session *);
// A frame that will be run soon, after those that were named before it; false: not this one now.  The body stays where it
// is until it has run, or the turn ends.
bool router_turn_ahead(struct router_turn *, wherry_span body);
static inline unsigned router_turn_ahead_left(const struct router_turn *t)
{
	return t->ahead - t->next;
}
enum frame_result router_turn_frame(struct router_turn *, wherry_span header, wherry_span body, struct buffer *out);
// Something that takes time was done between two frames: none of them is charged with it.
void router_turn_pause(struct router_turn *);
void router_turn_end(struct router_turn *);
// A message of a PUB client, who sent `body`: to subscriptions and listeners.  A topic without fault; payload: one value.
void router_message(struct router *, wherry_span topic, wherry_span payload, wherry_span body);
// What was published is on its way.  After the answers of a turn have left: who publishes need not wait for all to be sent.
void router_flush(struct router *);

// Runs one request object as the broker itself, soon, on a worker: wherry_host.submit, alarms, timers.  Copies it.
// An INTERNAL command is allowed.  ENOMEM, EARG (not a request), ESHUTDOWN.
int router_submit(struct router *, wherry_span request);
int router_wake(struct router *, uint64_t ticket); // ESTALE

// The store's callbacks (store_config.durable, next_due), given on by the broker.  Expiry and alarms run on the router's
// own thread, the runner, with all that was submitted.
void router_durable(struct router *, uint64_t lsn, bool failed);
void router_next_due(struct router *, int64_t unix_ms);

// Shutting down: from now on parking commands answer at once and parked ones run with WHERRY_WHY_SHUTDOWN.
void router_drain(struct router *);

struct router_stats {
	uint64_t requests, errors, frames, bad_frames, parked, waiting_flush, sessions, submits, restarts, slow;
};
void router_read_stats(struct router *, struct router_stats *);

// The store's callback (store_config.changed): tells whoever watches the key.
void router_changed(struct router *, const struct store_change *);
void router_type_shows_head(struct router *, uint32_t type, bool); // whether the heads of its keys are values

struct store *router_store(struct router *);
struct bus *router_bus(struct router *);
const struct logger *router_log(struct router *);
const struct clock *router_clock(struct router *);

#endif
