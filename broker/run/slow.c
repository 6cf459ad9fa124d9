// The slow log: slow.h.  A request that is slow is written down by the thread that ran it, once it is done and nothing
// of it is locked; the log line of it is left out if the last one is less than a second old.

#include "run/slow.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "run/inside.h"
#include "run/slow_args.h"

enum { LINES_APART_MS = 1000, COMMAND_ROOM = 80, NS_ROOM = 72, WHO_ROOM = 64 };

struct slow_entry {
	struct slow_entry *newer, *older;
	struct slow_run run;
	char command[COMMAND_ROOM], module[COMMAND_ROOM], ns[NS_ROOM], client[WHO_ROOM], remote[WHO_ROOM];
	size_t len;
	uint8_t args[];
};

static void copy(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from != NULL ? from : "");
}

static void copy_session(struct router *r, struct slow_entry *e, const struct session *s)
{
	if (s == NULL)
		return;
	e->run.session = s->id;
	copy(e->remote, sizeof(e->remote), s->remote);
	pthread_mutex_lock(&r->session_lock);
	copy(e->client, sizeof(e->client), s->client);
	pthread_mutex_unlock(&r->session_lock);
}

static void point(struct slow_entry *e)
{
	e->run.command = e->command;
	e->run.module = e->module;
	e->run.ns = e->ns;
	e->run.client = e->client;
	e->run.remote = e->remote;
	e->run.args = span_of(e->args, e->len);
}

// Of a transaction the names of its commands: which of their arguments are secrets, its own table doesn't say.
static void pack_args(struct router *r, struct buffer *args, const struct worker *w, const struct timed *t)
{
	const struct bound *b = t->bound;
	size_t most = (size_t)atomic_load_explicit(&r->config.limits->slow_arg_bytes, memory_order_relaxed);
	if (w->transaction != NULL)
		transaction_pack_methods(args, w->transaction);
	else
		slow_pack_args(args, b->command, w->args + b->args, t->gone ? 0 : b->argc, most);
}

// NULL: no memory.
static struct slow_entry *entry_new(
    struct router *r, struct session *s, const struct worker *w, const struct timed *t, uint64_t ns, unsigned among)
{
	const struct bound *b = t->bound;
	struct buffer args = {0};
	pack_args(r, &args, w, t);
	struct slow_entry *e = args.failed ? NULL : mem_zalloc(sizeof(*e) + args.len);
	if (e != NULL) {
		e->run = (struct slow_run){
		    .at_ms = clock_unix_ms(r->config.clock), .us = ns / 1000, .among = among, .status = t->status};
		copy(e->command, sizeof(e->command), b->command->name);
		copy(e->module, sizeof(e->module), b->command->owner->module);
		copy(e->ns, sizeof(e->ns), store_ns_name(r->config.store, b->ns));
		copy_session(r, e, t->gone ? NULL : s);
		e->len = args.len;
		memcpy(e->args, args.data, args.len);
		point(e);
	}
	buffer_free(&args);
	return e;
}

// Under the lock.
static void drop_oldest(struct slow_log *log)
{
	struct slow_entry *e = log->oldest;
	log->oldest = e->newer;
	*(e->newer != NULL ? &e->newer->older : &log->newest) = NULL;
	log->count--;
	mem_free(e);
}

static void put(struct slow_log *log, struct slow_entry *e)
{
	e->older = log->newest;
	*(log->newest != NULL ? &log->newest->newer : &log->oldest) = e;
	log->newest = e;
	log->count++;
}

static void log_slow(struct router *r, const struct timed *t, uint64_t us, unsigned among, uint64_t left_out)
{
	const struct command *c = t->bound->command;
	log_event(r->config.log, WHERRY_LOG_WARN, "slow command", "command", c->name, "module", c->owner->module, "us",
	    LOG_NUMBER(us), "ns", store_ns_name(r->config.store, t->bound->ns), "among", LOG_NUMBER(among),
	    "not_logged_before", LOG_NUMBER(left_out), NULL);
}

void slow_note(
    struct router *r, struct session *s, const struct worker *w, const struct timed *t, uint64_t ns, unsigned among)
{
	struct slow_log *log = &r->slow;
	int64_t most = atomic_load_explicit(&r->config.limits->slow_entries, memory_order_relaxed);
	int64_t now_ms = timers_now(r->config.timers);
	struct slow_entry *e = most > 0 ? entry_new(r, s, w, t, ns, among) : NULL;
	pthread_mutex_lock(&log->lock);
	uint64_t id = atomic_fetch_add(&log->met, 1) + 1, left_out = log->left_out;
	if (e != NULL) {
		e->run.id = id;
		put(log, e);
	}
	while (log->count > (uint64_t)most)
		drop_oldest(log);
	bool tell = log->told_ms == 0 || now_ms - log->told_ms >= LINES_APART_MS;
	log->told_ms = tell ? now_ms : log->told_ms;
	log->left_out = tell ? 0 : left_out + 1;
	pthread_mutex_unlock(&log->lock);
	if (tell)
		log_slow(r, t, ns / 1000, among, left_out);
}

static void clear(struct slow_log *log)
{
	while (log->count > 0)
		drop_oldest(log);
}

void slow_each(struct router *r, bool then_clear, bool (*each)(void *arg, const struct slow_run *), void *arg)
{
	pthread_mutex_lock(&r->slow.lock);
	for (const struct slow_entry *e = r->slow.newest; e != NULL; e = e->older)
		if (!each(arg, &e->run))
			break;
	if (then_clear)
		clear(&r->slow);
	pthread_mutex_unlock(&r->slow.lock);
}

void slow_clear(struct router *r)
{
	pthread_mutex_lock(&r->slow.lock);
	clear(&r->slow);
	pthread_mutex_unlock(&r->slow.lock);
}
