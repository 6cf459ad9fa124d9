#include "line.h"

#include <string.h>

// Where in the line it reads, and where it writes, which is never behind that.
struct splitting {
	const char *in, *end;
	char *out;
};

// What is read up to `end`; while a word has had no quotes it stands in its place already.
static void copy_to(struct splitting *s, const char *end)
{
	size_t len = (size_t)(end - s->in);
	if (s->out != s->in)
		memmove(s->out, s->in, len);
	s->out += len;
	s->in = end;
}

static int copy_single(struct splitting *s)
{
	const char *close = memchr(s->in, '\'', (size_t)(s->end - s->in));
	if (close == NULL)
		return LINE_OPEN_QUOTE;
	copy_to(s, close);
	s->in++;
	return 0;
}

static int copy_double(struct splitting *s)
{
	for (; s->in < s->end; s->in++) {
		if (*s->in == '"') {
			s->in++;
			return 0;
		}
		if (*s->in == '\\' && s->in + 1 < s->end) {
			char next = s->in[1];
			if (next == '\n') {
				s->in++;
				continue;
			}
			if (next == '"' || next == '\\' || next == '$' || next == '`')
				s->in++;
		}
		*s->out++ = *s->in;
	}
	return LINE_OPEN_QUOTE;
}

static int copy_escaped(struct splitting *s)
{
	if (s->in == s->end)
		return LINE_OPEN_BACKSLASH;
	if (*s->in != '\n')
		*s->out++ = *s->in;
	s->in++;
	return 0;
}

enum { PLAIN, BLANK, SINGLE, DOUBLE, ESCAPE };
static const unsigned char kinds[256] = {
    [' '] = BLANK, ['\t'] = BLANK, ['\n'] = BLANK, ['\r'] = BLANK, ['\''] = SINGLE, ['"'] = DOUBLE, ['\\'] = ESCAPE};

// The word at in, to the blank behind it.
static int copy_word(struct splitting *s)
{
	int status = 0;
	while (status == 0) {
		const char *at = s->in;
		while (at < s->end && kinds[(unsigned char)*at] == PLAIN)
			at++;
		copy_to(s, at);
		unsigned char kind = at < s->end ? kinds[(unsigned char)*at] : BLANK;
		if (kind == BLANK)
			break;
		s->in++;
		if (kind == ESCAPE)
			status = copy_escaped(s);
		else
			status = kind == SINGLE ? copy_single(s) : copy_double(s);
	}
	return status;
}

// Over blanks, comments, and what joins lines; false: the end.
static int skip_blanks(struct splitting *s)
{
	while (s->in < s->end) {
		if (kinds[(unsigned char)*s->in] == BLANK) {
			s->in++;
		} else if (*s->in == '#') {
			const char *newline = memchr(s->in, '\n', (size_t)(s->end - s->in));
			s->in = newline != NULL ? newline : s->end;
		} else if (*s->in == '\\' && s->in + 1 < s->end && s->in[1] == '\n') {
			s->in += 2;
		} else {
			return 1;
		}
	}
	return 0;
}

int line_split(char *text, size_t len, char **words, int room)
{
	struct splitting s = {.in = text, .end = text + len, .out = text};
	int count = 0;
	if (memchr(text, 0, len) != NULL)
		return LINE_ZERO;
	while (skip_blanks(&s)) {
		if (count == room)
			return LINE_MANY;
		words[count++] = s.out;
		int status = copy_word(&s);
		if (status != 0)
			return status;
		// The blank behind the word, or the byte behind the line: read already, if it is there.
		s.in += s.in < s.end;
		*s.out++ = 0;
	}
	return count;
}

const char *line_split_error(int status)
{
	switch (status) {
	case LINE_OPEN_QUOTE:
		return "a quote is not closed";
	case LINE_OPEN_BACKSLASH:
		return "it ends in a backslash";
	case LINE_ZERO:
		return "it has a zero byte; bytes are taken from a file, by @FILE";
	case LINE_MANY:
		return "it has too many words";
	default:
		return "it can't be read";
	}
}
