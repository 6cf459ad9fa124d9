// Requests made from a command's table: of the right kinds, at the edges, and wrong in every way.  The same seed makes the
// same ones.  Threads: its owner's.

#ifndef CONFORMANCE_MAKE_H
#define CONFORMANCE_MAKE_H

#include "base/buffer.h"
#include "run/command.h"

struct maker {
	uint64_t state;
};

enum make_how {
	MAKE_RIGHT, // values that a client would send
	MAKE_EDGE,  // of the right kinds, but empty, huge, not a number
	MAKE_WRONG, // one of another kind
	MAKE_FEW,   // one too few
	MAKE_MANY,  // more than it takes, or a strange option
};

struct maker maker_of(uint64_t seed, const char *salt);
uint64_t make_number(struct maker *, uint64_t below);
// A whole request object with this id into `out`, which is emptied first.
void make_request(struct maker *, const struct command *, enum make_how, uint32_t id, struct buffer *out);

#endif
