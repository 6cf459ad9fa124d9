// The world of one trial: world.h.

#include "conformance/world.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"

enum { SETTLED_TRIES = 2000, NAP_NS = 1000000, BEGINNING_S = 1800000000 };

// --- what the layers tell each other --------------------------------------------------------------------------------------

static int64_t standing_ms(void *self)
{
	struct world *w = self;
	return atomic_load(&w->now_ms);
}

static uint64_t running_ns(void *self)
{
	(void)self;
	return clock_ticks_ns(&clock_system);
}

static void on_durable(void *arg, uint64_t lsn, bool failed)
{
	struct world *w = arg;
	if (w->router != NULL)
		router_durable(w->router, lsn, failed);
}

static void on_due(void *arg, int64_t unix_ms)
{
	struct world *w = arg;
	if (w->router != NULL)
		router_next_due(w->router, unix_ms);
}

static void on_ended(void *arg, uint64_t session)
{
	struct world *w = arg;
	if (w->modules != NULL)
		modules_session_ended(w->modules, session);
}

static uint64_t on_publish(void *arg, wherry_span topic, wherry_span payload, wherry_span headers)
{
	struct world *w = arg;
	return w->modules != NULL ? modules_heard(w->modules, topic, payload, headers) : 0;
}

static uint64_t on_hears(void *arg, wherry_span topic)
{
	struct world *w = arg;
	return w->modules != NULL ? modules_hear(w->modules, topic) : 0;
}

static const char *no_option(void *arg, const char *module, const char *name)
{
	(void)arg, (void)module, (void)name;
	return NULL;
}

// --- opening and closing --------------------------------------------------------------------------------------------------

static int open_layers(struct world *w, bool checked)
{
	struct store_config store = {
	    .clock = &w->clock, .sink = &w->sink.face, .durable = on_durable, .next_due = on_due, .arg = w};
	struct router_config router = {.clock = &w->clock, .log = &w->log, .limits = &w->limits};
	struct modules_config modules = {.log = &w->log,
	    .clock = &w->clock,
	    .dir = w->dir,
	    .version = WHERRY_VERSION,
	    .option = no_option,
	    .check = {.on = checked, .run_ms = 10}};
	router.hooks = (struct router_hooks){NULL, on_ended, on_publish, on_hears, w};
	int status = timers_open(&w->timers, &w->clock);
	if (status == WHERRY_OK)
		status = store_open(&w->store, &store);
	if (status != WHERRY_OK)
		return status;
	sink_attach(&w->sink, w->store);
	status = bus_open(&w->bus, &w->bus_limits);
	if (status == WHERRY_OK)
		status = store_describe(w->store);
	router.store = w->store;
	router.bus = w->bus;
	router.timers = modules.timers = w->timers;
	if (status == WHERRY_OK)
		status = router_open(&w->router, &router);
	modules.router = w->router;
	return status == WHERRY_OK ? modules_open(&w->modules, &modules) : status;
}

// The folder of the module: what it needs is looked for beside it.
static void find_dir(struct world *w)
{
	snprintf(w->dir, sizeof(w->dir), "%s", w->trial->options->file);
	char *slash = strrchr(w->dir, '/');
	if (slash == NULL)
		snprintf(w->dir, sizeof(w->dir), ".");
	else
		*slash = 0;
}

// What it needs, in order, from beside it.
static int load_needed(struct world *w, char *why, size_t room)
{
	char names[sizeof(w->trial->shared->module.needs)], *rest = names, *name;
	memcpy(names, w->trial->shared->module.needs, sizeof(names));
	while ((name = strsep(&rest, " ")) != NULL) {
		if (*name == 0 || module_find(w->modules, name) != NULL)
			continue;
		int status = modules_load_now(w->modules, name, why, room);
		if (status != WHERRY_OK)
			return status;
	}
	return WHERRY_OK;
}

static void open_world(struct world *w, struct trial *t, bool checked)
{
	*w = (struct world){.trial = t, .log = {.fd = STDERR_FILENO, .level = WHERRY_LOG_INFO, .clock = &clock_system}};
	w->limits = (struct router_limits){.depth = 24,
	    .elements = 1 << 20,
	    .args = 65536,
	    .tx_commands = 4096,
	    .key_bytes = 4096,
	    .answer_bytes = 16 << 20,
	    .parked_per_session = 1024,
	    .park_ms = 50000};
	w->bus_limits = (struct bus_limits){.subscriptions = 64,
	    .wildcards = 1000,
	    .messages = 100,
	    .bytes = 64 << 10,
	    .messages_most = 1000,
	    .bytes_most = 64 << 10,
	    .retained = 1000,
	    .retained_bytes = 1 << 20};
	w->clock = (struct clock){standing_ms, running_ns, w};
	atomic_store(&w->now_ms, BEGINNING_S * INT64_C(1000));
	find_dir(w);
	sink_open(&w->sink);
	int status = open_layers(w, checked);
	if (status != WHERRY_OK)
		trial_fail(t, "no broker to try it in: %s", status_text(status));
	session_begin(w);
	char why[WHY_ROOM];
	if (load_needed(w, why, sizeof(why)) != WHERRY_OK)
		trial_fail(t, "what it needs is not there: %s", why);
}

void world_open(struct world *w, struct trial *t)
{
	open_world(w, t, true);
}

void world_open_plain(struct world *w, struct trial *t)
{
	open_world(w, t, false);
}

void world_close(struct world *w)
{
	trial_doing(w->trial, "closing the broker");
	session_finish(w);
	router_drain(w->router);
	modules_close(w->modules, w->trial->options->drain_ms);
	w->modules = NULL;
	router_close(w->router);
	w->router = NULL;
	bus_close(w->bus);
	store_close(w->store);
	timers_close(w->timers);
	sink_close(&w->sink);
}

// --- the module -----------------------------------------------------------------------------------------------------------

int world_try_load(struct world *w, char *why, size_t room)
{
	const char *file = w->trial->options->file;
	char path[4200];
	snprintf(path, sizeof(path), "%s%s", strchr(file, '/') == NULL ? "./" : "", file);
	trial_doing(w->trial, "loading it");
	trial_limit(w->trial, w->trial->options->run_ms, "loading it did not end within %lld ms",
	    (long long)w->trial->options->run_ms);
	int status = modules_load_now(w->modules, path, why, room);
	trial_no_limit(w->trial);
	return status;
}

void world_load(struct world *w)
{
	char why[WHY_ROOM];
	int status = world_try_load(w, why, sizeof(why));
	if (status != WHERRY_OK)
		trial_fail(w->trial, "it did not load: %s: %s", status_name(status), why);
	w->trial->shared->module.loads = true;
	trial_look_at_log(w->trial);
}

// The module has a little more than it is given, to tell the late from the hanging.
static void limit_drain(struct world *w)
{
	int64_t ms = w->trial->options->drain_ms, limit = ms + ms / 5 + 100;
	if (ms % 1000 == 0)
		trial_limit(w->trial, limit, "it did not drain within %lld s", (long long)ms / 1000);
	else
		trial_limit(w->trial, limit, "it did not drain within %lld ms", (long long)ms);
}

void world_unload(struct world *w)
{
	char why[WHY_ROOM];
	trial_doing(w->trial, "unloading it");
	limit_drain(w);
	int status =
	    modules_unload(w->modules, w->trial->shared->module.name, w->trial->options->drain_ms, why, sizeof(why));
	trial_no_limit(w->trial);
	if (status != WHERRY_OK)
		trial_fail(w->trial, "it was not unloaded: %s: %s", status_name(status), why);
	trial_look_at_log(w->trial);
}

void world_reload(struct world *w)
{
	char why[WHY_ROOM];
	trial_doing(w->trial, "reloading it");
	limit_drain(w);
	int status = modules_reload(w->modules, w->trial->shared->module.name, why, sizeof(why));
	trial_no_limit(w->trial);
	if (status != WHERRY_OK)
		trial_fail(w->trial, "it was not reloaded: %s: %s", status_name(status), why);
	trial_look_at_log(w->trial);
}

struct checked *world_checked(struct world *w)
{
	return module_find(w->modules, w->trial->shared->module.name)->owner->checked;
}

// --- the keyspace ---------------------------------------------------------------------------------------------------------

struct digest world_digest(struct world *w, uint64_t *keys)
{
	return store_digest(w->store, keys);
}

bool digest_is(struct digest a, struct digest b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

// The runner works on its own: it is done when nothing is left to expire and no unit came for a while.
static bool is_settled(struct world *w, uint64_t *lsn, unsigned *quiet)
{
	uint64_t now = store_lsn(w->store);
	*quiet = now == *lsn ? *quiet + 1 : 0;
	*lsn = now;
	for (uint32_t ns = 0; ns < store_ns_count(w->store); ns++)
		if (store_keys(w->store, ns) != store_live_keys(w->store, ns, atomic_load(&w->now_ms)))
			return false;
	return *quiet >= 20;
}

void world_pass(struct world *w, int64_t ms)
{
	uint64_t lsn = 0;
	unsigned quiet = 0;
	trial_doing(w->trial, "letting time pass");
	atomic_fetch_add(&w->now_ms, ms);
	router_next_due(w->router, atomic_load(&w->now_ms));
	for (int i = 0; i < SETTLED_TRIES && !is_settled(w, &lsn, &quiet); i++)
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	trial_look_at_log(w->trial);
}

static void replay_into(struct world *w, struct store *copy)
{
	struct store_replay *replay;
	if (store_replay_begin(&replay, copy) != WHERRY_OK)
		trial_fail(w->trial, "no memory to replay into");
	const struct unit_kept *units = (const void *)w->sink.units.data;
	for (size_t i = 0; i < w->sink.units.len / sizeof(*units); i++) {
		wherry_span unit = span_of(w->sink.bytes.data + units[i].at, units[i].len);
		int status = store_replay_unit(replay, w->sink.first + i, unit);
		if (status != WHERRY_OK)
			trial_fail(w->trial, "unit %zu can't be replayed: %s", i + 1, status_name(status));
	}
	store_replay_end(replay);
}

void world_check_replay(struct world *w, const char *when)
{
	struct store *copy;
	struct store_config config = {.clock = &w->clock};
	uint64_t keys, copied;
	trial_doing(w->trial, "replaying what it wrote");
	if (store_open(&copy, &config) != WHERRY_OK)
		trial_fail(w->trial, "no memory to replay into");
	pthread_mutex_lock(&w->sink.lock);
	replay_into(w, copy);
	pthread_mutex_unlock(&w->sink.lock);
	struct digest live = store_digest(w->store, &keys), replayed = store_digest(copy, &copied);
	const char *fault = store_fault(copy);
	if (fault != NULL || keys != copied || !digest_is(live, replayed))
		trial_fail(w->trial, "%s, %llu keys are live and %llu come back by replay%s%s", when,
		    (unsigned long long)keys, (unsigned long long)copied, keys == copied ? ", but they differ" : "",
		    fault != NULL ? fault : "");
	store_close(copy);
}
