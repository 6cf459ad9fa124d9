// Lines for a crash report, put together and written with nothing but poll(2) and write(2): safe in a signal handler.

#ifndef CRASH_TEXT_H
#define CRASH_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { CRASH_LINE = 512 };

struct crash_text {
	int fds[2]; // where lines go; -1: nowhere, as once it takes no more
	size_t len;
	char line[CRASH_LINE];
};

void crash_add(struct crash_text *, const char *text); // NULL: nothing
void crash_number(struct crash_text *, uint64_t number);
void crash_hex(struct crash_text *, uint64_t number);
void crash_end(struct crash_text *); // of the line: writes it

#endif
