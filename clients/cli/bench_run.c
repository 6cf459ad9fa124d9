// The run: lanes that keep requests under way, each on a connection of its own.
//
// Without a rate a lane sends the next request when an answer comes.  With one, each request is due at a moment that is
// fixed beforehand: request n of all at start + n / rate, whether the broker keeps up or not, and its response time counts
// from then.  A lane that has --in-flight under way sends what is due later, when an answer comes; it stays overdue.

#include "bench.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { TICK_NS = 200 * 1000 * 1000, SLACK_NS = 1000 };
static const uint64_t never = UINT64_MAX, grace_ns = UINT64_C(2000000000);

struct place { // of a request under way
	struct lane *lane;
	struct place *next; // free ones
	struct asked asked;
	uint64_t due_ns, sent_ns;
};

struct lane {
	pthread_mutex_t lock;
	struct bench *bench;
	wherry_client *client;
	struct place *places, *free;
	struct maker maker;
	uint64_t index, issued, limit; // limit: how many requests it may make
	uint64_t in_flight;
	bool over; // makes no more
	struct tally tally;
};

// --- sending, under the lane's lock -----------------------------------------------------------------------------------

static uint64_t next_due(const struct lane *lane, uint64_t now)
{
	const struct bench *b = lane->bench;
	if (b->options.rate == 0)
		return now;
	double number = (double)lane->issued * (double)b->options.connections + (double)lane->index;
	return b->start_ns + (uint64_t)(number * 1e9 / b->options.rate);
}

static void keep_first(char first[BENCH_WHAT], const wherry_error *e)
{
	char text[BENCH_WHAT - 30];
	if (first[0] != 0)
		return;
	copy_tame(text, sizeof(text), e->text);
	snprintf(first, BENCH_WHAT, "%s: %s", e->name, text);
}

static void answered(void *arg, const wherry_reply *reply);

static bool send_next(struct lane *lane, uint64_t due, uint64_t now)
{
	struct place *p = lane->free;
	wherry_request q;
	maker_next(&lane->maker, &p->asked, &q);
	p->due_ns = due;
	p->sent_ns = now;
	int status = wherry_client_send(lane->client, &q, answered, p);
	if (status != WHERRY_OK) {
		wherry_error e = {.code = status};
		snprintf(e.name, sizeof(e.name), "%s", wherry_status_name(status));
		snprintf(e.text, sizeof(e.text), "%s", wherry_status_text(status));
		keep_first(lane->tally.first_lost, &e);
		atomic_store(&lane->bench->stop, true);
		return false;
	}
	lane->free = p->next;
	lane->in_flight++;
	lane->issued++;
	lane->tally.sent++;
	return true;
}

// Sends what is due as far as places are free.  Answers when it is needed next; never: an answer will do it.
static uint64_t pump(struct lane *lane, uint64_t now)
{
	struct bench *b = lane->bench;
	while (!lane->over) {
		uint64_t due = next_due(lane, now);
		bool ended = lane->issued == lane->limit || due >= b->end_ns || atomic_load(&b->stop);
		if (!ended && lane->free == NULL)
			return never;
		if (!ended && due > now)
			return due;
		lane->over = ended || !send_next(lane, due, now);
	}
	return never;
}

// --- answers, on the client's thread ----------------------------------------------------------------------------------

// Whether the connection is gone, and the run with it.
static bool count_failure(struct tally *t, const wherry_error *e)
{
	if (!e->local) {
		t->errors++;
		t->by_code[e->code < 0 && e->code > -BENCH_CODES ? -e->code : 0]++;
		keep_first(t->first_error, e);
		return false;
	}
	t->lost++;
	keep_first(t->first_lost, e);
	return e->code != WHERRY_ETIMEOUT;
}

static void count_answer(struct lane *lane, const struct place *p, const wherry_reply *reply)
{
	struct tally *t = &lane->tally;
	const struct work *w = &lane->bench->work;
	t->answered++;
	if (!maker_check(&lane->maker, &p->asked, reply, t->wrong == 0 ? t->first_wrong : NULL))
		t->wrong++;
	if (w->acknowledged != NULL)
		atomic_fetch_add_explicit(&w->acknowledged[p->asked.key], 1, memory_order_relaxed);
}

static void measure(struct lane *lane, const struct place *p, uint64_t now)
{
	struct tally *t = &lane->tally;
	t->last_ns = now;
	t->came += now >= lane->bench->measure_ns;
	if (p->due_ns < lane->bench->measure_ns)
		return;
	t->measured++;
	histogram_add(&t->service, now - p->sent_ns);
	if (lane->bench->options.rate > 0)
		histogram_add(&t->response, now - p->due_ns);
}

static void answered(void *arg, const wherry_reply *reply)
{
	struct place *p = arg;
	struct lane *lane = p->lane;
	uint64_t now = bench_clock();
	pthread_mutex_lock(&lane->lock);
	lane->in_flight--;
	if (reply->error.code == WHERRY_OK)
		count_answer(lane, p, reply);
	else if (count_failure(&lane->tally, &reply->error))
		atomic_store(&lane->bench->stop, true);
	if (reply->error.code == WHERRY_OK || !reply->error.local)
		measure(lane, p, now);
	p->next = lane->free;
	lane->free = p;
	pump(lane, now);
	bool finished_now = lane->over && lane->in_flight == 0;
	pthread_mutex_unlock(&lane->lock);
	uint64_t one = 1;
	if (finished_now && write(lane->bench->wake, &one, sizeof(one)) < 0)
		return; // it is full: the main thread is awake as it is
}

// --- lanes ------------------------------------------------------------------------------------------------------------

// Connections share a count as evenly as it goes.
static uint64_t limit_of(const struct bench_options *o, uint64_t index)
{
	return o->count == 0 ? never : o->count / o->connections + (index < o->count % o->connections);
}

static bool make_places(struct lane *lane, uint64_t count)
{
	lane->places = calloc((size_t)count, sizeof(*lane->places));
	for (uint64_t i = 0; lane->places != NULL && i < count; i++) {
		lane->places[i] = (struct place){.lane = lane, .next = lane->free};
		lane->free = &lane->places[i];
	}
	return lane->places != NULL;
}

static int open_lane(struct bench *b, struct lane *lane, uint64_t index)
{
	const struct bench_options *o = &b->options;
	wherry_client_options more = {.size = sizeof(more), .once = 1, .name = "wherry bench"};
	more.max_pending =
	    (o->size + b->work.fixed.params.size + b->work.fixed.options.size + 4096) * (o->in_flight + 1);
	*lane = (struct lane){.bench = b, .index = index, .limit = limit_of(o, index)};
	pthread_mutex_init(&lane->lock, NULL);
	if (!maker_begin(&lane->maker, &b->work, index + 1) || !make_places(lane, o->in_flight))
		return fail(EXIT_ERROR, "out of memory");
	return cli_connect(&b->settings, &more, &lane->client);
}

int bench_open_lanes(struct bench *b)
{
	int status = 0;
	uint64_t count = b->options.connections;
	b->lanes = calloc((size_t)count, sizeof(*b->lanes));
	if (b->lanes == NULL)
		return fail(EXIT_ERROR, "out of memory");
	for (uint64_t i = 0; i < count && status == 0 && !bench_interrupted(); i++)
		status = open_lane(b, &b->lanes[i], i);
	return status;
}

void bench_close_lanes(struct bench *b)
{
	atomic_store(&b->stop, true);
	for (uint64_t i = 0; b->lanes != NULL && i < b->options.connections; i++) {
		struct lane *lane = &b->lanes[i];
		wherry_client_close(lane->client);
		lane->client = NULL;
	}
	if (b->lanes != NULL && b->start_ns != 0)
		bench_tally(b, &b->total);
	for (uint64_t i = 0; b->lanes != NULL && i < b->options.connections; i++) {
		maker_end(&b->lanes[i].maker);
		free(b->lanes[i].places);
		if (b->lanes[i].bench != NULL)
			pthread_mutex_destroy(&b->lanes[i].lock);
	}
	free(b->lanes);
	b->lanes = NULL;
}

void bench_tally(struct bench *b, struct tally *now)
{
	memset(now, 0, sizeof(*now));
	for (uint64_t i = 0; i < b->options.connections; i++) {
		pthread_mutex_lock(&b->lanes[i].lock);
		tally_merge(now, &b->lanes[i].tally);
		pthread_mutex_unlock(&b->lanes[i].lock);
	}
}

// --- the main thread --------------------------------------------------------------------------------------------------

// Answers when it is needed next; *busy: how many lanes are not finished.
static uint64_t pump_all(struct bench *b, uint64_t *busy)
{
	uint64_t next = never;
	*busy = 0;
	for (uint64_t i = 0; i < b->options.connections; i++) {
		struct lane *lane = &b->lanes[i];
		pthread_mutex_lock(&lane->lock);
		uint64_t due = pump(lane, bench_clock());
		*busy += !lane->over || lane->in_flight > 0;
		pthread_mutex_unlock(&lane->lock);
		next = due < next ? due : next;
	}
	return next;
}

static void wait_until(const struct bench *b, uint64_t until)
{
	struct pollfd woken = {.fd = b->wake, .events = POLLIN};
	uint64_t now = bench_clock(), count, span = until > now ? until - now : 0;
	struct timespec wait = {.tv_sec = (time_t)(span / 1000000000U), .tv_nsec = (long)(span % 1000000000U)};
	if (span > 0 && ppoll(&woken, 1, &wait, NULL) == 1 && read(b->wake, &count, sizeof(count)) < 0)
		return;
}

static void mind_the_end(struct bench *b, uint64_t now)
{
	if (bench_interrupted() || now >= b->end_ns)
		atomic_store(&b->stop, true);
	if (atomic_load(&b->stop) && b->stopped_ns == 0)
		b->stopped_ns = now;
}

static void begin(struct bench *b)
{
	const struct bench_options *o = &b->options;
	b->start_ns = bench_clock();
	b->measure_ns = b->start_ns + (uint64_t)(o->warmup * 1e9);
	b->end_ns = o->count > 0 ? never : b->measure_ns + (uint64_t)(o->seconds * 1e9);
	prctl(PR_SET_TIMERSLACK, SLACK_NS);
}

void bench_run(struct bench *b)
{
	uint64_t busy = 1;
	begin(b);
	while (busy > 0) {
		uint64_t next = pump_all(b, &busy), now = bench_clock();
		mind_the_end(b, now);
		bench_progress(b, now);
		if (bench_interrupted() && now > b->stopped_ns + grace_ns)
			break;
		uint64_t tick = now + TICK_NS;
		next = next < tick ? next : tick;
		if (busy > 0)
			wait_until(b, b->stopped_ns == 0 && b->end_ns < next ? b->end_ns : next);
	}
	if (b->stopped_ns == 0)
		b->stopped_ns = bench_clock();
	bench_progress_end(b);
}

uint64_t bench_due(const struct bench *b)
{
	uint64_t end = b->end_ns < b->stopped_ns ? b->end_ns : b->stopped_ns;
	double due = b->options.rate * (double)(end - b->start_ns) / 1e9;
	uint64_t all = b->options.count > 0 ? b->options.count : never;
	return due < (double)all ? (uint64_t)due : all;
}

void tally_merge(struct tally *into, const struct tally *more)
{
	into->sent += more->sent;
	into->answered += more->answered;
	into->errors += more->errors;
	into->lost += more->lost;
	into->wrong += more->wrong;
	into->measured += more->measured;
	into->came += more->came;
	into->last_ns = more->last_ns > into->last_ns ? more->last_ns : into->last_ns;
	for (unsigned i = 0; i < BENCH_CODES; i++)
		into->by_code[i] += more->by_code[i];
	if (into->first_error[0] == 0)
		memcpy(into->first_error, more->first_error, BENCH_WHAT);
	if (into->first_lost[0] == 0)
		memcpy(into->first_lost, more->first_lost, BENCH_WHAT);
	if (into->first_wrong[0] == 0)
		memcpy(into->first_wrong, more->first_wrong, BENCH_WHAT);
	histogram_merge(&into->response, &more->response);
	histogram_merge(&into->service, &more->service);
}
