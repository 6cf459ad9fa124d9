// The runner: the broker's own thread for requests that no connection's thread brings: submitted ones, timers', alarms,
// expiry of keys, woken requests after a time-out or a wake().

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "run/inside.h"

enum { EXPIRE_BATCH = 256, REST_MS_MOST = 1000 };

static void submitted_run(struct router *r, const struct submitted *s)
{
	struct buffer out = {0};
	run_internal(r, s->ns, span_of(s->bytes, s->len), &out);
	buffer_free(&out);
}

static int submit(struct router *r, uint32_t ns, wherry_span request)
{
	struct submitted *s = mem_alloc(sizeof(*s) + request.len);
	if (s == NULL)
		return WHERRY_ENOMEM;
	*s = (struct submitted){NULL, ns, request.len};
	memcpy(s->bytes, request.ptr, request.len);
	pthread_mutex_lock(&r->runner.lock);
	bool stopped = r->runner.stop;
	if (!stopped) {
		*(r->runner.last != NULL ? &r->runner.last->next : &r->runner.first) = s;
		r->runner.last = s;
		pthread_cond_signal(&r->runner.wake);
	}
	pthread_mutex_unlock(&r->runner.lock);
	if (stopped)
		mem_free(s);
	return stopped ? WHERRY_ESHUTDOWN : WHERRY_OK;
}

int router_submit(struct router *r, wherry_span request)
{
	struct codec_limits limits = router_codec_limits(r);
	const char *why;
	size_t at;
	if (cursor_check(request, &limits, &why, &at) != 1)
		return WHERRY_EARG;
	struct cursor cursor = cursor_of(request);
	struct request sliced;
	if (request_slice(&cursor, &sliced, &why) != WHERRY_OK || sliced.kind == REQUEST_RESPONSE)
		return WHERRY_EARG;
	atomic_fetch_add_explicit(&r->submits, 1, memory_order_relaxed);
	return submit(r, STORE_NS_DEFAULT, request);
}

// A due alarm: its type's command with the key, in the key's namespace.  At once: the runner is the one that calls.
static void alarm_due(void *arg, uint32_t ns, uint32_t type, wherry_span key)
{
	struct router *r = arg;
	unsigned token = router_enter(r);
	const struct command *c = command_of_alarm(router_commands(r), type);
	struct buffer request = {0}, out = {0};
	if (c != NULL) {
		struct wherry_out pack = {&request, NULL};
		pack_array(&pack, 3);
		pack_int(&pack, REQUEST_NOTIFY);
		pack_cstring(&pack, c->name);
		pack_array(&pack, 1);
		pack_raw(&pack, key);
	}
	router_leave(r, token);
	if (request.len > 0 && !request.failed)
		run_internal(r, ns, buffer_span(&request), &out);
	buffer_free(&request);
	buffer_free(&out);
}

static void drain_ready(struct router *r)
{
	r->runner.drain_ready = false; // set again, should it not come to an end
	pthread_mutex_unlock(&r->runner.lock);
	park_run_ready(r);
	router_flush(r);
	pthread_mutex_lock(&r->runner.lock);
}

static void run_submitted(struct router *r)
{
	struct submitted *s = r->runner.first;
	r->runner.first = s->next;
	if (r->runner.first == NULL)
		r->runner.last = NULL;
	pthread_mutex_unlock(&r->runner.lock);
	submitted_run(r, s);
	mem_free(s);
	pthread_mutex_lock(&r->runner.lock);
}

static void expire(struct router *r)
{
	r->runner.due_ms = INT64_MAX; // what becomes due meanwhile sets it again
	pthread_mutex_unlock(&r->runner.lock);
	int64_t due = store_expire(r->config.store, clock_unix_ms(r->config.clock), EXPIRE_BATCH, alarm_due, r);
	// What was told of it may have waited for a flush that has come to pass in between.
	emits_release(r, store_durable_lsn(r->config.store), store_failed(r->config.store));
	router_flush(r);
	pthread_mutex_lock(&r->runner.lock);
	if (due < r->runner.due_ms)
		r->runner.due_ms = due;
}

// The wall clock may jump, so it is looked at again at least every second while anything has a deadline.
static void rest(struct router *r, int64_t until_ms)
{
	int64_t ms = until_ms - clock_unix_ms(r->config.clock);
	if (until_ms == INT64_MAX) {
		pthread_cond_wait(&r->runner.wake, &r->runner.lock);
		return;
	}
	ms = ms > REST_MS_MOST ? REST_MS_MOST : ms < 1 ? 1 : ms;
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	int64_t ns = at.tv_nsec + ms % 1000 * 1000000;
	at.tv_sec += ms / 1000 + ns / 1000000000;
	at.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(&r->runner.wake, &r->runner.lock, &at);
}

// Some of each, so that none keeps another from running.  False: there was nothing.
static bool run_some(struct router *r)
{
	struct runner *me = &r->runner;
	bool woken = me->drain_ready, submitted = me->first != NULL;
	if (woken)
		drain_ready(r);
	if (submitted)
		run_submitted(r);
	bool due = me->due_ms <= clock_unix_ms(r->config.clock);
	if (due)
		expire(r);
	return woken || submitted || due;
}

static void *runner_main(void *arg)
{
	struct router *r = arg;
	struct runner *me = &r->runner;
	pthread_setname_np(pthread_self(), "wherry:runner");
	pthread_mutex_lock(&me->lock);
	while (!me->stop || me->first != NULL || me->drain_ready)
		if (!run_some(r))
			rest(r, me->due_ms);
	pthread_mutex_unlock(&me->lock);
	return NULL;
}

void runner_drain_ready(struct router *r)
{
	pthread_mutex_lock(&r->runner.lock);
	r->runner.drain_ready = true;
	pthread_cond_signal(&r->runner.wake);
	pthread_mutex_unlock(&r->runner.lock);
}

void router_next_due(struct router *r, int64_t unix_ms)
{
	pthread_mutex_lock(&r->runner.lock);
	if (unix_ms < r->runner.due_ms) {
		r->runner.due_ms = unix_ms;
		pthread_cond_signal(&r->runner.wake);
	}
	pthread_mutex_unlock(&r->runner.lock);
}

int runner_open(struct router *r)
{
	struct runner *me = &r->runner;
	me->due_ms = INT64_MAX;
	pthread_mutex_init(&me->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&me->wake, &attr);
	pthread_condattr_destroy(&attr);
	me->started = thread_start(&me->thread, runner_main, r);
	return me->started ? WHERRY_OK : WHERRY_EAGAIN;
}

// What was submitted, and whoever is woken, still runs; then the thread ends.
void runner_stop(struct router *r)
{
	struct runner *me = &r->runner;
	pthread_mutex_lock(&me->lock);
	me->stop = true;
	pthread_cond_signal(&me->wake);
	pthread_mutex_unlock(&me->lock);
	if (me->started)
		pthread_join(me->thread, NULL);
}

void runner_close(struct router *r)
{
	struct runner *me = &r->runner;
	pthread_mutex_destroy(&me->lock);
	pthread_cond_destroy(&me->wake);
}
