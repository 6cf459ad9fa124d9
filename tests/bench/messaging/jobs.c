// The queue load: workers that each push a batch, pop a batch and acknowledge it.  Every job must be popped exactly once,
// whole, and after the jobs that the same producer pushed before it; at the end nothing is left.  Anything else ends the run with status 1.
//
//   jobs --peer wherry|beanstalkd|echo --port N [--workers 8] [--batch 1] [--whole] [--size 64] [--prefill N] --seconds S
//   jobs --peer ... --port N --wakes N [--pause-us 1000]
//
// --wakes: a worker waits in a pop, another pushes: how long until the first one has the job.  echo answers every byte
// with itself: three round trips are what a job would cost at least.  The last line is JSON.

#include "jobs.h"

#include "../dial.h"
#include "numbers.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SILENCE_MS = 20000, FILL_BATCH = 500 };

// --- jobs ---

void jobs_put_value(struct worker *w, uint8_t *p)
{
	uint64_t head[2] = {w->number, w->made++};
	memcpy(p, w->jobs->content, w->jobs->opt.size);
	memcpy(p, head, JOB_HEAD);
}

static void see(struct worker *producer, uint64_t seq)
{
	size_t byte = seq / 8, room = producer->seen_room;
	uint8_t bit = (uint8_t)(1U << seq % 8);
	if (byte >= room) {
		producer->seen_room = 2 * byte + 1024;
		producer->seen = realloc(producer->seen, producer->seen_room);
		if (!producer->seen)
			die("memory");
		memset(producer->seen + room, 0, producer->seen_room - room);
	}
	if (producer->seen[byte] & bit)
		wrong("job %llu of producer %u came twice", (unsigned long long)seq, producer->number);
	producer->seen[byte] |= bit;
}

static void check(struct worker *w, struct chunk value)
{
	const struct jobs *j = w->jobs;
	uint64_t head[2];
	if (value.len != j->opt.size || memcmp(value.ptr + JOB_HEAD, j->content + JOB_HEAD, value.len - JOB_HEAD) != 0)
		wrong("a job of %zu bytes that nobody pushed", value.len);
	memcpy(head, value.ptr, JOB_HEAD);
	if (head[0] >= j->opt.workers || head[1] >= j->workers[head[0]].made)
		wrong("a job that nobody has pushed yet");
	if (head[1] < w->after[head[0]])
		wrong("job %llu of producer %llu came after %llu", (unsigned long long)head[1],
		    (unsigned long long)head[0], (unsigned long long)w->after[head[0]] - 1);
	w->after[head[0]] = head[1] + 1;
	see(&j->workers[head[0]], head[1]);
}

static void keep_token(struct worker *w, struct chunk token)
{
	if (w->tokens_len + token.len > w->tokens_room) {
		w->tokens_room = 2 * (w->tokens_len + token.len);
		w->tokens = realloc(w->tokens, w->tokens_room);
		if (!w->tokens)
			die("memory");
	}
	memcpy(w->tokens + w->tokens_len, token.ptr, token.len);
	w->tokens_len += token.len;
	w->token_count++;
}

// --- steps ---

static void begin(struct worker *w, enum step step, uint32_t count)
{
	const struct job_dialect *d = w->jobs->opt.dialect;
	w->step = step;
	w->left = count;
	w->began = clock_ns();
	d->put(w, step, count);
	if (step == STEP_ACK)
		w->tokens_len = w->token_count = 0;
	conn_flush(&w->jobs->loop, &w->conn);
}

static void next(struct worker *w)
{
	struct jobs *j = w->jobs;
	uint32_t batch = j->opt.batch;
	if (w->step == STEP_PUSH)
		begin(w, STEP_POP, batch);
	else if (w->step == STEP_POP)
		begin(w, STEP_ACK, batch);
	else if (j->stopping)
		w->idle = true;
	else
		begin(w, STEP_PUSH, batch);
}

static void finish_step(struct worker *w)
{
	struct jobs *j = w->jobs;
	if (w->step == STEP_POP)
		histogram_add(&j->pops, j->loop.now - w->began);
	if (w->step == STEP_ACK)
		j->acked += j->opt.batch;
	if (j->opt.seconds > 0)
		next(w);
}

void jobs_answered(struct worker *w, uint32_t count)
{
	if (count > w->left)
		wrong("%u answers more than requests", count - w->left);
	w->left -= count;
	if (w->left == 0 && !w->jobs->draining)
		finish_step(w);
}

void jobs_popped(struct worker *w, struct chunk value, struct chunk token)
{
	if (w->jobs->draining)
		wrong("a job is left that was acknowledged");
	check(w, value);
	keep_token(w, token);
	if (w->step == STEP_WAIT)
		w->left--;
	else
		jobs_answered(w, 1);
}

void jobs_found_nothing(struct worker *w)
{
	if (!w->jobs->draining)
		wrong("a pop found nothing, but jobs are waiting");
	jobs_answered(w, 1);
}

static void await(struct worker *w)
{
	while (w->left > 0)
		if (!loop_turn(&w->jobs->loop, SILENCE_MS))
			wrong("silence: worker %u, step %d, awaits %u", w->number, (int)w->step, w->left);
}

// --- work ---

static void fill(struct worker *w)
{
	struct jobs *j = w->jobs;
	double seconds = j->opt.seconds;
	j->opt.seconds = 0; // one step, and no other after it
	for (uint32_t left = j->opt.prefill, n; left > 0; left -= n) {
		n = left < FILL_BATCH ? left : FILL_BATCH;
		begin(w, STEP_PUSH, n);
		await(w);
	}
	j->opt.seconds = seconds;
}

static void mind_time(struct jobs *j)
{
	uint64_t now = j->loop.now;
	if (!j->warm && now - j->start >= j->opt.warmup_ms * 1000000ULL) {
		j->warm = true;
		j->start = now;
		j->first = j->acked;
		memset(&j->pops, 0, sizeof j->pops);
	}
	if (j->warm && !j->stopping && (double)(now - j->start) >= j->opt.seconds * 1e9) {
		j->stopping = true;
		j->end = now;
		j->last = j->acked;
	}
}

static bool all_idle(const struct jobs *j)
{
	for (uint32_t i = 0; i < j->opt.workers; i++)
		if (!j->workers[i].idle)
			return false;
	return true;
}

static void drain(struct jobs *j)
{
	j->draining = true;
	if (j->opt.prefill > 0 || j->opt.dialect->bare)
		return;
	begin(&j->workers[0], STEP_POP, 1);
	await(&j->workers[0]);
}

static void work(struct jobs *j)
{
	fill(&j->workers[0]);
	j->start = j->loop.now = clock_ns();
	for (uint32_t i = 0; i < j->opt.workers; i++)
		begin(&j->workers[i], STEP_PUSH, j->opt.batch);
	while (!all_idle(j)) {
		if (!loop_turn(&j->loop, SILENCE_MS))
			wrong("silence after %llu jobs", (unsigned long long)j->acked);
		mind_time(j);
	}
	drain(j);
	double seconds = (double)(j->end - j->start) / 1e9, count = (double)(j->last - j->first);
	printf(
	    "{\"jobs\": %llu, \"per_second\": %.0f, \"us_a_job\": %.3f, \"pop_p50_us\": %.2f, \"pop_p99_us\": %.2f}\n",
	    (unsigned long long)j->acked, count / seconds, seconds * 1e6 / count, histogram_us(&j->pops, 0.5),
	    histogram_us(&j->pops, 0.99));
}

// --- wakes ---

static void pause_us(uint32_t us)
{
	nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000L}, NULL);
}

// The pop has been read and found nothing.
static void settle(struct worker *waiter, struct worker *pusher)
{
	struct worker *asked = waiter->jobs->opt.dialect->waiter_settles ? waiter : pusher;
	uint32_t left = waiter->left;
	begin(asked, STEP_PING, 1);
	await(asked);
	waiter->step = STEP_WAIT;
	waiter->left = left;
}

static void wake(struct worker *waiter, struct worker *pusher, struct histogram *times)
{
	begin(waiter, STEP_WAIT, 1);
	settle(waiter, pusher);
	pause_us(waiter->jobs->opt.pause_us);
	begin(pusher, STEP_PUSH, 1);
	await(waiter);
	histogram_add(times, waiter->jobs->loop.now - pusher->began);
	await(pusher);
	begin(waiter, STEP_ACK, 1);
	await(waiter);
}

static void echo(struct worker *w, struct histogram *times)
{
	pause_us(w->jobs->opt.pause_us);
	begin(w, STEP_PUSH, 1);
	await(w);
	histogram_add(times, w->jobs->loop.now - w->began);
}

static void wakes(struct jobs *j)
{
	for (uint32_t i = 0; i < j->opt.rounds; i++) {
		if (j->opt.dialect->bare)
			echo(&j->workers[0], &j->wakes);
		else
			wake(&j->workers[0], &j->workers[1], &j->wakes);
	}
	printf("{\"wakes\": %u, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", j->opt.rounds, histogram_us(&j->wakes, 0.5),
	    histogram_us(&j->wakes, 0.99));
}

// --- options ---

static const struct number numbers[] = {
    {"port", offsetof(struct jobs_options, port), 1, 65535},
    {"workers", offsetof(struct jobs_options, workers), 1, 1000},
    {"batch", offsetof(struct jobs_options, batch), 1, 1000},
    {"size", offsetof(struct jobs_options, size), JOB_HEAD, 65535},
    {"prefill", offsetof(struct jobs_options, prefill), 0, 100000000},
    {"wakes", offsetof(struct jobs_options, rounds), 1, 1000000},
    {"pause-us", offsetof(struct jobs_options, pause_us), 0, 1000000},
    {"warmup-ms", offsetof(struct jobs_options, warmup_ms), 0, 60000},
};

enum { NUMBER_COUNT = sizeof numbers / sizeof numbers[0], PEER = 1, SECONDS, WHOLE, OTHERS = 3 };

static _Noreturn void usage(void)
{
	fputs("usage: jobs --peer wherry|beanstalkd|echo --port N [--workers N] [--batch N] [--whole] [--size N]\n"
	      "            [--prefill N] [--warmup-ms N] (--seconds S | --wakes N [--pause-us N])\n",
	    stderr);
	exit(2);
}

static const struct job_dialect *find(const char *name)
{
	static const struct job_dialect *const all[] = {&wherry_jobs, &beanstalkd_jobs, &echo_jobs};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	usage();
}

static void take_option(struct jobs_options *o, int name)
{
	if (name >= NUMBERS) {
		if (!number_read(&numbers[name - NUMBERS], optarg, o))
			usage();
	} else if (name == PEER) {
		o->dialect = find(optarg);
	} else if (name == SECONDS) {
		o->seconds = strtod(optarg, NULL);
	} else if (name == WHOLE) {
		o->whole = true;
	} else {
		usage();
	}
}

static struct jobs_options read_options(int argc, char **argv)
{
	struct option names[OTHERS + NUMBER_COUNT + 1] = {
	    {"peer", 1, NULL, PEER}, {"seconds", 1, NULL, SECONDS}, {"whole", 0, NULL, WHOLE}};
	for (int i = 0; i < NUMBER_COUNT; i++)
		names[OTHERS + i] = (struct option){numbers[i].name, 1, NULL, NUMBERS + i};
	struct jobs_options o = {.workers = 8, .batch = 1, .size = 64, .pause_us = 1000, .warmup_ms = 100};
	for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;)
		take_option(&o, name);
	if (optind < argc || !o.dialect || !o.port || (o.seconds > 0) == (o.rounds > 0))
		usage();
	if (o.rounds)
		o.workers = o.dialect->bare ? 1 : 2;
	return o;
}

// --- from start to end ---

static void open_worker(struct jobs *j, uint32_t number)
{
	struct worker *w = &j->workers[number];
	*w = (struct worker){.jobs = j, .number = number, .conn.take = j->opt.dialect->take};
	w->after = must_alloc(j->opt.workers, sizeof *w->after);
	int fd = dial("127.0.0.1", (uint16_t)j->opt.port);
	j->opt.dialect->greet(fd, j->queue);
	loop_add(&j->loop, &w->conn, fd);
}

static void open_all(struct jobs *j)
{
	loop_open(&j->loop, 1U << 20);
	(void)snprintf(j->queue, sizeof j->queue, "bench-%d", (int)getpid());
	j->content = must_alloc(1, j->opt.size);
	for (uint32_t i = 0; i < j->opt.size; i++)
		j->content[i] = (uint8_t)('a' + i * 7 % 26);
	j->workers = must_alloc(j->opt.workers, sizeof *j->workers);
	for (uint32_t i = 0; i < j->opt.workers; i++)
		open_worker(j, i);
}

static void close_all(struct jobs *j)
{
	for (uint32_t i = 0; i < j->opt.workers; i++) {
		conn_close(&j->workers[i].conn);
		free(j->workers[i].after);
		free(j->workers[i].seen);
		free(j->workers[i].tokens);
	}
	free(j->workers);
	free(j->content);
	loop_close(&j->loop);
}

int main(int argc, char **argv)
{
	struct jobs *j = must_alloc(1, sizeof *j);
	j->opt = read_options(argc, argv);
	open_all(j);
	if (j->opt.rounds)
		wakes(j);
	else
		work(j);
	close_all(j);
	free(j);
	return 0;
}
