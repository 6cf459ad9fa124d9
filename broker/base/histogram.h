// How long things took, counted in buckets of which four make a doubling: from 64 ns to some three minutes, a quarter
// wide at most.  Only the arithmetic: whoever counts has the counters.

#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 128, HISTOGRAM_FIRST = 6 }; // bucket 0 ends at 2^6 ns, the last one nowhere

static inline unsigned histogram_bucket(uint64_t ns)
{
	if (ns < 1u << HISTOGRAM_FIRST)
		return 0;
	unsigned power = 63 - (unsigned)__builtin_clzll(ns);
	unsigned bucket = 1 + (power - HISTOGRAM_FIRST) * 4 + (unsigned)(ns >> (power - 2) & 3);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

uint64_t histogram_upper(unsigned bucket); // ns, itself not in the bucket; UINT64_MAX: the last
// The time that `share` (0 to 1) of the counted ones took at most, about: within the width of a bucket.  0: none.
uint64_t histogram_percentile(const uint64_t count[HISTOGRAM_BUCKETS], double share);

#endif
