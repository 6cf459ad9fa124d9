// One check in a process of its own.  The child works on memory that it shares with its parent, so that the parent knows
// what it was doing when it crashed or hung.  Threads: the child's main thread, unless said.

#ifndef CONFORMANCE_TRIAL_H
#define CONFORMANCE_TRIAL_H

#include <stdatomic.h>

#include "conformance/conformance.h"
#include "wherry/module.h"

enum verdict { VERDICT_NONE, VERDICT_OK, VERDICT_FAIL, VERDICT_SKIP };
enum { SENTENCE_ROOM = 1024, REQUEST_ROOM = 8192, NAME_ROOM = 80, COMMANDS_MOST = 4096, WARNINGS_MOST = 8 };

struct trial_command {
	char name[NAME_ROOM];
	uint32_t flags;
	bool failed; // it is not sent any more
};

// What the first check learns of the module, for all that follow.
struct trial_module {
	char name[NAME_ROOM], version[NAME_ROOM], needs[256];
	uint32_t command_count, types;
	bool loads;
	struct trial_command commands[COMMANDS_MOST];
};

// Shared by parent and child.
struct trial_shared {
	struct trial_module module;
	enum verdict verdict;
	char sentence[SENTENCE_ROOM + REQUEST_ROOM + 16];
	char warnings[WARNINGS_MOST][SENTENCE_ROOM];
	unsigned warning_count;
	uint64_t requests;           // sent
	char doing[SENTENCE_ROOM];   // "unloading it", for a crash
	char late[SENTENCE_ROOM];    // what is wrong once the deadline has passed
	char request[REQUEST_ROOM];  // under way, as a command line; empty: none
	char asked[NAME_ROOM];       // its command
	_Atomic int64_t deadline_ns; // monotonic; 0: none
	atomic_int signal;
	const void *address;
	char lent_to[NAME_ROOM]; // the command that the memory at `address` had been lent to
};

struct trial {
	const struct conformance_options *options;
	struct trial_shared *shared;
	const char *command; // the one that it is about; NULL: all
	uint32_t flags;      // of that command
	uint64_t seed;
	int log;        // where the child's log goes
	int64_t log_at; // read up to there
};

// Runs `body` in a child; the answer is in trial->shared.
void trial_run(struct trial *, void (*body)(struct trial *));

// In the child.  These end it.
void trial_ok(struct trial *, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
void trial_fail(struct trial *, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
void trial_skip(struct trial *, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
void trial_warn(struct trial *, const char *format, ...) __attribute__((format(printf, 2, 3)));

// What is being done, and by when it has to be over: else `late` is what is wrong.
void trial_doing(struct trial *, const char *what);
void trial_limit(struct trial *, int64_t ms, const char *late, ...) __attribute__((format(printf, 3, 4)));
void trial_no_limit(struct trial *);
void trial_look_at_log(struct trial *); // fails if the broker has named something that the module did

#endif
