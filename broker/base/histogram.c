#include "base/histogram.h"

uint64_t histogram_upper(unsigned bucket)
{
	if (bucket == 0)
		return UINT64_C(1) << HISTOGRAM_FIRST;
	if (bucket >= HISTOGRAM_BUCKETS - 1)
		return UINT64_MAX;
	unsigned power = HISTOGRAM_FIRST + (bucket - 1) / 4;
	return (uint64_t)(5 + (bucket - 1) % 4) << (power - 2);
}

static uint64_t lower(unsigned bucket)
{
	return bucket == 0 ? 0 : histogram_upper(bucket - 1);
}

uint64_t histogram_percentile(const uint64_t count[HISTOGRAM_BUCKETS], double share)
{
	uint64_t all = 0, below = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		all += count[i];
	double rank = share * (double)all;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (count[i] > 0 && rank <= (double)(below + count[i])) {
			if (i == HISTOGRAM_BUCKETS - 1)
				return lower(i);
			double part = (rank - (double)below) / (double)count[i];
			return lower(i) + (uint64_t)(part * (double)(histogram_upper(i) - lower(i)));
		}
		below += count[i];
	}
	return 0;
}
