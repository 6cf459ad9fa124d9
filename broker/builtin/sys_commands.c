// sys.commands: what can be called and how, all that clients need for help, completion and checks.

#include "builtin/sys.h"

#include "broker.h"
#include "builtin/quote.h"
#include "builtin/rows.h"
#include "run/call.h"

const struct word command_words[] = {
    {WHERRY_CMD_WRITES, "writes"},
    {WHERRY_CMD_GROWS, "grows"},
    {WHERRY_CMD_PARKS, "parks"},
    {WHERRY_CMD_SCANS, "scans"},
    {WHERRY_CMD_ADMIN, "admin"},
    {WHERRY_CMD_SWAPS, "swaps"},
    {WHERRY_CMD_ALONE, "alone"},
    {0, NULL},
};

static const struct word arg_words[] = {
    {WHERRY_ARG_READ, "read"},
    {WHERRY_ARG_WRITE, "write"},
    {WHERRY_ARG_OPTIONAL, "optional"},
    {WHERRY_ARG_REST, "rest"},
    {WHERRY_ARG_OPTION, "option"},
    {WHERRY_ARG_TOPIC, "topic"},
    {WHERRY_ARG_SECRET, "secret"},
    {0, NULL},
};

// UINT is an int to clients: the wire does not tell them apart.
const struct word kind_words[] = {
    {WHERRY_NIL, "nil"},
    {WHERRY_BOOL, "bool"},
    {WHERRY_INT | WHERRY_UINT, "int"},
    {WHERRY_REAL, "float"},
    {WHERRY_TEXT, "str"},
    {WHERRY_BYTES, "bin"},
    {WHERRY_LIST, "array"},
    {WHERRY_MAP, "map"},
    {WHERRY_TIME, "timestamp"},
    {WHERRY_TUPLE, "tuple"},
    {WHERRY_EXT, "ext"},
    {0, NULL},
};

static void pack_words(wherry_out *out, uint32_t bits, const struct word *words)
{
	uint32_t count = 0;
	for (const struct word *w = words; w->name != NULL; w++)
		count += (bits & w->bit) != 0;
	pack_array(out, count);
	for (const struct word *w = words; w->name != NULL; w++)
		if (bits & w->bit)
			pack_cstring(out, w->name);
}

static void pack_arg(wherry_out *out, const wherry_arg *arg)
{
	pack_map(out, 4);
	pack_cstring(out, "name");
	pack_cstring(out, arg->name);
	pack_cstring(out, "kinds");
	pack_words(out, arg->kinds, kind_words);
	pack_cstring(out, "flags");
	pack_words(out, arg->flags, arg_words);
	pack_cstring(out, "help");
	pack_cstring(out, arg->help);
}

static void pack_command(wherry_out *out, const struct command *c)
{
	pack_map(out, 6);
	pack_cstring(out, "name");
	pack_cstring(out, c->name);
	pack_cstring(out, "module");
	pack_cstring(out, c->owner->module);
	pack_cstring(out, "help");
	pack_cstring(out, c->help);
	pack_cstring(out, "verb");
	pack_cstring(out, c->verb);
	pack_cstring(out, "flags");
	pack_words(out, c->flags, command_words);
	pack_cstring(out, "args");
	pack_array(out, c->arg_count);
	for (uint32_t i = 0; i < c->arg_count; i++)
		pack_arg(out, c->args[i]);
}

static bool is_meant(const struct command *c, const wherry_value *name)
{
	if (c->flags & WHERRY_CMD_INTERNAL)
		return false;
	return name->kind == WHERRY_ABSENT || span_equal(name->as.bytes, span_text(c->name)) ||
	       span_equal(name->as.bytes, span_text(c->owner->module));
}

static int32_t unknown(wherry_call *call, const struct command_table *table, wherry_span name)
{
	const char *near = command_nearest(table, name);
	if (near == NULL)
		return call_failf(call, WHERRY_ENOCMD, "no command or module %s", QUOTED(name));
	return call_failf(call, WHERRY_ENOCMD, "no command or module %s; did you mean \"%s\"?", QUOTED(name), near);
}

int32_t sys_commands(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	const wherry_value *name = &call->args[0];
	struct rows list;
	rows_begin(&list);
	unsigned token = router_enter(b->router);
	const struct command_table *table = router_commands(b->router);
	for (uint32_t i = 0; i < command_count(table); i++) {
		const struct command *c = command_at(table, i);
		if (!is_meant(c, name))
			continue;
		pack_command(&list.out, c);
		list.count++;
	}
	int32_t status =
	    list.count == 0 && name->kind != WHERRY_ABSENT ? unknown(call, table, name->as.bytes) : WHERRY_OK;
	router_leave(b->router, token);
	if (status == WHERRY_OK)
		return rows_end_list(&list, call->reply);
	buffer_free(&list.bytes);
	return status;
}
