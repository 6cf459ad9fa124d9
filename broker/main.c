// wherryd: the broker as a daemon in the foreground.  What it is asked for, and who does it: daemon/; all else is the
// library's.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker.h"
#include "config.h"
#include "conformance/conformance.h"
#include "daemon/configure.h"
#include "daemon/help.h"
#include "daemon/serve.h"

enum { EXIT_USAGE = 2 };

// Else the first files and connections took the place of a closed standard error, and the log went into them.
static void fill_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_PATH);
}

static void say(void *count, const char *why)
{
	++*(unsigned *)count;
	complain(EXIT_FAILURE, why);
}

static void warn_of_all(const wherry_config *c)
{
	for (size_t i = 0; i < c->warnings.count; i++) {
		char text[CONFIG_WHY_ROOM + 16];
		snprintf(text, sizeof(text), "warning: %s", c->warnings.text[i]);
		complain(EXIT_SUCCESS, text);
	}
}

static int print(const wherry_broker *b, const struct wish *w)
{
	if (w->print_config)
		return config_print(b);
	if (w->print_commands)
		return commands_print(b, w->form);
	if (w->man_config)
		return man_print_config(b);
	puts("wherryd: the configuration is fine");
	return printed();
}

// What can be said without serving: the modules are loaded for it.
static int rehearse(const wherry_config *c, const struct wish *w, unsigned faults)
{
	wherry_broker *b;
	warn_of_all(c);
	broker_rehearse(c, &b, say, &faults);
	int status = b == NULL || faults > 0 ? EXIT_FAILURE : print(b, w);
	wherry_broker_close(b);
	return status;
}

static int do_it(wherry_config *c, const struct wish *w)
{
	unsigned faults = 0;
	bool shows = w->print_config || w->print_commands || w->man_config;
	int status = configure(c, w, say, &faults);
	if (status == EXIT_SUCCESS && !shows)
		status = configure_listeners(c, say, &faults);
	if (status != EXIT_SUCCESS && status != EXIT_FAILURE)
		fputs("Try 'wherryd --help'.\n", stderr);
	if (w->test && status == EXIT_FAILURE)
		return rehearse(c, w, faults); // what else is wrong
	if (status != EXIT_SUCCESS)
		return status;
	return shows || w->test ? rehearse(c, w, 0) : serve(c, w);
}

static bool read_number(const char *text, uint64_t *number)
{
	char *end;
	errno = 0;
	*number = text != NULL ? strtoull(text, &end, 10) : 0;
	return text == NULL || (*text >= '0' && *text <= '9' && *end == 0 && errno == 0);
}

// A module is tried in processes of their own, so no thread may have been started.
static int try_module(const struct wish *w)
{
	struct conformance_options options = {.file = w->conformance, .admin = w->admin};
	uint64_t seconds;
	if (!read_number(w->seed, &options.seed) || !read_number(w->seconds, &seconds) || seconds > UINT_MAX)
		return complain(EXIT_USAGE, "--seed and --seconds take a whole number");
	options.seconds = (unsigned)seconds;
	return conformance_run(&options, stdout);
}

int main(int argc, char **argv)
{
	struct wish wish;
	fill_standard_streams();
	int status = flags_look(argc, argv, &wish);
	if (status != EXIT_SUCCESS)
		return status;
	if (wish.help)
		return help_print();
	if (wish.version)
		return help_version();
	if (wish.man)
		return man_print();
	if (wish.conformance != NULL)
		return try_module(&wish);
	wherry_config *c = wherry_config_new();
	if (c == NULL)
		return complain(EXIT_FAILURE, "out of memory");
	status = do_it(c, &wish);
	wherry_config_free(c);
	return status;
}
