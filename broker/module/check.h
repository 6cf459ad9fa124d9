// Checks a module's whole description before anything of it runs.  Every refusal is one exact sentence that
// names the thing: tests compare them.  Pure.  Threads: any.
//
//   check.c          the module itself, types, options, metrics, listeners
//   check_command.c  commands and their arguments
//   check_list.c     the lists, and whether what a description points to is there at all

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

// Also in wherry/module.h, for those who write modules.
enum { MODULE_NAME_MOST = 32, MODULE_LIST_MOST = 4096, MODULE_ARGS_MOST = 64, MODULE_TEXT_MOST = 4096 };

// Member access that survives growth: whether a description of `size` bytes has the member.
#define MODULE_HAS(ptr, member) ((ptr)->size >= offsetof(__typeof__(*(ptr)), member) + sizeof((ptr)->member))
// Element `i` of a list with count and stride.
#define MODULE_AT(list, stride, i) ((const void *)((const char *)(list) + (size_t)(stride) * (i)))

// --- between the files of the check ----------------------------------------------------------------------------------

struct checking {
	const wherry_module *module;
	char *why;
	size_t room;
	int status; // EARG, unless the check itself failed
};

// Writes `module "kv": ` and the sentence; always false, so that callers end with it.
bool check_refuse(struct checking *, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A member that points to a text (bounded, UTF-8, without control characters but tab and line feed) or to code.
struct check_target {
	const char *name; // NULL: the list of targets ends
	size_t at;
	bool is_text;
};
#define CHECK_TEXT(type, member)                      \
	{                                             \
#member, offsetof(type, member), true \
	}
#define CHECK_CODE(type, member)                       \
	{                                              \
#member, offsetof(type, member), false \
	}

// What a kind of list consists of: rows that begin with their own size, at least `least`.
struct check_row {
	const char *what;
	size_t least;
	uint32_t most;
	struct check_target targets[5]; // the last one is {0}
};
struct check_list {
	const void *first;
	uint32_t count, stride;
};

// Behind it every row's members may be read, and the targets that are not NULL.  `of` is what the sentence calls the list's
// home: `module "kv"` needs "", a command `command "kv.set": `.
bool check_list(struct checking *, const char *of, const struct check_row *, const struct check_list *);
// The end of a sentence about what is wrong with them; NULL: nothing is.
const char *check_memory(const void *, size_t len);
const char *check_target(const void *row, const struct check_target *);
bool check_commands(struct checking *);
// "kv." and a name of 1 to 32 characters.
bool check_full_name(const struct checking *, const char *name);

#endif
