// The list of a broker's modules: opening, adding, looking at it, closing.

#include "module/modules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "module/instance.h"

const struct codec_limits module_limits = {.depth = MODULE_DEPTH, .elements = UINT32_MAX};

enum { DRAIN_MS = 5000 };

int module_say(struct why why, int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(why.text, why.room, format, args);
	va_end(args);
	return status;
}

// --- opening and closing --------------------------------------------------------------------------------------------

static void modules_free(struct modules *ms)
{
	while (ms->buried != NULL) {
		struct module *m = ms->buried;
		ms->buried = m->next;
		module_free(m);
	}
	publication_free(&ms->nothing);
	mem_free(atomic_load(&ms->hearing));
	jobs_close(ms->jobs);
	grace_close(&ms->grace);
	pthread_mutex_destroy(&ms->lock);
	mem_free((void *)(uintptr_t)ms->config.dir);
	mem_free((void *)(uintptr_t)ms->config.version);
	mem_free(ms);
}

static bool copy_config(struct modules *ms, const struct modules_config *config)
{
	ms->config = *config;
	ms->config.dir = mem_strdup(config->dir);
	ms->config.version = mem_strdup(config->version);
	return ms->config.dir != NULL && ms->config.version != NULL;
}

int modules_open(struct modules **out, const struct modules_config *config)
{
	struct modules *ms = mem_zalloc(sizeof(*ms));
	if (ms == NULL)
		return WHERRY_ENOMEM;
	pthread_mutex_init(&ms->lock, NULL);
	grace_open(&ms->grace);
	if (!copy_config(ms, config) || jobs_open(&ms->jobs) != WHERRY_OK ||
	    publication_make(ms, NULL, NULL, &ms->nothing) != WHERRY_OK) {
		modules_free(ms);
		return WHERRY_ENOMEM;
	}
	*out = ms;
	return WHERRY_OK;
}

static struct module *needed_by(const struct modules *ms, const char *name)
{
	for (struct module *m = ms->first; m != NULL; m = m->next)
		if (module_needs(&m->is, name))
			return m;
	return NULL;
}

// The last one that no other needs: a reload may have changed what is needed.
static struct module *take_last(struct modules *ms)
{
	pthread_mutex_lock(&ms->lock);
	struct module **last = &ms->first;
	for (struct module **link = &ms->first; *link != NULL; link = &(*link)->next)
		if (needed_by(ms, (*link)->is.name) == NULL)
			last = link;
	struct module *m = *last;
	if (m != NULL)
		*last = m->next;
	pthread_mutex_unlock(&ms->lock);
	return m;
}

// Without memory for a smaller table, all commands go at once.
static void publish_what_is_left(struct modules *ms)
{
	struct publication left = {0};
	if (ms->first != NULL && ms->nothing.table != NULL && publication_make(ms, NULL, NULL, &left) == WHERRY_OK)
		publication_go(ms, &left);
	else if (ms->nothing.table != NULL)
		publication_go(ms, &ms->nothing);
}

// Each goes before what it needs.
void modules_close(struct modules *ms, int64_t deadline_ms)
{
	if (ms == NULL)
		return;
	for (struct module *m = take_last(ms); m != NULL; m = take_last(ms)) {
		if (m->owner != NULL)
			owner_serve(m->owner, false);
		publish_what_is_left(ms);
		if (m->owner != NULL)
			module_end(ms, m, deadline_ms);
		else
			module_free(m);
	}
	modules_free(ms);
}

// --- the list -------------------------------------------------------------------------------------------------------

struct module *module_find(struct modules *ms, const char *name)
{
	for (struct module *m = ms->first; m != NULL; m = m->next)
		if (strcmp(m->is.name, name) == 0)
			return m;
	return NULL;
}

static void append(struct modules *ms, struct module *m)
{
	pthread_mutex_lock(&ms->lock);
	struct module **link = &ms->first;
	while (*link != NULL)
		link = &(*link)->next;
	*link = m;
	pthread_mutex_unlock(&ms->lock);
}

int modules_add_builtin(struct modules *ms, const wherry_module *description, void *context, char *why, size_t why_room)
{
	struct why say = {why, why_room};
	int status = module_check_builtin(description, why, why_room);
	if (status != WHERRY_OK)
		return status;
	if (module_find(ms, description->name) != NULL)
		return module_say(say, WHERRY_EEXIST, "module \"%s\" is there already", description->name);
	struct module *m = module_new(ms, description);
	if (m == NULL)
		return module_say(say, WHERRY_ENOMEM, "out of memory");
	m->self = m->facing.self = context;
	status = module_types(ms, m, say);
	if (status == WHERRY_OK)
		append(ms, m);
	else
		module_free(m);
	return status;
}

static void tell_changed(struct modules *ms, const wherry_module *is, const char *event)
{
	if (ms->config.changed != NULL)
		ms->config.changed(ms->config.arg, is->name, is->version, event);
}

static void loaded(struct modules *ms, struct module *m)
{
	append(ms, m);
	log_event(ms->config.log, WHERRY_LOG_INFO, "module loaded", "module", m->is.name, "version", m->is.version,
	    "path", m->file.path, NULL);
	tell_changed(ms, &m->is, "loaded");
}

int modules_load(struct modules *ms, const char *path_or_name, char *why, size_t why_room)
{
	struct module *m = NULL;
	int status = module_make(ms, path_or_name, NULL, &m, (struct why){why, why_room});
	if (status == WHERRY_OK)
		loaded(ms, m);
	return status;
}

int modules_load_now(struct modules *ms, const char *path_or_name, char *why, size_t why_room)
{
	struct module *m = NULL;
	struct publication all = {0};
	struct why say = {why, why_room};
	int status = module_make(ms, path_or_name, NULL, &m, say);
	if (status != WHERRY_OK)
		return status;
	status = publication_make(ms, NULL, m, &all);
	if (status != WHERRY_OK) {
		module_end(ms, m, DRAIN_MS);
		return module_say(say, status, "the command table can't be made: %s", status_text(status));
	}
	loaded(ms, m);
	publication_go(ms, &all);
	owner_serve(m->owner, true);
	return WHERRY_OK;
}

int modules_publish(struct modules *ms)
{
	struct publication all = {0};
	int status = publication_make(ms, NULL, NULL, &all);
	if (status != WHERRY_OK)
		return status;
	publication_go(ms, &all);
	for (struct module *m = ms->first; m != NULL; m = m->next)
		if (m->owner != NULL)
			owner_serve(m->owner, true);
	return WHERRY_OK;
}

// --- changing it ----------------------------------------------------------------------------------------------------

static int find_loaded(struct modules *ms, const char *name, struct module **m, struct why why)
{
	*m = module_find(ms, name);
	if (*m == NULL)
		return module_say(why, WHERRY_ENOKEY, "no module \"%.64s\" is loaded", name);
	if ((*m)->owner == NULL)
		return module_say(
		    why, WHERRY_EARG, "module \"%s\" is built in: it can't be unloaded or reloaded", name);
	return WHERRY_OK;
}

int modules_reload(struct modules *ms, const char *name, char *why, size_t why_room)
{
	struct why say = {why, why_room};
	struct module *old, *fresh = NULL;
	int status = find_loaded(ms, name, &old, say);
	if (status == WHERRY_OK)
		status = module_make(ms, old->file.path, old, &fresh, say);
	if (status != WHERRY_OK)
		return status;
	fresh->reloads = old->reloads + 1;
	status = module_retire(ms, old, fresh, DRAIN_MS, say);
	if (status != WHERRY_OK) {
		module_end(ms, fresh, DRAIN_MS);
		return status;
	}
	log_event(ms->config.log, WHERRY_LOG_INFO, "module reloaded", "module", fresh->is.name, "version",
	    fresh->is.version, "path", fresh->file.path, NULL);
	tell_changed(ms, &fresh->is, "reloaded");
	return WHERRY_OK;
}

int modules_unload(struct modules *ms, const char *name, int64_t deadline_ms, char *why, size_t why_room)
{
	struct why say = {why, why_room};
	struct module *m;
	int status = find_loaded(ms, name, &m, say);
	if (status != WHERRY_OK)
		return status;
	const struct module *other = needed_by(ms, name);
	if (other != NULL)
		return module_say(say, WHERRY_EARG, "module \"%s\" is needed by module \"%s\": unload that first", name,
		    other->is.name);
	status = module_retire(ms, m, NULL, deadline_ms, say);
	if (status != WHERRY_OK)
		return status;
	log_event(ms->config.log, WHERRY_LOG_INFO, "module unloaded", "module", m->is.name, NULL);
	tell_changed(ms, &m->is, "unloaded");
	return WHERRY_OK;
}

// --- looking at it --------------------------------------------------------------------------------------------------

static struct module_info info_of(const struct module *m)
{
	struct owner_tally held = {0};
	struct checked *checked = m->owner != NULL ? m->owner->checked : NULL;
	if (m->owner != NULL)
		held = owner_tally(m->owner);
	return (struct module_info){
	    .name = m->is.name,
	    .version = m->is.version,
	    .path = m->file.path,
	    .state = m->state,
	    .needs = m->is.needs,
	    .builtin = m->owner == NULL,
	    .abi = m->is.abi,
	    .commands = m->is.command_count,
	    .types = m->is.type_count,
	    .reloads = m->reloads,
	    .memory = held.bytes,
	    .timers = held.timers,
	    .checked = checked != NULL,
	    .found = checked != NULL ? checked_tally(checked) : (struct checked_tally){0},
	    .loaded_ms = m->loaded_ms,
	};
}

void modules_each(struct modules *ms, void (*each)(void *arg, const struct module_info *), void *arg)
{
	pthread_mutex_lock(&ms->lock);
	for (const struct module *m = ms->first; m != NULL; m = m->next) {
		struct module_info info = info_of(m);
		each(arg, &info);
	}
	pthread_mutex_unlock(&ms->lock);
}

void modules_each_metric(
    struct modules *ms, void (*each)(void *arg, const char *module, const wherry_metric *, int64_t value), void *arg)
{
	pthread_mutex_lock(&ms->lock);
	for (const struct module *m = ms->first; m != NULL; m = m->next)
		for (uint32_t i = 0; m->owner != NULL && i < m->is.metric_count; i++)
			each(arg, m->is.name, MODULE_AT(m->is.metrics, m->is.metric_stride, i),
			    atomic_load_explicit(&m->owner->metrics[i], memory_order_relaxed));
	pthread_mutex_unlock(&ms->lock);
}

uint64_t modules_leaks(struct modules *ms)
{
	return atomic_load(&ms->leaks);
}

struct jobs *modules_jobs(struct modules *ms)
{
	return ms->jobs;
}

int modules_set_option(
    struct modules *ms, const char *module, const char *name, const char *text, char *why, size_t why_room)
{
	struct module *m = module_find(ms, module);
	if (m == NULL || m->owner == NULL)
		return module_say(
		    (struct why){why, why_room}, WHERRY_ENOKEY, "no module \"%.64s\" with options is loaded", module);
	uint32_t index;
	int status = owner_set_option(m->owner, name, text, &index, why, why_room);
	if (status == WHERRY_OK && m->is.option_changed != NULL) {
		struct checked_here here;
		checked_enter(&here, m->owner->checked, "option_changed()");
		m->is.option_changed(m->self, index);
		checked_leave(&here);
	}
	return status;
}

void modules_each_option(struct modules *ms,
    void (*each)(void *arg, const char *module, const struct option_spec *, const struct option_value *), void *arg)
{
	pthread_mutex_lock(&ms->lock);
	for (const struct module *m = ms->first; m != NULL; m = m->next)
		if (m->owner != NULL)
			owner_each_option(m->owner, each, arg);
	pthread_mutex_unlock(&ms->lock);
}
