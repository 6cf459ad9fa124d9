// The heap of timers and its thread: timer.h.  A binary heap of pointers, 1-based, so that place 0 says "not
// started".

#include "base/timer.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "wherry/status.h"

enum { FIRST_ROOM = 64, LONGEST_SLEEP_MS = 60 * 60 * 1000 };

struct timers {
	const struct clock *clock;
	pthread_mutex_t lock;  // guards all below
	pthread_cond_t sooner; // the thread has to look again
	pthread_cond_t fired;  // `firing` is done
	pthread_t thread;
	struct timer **heap; // heap[1] is due first
	size_t count, room;
	int64_t asleep_until_ms;
	struct timer *firing; // only compared, never followed: fire() may free it
	bool closing;
};

static void place(struct timers *ts, size_t at, struct timer *t)
{
	ts->heap[at] = t;
	t->place = at;
}

static void sift_up(struct timers *ts, size_t at)
{
	struct timer *t = ts->heap[at];
	for (; at > 1 && ts->heap[at / 2]->due_ms > t->due_ms; at /= 2)
		place(ts, at, ts->heap[at / 2]);
	place(ts, at, t);
}

static void sift_down(struct timers *ts, size_t at)
{
	struct timer *t = ts->heap[at];
	for (size_t child; (child = 2 * at) <= ts->count; at = child) {
		if (child < ts->count && ts->heap[child + 1]->due_ms < ts->heap[child]->due_ms)
			child++;
		if (ts->heap[child]->due_ms >= t->due_ms)
			break;
		place(ts, at, ts->heap[child]);
	}
	place(ts, at, t);
}

static void take_out(struct timers *ts, struct timer *t)
{
	size_t at = t->place;
	struct timer *last = ts->heap[ts->count--];
	t->place = 0;
	if (last == t)
		return;
	place(ts, at, last);
	sift_up(ts, at);
	sift_down(ts, last->place);
}

static bool make_room(struct timers *ts)
{
	if (ts->count + 1 < ts->room)
		return true;
	size_t room = ts->room == 0 ? FIRST_ROOM : ts->room * 2;
	struct timer **heap = mem_resize(ts->heap, room * sizeof(struct timer *));
	if (heap == NULL)
		return false;
	ts->heap = heap;
	ts->room = room;
	return true;
}

// The configured clock says how long; the kernel's monotonic one is what the condition waits on.  They are
// the same but in tests.
static struct timespec wait_until(const struct timers *ts, uint64_t ticks_ns)
{
	int64_t now_ms = (int64_t)(ticks_ns / 1000000);
	int64_t most = now_ms + LONGEST_SLEEP_MS;
	int64_t due = ts->count > 0 && ts->heap[1]->due_ms < most ? ts->heap[1]->due_ms : most;
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	int64_t ns = at.tv_nsec + (due - now_ms) * 1000000 - (int64_t)(ticks_ns % 1000000);
	at.tv_sec += (time_t)(ns / 1000000000);
	at.tv_nsec = (long)(ns % 1000000000);
	return at;
}

static void sleep_until_due(struct timers *ts, uint64_t ticks_ns)
{
	struct timespec at = wait_until(ts, ticks_ns);
	ts->asleep_until_ms = ts->count > 0 ? ts->heap[1]->due_ms : INT64_MAX;
	pthread_cond_timedwait(&ts->sooner, &ts->lock, &at);
	ts->asleep_until_ms = INT64_MIN;
}

static void fire_first(struct timers *ts)
{
	struct timer *t = ts->heap[1];
	take_out(ts, t);
	ts->firing = t;
	pthread_mutex_unlock(&ts->lock);
	t->fire(t);
	pthread_mutex_lock(&ts->lock);
	ts->firing = NULL;
	pthread_cond_broadcast(&ts->fired);
}

static void *run(void *arg)
{
	struct timers *ts = arg;
	pthread_mutex_lock(&ts->lock);
	while (!ts->closing) {
		uint64_t ticks_ns = clock_ticks_ns(ts->clock);
		if (ts->count > 0 && ts->heap[1]->due_ms <= (int64_t)(ticks_ns / 1000000))
			fire_first(ts);
		else
			sleep_until_due(ts, ticks_ns);
	}
	pthread_mutex_unlock(&ts->lock);
	return NULL;
}

static int start_thread(struct timers *ts)
{
	if (!thread_start(&ts->thread, run, ts))
		return WHERRY_EAGAIN;
	pthread_setname_np(ts->thread, "wherry-timer");
	return WHERRY_OK;
}

static void free_timers(struct timers *ts)
{
	pthread_cond_destroy(&ts->fired);
	pthread_cond_destroy(&ts->sooner);
	pthread_mutex_destroy(&ts->lock);
	mem_free(ts->heap);
	mem_free(ts);
}

int timers_open(struct timers **out, const struct clock *clock)
{
	struct timers *ts = mem_zalloc(sizeof(*ts));
	if (ts == NULL)
		return WHERRY_ENOMEM;
	ts->clock = clock;
	ts->asleep_until_ms = INT64_MIN;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&ts->lock, NULL);
	pthread_cond_init(&ts->sooner, &monotonic);
	pthread_cond_init(&ts->fired, NULL);
	pthread_condattr_destroy(&monotonic);
	int status = start_thread(ts);
	if (status == WHERRY_OK)
		*out = ts;
	else
		free_timers(ts);
	return status;
}

void timers_close(struct timers *ts)
{
	if (ts == NULL)
		return;
	pthread_mutex_lock(&ts->lock);
	ts->closing = true;
	pthread_cond_signal(&ts->sooner);
	pthread_mutex_unlock(&ts->lock);
	pthread_join(ts->thread, NULL);
	for (size_t i = 1; i <= ts->count; i++)
		ts->heap[i]->place = 0;
	free_timers(ts);
}

int64_t timers_now(struct timers *ts)
{
	return (int64_t)(clock_ticks_ns(ts->clock) / 1000000);
}

void timers_poke(struct timers *ts)
{
	pthread_mutex_lock(&ts->lock);
	pthread_cond_signal(&ts->sooner);
	pthread_mutex_unlock(&ts->lock);
}

int timer_start(struct timers *ts, struct timer *t, int64_t due_ms)
{
	pthread_mutex_lock(&ts->lock);
	int status = t->place > 0 || make_room(ts) ? WHERRY_OK : WHERRY_ENOMEM;
	if (status == WHERRY_OK) {
		if (t->place == 0)
			place(ts, ++ts->count, t);
		t->due_ms = due_ms;
		sift_up(ts, t->place);
		sift_down(ts, t->place);
		if (due_ms < ts->asleep_until_ms)
			pthread_cond_signal(&ts->sooner);
	}
	pthread_mutex_unlock(&ts->lock);
	return status;
}

bool timer_stop(struct timers *ts, struct timer *t)
{
	pthread_mutex_lock(&ts->lock);
	bool stopped = t->place > 0;
	if (stopped)
		take_out(ts, t);
	pthread_mutex_unlock(&ts->lock);
	return stopped;
}

// fire() may start its own timer again, so it is taken out once more after each wait.
void timer_stop_wait(struct timers *ts, struct timer *t)
{
	pthread_mutex_lock(&ts->lock);
	while (t->place > 0 || ts->firing == t) {
		if (t->place > 0)
			take_out(ts, t);
		else
			pthread_cond_wait(&ts->fired, &ts->lock);
	}
	pthread_mutex_unlock(&ts->lock);
}
