// Options from the environment: WHERRY_MAX_FRAME=16MiB is the broker's max_frame, WHERRY_KV_MAX_VALUE=1MiB the option
// max_value of the module kv.  A name that could be both is the broker's; among modules the longest name that fits is
// meant.  What nobody knows is a warning and no error: it may be meant for another program.

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "broker.h"
#include "config.h"

#define PREFIX "WHERRY_"

enum { NAME_ROOM = 128 };

// Read elsewhere, by the clients, or by this project's tests: nothing to complain about.
static const char *const others[] = {"WHERRY_CONFIG", "WHERRY_LISTEN", "WHERRY_URL", "WHERRY_HISTORY",
    "WHERRY_HISTORY_SIZE", "WHERRY_BUILD", "WHERRY_SOURCE"};
enum { OTHERS = sizeof(others) / sizeof(others[0]), SUGGESTED = 3 };

static bool is_others(const char *name)
{
	for (size_t i = 0; i < OTHERS; i++)
		if (strcmp(name, others[i]) == 0)
			return true;
	return false;
}

static void lower(char *to, const char *from, size_t room)
{
	size_t i = 0;
	for (; from[i] != 0 && i + 1 < room; i++)
		to[i] = (char)tolower((unsigned char)from[i]);
	to[i] = 0;
}

static void upper(char *to, const char *from, size_t room)
{
	size_t i = (size_t)snprintf(to, room, "%s", PREFIX);
	for (; *from != 0 && i + 1 < room; from++)
		to[i++] = (char)toupper((unsigned char)*from);
	to[i] = 0;
}

struct match {
	const char *name; // "kv_max_value"
	char module[NAME_ROOM];
};

static int match_module(void *arg, const char *path_or_name)
{
	struct match *m = arg;
	char name[4096];
	config_module_name(path_or_name, name, sizeof(name));
	size_t len = strlen(name);
	bool fits = len < sizeof(m->module) && strncmp(m->name, name, len) == 0 && m->name[len] == '_';
	if (fits && m->name[len + 1] != 0 && len > strlen(m->module))
		memcpy(m->module, name, len + 1);
	return WHERRY_OK;
}

static int set_module(wherry_config *c, const struct match *m, const char *value)
{
	int status = config_set_module_option(c, m->module, m->name + strlen(m->module) + 1, value);
	for (size_t i = 0; status == WHERRY_OK && i < c->setting_count; i++) {
		struct config_setting *s = &c->settings[i];
		if (strcmp(s->module, m->module) == 0 && strcmp(s->name, m->name + strlen(m->module) + 1) == 0)
			s->from = "environment";
	}
	return status;
}

static int unknown(wherry_config *c, const char *name)
{
	char room[BROKER_OPTIONS_MOST][NAME_ROOM];
	const char *names[BROKER_OPTIONS_MOST + OTHERS];
	size_t count = 0;
	for (; count < broker_option_count; count++) {
		upper(room[count], broker_options[count].name, NAME_ROOM);
		names[count] = room[count];
	}
	for (size_t i = 0; i < SUGGESTED; i++)
		names[count++] = others[i];
	const char *near = nearest_name(name, names, count);
	if (near != NULL)
		return config_warn(c, "environment: %.64s is no option of wherryd; did you mean %s?", name, near);
	return config_warn(c, "environment: %.64s is no option of wherryd, nor of a module that is configured", name);
}

static int set(wherry_config *c, const char *variable, const char *value)
{
	char name[NAME_ROOM];
	lower(name, variable + strlen(PREFIX), sizeof(name));
	int status;
	if (broker_option_index(name) < broker_option_count) {
		status = wherry_config_set(c, name, value);
	} else {
		struct match m = {.name = name};
		config_each_module(c, match_module, &m);
		if (m.module[0] == 0)
			return unknown(c, variable);
		status = set_module(c, &m, value);
	}
	return status == WHERRY_EARG ? config_fault(c, "environment, %.64s: %s", variable, c->why) : status;
}

static int set_variable(wherry_config *c, const char *entry, const char **listen)
{
	char variable[NAME_ROOM];
	const char *equals = strchr(entry, '=');
	if (equals == NULL || strncmp(entry, PREFIX, strlen(PREFIX)) != 0)
		return WHERRY_OK;
	int len = snprintf(variable, sizeof(variable), "%.*s", (int)(equals - entry), entry);
	if (strcmp(variable, "WHERRY_LISTEN") == 0)
		*listen = equals + 1;
	if (is_others(variable))
		return WHERRY_OK;
	if (len >= (int)sizeof(variable))
		return unknown(c, variable);
	return set(c, variable, equals + 1);
}

// The option `modules` first: which modules there are decides what the other names mean.
int config_environment(wherry_config *c, char *const *names, const char **listen)
{
	static const char modules[] = PREFIX "MODULES=";
	int status = WHERRY_OK;
	*listen = NULL;
	config_no_faults(c);
	for (int round = 0; round < 2; round++)
		for (char *const *at = names; at != NULL && *at != NULL && status != WHERRY_ENOMEM; at++)
			if ((strncmp(*at, modules, strlen(modules)) == 0) == (round == 0))
				status = set_variable(c, *at, listen);
	return config_faults_end(c, status == WHERRY_EARG ? WHERRY_OK : status);
}
