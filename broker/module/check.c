// The description of a module, but for its commands (check_command.c): see check.h.

#include "module/check.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/options.h"
#include "bus/topic.h"

enum { VERSION_MOST = 64, DESCRIPTION_MOST = 4096 };

#define KNOWN_OPTION_FLAGS WHERRY_OPTION_HOT
#define KNOWN_TYPE_FLAGS WHERRY_TYPE_VALUE

bool module_name_holds(const char *name)
{
	if (name == NULL || !islower((unsigned char)name[0]))
		return false;
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return name[len] == 0 && len <= MODULE_NAME_MOST;
}

bool check_refuse(struct checking *c, const char *format, ...)
{
	int at = snprintf(c->why, c->room, "module \"%s\": ", c->module->name);
	if (at < 0 || (size_t)at >= c->room)
		return false;
	va_list args;
	va_start(args, format);
	vsnprintf(c->why + at, c->room - (size_t)at, format, args);
	va_end(args);
	return false;
}

bool check_full_name(const struct checking *c, const char *name)
{
	size_t len = strlen(c->module->name);
	return name != NULL && strncmp(name, c->module->name, len) == 0 && name[len] == '.' &&
	       module_name_holds(name + len + 1);
}

// --- the module itself -----------------------------------------------------------------------------------------------

// Before anything of it is read.
static bool check_there(struct checking *c)
{
	const wherry_module *m = c->module;
	const char *fault = m != NULL ? check_memory(m, sizeof(m->size)) : NULL;
	if (m == NULL)
		snprintf(c->why, c->room, "the module has no description");
	else if (fault != NULL)
		snprintf(c->why, c->room, "the module's description %s", fault);
	else if (m->size < sizeof(*m))
		snprintf(c->why, c->room, "the module's description says %u bytes, but ABI %u.%u has %zu", m->size,
		    WHERRY_ABI_MAJOR, WHERRY_ABI_MINOR, sizeof(*m));
	else if (m->size > DESCRIPTION_MOST)
		snprintf(c->why, c->room, "the module's description says %u bytes: no ABI has more than %d", m->size,
		    DESCRIPTION_MOST);
	else if ((fault = check_memory(m, m->size)) != NULL)
		snprintf(c->why, c->room, "the module's description %s", fault);
	else
		return true;
	return false;
}

static bool check_abi(struct checking *c)
{
	const wherry_module *m = c->module;
	if (m->abi >> 16 != WHERRY_ABI_MAJOR) {
		snprintf(c->why, c->room, "the module is built for ABI %u.%u; this broker serves ABI %u", m->abi >> 16,
		    m->abi & 0xffff, WHERRY_ABI_MAJOR);
	} else if (WHERRY_ABI_MAJOR == 0 && m->abi != WHERRY_ABI) {
		snprintf(c->why, c->room,
		    "the module is built for ABI %u.%u; this broker serves exactly %u.%u, since before "
		    "1.0 each "
		    "minor version is another: build it again",
		    m->abi >> 16, m->abi & 0xffff, WHERRY_ABI_MAJOR, WHERRY_ABI_MINOR);
	} else if (m->abi_min > WHERRY_ABI) {
		snprintf(c->why, c->room, "the module needs at least ABI %u.%u; this broker has %u.%u",
		    m->abi_min >> 16, m->abi_min & 0xffff, WHERRY_ABI_MAJOR, WHERRY_ABI_MINOR);
	} else {
		return true;
	}
	return false;
}

static const struct check_target module_targets[] = {
    CHECK_TEXT(wherry_module, name),
    CHECK_TEXT(wherry_module, version),
    CHECK_TEXT(wherry_module, needs),
    CHECK_CODE(wherry_module, load),
    CHECK_CODE(wherry_module, start),
    CHECK_CODE(wherry_module, drain),
    CHECK_CODE(wherry_module, unload),
    CHECK_CODE(wherry_module, option_changed),
    CHECK_CODE(wherry_module, session_ended),
    CHECK_CODE(wherry_module, extension),
    {0},
};

static bool check_targets(struct checking *c)
{
	for (const struct check_target *target = module_targets; target->name != NULL; target++) {
		const char *fault = check_target(c->module, target);
		if (fault == NULL)
			continue;
		snprintf(c->why, c->room, "the module's %s %s", target->name, fault);
		return false;
	}
	return true;
}

static bool check_name(struct checking *c)
{
	const char *name = c->module->name;
	if (name == NULL)
		snprintf(c->why, c->room, "the module has no name");
	else if (!module_name_holds(name))
		snprintf(c->why, c->room, "module name \"%.64s\": it must be [a-z][a-z0-9_]{0,31}", name);
	else
		return true;
	return false;
}

static bool check_version(struct checking *c)
{
	const char *version = c->module->version;
	if (version == NULL || version[0] == 0)
		return check_refuse(c, "it has no version");
	if (strnlen(version, VERSION_MOST + 1) > VERSION_MOST)
		return check_refuse(c, "its version is longer than %d characters", VERSION_MOST);
	return true;
}

static bool check_need(struct checking *c, const char *name, const char *rest)
{
	if (!module_name_holds(name))
		return check_refuse(c, "needs: \"%s\" is no module name", name);
	if (strcmp(name, c->module->name) == 0)
		return check_refuse(c, "needs: it can't need itself");
	size_t len = strlen(name);
	for (const char *at = rest; (at = strstr(at, name)) != NULL; at += len)
		if (at[-1] == ' ' && (at[len] == ' ' || at[len] == 0))
			return check_refuse(c, "needs: \"%s\" stands twice", name);
	return true;
}

static bool check_needs(struct checking *c)
{
	for (const char *at = c->module->needs; at != NULL && *at != 0;) {
		char name[MODULE_NAME_MOST + 2];
		size_t len = strcspn(at, " ");
		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		at += len;
		if (!check_need(c, name, at))
			return false;
		if (*at == ' ' && *++at == 0)
			return check_refuse(c, "needs: a space at the end");
	}
	return true;
}

static bool check_module(struct checking *c, bool builtin)
{
	if (!check_there(c) || !check_abi(c) || !check_targets(c) || !check_name(c))
		return false;
	if (c->module->flags != 0)
		return check_refuse(c, "unknown flag bits 0x%x", c->module->flags);
	if (!builtin && c->module->load == NULL)
		return check_refuse(c, "load is missing");
	return check_version(c) && check_needs(c);
}

// --- types -----------------------------------------------------------------------------------------------------------

static const wherry_command *find_command(const wherry_module *m, const char *name)
{
	for (uint32_t i = 0; i < m->command_count; i++) {
		const wherry_command *command = MODULE_AT(m->commands, m->command_stride, i);
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

// A due alarm has a key and nothing else to give.
static bool takes_one_written_key(const wherry_command *command)
{
	for (uint32_t i = 0; i < command->arg_count; i++) {
		const wherry_arg *arg = MODULE_AT(command->args, command->arg_stride, i);
		bool given = i == 0;
		if (given && arg->flags != WHERRY_ARG_WRITE)
			return false;
		if (!given && !(arg->flags & (WHERRY_ARG_OPTIONAL | WHERRY_ARG_OPTION)))
			return false;
		if (!given && arg->flags & (WHERRY_ARG_READ | WHERRY_ARG_WRITE))
			return false;
	}
	return command->arg_count > 0;
}

static bool check_alarm(struct checking *c, const wherry_type *type)
{
	if (type->alarm == NULL)
		return true;
	const wherry_command *command = find_command(c->module, type->alarm);
	if (command == NULL)
		return check_refuse(
		    c, "type \"%s\": its alarm command \"%s\" is not declared", type->name, type->alarm);
	if (!(command->flags & WHERRY_CMD_INTERNAL))
		return check_refuse(
		    c, "type \"%s\": its alarm command \"%s\" must be INTERNAL", type->name, type->alarm);
	if (command->flags & WHERRY_CMD_PARKS)
		return check_refuse(c, "type \"%s\": its alarm command \"%s\" must not park", type->name, type->alarm);
	if (!takes_one_written_key(command))
		return check_refuse(c, "type \"%s\": its alarm command \"%s\" must take exactly one WRITE key",
		    type->name, type->alarm);
	return true;
}

static bool check_type(struct checking *c, uint32_t index)
{
	const wherry_module *m = c->module;
	const wherry_type *type = MODULE_AT(m->types, m->type_stride, index);
	if (type->name == NULL)
		return check_refuse(c, "type %u has no name", index + 1);
	if (!check_full_name(c, type->name))
		return check_refuse(
		    c, "type \"%.80s\": its name must be \"%s.\" and [a-z][a-z0-9_]{0,31}", type->name, m->name);
	for (uint32_t i = 0; i < index; i++)
		if (strcmp(((const wherry_type *)MODULE_AT(m->types, m->type_stride, i))->name, type->name) == 0)
			return check_refuse(c, "type \"%s\" is declared twice", type->name);
	if (type->help == NULL || type->help[0] == 0)
		return check_refuse(c, "type \"%s\" has no help", type->name);
	if (type->flags & ~KNOWN_TYPE_FLAGS)
		return check_refuse(
		    c, "type \"%s\": unknown flag bits 0x%x", type->name, type->flags & ~KNOWN_TYPE_FLAGS);
	if (type->reserved0 != 0)
		return check_refuse(c, "type \"%s\": reserved0 must be 0", type->name);
	return check_alarm(c, type);
}

// --- options ---------------------------------------------------------------------------------------------------------

static bool check_preset(struct checking *c, const wherry_option *option)
{
	struct option_spec spec = {
	    .name = option->name,
	    .kind = option->kind,
	    .preset = option->preset,
	    .min = option->min,
	    .max = option->max,
	};
	struct option_value value = {0};
	char why[256];
	int status = option_parse(&spec, option->preset, &value, why, sizeof(why));
	mem_free(value.text);
	if (status == WHERRY_OK)
		return true;
	c->status = status;
	return check_refuse(c, "its preset is wrong: option %s", why);
}

static bool check_option_name(struct checking *c, uint32_t index)
{
	const wherry_module *m = c->module;
	const wherry_option *option = MODULE_AT(m->options, m->option_stride, index);
	if (option->name == NULL)
		return check_refuse(c, "option %u has no name", index + 1);
	if (!module_name_holds(option->name))
		return check_refuse(c, "option \"%.64s\": its name must be [a-z][a-z0-9_]{0,31}", option->name);
	for (uint32_t i = 0; i < index; i++)
		if (strcmp(((const wherry_option *)MODULE_AT(m->options, m->option_stride, i))->name, option->name) ==
		    0)
			return check_refuse(c, "option \"%s\" is declared twice", option->name);
	return true;
}

static bool check_option(struct checking *c, uint32_t index)
{
	const wherry_option *option = MODULE_AT(c->module->options, c->module->option_stride, index);
	if (!check_option_name(c, index))
		return false;
	if (option->kind < WHERRY_OPTION_BOOL || option->kind > WHERRY_OPTION_TEXT)
		return check_refuse(c, "option \"%s\": unknown kind %u", option->name, option->kind);
	if (option->flags & ~KNOWN_OPTION_FLAGS)
		return check_refuse(
		    c, "option \"%s\": unknown flag bits 0x%x", option->name, option->flags & ~KNOWN_OPTION_FLAGS);
	if (option->reserved0 != 0)
		return check_refuse(c, "option \"%s\": reserved0 must be 0", option->name);
	if (option->help == NULL || option->help[0] == 0)
		return check_refuse(c, "option \"%s\" has no help", option->name);
	if (option->preset == NULL)
		return check_refuse(c, "option \"%s\" has no preset", option->name);
	if (option->min > option->max)
		return check_refuse(c, "option \"%s\": min %lld is above max %lld", option->name,
		    (long long)option->min, (long long)option->max);
	return check_preset(c, option);
}

// --- metrics and listeners -------------------------------------------------------------------------------------------

static bool check_metric_name(struct checking *c, uint32_t index)
{
	const wherry_module *m = c->module;
	const wherry_metric *metric = MODULE_AT(m->metrics, m->metric_stride, index);
	if (metric->name == NULL)
		return check_refuse(c, "metric %u has no name", index + 1);
	if (!module_name_holds(metric->name))
		return check_refuse(c, "metric \"%.64s\": its name must be [a-z][a-z0-9_]{0,31}", metric->name);
	for (uint32_t i = 0; i < index; i++)
		if (strcmp(((const wherry_metric *)MODULE_AT(m->metrics, m->metric_stride, i))->name, metric->name) ==
		    0)
			return check_refuse(c, "metric \"%s\" is declared twice", metric->name);
	return true;
}

static bool check_metric(struct checking *c, uint32_t index)
{
	const wherry_metric *metric = MODULE_AT(c->module->metrics, c->module->metric_stride, index);
	if (!check_metric_name(c, index))
		return false;
	if (metric->kind != WHERRY_METRIC_COUNTER && metric->kind != WHERRY_METRIC_GAUGE)
		return check_refuse(c, "metric \"%s\": unknown kind %u", metric->name, metric->kind);
	const char *unit = metric->unit;
	if (unit == NULL || (strcmp(unit, "") != 0 && strcmp(unit, "bytes") != 0 && strcmp(unit, "seconds") != 0))
		return check_refuse(c, "metric \"%s\": its unit must be \"\", \"bytes\" or \"seconds\"", metric->name);
	if (metric->help == NULL || metric->help[0] == 0)
		return check_refuse(c, "metric \"%s\" has no help", metric->name);
	return true;
}

static bool check_listener(struct checking *c, uint32_t index)
{
	const wherry_listener *listener = MODULE_AT(c->module->listeners, c->module->listener_stride, index);
	if (listener->filter == NULL)
		return check_refuse(c, "listener %u has no filter", index + 1);
	const char *fault = filter_fault(span_text(listener->filter));
	if (fault != NULL)
		return check_refuse(c, "listener %u: filter \"%.80s\": %s", index + 1, listener->filter, fault);
	if (listener->flags != 0)
		return check_refuse(
		    c, "listener %u (\"%s\"): unknown flag bits 0x%x", index + 1, listener->filter, listener->flags);
	if (listener->help == NULL || listener->help[0] == 0)
		return check_refuse(c, "listener %u (\"%s\") has no help", index + 1, listener->filter);
	if (listener->heard == NULL)
		return check_refuse(c, "listener %u (\"%s\"): heard is missing", index + 1, listener->filter);
	return true;
}

// --- all of it -------------------------------------------------------------------------------------------------------

static const struct check_row command_row = {"command", sizeof(wherry_command), MODULE_LIST_MOST,
    {CHECK_TEXT(wherry_command, name), CHECK_TEXT(wherry_command, help), CHECK_TEXT(wherry_command, verb),
	CHECK_CODE(wherry_command, run)}};
static const struct check_row type_row = {"type", sizeof(wherry_type), MODULE_LIST_MOST,
    {CHECK_TEXT(wherry_type, name), CHECK_TEXT(wherry_type, help), CHECK_TEXT(wherry_type, alarm)}};
static const struct check_row option_row = {"option", sizeof(wherry_option), MODULE_LIST_MOST,
    {CHECK_TEXT(wherry_option, name), CHECK_TEXT(wherry_option, preset), CHECK_TEXT(wherry_option, help)}};
static const struct check_row metric_row = {"metric", sizeof(wherry_metric), MODULE_LIST_MOST,
    {CHECK_TEXT(wherry_metric, name), CHECK_TEXT(wherry_metric, unit), CHECK_TEXT(wherry_metric, help)}};
static const struct check_row listener_row = {"listener", sizeof(wherry_listener), MODULE_LIST_MOST,
    {CHECK_TEXT(wherry_listener, filter), CHECK_TEXT(wherry_listener, help), CHECK_CODE(wherry_listener, heard)}};

#define CHECK_LIST(c, row, rows)    \
	check_list((c), "", &(row), \
	    &(struct check_list){(c)->module->rows##s, (c)->module->rows##_count, (c)->module->rows##_stride})

static bool check_each(struct checking *c, uint32_t count, bool (*check)(struct checking *, uint32_t))
{
	for (uint32_t i = 0; i < count; i++)
		if (!check(c, i))
			return false;
	return true;
}

static bool check_all(struct checking *c, bool builtin)
{
	const wherry_module *m = c->module;
	return check_module(c, builtin) && CHECK_LIST(c, command_row, command) && check_commands(c) &&
	       CHECK_LIST(c, type_row, type) && check_each(c, m->type_count, check_type) &&
	       CHECK_LIST(c, option_row, option) && check_each(c, m->option_count, check_option) &&
	       CHECK_LIST(c, metric_row, metric) && check_each(c, m->metric_count, check_metric) &&
	       CHECK_LIST(c, listener_row, listener) && check_each(c, m->listener_count, check_listener);
}

static int check_whole(const wherry_module *m, bool builtin, char *why, size_t why_room)
{
	struct checking c = {.module = m, .why = why, .room = why_room, .status = WHERRY_EARG};
	return check_all(&c, builtin) ? WHERRY_OK : c.status;
}

int module_check(const wherry_module *m, char *why, size_t why_room)
{
	return check_whole(m, false, why, why_room);
}

int module_check_builtin(const wherry_module *m, char *why, size_t why_room)
{
	return check_whole(m, true, why, why_room);
}
