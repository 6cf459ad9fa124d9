// The watch: names a command that has been inside its run() for more than a second, while it is there; for one that
// never comes out, the slow log would say nothing.  A timer looks once a second at what each worker runs, and stops when
// for a second nobody has taken one.
//
// Threads: the timers'; who takes a worker wakes it.  It looks within a grace period, so commands stay what they are, and
// logs without a lock.

#include "run/inside.h"

enum { LOOK_MS = 1000, TELL_MOST = 8 };

struct hung {
	const struct command *command;
	uint64_t looks;
};

// Told at the first look that finds it where the one before had left it, then each time when as long again has passed.
static bool worth_telling(struct worker *w, const struct command *running)
{
	uint64_t since = atomic_load_explicit(&w->since, memory_order_relaxed);
	bool same = running != NULL && w->watched == since && w->watched_command == running;
	w->watched = since;
	w->watched_command = running;
	w->looks = same ? w->looks + 1 : 0;
	return w->looks > 0 && (w->looks & (w->looks - 1)) == 0;
}

// Whether anybody is at work at all.
static bool look(struct router *r, struct hung found[TELL_MOST], unsigned *count)
{
	bool busy = false;
	pthread_mutex_lock(&r->worker_lock);
	for (struct worker *w = r->workers; w != NULL && *count < TELL_MOST; w = w->all_next) {
		const struct command *running = atomic_load_explicit(&w->running, memory_order_relaxed);
		busy |= atomic_load_explicit(&w->taken, memory_order_relaxed);
		if (worth_telling(w, running))
			found[(*count)++] = (struct hung){running, w->looks};
	}
	pthread_mutex_unlock(&r->worker_lock);
	return busy;
}

static void tell(struct router *r, const struct hung *h)
{
	log_event(r->config.log, WHERRY_LOG_WARN, "command does not end", "command", h->command->name, "module",
	    h->command->owner->module, "seconds", LOG_NUMBER(h->looks * LOOK_MS / 1000), NULL);
}

// False: no memory.
static bool look_later(struct router *r)
{
	return timer_start(r->config.timers, &r->watch, timers_now(r->config.timers) + LOOK_MS) == WHERRY_OK;
}

static void on_timer(struct timer *timer)
{
	struct router *r = (struct router *)(void *)((char *)timer - offsetof(struct router, watch));
	struct hung found[TELL_MOST];
	unsigned token = grace_enter(&r->grace), count = 0;
	bool taken = atomic_exchange(&r->stirred, false), busy = look(r, found, &count);
	for (unsigned i = 0; i < count; i++)
		tell(r, &found[i]);
	grace_leave(&r->grace, token);
	if (taken || busy)
		look_later(r);
}

void watch_open(struct router *r)
{
	r->watch.fire = on_timer;
}

void watch_wake(struct router *r)
{
	if (atomic_exchange(&r->stirred, true))
		return;
	if (!look_later(r))
		atomic_store(&r->stirred, false);
}

void watch_stop(struct router *r)
{
	timer_stop_wait(r->config.timers, &r->watch);
}
