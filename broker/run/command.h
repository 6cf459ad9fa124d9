// Commands as the router knows them: an immutable table, made whole from all modules' descriptions and swapped in one
// step.  Threads: a table is built by one thread, then only read.

#ifndef RUN_COMMAND_H
#define RUN_COMMAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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

// How often it ran and failed; a few slots, so that threads seldom share one.
enum { COMMAND_SLOTS = 8 };

struct command_counts {
	struct {
		_Alignas(64) atomic_uint_fast64_t calls, errors;
	} slot[COMMAND_SLOTS];
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
uint64_t command_calls(const struct command *);
uint64_t command_errors(const struct command *);
void command_table_adopt(struct command_table *, const struct command_table *old); // adds the counts of the old one
const char *command_nearest(const struct command_table *, wherry_span name);       // did you mean; NULL

#endif
