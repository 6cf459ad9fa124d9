// Structured log lines, one event a line: time, level, event, then its fields; as text (key=value) or as JSON.  Values
// with spaces, quotes or control bytes are quoted and escaped, so no client can forge a line.  Threads: any; one write(2)
// a line.

#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

struct clock;

enum { LOG_TEXT, LOG_JSON };

struct logger {
	int fd; // where lines go; -1: nowhere.  It stays the same number: log_reopen() puts another file behind it
	_Atomic int level; // WHERRY_LOG_*: lines above it are left out
	const struct clock *clock;
	_Atomic int format; // LOG_TEXT, LOG_JSON
	_Atomic bool torn;  // a line could be written in part only: the next one begins with a new line
};

// log_event(lg, WHERRY_LOG_INFO, "listening", "url", url, "limit", number_text, NULL): pairs of strings, NULL
// ends.
void log_event(const struct logger *, int level, const char *event, ...) __attribute__((sentinel));

// A number as text, for log_event: LOG_NUMBER(n) lives as long as the enclosing block.
const char *log_number(char buffer[static 24], int64_t number);
#define LOG_NUMBER(n) log_number((char[24]){0}, (int64_t)(n))

int log_level_of(const char *name); // "error" "warn" "info" "debug"; -1

// A file to append to, made with mode 0640; -1: errno tells.  A pipe must have a reader (ENXIO), and is never waited for.
int log_open(const char *path);
// Opens `path` anew and puts it behind lg->fd in one step: a line goes whole to the old file or whole to the new one.
// False: errno tells, and the old one stays.
bool log_reopen(const struct logger *, const char *path);

#endif
