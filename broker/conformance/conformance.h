// Is a module's file fit for a broker?  Looks at it from outside, loads and unloads it in every order, sends it what no
// client would, lets memory and changes fail, and replays what it wrote.  Each check runs in a process of its own, so a
// crash or a hang is a line of the report and not its end; the file's code runs with this process's rights all the same.
//
// The report: one line a check, "ok", "FAIL", "warn" or "skip", the check's name, a colon, a sentence.  The last line
// counts them and names the seed.  The same seed makes the same requests.
//
//   conformance.c     the story: which checks, their lines
//   trial.c           one check in its process: verdict, crash, time-out, what the log says
//   world.c           store, router and modules without a wire, a clock of their own, a log in memory
//   talk.c            requests and answers
//   make.c            requests made from a command's table; print.c the same as a command line
//   elf.c             what the file shows without being run
//   check_*.c         the checks
//
// Threads: the process must have only the calling one, since it forks.

#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct conformance_options {
	const char *file; // the module, as a path
	uint64_t seed;    // 0: drawn, and told
	unsigned seconds; // for fuzzing arguments, all commands together; 0: a fixed number of requests
	bool admin;       // send ADMIN commands, too
	int64_t drain_ms; // drain() may take so long; 0: 5 s
	int64_t run_ms;   // so long a request may take before it counts as hanging; 0: 5 s
};

// 0: nothing failed; 1: something did, or the file can't be read.
int conformance_run(const struct conformance_options *, FILE *report);

#endif
