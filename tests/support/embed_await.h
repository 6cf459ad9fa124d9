// More for transcripts (embed.h): lines with numbers in them, answers that are numbers, what happens by
// itself.

#ifndef SUPPORT_EMBED_AWAIT_H
#define SUPPORT_EMBED_AWAIT_H

#include "embed.h"

// The answer must be a whole number.
uint64_t embed_number(struct embed *, const char *line);

// expect() with a formatted line: expectf(b, "1", "kv.get key:%d", i).
#define expectf(b, want, ...) embed_expectf((b), (want), __FILE__, __LINE__, __VA_ARGS__)
void embed_expectf(struct embed *, const char *want, const char *file, int at, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

// Compares with `*` standing for anything, and nothing else for anything but itself: for answers with lists in them.
#define expect_stars(b, line, pattern) embed_expect_stars((b), (line), (pattern), __FILE__, __LINE__)
#define expect_end_stars(pending, pattern) embed_expect_end_stars((pending), (pattern), __FILE__, __LINE__)
void embed_expect_stars(struct embed *, const char *line, const char *pattern, const char *file, int at);
void embed_expect_end_stars(struct embed_pending *, const char *pattern, const char *file, int at);
// Calls until the answer is like that; fails the test after 10 s.
void embed_await_stars(struct embed *, const char *line, const char *pattern);

// Calls until the answer is `want`; fails the test after 10 s.
void embed_await(struct embed *, const char *line, const char *want);

#endif
