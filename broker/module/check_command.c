// The commands of a module's description and their arguments: see check.h.

#include "module/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KEY_FLAGS (WHERRY_ARG_READ | WHERRY_ARG_WRITE)
#define KNOWN_ARG_FLAGS \
	(KEY_FLAGS | WHERRY_ARG_OPTIONAL | WHERRY_ARG_REST | WHERRY_ARG_OPTION | WHERRY_ARG_TOPIC | WHERRY_ARG_SECRET)
#define KNOWN_COMMAND_FLAGS                                                                              \
	(WHERRY_CMD_WRITES | WHERRY_CMD_GROWS | WHERRY_CMD_PARKS | WHERRY_CMD_SCANS | WHERRY_CMD_ADMIN | \
	    WHERRY_CMD_INTERNAL | WHERRY_CMD_SWAPS | WHERRY_CMD_ALONE)

// One command while its arguments are looked at in order: what stood before decides what may follow.
struct command_checking {
	struct checking *whole;
	const wherry_command *command;
	const wherry_arg *arg;
	uint32_t index;
	bool optional_before, option_before, in_rest;
};

static bool __attribute__((format(printf, 2, 3))) refuse(const struct command_checking *c, const char *format, ...)
{
	char sentence[256];
	va_list args;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return check_refuse(c->whole, "command \"%s\": %s", c->command->name, sentence);
}

static bool __attribute__((format(printf, 2, 3))) refuse_arg(const struct command_checking *c, const char *format, ...)
{
	char sentence[256];
	va_list args;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return refuse(c, "argument %u (\"%s\"): %s", c->index + 1, c->arg->name, sentence);
}

static const wherry_arg *arg_at(const wherry_command *command, uint32_t i)
{
	return MODULE_AT(command->args, command->arg_stride, i);
}

static bool check_arg_name(const struct command_checking *c)
{
	const char *name = c->arg->name;
	if (name == NULL)
		return refuse(c, "argument %u has no name", c->index + 1);
	if (!module_name_holds(name))
		return refuse(c, "argument %u (\"%.64s\"): its name must be [a-z][a-z0-9_]{0,31}", c->index + 1, name);
	for (uint32_t i = 0; i < c->index; i++)
		if (strcmp(arg_at(c->command, i)->name, name) == 0)
			return refuse_arg(c, "the name stands twice");
	if (c->arg->flags & WHERRY_ARG_OPTION && strcmp(name, "ns") == 0)
		return refuse_arg(c, "the option \"ns\" is every command's own");
	if (c->arg->help == NULL || c->arg->help[0] == 0)
		return refuse_arg(c, "it has no help");
	return true;
}

static bool check_arg_kinds(const struct command_checking *c)
{
	uint32_t kinds = c->arg->kinds, flags = c->arg->flags;
	if (kinds == 0)
		return refuse_arg(c, "it has no kinds");
	if (kinds & ~WHERRY_ANY_KIND)
		return refuse_arg(c, "unknown kind bits 0x%x", kinds & ~WHERRY_ANY_KIND);
	if (flags & KEY_FLAGS && kinds & ~WHERRY_KEY_KINDS)
		return refuse_arg(c, "kinds 0x%x can't be a key", kinds & ~WHERRY_KEY_KINDS);
	if (flags & WHERRY_ARG_TOPIC && kinds != WHERRY_TEXT)
		return refuse_arg(c, "a topic must be TEXT alone");
	return true;
}

static bool check_arg_flags(const struct command_checking *c)
{
	uint32_t flags = c->arg->flags;
	if (flags & ~KNOWN_ARG_FLAGS)
		return refuse_arg(c, "unknown flag bits 0x%x", flags & ~KNOWN_ARG_FLAGS);
	if (c->arg->reserved0 != 0)
		return refuse_arg(c, "reserved0 must be 0");
	if (flags & WHERRY_ARG_OPTION && flags & (WHERRY_ARG_OPTIONAL | WHERRY_ARG_REST))
		return refuse_arg(c, "an OPTION is neither OPTIONAL nor REST");
	if (flags & WHERRY_ARG_WRITE && !(c->command->flags & WHERRY_CMD_WRITES))
		return refuse_arg(c, "a WRITE key, but the command does not say WRITES");
	if (flags & KEY_FLAGS && c->command->flags & WHERRY_CMD_SCANS)
		return refuse_arg(c, "a key, but the command SCANS");
	return true;
}

// Positional ones, options, the rest group; nothing required behind what may be left out.
static bool check_arg_order(struct command_checking *c)
{
	uint32_t flags = c->arg->flags;
	bool optional = (flags & WHERRY_ARG_OPTIONAL) != 0, first_of_rest = flags & WHERRY_ARG_REST && !c->in_rest;
	if (flags & WHERRY_ARG_OPTION) {
		c->option_before = true;
		return !c->in_rest || refuse_arg(c, "an option stands behind the rest group");
	}
	if (c->in_rest)
		return !optional || refuse_arg(c, "only the first of a rest group may be OPTIONAL");
	c->in_rest = first_of_rest;
	if (!first_of_rest && c->option_before)
		return refuse_arg(c, "a positional argument stands behind an option");
	if (!optional && c->optional_before)
		return refuse_arg(c, "it is required, but stands behind an OPTIONAL one");
	c->optional_before |= optional;
	return true;
}

static const struct check_row argument_row = {
    "argument", sizeof(wherry_arg), MODULE_ARGS_MOST, {CHECK_TEXT(wherry_arg, name), CHECK_TEXT(wherry_arg, help)}};

static bool check_args(struct command_checking *c)
{
	char of[MODULE_NAME_MOST * 2 + 32];
	snprintf(of, sizeof(of), "command \"%s\": ", c->command->name);
	if (!check_list(c->whole, of, &argument_row,
		&(struct check_list){c->command->args, c->command->arg_count, c->command->arg_stride}))
		return false;
	for (c->index = 0; c->index < c->command->arg_count; c->index++) {
		c->arg = arg_at(c->command, c->index);
		if (!check_arg_name(c) || !check_arg_flags(c) || !check_arg_kinds(c) || !check_arg_order(c))
			return false;
	}
	return true;
}

static bool check_command_name(struct checking *whole, uint32_t index)
{
	const wherry_module *m = whole->module;
	const wherry_command *command = MODULE_AT(m->commands, m->command_stride, index);
	if (command->name == NULL)
		return check_refuse(whole, "command %u has no name", index + 1);
	if (!check_full_name(whole, command->name))
		return check_refuse(whole, "command \"%.80s\": its name must be \"%s.\" and [a-z][a-z0-9_]{0,31}",
		    command->name, m->name);
	for (uint32_t i = 0; i < index; i++)
		if (strcmp(((const wherry_command *)MODULE_AT(m->commands, m->command_stride, i))->name,
			command->name) == 0)
			return check_refuse(whole, "command \"%s\" is declared twice", command->name);
	return true;
}

static bool is_verb(const char *verb)
{
	size_t len = strspn(verb, "abcdefghijklmnopqrstuvwxyz");
	return len > 0 && len <= MODULE_NAME_MOST && verb[len] == 0;
}

static bool check_command(struct command_checking *c)
{
	const wherry_command *command = c->command;
	if (command->flags & ~KNOWN_COMMAND_FLAGS)
		return refuse(c, "unknown flag bits 0x%x", command->flags & ~KNOWN_COMMAND_FLAGS);
	if (command->flags & WHERRY_CMD_SCANS && command->flags & WHERRY_CMD_PARKS)
		return refuse(c, "it SCANS, so it can't say PARKS: there is no key to wait on");
	if (command->flags & WHERRY_CMD_SWAPS && !(command->flags & WHERRY_CMD_WRITES))
		return refuse(c, "it SWAPS, but does not say WRITES");
	if (command->help == NULL || command->help[0] == 0)
		return refuse(c, "it has no help");
	if (command->verb == NULL)
		return refuse(c, "it has no verb");
	if (!is_verb(command->verb))
		return refuse(c, "its verb \"%.40s\" must be [a-z]{1,32}", command->verb);
	if (command->run == NULL)
		return refuse(c, "run is missing");
	return check_args(c);
}

bool check_commands(struct checking *whole)
{
	const wherry_module *m = whole->module;
	for (uint32_t i = 0; i < m->command_count; i++) {
		struct command_checking c = {
		    .whole = whole,
		    .command = MODULE_AT(m->commands, m->command_stride, i),
		};
		if (!check_command_name(whole, i) || !check_command(&c))
			return false;
	}
	return true;
}
