// wherryd's flags: one table, from which they are parsed, and --help and wherryd(8) are written.  Threads: one at a time.

#ifndef DAEMON_FLAGS_H
#define DAEMON_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "wherry/broker.h"

enum {
	FLAG_LISTEN = 'l',
	FLAG_CONFIG = 'c',
	FLAG_MODULE = 'm',
	FLAG_TEST = 't',
	FLAG_VERSION = 'V',
	FLAG_HELP = 'h',
	FLAG_SET = 256,
	FLAG_PRINT_CONFIG,
	FLAG_PRINT_COMMANDS,
	FLAG_MAN,
	FLAG_MAN_CONFIG,
	FLAG_CONFORMANCE,
	FLAG_SEED,
	FLAG_SECONDS,
	FLAG_ADMIN,
	FLAG_OPTION, // those from here on set `option`
};

enum { HEADING = -1 };

struct flag {
	int id;             // HEADING: `help` stands above what follows
	const char *name;   // "config"
	const char *value;  // "FILE"; NULL: none; "[=FORM]": may be left out
	const char *help;   // lines by \n
	const char *option; // of the broker, which it sets to `to`, or to its value if that is NULL
	const char *to;
};

extern const struct flag flags[];
extern const unsigned flag_count;

// What the flags ask for, as far as it has to be known before any is applied.
struct wish {
	int argc;
	char **argv;
	const char *file, *form, *conformance, *seed, *seconds; // NULL: not given
	bool help, version, test, print_config, print_commands, man, man_config, admin, listens;
};

// Exit status: EXIT_SUCCESS, or 2, and what is wrong was printed.
int flags_look(int argc, char **argv, struct wish *);
// Sets what the flags set.  EARG: wherry_config_why().
int flags_apply(wherry_config *, const struct wish *);
// "-c, --config FILE": as --help and the manual show it.
void flag_spelling(const struct flag *, char *text, size_t room);

#endif
