// The poller of hot connections: under load one thread receives from them in turn, without waiting, as network drivers
// do (NAPI).  It starts when bytes come from several connections within 300 µs, and lets go of a connection that had
// nothing six times in a row.  Idle, or with one busy connection only, it sleeps.
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
};

int hot_open(struct hot *, struct server *); // ENOMEM, EAGAIN
void hot_close(struct hot *);                // no connection is left
// Takes over the connection's turn if times are busy.
bool hot_take(struct hot *, struct conn *);

#endif
