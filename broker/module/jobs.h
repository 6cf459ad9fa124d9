// Work that clients asked the control thread for and wait for, parked: module.load, sys.digest ...
//
// A job lives until its result was taken or nobody waits for it any more.  Threads: any.

#ifndef MODULE_JOBS_H
#define MODULE_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jobs;

enum { JOBS_MOST = 64, JOB_TEXT_ROOM = 512 };

// What became of it: the text of an error, or what the work found.
struct job_result {
	int status;
	uint64_t number;
	char text[JOB_TEXT_ROOM];
};

struct job {
	uint64_t id, session, ticket; // of the request that waits
	int (*work)(struct job *);    // on the control thread; fills the result, answers its status
	void *context;                // the asker's own
	struct jobs *jobs;
	struct job_result result;
	bool done, forgotten; // under the lock of the jobs
	struct job *next;
	char argument[];
};

int jobs_open(struct jobs **);  // ENOMEM
void jobs_close(struct jobs *); // none is at work

// A job like `like`, with an id and its argument.  ELIMIT: too many wait already; ENOMEM.
int jobs_add(struct jobs *, const struct job *like, const char *argument, struct job **);
// The work is done, or never will be.  True: somebody waits, wake *ticket, and jobs_forget(*id) if that fails.  The job
// itself must not be used any more.
bool jobs_finished(struct jobs *, struct job *, uint64_t *id, uint64_t *ticket);
// The result, once.  OK; EAGAIN: it is still at work; ESTALE: forgotten.
int jobs_take(struct jobs *, uint64_t id, struct job_result *);
void jobs_forget(struct jobs *, uint64_t id); // nobody waits for it
void jobs_session_ended(struct jobs *, uint64_t session);

#endif
