// What a half-typed statement is about at the cursor.

#include "prompt.h"

#include <string.h>

static bool flag_of(const struct argument *a, unsigned flag)
{
	return (a->flags & flag) != 0;
}

// "--ttl-ms" or "--ttl-ms=5": the option; NULL: the word is none of the command's.
static const struct argument *option_of_word(const struct described *d, const char *word, bool *has_value)
{
	char name[PROMPT_NAME];
	*has_value = strchr(word, '=') != NULL;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	return described_option(d, name);
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] == '-' && word[2] != 0;
}

bool place_is_given(const struct spot *spot, int first, const struct argument *option)
{
	for (int i = first + 1; i < spot->done.count && strcmp(spot->done.at[i], "--") != 0; i++) {
		const char *word = spot->done.at[i];
		size_t len = strlen(option->name);
		if (!is_option(word) || strcspn(word + 2, "=") != len)
			continue;
		bool same = true;
		for (size_t c = 0; c < len; c++)
			same =
			    same && (word[2 + c] == option->name[c] || (word[2 + c] == '-' && option->name[c] == '_'));
		if (same)
			return true;
	}
	return false;
}

// The argument that a value stands for which `before` others precede; NULL: one too many.
static const struct argument *positional(const struct described *d, uint32_t before)
{
	uint32_t rest_from = d->arg_count, seen = 0;
	for (uint32_t i = 0; i < d->arg_count; i++) {
		if (flag_of(&d->args[i], ARGUMENT_OPTION))
			continue;
		if (flag_of(&d->args[i], ARGUMENT_REST)) {
			rest_from = i;
			break;
		}
		if (seen++ == before)
			return &d->args[i];
	}
	uint32_t group = d->arg_count - rest_from;
	return group > 0 ? &d->args[rest_from + (before - seen) % group] : NULL;
}

// Walks over the finished words of the command.
static void walk(const struct spot *spot, struct place *at, bool *values_only)
{
	const struct argument *wants = NULL;
	*values_only = false;
	for (int i = at->first + 1; i < spot->done.count; i++) {
		const char *word = spot->done.at[i];
		bool has_value;
		if (wants != NULL) {
			at->ns = strcmp(wants->name, "ns") == 0 ? word : at->ns;
			wants = NULL;
		} else if (!*values_only && strcmp(word, "--") == 0) {
			*values_only = true;
		} else if (!*values_only && is_option(word)) {
			const struct argument *option = option_of_word(at->command, word, &has_value);
			if (option != NULL && !has_value && !flag_of(option, ARGUMENT_FLAG))
				wants = option;
			if (option != NULL && has_value && strcmp(option->name, "ns") == 0)
				at->ns = strchr(word, '=') + 1;
		} else {
			at->values++;
		}
	}
	at->argument = wants;
	at->in_option = wants != NULL;
}

static struct place in_command(const struct prompt *p, const struct spot *spot, int first)
{
	struct place at = {.kind = PLACE_NOTHING, .first = first};
	bool values_only;
	if (spot->done.count <= first) {
		at.kind = PLACE_COMMAND;
		return at;
	}
	if (p->reading.catalog != NULL)
		at.command = catalog_find(p->reading.catalog, spot->done.at[first]);
	if (at.command == NULL)
		return at;
	walk(spot, &at, &values_only);
	if (at.in_option)
		at.kind = strcmp(at.argument->name, "ns") == 0 ? PLACE_NAMESPACE : PLACE_VALUE;
	else if (!values_only && spot->quote == 0 && spot->len > 0 && spot->at[0] == '-')
		at.kind = PLACE_OPTION;
	else if (strcmp(at.command->name, "session.use") == 0 && at.values == 0)
		at.kind = PLACE_NAMESPACE;
	else
		at.kind = PLACE_VALUE;
	if (!at.in_option && at.kind != PLACE_OPTION)
		at.argument = positional(at.command, at.values);
	return at;
}

struct place place_of(const struct prompt *p, const struct spot *spot)
{
	const char *word = spot->done.count > 0 ? spot->done.at[0] : "";
	struct place at = {.kind = PLACE_NOTHING};
	if (spot->odd)
		return at;
	if (spot->own && spot->done.count == 0)
		at.kind = PLACE_OWN;
	else if (strcmp(word, "help") == 0)
		at.kind = spot->done.count == 1 ? PLACE_HELP : PLACE_NOTHING;
	else if (spot->own && strcmp(word, "use") == 0)
		at.kind = spot->done.count == 1 ? PLACE_NAMESPACE : PLACE_NOTHING;
	else if (spot->own && strcmp(word, "watch") == 0)
		return spot->done.count == 1 ? at : in_command(p, spot, 2);
	else if (!spot->own)
		return in_command(p, spot, 0);
	return at;
}
