// From a file to a module that has started: map, query, check, place among the others, load(), start().

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "module/checked.h"
#include "module/instance.h"
#include "module/roster.h"

struct loading {
	struct modules *modules;
	const struct module *before; // the running copy, when this is a reload
	struct module_file file;
	const wherry_module *found;
	struct why why;
};

static int query(struct loading *l)
{
	wherry_module_query_fn ask = module_file_entry(&l->file, l->why.text, l->why.room);
	if (ask == NULL)
		return WHERRY_EARG;
	l->found = ask(WHERRY_ABI);
	if (l->found == NULL)
		return module_say(l->why, WHERRY_EARG, "file \"%s\": the module does not serve this broker's ABI %u.%u",
		    l->file.path, WHERRY_ABI_MAJOR, WHERRY_ABI_MINOR);
	char fault[WHY_ROOM];
	int status = module_check(l->found, fault, sizeof(fault));
	if (status != WHERRY_OK)
		return module_say(l->why, status, "file \"%s\": %s", l->file.path, fault);
	return WHERRY_OK;
}

bool module_needs(const wherry_module *m, const char *name)
{
	size_t len = strlen(name);
	for (const char *at = m->needs; at != NULL && *at != 0; at += strspn(at, " ")) {
		size_t word = strcspn(at, " ");
		if (word == len && strncmp(at, name, len) == 0)
			return true;
		at += word;
	}
	return false;
}

// Whether `m`, or what it needs, needs `name`.  What is loaded has no circles, so this ends.
static bool leads_to(struct modules *ms, const struct module *m, const char *name)
{
	if (module_needs(&m->is, name))
		return true;
	for (const struct module *other = ms->first; other != NULL; other = other->next)
		if (module_needs(&m->is, other->is.name) && leads_to(ms, other, name))
			return true;
	return false;
}

static int check_needs(struct loading *l)
{
	const char *own = l->found->name;
	for (const char *at = l->found->needs; at != NULL && *at != 0;) {
		char name[MODULE_NAME_MOST + 1];
		size_t len = strcspn(at, " ");
		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		at += len + (at[len] == ' ');
		const struct module *needed = module_find(l->modules, name);
		if (needed == NULL)
			return module_say(l->why, WHERRY_ENOKEY,
			    "module \"%s\" needs module \"%s\", which is not loaded: load it first", own, name);
		if (leads_to(l->modules, needed, own))
			return module_say(l->why, WHERRY_EARG, "module \"%s\" needs module \"%s\", which needs \"%s\"",
			    own, name, own);
	}
	return WHERRY_OK;
}

// Whether it fits among those that are loaded.
static int check_place(struct loading *l, const char *wanted)
{
	const char *name = l->found->name;
	if (!module_file_is_path(wanted) && strcmp(wanted, name) != 0)
		return module_say(
		    l->why, WHERRY_EARG, "file \"%s\" holds module \"%s\", not \"%s\"", l->file.path, name, wanted);
	if (l->before != NULL && strcmp(l->before->is.name, name) != 0)
		return module_say(l->why, WHERRY_EARG, "file \"%s\" holds module \"%s\" now, not \"%s\"", l->file.path,
		    name, l->before->is.name);
	if (l->before == NULL && module_find(l->modules, name) != NULL)
		return module_say(
		    l->why, WHERRY_EEXIST, "module \"%s\" is loaded already: module.reload takes its file anew", name);
	return check_needs(l);
}

struct module *module_new(struct modules *ms, const wherry_module *description)
{
	struct module *m = mem_zalloc(sizeof(*m));
	if (m == NULL)
		return NULL;
	size_t size = description->size < sizeof(m->is) ? description->size : sizeof(m->is);
	memcpy(&m->is, description, size);
	m->state = "running";
	m->loaded_ms = clock_unix_ms(ms->config.clock);
	m->facing.module = m->is.name;
	m->types = mem_zalloc(sizeof(m->types[0]) * m->is.type_count);
	if (m->types == NULL) {
		mem_free(m);
		return NULL;
	}
	return m;
}

void module_free(struct module *m)
{
	if (m == NULL)
		return;
	roster_forget(m, m->abandoned);
	if (m->abandoned) {
		mem_free(m->file.path);
	} else {
		owner_free(m->owner);
		module_file_close(&m->file);
	}
	mem_free(m->types);
	mem_free(m);
}

int module_types(struct modules *ms, struct module *m, struct why why)
{
	struct store *store = router_store(ms->config.router);
	for (uint32_t i = 0; i < m->is.type_count; i++) {
		const wherry_type *type = MODULE_AT(m->is.types, m->is.type_stride, i);
		int status = store_type(store, type->name, &m->types[i]);
		if (status != WHERRY_OK)
			return module_say(why, status, "module \"%s\": type \"%s\": %s", m->is.name, type->name,
			    status == WHERRY_ELIMIT ? "the store has no room for more types" : "out of memory");
		router_type_shows_head(ms->config.router, m->types[i], type->flags & WHERRY_TYPE_VALUE);
	}
	m->facing.types = m->types;
	m->facing.type_count = m->is.type_count;
	return WHERRY_OK;
}

// What load() or start() said, or what its status says.
static int module_said(const struct module *m, const char *what, int status, wherry_why *said, struct why why)
{
	said->text[sizeof(said->text) - 1] = 0;
	if (status >= 0 || status < WHERRY_ETAKEN)
		status = WHERRY_EINTERNAL;
	return module_say(why, status, "module \"%s\": %s: %s", m->is.name, what,
	    said->text[0] != 0 ? said->text : status_text(status));
}

static int start(struct module *m, wherry_why *said)
{
	struct checked_here here;
	checked_reach(m->owner->checked, CHECKED_RUNNING);
	checked_enter(&here, m->owner->checked, "start()");
	int status = m->is.start != NULL ? m->is.start(m->self, said) : WHERRY_OK;
	checked_leave(&here);
	return status;
}

// Behind load() it has run, so what is left of it is kept mapped.
static int bring_up(struct loading *l, struct module *m)
{
	wherry_why said = {.size = sizeof(said)};
	struct checked_here here;
	checked_enter(&here, m->owner->checked, "load()");
	int status = m->is.load(&m->owner->host, m->owner, &m->self, &said);
	checked_leave(&here);
	if (status != WHERRY_OK) {
		m->is.unload = NULL; // it has cleaned up for itself
		status = module_said(m, "load", status, &said, l->why);
	} else {
		status = start(m, &said);
		if (status != WHERRY_OK)
			status = module_said(m, "start", status, &said, l->why);
	}
	m->facing.self = m->self;
	return status;
}

static int prepare(struct loading *l, struct module *m)
{
	m->file = l->file;
	l->file = (struct module_file){0};
	m->owner = owner_new(l->modules, &m->is);
	if (m->owner == NULL)
		return module_say(l->why, WHERRY_ENOMEM, "out of memory");
	m->facing.owner = m->owner;
	if (m->owner->checked != NULL && !checked_commands(m->owner->checked, &m->is))
		return module_say(l->why, WHERRY_ENOMEM, "out of memory");
	int status = module_types(l->modules, m, l->why);
	if (status != WHERRY_OK)
		return status;
	return owner_configure(m->owner, l->before != NULL ? l->before->owner : NULL, l->why.text, l->why.room);
}

static int make(struct loading *l, struct module **out)
{
	struct module *m = module_new(l->modules, l->found);
	int status = m != NULL ? prepare(l, m) : module_say(l->why, WHERRY_ENOMEM, "out of memory");
	if (status != WHERRY_OK) {
		module_free(m);
		return status;
	}
	uint32_t reloads = l->before != NULL ? l->before->reloads + 1 : 0;
	roster_add(m, m->is.name, m->is.version, m->file.path, l->found, reloads);
	status = bring_up(l, m);
	if (status != WHERRY_OK)
		module_bury(l->modules, m);
	else
		*out = m;
	return status;
}

int module_make(
    struct modules *ms, const char *path_or_name, const struct module *before, struct module **out, struct why why)
{
	struct loading l = {.modules = ms, .before = before, .why = why};
	int status = module_file_open(ms->config.dir, path_or_name, &l.file, why.text, why.room);
	if (status == WHERRY_OK)
		status = query(&l);
	if (status == WHERRY_OK)
		status = check_place(&l, path_or_name);
	if (status == WHERRY_OK)
		status = make(&l, out);
	module_file_close(&l.file);
	return status;
}
