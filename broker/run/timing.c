// How long each request took.  A look at the processor's counter costs some twenty nanoseconds among requests that run
// in a row, for it waits until everything before it is done; so up to sixteen in a row share one.  If together they took
// no longer than QUICK_NS, each is counted with their mean, which is wrong by less than that.  If they took longer, the
// one that moved the most bytes is taken for the slow one, and for a while each of their commands is timed alone:
// as is every command that scans, runs others, is new, or has been slow lately.  So whatever is slow again is timed exactly.
//
// Threads: a worker's own.

#include "run/inside.h"

enum { QUICK_NS = 16000, ALONE_RUNS = 256 };

static bool timed_alone(const struct command *c)
{
	return (c->flags & (WHERRY_CMD_SCANS | WHERRY_CMD_ALONE)) ||
	       atomic_load_explicit(&c->counts->alone, memory_order_relaxed) > 0;
}

// Threads may lose each other's steps: it is about right.
static void step_alone(const struct command *c, uint64_t ns)
{
	unsigned left = atomic_load_explicit(&c->counts->alone, memory_order_relaxed);
	if (ns > QUICK_NS || left > 0)
		atomic_store_explicit(&c->counts->alone, ns > QUICK_NS ? ALONE_RUNS : left - 1, memory_order_relaxed);
}

void worker_count(struct worker *w)
{
	if (w->counted != NULL)
		command_ran(w->counted, &w->batch);
	w->counted = NULL;
}

static void count(struct worker *w, const struct command *c, uint64_t ns, unsigned runs)
{
	if (w->counted != c) {
		worker_count(w);
		w->counted = c;
	}
	command_batch_add(&w->batch, ns, runs);
}

static void count_one(struct worker *w, const struct timed *run, uint64_t ns, unsigned among)
{
	const struct timed_row *row = &w->row;
	count(w, run->bound->command, ns, 1);
	if (ns >= row->slow_ns)
		slow_note(row->router, row->session, w, run, ns, among);
}

void timing_part(struct worker *w, const struct timed *run, uint64_t ns)
{
	count_one(w, run, ns, 1);
	if (run->status < 0)
		command_failed(run->bound->command);
}

static void count_slow_row(struct worker *w, uint64_t ns)
{
	const struct timed_row *row = &w->row;
	uint64_t others = QUICK_NS / ROW_MOST;
	unsigned slow = 0;
	for (unsigned i = 1; i < row->count; i++)
		if (row->run[i].bytes > row->run[slow].bytes)
			slow = i;
	for (unsigned i = 0; i < row->count; i++) {
		step_alone(row->run[i].bound->command, ns);
		count_one(w, &row->run[i], i == slow ? ns - others * (row->count - 1) : others, row->count);
	}
}

// slow_ns is longer than that.
static void count_quick_row(struct worker *w, uint64_t ns)
{
	const struct timed_row *row = &w->row;
	unsigned from = 0, to = 1;
	for (; from < row->count; from = to++) {
		const struct command *c = row->run[from].bound->command;
		while (to < row->count && row->run[to].bound->command == c)
			to++;
		count(w, c, ns / row->count, to - from);
	}
}

// The row ended at `now`, where the next one begins.
static void end_row(struct worker *w, uint64_t now)
{
	uint64_t ns = ticks_ns_between(w->since, now);
	atomic_store_explicit(&w->since, now, memory_order_relaxed);
	if (w->row.count == 1) {
		step_alone(w->row.run[0].bound->command, ns);
		count_one(w, &w->row.run[0], ns, 1);
	} else if (ns <= QUICK_NS) {
		count_quick_row(w, ns);
	} else {
		count_slow_row(w, ns);
	}
	w->row.count = 0;
}

static void look(struct worker *w)
{
	if (!w->row.follows)
		atomic_store_explicit(&w->since, ticks_now(), memory_order_relaxed);
	w->row.follows = true;
}

void timing_end(struct worker *w)
{
	if (w->row.count > 0)
		end_row(w, ticks_now());
}

void timing_pause(struct worker *w)
{
	timing_end(w);
	w->row.follows = false;
}

int64_t timing_begin(struct router *r, struct session *s, struct worker *w)
{
	int64_t slow_us = atomic_load_explicit(&r->config.limits->slow_us, memory_order_relaxed);
	timing_end(w);
	w->row.router = r;
	w->row.session = s;
	w->row.slow_ns = slow_us < 0 ? UINT64_MAX : (uint64_t)slow_us * 1000;
	w->row.most = w->row.slow_ns <= QUICK_NS ? 1 : ROW_MOST;
	look(w);
	return clock_glance(r->config.clock, &w->wall, w->since);
}

bool timing_run(struct worker *w, const struct command *c, bool last)
{
	bool alone = timed_alone(c);
	if (alone)
		timing_end(w);
	look(w);
	return last || alone || w->row.count + 1 == w->row.most;
}

void timing_row_ends(struct worker *w, uint64_t now)
{
	end_row(w, now != 0 ? now : ticks_now());
}
