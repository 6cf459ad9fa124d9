// What the files of wire/ share and nobody else sees.
//
// THE TURN.  A connection's input belongs to whoever has its turn, one thread at a time: the callback of its receive, or
// the poller of hot connections.  At its end the turn is given up in one of these ways (enum turn): the next receive is
// posted, or the connection is woken again behind others, or it is paused until its peer has read, or it is over.
// THE SENDER'S ROLE.  One thread at a time sends; who finds `sending_now` clear sets it and sends until nothing is
// pending: answers first, then what the session's outbox has by then, a send at a time.  While the kernel has no room the
// role rests with the posted send, and deliveries stay in the outbox, which bounds them.
// ENDING.  Anybody may conn_close(): the stream closes and whoever has the turn, or gets it by that, finishes the
// connection.  Memory goes with the last reference: the turn's, the session's, the posted send's.
//
// LOCKS, in the order they may be taken: server.lock -> conn.lock;  hot.lock, spare_lock: alone.
// No lock is held while a stream sends or receives, nor while the router works.

#ifndef WIRE_INSIDE_H
#define WIRE_INSIDE_H

#include <pthread.h>

#include "bus/parcel.h"
#include "wire/hot.h"
#include "wire/inbox.h"
#include "wire/pipeline.h"
#include "wire/resend.h"
#include "wire/server.h"
#include "wire/sp.h"
#include "wire/stream.h"

enum {
	TURN_BYTES = 256 * 1024, // then others on the same thread come first
	TURN_FRAMES = 4096,
	LATE_MOST = 2048, // REQ frames of a connection whose answers come later; above it, it is not read from
	SPARES_MOST = 16,
	WATCH_MS = 60000, // how long a limit that was changed may go unnoticed
};

// What a turn works with: taken from the server's spares, so that an idle connection keeps none of it.
struct workspace {
	struct workspace *next;
	uint8_t *room;         // INBOX_BUSY bytes; NULL: a connection has taken it over
	struct buffer answers; // whole frames
	struct buffer request; // what is asked, or published, in a client's name
	unsigned frames, frames_out;
	size_t bytes_in;
	uint64_t began_ns;       // the connection's turn
	struct router_turn turn; // of the frames that are run now
	bool turning;
};

// A late answer that has left, for the resend ring.  header and answer follow one another in `bytes`.
struct late {
	struct late *next;
	uint32_t header_len, answer_len;
	bool kept;
	uint8_t bytes[];
};

enum turn {
	TURN_ARM,    // everything that came was looked at
	TURN_AGAIN,  // there is more, but others first
	TURN_CHOKED, // there is more, but too much waits to be sent, or to be answered
	TURN_PAUSED, // somebody else wakes it, or the server ends
	TURN_ENDED,
};

enum input_state { INPUT_TURN, INPUT_POSTED, INPUT_PAUSED };

// What one kind of client socket is served.  Its functions are called by whoever has the turn; those that it does not need
// are NULL.
struct peer_kind {
	uint16_t protocol;
	const struct session_ops *ops;
	bool duplex;
	// Before it is greeted: why it is turned away; NULL: it is not.  Without the function, nobody is.
	const char *(*refuses)(const struct conn *);
	bool (*begin)(struct conn *); // it is greeted; false: the connection ends
	// One whole frame.  OK; else the connection ends.
	int (*take)(struct conn *, const struct sp_frame *, struct workspace *);
	// What `take` is given next, and may be given behind it.
	void (*look_ahead)(struct conn *, const struct sp_frame *, struct workspace *);
	int (*oversize)(
	    struct conn *, const struct sp_frame *, struct workspace *); // NULL: nobody would read an answer
	bool (*chokes)(struct conn *, struct workspace *);               // no more frames now
	// Behind the last frame that has come: what was made of them is done.  false: not yet.
	bool (*settles)(struct conn *, struct workspace *);
	bool (*waits)(const struct conn *); // under the lock: for somebody who will wake it
	void (*ends)(struct conn *);        // the turn's last act
	// The sender's: when all has left and has_deliveries was set, the frames that are next.  Answers whether there are
	// more, then it is asked again.
	bool (*next)(struct conn *, struct parcel *out);
	bool hops;                     // it runs requests: only where nobody else's thread is held up by that
	void (*unsent)(struct conn *); // what was to be sent never will be
	void (*rested)(struct conn *); // pipeline.h: a rest is over
};

struct conn {
	struct session session;
	struct server *server;
	const struct listen_options *options; // of the endpoint, which outlives it
	struct stream *stream;
	atomic_uint refs;
	const struct peer_kind *peer; // NULL: it has not said what it is
	struct sp_form form;

	// The turn's.
	struct inbox in;
	struct resend *resend; // REQ, from the first frame on
	bool again;            // polled: look at what is there before receiving more
	unsigned misses;       // polls in a row without a byte
	unsigned polled_turns; // since the poller took it
	bool brisk;            // taken for itself alone
	unsigned slow;         // turns in a row that took long
	struct conn *hot_next;

	pthread_mutex_t lock; // guards from here ...
	enum input_state input;
	bool sending_now;      // somebody has the sender's role
	bool has_deliveries;   // the session's outbox has something
	bool finished;         // no timer any more
	struct buffer pending; // frames for the next send
	bool send_failed;      // nothing leaves any more
	struct pipeline pipeline;
	struct late *late, *late_last;
	unsigned late_kept;
	int64_t watch_due_ms; // ... to here

	// The sender's.
	struct parcel sending;
	size_t sent;

	// Written as said, read by anybody.
	atomic_bool greeted; // by the turn: the handshake is done, the session open
	atomic_bool closed;  // under the lock
	// Under the lock: input is thrown away; closed when its answers have left and it has lingered.
	atomic_bool leaving;
	atomic_bool has_late;        // under the lock: late != NULL
	_Atomic size_t outbox;       // bytes that were accepted for sending and have not left
	_Atomic int64_t heard_ms;    // when bytes came last, or could not come
	_Atomic int64_t stuck_ms;    // by the sender: since when its posted send has made no progress; 0: none
	_Atomic int64_t deadline_ms; // of the handshake, later of lingering

	struct timer watch;
	struct conn *prev, *next; // in server.conns, under server.lock
	uint8_t idle_room[INBOX_IDLE];
};

struct endpoint {
	struct endpoint *next;
	struct server *server;
	struct stream_listener *listener; // NULL: nothing is accepted any more
	bool marked;
	struct listen_options options;
};

struct server {
	struct server_config config;
	pthread_mutex_t lock;
	pthread_cond_t changed; // alive
	struct conn *conns;
	uint64_t listed, alive;     // in the list; with memory
	struct endpoint *endpoints; // the control thread's
	_Atomic int64_t complained_ms;
	atomic_bool draining; // what was received is answered, nothing more is received

	pthread_mutex_t spare_lock;
	struct workspace *spares;
	unsigned spare_count;

	struct resend_budget resend_budget;
	struct hot hot;
	struct {
		atomic_uint_fast64_t accepted, closed, refused, handshakes_failed, frames_in, frames_out, bytes_in,
		    bytes_out, resent, oversize, idle_closed, stalled_closed, accept_errors, published, publish_dropped,
		    pushed, push_dropped, pulled;
	} count;
};

#define SERVER_COUNT(server, what, n) atomic_fetch_add_explicit(&(server)->count.what, (n), memory_order_relaxed)

static inline int64_t limit_of(const _Atomic int64_t *limit)
{
	return atomic_load_explicit(limit, memory_order_relaxed);
}

// server.c
bool server_list(struct server *, struct conn *); // false: there are max_connections already
void server_unlist(struct server *, struct conn *);
void server_conn_freed(struct server *);           // the server may be gone when it returns
struct workspace *workspace_take(struct server *); // NULL: no memory
void workspace_give(struct server *, struct workspace *);
// Tells of a peer that was turned away or did wrong, at most once a second: a flood must not fill the log.
void server_complain(struct server *, const char *event, const char *remote, const char *what);

// conn.c
int conn_open(const struct endpoint *, struct stream *); // takes the stream.  ENOMEM, ELIMIT: freed
static inline void conn_hold(struct conn *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}
void conn_drop(struct conn *);
void conn_resume(struct conn *);                   // wakes it if it is paused
void conn_close(struct conn *);                    // any thread that holds it
void conn_leave(struct conn *, int64_t linger_ms); // when its answers have left.  Any thread that holds it
void conn_finish(struct conn *);                   // the turn's last act
void conn_watch_by(struct conn *, int64_t due_ms);
bool conn_is_quiet(struct conn *); // nothing runs for it, nothing is to be sent
int conn_goodbye(struct conn *);

// conn_in.c
void conn_complain(struct conn *, const char *what); // of one that was greeted
void conn_received(void *conn, int status, size_t count);
void conn_arm(struct conn *); // gives the turn up: posts a receive
// The hot poller's turn, given up after `patience` looks in vain; false: it has given it up.
bool conn_poll(struct conn *, struct workspace *, unsigned patience);
void conn_unpoll(struct conn *); // gives that turn up

// peers.c
const struct peer_kind *peer_of(uint16_t protocol); // NULL: it is not served

// requests.c
struct router_turn *conn_router_turn(struct conn *, struct workspace *); // begun at first
void conn_router_turn_end(struct workspace *);
int duplex_take(struct conn *, const struct sp_frame *, struct workspace *);
int req_take(struct conn *, const struct sp_frame *, struct workspace *);
bool req_chokes(struct conn *, struct workspace *);
bool req_waits(const struct conn *);
// Names the small frames behind the first to the router, and the first with them: they run right after one another.
void requests_look_ahead(struct conn *, const struct sp_frame *first, struct workspace *);
int requests_oversize(struct conn *, const struct sp_frame *, struct workspace *);

// plain.c
int pub_take(struct conn *, const struct sp_frame *, struct workspace *);
bool sub_begin(struct conn *);
bool sub_next(struct conn *, struct parcel *out);
int mute_take(struct conn *, const struct sp_frame *, struct workspace *); // of those that never send

// push.c, pull.c
extern const struct session_ops push_ops, pull_ops;
int push_take(struct conn *, const struct sp_frame *, struct workspace *);
bool push_chokes(struct conn *, struct workspace *);
bool push_settles(struct conn *, struct workspace *);
void push_ends(struct conn *);
bool pull_begin(struct conn *);
bool pull_next(struct conn *, struct parcel *out);
void pull_unsent(struct conn *);
void pull_rested(struct conn *);

// conn_out.c
extern const struct session_ops conn_ops, conn_fetching_ops; // pushed to; REQ: fetches
void conn_session_close(struct session *, const char *why);
void conn_session_gone(struct session *);
bool conn_ready(struct conn *); // peer.next() has something: whoever sends asks it.  false: nothing leaves any more
bool duplex_next(struct conn *, struct parcel *out); // deliveries, as one frame
void conn_sent(void *conn, int status, size_t count);
void conn_send(struct conn *, struct buffer *frames); // the turn's answers: empties it
int conn_push(struct conn *, wherry_span header, wherry_span body, bool refusable);
void conn_merge_late(struct conn *); // the turn's: late answers into the resend ring
void late_free(struct conn *, struct late *);
bool conn_has_room(const struct conn *);

#endif
