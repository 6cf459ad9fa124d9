// PUSH and PULL clients: what they send is pushed into their listener's queue, and what is popped from it is sent to them,
// by requests in their session's name that any client could make.  push.c, pull.c; what both need: pipeline.c.
//
// A PUSH client's bodies are gathered and pushed by one request at a time.  While that waits, or can't be done now, the
// client is not read from: nothing is lost, and its socket blocks.  A PULL client's messages are reserved one at a time,
// when all before has left, and acknowledged when the kernel has taken the whole of them.
//
// Threads: `state`, and what it says is whose, under the connection's lock; the rest is the turn's (PUSH) or the sender's
// (PULL).

#ifndef WIRE_PIPELINE_H
#define WIRE_PIPELINE_H

#include "codec/cursor.h"
#include "run/router.h"

struct conn;

enum pipeline_state {
	PIPELINE_FREE,
	PIPELINE_ASKED,    // a request is run, or waits
	PIPELINE_ANSWERED, // PUSH: `status` and `why` say what came of it
	PIPELINE_SENDS,    // PULL: a message is on its way, `token` is its
	PIPELINE_RESTS,    // until due_ms: then it is tried again
};

struct pipeline {
	enum pipeline_state state;
	int status;
	char why[128];
	int64_t due_ms, rest_ms;
	struct buffer token;

	struct buffer request;
	struct buffer values; // gathered, one after another
	uint32_t count, asked;
	bool one_by_one; // several at once could not be pushed
	bool unsettled;
};

// A response, or why there is none.
struct answer {
	int status;
	wherry_span text; // of the error
	wherry_value result;
};
bool answer_next(struct cursor *, struct answer *); // false: there are no more

const char *pipeline_refuses(const struct conn *);
bool pipeline_begin(struct conn *); // its session is in its queue's namespace.  false: there is none
void pipeline_free(struct pipeline *);
bool pipeline_waits(const struct conn *); // under the lock
// What was tried is tried again later, each time a little later.
void pipeline_rest(struct conn *, const char *why);
// The timer's: a rest that is over ends; else *due is when at the latest.
void pipeline_look(struct conn *, int64_t now, int64_t *due);
// Begins a request in `out`: [0, 0, method, [queue, ... `params` more ...
void pipeline_ask(const struct conn *, struct buffer *out, bool options, const char *method, uint32_t params);

#endif
