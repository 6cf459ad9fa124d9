// What one instance of a module holds of the broker, counted and tagged, so that unloading takes it all back.
//
// An owner outlives its module: it stays, marked dead, until the broker closes, since a module's late thread
// may still call with it.  A dead owner is answered ESHUTDOWN or NULL.
//
// Threads: [any].  Locks: `lock` guards timers and what waits; `settings_lock` the texts of options.  Neither
// is held while anything of a module runs; `lock` is taken before the locks of timers.

#ifndef MODULE_OWNER_H
#define MODULE_OWNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/options.h"
#include "module/check.h"
#include "run/router.h"

struct checked;
struct modules;
struct owner_timer;

struct owner_setting {
	struct option_spec spec;
	struct option_value value;
	bool changed; // while it ran: a reload keeps it
};

struct wherry_owner {
	wherry_host host; // here and not the broker's: an abandoned module's thread may call when the broker is gone
	char version[32];
	struct modules *modules;
	struct checked *checked; // NULL: it is not checked while it runs
	char name[MODULE_NAME_MOST + 1];
	atomic_bool dead;
	atomic_uint_fast64_t bytes, allocations; // what alloc() and buf_new() gave and has not come back

	pthread_mutex_t settings_lock; // of the texts, which the control thread writes
	struct owner_setting *settings;
	uint32_t setting_count;
	char **old_texts; // of changed options: lent out until unload
	uint32_t old_text_count;

	_Atomic int64_t *metrics;
	uint32_t metric_count;

	pthread_mutex_t lock;
	struct owner_timer **timers; // by the low half of their id
	uint32_t timer_count, timer_room;
	uint32_t next_serial;
	struct owner_timer *spent; // fired for the last time, not yet freed
	bool serving;              // its commands are in the table; else requests wait below
	struct buffer waiting;
	struct wherry_owner *next; // in the graveyard
};

struct owner_tally {
	uint64_t bytes, allocations, timers;
	uint64_t requests; // that still wait to be submitted
};

wherry_owner *owner_new(struct modules *, const wherry_module *); // NULL: no memory
void owner_free(wherry_owner *);

// The values of all options: the configured text, else the preset; what was changed in `before` (may be NULL)
// stays so.
int owner_configure(wherry_owner *, const wherry_owner *before, char *why, size_t why_room);
// A hot option of a running module.  ENOKEY: has no such option; EARG with the sentence in why[].
int owner_set_option(wherry_owner *, const char *name, const char *text, uint32_t *index, char *why, size_t why_room);
int32_t owner_option(wherry_owner *, uint32_t index, wherry_value *out);
void owner_each_option(wherry_owner *,
    void (*each)(void *arg, const char *module, const struct option_spec *, const struct option_value *), void *arg);

// Requests go to the router once the module serves; before, they wait.
bool owner_is_request(wherry_span); // one whole [2, method, params], with options or without
int owner_submit(wherry_owner *, wherry_span request);
void owner_serve(wherry_owner *, bool serving);

int owner_timer_start(wherry_owner *, int64_t delay_ms, int64_t period_ms, wherry_span request, uint64_t *timer);
int owner_timer_stop(wherry_owner *, uint64_t timer);

void *owner_alloc(wherry_owner *, size_t);
void *owner_resize(wherry_owner *, void *, size_t);
void owner_release(wherry_owner *, void *);
size_t owner_block_size(const void *); // of what owner_alloc() gave
void owner_count(wherry_owner *, int64_t allocations, int64_t bytes);

struct owner_tally owner_tally(wherry_owner *);
// From now on it is dead.  Stops its timers, forgets what waited; answers what the module had not given back.
struct owner_tally owner_bury(wherry_owner *);

#endif
