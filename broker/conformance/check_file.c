// What the file and its description say, before anything of it runs but its entry.

#include "conformance/checks.h"
#include "conformance/symbols.h"

#include <dlfcn.h>
#include <string.h>

static void keep(struct trial_module *m, const wherry_module *is)
{
	snprintf(m->name, sizeof(m->name), "%s", is->name);
	snprintf(m->version, sizeof(m->version), "%s", is->version);
	snprintf(m->needs, sizeof(m->needs), "%s", is->needs != NULL ? is->needs : "");
	m->types = is->type_count;
	m->command_count = is->command_count;
	for (uint32_t i = 0; i < is->command_count; i++) {
		const wherry_command *c = MODULE_AT(is->commands, is->command_stride, i);
		snprintf(m->commands[i].name, sizeof(m->commands[i].name), "%s", c->name);
		m->commands[i].flags = c->flags;
	}
}

static wherry_module_query_fn entry_of(struct trial *t)
{
	static struct module_file file;
	char why[WHY_ROOM], path[4200];
	const char *name = t->options->file;
	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') == NULL ? "./" : "", name);
	trial_doing(t, "mapping the file");
	trial_limit(t, t->options->run_ms, "mapping it did not end: what do its constructors do?");
	if (module_file_open(".", path, &file, why, sizeof(why)) != WHERRY_OK)
		trial_fail(t, "%s", why);
	void *symbol = dlsym(file.handle, "wherry_module_query");
	wherry_module_query_fn ask = NULL;
	if (symbol == NULL)
		trial_fail(t, "it is no module: it has no wherry_module_query()");
	memcpy(&ask, &symbol, sizeof(ask));
	return ask;
}

void check_description(struct trial *t)
{
	char why[WHY_ROOM];
	wherry_module_query_fn ask = entry_of(t);
	trial_doing(t, "asking wherry_module_query()");
	trial_limit(t, t->options->run_ms, "wherry_module_query() did not return");
	const wherry_module *is = ask(WHERRY_ABI);
	if (is == NULL)
		trial_fail(t, "it does not serve this broker's ABI %u.%u", WHERRY_ABI_MAJOR, WHERRY_ABI_MINOR);
	if (ask(WHERRY_ABI) != is)
		trial_fail(t, "wherry_module_query() answers another description each time");
	if (module_check(is, why, sizeof(why)) != WHERRY_OK)
		trial_fail(t, "%s", why);
	keep(&t->shared->module, is);
	trial_ok(t, "%s %s for ABI %u.%u, %u commands, %u types, %u options", is->name, is->version, is->abi >> 16,
	    is->abi & 0xffff, is->command_count, is->type_count, is->option_count);
}

void check_symbols(struct trial *t)
{
	char why[SENTENCE_ROOM];
	const char *fault = symbols_fault(t->options->file, why, sizeof(why));
	if (fault != NULL)
		trial_fail(t, "%s", fault);
	trial_ok(t, "exports wherry_module_query alone; no executable stack, no text relocations");
}
