// The flags: flags.h.

#include "daemon/flags.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

enum { EXIT_USAGE = 2, FLAGS_MOST = 48, NAME_ROOM = 256 };

// --- getopt's own tables, from ours ------------------------------------------------------------------------------------

struct parser {
	char letters[3 * FLAGS_MOST + 1];
	struct option longs[FLAGS_MOST + 1];
};

static int argument_of(const struct flag *f)
{
	return f->value == NULL ? no_argument : f->value[0] == '[' ? optional_argument : required_argument;
}

// A long flag answers where it stands in the table, behind all letters.
static void make_parser(struct parser *p)
{
	size_t at = 0, count = 0;
	for (unsigned i = 0; i < flag_count; i++) {
		const struct flag *f = &flags[i];
		if (f->id == HEADING)
			continue;
		p->longs[count++] = (struct option){f->name, argument_of(f), NULL, (int)(FLAG_SET + i)};
		if (f->id >= FLAG_SET)
			continue;
		p->letters[at++] = (char)f->id;
		if (f->value != NULL)
			p->letters[at++] = ':';
	}
	p->letters[at] = 0;
	p->longs[count] = (struct option){0};
}

// The next flag; NULL at the end; *wrong: getopt_long() has said what.
static const struct flag *next_flag(const struct parser *p, const struct wish *w, bool *wrong)
{
	int got = getopt_long(w->argc, w->argv, p->letters, p->longs, NULL);
	*wrong = got == '?';
	if (got == -1 || got == '?')
		return NULL;
	if (got >= FLAG_SET)
		return &flags[got - FLAG_SET];
	for (unsigned i = 0; i < flag_count; i++)
		if (flags[i].id == got)
			return &flags[i];
	return NULL;
}

// --- what is asked for -------------------------------------------------------------------------------------------------

static void note(struct wish *w, const struct flag *f)
{
	const char *value = optarg != NULL ? optarg : "";
	switch (f->id) {
	case FLAG_CONFIG:
		w->file = value;
		break;
	case FLAG_PRINT_COMMANDS:
		w->print_commands = true;
		w->form = value;
		break;
	case FLAG_CONFORMANCE:
		w->conformance = value;
		break;
	case FLAG_SEED:
		w->seed = value;
		break;
	case FLAG_SECONDS:
		w->seconds = value;
		break;
	default:
		w->listens |= f->id == FLAG_LISTEN;
		w->test |= f->id == FLAG_TEST;
		w->help |= f->id == FLAG_HELP;
		w->version |= f->id == FLAG_VERSION;
		w->print_config |= f->id == FLAG_PRINT_CONFIG;
		w->admin |= f->id == FLAG_ADMIN;
		w->man |= f->id == FLAG_MAN;
		w->man_config |= f->id == FLAG_MAN_CONFIG;
	}
}

static int try_help(void)
{
	fputs("Try 'wherryd --help'.\n", stderr);
	return EXIT_USAGE;
}

int flags_look(int argc, char **argv, struct wish *w)
{
	struct parser p;
	bool wrong = false;
	*w = (struct wish){.argc = argc, .argv = argv};
	make_parser(&p);
	optind = 1;
	for (const struct flag *f; (f = next_flag(&p, w, &wrong)) != NULL;)
		note(w, f);
	if (!wrong && optind < argc) {
		fprintf(stderr, "wherryd: \"%s\" is no flag: nothing stands by itself here\n", argv[optind]);
		wrong = true;
	}
	if (!wrong && w->form != NULL && strcmp(w->form, "") != 0 && strcmp(w->form, "md") != 0 &&
	    strcmp(w->form, "man") != 0) {
		fprintf(stderr, "wherryd: --print-commands=%s: the forms are md and man\n", w->form);
		wrong = true;
	}
	return wrong ? try_help() : EXIT_SUCCESS;
}

// --- what they set -----------------------------------------------------------------------------------------------------

static int set_pair(wherry_config *c, const char *pair)
{
	const char *equals = strchr(pair, '=');
	char name[NAME_ROOM];
	if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof(name))
		return config_fail(c, WHERRY_EARG, "--set takes NAME=VALUE, not \"%.100s\"", pair);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - pair), pair);
	return wherry_config_set(c, name, equals + 1);
}

static int apply(wherry_config *c, const struct flag *f)
{
	if (f->option != NULL)
		return wherry_config_set(c, f->option, f->to != NULL ? f->to : optarg);
	switch (f->id) {
	case FLAG_LISTEN:
		return wherry_config_listen(c, optarg);
	case FLAG_MODULE:
		return wherry_config_module(c, optarg);
	case FLAG_SET:
		return set_pair(c, optarg);
	default:
		return WHERRY_OK;
	}
}

int flags_apply(wherry_config *c, const struct wish *w)
{
	struct parser p;
	bool wrong;
	int status = WHERRY_OK;
	make_parser(&p);
	optind = 1;
	for (const struct flag *f; status == WHERRY_OK && (f = next_flag(&p, w, &wrong)) != NULL;)
		status = apply(c, f);
	return status;
}

void flag_spelling(const struct flag *f, char *text, size_t room)
{
	char letter[8] = "    ";
	const char *value = f->value != NULL ? f->value : "";
	if (f->id < FLAG_SET)
		snprintf(letter, sizeof(letter), "-%c, ", f->id);
	snprintf(text, room, "%s--%s%s%s", letter, f->name, f->value != NULL && value[0] != '[' ? " " : "", value);
}

// --- the table ---------------------------------------------------------------------------------------------------------

#define SETS(flag_name, takes, what, sets, value)                \
	{                                                        \
		FLAG_OPTION, flag_name, takes, what, sets, value \
	}

const struct flag flags[] = {
    {HEADING, NULL, NULL, "What it does", NULL, NULL},
    {FLAG_CONFIG, "config", "FILE", "read this configuration first; everything below wins over it", NULL, NULL},
    {FLAG_LISTEN, "listen", "URL",
	"listen here, and not where the file or the default says; repeatable:\n"
	"tcp://HOST:PORT (port 0: any free one) or ipc:///PATH;\n"
	"tls+tcp:// needs a certificate, and so a listener in the file",
	NULL, NULL},
    {FLAG_MODULE, "module", "MODULE", "load this module too, by name or by path; repeatable", NULL, NULL},
    {FLAG_SET, "set", "NAME=VALUE", "set an option, or MODULE.OPTION; repeatable", NULL, NULL},
    {'d', "data-dir", "DIR", "the directory of this broker alone (as --set data_dir=DIR)", "data_dir", NULL},
    SETS("insecure", NULL, "allow plain listeners on addresses other than this machine's own", "insecure", "true"),
    SETS("check-modules", NULL, "watch what modules do, and log what they may not; slow, for their authors",
	"check_modules", "true"),

    {HEADING, NULL, NULL, "What it logs", NULL, NULL},
    {'q', "quiet", NULL, "log warnings and errors only", "log_level", "warn"},
    {'v', "verbose", NULL, "log everything", "log_level", "debug"},
    SETS("log-level", "LEVEL", "error, warn, info or debug", "log_level", NULL),
    SETS("log-format", "FORM", "text or json", "log_format", NULL),
    SETS("log-file", "FILE", "append there, not to standard error; SIGUSR1 opens it anew", "log_file", NULL),

    {HEADING, NULL, NULL, "What it prints or checks, and then ends", NULL, NULL},
    {FLAG_TEST, "test-config", NULL,
	"read everything and load the modules, but open no listener and touch no\n"
	"data; say what is wrong (status 1), or that the configuration is fine (0)",
	NULL, NULL},
    {FLAG_PRINT_CONFIG, "print-config", NULL,
	"a configuration with every option, its default and bounds, and what is in\n"
	"force; it can be read again as it is",
	NULL, NULL},
    {FLAG_PRINT_COMMANDS, "print-commands", "[=FORM]",
	"the reference of all commands of the broker and of the modules that are\n"
	"configured, as md (default) or man",
	NULL, NULL},
    {FLAG_MAN, "man", NULL, "the manual page wherryd(8)", NULL, NULL},
    {FLAG_MAN_CONFIG, "man-config", NULL, "the manual page wherry.conf(5)", NULL, NULL},
    {FLAG_CONFORMANCE, "conformance", "FILE", "try a module in every way that a broker may use it", NULL, NULL},
    {FLAG_SEED, "seed", "N", "with --conformance: the same N tries the same", NULL, NULL},
    {FLAG_SECONDS, "seconds", "N", "with --conformance: how long to try", NULL, NULL},
    {FLAG_ADMIN, "admin", NULL, "with --conformance: call its admin commands, too", NULL, NULL},
    {FLAG_VERSION, "version", NULL, "print the version", NULL, NULL},
    {FLAG_HELP, "help", NULL, "print this", NULL, NULL},
};

const unsigned flag_count = sizeof(flags) / sizeof(flags[0]);
_Static_assert(sizeof(flags) / sizeof(flags[0]) <= FLAGS_MOST, "room for all");
