// More for transcripts: see embed_await.h.

#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AWAIT_S = 10 };

uint64_t embed_number(struct embed *b, const char *line)
{
	char *answer = embed_call(b, line), *end;
	uint64_t n = strtoull(answer, &end, 10);
	if (end == answer || *end)
		fail_msg("%s answered %s, no number", line, answer);
	free(answer);
	return n;
}

void embed_expectf(struct embed *b, const char *want, const char *file, int at, const char *format, ...)
{
	char *line = NULL;
	va_list list;
	va_start(list, format);
	assert_true(vasprintf(&line, format, list) >= 0);
	va_end(list);
	embed_expect(b, line, want, 0, file, at);
	free(line);
}

void embed_await(struct embed *b, const char *line, const char *want)
{
	time_t end = time(NULL) + AWAIT_S;
	for (;;) {
		char *answer = embed_call(b, line);
		bool same = strcmp(answer, want) == 0;
		free(answer);
		if (same)
			return;
		if (time(NULL) > end)
			fail_msg("%s does not become %s", line, want);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

// For fnmatch(): everything but the stars escaped.  To free().
static char *only_stars(const char *pattern)
{
	char *out = malloc(2 * strlen(pattern) + 1), *at = out;
	assert_non_null(out);
	for (; *pattern != 0; pattern++) {
		if (strchr("[?\\", *pattern) != NULL)
			*at++ = '\\';
		*at++ = *pattern;
	}
	*at = 0;
	return out;
}

void embed_expect_stars(struct embed *b, const char *line, const char *pattern, const char *file, int at)
{
	char *escaped = only_stars(pattern);
	embed_expect(b, line, escaped, 1, file, at);
	free(escaped);
}

void embed_expect_end_stars(struct embed_pending *pending, const char *pattern, const char *file, int at)
{
	char *escaped = only_stars(pattern);
	embed_expect_text(embed_end(pending), escaped, 1, file, at);
	free(escaped);
}

void embed_await_stars(struct embed *b, const char *line, const char *pattern)
{
	char *escaped = only_stars(pattern);
	embed_await_like(b, line, escaped);
	free(escaped);
}
