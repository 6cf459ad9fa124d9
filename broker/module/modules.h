// The modules of a broker: load, start, publish their commands, hot reload, drain, unload; built-ins the same
// way but linked in.  Everything a module holds is tagged with its wherry_owner, so that unloading leaves
// nothing behind.
//
//   modules.c    the list, the order of `needs`
//   load.c       query, check, load, start
//   publish.c    the command table in force, who hears
//   unload.c     drain, unload, take back what is left; the code stays mapped (a late pointer into it is not a
//                crash)
//   file.c       a module's file: found, trusted, mapped; elf.c whether it is one that can be
//   check.c      the description; check_command.c its commands
//   host.c       the host table, with host_bus.c and host_read.c
//   owner.c      what an owner holds: memory, requests; owner_timer.c timers; owner_options.c options
//   checked.c    the checks of --check-modules, with its other files: see checked.h
//   roster.c     their names and addresses, for a crash report
//   jobs.c       what clients asked the control thread for, and wait for
//
// Threads: all functions run on the broker's control thread (broker.h), but those marked [any].

#ifndef MODULE_MODULES_H
#define MODULE_MODULES_H

#include <stdbool.h>

#include "base/options.h"
#include "module/checked.h"
#include "run/router.h"

struct modules;
struct jobs;

struct modules_config {
	struct router *router;
	struct timers *timers;
	const struct logger *log;
	const struct clock *clock;
	const char *dir;     // where names are looked for: DIR/kv.so
	const char *version; // of the broker
	// The configured text of option `name` of `module`, NULL: none.
	const char *(*option)(void *arg, const char *module, const char *name);
	// It was "loaded", "reloaded" or "unloaded".  May be NULL.
	void (*changed)(void *arg, const char *module, const char *version, const char *event);
	void *arg;
	struct checked_config check;
};

int modules_open(struct modules **, const struct modules_config *);
// Drains and unloads all, in reverse order of `needs`.  Behind it no command is left in the router's table.
void modules_close(struct modules *, int64_t deadline_ms);

// A built-in: the same description, no dlopen, no load().  `context` becomes `self` of its commands.
int modules_add_builtin(struct modules *, const wherry_module *, void *context, char *why, size_t why_room);
// By path, or by name in the module directory.  On failure nothing of it is left and why[] says which and why.
int modules_load(struct modules *, const char *path_or_name, char *why, size_t why_room);
// The same, and in force at once.
int modules_load_now(struct modules *, const char *path_or_name, char *why, size_t why_room);
// The file is read again.  On failure the old one goes on.
int modules_reload(struct modules *, const char *name, char *why, size_t why_room);
int modules_unload(struct modules *, const char *name, int64_t deadline_ms, char *why, size_t why_room);

// Publishes what was loaded since: after the first batch at start, one swap.
int modules_publish(struct modules *);

struct module_info {
	const char *name, *version, *path, *state, *needs; // state: "running" "draining"
	bool builtin;
	uint32_t abi, commands, types, reloads;
	uint64_t memory, timers;
	bool checked; // it is checked while it runs, and this was found
	struct checked_tally found;
	int64_t loaded_ms;
};
void modules_each(struct modules *, void (*each)(void *arg, const struct module_info *), void *arg); // [any]
// Metrics of all modules.  [any]
void modules_each_metric(
    struct modules *, void (*each)(void *arg, const char *module, const wherry_metric *, int64_t value), void *arg);

// How many allocations and buffers the modules unloaded so far had not released.  [any]
uint64_t modules_leaks(struct modules *);

// Changes a hot option of a loaded module, and tells it.  ENOKEY: no such module or option; EARG: not hot, or
// no such value.
int modules_set_option(
    struct modules *, const char *module, const char *name, const char *text, char *why, size_t why_room);
// [any]
void modules_each_option(struct modules *,
    void (*each)(void *arg, const char *module, const struct option_spec *, const struct option_value *), void *arg);

struct jobs *modules_jobs(struct modules *); // [any]

// For the router's hooks.  [any]
void modules_session_ended(struct modules *, uint64_t session);
uint64_t modules_heard(struct modules *, wherry_span topic, wherry_span payload,
    wherry_span headers);                                   // listeners reached
uint64_t modules_hear(struct modules *, wherry_span topic); // listeners that would be

#endif
