// Modules that are checked while they run (the broker's option check_modules): the same host table with a check in
// front of each function, and each run() between two checks.  What a module does against the contract of
// wherry/module.h is a finding: logged with the module, the command and how often, and counted for module.show.  Memory
// lent to a run() is a copy that can't be read any more once it has returned.
//
//   checked.c         one checked module, its findings; where its code runs now
//   checked_run.c     one run(): what goes in, what comes out
//   checked_lent.c    the copies that are lent
//   checked_keys.c    wherry_keys; checked_write.c wherry_write and wherry_read; checked_bus.c wherry_bus
//   checked_host.c    the rest of wherry_host
//   checked_held.c    memory and buffers that modules hold
//
// Threads: [any].  Locks: one of the process for the runs under way, then the module's own for its findings; another of
// the process for what is held is taken alone.

#ifndef MODULE_CHECKED_H
#define MODULE_CHECKED_H

#include "module/owner.h"

struct checked;

struct checked_config {
	bool on;
	int64_t run_ms; // a run() that takes longer is a finding
};

struct checked_tally {
	uint64_t misuses; // against the contract
	uint64_t undone;  // errors after changes, which is legal: the changes were undone
	uint64_t slow;    // runs longer than run_ms
};

struct checked *checked_new(wherry_owner *); // NULL: no memory
void checked_free(struct checked *);
void checked_fill(wherry_host *);                           // puts the checks in front
bool checked_commands(struct checked *, wherry_module *is); // its run()s become checked ones; false: no memory
struct checked_tally checked_tally(struct checked *);

// What the module may do depends on how far it is.  NULL: not checked.
enum checked_phase { CHECKED_LOADING, CHECKED_RUNNING, CHECKED_DRAINED, CHECKED_UNLOADED };
void checked_reach(struct checked *, enum checked_phase);
void checked_mute(struct checked *); // the broker goes, the owner stays: from now on nothing is logged

// Around each call into the module but run(): findings name `what`, as "load()".  NULL: not checked.
struct checked_here {
	struct checked *module;
	const char *what;
	struct watched *run; // or NULL
	struct checked_here *outer;
};
void checked_enter(struct checked_here *, struct checked *, const char *what);
void checked_leave(struct checked_here *);
void checked_heard(
    struct checked *, const wherry_listener *, void *self, wherry_span topic, wherry_span payload, wherry_span headers);

// For the conformance runner: the n-th change of a key from now on fails with ENOMEM, the commit behind the last one as
// well; 0: none.
void checked_fail_change(struct checked *, unsigned n);
bool checked_has_failed(struct checked *); // it was reached
// Which command memory at `at` had been lent to that is taken back since; NULL: none.  Async-signal-safe.
const char *checked_lent_to(const void *at);

#endif
