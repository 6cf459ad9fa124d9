// The built-in module "module": lists, loads, unloads and reloads modules.  Changes are the control thread's.

#include <stdio.h>
#include <string.h>

#include "builtin/describe.h"
#include "builtin/later.h"
#include "builtin/quote.h"
#include "builtin/rows.h"
#include "run/call.h"

enum { UNLOAD_MS = 5000 };

static void add_state(struct rows *map, const struct module_info *info)
{
	rows_text(map, "state", info->state);
	rows_text(map, "path", info->path);
	rows_text(map, "needs", info->needs);
	rows_number(map, "types", info->types);
	rows_number(map, "reloads", info->reloads);
	rows_number(map, "memory", info->memory);
	rows_number(map, "timers", info->timers);
	rows_int(map, "loaded_ms", info->loaded_ms);
	if (!info->checked)
		return;
	rows_number(map, "misuses", info->found.misuses);
	rows_number(map, "undone", info->found.undone);
	rows_number(map, "slow", info->found.slow);
}

static void add_identity(struct rows *map, const struct module_info *info)
{
	char abi[32];
	snprintf(abi, sizeof(abi), "%u.%u", info->abi >> 16, info->abi & 0xffff);
	rows_text(map, "name", info->name);
	rows_text(map, "version", info->version);
	rows_text(map, "abi", abi);
	rows_bool(map, "builtin", info->builtin);
	rows_number(map, "commands", info->commands);
}

// --- list and show ------------------------------------------------------------------------------------------------

static void list_one(void *arg, const struct module_info *info)
{
	struct rows *list = arg, map;
	rows_begin(&map);
	add_identity(&map, info);
	rows_text(&map, "state", info->state);
	list->bytes.failed |= rows_end_map(&map, &list->out) != WHERRY_OK;
	list->count++;
}

static int32_t run_list(void *self, wherry_call *call)
{
	wherry_broker *b = self;
	struct rows list;
	rows_begin(&list);
	modules_each(b->modules, list_one, &list);
	return rows_end_list(&list, call->reply);
}

struct showing {
	wherry_span name;
	struct rows map;
};

static void show_one(void *arg, const struct module_info *info)
{
	struct showing *s = arg;
	if (!span_equal(s->name, span_text(info->name)))
		return;
	add_identity(&s->map, info);
	add_state(&s->map, info);
}

static void show_option(void *arg, const char *module, const struct option_spec *spec, const struct option_value *value)
{
	struct showing *s = arg;
	if (!span_equal(s->name, span_text(module)))
		return;
	struct buffer text = {0};
	rows_name(&s->map, spec->name);
	option_print(spec, value, &text);
	s->map.bytes.failed |= text.failed;
	pack_text(&s->map.out, buffer_span(&text));
	buffer_free(&text);
}

static void show_metric(void *arg, const char *module, const wherry_metric *metric, int64_t value)
{
	struct showing *s = arg;
	if (span_equal(s->name, span_text(module)))
		rows_int(&s->map, metric->name, value);
}

// A map inside the map.
static void end_inner(struct showing *inner, struct showing *outer, const char *name)
{
	rows_name(&outer->map, name);
	outer->map.bytes.failed |= rows_end_map(&inner->map, &outer->map.out) != WHERRY_OK;
}

static int32_t run_show(void *self, wherry_call *call)
{
	wherry_broker *b = self;
	struct showing all = {.name = call->args[0].as.bytes}, options = all, metrics = all;
	rows_begin(&all.map);
	modules_each(b->modules, show_one, &all);
	if (all.map.count == 0) {
		buffer_free(&all.map.bytes);
		return call_failf(call, WHERRY_ENOKEY, "no module %s is loaded; see module.list", QUOTED(all.name));
	}
	rows_begin(&options.map);
	modules_each_option(b->modules, show_option, &options);
	end_inner(&options, &all, "options");
	rows_begin(&metrics.map);
	modules_each_metric(b->modules, show_metric, &metrics);
	end_inner(&metrics, &all, "metrics");
	return rows_end_map(&all.map, call->reply);
}

// --- load, unload, reload -------------------------------------------------------------------------------------------

static int do_load(struct job *job)
{
	wherry_broker *b = job->context;
	return modules_load_now(b->modules, job->argument, job->result.text, sizeof(job->result.text));
}

static int do_unload(struct job *job)
{
	wherry_broker *b = job->context;
	return modules_unload(b->modules, job->argument, UNLOAD_MS, job->result.text, sizeof(job->result.text));
}

static int do_reload(struct job *job)
{
	wherry_broker *b = job->context;
	return modules_reload(b->modules, job->argument, job->result.text, sizeof(job->result.text));
}

static int32_t change(wherry_broker *b, wherry_call *call, const char *what, int (*work)(struct job *))
{
	char argument[4096];
	wherry_span given = call->args[0].as.bytes;
	struct job_result result;
	if (given.len == 0 || given.len >= sizeof(argument) || memchr(given.ptr, 0, given.len) != NULL ||
	    !text_is_utf8(given))
		return call_failf(call, WHERRY_EARG, "argument \"%s\" must be 1 to %zu bytes of UTF-8 without a zero",
		    call_of(call)->command->args[0]->name, sizeof(argument) - 1);
	memcpy(argument, given.ptr, given.len);
	argument[given.len] = 0;
	int32_t status = later(b, call, what, work, argument, &result);
	if (status == WHERRY_OK)
		pack_bool(call->reply, true);
	return status;
}

static int32_t run_load(void *self, wherry_call *call)
{
	return change(self, call, "module.load", do_load);
}

static int32_t run_unload(void *self, wherry_call *call)
{
	return change(self, call, "module.unload", do_unload);
}

static int32_t run_reload(void *self, wherry_call *call)
{
	return change(self, call, "module.reload", do_reload);
}

static const wherry_arg path_args[] = {
    ARG("path", WHERRY_TEXT, 0, "a file, or the name of a module in the module directory"),
};

static const wherry_arg name_args[] = {
    ARG("name", WHERRY_TEXT, 0, "the module's name, as in module.list"),
};

static const wherry_command commands[] = {
    COMMAND("module.list", "read", 0, run_list,
	"All modules, in the order they were loaded: a list of maps with name, version, abi, builtin, "
	"commands (how "
	"many) and state (running or draining)."),
    COMMAND_ARGS("module.show", "read", 0, run_show, name_args,
	"One module: what module.list says of it, its path, needs, types, reloads, memory and "
	"timers it holds, "
	"loaded_ms, and its options and metrics as maps; with check_modules also how often it did what it must not "
	"(misuses), failed after changes (undone), and ran too long (slow).  ENOKEY: no such module is loaded."),
    COMMAND_ARGS("module.load", "admin", WHERRY_CMD_ADMIN | WHERRY_CMD_PARKS, run_load, path_args,
	"Loads a module and puts its commands in force; answers true.  The file must belong to root or the "
	"broker's user and be writable by nobody else.  On failure nothing of it is left, and the error says "
	"why."),
    COMMAND_ARGS("module.unload", "admin", WHERRY_CMD_ADMIN | WHERRY_CMD_PARKS, run_unload, name_args,
	"Takes a module's commands out of force, lets it drain, and unloads it; answers true.  Requests that "
	"wait in it are answered EAGAIN; its keys stay and are there again when it is loaded again.  Refused "
	"while another module needs it."),
    COMMAND_ARGS("module.reload", "admin", WHERRY_CMD_ADMIN | WHERRY_CMD_PARKS, run_reload, name_args,
	"Loads the module's file anew, swaps the commands in one step, then unloads the old copy; "
	"answers true. "
	" On failure the old copy goes on.  Requests that wait in it are answered EAGAIN."),
};

const wherry_module builtin_module = BUILTIN("module", commands);
