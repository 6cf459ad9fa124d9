// Scratch memory for running frames.  Each thread finds its own again in a slot of its number, so taking and giving
// back is one uncontended exchange, and a thread that comes while the slot is empty (a request inside a request) gets
// a new one.

#include "base/mem.h"
#include "run/inside.h"

enum { SCRATCH_KEPT = 256 * 1024 };

bool vector_room(void **rows, size_t *room, size_t count, size_t size)
{
	if (count < *room)
		return true;
	size_t more = *room == 0 ? 64 : *room * 2;
	void *grown = mem_resize(*rows, more * size);
	if (grown == NULL)
		return false;
	*rows = grown;
	*room = more;
	return true;
}

static void add(atomic_uint_fast64_t *to, const atomic_uint_fast64_t *from)
{
	atomic_store_explicit(to,
	    atomic_load_explicit(to, memory_order_relaxed) + atomic_load_explicit(from, memory_order_relaxed),
	    memory_order_relaxed);
}

static void counts_add(struct router_counts *to, const struct router_counts *from)
{
	add(&to->frames, &from->frames);
	add(&to->bad_frames, &from->bad_frames);
	add(&to->requests, &from->requests);
	add(&to->errors, &from->errors);
	add(&to->restarts, &from->restarts);
}

void workers_count(struct router *r, struct router_stats *out)
{
	struct router_counts sum = {0};
	pthread_mutex_lock(&r->worker_lock);
	counts_add(&sum, &r->past);
	for (const struct worker *w = r->workers; w != NULL; w = w->all_next)
		counts_add(&sum, &w->counts);
	pthread_mutex_unlock(&r->worker_lock);
	out->frames = sum.frames;
	out->bad_frames = sum.bad_frames;
	out->requests = sum.requests;
	out->errors = sum.errors;
	out->restarts = sum.restarts;
}

static void list_in(struct router *r, struct worker *w)
{
	pthread_mutex_lock(&r->worker_lock);
	w->all_next = r->workers;
	if (r->workers != NULL)
		r->workers->all_prev = w;
	r->workers = w;
	pthread_mutex_unlock(&r->worker_lock);
}

static void list_out(struct router *r, struct worker *w)
{
	pthread_mutex_lock(&r->worker_lock);
	*(w->all_prev != NULL ? &w->all_prev->all_next : &r->workers) = w->all_next;
	if (w->all_next != NULL)
		w->all_next->all_prev = w->all_prev;
	counts_add(&r->past, &w->counts);
	pthread_mutex_unlock(&r->worker_lock);
}

void worker_free(struct router *r, struct worker *w)
{
	if (w == NULL)
		return;
	list_out(r, w);
	txn_free(w->txn);
	mem_free(w->args);
	mem_free(w->keys);
	mem_free(w->slots);
	needed_clear(w);
	mem_free(w->needed);
	mem_free(w->signals);
	mem_free(w->marks.row);
	buffer_free(&w->scratch);
	buffer_free(&w->texts);
	buffer_free(&w->needed_bytes);
	buffer_free(&w->notes);
	buffer_free(&w->emits);
	revision_spots_free(&w->spots);
	mem_free(w);
}

static struct worker *worker_new(struct router *r)
{
	struct worker *w = mem_zalloc(sizeof(*w));
	if (w != NULL && txn_new(&w->txn, r->config.store) != WHERRY_OK) {
		mem_free(w);
		return NULL;
	}
	if (w != NULL)
		list_in(r, w);
	return w;
}

// The worker of this thread, for whoever asks from a signal handler: so its place must be there from the beginning.
static _Thread_local struct worker *volatile here __attribute__((tls_model("initial-exec")));

// Most threads have a slot that no other uses, so that no locked instruction is needed.
static struct worker *take_kept(struct router *r)
{
	unsigned number = thread_number();
	if (number >= OWN_SLOTS)
		return atomic_exchange(&r->pool[number % GRACE_SLOTS], NULL);
	struct worker *w = atomic_load_explicit(&r->own[number], memory_order_relaxed);
	atomic_store_explicit(&r->own[number], NULL, memory_order_relaxed);
	return w;
}

static bool keep(struct router *r, struct worker *w)
{
	unsigned number = thread_number();
	struct worker *none = NULL;
	if (number >= OWN_SLOTS)
		return atomic_compare_exchange_strong(&r->pool[number % GRACE_SLOTS], &none, w);
	if (atomic_load_explicit(&r->own[number], memory_order_relaxed) != NULL)
		return false;
	atomic_store_explicit(&r->own[number], w, memory_order_release); // for whoever closes the router
	return true;
}

struct worker *worker_take(struct router *r)
{
	struct worker *w = take_kept(r);
	if (w == NULL)
		w = worker_new(r);
	if (w != NULL) {
		w->outer = here;
		w->row.follows = false;
		here = w;
		atomic_store_explicit(&w->taken, true, memory_order_relaxed);
		if (!atomic_load_explicit(&r->stirred, memory_order_relaxed))
			watch_wake(r);
	}
	return w;
}

const struct command *router_running(void)
{
	const struct worker *w = here;
	return w != NULL ? atomic_load_explicit(&w->running, memory_order_relaxed) : NULL;
}

// What one huge frame needed is not kept for ever.
static void worker_trim(struct worker *w)
{
	buffer_trim(&w->scratch, SCRATCH_KEPT);
	buffer_trim(&w->texts, SCRATCH_KEPT);
	buffer_trim(&w->needed_bytes, SCRATCH_KEPT);
	buffer_trim(&w->notes, SCRATCH_KEPT);
	buffer_trim(&w->emits, SCRATCH_KEPT);
	if (w->arg_room * sizeof(w->args[0]) > SCRATCH_KEPT) {
		mem_free(w->args);
		mem_free(w->keys);
		mem_free(w->slots);
		w->args = NULL;
		w->keys = NULL;
		w->slots = NULL;
		w->arg_room = w->key_room = w->slot_room = 0;
	}
	if (w->marks.room * sizeof(w->marks.row[0]) > SCRATCH_KEPT) {
		mem_free(w->marks.row);
		w->marks = (struct marks){0};
	}
}

void worker_give(struct router *r, struct worker *w)
{
	here = w->outer;
	atomic_store_explicit(&w->taken, false, memory_order_relaxed);
	worker_trim(w);
	if (!keep(r, w))
		worker_free(r, w);
}
