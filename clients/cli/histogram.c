#include "histogram.h"

enum { STEP_BITS = 6, POWERS = HISTOGRAM_BUCKETS / HISTOGRAM_STEPS };
_Static_assert(HISTOGRAM_STEPS == 1 << STEP_BITS, "a step is the bits behind the first");
static const uint64_t longest = (UINT64_C(1) << (POWERS + STEP_BITS - 1)) - 1;

// The first powers of two are narrower than a step each nanosecond: there a bucket is a nanosecond.
static unsigned bucket_of(uint64_t ns)
{
	if (ns < HISTOGRAM_STEPS)
		return (unsigned)ns;
	ns = ns < longest ? ns : longest;
	unsigned shift = 63 - STEP_BITS - (unsigned)__builtin_clzll(ns);
	return shift * HISTOGRAM_STEPS + (unsigned)(ns >> shift);
}

static double middle_ns(unsigned bucket)
{
	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	unsigned shift = bucket / HISTOGRAM_STEPS - 1;
	return ((double)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) + 0.5) * (double)(UINT64_C(1) << shift);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->buckets[bucket_of(ns)]++;
	h->count++;
	h->sum_ns += ns;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *more)
{
	into->count += more->count;
	into->sum_ns += more->sum_ns;
	if (more->max_ns > into->max_ns)
		into->max_ns = more->max_ns;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += more->buckets[i];
}

void histogram_since(struct histogram *out, const struct histogram *now, const struct histogram *before)
{
	out->count = now->count - before->count;
	out->sum_ns = now->sum_ns - before->sum_ns;
	out->max_ns = now->max_ns;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		out->buckets[i] = now->buckets[i] - before->buckets[i];
}

double histogram_us(const struct histogram *h, double fraction)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)h->count * fraction + 0.999999);
	if (h->count == 0 || wanted >= h->count)
		return (double)h->max_ns / 1000;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (h->buckets[i] > 0 && seen >= wanted) {
			double ns = middle_ns(i);
			return (ns < (double)h->max_ns ? ns : (double)h->max_ns) / 1000;
		}
	}
	return (double)h->max_ns / 1000;
}

double histogram_mean_us(const struct histogram *h)
{
	return h->count > 0 ? (double)h->sum_ns / (double)h->count / 1000 : 0;
}
