// One command told to people: in a line, briefly, and as a page.

#include <string.h>

#include "catalog.h"

// The broker takes it with every command and so describes it with none.
static const struct argument namespace_option = {
    .name = "ns", .kinds = "str", .help = "the namespace, instead of the session's own", .flags = ARGUMENT_OPTION};

// "ttl-ms" is "ttl_ms".
static bool same_name(const char *name, const char *written)
{
	while (*name != 0 && (*name == *written || (*name == '_' && *written == '-')))
		name++, written++;
	return *name == *written;
}

const struct argument *described_option(const struct described *d, const char *name)
{
	for (uint32_t i = 0; i < d->arg_count; i++)
		if (d->args[i].flags & ARGUMENT_OPTION && same_name(d->args[i].name, name))
			return &d->args[i];
	return strcmp(name, namespace_option.name) == 0 ? &namespace_option : NULL;
}

static void put_name(const struct argument *a, FILE *f)
{
	fputs(a->flags & ARGUMENT_OPTION ? "--" : "", f);
	for (const char *c = a->name; *c != 0; c++)
		fputc(a->flags & ARGUMENT_OPTION && *c == '_' ? '-' : *c, f);
}

void described_list_options(const struct described *d, FILE *f)
{
	for (uint32_t i = 0; i < d->arg_count; i++) {
		if (!(d->args[i].flags & ARGUMENT_OPTION))
			continue;
		put_name(&d->args[i], f);
		fputs(", ", f);
	}
	put_name(&namespace_option, f);
}

// A colon ends it, too: what follows are details.
int first_sentence(const char *help)
{
	int len = 0;
	for (; help[len] != 0; len++)
		if (strchr(".:", help[len]) != NULL && (help[len + 1] == ' ' || help[len + 1] == 0))
			break;
	return len;
}

// --- in a line ----------------------------------------------------------------------------------------------------------

static void put_option(const struct argument *a, FILE *f)
{
	fputs(" [", f);
	put_name(a, f);
	fputs(a->flags & ARGUMENT_FLAG ? "]" : " VALUE]", f);
}

// The arguments from `first` on repeat: "key...", and "key value ..." where they do so together.
static void put_group(const struct described *d, uint32_t first, FILE *f)
{
	bool optional = (d->args[first].flags & ARGUMENT_OPTIONAL) != 0;
	fputs(optional ? " [" : " ", f);
	for (uint32_t i = first; i < d->arg_count; i++) {
		fputs(i > first ? " " : "", f);
		put_name(&d->args[i], f);
	}
	fputs(d->arg_count - first > 1 ? " ..." : "...", f);
	fputs(optional ? "]" : "", f);
}

static void put_positional(const struct argument *a, FILE *f)
{
	fprintf(f, a->flags & ARGUMENT_OPTIONAL ? " [%s]" : " %s", a->name);
}

void described_synopsis(const struct described *d, FILE *f)
{
	uint32_t i = 0;
	fputs(d->name, f);
	for (; i < d->arg_count && !(d->args[i].flags & ARGUMENT_REST); i++) {
		if (d->args[i].flags & ARGUMENT_OPTION)
			put_option(&d->args[i], f);
		else
			put_positional(&d->args[i], f);
	}
	if (i < d->arg_count)
		put_group(d, i, f);
	put_option(&namespace_option, f);
}

// --- briefly ------------------------------------------------------------------------------------------------------------

static void put_brief(const struct argument *a, FILE *f)
{
	fputs("  ", f);
	put_name(a, f);
	fprintf(f, ": %s", a->help);
	if (strcmp(a->kinds, "any") != 0)
		fprintf(f, " (%s)", a->kinds);
	fputc('\n', f);
}

void described_brief(const struct described *d, FILE *f)
{
	described_synopsis(d, f);
	fprintf(f, "\n\n%s\n\n", d->help);
	for (uint32_t i = 0; i < d->arg_count; i++)
		put_brief(&d->args[i], f);
	put_brief(&namespace_option, f);
}

// --- as a page ----------------------------------------------------------------------------------------------------------

static void heading(const char *title, FILE *f, bool color)
{
	fprintf(f, color ? "\033[1m%s\033[0m\n" : "%s\n", title);
}

enum { MARGIN = 7, WIDTH = 100 };

// Text in lines of at most WIDTH, each behind the margin.
static void put_wrapped(const char *text, FILE *f)
{
	size_t column = 0;
	while (*text != 0) {
		size_t len = strcspn(text, " ");
		if (column > 0 && column + 1 + len > WIDTH) {
			fputc('\n', f);
			column = 0;
		}
		fprintf(f, "%*s%.*s", column == 0 ? MARGIN : 1, "", (int)len, text);
		column += (column == 0 ? MARGIN : 1) + len;
		text += len;
		text += *text != 0;
	}
	fputc('\n', f);
}

static void put_entry(const struct argument *a, FILE *f, bool color)
{
	fprintf(f, "%*s%s", MARGIN, "", color ? "\033[1m" : "");
	put_name(a, f);
	fputs(color ? "\033[0m" : "", f);
	if (!(a->flags & ARGUMENT_FLAG))
		fprintf(f, "  %s", a->kinds);
	fputs(a->flags & ARGUMENT_SECRET ? ", kept out of logs\n" : "\n", f);
	fprintf(f, "%*s%s\n", MARGIN + 4, "", a->help);
}

static void put_entries(const struct described *d, const char *title, bool options, FILE *f, bool color)
{
	bool any = options;
	for (uint32_t i = 0; i < d->arg_count; i++)
		any = any || !(d->args[i].flags & ARGUMENT_OPTION);
	if (!any)
		return;
	fputc('\n', f);
	heading(title, f, color);
	for (uint32_t i = 0; i < d->arg_count; i++)
		if (((d->args[i].flags & ARGUMENT_OPTION) != 0) == options)
			put_entry(&d->args[i], f, color);
	if (options)
		put_entry(&namespace_option, f, color);
}

// What it answers and does to keys, beyond its help.
static void put_notes(const struct described *d, FILE *f, bool color)
{
	fputc('\n', f);
	heading("NOTES", f, color);
	if (d->writes)
		fprintf(f, "%*sChanges keys; where it fails, nothing.\n", MARGIN, "");
	if (d->parks)
		fprintf(f, "%*sMay wait; the requests behind it don't.\n", MARGIN, "");
	if (d->admin)
		fprintf(f, "%*sFor administrators.\n", MARGIN, "");
	fprintf(f, "%*sModule %s, permission %s.\n", MARGIN, "", d->module, d->verb);
}

void described_page(const struct described *d, FILE *f, bool color)
{
	heading("NAME", f, color);
	fprintf(f, "%*s%s\n\n", MARGIN, "", d->name);
	heading("SYNOPSIS", f, color);
	fprintf(f, "%*swherry ", MARGIN, "");
	described_synopsis(d, f);
	fputs("\n\n", f);
	heading("DESCRIPTION", f, color);
	put_wrapped(d->help, f);
	put_entries(d, "ARGUMENTS", false, f, color);
	put_entries(d, "OPTIONS", true, f, color);
	put_notes(d, f, color);
}
