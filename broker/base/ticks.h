// Durations on the hot path: the processor's own counter, read in one instruction where it runs evenly and alike on all
// cores, else the system's monotonic clock.  Good for spans, not for moments.  Threads: any, after ticks_open().

#ifndef BASE_TICKS_H
#define BASE_TICKS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct ticks_rate {
	bool counter;         // the processor's; false: the clock's nanoseconds
	uint64_t ns_per_2_32; // nanoseconds in 2^32 ticks
};

extern struct ticks_rate ticks_rate; // written by ticks_open() alone

void ticks_open(void); // once in a process it measures the counter, for a millisecond; afterwards it costs nothing

#if defined(__x86_64__)
static inline uint64_t ticks_counter(void)
{
	return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
static inline uint64_t ticks_counter(void)
{
	uint64_t ticks;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
}
#else
static inline uint64_t ticks_counter(void)
{
	return 0;
}
#endif

static inline uint64_t ticks_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t ticks_now(void)
{
	return __builtin_expect(ticks_rate.counter, true) ? ticks_counter() : ticks_clock_ns();
}

// From one reading to a later one, in nanoseconds.  Counters of two cores may differ by a little: 0, not eons.
static inline uint64_t ticks_ns_between(uint64_t from, uint64_t to)
{
	uint64_t ticks = (int64_t)(to - from) > 0 ? to - from : 0;
	return (uint64_t)((unsigned __int128)ticks * ticks_rate.ns_per_2_32 >> 32);
}

static inline uint64_t ticks_of_ns(uint64_t ns)
{
	return (uint64_t)(((unsigned __int128)ns << 32) / ticks_rate.ns_per_2_32);
}

#endif
