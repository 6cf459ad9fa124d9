// --print-commands: the reference of all commands, from their tables, as Markdown or as a manual page.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker.h"
#include "builtin/sys.h"
#include "daemon/help.h"
#include "daemon/roff.h"

enum { LINE_ROOM = 1024, SPOKEN_ROOM = 256 };

// How it looks.  `text` may be empty.
struct form {
	void (*begin)(void);
	void (*module)(const char *name);
	void (*command)(const char *synopsis, const char *text);
	void (*argument)(const char *name, const char *what, const char *help);
};

static const char intro[] =
    "Written as [x]: may be left out; x ...: may come again; {x}: by name, from the options of "
    "the request, --x on the\n"
    "command line. In brackets behind the text stands what kind of command it is: one that "
    "writes, grows (is refused at\n"
    "the limit of memory), parks (may wait), scans, is for an admin, swaps (watchers are told of a "
    "cas), or runs alone\n"
    "(is refused in a transaction).";

// --- Markdown ----------------------------------------------------------------------------------------------------------

static void md_begin(void)
{
	printf("# Commands\n\nWritten by `wherryd --print-commands` from the modules' own tables; `wherry help NAME` "
	       "shows "
	       "the same of a running broker.\n%s\n",
	    intro);
}

static void md_module(const char *name)
{
	printf("\n## %s\n", name);
}

// In a table's cell.
static void md_cell(const char *text)
{
	for (; *text != 0; text++)
		printf(*text == '|' ? "\\%c" : "%c", *text);
}

static bool in_table;

static void md_command(const char *synopsis, const char *text)
{
	printf("\n### `%s`\n\n%s\n", synopsis, text);
	in_table = false;
}

static void md_argument(const char *name, const char *what, const char *help)
{
	if (!in_table)
		printf("\n| | | |\n|---|---|---|\n");
	in_table = true;
	printf("| `%s` | %s | ", name, what);
	md_cell(help);
	printf(" |\n");
}

// --- a manual page -----------------------------------------------------------------------------------------------------

static void man_begin(void)
{
	roff_page("WHERRY-COMMANDS", 7, "wherry-commands - the commands of a Wherry broker");
	roff_section("DESCRIPTION");
	roff_text(intro);
}

static void man_module(const char *name)
{
	char title[LINE_ROOM];
	snprintf(title, sizeof(title), "MODULE %s", name);
	roff_section(title);
}

static void man_command(const char *synopsis, const char *text)
{
	roff_sub(synopsis);
	roff_text(text);
}

static void man_argument(const char *name, const char *what, const char *help)
{
	char line[LINE_ROOM];
	roff_item(name);
	snprintf(line, sizeof(line), "%s (%s)", help, what);
	roff_text(line);
}

// --- a command ---------------------------------------------------------------------------------------------------------

// "kv.del key ... {get}": options stand before what repeats, as in the table.
static void synopsis(const struct command *c, char *text, size_t room)
{
	struct line l = line_of(text, room);
	uint32_t rest = c->positional + c->options;
	line_add(&l, c->name);
	for (uint32_t i = 0; i < c->arg_count; i++) {
		bool option = i >= c->positional && i < rest;
		bool may = !option && (i < rest ? i >= c->required : i == rest && !c->rest_required);
		line_add(&l, option ? " {" : may ? " [" : " ");
		line_add(&l, c->args[i]->name);
		line_add(&l, option ? "}" : may && i < rest ? "]" : "");
	}
	if (c->rest > 0)
		line_add(&l, c->rest_required ? " ..." : " ...]");
	line_end(&l);
}

static void spoken_kinds(uint32_t kinds, struct line *l)
{
	bool first = true;
	if (kinds == WHERRY_ANY_KIND)
		line_add(l, "any value");
	else if (kinds == WHERRY_KEY_KINDS)
		line_add(l, "key");
	for (const struct word *w = kind_words;
	     kinds != WHERRY_ANY_KIND && kinds != WHERRY_KEY_KINDS && w->name != NULL; w++) {
		if (!(kinds & w->bit))
			continue;
		line_add(l, first ? "" : " or ");
		line_add(l, w->name);
		first = false;
	}
}

static const char *spoken(const wherry_arg *arg, char *text, size_t room)
{
	struct line l = line_of(text, room);
	spoken_kinds(arg->kinds, &l);
	if (arg->flags & WHERRY_ARG_WRITE)
		line_add(&l, ", written");
	else if (arg->flags & WHERRY_ARG_READ)
		line_add(&l, ", read");
	if (arg->flags & WHERRY_ARG_TOPIC)
		line_add(&l, ", a topic");
	if (arg->flags & WHERRY_ARG_SECRET)
		line_add(&l, ", never logged");
	return line_end(&l);
}

static void describe(const struct command *c, char *text, size_t room)
{
	struct line l = line_of(text, room);
	bool first = true;
	line_add(&l, c->help);
	for (const struct word *w = command_words; w->name != NULL; w++) {
		if (!(c->flags & w->bit))
			continue;
		line_add(&l, first ? " [" : ", ");
		line_add(&l, w->name);
		first = false;
	}
	line_add(&l, first ? "" : "]");
	line_end(&l);
}

static void print_command(const struct form *form, const struct command *c)
{
	char line[LINE_ROOM], text[2 * LINE_ROOM], what[SPOKEN_ROOM];
	synopsis(c, line, sizeof(line));
	describe(c, text, sizeof(text));
	form->command(line, text);
	for (uint32_t i = 0; i < c->arg_count; i++)
		form->argument(c->args[i]->name, spoken(c->args[i], what, sizeof(what)), c->args[i]->help);
}

static const struct form forms[] = {
    {md_begin, md_module, md_command, md_argument},
    {man_begin, man_module, man_command, man_argument},
};

int commands_print(const wherry_broker *b, const char *name)
{
	const struct form *form = &forms[strcmp(name, "man") == 0];
	const char *module = "";
	unsigned token = router_enter(b->router);
	const struct command_table *table = router_commands(b->router);
	form->begin();
	for (uint32_t i = 0; i < command_count(table); i++) {
		const struct command *c = command_at(table, i);
		if (c->flags & WHERRY_CMD_INTERNAL)
			continue;
		if (strcmp(module, c->owner->module) != 0)
			form->module(module = c->owner->module);
		print_command(form, c);
	}
	router_leave(b->router, token);
	return printed();
}
