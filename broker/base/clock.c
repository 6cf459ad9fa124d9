#include "base/clock.h"

#include <time.h>

static int64_t unix_ms(void *self)
{
	(void)self;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t ticks_ns(void *self)
{
	(void)self;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const struct clock clock_system = {.unix_ms = unix_ms, .ticks_ns = ticks_ns};
