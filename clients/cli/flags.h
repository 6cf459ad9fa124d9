// The flags before a method or a subcommand.  Help, man page and completion come from their table.

#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include "cli.h"

struct flag {
	int letter;                  // 'u'; from 256 on it has none
	const char *name, *argument; // "url", "URL" or NULL
	const char *help;            // lines
};

extern const struct flag flags[]; // ends with a name of NULL

enum { FLAGS_GO_ON = -1, FLAG_VERSION = 'V', FLAG_HELP = 'h', FLAG_NONE = 256, FLAG_MAN = 300 };

// What argv[1...] say; *next is the first word behind the flags.  *wanted: FLAG_VERSION, FLAG_HELP, FLAG_MAN or 0.
// Answers FLAGS_GO_ON, or the exit status: it has explained what is wrong, unless it is to be quiet.
int flags_read(struct settings *, int argc, char **argv, bool quiet, int *next, int *wanted);

#endif
