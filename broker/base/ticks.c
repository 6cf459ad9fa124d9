// The rate of the processor's counter: asked for where the processor tells it, else measured against the clock.

#include "base/ticks.h"

#include <pthread.h>

enum { MEASURE_NS = 1000000, TRIES = 16 };

struct ticks_rate ticks_rate = {false, UINT64_C(1) << 32};

#if defined(__x86_64__)
#include <cpuid.h>

// "Invariant TSC": one rate in all power states, and no stop.
static bool counter_is_even(void)
{
	unsigned a, b, c, d = 0;
	return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
}

static uint64_t counter_hz(void)
{
	return 0;
}
#elif defined(__aarch64__)
static bool counter_is_even(void)
{
	return true;
}

static uint64_t counter_hz(void)
{
	uint64_t hz;
	__asm__("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz;
}
#else
static bool counter_is_even(void)
{
	return false;
}

static uint64_t counter_hz(void)
{
	return 0;
}
#endif

struct reading {
	uint64_t ticks, ns;
};

// Both at the same moment: of several pairs the one that took the shortest time, so a preemption between them is no harm.
static struct reading read_both(void)
{
	struct reading best = {0, 0};
	uint64_t shortest = UINT64_MAX;
	for (int i = 0; i < TRIES; i++) {
		uint64_t before = ticks_counter(), ns = ticks_clock_ns(), took = ticks_counter() - before;
		if (took >= shortest)
			continue;
		shortest = took;
		best = (struct reading){before + took / 2, ns};
	}
	return best;
}

static void measure(void)
{
	uint64_t hz = counter_hz();
	if (!counter_is_even())
		return;
	struct reading from = read_both(), to = from;
	while (hz == 0 && to.ns - from.ns < MEASURE_NS)
		to = read_both();
	if (hz == 0 && to.ticks <= from.ticks)
		return;
	uint64_t ns = hz != 0 ? 1000000000u : to.ns - from.ns, ticks = hz != 0 ? hz : to.ticks - from.ticks;
	ticks_rate.ns_per_2_32 = (uint64_t)(((unsigned __int128)ns << 32) / ticks);
	ticks_rate.counter = true;
}

void ticks_open(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, measure);
}
