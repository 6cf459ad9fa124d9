// Where modules are looked for by name, and whether they have the options that are configured for them.

#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module/modules.h"

// Where `make install` puts libraries; the build tells.
#ifndef WHERRY_LIBDIR
#define WHERRY_LIBDIR "/usr/local/lib"
#endif

enum { PATH_ROOM = 4096, OPTIONS_MOST = 256 };

// The directory of the program or library that this code is part of; false: not to be found out.
static bool own_directory(char *dir, size_t room)
{
	Dl_info info;
	char real[PATH_ROOM];
	ssize_t len = 0;
	// For a program, dladdr knows only what it was called as: the kernel knows better.
	if (dladdr((void *)(uintptr_t)&config_module_dir, &info) != 0 && strstr(info.dli_fname, ".so") != NULL)
		len = realpath(info.dli_fname, real) == NULL ? 0 : (ssize_t)strlen(real);
	else
		len = readlink("/proc/self/exe", real, sizeof(real) - 1);
	if (len <= 0)
		return false;
	real[len] = 0;
	char *slash = strrchr(real, '/');
	if (slash == NULL)
		return false;
	*slash = 0;
	return (size_t)snprintf(dir, room, "%s", real) < room;
}

void config_module_dir(const wherry_config *c, char *dir, size_t room)
{
	static const char *const beside[] = {"/../lib/wherry/modules", "/wherry/modules"};
	char own[PATH_ROOM / 2], path[PATH_ROOM];
	const char *told = config_text(c, "module_dir");
	snprintf(dir, room, "%s", told[0] != 0 ? told : WHERRY_LIBDIR "/wherry/modules");
	if (told[0] != 0 || !own_directory(own, sizeof(own)))
		return;
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", own, beside[i]);
		char *real = realpath(path, NULL); // messages show it: without bin/..
		if (real != NULL && access(real, X_OK) == 0) {
			snprintf(dir, room, "%s", real);
			free(real);
			return;
		}
		free(real);
	}
}

// --- what is configured for whom --------------------------------------------------------------------------------------

// The options of one module.
struct options_of {
	const char *module;
	const char *names[OPTIONS_MOST];
	size_t count;
};

static void add_name(void *arg, const char *module, const struct option_spec *spec, const struct option_value *value)
{
	struct options_of *o = arg;
	(void)value;
	if (strcmp(module, o->module) == 0 && o->count < OPTIONS_MOST)
		o->names[o->count++] = spec->name;
}

static bool has_name(const struct options_of *o, const char *name)
{
	for (size_t i = 0; i < o->count; i++)
		if (strcmp(o->names[i], name) == 0)
			return true;
	return false;
}

// Answers whether it is there; else says so in why[].
static bool is_known(const struct config_setting *s, struct modules *modules, char *why, size_t why_room)
{
	struct options_of o = {.module = s->module};
	modules_each_option(modules, add_name, &o);
	if (has_name(&o, s->name))
		return true;
	const char *near = nearest_name(s->name, o.names, o.count);
	snprintf(why, why_room, "no module \"%.64s\" with an option \"%.64s\" was loaded%s%s%s", s->module, s->name,
	    near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
	return false;
}

int config_check_settings(const wherry_config *c, struct modules *modules, void (*warn)(void *arg, const char *what),
    void *arg, char *why, size_t why_room)
{
	for (size_t i = 0; i < c->setting_count; i++) {
		const struct config_setting *s = &c->settings[i];
		char text[CONFIG_WHY_ROOM], unknown[CONFIG_WHY_ROOM / 2];
		if (is_known(s, modules, unknown, sizeof(unknown)))
			continue;
		if (s->from == NULL) {
			snprintf(why, why_room, "%s", unknown);
			return WHERRY_EARG;
		}
		snprintf(text, sizeof(text), "%s: %s", s->from, unknown);
		warn(arg, text);
	}
	return WHERRY_OK;
}
