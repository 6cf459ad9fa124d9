// Commands as the router knows them: an immutable table, made whole from all modules' descriptions and swapped in one
// step.  Threads: a table is built by one thread, then only read.

#ifndef RUN_COMMAND_H
#define RUN_COMMAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "wherry/module.h"

// Who a command belongs to, as far as running it needs: the module's instance.  Lives until its commands have been
// out of the table for a grace period and none of its requests is parked.
struct command_owner {
	const char *module;    // "kv"
	void *self;            // first argument of run()
	const uint32_t *types; // store type id of each of the module's types
	uint32_t type_count;
	wherry_owner *owner; // the module's handle; NULL for built-ins
};

// Runs of one command that one thread has not added to its counters yet.
struct command_batch {
	uint64_t touched[HISTOGRAM_BUCKETS / 64]; // which of the buckets are not 0
	uint64_t longest_ns;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

static inline void command_batch_add(struct command_batch *b, uint64_t ns, unsigned runs)
{
	unsigned bucket = histogram_bucket(ns);
	b->bucket[bucket] += runs;
	b->touched[bucket / 64] |= UINT64_C(1) << bucket % 64;
	b->longest_ns = ns > b->longest_ns ? ns : b->longest_ns;
}

// How often it ran, how long, how often in vain, since its name came into the table: what a reload finds goes on.
struct command_times {
	uint64_t calls, errors, longest_ns;
	uint64_t bucket[HISTOGRAM_BUCKETS]; // of runs
};

enum { COMMAND_SLOTS = 8, COMMAND_ALONE_FIRST = 64 };

struct command_slot;
struct command_counts {
	unsigned tables;   // that have it: of the control thread
	atomic_uint alone; // so many runs are still timed each for itself (run/timing.c)
	_Atomic(struct command_slot *) slot[COMMAND_SLOTS];
};

struct command {
	const char *name, *help, *verb;
	uint32_t name_len, flags; // WHERRY_CMD_*
	const wherry_arg **args;  // flattened from count and stride: positional, options, rest
	uint32_t arg_count;
	uint32_t required, positional, options, rest; // required <= positional; rest: size of the group, 0 none
	bool rest_required, has_keys;
	int32_t (*run)(void *self, wherry_call *);
	const struct command_owner *owner;
	struct command_counts *counts;
};

struct command_table;

struct command_table *command_table_new(void); // NULL: no memory
void command_table_free(struct command_table *);
// Adds what the description says (checked before: module/check.h).  ENOMEM, EEXIST.
int command_table_add(struct command_table *, const wherry_command *, const struct command_owner *);
const struct command *command_find(const struct command_table *, wherry_span name);
uint32_t command_count(const struct command_table *);
const struct command *command_at(const struct command_table *, uint32_t index); // in the order of names, once sealed
// The command that due alarms of keys of store type `type` run (wherry_type.alarm); its name must be added too.  ENOMEM.
int command_table_alarm(struct command_table *, uint32_t type, const char *command);
int command_table_seal(struct command_table *); // sorts; call once, after the last add.  ENOMEM
const struct command *command_of_alarm(const struct command_table *, uint32_t type); // NULL: none
void command_ran(const struct command *, struct command_batch *);                    // adds it, and empties it
void command_failed(const struct command *);
void command_read(const struct command *, struct command_times *out);
// Before it is in force: what has a name of the old one counts on where that counts.
void command_table_adopt(struct command_table *, const struct command_table *old);
const char *command_nearest(const struct command_table *, wherry_span name); // did you mean; NULL

#endif
