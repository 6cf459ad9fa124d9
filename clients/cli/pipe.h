// `wherry pipe` and `wherry < file`: one command a line, one answer a line.  The main thread reads lines and makes requests
// of them (pipe.c, pipe_lines.c); two more have them run and print the answers (pipe_run.c, pipe_print.c), all at the same
// time.  Between them go jobs.

#ifndef CLI_PIPE_H
#define CLI_PIPE_H

#include <inttypes.h>
#include <signal.h>

#include "ask.h"
#include "cli.h"

// --- lines of a file ----------------------------------------------------------------------------------------------------

struct lines {
	int fd;
	size_t longest;  // bytes; a longer one is skipped
	uint64_t number; // of the line that was told last
	char *memory;
	size_t room, begin, scanned, end; // [begin, end) is read and not told, [begin, scanned) has no end of line
	bool ended, skipping;
	int error; // errno, after LINES_FAILED
};

enum lines_status { LINES_LINE, LINES_LONG, LINES_WAIT, LINES_END, LINES_FAILED };

// The next line, without its end, lent until the next call; it may be changed, and one byte more.  LINES_WAIT: there is
// nothing to read just now, and it was not told to wait.
enum lines_status lines_next(struct lines *, bool wait, char **line, size_t *len);
void lines_free(struct lines *);

// From now on SIGINT and SIGTERM are the end of the lines, wherever they are, and a second one is the program's, at once;
// a signal that is ignored stays so.  For the thread that reads: others block them.
void lines_end_by_signals(void);
int lines_signal(void);               // which one came; 0: none
void signals_of_lines(sigset_t *set); // those two

// --- jobs ---------------------------------------------------------------------------------------------------------------

// A job's answers are all held at once.  So fewer of its requests may be such as may have long ones: one at first, then
// as many as have answers of JOB_BYTES together, judged by the answers that came before, and never more than JOB_HEAVY.
enum { JOB_REQUESTS = 16384, JOB_HEAVY = 2048, JOB_BAD = 64, JOB_BYTES = 8 << 20 };

// A line that was not done, and why; line 0: there is none.
struct mishap {
	uint64_t line;
	wherry_error error;
};

// A line that is not sent, before request `before` of its job.
struct bad_line {
	struct mishap what;
	size_t before;
};

struct job {
	wherry_batch *batch;
	uint64_t lines[JOB_REQUESTS]; // where each request stood
	size_t count, heavy, bytes, bad_count;
	struct bad_line bad[JOB_BAD];
};

// --- the runner ---------------------------------------------------------------------------------------------------------

// What became of all lines so far.
struct tally {
	uint64_t done, failed, unreadable, unanswered; // failed: the unreadable among them, the unanswered not
	struct mishap first_failed, first_unanswered;
	uint64_t last_line; // the last that was sent
	int unwritten;      // errno of standard output, which takes no more
	int64_t ms;         // from start to end
};

struct runner;

struct runner *runner_start(const struct settings *, wherry_client *, bool quiet); // NULL: no memory, no thread
struct job *runner_job(struct runner *);                                           // an empty one to fill
bool runner_job_full(struct runner *);                                             // no more fits in
bool runner_give(struct runner *);        // runs what was filled, after the former; false: no more is run
void runner_drain(struct runner *);       // waits until what was given has been run
struct tally runner_end(struct runner *); // frees it

// --- answers ------------------------------------------------------------------------------------------------------------

// In one line with its end, in the form of s->output.
void pipe_print_answer(const struct settings *, const wherry_reply *, FILE *);
void pipe_print_error(const wherry_error *, FILE *); // "error: ETYPE: ..."

#endif
