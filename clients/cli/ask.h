// A command line made into a request.

#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <msgpack.h>

#include "wherry/client.h"

struct request {
	const char *method;
	msgpack_sbuffer params, options; // encoded; options.size 0: none
};

enum { ASK_OK, ASK_USAGE, ASK_FAILED };

// Reads args[0..count): values, --option VALUE, --option=VALUE, --flag, and after -- values only.  Options make it
// ask the broker what the command takes.  ASK_USAGE: it said on standard error what is wrong; ASK_FAILED: *error says.
int request_read(struct request *, wherry_client *, const char *method, int count, char **args, wherry_error *error);
void request_free(struct request *);

#endif
