// Times in nanoseconds, in buckets a 32nd of a power of two wide: percentiles to 3 %.

#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 32, HISTOGRAM_BUCKETS = 64 * HISTOGRAM_STEPS };

struct histogram {
	uint64_t count, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	uint64_t v = ns < HISTOGRAM_STEPS ? HISTOGRAM_STEPS : ns;
	unsigned power = 63 - (unsigned)__builtin_clzll(v);
	h->buckets[power * HISTOGRAM_STEPS + ((v >> (power - 5)) & (HISTOGRAM_STEPS - 1))]++;
	h->count++;
	if (ns > h->max)
		h->max = ns;
}

// The middle of the bucket that `fraction` of all times do not exceed, in microseconds.
static inline double histogram_us(const struct histogram *h, double fraction)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)h->count * fraction);
	for (unsigned i = 5 * HISTOGRAM_STEPS; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (h->buckets[i] && seen >= wanted) {
			double base = (double)(1ULL << (i / HISTOGRAM_STEPS));
			return base * (1 + (i % HISTOGRAM_STEPS + 0.5) / HISTOGRAM_STEPS) / 1000;
		}
	}
	return 0;
}

#endif
