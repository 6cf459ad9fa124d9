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

// The millisecond of the last look at the wall clock, and how long it lasts in ticks: while it does, who asks often need
// not look again.  Zeroed at first; its owner's thread.
struct clock_glance {
	uint64_t from, ticks;
	int64_t unix_ms;
};

int64_t clock_look(const struct clock *, struct clock_glance *, uint64_t ticks);

// The wall clock for whoever has just read ticks_now(); a jump of it shows within a millisecond.
static inline int64_t clock_glance(const struct clock *c, struct clock_glance *g, uint64_t ticks)
{
	return ticks - g->from < g->ticks ? g->unix_ms : clock_look(c, g, ticks);
}

static inline int64_t clock_unix_ms(const struct clock *c)
{
	return c->unix_ms(c->self);
}

static inline uint64_t clock_ticks_ns(const struct clock *c)
{
	return c->ticks_ns(c->self);
}

#endif
