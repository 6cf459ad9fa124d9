// One request: lock its keys, run it, commit or undo, unlock, answer.  Runs on the thread that received the frame (or
// that runs woken requests); the stripes of its keys are the only locks held meanwhile.

#include <string.h>

#include "run/inside.h"

// Everything about one request that is run until it is answered or parked.
struct attempt {
	const struct run_as *as;
	const struct bound *bound;
	struct call call;
	size_t answer_at; // where its answer begins in out
	uint64_t gate;
	uint32_t why;
	const char *text; // of a failure that the router found
	bool ends_row;
	uint64_t done;  // ticks, if it ends its row
	bool published; // what it emitted
};

static int declare_keys(struct attempt *a)
{
	struct worker *w = a->as->worker;
	const struct bound *b = a->bound;
	for (uint32_t i = 0; i < b->key_count; i++) {
		const struct key_ref *ref = &w->keys[b->keys + i];
		int status = txn_key(w->txn, b->ns, ref->key, ref->hash, ref->mode, &w->slots[ref->arg]);
		if (status != WHERRY_OK)
			return status;
	}
	return w->needed_count > 0 ? needed_declare(w, a->as->router->config.store) : WHERRY_OK;
}

bool slots_clear(struct worker *w, uint32_t argc)
{
	while (w->slot_room < argc)
		if (!vector_room((void **)&w->slots, &w->slot_room, w->slot_room, sizeof(w->slots[0])))
			return false;
	if (argc > 0)
		memset(w->slots, 0xff, sizeof(w->slots[0]) * argc);
	return true;
}

static void call_begin(struct attempt *a)
{
	const struct run_as *as = a->as;
	const struct bound *b = a->bound;
	struct worker *w = as->worker;
	struct call *c = &a->call;
	*c = (struct call){
	    .face = {.size = sizeof(wherry_call),
		.why = a->why,
		.argc = b->argc,
		.args = w->args + b->args,
		.now_ms = as->now_ms,
		.session = as->session != NULL ? as->session->id : 0},
	    .command = b->command,
	    .router = as->router,
	    .session = as->session,
	    .worker = w,
	    .txn = w->txn,
	    .ns = b->ns,
	    .slots = w->slots,
	    .slot_count = b->argc,
	    .out = {as->out, &w->spots},
	};
	c->face.reply = &c->out;
	if (as->parked != NULL)
		memcpy(c->face.cookie, as->parked->cookie, sizeof(c->face.cookie));
	c->ticket = as->parked != NULL ? as->parked->ticket : park_next_ticket(as->router, b);
	w->spots.count = 0;
	w->signal_count = 0;
	buffer_clear(&w->notes);
	buffer_clear(&w->emits);
}

static int failed(struct attempt *a, int status, const char *text)
{
	a->text = text;
	return status;
}

static int check_answer(struct attempt *a)
{
	const struct run_as *as = a->as;
	if (as->out->failed)
		return WHERRY_ENOMEM;
	if (a->call.scan_status < 0)
		return a->call.scan_status;
	if (a->bound->request->kind == REQUEST_CALL && as->out->len == a->answer_at)
		return failed(a, WHERRY_EINTERNAL, "the module wrote no answer");
	if (as->out->len - as->frame_at > (size_t)as->router->config.limits->answer_bytes)
		return failed(a, WHERRY_ELIMIT,
		    "the answers of this frame are larger than max_answer: ask for less at a time, or use a scan");
	return WHERRY_OK;
}

// What the request waits for before anybody may know of it.
static uint64_t gate_of(const struct attempt *a)
{
	uint64_t gate = txn_gate(a->as->worker->txn);
	return gate > a->call.gate ? gate : a->call.gate;
}

static int commit(struct attempt *a)
{
	uint64_t lsn = 0;
	struct worker *w = a->as->worker;
	int status = txn_commit(w->txn, &lsn);
	if (status != WHERRY_OK)
		return status;
	pack_patch_revisions(&a->call.out, lsn);
	if (w->emits.len > 0)
		a->published = emits_commit(a->as->router, w, gate_of(a));
	if (w->signal_count > 0) // before the stripes are free: whoever comes next queues behind those that are woken
		park_signals(a->as->router, w);
	return WHERRY_OK;
}

// It wants to wait, or to wait again.
static int park(struct attempt *a, bool fresh)
{
	const struct run_as *as = a->as;
	if (a->why == WHERRY_WHY_SHUTDOWN && atomic_load(&as->router->draining))
		return failed(a, WHERRY_EAGAIN, "the broker is shutting down: nothing waits any more");
	if (a->why == WHERRY_WHY_SHUTDOWN)
		return failed(
		    a, WHERRY_EAGAIN, "the module was reloaded or unloaded while the request waited: send it again");
	int status = park_register(as, a->bound, &a->call, fresh);
	return status == WHERRY_OK ? WHERRY_PARKED : status;
}

// Under the stripes.  OK: committed.  Anything else: undone; PARKED: registered.
static int run_locked(struct attempt *a)
{
	const struct run_as *as = a->as;
	if (as->parked == NULL && park_must_queue(as->router, as, a->bound))
		return park(a, true);
	int status = call_run(&a->call);
	if (status == WHERRY_OK)
		status = check_answer(a);
	if (status == WHERRY_OK)
		return commit(a);
	txn_rollback(as->worker->txn, 0);
	if (status == WHERRY_PARKED && !a->call.parking)
		return failed(a, WHERRY_EINTERNAL, "the module answered PARKED without park()");
	return status == WHERRY_PARKED ? park(a, false) : status;
}

static int run_once(struct attempt *a)
{
	const struct run_as *as = a->as;
	struct worker *w = as->worker;
	as->out->len = a->answer_at;
	if (!slots_clear(w, a->bound->argc))
		return WHERRY_ENOMEM;
	txn_begin(w->txn, a->bound->ns, as->now_ms);
	int status = declare_keys(a);
	txn_lock(w->txn);
	call_begin(a);
	if (status == WHERRY_OK)
		status = run_locked(a);
	if (status != WHERRY_OK)
		txn_rollback(w->txn, 0);
	a->gate = gate_of(a);
	if (a->ends_row)
		a->done = ticks_now(); // before the unlock, which waits for all before it anyway
	txn_unlock(w->txn);
	parking_end(as->router, w);
	return status;
}

// Until it is answered, parked, or has asked for ever more.
static int run_until(struct attempt *a)
{
	const struct run_as *as = a->as;
	needed_clear(as->worker);
	for (int tries = 0; tries < RESTARTS_MOST; tries++) {
		int status = run_once(a);
		if (status == WHERRY_ESHUTDOWN && a->why != WHERRY_WHY_SHUTDOWN) {
			a->why = WHERRY_WHY_SHUTDOWN; // it may not wait: one last run to say so
			continue;
		}
		if (status != WHERRY_RESTART)
			return status;
		WORKER_COUNT(as->worker, restarts, 1);
	}
	return failed(a, WHERRY_EINTERNAL, "the command asked for one more key too often");
}

static void mark(const struct run_as *as, const struct request *request, size_t from, uint64_t gate)
{
	struct answer_mark m = {
	    .gate = gate, .at = from - as->frame_at, .len = as->out->len - from, .id = request->id, .has_id = true};
	if (!mark_add(&as->worker->marks, &m))
		as->out->failed = true;
}

static void log_lost_error(const struct run_as *as, const struct bound *b, const struct pack_error *e)
{
	char name[64];
	size_t len = b->request->method.len < sizeof(name) - 1 ? b->request->method.len : sizeof(name) - 1;
	memcpy(name, b->request->method.ptr, len);
	name[len] = 0;
	bool matters =
	    as->session == NULL && !atomic_load(&as->router->draining); // else nobody is there to do it any more
	log_event(as->router->config.log, matters ? WHERRY_LOG_WARN : WHERRY_LOG_DEBUG, "notification failed", "method",
	    name, "error", status_name(e->status), "text", e->text != NULL ? e->text : "", NULL);
}

static void answer_failure(
    const struct run_as *as, const struct bound *b, size_t from, struct pack_error e, uint64_t gate)
{
	if (e.status > 0 || e.status < WHERRY_ETAKEN)
		e = (struct pack_error){WHERRY_EINTERNAL, "the module answered an unknown status", -1, -1, NULL};
	WORKER_COUNT(as->worker, errors, 1);
	as->out->len = from;
	if (b->request->kind == REQUEST_NOTIFY) {
		log_lost_error(as, b, &e);
		return;
	}
	pack_error_response(as->out, true, b->request->id, &e);
	mark(as, b->request, from, gate);
}

static enum run_result finish(struct attempt *a, size_t from, int status)
{
	const struct run_as *as = a->as;
	const struct request *request = a->bound->request;
	as->worker->last_status = status;
	if (status < 0)
		command_failed(a->bound->command);
	if (status == WHERRY_PARKED) {
		as->out->len = from;
		return RUN_PARKED;
	}
	if (status != WHERRY_OK) {
		const char *text = a->text != NULL ? a->text : a->call.fail_text;
		struct pack_error e = {status, text, status == WHERRY_EAGAIN ? 0 : -1, (int64_t)a->call.failed_part - 1,
		    a->call.did_you_mean};
		answer_failure(as, a->bound, from, e, a->gate);
		return RUN_ANSWERED;
	}
	if (request->kind == REQUEST_NOTIFY)
		as->out->len = from;
	else
		mark(as, request, from, a->gate);
	if (as->worker->emits.len > 0 || atomic_load_explicit(&as->router->emit_count, memory_order_relaxed) > 0) {
		emits_finish(as->router, as->worker, a->gate, a->published);
		a->done = 0;
	}
	return RUN_ANSWERED;
}

enum run_result run_request(const struct run_as *as, struct bound *b)
{
	size_t from = as->out->len;
	if (b->error.status != WHERRY_OK) {
		as->worker->last_status = b->error.status;
		answer_failure(as, b, from, b->error, 0);
		timing_pause(as->worker);
		return RUN_ANSWERED;
	}
	struct attempt a = {.as = as, .bound = b, .why = as->parked != NULL ? as->parked->why : WHERRY_WHY_FIRST};
	if (as->evicted)
		a.why = WHERRY_WHY_SHUTDOWN;
	if (b->request->kind == REQUEST_CALL)
		pack_response_head(as->out, b->request->id);
	a.answer_at = as->out->len;
	a.ends_row = timing_run(as->worker, b->command, as->more == 0);
	int status = run_until(&a);
	enum run_result result = finish(&a, from, status);
	timing_ran(as->worker, b, status, result == RUN_PARKED && as->parked != NULL, as->out->len - from);
	if (a.ends_row)
		timing_row_ends(as->worker, a.done);
	if (as->worker->transaction != NULL)
		transaction_end(as->worker, b + 1, as->more);
	return result;
}
