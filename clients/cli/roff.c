#include "roff.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/roff.h"
#include "flags.h"
#include "help.h"

static bool is_verbatim(const char *line)
{
	return strncmp(line, "  ", 2) == 0;
}

// How long the lines are that stand alike, filled or verbatim; an empty one ends them, if filled.
static size_t block_length(const char *text)
{
	const char *at = text;
	bool verbatim = is_verbatim(text);
	while (*at != 0 && (*at == '\n' ? verbatim : is_verbatim(at) == verbatim)) {
		at += strcspn(at, "\n");
		at += *at != 0;
	}
	return (size_t)(at - text);
}

static void put_block(const char *text, size_t len)
{
	while (len > 0 && text[len - 1] == '\n')
		len--;
	char *block = strndup(text, len);
	if (block == NULL)
		return;
	if (is_verbatim(block)) {
		roff_verbatim(block);
	} else if (len > 0) {
		roff_paragraph();
		roff_text(block);
	}
	free(block);
}

// Lines that begin with two spaces stand as they are; an empty one ends a paragraph.
static void put_paragraphs(const char *text)
{
	for (size_t len; *text != 0; text += len) {
		text += strspn(text, "\n");
		len = block_length(text);
		put_block(text, len);
	}
}

static void put_flags(void)
{
	for (const struct flag *f = flags; f->name != NULL; f++) {
		char term[80], letter[8] = "";
		if (f->letter < FLAG_NONE)
			snprintf(letter, sizeof(letter), "-%c, ", f->letter);
		snprintf(term, sizeof(term), "%s--%s%s%s", letter, f->name, f->argument != NULL ? " " : "",
		    f->argument != NULL ? f->argument : "");
		roff_item(term);
		roff_text(f->help);
	}
}

static void put_subcommands(void)
{
	for (const struct subcommand *c = subcommands; c->name != NULL; c++) {
		char title[200];
		snprintf(title, sizeof(title), "%s%s%s", c->name, c->synopsis[0] != 0 ? " " : "", c->synopsis);
		roff_sub(title);
		snprintf(title, sizeof(title), "%s.", c->summary);
		roff_text(title);
		put_paragraphs(c->help);
	}
}

static void put_section(const char *title, const char *text)
{
	roff_section(title);
	put_paragraphs(text);
}

int roff_print(void)
{
	roff_page("WHERRY", 1, "wherry - any command of a Wherry broker");
	put_section("SYNOPSIS", help_usage_lines);
	put_section("DESCRIPTION", help_values);
	roff_section("OPTIONS");
	put_flags();
	roff_section("SUBCOMMANDS");
	put_subcommands();
	put_section("ENVIRONMENT", help_environment);
	put_section("EXIT STATUS", help_exit_status);
	put_section("EXAMPLES", help_examples);
	put_section("SEE ALSO", "wherryd(8), wherry.conf(5), wherry-commands(7)\n");
	return finished(EXIT_SUCCESS);
}
