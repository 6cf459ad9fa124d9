// The hint behind the cursor: what of a command's synopsis is not typed yet.

#include "prompt.h"

#include <stdlib.h>
#include <string.h>

static bool flag_of(const struct argument *a, unsigned flag)
{
	return (a->flags & flag) != 0;
}

static void put_dashed(const char *name, FILE *f)
{
	fputs("--", f);
	for (; *name != 0; name++)
		fputc(*name == '_' ? '-' : *name, f);
}

static void put_option(const struct argument *a, FILE *f)
{
	fputs(" [", f);
	put_dashed(a->name, f);
	fputs(flag_of(a, ARGUMENT_FLAG) ? "]" : " VALUE]", f);
}

// The arguments that repeat, the first of them by itself where a group of them is begun.
static void put_rest(const struct described *d, uint32_t from, uint32_t over, FILE *f)
{
	uint32_t group = d->arg_count - from, begun = over % group;
	if (begun == 0)
		fputs(flag_of(&d->args[from], ARGUMENT_OPTIONAL) || over > 0 ? " [" : " ", f);
	for (uint32_t i = begun; i < group; i++)
		fprintf(f, "%s%s", i > 0 || begun > 0 ? " " : "", d->args[from + i].name);
	fputs(group > 1 ? " ..." : "...", f);
	if (begun == 0)
		fputs(flag_of(&d->args[from], ARGUMENT_OPTIONAL) || over > 0 ? "]" : "", f);
}

static void put_left(const struct spot *spot, const struct place *at, FILE *f)
{
	const struct described *d = at->command;
	// The word at the cursor counts as typed.
	uint32_t typed = at->values + (spot->len > 0 && at->kind != PLACE_OPTION && !at->in_option), seen = 0;
	for (uint32_t i = 0; i < d->arg_count; i++) {
		const struct argument *a = &d->args[i];
		if (flag_of(a, ARGUMENT_REST)) {
			put_rest(d, i, typed > seen ? typed - seen : 0, f);
			break;
		}
		if (flag_of(a, ARGUMENT_OPTION)) {
			if (!place_is_given(spot, at->first, a))
				put_option(a, f);
		} else if (seen++ >= typed) {
			fprintf(f, flag_of(a, ARGUMENT_OPTIONAL) ? " [%s]" : " %s", a->name);
		}
	}
}

// A command's name that ends at the cursor is a command already.
static bool at_whole_name(const struct prompt *p, const struct spot *spot, struct place *at)
{
	char name[PROMPT_NAME];
	if (at->kind != PLACE_COMMAND || p->reading.catalog == NULL || spot->len >= sizeof(name))
		return false;
	memcpy(name, spot->at, spot->len);
	name[spot->len] = 0;
	at->command = catalog_find(p->reading.catalog, name);
	return at->command != NULL;
}

// What one of our own commands takes, but for the words that are there.
static void put_own(const char *name, int typed, FILE *f)
{
	const struct own_command *c = own_find(name);
	const char *left = c != NULL ? c->arguments : "";
	for (; typed > 0 && *left != 0; typed--) {
		left += strcspn(left, " ");
		left += strspn(left, " ");
	}
	if (*left != 0)
		fprintf(f, " %s", left);
}

static void put_hint(const struct prompt *p, const struct spot *spot, FILE *f)
{
	struct place at = place_of(p, spot);
	if (at.kind == PLACE_OWN) {
		char name[PROMPT_NAME];
		snprintf(name, sizeof(name), "%.*s", (int)(spot->len - 1), spot->at + 1);
		put_own(name, 0, f);
	} else if (at_whole_name(p, spot, &at)) {
		struct spot behind = {.done = spot->done};
		put_left(&behind, &at, f);
	} else if (at.command != NULL && !(at.in_option && spot->len == 0)) {
		put_left(spot, &at, f);
	} else if (at.command != NULL) {
		fprintf(f, " %s", at.argument->kinds);
		put_left(spot, &at, f);
	} else if (spot->own && spot->done.count > 0) {
		put_own(spot->done.at[0], spot->done.count - 1 + (spot->len > 0), f);
	}
}

char *hint_of(const struct prompt *p, const char *text, size_t len)
{
	struct spot spot;
	char *hint = NULL;
	size_t hint_len = 0;
	if (len == 0 || !spot_find(text, len, &spot))
		return NULL;
	FILE *f = open_memstream(&hint, &hint_len);
	if (f != NULL) {
		put_hint(p, &spot, f);
		fclose(f);
	}
	// The blank is typed already.
	if (hint != NULL && spot.len == 0 && spot.quote == 0 && hint[0] == ' ')
		memmove(hint, hint + 1, hint_len);
	spot_free(&spot);
	if (hint != NULL && hint[0] == 0) {
		free(hint);
		hint = NULL;
	}
	return hint;
}
