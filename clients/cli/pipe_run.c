// The runner.  Jobs go round: the main thread fills one, the sender's thread has one run, the printer's prints one, all at
// the same time, so that the broker is not waited for, nor waits.  `lock` guards the three counts and `stopped`; a job is
// whose turn it is; the tally is the printer's.

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pipe.h"

enum { JOBS = 4 }; // one more than there are threads, so that none waits for another to take its turn

struct runner {
	const struct settings *settings;
	wherry_client *client;
	bool quiet, progress;
	struct timespec begun, told;
	pthread_t sender, printer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t filled, ran, printed; // jobs so far; job N lies in jobs[N % JOBS]
	bool stopped;                  // no more is run: the broker or standard output is lost
	bool ended;                    // no more is filled
	struct job jobs[JOBS];
	struct tally tally;
	_Atomic size_t heavy_most; // in a job; the printer's, who learns how long answers are
};

// --- one job, on the printer's thread -----------------------------------------------------------------------------------

static void print_mishap(const struct runner *r, const struct mishap *m)
{
	if (!r->quiet) {
		pipe_print_error(&m->error, stdout);
		return;
	}
	fprintf(stderr, "wherry: line %" PRIu64 ": ", m->line);
	pipe_print_error(&m->error, stderr);
}

static void not_done(struct runner *r, const struct mishap *m, uint64_t *count, struct mishap *first)
{
	++*count;
	if (first->line == 0)
		*first = *m;
	print_mishap(r, m);
}

static void print_bad(struct runner *r, const struct mishap *m)
{
	struct tally *t = &r->tally;
	t->unreadable += m->error.code == WHERRY_EARG && m->error.local;
	not_done(r, m, &t->failed, &t->first_failed);
}

static bool is_lost(const wherry_error *e)
{
	switch (e->code) {
	case WHERRY_EAGAIN:
	case WHERRY_ETIMEOUT:
	case WHERRY_ESTALE:
	case WHERRY_ECORRUPT:
	case WHERRY_ESHUTDOWN:
		return e->local != 0;
	default:
		return false;
	}
}

// Answers how many bytes the answer has.
static size_t print_one(struct runner *r, const struct job *j, size_t index)
{
	struct tally *t = &r->tally;
	wherry_reply reply = {0};
	if (wherry_batch_answer(j->batch, index, &reply) == WHERRY_OK) {
		t->done++;
		if (!r->quiet)
			pipe_print_answer(r->settings, &reply, stdout);
		return reply.result_len;
	}
	struct mishap m = {j->lines[index], reply.error};
	if (is_lost(&m.error))
		not_done(r, &m, &t->unanswered, &t->first_unanswered);
	else
		not_done(r, &m, &t->failed, &t->first_failed);
	return reply.details_len;
}

static void allow_heavy(struct runner *r, size_t longest)
{
	size_t most = 2 * r->heavy_most, fit = JOB_BYTES / (longest + 1);
	most = most < fit ? most : fit;
	r->heavy_most = most < 1 ? 1 : most < JOB_HEAVY ? most : JOB_HEAVY;
}

static void print_job(struct runner *r, const struct job *j)
{
	size_t bad = 0, longest = 0;
	errno = 0;
	for (size_t i = 0; i <= j->count; i++) {
		for (; bad < j->bad_count && j->bad[bad].before == i; bad++)
			print_bad(r, &j->bad[bad].what);
		size_t len = i < j->count ? print_one(r, j, i) : 0;
		longest = len > longest ? len : longest;
	}
	if (j->heavy > 0)
		allow_heavy(r, longest);
	r->tally.last_line = j->count > 0 ? j->lines[j->count - 1] : r->tally.last_line;
	if (fflush(stdout) != 0 || ferror(stdout) != 0)
		r->tally.unwritten = errno != 0 ? errno : EIO;
}

static int64_t ms_since(const struct timespec *then)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

enum { TELL_MS = 1000 };

static void tell_progress(struct runner *r)
{
	const struct tally *t = &r->tally;
	if (!r->progress || ms_since(&r->told) < TELL_MS)
		return;
	clock_gettime(CLOCK_MONOTONIC, &r->told);
	fprintf(stderr, "\r%" PRIu64 " done, %" PRIu64 " failed, %" PRIu64 " a second   ", t->done, t->failed,
	    (t->done + t->failed + t->unanswered) * 1000 / (uint64_t)ms_since(&r->begun));
}

static void print(struct runner *r, struct job *j)
{
	if (r->tally.unwritten == 0)
		print_job(r, j);
	tell_progress(r);
	wherry_batch_clear(j->batch);
	j->count = j->heavy = j->bytes = j->bad_count = 0;
}

// --- the threads --------------------------------------------------------------------------------------------------------

// false: the broker is lost.
static bool have_run(struct runner *r, struct job *j)
{
	wherry_error error = {0};
	return j->count == 0 || wherry_client_run(r->client, j->batch, &error) == WHERRY_OK || !is_lost(&error);
}

static void *send_jobs(void *arg)
{
	struct runner *r = arg;
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->ran == r->filled && !r->ended && !r->stopped)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->ran == r->filled || r->stopped)
			break;
		pthread_mutex_unlock(&r->lock);
		bool more = have_run(r, &r->jobs[r->ran % JOBS]);
		pthread_mutex_lock(&r->lock);
		r->ran++;
		r->stopped = r->stopped || !more;
		pthread_cond_broadcast(&r->changed);
	}
	r->ended = r->stopped = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

// Until all that was run is printed, and no more is run.
static void *print_jobs(void *arg)
{
	struct runner *r = arg;
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->printed == r->ran && !r->stopped)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->printed == r->ran)
			break;
		pthread_mutex_unlock(&r->lock);
		print(r, &r->jobs[r->printed % JOBS]);
		pthread_mutex_lock(&r->lock);
		r->printed++;
		r->stopped = r->stopped || r->tally.unwritten != 0;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

// --- for the main thread ------------------------------------------------------------------------------------------------

static void runner_free(struct runner *r)
{
	for (unsigned i = 0; i < JOBS; i++)
		wherry_batch_free(r->jobs[i].batch);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
	free(r);
}

static void end(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static bool start_threads(struct runner *r)
{
	sigset_t blocked, before;
	signals_of_lines(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	bool sends = pthread_create(&r->sender, NULL, send_jobs, r) == 0;
	bool prints = sends && pthread_create(&r->printer, NULL, print_jobs, r) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (sends && !prints) {
		end(r);
		pthread_join(r->sender, NULL);
	}
	return prints;
}

struct runner *runner_start(const struct settings *s, wherry_client *client, bool quiet)
{
	struct runner *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->settings = s;
	r->client = client;
	r->quiet = quiet;
	r->heavy_most = 1;
	r->progress = isatty(STDERR_FILENO) > 0 && (quiet || isatty(STDOUT_FILENO) <= 0);
	clock_gettime(CLOCK_MONOTONIC, &r->begun);
	r->told = r->begun;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	bool ok = true;
	for (unsigned i = 0; i < JOBS; i++)
		ok = (r->jobs[i].batch = wherry_batch_new()) != NULL && ok;
	if (ok && start_threads(r))
		return r;
	runner_free(r);
	return NULL;
}

struct job *runner_job(struct runner *r)
{
	return &r->jobs[r->filled % JOBS];
}

bool runner_job_full(struct runner *r)
{
	const struct job *j = runner_job(r);
	return j->count == JOB_REQUESTS || j->heavy >= r->heavy_most || j->bad_count == JOB_BAD ||
	       j->bytes >= JOB_BYTES;
}

bool runner_give(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	if (!r->stopped) {
		r->filled++;
		pthread_cond_broadcast(&r->changed);
	}
	while (r->filled - r->printed == JOBS && !r->stopped)
		pthread_cond_wait(&r->changed, &r->lock);
	bool more = !r->stopped;
	pthread_mutex_unlock(&r->lock);
	return more;
}

void runner_drain(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->printed < r->filled && !r->stopped)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

struct tally runner_end(struct runner *r)
{
	end(r);
	pthread_join(r->sender, NULL);
	pthread_join(r->printer, NULL);
	if (r->told.tv_sec != r->begun.tv_sec || r->told.tv_nsec != r->begun.tv_nsec) // something stands there
		fputs("\r\033[K", stderr);
	struct tally tally = r->tally;
	tally.ms = ms_since(&r->begun);
	runner_free(r);
	return tally;
}
