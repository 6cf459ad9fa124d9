// Texts: texts.h.

#include "daemon/texts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "wherry/module.h"

static const char *number(const struct option_spec *o, int64_t value, struct buffer *text)
{
	struct option_spec like = *o;
	struct option_value printed = {.number = value};
	if (like.kind == WHERRY_OPTION_TEXT)
		like.kind = WHERRY_OPTION_INT;
	buffer_clear(text);
	option_print(&like, &printed, text);
	buffer_byte(text, 0);
	return text->failed ? "?" : (const char *)text->data;
}

void option_takes(const struct option_spec *o, char *text, size_t room)
{
	static const char *const kinds[] = {"", "true or false", "number", "size", "duration", "text"};
	struct buffer low = {0}, high = {0};
	const char *kind = o->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[o->kind] : "";
	if (o->kind == WHERRY_OPTION_BOOL || (o->min == 0 && o->max == 0))
		snprintf(text, room, "%s", kind);
	else if (o->kind == WHERRY_OPTION_TEXT)
		snprintf(text, room, "%s, at most %s bytes", kind, number(o, o->max, &high));
	else if (o->max == INT64_MAX)
		snprintf(text, room, "%s, %s or more", kind, number(o, o->min, &low));
	else
		snprintf(text, room, "%s, %s to %s", kind, number(o, o->min, &low), number(o, o->max, &high));
	buffer_free(&low);
	buffer_free(&high);
}

const struct said said_signals[] = {
    {"SIGTERM, SIGINT", "let answers leave, then end with status 0; a second one, or one that comes\n"
			"before wherryd is ready, ends it at once"},
    {"SIGHUP", "with a configuration file: reload it, see below; without one, or when the\n"
	       "terminal that wherryd runs on has closed: as SIGTERM"},
    {"SIGUSR1", "open the log file anew, as after it was renamed"},
    {"", ""},
};

const struct said said_reload[] = {
    {"at once", "options that are hot, also those of modules that are loaded; new modules\n"
		"and namespaces"},
    {"with module.reload", "options of modules that are not hot"},
    {"with a restart", "other options, listeners and their certificates, modules that are no\n"
		       "longer named (module.unload does that, too)"},
    {"", ""},
};

const struct said said_environment[] = {
    {"WHERRY_CONFIG", "the configuration file, without -c"},
    {"WHERRY_LISTEN", "where to listen, URLs with spaces between, without -l"},
    {"WHERRY_NAME", "the option NAME: WHERRY_MAX_FRAME=32MiB"},
    {"WHERRY_MODULE_NAME", "a module's option: WHERRY_KV_MAX_VALUE=1MiB; a name that could be both is\n"
			   "the broker's own, and of modules the longest that fits is meant"},
    {"", ""},
};

const struct said said_files[] = {
    {"/run/wherry/wherry.sock", "the default socket of root; else /run/user/UID/wherry.sock, or wherry.sock in\n"
				"$RUNTIME_DIRECTORY, as a service has one"},
    {"", ""},
};

const struct said said_exit[] = {
    {"0", "done"},
    {"1", "failed; standard error tells why"},
    {"2", "wrong usage"},
    {"", ""},
};

const struct said said_examples[] = {
    {"wherryd", "where this machine's programs find it"},
    {"wherryd -l tcp://127.0.0.1:4000 -m ./hello.so --set max_memory=512MiB", "another port, one more module"},
    {"wherryd -c wherry.conf -v", "with a configuration, and everything logged"},
    {"wherryd -c wherry.conf -t", "is it fine?"},
    {"wherryd --print-config > wherry.conf", "a configuration to begin with"},
    {"WHERRY_MAX_KEY=1KiB wherryd --log-format json", "an option from the environment"},
    {"", ""},
};
