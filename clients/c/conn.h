// A connection: SP's greeting and frames (protocol PAIR1) over a transport.  Threads: one at a time.

#ifndef CLIENT_CONN_H
#define CLIENT_CONN_H

#include "bytes.h"
#include "transport.h"

struct conn {
	struct transport *transport;
	struct bytes in, out;
	size_t in_at, out_at; // what of them is done with
	uint64_t max_frame;
	int dead; // OK, or what ended it
	char why[TRANSPORT_WHY];
};

// Connects and greets.  On failure everything is closed and c->why says more.
int conn_open(struct conn *, const char *url, const struct transport_options *, uint64_t max_frame, int64_t deadline);
void conn_close(struct conn *);

// Appends a frame to what is to be sent; ENOMEM.
int conn_queue(struct conn *, struct run body);
size_t conn_unsent(const struct conn *);

// Moves bytes once, in either direction.  OK, ETIMEOUT, ENOMEM (the connection goes on), or what ended it.
int conn_step(struct conn *, int64_t deadline);
// The next whole frame's body, lent until conn_step.  false: none is there yet, or it ended (dead).
bool conn_frame(struct conn *, struct run *body);

#endif
