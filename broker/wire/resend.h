// REQ requests that come again on the same connection: a client's REQ socket sends one again when its answer takes too
// long, with the same header.  Same header and same body: the same request.  While it is unanswered it is dropped,
// afterwards it gets the answer that was kept: of the last 64, each up to 64 KiB.  Bodies are compared by length and a
// 64-bit hash without a key: a client that makes two of its own collide fools itself only.
//
// Threads: all calls from the one that has the connection's turn; the budget is shared.

#ifndef WIRE_RESEND_H
#define WIRE_RESEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum { RESEND_ANSWERS = 64, RESEND_ANSWER_MOST = 64 * 1024 };

// Bytes of kept answers, over all connections.
struct resend_budget {
	_Atomic int64_t used;
	const _Atomic int64_t *most;
};

bool resend_budget_take(struct resend_budget *, size_t bytes); // false: it is used up
void resend_budget_give(struct resend_budget *, size_t bytes);

enum resend_seen {
	RESEND_NEW,      // run it, then tell what became of it: resend_answered or resend_late
	RESEND_WAITING,  // it runs already: drop this one
	RESEND_ANSWERED, // *answer is its body, lent until the next call
	RESEND_LOST,     // it was answered, but the answer was not kept
};

struct resend;

struct resend *resend_new(struct resend_budget *); // NULL: no memory
void resend_free(struct resend *);

enum resend_seen resend_look(struct resend *, wherry_span header, wherry_span body, wherry_span *answer);
// What became of the request that was looked at last and was new.
void resend_answered(struct resend *, wherry_span answer);
bool resend_late(struct resend *); // its answer will come later; false: no memory
// The answer of a late one has left.  kept false: it is not to be had again.
void resend_late_answered(struct resend *, wherry_span header, wherry_span answer, bool kept);
size_t resend_waiting(const struct resend *); // late ones without an answer yet

#endif
