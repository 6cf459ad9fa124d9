// sys.config: options in force, and changing them.  A change is the control thread's.

#include "builtin/sys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "builtin/later.h"
#include "builtin/rows.h"
#include "config.h"
#include "run/call.h"

// The job's argument is one string: "max_frame=16MiB".
enum { ARGUMENT_ROOM = 8192, NAME_MOST = 80 };

struct listing {
	struct rows map;
	const char *wanted; // NULL: all
};

static void pack_value(wherry_out *out, const struct option_spec *spec, const struct option_value *value)
{
	int64_t number = atomic_load(&value->number);
	const char *text = __atomic_load_n(&value->text, __ATOMIC_ACQUIRE);
	if (spec->kind == WHERRY_OPTION_TEXT)
		pack_cstring(out, text != NULL ? text : "");
	else if (spec->kind == WHERRY_OPTION_BOOL)
		pack_bool(out, number != 0);
	else
		pack_int(out, number);
}

static void list_option(
    struct listing *l, const char *name, const struct option_spec *spec, const struct option_value *value)
{
	if (l->wanted != NULL && strcmp(l->wanted, name) != 0)
		return;
	if (l->wanted == NULL)
		rows_name(&l->map, name);
	else
		l->map.count++;
	pack_value(&l->map.out, spec, value);
}

static void list_module_option(
    void *arg, const char *module, const struct option_spec *spec, const struct option_value *value)
{
	char name[NAME_MOST];
	snprintf(name, sizeof(name), "%s.%s", module, spec->name);
	list_option(arg, name, spec, value);
}

static void list_options(const wherry_broker *b, struct listing *l)
{
	rows_begin(&l->map);
	for (uint32_t i = 0; i < broker_option_count; i++)
		list_option(l, broker_options[i].name, &broker_options[i], &b->options[i]);
	modules_each_option(b->modules, list_module_option, l);
}

struct nearest {
	const char *wanted;
	char name[NAME_MOST]; // "": none is near
};

static void keep_nearer(void *arg, const char *module, const struct option_spec *spec, const struct option_value *value)
{
	struct nearest *n = arg;
	char name[NAME_MOST];
	(void)value;
	snprintf(name, sizeof(name), "%s.%s", module, spec->name);
	const char *near = nearest_name(n->wanted, (const char *[]){n->name, name}, 2);
	if (near == name)
		memcpy(n->name, name, sizeof(name));
}

static int32_t unknown(const wherry_broker *b, wherry_call *call, const char *name)
{
	char why[256];
	struct nearest n = {.wanted = name};
	if (strchr(name, '.') == NULL) {
		broker_option_unknown(name, why, sizeof(why));
		return call_fail(call, WHERRY_EARG, why);
	}
	modules_each_option(b->modules, keep_nearer, &n);
	if (n.name[0] != 0)
		return call_failf(call, WHERRY_EARG, "there is no option \"%s\"; did you mean \"%s\"?", name, n.name);
	return call_failf(call, WHERRY_EARG, "there is no option \"%s\": see sys.config, and module.list", name);
}

// The value alone.
static int32_t get_one(const wherry_broker *b, wherry_call *call, const char *name)
{
	struct listing l = {.wanted = name};
	list_options(b, &l);
	int32_t status = l.map.bytes.failed ? WHERRY_ENOMEM : WHERRY_OK;
	if (status == WHERRY_OK && l.map.count == 0)
		status = unknown(b, call, name);
	if (status == WHERRY_OK)
		pack_raw(call->reply, buffer_span(&l.map.bytes));
	buffer_free(&l.map.bytes);
	return status;
}

// --- setting ------------------------------------------------------------------------------------------------------

static int do_set(struct job *job)
{
	wherry_broker *b = job->context;
	char *name = job->argument, *text = strchr(name, '=');
	char *why = job->result.text;
	*text++ = 0;
	char *dot = strchr(name, '.');
	if (dot == NULL)
		return broker_set_option(b, name, text, why, sizeof(job->result.text));
	*dot = 0;
	int status = modules_set_option(b->modules, name, dot + 1, text, why, sizeof(job->result.text));
	return status == WHERRY_ENOKEY ? WHERRY_EARG : status;
}

// False: it can't be an option's text.
static bool print_value(const wherry_value *value, char *text, size_t room)
{
	if (value->kind == WHERRY_BOOL)
		return snprintf(text, room, "%s", value->as.i ? "true" : "false") < (int)room;
	if (value->kind == WHERRY_INT)
		return snprintf(text, room, "%" PRId64, value->as.i) < (int)room;
	if (value->as.bytes.len >= room || memchr(value->as.bytes.ptr, 0, value->as.bytes.len) != NULL)
		return false;
	memcpy(text, value->as.bytes.ptr, value->as.bytes.len);
	text[value->as.bytes.len] = 0;
	return true;
}

static int32_t set_one(wherry_broker *b, wherry_call *call, const char *name)
{
	char argument[ARGUMENT_ROOM];
	struct job_result result;
	int at = snprintf(argument, sizeof(argument), "%s=", name);
	if (!print_value(&call->args[1], argument + at, sizeof(argument) - (size_t)at))
		return call_failf(call, WHERRY_EARG, "%s: the value is too long, or holds a zero byte", name);
	int32_t status = later(b, call, "sys.config", do_set, argument, &result);
	return status == WHERRY_OK ? get_one(b, call, name) : status;
}

// False: no option has such a name.
static bool read_name(const wherry_value *value, char name[static NAME_MOST])
{
	wherry_span text = value->as.bytes;
	if (text.len == 0 || text.len >= NAME_MOST || memchr(text.ptr, 0, text.len) != NULL ||
	    memchr(text.ptr, '=', text.len) != NULL)
		return false;
	memcpy(name, text.ptr, text.len);
	name[text.len] = 0;
	return true;
}

int32_t sys_config(void *self, wherry_call *call)
{
	wherry_broker *b = self;
	char name[NAME_MOST];
	if (call->args[0].kind == WHERRY_ABSENT) {
		struct listing all = {.wanted = NULL};
		list_options(b, &all);
		return rows_end_map(&all.map, call->reply);
	}
	if (!read_name(&call->args[0], name))
		return call_fail(call, WHERRY_EARG, "argument \"name\" is no option's name: see sys.config");
	return call->args[1].kind == WHERRY_ABSENT ? get_one(b, call, name) : set_one(b, call, name);
}
