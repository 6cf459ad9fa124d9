// wherry bench: requests at full speed or at a fixed rate, each answer checked.
//
// bench.c tells the story; bench_options.c reads what is asked for; bench_work.c makes requests and checks answers;
// bench_keys.c looks after the keys, before and after; bench_run.c sends and waits; bench_report.c tells.  Messages and
// queues go another way: bench_flow.h.
//
// Threads: the main one sends what is due and reports; each connection (a lane) has the client library's thread, which
// takes its answers and, as places become free, sends on.  A lane's lock guards all of the lane; nothing else is shared
// but what is atomic.

#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "ask.h"
#include "cli.h"
#include "histogram.h"

enum { BENCH_PREFIX_MAX = 200, BENCH_DIGITS = 9, BENCH_WHAT = 300, BENCH_CODES = 32 };

enum bench_kind { BENCH_GET, BENCH_SET, BENCH_INCR, BENCH_MIXED, BENCH_PUBSUB, BENCH_QUEUE, BENCH_METHOD };

struct bench_options {
	enum bench_kind kind;
	double rate; // requests a second, of all connections together; 0: as fast as answers come
	double seconds, warmup, read_share;
	uint64_t count; // requests; 0: for `seconds`
	uint64_t connections, in_flight, keys, size;
	const char *prefix, *ns;
	bool verify, keep, force;
	int word_count; // of BENCH_METHOD: the method and what follows it
	char **words;
};

// -1: *o is filled; else the exit status, and it was said why.
int bench_options_read(struct bench_options *o, int argc, char **argv);
const char *bench_name(const struct bench_options *);

static inline uint64_t bench_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

// --- requests and answers (bench_work.c) ------------------------------------------------------------------------------

// What all makers share.  Values derive from their key's number, so that any answer can be checked.
struct work {
	const struct bench_options *options;
	size_t key_len, value_len;      // as encoded
	_Atomic uint64_t *acknowledged; // by key: how many writes the broker has answered; NULL: not needed
	struct request fixed;           // BENCH_METHOD
};

// Makes one request after another; one thread's.
struct maker {
	const struct work *work;
	uint64_t random;
	uint8_t *params; // array header, key, value; the key's and the value's headers stand
};

// What was asked, as far as its answer must be checked.
struct asked {
	enum bench_kind kind; // GET, SET, INCR or METHOD
	uint64_t key;
};

bool work_begin(struct work *, const struct bench_options *); // false: no memory
void work_end(struct work *);
bool maker_begin(struct maker *, const struct work *, uint64_t seed);
void maker_end(struct maker *);

// The next request of the workload; lent until the maker's next.
void maker_next(struct maker *, struct asked *, wherry_request *);
void maker_ask(struct maker *, const struct asked *, wherry_request *); // this one
// The encoded key, or value, of a key's number; lent as above.
const uint8_t *maker_key(struct maker *, uint64_t key);
const uint8_t *maker_value(struct maker *, uint64_t key);
// Whether an answer without an error is the right one; else what[BENCH_WHAT] says what is wrong, unless NULL.
bool maker_check(struct maker *, const struct asked *, const wherry_reply *, char *what);

// A non-negative integer, and nothing else.
bool encoded_number(const wherry_reply *, uint64_t *number);
// Any value in a few words, harmless to a terminal.
void describe_value(const wherry_reply *, char *text, size_t room);
// Text from the broker, harmless to a terminal.
void copy_tame(char *to, size_t room, const char *from);

// --- what came of it --------------------------------------------------------------------------------------------------

// sent = answered + errors + lost, once nothing is in flight; wrong ones are among the answered.
struct tally {
	uint64_t sent, answered, errors, lost, wrong;
	uint64_t by_code[BENCH_CODES]; // of the errors, by -code; [0]: any other
	uint64_t measured;             // answers and errors to what was due after the warm-up
	uint64_t came, last_ns;        // answers and errors that came after the warm-up; when the last did
	char first_error[BENCH_WHAT], first_lost[BENCH_WHAT], first_wrong[BENCH_WHAT];
	struct histogram response, service; // from when it was due; from when it was sent
};
void tally_merge(struct tally *into, const struct tally *more);

struct progress { // of the last second
	uint64_t told_ns;
	struct tally before, now;
	struct histogram since;
};

struct lane;
struct bench {
	struct settings settings;
	struct bench_options options;
	struct work work;
	struct maker maker; // the main thread's
	wherry_client *control;
	struct lane *lanes;
	int wake;                                // eventfd: a lane has finished, or a signal came
	uint64_t start_ns, measure_ns, end_ns;   // end_ns: UINT64_MAX with --count
	uint64_t stopped_ns;                     // 0: not yet
	_Atomic bool stop;                       // no new requests
	uint64_t made, checked, removed, differ; // keys: filled, read back, removed, other than they must be
	uint64_t reach;                          // keys below may be there: they are to be removed
	bool owns_keys, verified, removal_failed;
	bool terminal, dumb; // standard error
	struct progress progress;
	struct tally total;
};

// bench_run.c.  Answer an exit status; 0: done.
int bench_open_lanes(struct bench *);
void bench_run(struct bench *);         // until nothing is under way; fills b->total
void bench_close_lanes(struct bench *); // what is still in flight is lost
void bench_tally(struct bench *, struct tally *now);
uint64_t bench_due(const struct bench *); // how many were due, at a fixed rate

bool bench_interrupted(void); // bench.c

// bench_keys.c, on the control connection.  Answer an exit status; 0: done.
int bench_take_keys(struct bench *); // none of them is there, or it says so
int bench_fill_keys(struct bench *);
int bench_compare_keys(struct bench *); // differences are counted, and the first is in total.first_wrong
void bench_remove_keys(struct bench *);

// bench_report.c
void bench_progress(struct bench *, uint64_t now); // at most once a second, on a terminal
void bench_doing(const struct bench *, const char *what, uint64_t done, uint64_t of);
void bench_progress_end(const struct bench *);
int bench_report(const struct bench *); // answers the exit status

#endif
