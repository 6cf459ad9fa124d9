// The commands of the built-in module "sys", between its files; sys.c has the table.

#ifndef BUILTIN_SYS_H
#define BUILTIN_SYS_H

#include "wherry/module.h"

int32_t sys_stats(void *self, wherry_call *);    // sys_stats.c
int32_t sys_slowlog(void *self, wherry_call *);  // sys_slowlog.c
int32_t sys_commands(void *self, wherry_call *); // sys_commands.c
int32_t sys_config(void *self, wherry_call *);   // sys_config.c
int32_t sys_inspect(void *self, wherry_call *);  // sys_keys.c
int32_t sys_digest(void *self, wherry_call *);

// What sys.commands and the printed reference call the bits of flags and kinds; a NULL name ends a list.
struct word {
	uint32_t bit;
	const char *name;
};
extern const struct word command_words[], kind_words[];

#endif
