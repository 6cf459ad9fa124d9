// What commands there are and what they take, as the broker itself describes it (sys.commands).  Help, checks of
// options, completion and hints all read this.  Everything is lent until catalog_free().  Threads: any, after loading.

#ifndef CLI_CATALOG_H
#define CLI_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "wherry/client.h"

enum {                         // struct argument.flags
	ARGUMENT_KEY = 1,      // read or written
	ARGUMENT_OPTIONAL = 2, // positional, may be left out
	ARGUMENT_REST = 4,     // repeats as a group
	ARGUMENT_OPTION = 8,   // by name
	ARGUMENT_FLAG = 16,    // an option that is yes or no: it may stand alone
	ARGUMENT_SECRET = 32,
};

struct argument {
	const char *name;  // "ttl_ms"
	const char *kinds; // "int, float"; "any"
	const char *help;
	unsigned flags;
};

struct described {
	const char *name, *module, *help, *verb;
	bool writes, admin, parks;
	const struct argument *args; // positional, then options, then the rest group
	uint32_t arg_count;
};

struct catalog;

// what: a command, a module, or NULL: all.  OK, or what the broker answered (ENOCMD), or ECORRUPT.
int catalog_load(wherry_client *, const char *what, struct catalog **, wherry_error *);
void catalog_free(struct catalog *);
uint32_t catalog_count(const struct catalog *);
const struct described *catalog_at(const struct catalog *, uint32_t index); // in the order of names
const struct described *catalog_find(const struct catalog *, const char *name);

// "ttl_ms", or as written on the command line, "ttl-ms"; NULL: no such option.  "ns" is an option of every command.
const struct argument *described_option(const struct described *, const char *name);
int first_sentence(const char *help); // how many of its bytes are that, without the dot
void described_synopsis(
    const struct described *, FILE *); // "kv.set key value [--ttl-ms VALUE] [--nx] ...", no end of line
void described_list_options(const struct described *, FILE *);     // "--ttl-ms, --nx, --ns"
void described_brief(const struct described *, FILE *);            // synopsis, help, one line an argument
void described_page(const struct described *, FILE *, bool color); // like a manual page

#endif
