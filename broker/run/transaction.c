// Transactions: the commands of a tx.exec run one after another in the txn of the request that brought them: one undo
// list, one unit, one commit, and run.c's own way there and back.
//
// tx.exec declares no key.  Its run() binds the commands in it, as the router binds requests, and then takes the locks
// of all their keys at once; from there on nothing is different from one command with many keys.  A command that needs
// yet another key starts the whole again, like any other; those behind it run all the same, but only to say what they
// need, so that it does not start again for each.
//
// No command waits here: whoever parks is run a second time as after a time-out, which each can answer.

#include "run/transaction.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "codec/key.h"
#include "run/inside.h"

// One command of it.
struct part {
	struct request request;
	struct bound bound;
	uint32_t slot; // of its first key
	int status;
	uint64_t ns; // how long it ran
};

struct transaction {
	struct request none;     // the conditions' request
	struct bound conditions; // their keys
	wherry_span revisions;   // [key, revision] one after another
	uint32_t condition_slot; // of the first one's key
	bool goes_on;
	size_t args, keys, scratch, texts; // where in the worker's vectors its own begin
	size_t answer_at;
	uint32_t bound, ran; // so many of its parts; ran: the last time
	uint32_t count;
	struct part part[];
};

// Where everything goes back to when a part fails.
struct savepoint {
	size_t undo, answer, spots, notes, emits;
	uint32_t signals;
};

// --- what it is made of ---------------------------------------------------------------------------------------------

// The part that the whole fails for.
static int blame(struct call *c, uint32_t index, const struct command *command, int status, const char *text)
{
	char why[sizeof(c->worker->fail_text)]; // apart: `text` may be the call's own
	struct line l = line_of(why, sizeof(why));
	line_add(&l, "at index ");
	line_number(&l, index);
	line_add(&l, command != NULL ? ", " : "");
	line_add(&l, command != NULL ? command->name : "");
	line_add(&l, ": ");
	line_add(&l, text != NULL ? text : status_text(status));
	c->failed_part = index + 1;
	return call_fail(&c->face, status, line_end(&l));
}

static const char *unfit(const struct command *command)
{
	if (command->flags & WHERRY_CMD_SCANS)
		return "not in a transaction: it scans";
	if (command->flags & WHERRY_CMD_ADMIN)
		return "not in a transaction: it administrates";
	return command->flags & WHERRY_CMD_ALONE ? "not in a transaction: it runs alone" : NULL;
}

// With its text, if there was memory for that.
static const struct pack_error *error_of(const struct call *c, struct bound *b)
{
	if (b->error.status != WHERRY_OK)
		bind_settle(c->worker, b, 1);
	return &b->error;
}

static int bind_part(struct call *c, struct transaction *t, struct cursor *at, uint32_t index)
{
	struct part *p = &t->part[index];
	const char *why;
	if (request_slice_part(at, &p->request, &why) != WHERRY_OK)
		return blame(c, index, NULL, WHERRY_EARG, why);
	bind_request(c->router, router_commands(c->router), c->session, c->ns, c->worker, &p->request, &p->bound);
	const struct pack_error *e = error_of(c, &p->bound);
	c->did_you_mean = e->did_you_mean;
	if (e->status != WHERRY_OK)
		return blame(c, index, p->bound.command, e->status, e->text);
	why = unfit(p->bound.command);
	return why == NULL ? WHERRY_OK : blame(c, index, p->bound.command, WHERRY_EUNSUPPORTED, why);
}

static bool is_revision(const wherry_value *v)
{
	return v->kind & (WHERRY_NIL | WHERRY_UINT) || (v->kind == WHERRY_INT && v->as.i >= 0);
}

static int bind_condition(struct call *c, struct transaction *t, struct cursor *at)
{
	wherry_value pair, key, revision;
	cursor_next(at, &pair);
	bool two = pair.kind == WHERRY_LIST && pair.reserved0 == 2;
	struct cursor in = cursor_of(two ? pair.as.bytes : (wherry_span){0});
	if (!two || !cursor_next(&in, &key) || !cursor_next(&in, &revision) || !is_revision(&revision))
		return call_fail(&c->face, WHERRY_EARG,
		    "option \"if\" must be an array of [key, revision]; revision nil or 0: it must not be there");
	if (bind_key_alone(c->router, c->worker, "if", &key, &t->conditions))
		return WHERRY_OK;
	const struct pack_error *e = error_of(c, &t->conditions);
	return call_fail(&c->face, e->status, e->text != NULL ? e->text : status_text(e->status));
}

static int bind_all(struct call *c, struct transaction *t, const struct transaction_wish *wish)
{
	int status = WHERRY_OK;
	struct cursor at = cursor_of(t->revisions);
	bind_keys_begin(c->worker, &t->none, c->ns, &t->conditions);
	while (status == WHERRY_OK && at.at < at.end)
		status = bind_condition(c, t, &at);
	at = cursor_of(wish->commands.as.bytes);
	while (status == WHERRY_OK && t->bound < t->count)
		status = bind_part(c, t, &at, t->bound++);
	return status;
}

static void settle(struct worker *w, struct transaction *t)
{
	bind_settle(w, &t->conditions, 1);
	for (uint32_t i = 0; i < t->count; i++)
		bind_settle(w, &t->part[i].bound, 1);
}

// Everything that can be seen without running anything is refused here.
static int prepare(struct call *c, const struct transaction_wish *wish)
{
	struct worker *w = c->worker;
	uint32_t count = wish->commands.reserved0;
	int64_t most = c->router->config.limits->tx_commands;
	if (count > most)
		return call_failf(&c->face, WHERRY_ELIMIT,
		    "a transaction has at most %" PRId64 " commands (max_tx_commands), not %" PRIu32, most, count);
	struct transaction *t = mem_alloc(sizeof(*t) + sizeof(t->part[0]) * count);
	if (t == NULL)
		return WHERRY_ENOMEM;
	*t = (struct transaction){.goes_on = wish->goes_on,
	    .revisions = wish->conditions.kind == WHERRY_LIST ? wish->conditions.as.bytes : span_of(NULL, 0),
	    .args = w->arg_count,
	    .keys = w->key_count,
	    .scratch = w->scratch.len,
	    .texts = w->texts.len,
	    .count = count};
	w->transaction = t;
	int status = bind_all(c, t, wish);
	if (status == WHERRY_OK)
		settle(w, t);
	return status;
}

static int declare(struct call *c, const struct bound *b, uint32_t *first)
{
	int status = WHERRY_OK;
	for (uint32_t k = 0; k < b->key_count && status == WHERRY_OK; k++) {
		const struct key_ref *ref = &c->worker->keys[b->keys + k];
		uint32_t slot;
		status = txn_key(c->txn, b->ns, ref->key, ref->hash, ref->mode, &slot);
		if (k == 0)
			*first = slot;
	}
	return status;
}

// In the place of those that the request began with: none, or those that were needed the last time.
static int take_locks(struct call *c, struct transaction *t)
{
	txn_unlock(c->txn);
	txn_begin(c->txn, c->ns, c->face.now_ms);
	int status = declare(c, &t->conditions, &t->condition_slot);
	for (uint32_t i = 0; i < t->count && status == WHERRY_OK; i++)
		status = declare(c, &t->part[i].bound, &t->part[i].slot);
	if (status == WHERRY_OK)
		status = needed_declare(c->worker, c->router->config.store);
	txn_lock(c->txn);
	return status;
}

// --- its conditions -------------------------------------------------------------------------------------------------

static int conflict(struct call *c, uint32_t slot, uint64_t is, uint64_t wanted)
{
	char key[128];
	key_print(txn_slot_key(c->txn, slot), key, sizeof(key));
	if (is == 0)
		return call_failf(&c->face, WHERRY_ECONFLICT,
		    "key %s is not there, and should be at revision %" PRIu64 ": nothing was run", key, wanted);
	if (wanted == 0)
		return call_failf(&c->face, WHERRY_ECONFLICT,
		    "key %s is there, at revision %" PRIu64 ", and should not be: nothing was run", key, is);
	return call_failf(&c->face, WHERRY_ECONFLICT,
	    "key %s is at revision %" PRIu64 ", not %" PRIu64 ": nothing was run", key, is, wanted);
}

static int check_conditions(struct call *c, const struct transaction *t)
{
	struct cursor at = cursor_of(t->revisions);
	wherry_value pair, wanted;
	for (uint32_t i = 0; cursor_next(&at, &pair); i++) {
		struct cursor in = cursor_of(pair.as.bytes);
		cursor_skip(&in);
		cursor_next(&in, &wanted);
		uint64_t revision = wanted.kind == WHERRY_NIL ? 0 : wanted.as.u;
		struct txn_view view = {0};
		int status = txn_open(c->txn, t->condition_slot + i, TXN_ANY_TYPE, &view);
		if (status != WHERRY_OK && status != WHERRY_ENOKEY)
			return status;
		if (view.revision != revision)
			return conflict(c, t->condition_slot + i, view.revision, revision);
	}
	return WHERRY_OK;
}

// --- running --------------------------------------------------------------------------------------------------------

static struct savepoint savepoint(const struct call *c)
{
	const struct worker *w = c->worker;
	return (struct savepoint){
	    txn_mark(c->txn), c->out.buffer->len, w->spots.count, w->notes.len, w->emits.len, w->signal_count};
}

static void go_back(struct call *c, const struct savepoint *s)
{
	struct worker *w = c->worker;
	txn_rollback(c->txn, s->undo);
	c->out.buffer->len = s->answer;
	w->spots.count = s->spots;
	w->notes.len = s->notes;
	w->emits.len = s->emits;
	w->signal_count = s->signals;
}

static struct call part_call(const struct call *outer, const struct bound *b)
{
	struct worker *w = outer->worker;
	return (struct call){
	    .face = {.size = sizeof(wherry_call),
		.why = WHERRY_WHY_FIRST,
		.argc = b->argc,
		.flags = WHERRY_CALL_TRANSACTION,
		.args = w->args + b->args,
		.now_ms = outer->face.now_ms,
		.session = outer->face.session},
	    .command = b->command,
	    .router = outer->router,
	    .session = outer->session,
	    .worker = w,
	    .txn = outer->txn,
	    .ns = b->ns,
	    .slot_count = b->argc,
	    .ticket = park_next_ticket(outer->router, b),
	    .out = outer->out,
	    .outer = outer,
	};
}

static bool find_slots(struct call *c, const struct part *p)
{
	struct worker *w = c->worker;
	if (!slots_clear(w, p->bound.argc))
		return false;
	for (uint32_t k = 0; k < p->bound.key_count; k++)
		w->slots[w->keys[p->bound.keys + k].arg] = p->slot + k;
	c->slots = w->slots;
	return true;
}

// What the broker itself runs may answer nothing, for nobody asks.
static int check_answer(struct call *c, size_t answer_at)
{
	if (c->out.buffer->len > answer_at || c->out.buffer->failed)
		return WHERRY_OK;
	if (!(c->command->flags & WHERRY_CMD_INTERNAL))
		return call_fail(&c->face, WHERRY_EINTERNAL, "the module wrote no answer");
	pack_nil(&c->out);
	return WHERRY_OK;
}

static int run_part_once(struct call *c, const struct savepoint *s)
{
	int status = call_run(c);
	if (status == WHERRY_OK)
		status = check_answer(c, s->answer);
	if (status > WHERRY_RESTART || status < WHERRY_ETAKEN)
		status = call_fail(&c->face, WHERRY_EINTERNAL, "the module answered an unknown status");
	if (status != WHERRY_OK)
		go_back(c, s);
	return status;
}

static int run_part(struct call *c, const struct part *p)
{
	struct savepoint s = savepoint(c);
	c->face.reply = &c->out;
	int status = find_slots(c, p) ? run_part_once(c, &s) : WHERRY_ENOMEM;
	if (status == WHERRY_PARKED && c->parking) {
		c->parking = false;
		c->face.why = WHERRY_WHY_TIMEOUT;
		c->slot_count = p->bound.argc;
		status = run_part_once(c, &s);
	}
	if (status != WHERRY_PARKED)
		return status;
	return c->parking ? call_fail(&c->face, WHERRY_ETIMEOUT, "it waits, and nothing waits in a transaction")
			  : call_fail(&c->face, WHERRY_EINTERNAL, "the module answered PARKED without park()");
}

static void pack_failure(struct call *c, int status, const char *text)
{
	struct pack_error e = {status, text, status == WHERRY_EAGAIN ? 0 : -1, -1, NULL};
	pack_array(&c->out, 2);
	pack_error(&c->out, &e);
	pack_nil(&c->out);
}

// The whole must fail when the answers get too large, before they are larger.
static int check_size(struct call *c, const struct transaction *t, uint32_t index)
{
	if (c->out.buffer->failed)
		return WHERRY_ENOMEM;
	if (c->out.buffer->len - t->answer_at <= (size_t)c->router->config.limits->answer_bytes)
		return WHERRY_OK;
	return blame(c, index, t->part[index].bound.command, WHERRY_ELIMIT,
	    "the answers of the transaction are larger than max_answer: ask for less at a time");
}

// Runs it with its answer in its form.  OK: it is done, or failed where that does not matter.
static int step(struct call *c, struct transaction *t, uint32_t index)
{
	struct part *p = &t->part[index];
	struct call inner = part_call(c, &p->bound);
	struct savepoint s = savepoint(c);
	if (t->goes_on) {
		pack_array(&c->out, 2);
		pack_nil(&c->out);
	}
	p->status = run_part(&inner, p);
	if (p->status == WHERRY_RESTART)
		return WHERRY_RESTART;
	if (p->status != WHERRY_OK && !t->goes_on)
		return blame(c, index, p->bound.command, p->status, inner.fail_text);
	if (p->status != WHERRY_OK) {
		c->out.buffer->len = s.answer;
		pack_failure(c, p->status, inner.fail_text);
	}
	return check_size(c, t, index);
}

static int run_parts(struct call *c, struct transaction *t)
{
	uint64_t began = ticks_now();
	bool again = false;
	int status = WHERRY_OK;
	t->answer_at = c->out.buffer->len;
	pack_array(&c->out, t->count);
	for (t->ran = 0; t->ran < t->count && (status == WHERRY_OK || status == WHERRY_RESTART);) {
		status = step(c, t, t->ran);
		again |= status == WHERRY_RESTART;
		uint64_t now = ticks_now();
		t->part[t->ran++].ns = ticks_ns_between(began, now);
		began = now;
	}
	return again ? WHERRY_RESTART : status;
}

int32_t transaction_run(wherry_call *face, const struct transaction_wish *wish)
{
	struct call *c = call_of(face);
	int status = c->worker->transaction != NULL ? WHERRY_OK : prepare(c, wish);
	struct transaction *t = c->worker->transaction;
	if (status == WHERRY_OK)
		status = take_locks(c, t);
	if (status == WHERRY_OK)
		status = check_conditions(c, t);
	return status == WHERRY_OK ? run_parts(c, t) : status;
}

// --- afterwards -----------------------------------------------------------------------------------------------------

void transaction_pack_methods(struct buffer *out, const struct transaction *t)
{
	enum { METHODS_MOST = 32 };
	struct wherry_out to = {out, NULL};
	uint32_t shown = t->bound < METHODS_MOST ? t->bound : METHODS_MOST;
	pack_array(&to, shown + (t->bound > shown));
	for (uint32_t i = 0; i < shown; i++)
		pack_text(&to, t->part[i].request.method);
	if (t->bound == shown)
		return;
	char more[40];
	snprintf(more, sizeof(more), "... and %" PRIu32 " more", t->bound - shown);
	pack_cstring(&to, more);
}

// What was bound behind it, in the same window, still points to where its keys and texts were.
void transaction_end(struct worker *w, struct bound *later, size_t count)
{
	struct transaction *t = w->transaction;
	w->transaction = NULL;
	for (uint32_t i = 0; i < t->ran; i++) {
		struct timed run = {.bound = &t->part[i].bound, .status = t->part[i].status};
		timing_part(w, &run, t->part[i].ns);
	}
	w->arg_count = t->args;
	w->key_count = t->keys;
	w->scratch.len = t->scratch;
	w->texts.len = t->texts;
	bind_settle(w, later, count);
	mem_free(t);
}
