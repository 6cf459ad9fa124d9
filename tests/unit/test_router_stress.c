// Everything at once, from many threads: sessions that push, take with waits and leave at random, time-outs, wakes, swaps
// of the command table between owners, flushes that come late or never.  At the end nothing waits and the counts add up.

#include "embed.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec/cursor.h"

enum { OWED_MS = 10000, RUN_US = 1200000 };

// --- sessions that only count ---------------------------------------------------------------------------------------

struct counter {
	struct session session;
	pthread_mutex_t lock;
	pthread_cond_t came;
	uint64_t answers; // objects, or frames of a REQ session
};

static uint64_t objects(wherry_span bytes)
{
	struct cursor at = cursor_of(bytes);
	uint64_t count = 0;
	for (; at.at < at.end; count++)
		cursor_skip(&at);
	return count;
}

static void counter_add(struct counter *c, uint64_t count)
{
	pthread_mutex_lock(&c->lock);
	c->answers += count;
	pthread_cond_signal(&c->came);
	pthread_mutex_unlock(&c->lock);
}

static int counter_deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	(void)header;
	counter_add(s->peer, objects(buffer_span(frame)));
	return WHERRY_OK;
}

static void counter_close(struct session *s, const char *why)
{
	(void)s;
	fprintf(stderr, "a session was closed: %s\n", why);
	abort(); // not the thread of the test
}

static void counter_gone(struct session *s)
{
	struct counter *c = s->peer;
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->came);
	free(c);
}

static const struct session_ops counter_ops = {counter_deliver, counter_close, counter_gone, NULL};

static struct counter *counter_open(struct harness *h, bool duplex)
{
	struct counter *c = calloc(1, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->came, NULL);
	session_open(h->router, &c->session, &counter_ops, c, duplex);
	return c;
}

// False: they did not come in time.
static bool counter_wait(struct counter *c, uint64_t owed)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += OWED_MS / 1000;
	bool in_time = true;
	pthread_mutex_lock(&c->lock);
	while (c->answers < owed && in_time)
		in_time = pthread_cond_timedwait(&c->came, &c->lock, &until) == 0;
	bool all = c->answers >= owed;
	pthread_mutex_unlock(&c->lock);
	return all;
}

// --- the threads ----------------------------------------------------------------------------------------------------

struct form {
	const char *line;
	unsigned answers, pushes;
	struct buffer frame;
};

static struct form forms[] = {
    {.line = "t.push a x", .answers = 1, .pushes = 1},
    {.line = "t.push b x ; t.push c x ; t.push a x", .answers = 3, .pushes = 3},
    {.line = "t.push c x", .answers = 1, .pushes = 1},
    {.line = "t.push b x ; t.take b a", .answers = 2, .pushes = 1},
    {.line = "t.take a --wait-ms=3", .answers = 1},
    {.line = "t.take a b c --wait-ms=1", .answers = 1},
    {.line = "t.take b a --wait-ms=20", .answers = 1},
    {.line = "t.take c --wait-ms=0", .answers = 1},
    {.line = "t.take c", .answers = 1},
    {.line = "t.take b --wait-ms=2 ; t.set s x ; t.take c --wait-ms=2 ; t.get s", .answers = 4},
    {.line = "t.take d --wait-ms=5", .answers = 1},
    {.line = "t.nudge a 2", .answers = 1},
    {.line = "t.nudge d 5 ; t.gte", .answers = 2},
    {.line = "t.set s y ; t.emit s other z", .answers = 2},
};
enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

struct stress {
	struct harness h;
	atomic_bool end;
	atomic_uint_fast64_t pushed, emitted, owed, sessions, swaps, woken;
	atomic_uint seeds, lost; // lost: sessions that waited for answers in vain
};

static unsigned rnd(unsigned *seed, unsigned below)
{
	return (unsigned)rand_r(seed) % below;
}

static void pause_us(long us)
{
	struct timespec pause = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&pause, NULL);
}

static uint64_t send_form(struct stress *s, struct counter *c, const struct form *form)
{
	struct buffer out = {0};
	wherry_span header = c->session.duplex ? span_of(NULL, 0) : span_of("\x80\0\0\1", 4);
	atomic_fetch_add(&s->pushed, form->pushes);
	atomic_fetch_add(&s->emitted, form == &forms[FORMS - 1]);
	router_frame(s->h.router, &c->session, header, buffer_span(&form->frame), &out);
	if (out.len > 0)
		counter_add(c, objects(buffer_span(&out)));
	buffer_free(&out);
	return form->answers;
}

static void one_session(struct stress *s, unsigned *seed)
{
	struct counter *c = counter_open(&s->h, rnd(seed, 2) == 0);
	uint64_t owed = 0;
	for (unsigned left = rnd(seed, 40); left > 0; left--)
		owed += send_form(s, c, &forms[rnd(seed, FORMS)]);
	if (rnd(seed, 3) > 0) { // else it leaves without its answers
		atomic_fetch_add(&s->owed, owed);
		if (!counter_wait(c, owed))
			atomic_fetch_add(&s->lost, 1);
	}
	atomic_fetch_add(&s->sessions, 1);
	session_end(s->h.router, &c->session);
}

static void *clients(void *arg)
{
	struct stress *s = arg;
	unsigned seed = atomic_fetch_add(&s->seeds, 1) + 100;
	while (!atomic_load(&s->end))
		one_session(s, &seed);
	return NULL;
}

static void *swaps(void *arg)
{
	struct stress *s = arg;
	struct command_owner owners[2] = {s->h.owner, s->h.owner};
	unsigned seed = 7;
	while (!atomic_load(&s->end)) {
		router_publish(s->h.router, harness_table(&s->h, &owners[rnd(&seed, 2)]));
		atomic_fetch_add(&s->swaps, 1);
		pause_us(rnd(&seed, 5000));
	}
	router_publish(s->h.router, harness_table(&s->h, &s->h.owner));
	return NULL;
}

// Wakes whoever happens to have one of the last tickets.
static void *wakes(void *arg)
{
	struct stress *s = arg;
	unsigned seed = 8;
	struct counter *c = counter_open(&s->h, true);
	struct buffer sleep = {0}, out = {0};
	embed_encode("t.sleep", &sleep);
	while (!atomic_load(&s->end)) {
		router_frame(s->h.router, &c->session, span_of(NULL, 0), buffer_span(&sleep),
		    &out); // tells its ticket
		buffer_clear(&out);
		uint64_t last = atomic_load(&s->h.ticket);
		for (int i = 0; i < 50; i++)
			if (router_wake(s->h.router, last - rnd(&seed, 100)) == WHERRY_OK)
				atomic_fetch_add(&s->woken, 1);
		router_wake(s->h.router, last);
		pause_us(rnd(&seed, 500));
	}
	session_end(s->h.router, &c->session);
	buffer_free(&sleep);
	buffer_free(&out);
	return NULL;
}

static void *flushes(void *arg)
{
	struct stress *s = arg;
	unsigned seed = 9;
	while (!atomic_load(&s->end)) {
		pause_us(rnd(&seed, 3000));
		test_sink_release(s->h.sink);
	}
	test_sink_flow(s->h.sink); // who waits for an answer still gets it
	return NULL;
}

// From the middle on nothing waits any more.
static void *drains(void *arg)
{
	struct stress *s = arg;
	pause_us(500000);
	router_drain(s->h.router);
	return NULL;
}

static uint64_t left_in(struct harness *h)
{
	uint64_t left = 0;
	struct peer *p = peer_open(h, true);
	static const char *const take[] = {"t.pop a", "t.pop b", "t.pop c", "t.pop d"};
	for (int i = 0; i < 4; i++) {
		for (bool more = true; more; left += more) {
			char *answer = peer_send(p, take[i]);
			more = strcmp(answer, "null") != 0;
			free(answer);
		}
	}
	peer_close(p);
	return left;
}

static void run_threads(void *arg, void *(*const runs[])(void *), unsigned count)
{
	pthread_t thread[16];
	for (unsigned i = 0; i < count; i++)
		pthread_create(&thread[i], NULL, runs[i], arg);
	for (unsigned i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
}

static void *ends(void *arg)
{
	struct stress *s = arg;
	pause_us(RUN_US);
	atomic_store(&s->end, true);
	return NULL;
}

static void check_counts(struct stress *s, uint64_t left)
{
	uint64_t sessions = s->sessions + 2; // with that of the wakes, and that of left_in()
	uint64_t taken = s->h.published - s->emitted;
	print_message("%lu sessions, %lu answers waited for, %lu pushed, %lu taken, %lu left, %lu swaps, %lu wakes\n",
	    (unsigned long)sessions, (unsigned long)s->owed, (unsigned long)s->pushed, (unsigned long)taken,
	    (unsigned long)left, (unsigned long)s->swaps, (unsigned long)s->woken);
	assert_int_equal(s->lost, 0);
	assert_int_equal(s->h.ended, sessions);
	assert_int_equal(taken + left, s->pushed);
	assert_true(s->pushed > 0 && s->woken > 0 && s->swaps > 0);
}

static void counts_add_up(bool with_sink, void *(*last)(void *))
{
	void *(*const runs[])(void *) = {
	    clients, clients, clients, clients, clients, clients, swaps, wakes, ends, last};
	struct stress s = {.h = {0}};
	harness_open(&s.h, with_sink);
	for (unsigned i = 0; i < FORMS; i++)
		embed_encode(forms[i].line, &forms[i].frame);
	if (last == flushes)
		test_sink_hold(s.h.sink);
	run_threads(&s, runs, last != NULL ? 10 : 9);
	harness_wait_parked(&s.h, 0);
	uint64_t left = left_in(&s.h);
	harness_close(&s.h);
	check_counts(&s, left);
	for (unsigned i = 0; i < FORMS; i++)
		buffer_free(&forms[i].frame);
}

static void counts_add_up_without_a_log(void **state)
{
	(void)state;
	counts_add_up(false, NULL);
}

static void counts_add_up_with_late_flushes(void **state)
{
	(void)state;
	counts_add_up(true, flushes);
}

static void counts_add_up_when_it_is_drained(void **state)
{
	(void)state;
	counts_add_up(true, drains);
}

// --- a flush fails under load ---------------------------------------------------------------------------------------

enum { WRITERS = 6, SETS_MOST = 200000 };
enum { UNKNOWN, KEPT, LOST }; // what became of a set

struct failing {
	struct harness h;
	atomic_bool end;
	atomic_uint next;
	_Atomic uint8_t fate[WRITERS][SETS_MOST];
	_Atomic uint8_t seen[WRITERS][SETS_MOST]; // somebody was told that the key has it
	atomic_uint_fast64_t highest;             // revision that somebody was told
	atomic_uint kept, lost, wrong;
};

static void note_set(struct failing *f, unsigned writer, unsigned i, const char *answer)
{
	char *end;
	uint64_t revision = strtoull(answer, &end, 10), known = atomic_load(&f->highest);
	bool kept = end != answer && *end == 0;
	atomic_fetch_add(kept ? &f->kept : &f->lost, 1);
	atomic_store(&f->fate[writer][i], kept ? KEPT : LOST);
	if (!kept && strncmp(answer, "EIO: ", 5) != 0)
		atomic_fetch_add(&f->wrong, 1);
	while (kept && revision > known && !atomic_compare_exchange_weak(&f->highest, &known, revision))
		;
}

static void note_get(struct failing *f, unsigned writer, const char *answer)
{
	unsigned i;
	if (sscanf(answer, "\"v%u\"", &i) == 1 && i < SETS_MOST)
		atomic_store(&f->seen[writer][i], 1);
	else if (strcmp(answer, "null") != 0 && strncmp(answer, "EIO: ", 5) != 0)
		atomic_fetch_add(&f->wrong, 1);
}

static void set_and_get(struct failing *f, struct peer *p, unsigned writer, unsigned i, unsigned other)
{
	char line[64];
	snprintf(line, sizeof(line), "t.set k%u v%u ; t.get k%u", writer, i, other);
	char *text = peer_send(p, line);
	if (text[0] == 0 || strcmp(text, "late") == 0) {
		free(text);
		text = peer_late(p);
	}
	char *second = strstr(text, " ; ");
	if (second != NULL) {
		*second = 0;
		note_set(f, writer, i, text);
		note_get(f, other, second + 3);
	} else {
		atomic_fetch_add(&f->wrong, 1);
	}
	free(text);
}

static void *writes(void *arg)
{
	struct failing *f = arg;
	unsigned writer = atomic_fetch_add(&f->next, 1), seed = writer;
	struct peer *p = peer_open(&f->h, writer % 2 == 0);
	for (unsigned i = 0; !atomic_load(&f->end) && i < SETS_MOST; i++)
		set_and_get(f, p, writer, i, rnd(&seed, WRITERS));
	peer_close(p);
	return NULL;
}

static void *flushes_then_fails(void *arg)
{
	struct failing *f = arg;
	unsigned seed = 5;
	for (int i = 0; i < 300; i++) {
		pause_us(rnd(&seed, 4000));
		test_sink_release(f->h.sink);
	}
	pause_us(3000);
	test_sink_fail(f->h.sink);
	while (atomic_load(&f->lost) < WRITERS * 2)
		pause_us(1000);
	atomic_store(&f->end, true);
	return NULL;
}

// Every answer is true, or EIO: what was acknowledged or shown to anybody is durable.
static void a_flush_fails_under_load(void **state)
{
	(void)state;
	static void *(*const runs[])(void *) = {writes, writes, writes, writes, writes, writes, flushes_then_fails};
	struct failing *f = calloc(1, sizeof(*f));
	harness_open(&f->h, true);
	test_sink_hold(f->h.sink);
	run_threads(f, runs, 7);
	for (unsigned w = 0; w < WRITERS; w++)
		for (unsigned i = 0; i < SETS_MOST; i++)
			if (f->seen[w][i] && f->fate[w][i] == LOST)
				fail_msg("k%u had v%u, whose set was told to be lost", w, i);
	print_message(
	    "%u kept, %u told EIO, durable to %lu\n", f->kept, f->lost, (unsigned long)store_durable_lsn(f->h.store));
	assert_int_equal(f->wrong, 0);
	assert_true(f->kept > 0 && f->lost > 0);
	assert_true(f->highest <= store_durable_lsn(f->h.store));
	harness_close(&f->h);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_add_up_without_a_log),
	    cmocka_unit_test(counts_add_up_with_late_flushes),
	    cmocka_unit_test(counts_add_up_when_it_is_drained),
	    cmocka_unit_test(a_flush_fails_under_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
