// A session: who asks.  A plain connection is its own session and ends with it.
//
// Threads: `id`, `duplex`, `ops` are constant; `ns` is read by the running thread and written by session.use on it.
// A session is counted: the connection holds one reference, each parked or waiting request another.

#ifndef RUN_SESSION_H
#define RUN_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct outbox;
struct router;
struct session;

// What the wire (or an embedding caller) does for its sessions.
struct session_ops {
	// A whole frame body that is ready later than router_frame() returned, or a push: the answers of a REQ exchange
	// with its SP header, or objects for a duplex session (header empty).  Takes the bytes (swap or copy; the caller
	// frees what is left in `frame`).  OK; ESTALE: the peer is gone; ELIMIT: its outbox is full.
	// Any thread; no stripe is held, no lock of the router.
	int (*deliver)(struct session *, wherry_span header, struct buffer *frame);
	void (*close)(struct session *, const char *why); // session.close: after pending answers have left.  Any thread
	void (*gone)(struct session *);                   // the last reference is dropped: free the memory
	// Its outbox has something: take it (session_outbox_opened).  Not again before all was taken.  Any thread; no lock
	// is held.  NULL: a session that is not pushed to; it fetches.
	void (*ready)(struct session *);
};

struct session {
	uint64_t id; // rises for ever; 0 only for the broker's own
	atomic_uint refs;
	bool duplex; // answers leave as they are ready and are matched by id; may be pushed to
	_Atomic uint32_t ns;
	struct router *router;
	atomic_uint parked;              // requests of it that wait now, and 1 while it is open
	struct parked *waiting;          // its parked requests, under the router's park lock
	_Atomic(struct outbox *) outbox; // what it subscribed to; NULL: nothing yet
	atomic_uint_fast64_t fetch;      // ticket of the session.fetch that waits; 0: none does
	atomic_bool ended;
	const struct session_ops *ops;
	void *peer;                  // the ops' own
	struct session *prev, *next; // list of the router, under its session lock
	char remote[64];             // who, for people: "tcp://127.0.0.1:40000"
	char client[64];             // what session.hello said; under the router's session lock
	struct buffer will;          // the request that is run when it ends; empty: none; under the same lock
	int64_t since_ms;
};

// Registers it and gives it an id; `s` is embedded in the caller's own structure.  refs becomes 1.
void session_open(struct router *, struct session *, const struct session_ops *, void *peer, bool duplex);
// The peer is gone: parked requests are dropped, session_ended() of modules is called after its last run, and then the
// opener's reference is dropped.
void session_end(struct router *, struct session *);
// Where its requests go that name no namespace.
static inline uint32_t session_ns(const struct session *s)
{
	return atomic_load_explicit(&s->ns, memory_order_relaxed);
}
static inline void session_hold(struct session *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}
// The outbox of a session that a request runs for, opened at first.  It ends with the session, after its last request.
// NULL: no memory.
struct outbox *session_outbox(struct session *);
static inline struct outbox *session_outbox_opened(struct session *s) // NULL: none yet
{
	return atomic_load_explicit(&s->outbox, memory_order_acquire);
}
// What the broker runs should the session end without having said so before: takes the bytes; NULL: nothing.
void session_set_will(struct session *, struct buffer *request);
void session_drop(struct session *);
// Between the two the modules are not told that the session has ended: whoever has something of it that must be settled
// first.  false: they have been.  Also when it has ended, requests of it may be run between them, and it is there.
bool session_enter(struct session *);
void session_leave(struct session *);
// Whether something of it runs or waits beside its connection: whoever does holds it, and its outbox does, too.
static inline bool session_is_busy(struct session *s)
{
	return atomic_load(&s->refs) > (session_outbox_opened(s) != NULL ? 2u : 1u);
}
struct session *session_find(struct router *, uint64_t id);                // held; NULL
void session_hello(struct router *, struct session *, wherry_span client); // what the client calls itself
bool session_client(struct router *, uint64_t id, char client[static 64]); // false: there is no such session
void session_each(struct router *, void (*each)(void *arg, const struct session *), void *arg); // under the lock

#endif
