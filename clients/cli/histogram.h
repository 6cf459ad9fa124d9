// Times in nanoseconds, counted in buckets, 64 of them a power of two: any time up to 4 minutes is told to within 1 %;
// longer ones count as the longest, but for the maximum.  Threads: its owner's.

#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = 33 * HISTOGRAM_STEPS };

struct histogram {
	uint64_t count, sum_ns, max_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *more);
// What came since `before`, which was a copy of the same; the maximum is that of its last bucket.
void histogram_since(struct histogram *out, const struct histogram *now, const struct histogram *before);
// The time that `fraction` of all do not exceed, in microseconds; 0: none was counted.
double histogram_us(const struct histogram *, double fraction);
double histogram_mean_us(const struct histogram *);

#endif
