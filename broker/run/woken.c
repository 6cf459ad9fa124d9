// Running woken requests, and what ends a wait from outside: the client gone, the module gone.

#include "base/mem.h"
#include "run/inside.h"

enum { RUN_AT_ONCE = 64 };

static void finish(struct router *r, struct parked *p, const struct buffer *answer, const struct answer_mark *mark)
{
	if (p->exchange != NULL)
		exchange_done(r, p->exchange, p->place, answer, mark);
	if (p->session != NULL)
		session_unpark(r, p->session);
	parked_free(p);
}

// It has run, or never will: out of the queues, and whom it kept from running may.
static void leave_queues(struct router *r, struct parked *p, bool pass_on)
{
	pthread_mutex_lock(&r->park_lock);
	if (p->state != PARKED_WAITING) {
		if (pass_on)
			parked_pass_on(p);
		parked_release(p);
	}
	parked_unlink(p);
	pthread_mutex_unlock(&r->park_lock);
}

static void drop(struct router *r, struct parked *p, const struct buffer *answer)
{
	static const struct answer_mark none;
	leave_queues(r, p, true);
	finish(r, p, answer, &none);
}

// PARKED: it waits again and must not be touched any more.
static enum run_result run_again(struct router *r, struct parked *p, struct worker *w, struct buffer *out, bool evicted)
{
	struct cursor at = cursor_of(span_of(p->bytes, p->len));
	struct request request;
	struct bound bound;
	const char *why;
	int64_t now_ms = timing_begin(r, p->session, w);
	request_slice(&at, &request, &why); // it was sliced before
	w->arg_count = w->key_count = 0;
	w->marks.count = 0;
	buffer_clear(&w->scratch);
	buffer_clear(&w->texts);
	bind_parked(r, p, w, &request, &bound);
	bind_settle(w, &bound, 1);
	struct run_as as = {.router = r,
	    .session = p->session,
	    .worker = w,
	    .out = out,
	    .now_ms = now_ms,
	    .parked = p,
	    .evicted = evicted};
	return run_request(&as, &bound);
}

// Of several keys it may have been woken for one and served by another.
static bool is_unused(const struct parked *p, const struct worker *w)
{
	return w->last_status != WHERRY_OK || p->key_count > 1;
}

static void run_parked(struct router *r, struct parked *p, bool evicted)
{
	static const struct buffer nothing, lost = {.failed = true};
	if (p->session != NULL && atomic_load(&p->session->ended)) {
		drop(r, p, &nothing);
		return;
	}
	struct worker *w = worker_take(r);
	if (w == NULL) {
		drop(r, p, &lost);
		return;
	}
	struct buffer out = {0};
	enum run_result result = run_again(r, p, w, &out, evicted);
	worker_count(w); // before anybody can have the answer
	if (result == RUN_ANSWERED) {
		struct answer_mark mark = w->marks.count > 0 ? w->marks.row[0] : (struct answer_mark){0};
		leave_queues(r, p, is_unused(p, w));
		finish(r, p, &out, &mark);
	}
	buffer_free(&out);
	worker_give(r, w);
}

// Inside a grace period from before it is taken: its command can't go away meanwhile.  After enough of them the runner
// goes on, or who wakes others would wait for its own answers as long as there is somebody to be woken.
static bool run_next(struct router *r, bool enough)
{
	unsigned token = grace_enter(&r->grace);
	pthread_mutex_lock(&r->park_lock);
	struct parked *p = enough ? NULL : parked_next_ready(r);
	bool more = p == NULL && r->ready_first != NULL;
	if (p != NULL)
		p->state = PARKED_RUNNING;
	else
		r->draining_ready = false;
	pthread_mutex_unlock(&r->park_lock);
	if (p != NULL)
		run_parked(r, p, false);
	grace_leave(&r->grace, token);
	if (more)
		runner_drain_ready(r);
	return p != NULL;
}

void park_run_ready(struct router *r)
{
	if (atomic_load(&r->parked_count) == 0)
		return;
	pthread_mutex_lock(&r->park_lock);
	bool mine = !r->draining_ready && r->ready_first != NULL;
	if (mine)
		r->draining_ready = true;
	pthread_mutex_unlock(&r->park_lock);
	for (int ran = 0; mine && run_next(r, ran == RUN_AT_ONCE); ran++)
		;
}

void park_session_gone(struct router *r, struct session *s)
{
	struct parked *gone = NULL;
	pthread_mutex_lock(&r->park_lock);
	for (struct parked *p = s->waiting, *next; p != NULL; p = next) {
		next = p->session_next;
		if (p->state != PARKED_WAITING)
			continue; // woken ones see that the session has ended when they run
		parked_unlink(p);
		p->state = PARKED_RUNNING; // its timer may fire until it is freed
		p->ready_next = gone;
		gone = p;
	}
	pthread_mutex_unlock(&r->park_lock);
	static const struct buffer nothing;
	static const struct answer_mark none;
	for (struct parked *p = gone, *next; p != NULL; p = next) {
		next = p->ready_next;
		finish(r, p, &nothing, &none);
	}
}

// Whose command is gone or another owner's now.  Still in its queues, and counted as ready, until it has run.
static struct parked *evict(struct router *r, const struct command_table *now)
{
	struct parked *out = NULL, **end = &out;
	for (struct parked *p = r->parked_first; p != NULL; p = p->all_next) {
		if (p->state == PARKED_RUNNING)
			continue; // it sees the new table when it wants to park again
		const struct command *c = command_find(now, span_text(p->command->name));
		if (c != NULL && c->owner == p->command->owner) {
			p->command = c;
			continue;
		}
		p->fresh = false;
		if (p->state == PARKED_WAITING)
			parked_make_ready(p, WHERRY_WHY_SHUTDOWN);
		parked_unready(p);
		p->state = PARKED_RUNNING;
		p->ready_next = NULL;
		*end = p;
		end = &p->ready_next;
	}
	return out;
}

void park_retarget(struct router *r, const struct command_table *now)
{
	pthread_mutex_lock(&r->park_lock);
	struct parked *p = evict(r, now);
	pthread_mutex_unlock(&r->park_lock);
	while (p != NULL) {
		struct parked *next = p->ready_next;
		run_parked(r, p, true);
		p = next;
	}
	park_run_ready(r);
}
