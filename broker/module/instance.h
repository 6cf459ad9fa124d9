// What the files of this folder share: the modules of a broker and one instance of a module.
//
// Threads: the control thread changes everything here.  What others may look at meanwhile:
//   the list of modules, their state and path   under modules.lock
//   hearing                                     within the grace period, by modules_heard and
//   modules_session_ended

#ifndef MODULE_INSTANCE_H
#define MODULE_INSTANCE_H

#include "base/grace.h"
#include "module/check.h"
#include "module/file.h"
#include "module/jobs.h"
#include "module/modules.h"
#include "module/owner.h"

enum {
	MODULE_DEPTH = 256, // how deep values that modules hand over may nest
	HEARD_DEEPEST = 8,  // listeners that publish to listeners
	WHY_ROOM = 512,
};

#define MODULE_TIMER_MOST_MS (INT64_C(1) << 40) // some 34 years

extern const struct codec_limits module_limits;

struct module {
	struct command_owner facing; // what the router knows of it
	wherry_module is;            // its description; its lists point into the module
	wherry_owner *owner;         // NULL: a built-in
	void *self;
	struct module_file file; // a built-in has none
	const char *state;
	uint32_t *types; // store type ids
	uint32_t reloads;
	int64_t loaded_ms;
	bool clean;          // buried, and nothing can refer to it but by a fault
	bool abandoned;      // it did not drain: its threads may go on, so its owner and its code stay for ever
	struct module *next; // in the order of loading: needs stand before
};

// One listener, or, with `listener` NULL, a module that wants to know of ended sessions.
struct hears {
	const struct module *module;
	const wherry_listener *listener;
	char first; // what its topics begin with; 0: anything
};

// Who hears, immutable; swapped whole.
struct hearing {
	uint32_t count;
	struct hears row[];
};

// A command table and who hears, ready to be put in force, which can't fail.
struct publication {
	struct command_table *table;
	struct hearing *hearing;
};

struct modules {
	struct modules_config config; // its strings are owned
	pthread_mutex_t lock;
	struct module *first;
	struct module *buried; // unloaded, the youngest first: unload.c says how long they stay
	struct grace grace;
	_Atomic(struct hearing *) hearing;
	struct publication nothing; // for the end, when there may be no memory
	struct jobs *jobs;
	atomic_uint_fast64_t leaks;
};

// A sentence into why[]; answers `status`.
struct why {
	char *text;
	size_t room;
};
int module_say(struct why, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

// modules.c
struct module *module_find(struct modules *, const char *name);
// What would be in force with `with` in the place of `without`, or at the end; either may be NULL.  ENOMEM, EEXIST.
int publication_make(struct modules *, const struct module *without, struct module *with, struct publication *);
void publication_free(struct publication *);
void publication_go(struct modules *,
    struct publication *); // waits for the grace periods; *publication is empty then

// load.c: opened, checked, loaded and started, but in no list.  `before`: the running copy of a reload, or
// NULL.
int module_make(struct modules *, const char *path_or_name, const struct module *before, struct module **, struct why);
bool module_needs(const wherry_module *, const char *name);
struct module *module_new(struct modules *, const wherry_module *); // NULL: no memory
int module_types(struct modules *, struct module *, struct why);
void module_free(struct module *);

// unload.c
// Takes `old` out of force and puts `replacement` (may be NULL) in its place.  On failure the old one goes on
// as before.
int module_retire(struct modules *, struct module *old, struct module *replacement, int64_t deadline_ms, struct why);
void module_bury(struct modules *,
    struct module *); // nothing of it runs: unload, take back, keep the remains
void module_end(struct modules *, struct module *, int64_t deadline_ms); // at close: out of the list already

// host.c, host_bus.c, host_read.c
extern const wherry_read host_read;
extern const wherry_bus host_bus;
void host_fill(wherry_host *, const char *version);

#endif
