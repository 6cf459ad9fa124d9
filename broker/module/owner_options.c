// The option values of an owner: configured at load, changed while it runs.

#include "module/owner.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "module/instance.h"

static struct owner_setting *find(const wherry_owner *o, const char *name)
{
	for (uint32_t i = 0; i < o->setting_count; i++)
		if (strcmp(o->settings[i].spec.name, name) == 0)
			return &o->settings[i];
	return NULL;
}

static int out_of_memory(char *why, size_t why_room)
{
	snprintf(why, why_room, "out of memory");
	return WHERRY_ENOMEM;
}

// What was set while the old copy ran goes on, as long as the new one accepts it.
static bool keep(struct owner_setting *s, const wherry_owner *before)
{
	const struct owner_setting *was = before != NULL ? find(before, s->spec.name) : NULL;
	if (was == NULL || !was->changed)
		return false;
	struct buffer text = {0};
	char why[256];
	option_print(&was->spec, &was->value, &text);
	buffer_byte(&text, 0);
	s->changed =
	    !text.failed && option_parse(&s->spec, (char *)text.data, &s->value, why, sizeof(why)) == WHERRY_OK;
	buffer_free(&text);
	return s->changed;
}

int owner_configure(wherry_owner *o, const wherry_owner *before, char *why, size_t why_room)
{
	const struct modules_config *config = &o->modules->config;
	for (uint32_t i = 0; i < o->setting_count; i++) {
		struct owner_setting *s = &o->settings[i];
		if (keep(s, before))
			continue;
		const char *text = config->option != NULL ? config->option(config->arg, o->name, s->spec.name) : NULL;
		char fault[256];
		int status =
		    option_parse(&s->spec, text != NULL ? text : s->spec.preset, &s->value, fault, sizeof(fault));
		if (status != WHERRY_OK) {
			snprintf(why, why_room, "module \"%s\": option %s", o->name, fault);
			return status;
		}
	}
	return WHERRY_OK;
}

// A text may be lent to the module, so the old one stays until unload.
static int change_text(wherry_owner *o, struct owner_setting *s, char *text, char *why, size_t why_room)
{
	char **old = mem_resize(o->old_texts, sizeof(old[0]) * (o->old_text_count + 1));
	if (old == NULL) {
		mem_free(text);
		return out_of_memory(why, why_room);
	}
	o->old_texts = old;
	pthread_mutex_lock(&o->settings_lock);
	old[o->old_text_count++] = s->value.text;
	s->value.text = text;
	pthread_mutex_unlock(&o->settings_lock);
	return WHERRY_OK;
}

static int refuse(const wherry_owner *o, const char *name, int status, const char *what, char *why, size_t why_room)
{
	snprintf(why, why_room, "option \"%s.%s\" %s", o->name, name, what);
	return status;
}

int owner_set_option(wherry_owner *o, const char *name, const char *text, uint32_t *index, char *why, size_t why_room)
{
	struct owner_setting *s = find(o, name);
	if (s == NULL)
		return refuse(o, name, WHERRY_ENOKEY, "is unknown", why, why_room);
	if (!s->spec.hot)
		return refuse(o, name, WHERRY_EARG,
		    "can't change while the module runs: set it in the configuration and reload the module", why,
		    why_room);
	struct option_value parsed = {0};
	int status = option_parse(&s->spec, text, &parsed, why, why_room);
	if (status == WHERRY_OK && s->spec.kind == WHERRY_OPTION_TEXT)
		status = change_text(o, s, parsed.text, why, why_room);
	else if (status == WHERRY_OK)
		atomic_store(&s->value.number, atomic_load(&parsed.number));
	if (status != WHERRY_OK)
		return status;
	s->changed = true;
	*index = (uint32_t)(s - o->settings);
	return WHERRY_OK;
}

int32_t owner_option(wherry_owner *o, uint32_t index, wherry_value *out)
{
	*out = (wherry_value){0};
	if (atomic_load(&o->dead))
		return WHERRY_ESHUTDOWN;
	if (index >= o->setting_count)
		return WHERRY_EARG;
	struct owner_setting *s = &o->settings[index];
	if (s->spec.kind == WHERRY_OPTION_TEXT) {
		pthread_mutex_lock(&o->settings_lock);
		out->as.bytes = span_text(s->value.text);
		pthread_mutex_unlock(&o->settings_lock);
		out->kind = WHERRY_TEXT;
	} else {
		out->kind = s->spec.kind == WHERRY_OPTION_BOOL ? WHERRY_BOOL : WHERRY_INT;
		out->as.i = atomic_load_explicit(&s->value.number, memory_order_relaxed);
	}
	return WHERRY_OK;
}

void owner_each_option(wherry_owner *o,
    void (*each)(void *arg, const char *module, const struct option_spec *, const struct option_value *), void *arg)
{
	pthread_mutex_lock(&o->settings_lock);
	for (uint32_t i = 0; i < o->setting_count; i++)
		each(arg, o->name, &o->settings[i].spec, &o->settings[i].value);
	pthread_mutex_unlock(&o->settings_lock);
}
