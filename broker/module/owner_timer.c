// The timers of an owner: each submits its request when it is due.
//
// A timer is named by its slot and a serial number, so that the name of one that is over never means another.
// Who takes a timer out of its slot (under the lock) frees it, after timer_stop_wait(): then fire() has
// returned.

#include "module/owner.h"

#include <string.h>

#include "base/mem.h"
#include "module/instance.h"

struct owner_timer {
	struct timer timer; // first: a struct timer * is a struct owner_timer *
	wherry_owner *owner;
	struct owner_timer *next; // of the spent ones
	uint32_t slot, serial;
	int64_t period_ms;
	bool over; // out of its slot: must not fire again
	size_t len;
	uint8_t request[];
};

enum { SLOTS_LEAST = 8, SLOTS_MOST = 1 << 24 };

static struct timers *timers_of(const wherry_owner *o)
{
	return o->modules->config.timers;
}

static void take_out(struct owner_timer *t)
{
	t->over = true;
	t->owner->timers[t->slot] = NULL;
	t->owner->timer_count--;
}

// The timer thread.  A period is counted from when it was due, not from now, so that it does not drift; but
// what was missed by more than a period (the machine slept) is not caught up with.
static bool start_again(struct owner_timer *t)
{
	int64_t now = timers_now(timers_of(t->owner)), due = t->timer.due_ms + t->period_ms;
	return timer_start(timers_of(t->owner), &t->timer, due > now ? due : now + t->period_ms) == WHERRY_OK;
}

static void fire(struct timer *timer)
{
	struct owner_timer *t = (struct owner_timer *)(void *)timer;
	wherry_owner *o = t->owner;
	pthread_mutex_lock(&o->lock);
	bool live = !t->over;
	if (live && (t->period_ms <= 0 || !start_again(t))) {
		take_out(t);
		t->next = o->spent;
		o->spent = t;
	}
	pthread_mutex_unlock(&o->lock);
	if (live && owner_submit(o, span_of(t->request, t->len)) != WHERRY_OK)
		log_event(o->modules->config.log, WHERRY_LOG_WARN, "request lost", "module", o->name, NULL);
}

static void free_timers(wherry_owner *o, struct owner_timer *list)
{
	while (list != NULL) {
		struct owner_timer *t = list;
		list = t->next;
		timer_stop_wait(timers_of(o), &t->timer);
		mem_free(t);
	}
}

// Under the lock.
static struct owner_timer *take_spent(wherry_owner *o)
{
	struct owner_timer *list = o->spent;
	o->spent = NULL;
	return list;
}

// Under the lock.  Half of the slots stay free, so that one is found after a few steps.
static bool make_room(wherry_owner *o)
{
	if (o->timer_count * 2 < o->timer_room)
		return true;
	uint32_t room = o->timer_room == 0 ? SLOTS_LEAST : o->timer_room * 2;
	struct owner_timer **timers = room <= SLOTS_MOST ? mem_resize(o->timers, sizeof(timers[0]) * room) : NULL;
	if (timers == NULL)
		return false;
	memset(timers + o->timer_room, 0, sizeof(timers[0]) * (room - o->timer_room));
	o->timers = timers;
	o->timer_room = room;
	return true;
}

// Under the lock.
static uint32_t free_slot(const wherry_owner *o)
{
	uint32_t slot = o->next_serial % o->timer_room;
	while (o->timers[slot] != NULL)
		slot = (slot + 1) % o->timer_room;
	return slot;
}

// Under the lock.
static int put_in(wherry_owner *o, struct owner_timer *t, int64_t delay_ms)
{
	if (atomic_load(&o->dead))
		return WHERRY_ESHUTDOWN;
	if (!make_room(o))
		return WHERRY_ENOMEM;
	t->slot = free_slot(o);
	t->serial = ++o->next_serial;
	int status = timer_start(timers_of(o), &t->timer, timers_now(timers_of(o)) + delay_ms);
	if (status != WHERRY_OK)
		return status;
	o->timers[t->slot] = t;
	o->timer_count++;
	return WHERRY_OK;
}

static struct owner_timer *timer_new(wherry_owner *o, int64_t period_ms, wherry_span request)
{
	struct owner_timer *t = mem_zalloc(sizeof(*t) + request.len);
	if (t == NULL)
		return NULL;
	t->timer.fire = fire;
	t->owner = o;
	t->period_ms = period_ms;
	t->len = request.len;
	memcpy(t->request, request.ptr, request.len);
	return t;
}

int owner_timer_start(wherry_owner *o, int64_t delay_ms, int64_t period_ms, wherry_span request, uint64_t *id)
{
	if (delay_ms < 0 || period_ms < 0 || delay_ms > MODULE_TIMER_MOST_MS || period_ms > MODULE_TIMER_MOST_MS ||
	    !owner_is_request(request))
		return WHERRY_EARG;
	struct owner_timer *t = timer_new(o, period_ms, request);
	if (t == NULL)
		return WHERRY_ENOMEM;
	pthread_mutex_lock(&o->lock);
	int status = put_in(o, t, delay_ms);
	if (status == WHERRY_OK && id != NULL)
		*id = (uint64_t)t->serial << 32 | t->slot;
	struct owner_timer *spent = take_spent(o);
	pthread_mutex_unlock(&o->lock);
	free_timers(o, spent);
	if (status != WHERRY_OK)
		mem_free(t);
	return status;
}

int owner_timer_stop(wherry_owner *o, uint64_t id)
{
	uint32_t slot = (uint32_t)id, serial = (uint32_t)(id >> 32);
	pthread_mutex_lock(&o->lock);
	struct owner_timer *t = slot < o->timer_room ? o->timers[slot] : NULL;
	if (t != NULL && t->serial == serial)
		take_out(t);
	else
		t = NULL;
	bool dead = atomic_load(&o->dead);
	pthread_mutex_unlock(&o->lock);
	if (t == NULL)
		return dead ? WHERRY_ESHUTDOWN : WHERRY_ESTALE;
	t->next = NULL;
	free_timers(o, t);
	return WHERRY_OK;
}

// Under the lock.
static uint64_t count_waiting(const wherry_owner *o)
{
	uint64_t count = 0;
	for (struct cursor c = cursor_of(buffer_span(&o->waiting)); c.at < c.end; count++)
		cursor_skip(&c);
	return count;
}

struct owner_tally owner_tally(wherry_owner *o)
{
	struct owner_tally tally = {.bytes = atomic_load(&o->bytes), .allocations = atomic_load(&o->allocations)};
	pthread_mutex_lock(&o->lock);
	tally.timers = o->timer_count;
	tally.requests = count_waiting(o);
	pthread_mutex_unlock(&o->lock);
	return tally;
}

struct owner_tally owner_bury(wherry_owner *o)
{
	struct owner_tally left = owner_tally(o);
	pthread_mutex_lock(&o->lock);
	atomic_store(&o->dead, true); // under the lock: no timer starts behind this
	o->serving = false;
	buffer_free(&o->waiting);
	struct owner_timer *list = take_spent(o);
	for (uint32_t i = 0; i < o->timer_room; i++) {
		struct owner_timer *t = o->timers[i];
		if (t == NULL)
			continue;
		take_out(t);
		t->next = list;
		list = t;
	}
	pthread_mutex_unlock(&o->lock);
	free_timers(o, list);
	return left;
}
