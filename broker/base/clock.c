#include "base/clock.h"

#include <time.h>

#include "base/ticks.h"

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

// A test's clock is asked each time.
int64_t clock_look(const struct clock *c, struct clock_glance *g, uint64_t ticks)
{
	*g = (struct clock_glance){0};
	if (c->unix_ms != unix_ms)
		return clock_unix_ms(c);
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	*g = (struct clock_glance){ticks, ticks_of_ns(1000000 - (uint64_t)now.tv_nsec % 1000000), ms};
	return ms;
}
