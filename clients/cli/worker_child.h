// One run of a worker's command: a message on its standard input, its name in the environment.
// Threads: any number of children at once, each of its own thread.

#ifndef CLI_WORKER_CHILD_H
#define CLI_WORKER_CHILD_H

#include <sys/types.h>

#include "wherry/messaging.h"

enum { CHILD_SAID = 400 };

struct child {
	_Atomic pid_t pid; // of it, and of its process group, while it runs; else 0.  Anybody may read it, to kill it
	int status;        // as waitpid() says
	char said[CHILD_SAID]; // the end of what it wrote on its standard error, in one line; passed on, too
};

// Runs argv[0...] and waits for its end.  0, or an errno: it could not be begun.
int child_run(struct child *, char *const argv[], const wherry_job *);

#endif
