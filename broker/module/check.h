// Checks a module's whole description before anything of it runs.  Every refusal is one exact sentence that
// names the thing: tests compare them.  Pure.  Threads: any.
//
//   check.c          the module itself, its lists, types, options, metrics, listeners
//   check_command.c  commands and their arguments

#ifndef MODULE_CHECK_H
#define MODULE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "wherry/module.h"

// WHERRY_OK, or EARG with the sentence in why[]; ENOMEM.  The broker's ABI is WHERRY_ABI.
int module_check(const wherry_module *, char *why, size_t why_room);
// The same for a built-in, which has no load().
int module_check_builtin(const wherry_module *, char *why, size_t why_room);

// [a-z][a-z0-9_]{0,31}: names of modules, and of everything behind the dot.
bool module_name_holds(const char *name);

enum { MODULE_NAME_MOST = 32, MODULE_LIST_MOST = 4096 };

// Member access that survives growth: whether a description of `size` bytes has the member.
#define MODULE_HAS(ptr, member) ((ptr)->size >= offsetof(__typeof__(*(ptr)), member) + sizeof((ptr)->member))
// Element `i` of a list with count and stride.
#define MODULE_AT(list, stride, i) ((const void *)((const char *)(list) + (size_t)(stride) * (i)))

// --- between the files of the check
// ---------------------------------------------------------------------------------

struct checking {
	const wherry_module *module;
	char *why;
	size_t room;
	int status; // EARG, unless the check itself failed
};

// Writes `module "kv": ` and the sentence; always false, so that callers end with it.
bool check_refuse(struct checking *, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A list of `count` elements `stride` bytes apart, each beginning with its own size of at least `least`. `of`
// is what the sentence calls the list's home: `module "kv"` needs "", a command `command "kv.set": `.
bool check_list(struct checking *, const char *of, const char *what, const void *list, uint32_t count, uint32_t stride,
    size_t least);
bool check_commands(struct checking *);
// "kv." and a name of 1 to 32 characters.
bool check_full_name(const struct checking *, const char *name);

#endif
