// The router itself: a frame is checked whole, sliced, bound and prefetched in windows, and its requests run in order.

#include "run/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/inside.h"
#include "run/slow.h"

struct frame {
	struct router *router;
	struct session *session;
	const struct command_table *table;
	struct worker *worker;
	struct buffer *out;
	size_t from; // where its answers begin
	wherry_span header;
	const char *why; // what is wrong with the frame
	size_t at;
};

// The envelope and its params or options stand around a value.
struct codec_limits router_codec_limits(struct router *r)
{
	return (struct codec_limits){(uint32_t)r->config.limits->depth + 2, (uint32_t)r->config.limits->elements};
}

static void worker_reset(struct worker *w)
{
	w->marks.count = 0;
	w->exchange = NULL;
}

// Its answers can't be made: the session ends, so that nobody waits for them.
static enum frame_result unanswered(struct frame *f)
{
	f->session->ops->close(f->session, "out of memory");
	f->out->len = f->from;
	f->out->failed = false;
	return FRAME_LATE;
}

static enum frame_result bad_frame(struct frame *f)
{
	char text[160];
	WORKER_COUNT(f->worker, bad_frames, 1);
	timing_pause(f->worker);
	snprintf(text, sizeof(text), "nothing of this frame was run: %s, at byte %zu", f->why, f->at);
	f->out->len = f->from;
	struct pack_error e = {WHERRY_EARG, text, -1, -1, NULL};
	pack_error_response(f->out, false, 0, &e);
	return f->out->failed ? unanswered(f) : FRAME_ANSWERED;
}

// One envelope, or why it is none: all are looked at before anything runs.
static bool slice(struct frame *f, const uint8_t *begin, struct cursor *at, struct request *out)
{
	const uint8_t *object = at->at;
	if (request_slice(at, out, &f->why) == WHERRY_OK)
		return true;
	f->at = (size_t)(object - begin);
	return false;
}

static bool envelopes_hold(struct frame *f, wherry_span body)
{
	struct cursor at = cursor_of(body);
	struct request unused;
	while (at.at < at.end)
		if (!slice(f, body.ptr, &at, &unused))
			return false;
	return true;
}

// The next envelopes, as many as are sliced ahead; -1: one of them is none.
static int slice_window(struct frame *f, wherry_span body, struct cursor *at)
{
	int count = 0;
	while (count < WINDOW_SLICED && at->at < at->end)
		if (!slice(f, body.ptr, at, &f->worker->sliced[count++]))
			return -1;
	return count;
}

// (Responses that a client sends are passed over: the broker calls nobody.)
static void run_one(struct frame *f, struct bound *b, int64_t now_ms, size_t more)
{
	struct run_as as = {.router = f->router,
	    .session = f->session,
	    .worker = f->worker,
	    .out = f->out,
	    .frame_at = f->from,
	    .now_ms = now_ms,
	    .more = more,
	    .header = f->header};
	run_request(&as, b);
}

static void prefetch(struct router *r, const struct worker *w, size_t bound)
{
	for (size_t i = 0; i < bound; i++)
		for (uint32_t k = 0; k < w->bound[i].key_count; k++)
			store_prefetch_entry(r->config.store, w->bound[i].ns, w->keys[w->bound[i].keys + k].hash);
}

static int64_t window_begin(struct router *r, struct session *s, struct worker *w)
{
	int64_t now_ms = timing_begin(r, s, w);
	w->arg_count = w->key_count = 0;
	buffer_clear(&w->scratch);
	buffer_clear(&w->texts);
	return now_ms;
}

// Requests run one after another, but were bound together: one may have changed what a later one was bound to.
static void bind_late(struct frame *f, size_t i, size_t count)
{
	struct bound *b = &f->worker->bound[i];
	if (b->error.status != WHERRY_OK && i > 0) {
		bind_request(f->router, f->table, f->session, session_ns(f->session), f->worker, b->request, b);
		bind_settle(f->worker, b, count - i);
	} else if (!b->named_ns) {
		b->ns = session_ns(f->session);
	}
}

static void run_bound(struct frame *f, const struct request *requests, size_t count)
{
	struct worker *w = f->worker;
	int64_t now_ms = window_begin(f->router, f->session, w);
	size_t bound = 0;
	for (size_t i = 0; i < count; i++)
		if (requests[i].kind != REQUEST_RESPONSE)
			bind_request(f->router, f->table, f->session, session_ns(f->session), w, &requests[i],
			    &w->bound[bound++]);
	bind_settle(w, w->bound, bound);
	if (bound > 1)
		prefetch(f->router, w, bound);
	for (size_t i = 0; i < bound; i++) {
		bind_late(f, i, bound);
		run_one(f, &w->bound[i], now_ms, bound - i - 1);
	}
	WORKER_COUNT(w, requests, bound);
}

static void run_window(struct frame *f, int count)
{
	for (int i = 0; i < count; i += WINDOW_BOUND)
		run_bound(f, f->worker->sliced + i, (size_t)(count - i < WINDOW_BOUND ? count - i : WINDOW_BOUND));
}

// Checks everything before it runs anything; a frame of one window is sliced only once for that.  False: malformed.
static bool run_all(struct frame *f, wherry_span body)
{
	struct codec_limits limits = router_codec_limits(f->router);
	int64_t objects = cursor_check(body, &limits, &f->why, &f->at);
	if (objects < 0 || (objects > WINDOW_SLICED && !envelopes_hold(f, body)))
		return false;
	if (objects > WINDOW_SLICED)
		timing_pause(f->worker);
	struct cursor at = cursor_of(body);
	while (at.at < at.end) {
		int count = slice_window(f, body, &at);
		if (count < 0)
			return false;
		run_window(f, count);
	}
	return true;
}

// Something waits: the answers become an exchange, which delivers them when they may go.
static enum frame_result answer_later(struct frame *f)
{
	struct worker *w = f->worker;
	struct exchange *x = w->exchange != NULL ? w->exchange : exchange_new(f->session, f->header);
	if (x == NULL || !exchange_take(x, f->out, f->from, &w->marks))
		f->session->ops->close(f->session, "out of memory");
	f->out->len = f->from;
	f->out->failed = false;
	if (x != NULL)
		exchange_done(f->router, x, 0, NULL, NULL);
	return FRAME_LATE;
}

static enum frame_result answer(struct frame *f)
{
	struct worker *w = f->worker;
	uint64_t gate = marks_gate(&w->marks);
	if (w->exchange != NULL || (gate > 0 && gate > store_durable_lsn(f->router->config.store)) || f->out->failed)
		return answer_later(f);
	return FRAME_ANSWERED;
}

static enum frame_result run_frame(struct frame *f, wherry_span body)
{
	bool sound = run_all(f, body);
	return sound ? answer(f) : bad_frame(f);
}

// --- frames that came together ----------------------------------------------------------------------------------------

void router_turn_begin(struct router_turn *t, struct router *r, struct session *s)
{
	*t = (struct router_turn){.router = r, .session = s, .token = grace_enter(&r->grace)};
	t->table = atomic_load_explicit(&r->table, memory_order_acquire);
	t->worker = worker_take(r);
}

void router_turn_end(struct router_turn *t)
{
	if (t->worker != NULL) {
		timing_end(t->worker);
		worker_count(t->worker);
		worker_give(t->router, t->worker);
	}
	grace_leave(&t->router->grace, t->token);
	park_run_ready(t->router);
}

// Only what is one sound request: the others take the way on which everything is told.
bool router_turn_ahead(struct router_turn *t, wherry_span body)
{
	struct worker *w = t->worker;
	if (w == NULL || t->next > 0 || t->ahead == WINDOW_BOUND)
		return false;
	struct codec_limits limits = router_codec_limits(t->router);
	struct cursor at = cursor_of(body);
	struct request *request = &w->sliced[t->ahead];
	const char *why;
	size_t fault;
	if (cursor_check(body, &limits, &why, &fault) != 1 || request_slice(&at, request, &why) != WHERRY_OK ||
	    request->kind == REQUEST_RESPONSE)
		return false;
	if (t->ahead == 0)
		t->now_ms = window_begin(t->router, t->session, w);
	bind_request(t->router, t->table, t->session, session_ns(t->session), w, request, &w->bound[t->ahead]);
	w->ahead[t->ahead++] = body.ptr;
	return true;
}

static enum frame_result run_ahead(struct router_turn *t, struct frame *f)
{
	struct worker *w = t->worker;
	if (t->next == 0) {
		bind_settle(w, w->bound, t->ahead);
		prefetch(t->router, w, t->ahead);
	}
	bind_late(f, t->next, t->ahead);
	run_one(f, &w->bound[t->next], t->now_ms, t->ahead - t->next - 1);
	WORKER_COUNT(w, requests, 1);
	if (++t->next == t->ahead)
		t->next = t->ahead = 0;
	return answer(f);
}

enum frame_result router_turn_frame(struct router_turn *t, wherry_span header, wherry_span body, struct buffer *out)
{
	struct frame f = {.router = t->router,
	    .session = t->session,
	    .table = t->table,
	    .worker = t->worker,
	    .out = out,
	    .from = out->len,
	    .header = header};
	if (f.worker == NULL)
		return unanswered(&f);
	worker_reset(f.worker);
	WORKER_COUNT(f.worker, frames, 1);
	if (t->next < t->ahead && f.worker->ahead[t->next] == body.ptr)
		return run_ahead(t, &f);
	t->next = t->ahead = 0;
	return run_frame(&f, body);
}

void router_turn_pause(struct router_turn *t)
{
	if (t->worker != NULL)
		timing_pause(t->worker);
}

enum frame_result router_frame(
    struct router *r, struct session *s, wherry_span header, wherry_span body, struct buffer *out)
{
	struct router_turn turn;
	router_turn_begin(&turn, r, s);
	enum frame_result result = router_turn_frame(&turn, header, body, out);
	router_turn_end(&turn);
	router_flush(r);
	return result;
}

// One request of the broker's own, which was checked.
void run_internal(struct router *r, uint32_t ns, wherry_span request, struct buffer *out)
{
	unsigned token = grace_enter(&r->grace);
	struct worker *w = worker_take(r);
	if (w != NULL) {
		struct cursor at = cursor_of(request);
		struct request sliced;
		const char *why;
		request_slice(&at, &sliced, &why);
		int64_t now_ms = window_begin(r, NULL, w);
		worker_reset(w);
		bind_request(r, atomic_load(&r->table), NULL, ns, w, &sliced, &w->bound[0]);
		bind_settle(w, w->bound, 1);
		struct run_as as = {.router = r, .worker = w, .out = out, .now_ms = now_ms};
		run_request(&as, &w->bound[0]);
		worker_count(w);
		worker_give(r, w);
	} else {
		log_event(r->config.log, WHERRY_LOG_ERROR, "request lost", "reason", "out of memory", NULL);
	}
	grace_leave(&r->grace, token);
	park_run_ready(r);
	router_flush(r);
}

void router_flush(struct router *r)
{
	if (r->config.bus != NULL)
		bus_flush(r->config.bus);
}

// --- the commands in force --------------------------------------------------------------------------------------------

unsigned router_enter(struct router *r)
{
	return grace_enter(&r->grace);
}

void router_leave(struct router *r, unsigned token)
{
	grace_leave(&r->grace, token);
}

const struct command_table *router_commands(struct router *r)
{
	return atomic_load_explicit(&r->table, memory_order_acquire);
}

void router_publish(struct router *r, struct command_table *table)
{
	command_table_adopt(table, atomic_load(&r->table));
	struct command_table *old = atomic_exchange(&r->table, table);
	park_retarget(r, table);
	router_flush(r);
	grace_wait(&r->grace);
	command_table_free(old);
}

// --- its life ---------------------------------------------------------------------------------------------------------

static struct command_table *empty_table(void)
{
	struct command_table *t = command_table_new();
	if (t != NULL && command_table_seal(t) != WHERRY_OK) {
		command_table_free(t);
		return NULL;
	}
	return t;
}

int router_open(struct router **out, const struct router_config *config)
{
	struct router *r = aligned_alloc(_Alignof(struct router), sizeof(*r)); // counters have cache lines of their own
	struct command_table *table = empty_table();
	ticks_open();
	if (r == NULL || table == NULL) {
		free(r);
		command_table_free(table);
		return WHERRY_ENOMEM;
	}
	memset(r, 0, sizeof(*r));
	r->config = *config;
	r->next_session = config->sessions_after;
	atomic_init(&r->table, table);
	grace_open(&r->grace);
	pthread_mutex_init(&r->worker_lock, NULL);
	pthread_mutex_init(&r->session_lock, NULL);
	pthread_mutex_init(&r->park_lock, NULL);
	pthread_mutex_init(&r->held_lock, NULL);
	pthread_mutex_init(&r->slow.lock, NULL);
	watch_open(r);
	int status = runner_open(r);
	if (status == WHERRY_OK)
		*out = r;
	else
		router_close(r);
	return status;
}

void router_drain(struct router *r)
{
	atomic_store(&r->draining, true);
	park_wake_all(r, WHERRY_WHY_SHUTDOWN);
}

void router_close(struct router *r)
{
	runner_stop(r);
	runner_close(r);
	watch_stop(r);
	router_durable(r, store_durable_lsn(r->config.store), true);
	for (int i = 0; i < OWN_SLOTS; i++)
		worker_free(r, atomic_exchange(&r->own[i], NULL));
	for (int i = 0; i < GRACE_SLOTS; i++)
		worker_free(r, atomic_exchange(&r->pool[i], NULL));
	slow_clear(r);
	command_table_free(atomic_load(&r->table));
	grace_close(&r->grace);
	pthread_mutex_destroy(&r->worker_lock);
	pthread_mutex_destroy(&r->session_lock);
	pthread_mutex_destroy(&r->park_lock);
	pthread_mutex_destroy(&r->held_lock);
	pthread_mutex_destroy(&r->slow.lock);
	free(r);
}

void router_durable(struct router *r, uint64_t lsn, bool failed)
{
	emits_release(r, lsn, failed);
	answers_release(r, lsn, failed);
	router_flush(r);
}

void router_read_stats(struct router *r, struct router_stats *out)
{
	*out = (struct router_stats){.submits = atomic_load(&r->submits)};
	workers_count(r, out);
	out->parked = atomic_load(&r->parked_count);
	out->slow = atomic_load(&r->slow.met);
	out->waiting_flush = atomic_load(&r->held_count);
	pthread_mutex_lock(&r->session_lock);
	out->sessions = r->session_count;
	pthread_mutex_unlock(&r->session_lock);
}

struct store *router_store(struct router *r)
{
	return r->config.store;
}

struct bus *router_bus(struct router *r)
{
	return r->config.bus;
}

const struct logger *router_log(struct router *r)
{
	return r->config.log;
}

const struct clock *router_clock(struct router *r)
{
	return r->config.clock;
}
