// The poller of hot connections: under load one thread receives from them in turn, without waiting, as network drivers
// do (NAPI).  It starts when bytes come from several connections within 300 µs, and lets go of a connection that had
// nothing six times in a row.  One connection alone is polled when its peer has answered within 100 µs many times in a
// row, and for about as long as such a peer takes; each time that was in vain, twice as many are asked for.  Idle, it
// sleeps.
//
// Threads: a thread of its own; hot_take() by whoever has a connection's turn.

#ifndef WIRE_HOT_H
#define WIRE_HOT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct server;

struct hot {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock; // guards all below
	pthread_cond_t wake;
	struct conn *taken; // not yet looked at by the poller
	bool polling, stop, started;
	const struct conn *last; // whose bytes came last: only compared
	uint64_t last_ns;
	unsigned streak;        // turns of `last` in a row, each soon after the one before
	unsigned streak_wanted; // before it is polled alone
};

int hot_open(struct hot *, struct server *); // ENOMEM, EAGAIN
void hot_close(struct hot *);                // no connection is left
// Takes over the connection's turn if times are busy.
bool hot_take(struct hot *, struct conn *);
void hot_left(struct hot *, const struct conn *); // it is about to wait again

#endif
