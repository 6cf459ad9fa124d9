#include "base/grace.h"

#include <sched.h>
#include <time.h>

#include "base/thread.h"

unsigned thread_number(void)
{
	static atomic_uint next;
	static _Thread_local unsigned mine;
	if (mine == 0) {
		mine = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) + 1;
		if (thread_met != NULL)
			thread_met();
	}
	return mine - 1;
}

void grace_open(struct grace *g)
{
	*g = (struct grace){0};
	pthread_mutex_init(&g->waiters, NULL);
}

void grace_close(struct grace *g)
{
	pthread_mutex_destroy(&g->waiters);
}

unsigned grace_enter(struct grace *g)
{
	unsigned phase = atomic_load(&g->phase) & 1;
	unsigned slot = thread_number() % GRACE_SLOTS;
	atomic_fetch_add(&g->slot[slot].entered[phase], 1);
	return slot << 1 | phase;
}

void grace_leave(struct grace *g, unsigned token)
{
	atomic_fetch_add(&g->slot[token >> 1].left[token & 1], 1);
}

// `left` is read before `entered`: a reader that moves between the two sums can only make them differ.
static int phase_empty(struct grace *g, unsigned phase)
{
	uint64_t left = 0, entered = 0;
	for (int i = 0; i < GRACE_SLOTS; i++)
		left += atomic_load(&g->slot[i].left[phase]);
	for (int i = 0; i < GRACE_SLOTS; i++)
		entered += atomic_load(&g->slot[i].entered[phase]);
	return left == entered;
}

static void wait_phase(struct grace *g, unsigned phase)
{
	struct timespec pause = {0, 50000};
	for (int tries = 0; !phase_empty(g, phase); tries++) {
		if (tries < 100)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
}

// Two flips: a reader may have read the phase before the first and counted itself after it.
void grace_wait(struct grace *g)
{
	pthread_mutex_lock(&g->waiters);
	for (int i = 0; i < 2; i++) {
		unsigned old = atomic_load(&g->phase) & 1;
		wait_phase(g, old ^ 1);
		atomic_store(&g->phase, old ^ 1);
		wait_phase(g, old);
	}
	pthread_mutex_unlock(&g->waiters);
}
