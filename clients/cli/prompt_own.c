// The prompt's own commands, which begin with a backslash.

#include "prompt.h"

#include <stdlib.h>
#include <string.h>

#include "value.h"

static void own_list(void)
{
	fputs("Commands of the broker are typed as on the command line: kv.set greeting hello --ttl-ms 5000\n"
	      "\n",
	    stdout);
	for (const struct own_command *c = own_commands; c->name != NULL; c++) {
		char left[64];
		snprintf(left, sizeof(left), "\\%s%s%s", c->name, c->arguments[0] != 0 ? " " : "", c->arguments);
		printf("  %-26s%s\n", left, c->help);
	}
	printf("\n%s", own_keys);
}

// Modules, subcommands and what does not exist: `wherry help` answers, on a connection of its own.
static void help_elsewhere(const struct prompt *p, int count, char **words)
{
	struct settings s = p->settings;
	s.url = p->url;
	fflush(stdout);
	run_help(&s, count, words);
}

static void run_own_help(struct prompt *p, int count, char **words)
{
	if (count == 1)
		own_list();
	else if (count > 2 || !run_help_page(p, words[1]))
		help_elsewhere(p, count, words);
}

static void run_json(struct prompt *p, int count, char **words)
{
	(void)count, (void)words;
	p->settings.output = OUTPUT_JSON;
	fputs("Answers are JSON from now on, each in one line.\n", stdout);
}

static void run_table(struct prompt *p, int count, char **words)
{
	(void)count, (void)words;
	p->settings.output = OUTPUT_TABLE;
	fputs("Answers are tables and texts from now on.\n", stdout);
}

static void run_raw(struct prompt *p, int count, char **words)
{
	(void)count, (void)words;
	p->settings.output = OUTPUT_RAW;
	fputs("Answers are printed as they are from now on: what is stored can drive this terminal.\n", stdout);
}

static void run_use(struct prompt *p, int count, char **words)
{
	char *use[] = {"session.use", count > 1 ? words[1] : NULL};
	if (count != 2) {
		say_error(p, stdout, "\\use takes one name; ns.list shows the namespaces");
		return;
	}
	// A name is text, also where it looks like a number.
	p->reading.raw_values = true;
	run_request(p, 2, use, stdout);
	p->reading.raw_values = p->settings.raw_values;
}

static void run_timing(struct prompt *p, int count, char **words)
{
	(void)count, (void)words;
	p->timing = !p->timing;
	fputs(p->timing ? "Times are shown.\n" : "Times are shown from one second on.\n", stdout);
}

static void put_entry(const char *text)
{
	for (size_t len; *text != 0; text += len) {
		len = strcspn(text, "\n");
		put_tame(text, len, false, stdout);
		len += text[len] != 0;
		fputs(text[len] != 0 ? "\n       " : "", stdout);
	}
	fputc('\n', stdout);
}

static void run_history(struct prompt *p, int count, char **words)
{
	(void)count, (void)words;
	History *h = editor_history(p->editor);
	HistEvent e;
	int number = 1;
	for (int found = history(h, &e, H_LAST); found >= 0; found = history(h, &e, H_PREV)) {
		printf("%5d  ", number++);
		put_entry(e.str);
	}
}

static void run_quit(struct prompt *p, int count, char **words)
{
	(void)count, (void)words;
	p->ended = true;
}

const char *const own_keys =
    "A line that ends in an open quote, an open { or [, or a backslash goes on in the next one.\n"
    "A word from { or [ to its partner is taken as it stands; other words are as in a shell.\n"
    "Tab completes commands, options, namespaces and keys; Up and Ctrl-R find earlier lines;\n"
    "Ctrl-C drops what is typed, or stops waiting for an answer; Ctrl-D ends.\n";

const struct own_command own_commands[] = {
    {"help", "[COMMAND]", "this, or what a command does; also: help, ?", run_own_help},
    {"watch", "SECONDS COMMAND...", "repeat it until Ctrl-C", run_repeat},
    {"use", "NS", "work in this namespace", run_use},
    {"table", "", "show answers for people", run_table},
    {"json", "", "show answers as JSON, each in one line", run_json},
    {"raw", "", "print answers as they are", run_raw},
    {"timing", "", "show how long each command takes, or no longer", run_timing},
    {"history", "", "the lines that are kept", run_history},
    {"quit", "", "end; also: quit, exit, Ctrl-D", run_quit},
    {0},
};
