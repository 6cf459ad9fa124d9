// Another configuration for a broker that runs: everything that can fail comes first, in the order in which it can be
// taken back; then what changes is put in force, which can't fail.  Runs on the control thread.

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "broker.h"
#include "config.h"

enum { DRAIN_MS = 5000, NAME_ROOM = 4096, MODULE_ROOM = 64 };

// An option of a loaded module whose configured text is another now.
struct change {
	const char *module, *name, *text; // NULL text: the preset
	struct option_spec spec;
	struct buffer before; // its value, as text
	bool found;
};

struct reload {
	wherry_broker *b;
	wherry_config *old, *fresh;
	struct change *changes;
	size_t change_count;
	char (*loaded)[MODULE_ROOM]; // modules loaded so far, to be unloaded again if it fails
	size_t loaded_count;
	char *why;
	size_t why_room;
};

static int no_memory(struct reload *r)
{
	snprintf(r->why, r->why_room, "out of memory");
	return WHERRY_ENOMEM;
}

// --- options of loaded modules -------------------------------------------------------------------------------------------

static void look_up(void *arg, const char *module, const struct option_spec *spec, const struct option_value *value)
{
	struct reload *r = arg;
	for (size_t i = 0; i < r->change_count; i++) {
		struct change *c = &r->changes[i];
		if (strcmp(c->module, module) != 0 || strcmp(c->name, spec->name) != 0)
			continue;
		c->found = true;
		c->spec = *spec;
		option_print(spec, value, &c->before);
		buffer_byte(&c->before, 0);
	}
}

static void note_change(struct reload *r, const struct config_setting *s, const char *before, const char *after)
{
	if (before == NULL || after == NULL || strcmp(before, after) != 0)
		r->changes[r->change_count++] = (struct change){.module = s->module, .name = s->name, .text = after};
}

static int find_changes(struct reload *r)
{
	const wherry_config *old = r->old, *fresh = r->fresh;
	r->changes = mem_zalloc((old->setting_count + fresh->setting_count + 1) * sizeof(r->changes[0]));
	if (r->changes == NULL)
		return no_memory(r);
	for (size_t i = 0; i < fresh->setting_count; i++) {
		const struct config_setting *s = &fresh->settings[i];
		note_change(r, s, config_module_option(old, s->module, s->name), s->text);
	}
	for (size_t i = 0; i < old->setting_count; i++) {
		const struct config_setting *s = &old->settings[i];
		if (config_module_option(fresh, s->module, s->name) == NULL)
			note_change(r, s, s->text, NULL);
	}
	modules_each_option(r->b->modules, look_up, r);
	return WHERRY_OK;
}

// A module that is loaded only now checks its own.
static int check_changes(struct reload *r)
{
	for (size_t i = 0; i < r->change_count; i++) {
		const struct change *c = &r->changes[i];
		struct option_value parsed = {.text = NULL};
		char fault[256];
		if (!c->found)
			continue;
		if (c->before.failed)
			return no_memory(r);
		int status =
		    option_parse(&c->spec, c->text != NULL ? c->text : c->spec.preset, &parsed, fault, sizeof(fault));
		mem_free(parsed.text);
		if (status == WHERRY_OK)
			continue;
		snprintf(r->why, r->why_room, "module \"%s\": option %s", c->module, fault);
		return status;
	}
	return WHERRY_OK;
}

// --- modules that are new ------------------------------------------------------------------------------------------------

struct search {
	const char *name;
	bool found;
	char last[MODULE_ROOM]; // the one that was loaded last
};

static void see_module(void *arg, const struct module_info *info)
{
	struct search *s = arg;
	s->found |= strcmp(s->name, info->name) == 0;
	snprintf(s->last, sizeof(s->last), "%s", info->name);
}

static int find_module(void *arg, const char *path_or_name)
{
	struct search *s = arg;
	char name[NAME_ROOM];
	config_module_name(path_or_name, name, sizeof(name));
	s->found |= strcmp(name, s->name) == 0;
	return WHERRY_OK;
}

// One that was configured before and is not loaded was unloaded since: it stays so.
static int load_new(void *arg, const char *path_or_name)
{
	struct reload *r = arg;
	char name[NAME_ROOM];
	config_module_name(path_or_name, name, sizeof(name));
	struct search s = {.name = name};
	modules_each(r->b->modules, see_module, &s);
	config_each_module(r->old, find_module, &s);
	if (s.found)
		return WHERRY_OK;
	char(*grown)[MODULE_ROOM] = mem_resize(r->loaded, (r->loaded_count + 1) * sizeof(grown[0]));
	if (grown == NULL)
		return no_memory(r);
	r->loaded = grown;
	int status = modules_load_now(r->b->modules, path_or_name, r->why, r->why_room);
	if (status != WHERRY_OK)
		return status;
	modules_each(r->b->modules, see_module, &s);
	memcpy(grown[r->loaded_count++], s.last, sizeof(s.last));
	return WHERRY_OK;
}

static void unload_new(struct reload *r)
{
	char why[CONFIG_WHY_ROOM];
	while (r->loaded_count > 0) {
		const char *name = r->loaded[--r->loaded_count];
		if (modules_unload(r->b->modules, name, DRAIN_MS, why, sizeof(why)) != WHERRY_OK)
			log_event(&r->b->log, WHERRY_LOG_ERROR, "module stays", "module", name, "why", why, NULL);
	}
}

static void warn_of(void *arg, const char *what)
{
	const struct reload *r = arg;
	log_event(&r->b->log, WHERRY_LOG_WARN, "configuration", "warning", what, NULL);
}

// Namespaces can't be taken back, so they come last, and whether all have room is seen first.
static int check_namespaces(struct reload *r)
{
	uint32_t ns, count = store_ns_count(r->b->store);
	for (size_t i = 0; i < r->fresh->namespace_count; i++)
		count += store_ns_find(r->b->store, span_text(r->fresh->namespaces[i]), &ns) != WHERRY_OK;
	if (count <= STORE_NAMESPACES)
		return WHERRY_OK;
	snprintf(
	    r->why, r->why_room, "%u namespaces would be more than the %d that there can be", count, STORE_NAMESPACES);
	return WHERRY_ELIMIT;
}

static int make_namespaces(struct reload *r)
{
	for (size_t i = 0; i < r->fresh->namespace_count; i++) {
		uint32_t ns;
		const char *name = r->fresh->namespaces[i];
		int status = store_ns_create(r->b->store, span_text(name), &ns);
		if (status == WHERRY_OK || status == WHERRY_EEXIST)
			continue;
		snprintf(r->why, r->why_room, "namespace \"%s\": %s", name, status_text(status));
		return status;
	}
	return WHERRY_OK;
}

static int prepare(struct reload *r)
{
	int status = find_changes(r);
	if (status == WHERRY_OK)
		status = check_changes(r);
	if (status == WHERRY_OK)
		status = check_namespaces(r);
	if (status != WHERRY_OK)
		return status;
	r->b->config = r->fresh; // where modules that are loaded now find their options
	status = config_each_module(r->fresh, load_new, r);
	if (status == WHERRY_OK)
		status = config_check_settings(r->fresh, r->b->modules, warn_of, r, r->why, r->why_room);
	if (status == WHERRY_OK)
		status = make_namespaces(r);
	if (status == WHERRY_OK)
		return status;
	r->b->config = r->old;
	unload_new(r);
	return status;
}

// --- in force ------------------------------------------------------------------------------------------------------------

static void say_changed(struct reload *r, const char *name, const char *before, const char *after)
{
	log_event(&r->b->log, WHERRY_LOG_INFO, "option changed", "option", name, "from", before, "to", after, NULL);
}

static void say_waits(struct reload *r, const char *what, const char *for_what)
{
	log_event(&r->b->log, WHERRY_LOG_WARN, "not changed", "what", what, "needs", for_what, NULL);
}

static const char *printed(const struct option_spec *spec, const struct option_value *value, struct buffer *text)
{
	buffer_clear(text);
	option_print(spec, value, text);
	buffer_byte(text, 0);
	return text->failed ? "?" : (const char *)text->data;
}

static bool same_value(const struct option_spec *spec, const struct option_value *a, const struct option_value *b)
{
	if (spec->kind == WHERRY_OPTION_TEXT)
		return strcmp(a->text != NULL ? a->text : "", b->text != NULL ? b->text : "") == 0;
	return atomic_load(&a->number) == atomic_load(&b->number);
}

// Hot ones follow the file where the file changed.  Others are compared with what is in force, which they keep.
static void change_option(struct reload *r, uint32_t i, struct buffer *before, struct buffer *after)
{
	const struct option_spec *spec = &broker_options[i];
	const struct option_value *was = spec->hot ? &r->old->options[i] : &r->b->options[i];
	if (same_value(spec, was, &r->fresh->options[i]))
		return;
	const char *text = printed(spec, &r->fresh->options[i], after);
	if (!spec->hot) {
		say_waits(r, spec->name, "a restart");
		return;
	}
	say_changed(r, spec->name, printed(spec, &r->b->options[i], before), text);
	broker_take_option(r->b, i, &r->fresh->options[i]);
}

static void change_options(struct reload *r)
{
	struct buffer before = {0}, after = {0};
	for (uint32_t i = 0; i < broker_option_count; i++)
		if (strcmp(broker_options[i].name, "modules") != 0) // they are loaded, or reported, one by one
			change_option(r, i, &before, &after);
	buffer_free(&before);
	buffer_free(&after);
}

static void change_modules(struct reload *r)
{
	for (size_t i = 0; i < r->change_count; i++) {
		const struct change *c = &r->changes[i];
		char name[256], why[CONFIG_WHY_ROOM];
		const char *text = c->text != NULL ? c->text : c->spec.preset;
		if (!c->found)
			continue;
		snprintf(name, sizeof(name), "%s.%s", c->module, c->name);
		if (!c->spec.hot)
			say_waits(r, name, "module.reload, or a restart");
		else if (modules_set_option(r->b->modules, c->module, c->name, text, why, sizeof(why)) == WHERRY_OK)
			say_changed(r, name, (const char *)c->before.data, text);
		else
			log_event(&r->b->log, WHERRY_LOG_ERROR, "not changed", "what", name, "why", why, NULL);
	}
}

static bool same_listeners(const wherry_config *a, const wherry_config *b)
{
	bool same = a->listener_count == b->listener_count;
	for (size_t i = 0; same && i < a->listener_count; i++) {
		const struct config_listener *l = &a->listeners[i], *m = &b->listeners[i];
		same = strcmp(l->url, m->url) == 0 && listen_options_equal(&l->options, &m->options);
	}
	return same;
}

static void keep_listeners(struct reload *r)
{
	struct config_listener *listeners = r->fresh->listeners;
	size_t count = r->fresh->listener_count;
	if (same_listeners(r->old, r->fresh))
		return;
	say_waits(r, "listeners", "a restart");
	r->fresh->listeners = r->old->listeners;
	r->fresh->listener_count = r->old->listener_count;
	r->old->listeners = listeners;
	r->old->listener_count = count;
}

static int say_left_out(void *arg, const char *path_or_name)
{
	struct reload *r = arg;
	char name[NAME_ROOM], what[NAME_ROOM + 16];
	config_module_name(path_or_name, name, sizeof(name));
	struct search s = {.name = name};
	config_each_module(r->fresh, find_module, &s);
	snprintf(what, sizeof(what), "module %s", name);
	if (!s.found)
		say_waits(r, what, "module.unload, or a restart");
	return WHERRY_OK;
}

static void put_in_force(struct reload *r)
{
	config_each_module(r->old, say_left_out, r);
	keep_listeners(r);
	change_options(r);
	change_modules(r);
	log_event(&r->b->log, WHERRY_LOG_INFO, "configuration reloaded", NULL);
}

static void reload_end(struct reload *r)
{
	for (size_t i = 0; i < r->change_count; i++)
		buffer_free(&r->changes[i].before);
	mem_free(r->changes);
	mem_free(r->loaded);
}

int config_reload(wherry_broker *b, const wherry_config *config, char *why, size_t why_room)
{
	struct reload r = {.b = b, .old = b->config, .fresh = config_copy(config), .why = why, .why_room = why_room};
	int status = r.fresh != NULL ? prepare(&r) : no_memory(&r);
	if (status == WHERRY_OK)
		put_in_force(&r);
	reload_end(&r);
	wherry_config_free(status == WHERRY_OK ? r.old : r.fresh);
	return status;
}
