// Options whose value is a number, as a table.

#ifndef BENCH_NUMBERS_H
#define BENCH_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { NUMBERS = 64 }; // getopt's value of the first of them; those of other options are less

struct number {
	const char *name;
	size_t at; // of a uint32_t, in what the options are kept in
	uint32_t least, most;
};

static inline bool number_read(const struct number *n, const char *text, void *options)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (*end || end == text || value < n->least || value > n->most)
		return false;
	*(uint32_t *)(void *)((char *)options + n->at) = (uint32_t)value;
	return true;
}

#endif
