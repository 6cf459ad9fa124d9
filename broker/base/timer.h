// One heap of timers and one thread that fires them: any number of timers costs one sleeper.  Times are
// monotonic milliseconds.  A timer is a member of what it is about; nothing is allocated when it starts.
//
// Locks: the heap's own mutex, taken inside each call and never held while a timer fires.  fire() runs on the
// timer thread and must be short.

#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock;
struct timers;

struct timer {
	int64_t due_ms;
	size_t place; // 1-based in the heap; 0: not started
	void (*fire)(struct timer *);
};

int timers_open(struct timers **, const struct clock *); // WHERRY_OK, ENOMEM, EAGAIN (no thread)
void timers_close(struct timers *);                      // what has not fired never will
int64_t timers_now(struct timers *);
void timers_poke(struct timers *); // a clock that is not the system's has jumped: look again

int timer_start(struct timers *, struct timer *, int64_t due_ms); // or moves it; ENOMEM
bool timer_stop(struct timers *,
    struct timer *); // true: it will not fire.  false: it fired or was not started
void timer_stop_wait(struct timers *,
    struct timer *); // and, if it is firing now, waits until it has; not from fire()

#endif
