// Requests that wait: they keep nothing locked and nothing changed, and the same run() starts anew when a command
// signals one of their keys, when they are woken by ticket, when their time is up, or when the broker or their module
// goes.  Woken requests run one at a time, on whichever thread finds them, so that arrival order holds.

#include <string.h>

#include "base/mem.h"
#include "run/inside.h"

static void lock(struct router *r)
{
	pthread_mutex_lock(&r->park_lock);
}

static void unlock(struct router *r)
{
	pthread_mutex_unlock(&r->park_lock);
}

bool park_must_queue(struct router *r, const struct run_as *as, const struct bound *b)
{
	if (!(b->command->flags & WHERRY_CMD_PARKS) || atomic_load(&r->parked_count) == 0)
		return false;
	bool must = false;
	lock(r);
	for (uint32_t i = 0; i < b->key_count && !must; i++) {
		const struct key_ref *ref = &as->worker->keys[b->keys + i];
		struct park_key *k = park_key_find(r, b->ns, ref->hash, ref->key);
		must = k != NULL && k->ready > 0;
	}
	unlock(r);
	return must;
}

bool park_waits(struct router *r, uint32_t ns, wherry_span key)
{
	if (atomic_load(&r->parked_count) == 0)
		return false;
	lock(r);
	bool waits = park_key_find(r, ns, store_hash(r->config.store, key), key) != NULL;
	unlock(r);
	return waits;
}

uint64_t park_next_ticket(struct router *r, const struct bound *b)
{
	if (!(b->command->flags & WHERRY_CMD_PARKS))
		return 0;
	return atomic_fetch_add_explicit(&r->next_ticket, 1, memory_order_relaxed) + 1;
}

// --- between park() and the queue: a wake() that comes too early is remembered ---------------------------------------

void parking_begin(struct router *r, struct worker *w, uint64_t ticket)
{
	parking_end(r, w);
	lock(r);
	w->parking_ticket = ticket;
	w->woken = false;
	w->parking_prev = NULL;
	w->parking_next = r->parking;
	if (r->parking != NULL)
		r->parking->parking_prev = w;
	r->parking = w;
	w->parking = true;
	unlock(r);
}

void parking_end(struct router *r, struct worker *w)
{
	if (!w->parking) // only its own thread sets it
		return;
	lock(r);
	*(w->parking_prev != NULL ? &w->parking_prev->parking_next : &r->parking) = w->parking_next;
	if (w->parking_next != NULL)
		w->parking_next->parking_prev = w->parking_prev;
	w->parking = false;
	unlock(r);
}

static bool wake_parking(struct router *r, uint64_t ticket)
{
	for (struct worker *w = r->parking; w != NULL; w = w->parking_next) {
		if (w->parking_ticket != ticket)
			continue;
		w->woken = true;
		return true;
	}
	return false;
}

// --- registering ------------------------------------------------------------------------------------------------------

static void timed_out(struct timer *timer)
{
	struct parked *p = (struct parked *)((char *)timer - offsetof(struct parked, timer));
	struct router *r = p->router;
	lock(r);
	p->timed = false;
	if (p->state == PARKED_WAITING) {
		p->fresh = false;
		parked_make_ready(p, WHERRY_WHY_TIMEOUT);
	} else {
		p->time_up = true;
	}
	unlock(r);
	runner_drain_ready(r);
}

// REQ sends again after a minute, so what such a client waits for is answered before.
static int64_t timeout_of(const struct router *r, const struct call *c, bool fresh)
{
	int64_t most = c->session != NULL && !c->session->duplex ? r->config.limits->park_ms : -1;
	int64_t wanted = fresh ? -1 : c->park_timeout_ms;
	return wanted < 0 || (most >= 0 && most < wanted) ? most : wanted;
}

// Under the lock.  A request that parks again waits no longer for it: of its times the earliest counts.  False: no memory.
static bool start_timer(struct parked *p, int64_t timeout_ms)
{
	struct timers *timers = p->router->config.timers;
	int64_t due_ms;
	if (__builtin_add_overflow(timers_now(timers), timeout_ms, &due_ms))
		due_ms = INT64_MAX; // a module may give on what a client sent
	if (timeout_ms < 0 || p->time_up || (p->timed && p->timer.due_ms <= due_ms))
		return true;
	if (timer_start(timers, &p->timer, due_ms) != WHERRY_OK)
		return false;
	p->timed = p->has_timer = true;
	return true;
}

void parked_free(struct parked *p)
{
	if (p->has_timer)
		timer_stop_wait(p->router->config.timers, &p->timer);
	if (p->session != NULL)
		session_drop(p->session);
	mem_free(p->places);
	mem_free(p);
}

static struct parked *parked_new(const struct run_as *as, const struct bound *b, const struct call *c, bool fresh)
{
	wherry_span raw = b->request->raw;
	struct parked *p = mem_zalloc(sizeof(*p) + raw.len);
	struct park_place *places = mem_zalloc(sizeof(places[0]) * (b->key_count + 1));
	if (p == NULL || places == NULL) {
		mem_free(p);
		mem_free(places);
		return NULL;
	}
	*p = (struct parked){.ticket = c->ticket,
	    .session = as->session,
	    .ns = b->ns,
	    .key_count = b->key_count,
	    .fresh = fresh,
	    .timer.fire = timed_out,
	    .router = as->router,
	    .places = places,
	    .len = raw.len};
	memcpy(p->bytes, raw.ptr, raw.len);
	if (p->session != NULL)
		session_hold(p->session);
	return p;
}

// Where its answer will go: a place among those of its frame (REQ), or a frame of its own (duplex).
static bool give_exchange(const struct run_as *as, const struct bound *b, struct parked *p)
{
	struct worker *w = as->worker;
	if (as->session == NULL || b->request->kind == REQUEST_NOTIFY)
		return true;
	if (as->session->duplex) {
		p->exchange = exchange_new(as->session, span_of(NULL, 0));
		return p->exchange != NULL;
	}
	if (w->exchange == NULL)
		w->exchange = exchange_new(as->session, as->header);
	struct answer_mark m = {.id = b->request->id, .has_id = true, .parked = true};
	if (w->exchange == NULL || !mark_add(&w->marks, &m))
		return false;
	pthread_mutex_lock(&w->exchange->lock);
	w->exchange->waiting++;
	pthread_mutex_unlock(&w->exchange->lock);
	p->exchange = w->exchange;
	p->place = w->marks.count - 1;
	return true;
}

// Takes back what give_exchange() gave.
static void return_exchange(const struct run_as *as, struct parked *p)
{
	struct exchange *x = p->exchange;
	if (x == NULL)
		return;
	if (!as->session->duplex)
		as->worker->marks.count--;
	exchange_done(as->router, x, 0, NULL, NULL);
}

// The command of that name in the table in force, if it is still its owner's.  A swap takes park_lock afterwards, so
// whoever registers under it with the new table is not overlooked, and with the old one is retargeted.
static const struct command *command_now(struct router *r, const struct command *was)
{
	const struct command *now = command_find(atomic_load(&r->table), span_of(was->name, was->name_len));
	return now != NULL && now->owner == was->owner ? now : NULL;
}

static bool may_wait(struct router *r, const struct session *s, const struct command *now)
{
	return now != NULL && !atomic_load(&r->draining) && (s == NULL || !atomic_load(&s->ended));
}

// Under the lock: it waits again; what came while it ran wakes it at once.
static void wait_again(struct parked *p, bool woken)
{
	p->fresh = false;
	p->state = PARKED_WAITING;
	parked_release(p);
	if (woken || p->rewake) {
		p->rewake = false;
		parked_make_ready(p, WHERRY_WHY_WAKE);
	} else if (p->time_up) {
		p->time_up = false;
		parked_make_ready(p, WHERRY_WHY_TIMEOUT);
	}
}

static int park_again(const struct run_as *as, const struct call *c)
{
	struct router *r = as->router;
	struct parked *p = as->parked;
	int64_t timeout_ms = timeout_of(r, c, false);
	lock(r);
	const struct command *now = command_now(r, p->command);
	int status = may_wait(r, p->session, now) ? WHERRY_OK : WHERRY_ESHUTDOWN;
	if (status == WHERRY_OK && !start_timer(p, timeout_ms))
		status = WHERRY_ENOMEM;
	if (status == WHERRY_OK) {
		p->command = now;
		memcpy(p->cookie, c->face.cookie, sizeof(p->cookie));
		wait_again(p, as->worker->woken);
		as->worker->woken = false;
	}
	unlock(r);
	return status;
}

// Under the lock: into all lists, with its timer.  False: no memory, and in none.
static bool link_timed(struct parked *p, const struct worker *w, const struct bound *b, int64_t timeout_ms)
{
	if (!parked_link(p, w, b))
		return false;
	if (start_timer(p, timeout_ms))
		return true;
	parked_unlink(p);
	return false;
}

static int park_link(const struct run_as *as, const struct bound *b, const struct call *c, struct parked *p)
{
	struct router *r = as->router;
	int64_t timeout_ms = timeout_of(r, c, p->fresh);
	int status = WHERRY_OK;
	lock(r);
	p->command = command_now(r, b->command);
	if (!may_wait(r, p->session, p->command))
		status = WHERRY_ESHUTDOWN;
	else if (!link_timed(p, as->worker, b, timeout_ms))
		status = WHERRY_ENOMEM;
	if (status == WHERRY_OK) {
		if (p->session != NULL)
			atomic_fetch_add(&p->session->parked, 1);
		memcpy(p->cookie, c->face.cookie, sizeof(p->cookie));
		if (as->worker->woken)
			parked_make_ready(p, WHERRY_WHY_WAKE);
		as->worker->woken = false;
	}
	unlock(r);
	return status;
}

int park_register(const struct run_as *as, const struct bound *b, struct call *c, bool fresh)
{
	struct router *r = as->router;
	if (as->parked != NULL)
		return park_again(as, c);
	int64_t most = r->config.limits->parked_per_session;
	if (as->session != NULL && atomic_load(&as->session->parked) > most)
		return call_failf(&c->face, WHERRY_ELIMIT, "%lld requests of this session wait already (max_parked)",
		    (long long)most);
	struct parked *p = parked_new(as, b, c, fresh);
	if (p == NULL)
		return WHERRY_ENOMEM;
	int status = give_exchange(as, b, p) ? park_link(as, b, c, p) : WHERRY_ENOMEM;
	if (status != WHERRY_OK) {
		return_exchange(as, p);
		parked_free(p);
	} else if (fresh) {
		park_nudge_fresh(r, c->ticket);
	}
	return status;
}

// --- waking -----------------------------------------------------------------------------------------------------------

// Those it queued behind may have run between park_must_queue() and its registration.
void park_nudge_fresh(struct router *r, uint64_t ticket)
{
	lock(r);
	struct parked *p = parked_by_ticket(r, ticket);
	bool behind = false;
	for (uint32_t i = 0; p != NULL && i < p->key_count; i++)
		behind |= p->places[i].key->ready > 0;
	if (p != NULL && p->state == PARKED_WAITING && !behind)
		parked_make_ready(p, WHERRY_WHY_FIRST);
	unlock(r);
}

static void signal_key(struct park_key *k, uint32_t count)
{
	for (struct park_place *place = k->first; place != NULL && count > 0; place = place->next) {
		if (place->who->state != PARKED_WAITING)
			continue;
		parked_make_ready(place->who, WHERRY_WHY_SIGNAL);
		count--;
	}
}

void park_signals(struct router *r, struct worker *w)
{
	lock(r);
	for (uint32_t i = 0; i < w->signal_count; i++) {
		const struct signal_ref *s = &w->signals[i];
		struct park_key *k = park_key_find(r, s->ns, s->hash, span_of(w->notes.data + s->at, s->len));
		if (k != NULL)
			signal_key(k, s->count);
	}
	unlock(r);
}

int router_wake(struct router *r, uint64_t ticket)
{
	lock(r);
	struct parked *p = parked_by_ticket(r, ticket);
	bool found = p != NULL || wake_parking(r, ticket);
	if (p != NULL && p->state == PARKED_WAITING)
		parked_make_ready(p, WHERRY_WHY_WAKE);
	else if (p != NULL)
		p->rewake = true;
	unlock(r);
	if (found)
		runner_drain_ready(r);
	return found ? WHERRY_OK : WHERRY_ESTALE;
}

void park_wake_all(struct router *r, uint32_t why)
{
	lock(r);
	for (struct parked *p = r->parked_first; p != NULL; p = p->all_next) {
		if (p->state != PARKED_WAITING)
			continue;
		p->fresh = false;
		parked_make_ready(p, why);
	}
	unlock(r);
	runner_drain_ready(r);
}
