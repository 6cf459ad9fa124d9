// Words made into a request: METHOD VALUE... --option VALUE --option=VALUE --flag, and after -- values only.
// Threads: one at a time.

#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <msgpack.h>
#include <stdbool.h>

#include "catalog.h"
#include "wherry/client.h"

enum { ASK_WHY = 600 };

// What reading takes, for one request or for a million: begin with {.client = ...}, reading_free() at the end.
struct reading {
	wherry_client *client;
	struct catalog *catalog; // what options there are; loaded when the first option comes.  Freed by reading_free()
	bool whole_catalog;      // load it for all commands: there will be others
	bool raw_values;         // a value is the text as it stands: no JSON, no @FILE, no -
	bool no_stdin;           // - is refused: the commands come from there
	char why[ASK_WHY];       // after ASK_USAGE: a sentence
	const struct argument **options; // of the request at hand
	uint32_t option_count, option_room;
	uint32_t value_count;
	msgpack_sbuffer values, pairs;
};
void reading_free(struct reading *);

struct request {
	const char *method;              // words[0]
	msgpack_sbuffer params, options; // encoded; options.size 0: none
};

// USAGE: nothing was asked of the broker; FAILED: it could not be asked what options there are, and *error says why.
enum { ASK_OK, ASK_USAGE, ASK_FAILED };

// Begin with {0}; the same request may be read into again and again without allocating.  The words are lent.
int request_read(struct request *, struct reading *, int count, char **words, wherry_error *error);
void request_free(struct request *);

#endif
