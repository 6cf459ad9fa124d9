// Where a connection's bytes arrive: its own small room while it is idle, a large one, borrowed, while there is much, and
// as large a one as a frame needs while that frame comes.  Threads: its owner's.

#ifndef WIRE_INBOX_H
#define WIRE_INBOX_H

#include <stdbool.h>

#include "base/buffer.h"

enum { INBOX_IDLE = 4096, INBOX_BUSY = 64 * 1024 };

struct inbox {
	uint8_t *idle; // INBOX_IDLE bytes, the connection's own
	uint8_t *at;   // `idle`, or owned
	size_t room;
	size_t from, end; // [from, end) came and was not taken yet
	size_t need;      // bytes of the frame that begins at `from`, as far as known
};

void inbox_open(struct inbox *, uint8_t *idle);
void inbox_close(struct inbox *);

static inline wherry_span inbox_unread(const struct inbox *in)
{
	return span_of(in->at + in->from, in->end - in->from);
}

static inline size_t inbox_free(const struct inbox *in)
{
	return in->room - in->end;
}

// `spare` is a room of INBOX_BUSY bytes, or NULL: taken over, or given, as it suits.  false: no memory.
bool inbox_widen(struct inbox *, uint8_t **spare); // room for much: to receive more at once
// Room for the rest of a frame, or for anything if nothing is unread: to wait with, as little as will do.
bool inbox_settle(struct inbox *, uint8_t **spare);
void inbox_shrink(struct inbox *, uint8_t **spare); // the small room, if what is unread fits

#endif
