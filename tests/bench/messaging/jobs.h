// What the queue load and the ways its peers speak share.

#ifndef BENCH_JOBS_H
#define BENCH_JOBS_H

#include "../histogram.h"
#include "conn.h"
#include "msgpack.h"

enum { JOB_HEAD = 16, JOB_DIGITS = 20 };

struct job_dialect;

struct jobs_options {
	const struct job_dialect *dialect;
	uint32_t port, workers, batch, size, prefill, rounds, pause_us, warmup_ms;
	double seconds;
	bool whole; // a batch is one command where the peer has such ones, not `batch` commands
};

enum step { STEP_PUSH = 1, STEP_POP, STEP_WAIT, STEP_ACK, STEP_PING }; // ours sends it as the id of its requests

// One connection that pushes, pops and acknowledges, a batch each, one after the other.
struct worker {
	struct conn conn;
	struct jobs *jobs;
	uint32_t number;
	enum step step;
	uint32_t left;   // answers that are awaited: of jobs; echo: of bytes
	uint64_t made;   // jobs
	uint64_t *after; // of each producer: only jobs from there on may come, as long as nothing is redelivered
	uint8_t *seen;   // of its own jobs: a bit each
	size_t seen_room;
	uint8_t *tokens; // of what it has popped and not acknowledged
	size_t tokens_len, tokens_room;
	uint32_t token_count;
	uint64_t began; // the step, ns
	bool idle;
};

struct job_dialect {
	const char *name;
	void (*greet)(int fd, const char *queue);
	void (*put)(struct worker *, enum step, uint32_t count); // requests of that step; STEP_WAIT: a pop that waits
	size_t (*take)(struct conn *, const uint8_t *p, size_t len);
	bool waiter_settles; // a ping on a connection says that the pop before it waits; else one on another connection
	bool bare;           // it knows of no jobs
};

struct jobs {
	struct jobs_options opt;
	struct loop loop;
	struct worker *workers;
	char queue[32];
	uint8_t *content;
	uint64_t acked, first, last, start, end;
	bool warm, stopping, draining;
	struct histogram pops, wakes;
};

// Called by take().
void jobs_answered(struct worker *, uint32_t count);
void jobs_popped(struct worker *, struct chunk value, struct chunk token);
void jobs_found_nothing(struct worker *);
void jobs_put_value(struct worker *, uint8_t *p); // the next one of this producer

extern const struct job_dialect wherry_jobs, beanstalkd_jobs, echo_jobs;

#endif
