// Structured log lines, one event a line: time, level, event, then key=value.  Values with spaces, quotes or
// control bytes are quoted and escaped, so no client can forge a line.  Threads: any; one write(2) a line.

#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

struct clock;

struct logger {
	int fd;            // where lines go; -1: nowhere
	_Atomic int level; // WHERRY_LOG_*: lines above it are left out
	const struct clock *clock;
};

// log_event(lg, WHERRY_LOG_INFO, "listening", "url", url, "limit", number_text, NULL): pairs of strings, NULL
// ends.
void log_event(const struct logger *, int level, const char *event, ...) __attribute__((sentinel));

// A number as text, for log_event: LOG_NUMBER(n) lives as long as the enclosing block.
const char *log_number(char buffer[static 24], int64_t number);
#define LOG_NUMBER(n) log_number((char[24]){0}, (int64_t)(n))

int log_level_of(const char *name); // "error" "warn" "info" "debug"; -1

#endif
