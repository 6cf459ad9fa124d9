// `wherry sub` and `wherry watch`: what both do with what comes to them.  Threads: the main one.

#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include <msgpack.h>

#include "cli.h"
#include "wherry/messaging.h"

struct follow {
	const struct settings *settings;
	const char *thing;  // "message", "event": for people
	const char *missed; // what became of those that came while there was no connection
	uint64_t most;      // ends after so many; 0: never
	bool quiet;         // rates only

	wherry_feed *feed;
	// Waits at most timeout_ms for the next one and prints it, unless quiet.  Codes as wherry_feed_next().
	int (*next)(struct follow *, int64_t timeout_ms, wherry_error *);
	uint64_t count, lost, gaps, told; // told: of `count`, when the rate was told last
	uint64_t began_ns, told_ns;
};

// Until it has ended, been interrupted, or seen `most`.  Answers the exit status.
int follow_run(struct follow *);
void follow_lost(struct follow *, uint64_t lost); // tells of it

// A number of an option, from 1 on; 0 and an exit status in *status: it is none.
uint64_t follow_number(const char *option, const char *text, int *status);

// One encoded value in a line, as JSON or for people; without its end.
void follow_value(const struct settings *, const void *encoded, size_t len, FILE *);
void follow_text_as_json(const char *text, size_t len, FILE *);

#endif
