// --help and --version.

#include "daemon/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "daemon/flags.h"
#include "daemon/texts.h"

enum { COLUMN = 26, WORD_COLUMN = 24, SPELLING_ROOM = 64 };

int printed(void)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return EXIT_SUCCESS;
	perror("wherryd: standard output");
	return EXIT_FAILURE;
}

// A word, and beside it its lines.
static void beside(int column, const char *word, const char *lines)
{
	int width = printf("  %s", word);
	if (width > column - 2) {
		putchar('\n');
		width = 0;
	}
	for (const char *at = lines; at != NULL;) {
		const char *end = strchr(at, '\n');
		int len = end != NULL ? (int)(end - at) : (int)strlen(at);
		printf("%*s%.*s\n", column - width, "", len, at);
		width = 0;
		at = end != NULL ? end + 1 : NULL;
	}
}

static void print_list(const char *heading, const struct said *list)
{
	printf("\n%s:\n", heading);
	for (; list->word[0] != 0; list++)
		beside(WORD_COLUMN, list->word, list->text);
}

static void print_flags(void)
{
	for (unsigned i = 0; i < flag_count; i++) {
		char spelling[SPELLING_ROOM];
		if (flags[i].id == HEADING) {
			printf("\n%s:\n", flags[i].help);
			continue;
		}
		flag_spelling(&flags[i], spelling, sizeof(spelling));
		beside(COLUMN, spelling, flags[i].help);
	}
}

static void print_options(void)
{
	printf("\nOptions for --set, the environment and the file: name, default, whether it is hot, what it is:\n");
	for (uint32_t i = 0; i < broker_option_count; i++) {
		const struct option_spec *o = &broker_options[i];
		printf("  %-18s %-8s %-4s %s\n", o->name, o->preset[0] != 0 ? o->preset : "\"\"", o->hot ? "hot" : "-",
		    o->help);
	}
	printf("A hot option may change while the broker runs: by a reload, or by wherry sys.config NAME VALUE.\n"
	       "--print-config shows them with their bounds, and those of modules.\n");
}

int help_print(void)
{
	printf("wherryd: a broker for messages, work and small state.\n"
	       "\n"
	       "Usage: wherryd [-c FILE] [-l URL]... [-d DIR] [-m MODULE]... [--set NAME=VALUE]...\n"
	       "               [--insecure] [-q | -v]\n"
	       "\n"
	       "Nothing is kept on disk yet: when the broker ends, its keys are gone.  Clients are\n"
	       "not asked who they are: whoever reaches a listener may do anything.\n"
	       "A flag wins over the environment, that over the file, and that over the default.\n"
	       "Without any listener it listens on " DEFAULT_TCP " and on\n"
	       "ipc:///run/user/UID/wherry.sock (root: ipc:///run/wherry/wherry.sock).\n");
	print_flags();
	print_list("Signals", said_signals);
	print_list("What a reload changes; a file with a fault changes nothing, and the log tells why", said_reload);
	print_list("Environment", said_environment);
	print_list("Exit status", said_exit);
	printf("\nExamples:\n");
	for (const struct said *s = said_examples; s->word[0] != 0; s++)
		printf("  %s\n", s->word);
	print_options();
	return printed();
}

int help_version(void)
{
	printf("wherryd %s\n", wherry_version());
	return printed();
}
