// A module's life in every order: loaded, reloaded, unloaded; without memory, with requests that wait, twice in a process.

#include "conformance/checks.h"

#include <time.h>

#include "base/mem.h"
#include "base/status.h"

enum { TIMES = 3, RELOADS = 100, USES = 300, PARKS_TRIED = 200, PARKED_MOST = 50, ALLOCATIONS_MOST = 10000 };
enum { ANSWERED_TRIES = 2000, NAP_NS = 1000000 };

static struct things before;

void check_load(struct trial *t)
{
	struct world w;
	char why[WHY_ROOM], path[4200];
	snprintf(path, sizeof(path), "%s%s", strchr(t->options->file, '/') == NULL ? "./" : "", t->options->file);
	world_open(&w, t);
	things_count(&before);
	for (int i = 0; i < TIMES; i++) {
		world_load(&w);
		world_unload(&w);
	}
	things_compare(t, &before);
	trial_doing(t, "loading it for the start of a broker");
	if (modules_load(w.modules, path, why, sizeof(why)) != WHERRY_OK)
		trial_fail(t, "it did not load again: %s", why);
	world_unload(&w); // before its commands were ever in force
	world_load(&w);
	trial_limit(t, t->options->drain_ms + 1000, "the broker did not close within %lld ms",
	    (long long)t->options->drain_ms + 1000);
	world_close(&w);
	trial_ok(t, "loaded and unloaded %d times, once before its commands were in force, and at the broker's end",
	    TIMES + 2);
}

// --- no memory ----------------------------------------------------------------------------------------------------------

static atomic_uint allocations_left;
static atomic_bool refused;

static bool may_alloc(size_t size)
{
	(void)size;
	if (atomic_load(&allocations_left) == 0)
		return true;
	if (atomic_fetch_sub(&allocations_left, 1) != 1)
		return true;
	atomic_store(&refused, true);
	return false;
}

// False: it needs fewer allocations.
static bool load_without(struct trial *t, unsigned n)
{
	struct world w;
	char why[WHY_ROOM] = "";
	world_open(&w, t);
	atomic_store(&refused, false);
	atomic_store(&allocations_left, n);
	mem_may_alloc = may_alloc;
	int status = world_try_load(&w, why, sizeof(why));
	mem_may_alloc = NULL;
	atomic_store(&allocations_left, 0);
	if (status != WHERRY_OK && why[0] == 0)
		trial_fail(t, "with allocation %u refused, load answers %s and no reason", n, status_name(status));
	if (status == WHERRY_EINTERNAL)
		trial_fail(t, "with allocation %u refused, load answers EINTERNAL: %s", n, why);
	trial_look_at_log(t);
	if (status == WHERRY_OK)
		world_unload(&w);
	world_close(&w);
	return atomic_load(&refused);
}

void check_no_memory(struct trial *t)
{
	unsigned n = 1;
	while (n < ALLOCATIONS_MOST && load_without(t, n))
		n++;
	trial_ok(t, "each of %u allocations refused while it was loaded: refused whole, or loaded whole", n - 1);
}

// --- reload -------------------------------------------------------------------------------------------------------------

void check_reload(struct trial *t)
{
	struct world w;
	struct steady steady;
	struct maker m = maker_of(t->seed, "reload");
	char now[STEADY_ROOM];
	const char *was;
	world_open(&w, t);
	things_count(&before);
	world_load(&w);
	use_some(&w, &m, USES);
	steady_find(&w, &m, &steady);
	for (int i = 0; i < RELOADS; i++) {
		struct digest digest = world_digest(&w, NULL);
		world_reload(&w);
		if (!digest_is(digest, world_digest(&w, NULL)))
			trial_fail(t, "reload %d changed keys", i + 1);
		const char *differs = i == 0 ? steady_differs(&w, &steady, now, &was) : NULL;
		if (differs != NULL)
			trial_warn(t, "%s answers %s before a reload and %s after it: what is not in keys is lost",
			    differs, was, now);
		use_some(&w, &m, 3);
	}
	steady_free(&steady);
	session_finish(&w);
	world_unload(&w);
	things_compare(t, &before);
	trial_ok(t, "%d reloads in use: no key changed, nothing left behind", RELOADS);
}

// --- requests that wait -------------------------------------------------------------------------------------------------

static unsigned park_some(struct world *w, struct maker *m)
{
	unsigned parked = 0;
	wherry_span request;
	for (unsigned i = 0; i < PARKS_TRIED && parked < PARKED_MOST; i++) {
		if (!use_make(w, m, WHERRY_CMD_PARKS, 0, MAKE_RIGHT, &request))
			trial_skip(w->trial, "no command waits");
		parked += world_ask(w, request).kind == REPLY_PARKED;
	}
	return parked;
}

void check_waiting(struct trial *t)
{
	struct world w;
	struct maker m = maker_of(t->seed, "waiting");
	world_open(&w, t);
	world_load(&w);
	unsigned parked = park_some(&w, &m);
	if (parked == 0)
		trial_skip(t, "no request waited");
	world_unload(&w);
	for (int i = 0; i < ANSWERED_TRIES && atomic_load(&w.late) < parked; i++)
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	if (atomic_load(&w.late) != parked)
		trial_fail(
		    t, "of %u waiting requests, %u were answered when it was unloaded", parked, atomic_load(&w.late));
	trial_ok(t, "unloaded while %u requests waited: each was answered once", parked);
}

// --- twice in one process -----------------------------------------------------------------------------------------------

void check_two_brokers(struct trial *t)
{
	struct world a, b;
	struct steady steady;
	struct maker m = maker_of(t->seed, "two brokers");
	char now[STEADY_ROOM];
	const char *was;
	world_open(&a, t);
	world_open(&b, t);
	world_load(&a);
	world_load(&b);
	steady_find(&b, &m, &steady);
	struct digest digest = world_digest(&b, NULL);
	use_some(&a, &m, USES);
	if (!digest_is(digest, world_digest(&b, NULL)))
		trial_fail(t, "what one broker was asked changed another's keys");
	const char *differs = steady_differs(&b, &steady, now, &was);
	if (differs != NULL)
		trial_fail(t,
		    "%s answered %s, and %s once another broker of the process was used: they share something", differs,
		    was, now);
	session_finish(&a);
	world_unload(&a);
	use_some(&b, &m, USES);
	steady_free(&steady);
	trial_ok(t, "loaded by two brokers of one process: neither notices the other");
}

// --- the end ------------------------------------------------------------------------------------------------------------

void check_unload(struct trial *t)
{
	struct world w;
	struct maker m = maker_of(t->seed, "unload");
	world_open(&w, t);
	things_count(&before);
	world_load(&w);
	use_some(&w, &m, USES);
	session_finish(&w);
	world_unload(&w);
	things_compare(t, &before);
	trial_ok(t, "after %d requests it left no memory, buffer, timer, thread or file", USES);
}
