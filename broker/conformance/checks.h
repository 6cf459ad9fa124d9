// The checks, each the body of a trial; and what they share.  Threads: the trial's main thread.

#ifndef CONFORMANCE_CHECKS_H
#define CONFORMANCE_CHECKS_H

#include "conformance/make.h"
#include "conformance/world.h"

// check_file.c
void check_description(struct trial *); // fills shared->module
void check_symbols(struct trial *);

// check_life.c
void check_load(struct trial *);
void check_no_memory(struct trial *);
void check_reload(struct trial *);
void check_waiting(struct trial *);
void check_two_brokers(struct trial *);
void check_unload(struct trial *);

// check_requests.c: about trial->command
void check_arguments(struct trial *);
void check_undo(struct trial *);
// about all of them
void check_replay(struct trial *);

// use.c: a world in use.
bool may_be_sent(const struct trial *, const struct trial_command *);
// One request of a command that has all `with` and none of `without` among its flags, lent until the next one; false:
// there is no such command.
bool use_make(struct world *, struct maker *, uint32_t with, uint32_t without, enum make_how, wherry_span *request);
void use_command(struct world *, struct maker *, const char *name, enum make_how, wherry_span *request);
void use_some(struct world *, struct maker *, unsigned requests); // mostly right ones, of all commands

// What the process has: threads and descriptors.
enum { THINGS_MOST = 1024 };
struct things {
	long threads[THINGS_MOST], files[THINGS_MOST];
	unsigned thread_count, file_count;
};
void things_count(struct things *);
// Fails the trial if there is more than before, once threads had a moment to end.
void things_compare(struct trial *, const struct things *before);

// Answers that stay the same when nothing happens.
enum { STEADY_MOST = 32, STEADY_ROOM = 300 };
struct steady {
	struct buffer requests[STEADY_MOST];
	char answers[STEADY_MOST][STEADY_ROOM];
	unsigned count;
};
void steady_find(struct world *, struct maker *, struct steady *);
// The first whose answer is another one now: its request as a command line, and both answers; NULL: none.
const char *steady_differs(struct world *, const struct steady *, char now[static STEADY_ROOM], const char **before);
void steady_free(struct steady *);

#endif
