// What one send of a session takes: bytes of its own, heads mostly, and between them runs of segments, which are not copied
// but held until parcel_clear().  Threads: its owner's.

#ifndef BUS_PARCEL_H
#define BUS_PARCEL_H

#include "bus/segment.h"

enum {
	PARCEL_RUNS = 7,
	PARCEL_RUN_LEAST = 1024, // bytes; shorter ones are cheaper to copy than to send as a part
};

struct parcel_run {
	struct segment *segment;
	size_t begin, len; // of its bytes
	size_t at;         // it stands before this byte of `own`
};

struct parcel {
	struct buffer own;
	size_t lent; // bytes of the runs
	unsigned run_count;
	struct parcel_run runs[PARCEL_RUNS];
};

static inline size_t parcel_len(const struct parcel *p)
{
	return p->own.len + p->lent;
}

void parcel_lend(struct parcel *, struct segment *, size_t begin, size_t len); // fewer than PARCEL_RUNS are in it
void parcel_clear(struct parcel *);                                            // its runs; own is left as it is
// What stands from byte `from` on, at most `most` bytes, as at most `room` parts; answers how many.
unsigned parcel_parts(const struct parcel *, size_t from, size_t most, wherry_span *parts, unsigned room);

#endif
