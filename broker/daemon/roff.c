// Manual pages: roff.h.

#include "daemon/roff.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// '-' is a hyphen to roff, and here it is always the one of a flag or a name; a line that begins with '.' or '\''
// would be a request.
static void escaped(const char *text)
{
	bool fresh = true;
	for (; *text != 0; text++) {
		if (fresh && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == '"')
			fputs("\\(dq", stdout);
		else if (*text == '\'')
			fputs("\\(aq", stdout);
		else if (*text == '`')
			fputs("\\(ga", stdout);
		else if (*text == '^')
			fputs("\\(ha", stdout);
		else if (*text == '~')
			fputs("\\(ti", stdout);
		else
			putchar(*text);
		fresh = *text == '\n';
	}
}

void roff_page(const char *name, int section, const char *title)
{
	printf(".\\\" Written by the program itself, from its own tables.\n.TH %s %d \"\" \"Wherry %s\" \"Wherry\"\n",
	    name, section, WHERRY_VERSION);
	printf(".nh\n.ad l\n");
	roff_section("NAME");
	escaped(title);
	putchar('\n');
}

void roff_section(const char *title)
{
	printf(".SH %s\n", title);
}

void roff_sub(const char *title)
{
	printf(".SS ");
	escaped(title);
	putchar('\n');
}

void roff_text(const char *text)
{
	escaped(text);
	putchar('\n');
}

void roff_paragraph(void)
{
	puts(".PP");
}

void roff_item(const char *term)
{
	printf(".TP\n.B ");
	escaped(term);
	putchar('\n');
}

void roff_verbatim(const char *text)
{
	printf(".PP\n.nf\n.RS 4\n");
	escaped(text);
	printf("\n.RE\n.fi\n");
}
