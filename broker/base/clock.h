// Time, replaceable whole by a test's own.  Threads: any.

#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*unix_ms)(void *self);   // wall clock: may jump
	uint64_t (*ticks_ns)(void *self); // monotonic: never goes back
	void *self;
};

extern const struct clock clock_system;

static inline int64_t clock_unix_ms(const struct clock *c)
{
	return c->unix_ms(c->self);
}

static inline uint64_t clock_ticks_ns(const struct clock *c)
{
	return c->ticks_ns(c->self);
}

#endif
