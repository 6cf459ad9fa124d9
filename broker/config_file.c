// The configuration file, read by libconfuse:
//
//   max_frame = 32MiB
//   listen "tcp://0.0.0.0:1973" { insecure = true }
//   listen "tls+tcp://0.0.0.0:1974" { tls_cert = "cert.pem" tls_key = "key.pem" }
//   listen "tcp://127.0.0.1:1975" { tap = "sensors.>" queue = "jobs" }
//   module "kv" { max_value = 1MiB }
//   namespace "orders" { }
//
// An `include "FILE"` is none of libconfuse's: config_read.c splits a file there.
// An option goes through the same parser as everywhere else; what fails says the file and the line.  In double quotes
// ${NAME} is an environment variable.

#include "config.h"

#include <confuse.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "broker.h"

enum { MESSAGE_ROOM = 400 };

// libconfuse's lexer keeps its state in globals, and its callbacks carry no argument: one file at a time in
// the process, and this is the one.
static pthread_mutex_t lexer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	wherry_config *config;
	const char *name;
	int lines_before;
	bool whole; // the end was seen at the top level
} reading;

// Set behind the last line: libconfuse takes a section, a text or a comment that is still open at the end for closed.
#define END_MARK "end-of-file"
#define END_OF_FILE "\n" END_MARK " = 1\n"

static const char *const section_names[] = {"listen", "module", "namespace"};
enum { SECTIONS = sizeof(section_names) / sizeof(section_names[0]) };

// Answers -1, which is what libconfuse's callbacks fail with.
static int fail_at(cfg_t *section, const char *message)
{
	config_fault(reading.config, "%s:%d: %s", reading.name, section->line + reading.lines_before, message);
	return -1;
}

// A wrong value: the file is read on, for what else is wrong in it.
static int note_at(cfg_t *section, int status, const char *message)
{
	fail_at(section, message);
	return status == WHERRY_ENOMEM ? -1 : 0;
}

static void unknown_listen_option(const char *name, char *why, size_t why_room)
{
	const char *names[CONFIG_LISTEN_OPTIONS];
	for (size_t i = 0; i < CONFIG_LISTEN_OPTIONS; i++)
		names[i] = config_listen_name(i);
	const char *near = nearest_name(name, names, CONFIG_LISTEN_OPTIONS);
	snprintf(why, why_room, "a listener has no option \"%.64s\"%s%s%s", name,
	    near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static void unknown_top_name(const char *name, char *why, size_t why_room)
{
	const char *dot = strchr(name, '.'), *near = nearest_name(name, section_names, SECTIONS);
	if (dot != NULL)
		snprintf(why, why_room,
		    "there is no option \"%.64s\"; a module's is written module \"%.*s\" { %.64s = ... }", name,
		    (int)(dot - name < 64 ? dot - name : 64), name, dot + 1);
	else if (near != NULL)
		snprintf(why, why_room, "there is no option \"%.64s\"; did you mean %s \"...\" { }?", name, near);
	else
		broker_option_unknown(name, why, why_room);
}

static void unknown_name(cfg_t *section, const char *name)
{
	char why[MESSAGE_ROOM];
	if (strcmp(name, END_MARK) == 0)
		snprintf(why, sizeof(why), "the section %s is not closed: a } is missing", cfg_name(section));
	else if (strcmp(name, "include") == 0)
		snprintf(why, sizeof(why), "include \"FILE\" stands outside of sections, on a line of its own");
	else if (strcmp(cfg_name(section), "listen") == 0)
		unknown_listen_option(name, why, sizeof(why));
	else if (strcmp(cfg_name(section), "namespace") == 0)
		snprintf(why, sizeof(why), "a namespace has no options");
	else
		unknown_top_name(name, why, sizeof(why));
	fail_at(section, why);
}

// Called for each fault, and in a `module` section, whose names are free, for each name too: that is none.
static void on_error(cfg_t *section, const char *format, va_list args)
{
	char why[MESSAGE_ROOM];
	if (strcmp(format, "no such option '%s'") == 0) {
		if (strcmp(cfg_name(section), "module") != 0)
			unknown_name(section, va_arg(args, const char *));
		return;
	}
	vsnprintf(why, sizeof(why), format, args);
	fail_at(section, why);
}

static int on_option(cfg_t *section, cfg_opt_t *option, const char *text, void *result)
{
	int status = wherry_config_set(reading.config, cfg_opt_name(option), text);
	*(const char **)result = text;
	return status == WHERRY_OK ? 0 : note_at(section, status, reading.config->why);
}

static int on_end(cfg_t *section, cfg_opt_t *option, const char *text, void *result)
{
	(void)section, (void)option;
	reading.whole = true;
	*(const char **)result = text;
	return 0;
}

static int on_namespace(cfg_t *section, cfg_opt_t *option)
{
	cfg_t *body = cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
	int status = config_namespace(reading.config, cfg_title(body));
	return status == WHERRY_OK ? 0 : note_at(section, status, reading.config->why);
}

static int on_module(cfg_t *section, cfg_opt_t *option)
{
	cfg_t *body = cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
	int status = wherry_config_module(reading.config, cfg_title(body));
	for (unsigned i = 0; status == WHERRY_OK && i < cfg_num(body); i++) {
		cfg_opt_t *o = cfg_getnopt(body, i);
		const char *text = cfg_opt_getnstr(o, 0);
		status = text == NULL
			     ? WHERRY_EARG
			     : config_set_module_option(reading.config, cfg_title(body), cfg_opt_name(o), text);
	}
	return status == WHERRY_OK ? 0 : note_at(section, status, reading.config->why);
}

static int on_listen(cfg_t *section, cfg_opt_t *option)
{
	char why[MESSAGE_ROOM];
	cfg_t *body = cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
	struct listen_options options = {.ipc_mode = CONFIG_IPC_MODE};
	for (size_t i = 0; i < CONFIG_LISTEN_OPTIONS; i++) {
		const char *text = cfg_getstr(body, config_listen_name(i));
		if (text != NULL && config_listen_set(i, text, &options, why, sizeof(why)) != WHERRY_OK)
			return note_at(section, WHERRY_EARG, why);
	}
	int status = config_listen(reading.config, cfg_title(body), &options, false);
	return status == WHERRY_OK ? 0 : note_at(section, status, reading.config->why);
}

static cfg_t *new_parser(void)
{
	cfg_opt_t nothing[] = {CFG_END()};
	cfg_opt_t listen_options[CONFIG_LISTEN_OPTIONS + 1];
	for (size_t i = 0; i < CONFIG_LISTEN_OPTIONS; i++)
		listen_options[i] = (cfg_opt_t)CFG_STR(config_listen_name(i), NULL, CFGF_NODEFAULT);
	listen_options[CONFIG_LISTEN_OPTIONS] = (cfg_opt_t)CFG_END();
	const cfg_flag_t titled = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
	cfg_opt_t sections[] = {CFG_SEC("listen", listen_options, titled),
	    CFG_SEC("module", nothing, titled | CFGF_KEYSTRVAL), CFG_SEC("namespace", nothing, titled)};
	_Static_assert(sizeof(sections) / sizeof(sections[0]) == SECTIONS, "each has its name");

	cfg_opt_t top[BROKER_OPTIONS_MOST + SECTIONS + 2];
	size_t count = 0;
	for (; count < broker_option_count; count++)
		top[count] = (cfg_opt_t)CFG_STR_CB(broker_options[count].name, NULL, CFGF_NODEFAULT, on_option);
	for (size_t i = 0; i < SECTIONS; i++)
		top[count++] = sections[i];
	top[count++] = (cfg_opt_t)CFG_STR_CB(END_MARK, NULL, CFGF_NODEFAULT, on_end);
	top[count] = (cfg_opt_t)CFG_END();

	cfg_t *parser = cfg_init(top, CFGF_NONE);
	if (parser == NULL)
		return NULL;
	cfg_set_error_function(parser, on_error);
	cfg_set_validate_func(parser, "listen", on_listen);
	cfg_set_validate_func(parser, "module", on_module);
	cfg_set_validate_func(parser, "namespace", on_namespace);
	return parser;
}

// text ends with END_OF_FILE and a zero.
static int parse(wherry_config *c, const char *text, const char *name, int first_line)
{
	pthread_mutex_lock(&lexer_lock);
	reading.config = c;
	reading.name = name;
	reading.lines_before = first_line - 1;
	reading.whole = false;
	c->why[0] = 0;
	size_t faults = c->faults.count;
	cfg_t *parser = new_parser();
	bool failed = parser == NULL || cfg_parse_buf(parser, text) != CFG_SUCCESS;
	bool whole = reading.whole;
	if (parser != NULL)
		cfg_free(parser);
	pthread_mutex_unlock(&lexer_lock);
	if (!failed && !whole)
		return config_fault(c, "%s: a section, a text or a comment is not closed at the end", name);
	if (c->faults.count > faults || c->faults.count == CONFIG_FAULTS_MOST)
		return WHERRY_EARG;
	return failed ? config_fail(c, WHERRY_ENOMEM, "%s: out of memory", name) : WHERRY_OK;
}

int config_parse_part(wherry_config *c, const char *text, size_t len, const char *name, int first_line)
{
	if (len > 0 && memchr(text, 0, len) != NULL)
		return config_fault(c, "%s: not a text file", name);
	char *copy = mem_alloc(len + sizeof(END_OF_FILE));
	if (copy == NULL)
		return config_fail(c, WHERRY_ENOMEM, "out of memory");
	if (len > 0)
		memcpy(copy, text, len);
	memcpy(copy + len, END_OF_FILE, sizeof(END_OF_FILE));
	int status = parse(c, copy, name, first_line);
	mem_free(copy);
	return status;
}
