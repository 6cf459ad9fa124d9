#include "prompt_words.h"

#include <stdlib.h>
#include <string.h>

#include "line.h"

// A word where it stands in the text.
struct word {
	size_t start, end;
	bool open; // the text ends in it
	bool json; // { or [ to its partner
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_between(const char *text, size_t len, size_t at, bool *comment)
{
	*comment = false;
	while (at < len) {
		if (is_blank(text[at])) {
			at++;
		} else if (text[at] == '\\' && at + 1 < len && text[at + 1] == '\n') {
			at += 2;
		} else if (text[at] == '#') {
			const char *end = memchr(text + at, '\n', len - at);
			*comment = end == NULL;
			at = end != NULL ? (size_t)(end - text) : len;
		} else {
			break;
		}
	}
	return at;
}

// Behind the partner of the bracket at `at`; len + 1: it has none yet.
static size_t behind_bracket(const char *text, size_t len, size_t at)
{
	size_t depth = 0;
	bool quoted = false;
	for (; at < len; at++) {
		char c = text[at];
		if (quoted && c == '\\')
			at++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']') && --depth == 0)
			return at + 1;
	}
	return len + 1;
}

// Behind the quote that closes the one at `at`; len + 1: there is none yet.
static size_t behind_quote(const char *text, size_t len, size_t at)
{
	char quote = text[at];
	while (++at < len) {
		if (text[at] == quote)
			return at + 1;
		at += quote == '"' && text[at] == '\\';
	}
	return len + 1;
}

static struct word plain_word(const char *text, size_t len, size_t at)
{
	struct word w = {.start = at};
	while (at < len && !is_blank(text[at])) {
		if (text[at] == '\'' || text[at] == '"')
			at = behind_quote(text, len, at);
		else
			at += text[at] == '\\' ? 2 : 1;
	}
	w.open = at > len;
	w.end = w.open ? len : at;
	return w;
}

// The word from *at on; false: the text ends before one.
static bool next_word(const char *text, size_t len, size_t *at, struct word *w, bool *comment)
{
	size_t start = skip_between(text, len, *at, comment);
	if (start == len)
		return false;
	*w = plain_word(text, len, start);
	if (text[start] == '{' || text[start] == '[') {
		size_t end = behind_bracket(text, len, start);
		if (end > len)
			*w = (struct word){start, len, true, true};
		else if (end == len || is_blank(text[end]))
			*w = (struct word){start, end, false, true};
	}
	*at = w->end;
	return true;
}

bool words_open(const char *text, size_t len)
{
	struct word w = {0};
	bool comment;
	for (size_t at = 0; next_word(text, len, &at, &w, &comment);)
		;
	return w.open;
}

// Brackets get quotes around them, as line_split() wants it.
static size_t copy_quoted(char *out, const char *text, size_t len)
{
	char *begin = out;
	*out++ = '\'';
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\'') {
			memcpy(out, "'\\''", 4);
			out += 4;
		} else {
			*out++ = text[i];
		}
	}
	*out++ = '\'';
	return (size_t)(out - begin);
}

static size_t quote_json(char *out, const char *text, size_t len)
{
	char *begin = out;
	struct word w;
	bool comment;
	size_t done = 0;
	for (size_t at = 0; next_word(text, len, &at, &w, &comment); done = w.end) {
		memcpy(out, text + done, w.start - done);
		out += w.start - done;
		if (w.json) {
			out += copy_quoted(out, text + w.start, w.end - w.start);
		} else {
			memcpy(out, text + w.start, w.end - w.start);
			out += w.end - w.start;
		}
	}
	memcpy(out, text + done, len - done);
	return (size_t)(out + (len - done) - begin);
}

const char *words_split(const char *text, size_t len, struct words *words)
{
	*words = (struct words){0};
	size_t room = len / 2 + 2;
	words->memory = malloc(4 * len + 4);
	words->at = calloc(room, sizeof(*words->at));
	if (words->memory == NULL || words->at == NULL)
		return words_free(words), "out of memory";
	size_t quoted = quote_json(words->memory, text, len);
	words->count = line_split(words->memory, quoted, words->at, (int)room);
	if (words->count >= 0)
		return NULL;
	const char *why = line_split_error(words->count);
	words_free(words);
	return why;
}

void words_free(struct words *words)
{
	free(words->memory);
	free(words->at);
	*words = (struct words){0};
}

static bool is_odd(const char *text, size_t len)
{
	if (len > 0 && (text[0] == '{' || text[0] == '['))
		return true;
	for (size_t i = 0; i < len; i++)
		if (strchr("\"'\n", text[i]) != NULL)
			return true;
	return false;
}

bool spot_find(const char *text, size_t cursor, struct spot *spot)
{
	struct word w;
	bool comment = false;
	*spot = (struct spot){.start = cursor};
	size_t first = skip_between(text, cursor, 0, &comment);
	spot->own = first < cursor && text[first] == '\\';
	for (size_t at = 0; next_word(text, cursor, &at, &w, &comment);)
		if (w.end == cursor)
			spot->start = w.start;
	spot->odd = comment;
	if (words_split(text, spot->start, &spot->done) != NULL)
		return false;
	if (spot->start < cursor && (text[spot->start] == '\'' || text[spot->start] == '"'))
		spot->quote = text[spot->start++];
	spot->at = text + spot->start;
	spot->len = cursor - spot->start;
	spot->odd = spot->odd || is_odd(spot->at, spot->len);
	return true;
}

void spot_free(struct spot *spot)
{
	words_free(&spot->done);
}
