// What a module needs of a broker, without a wire: store, router, timers, modules; a clock that stands until it is told to
// go on; a sink that keeps every unit in memory; one session.  All modules of it are checked while they run,
// but in a plain one: there what they are lent is the store's own memory, and what they do to it is done.
//
// Threads: the trial's main thread is also the control thread; the router's and the timers' own run beside it.

#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H

#include "codec/request.h"
#include "conformance/trial.h"
#include "module/instance.h"
#include "store/sink.h"

struct unit_kept {
	size_t at, len; // in `bytes`
};

struct world_sink {
	struct store_sink face;
	struct store *store;
	pthread_mutex_t lock;
	struct buffer units, bytes; // struct unit_kept, and what they hold
	uint64_t first;             // LSN of the first one
};

struct reply {
	enum { REPLY_VALUE, REPLY_ERROR, REPLY_PARKED } kind;
	int status;
	wherry_span value, text; // lent until the next request of the world
};

struct world {
	struct trial *trial;
	struct logger log;
	struct clock clock;
	_Atomic int64_t now_ms;
	struct timers *timers;
	struct store *store;
	struct world_sink sink;
	struct bus *bus;
	struct router *router;
	struct router_limits limits;
	struct bus_limits bus_limits;
	struct modules *modules;
	char dir[4096];
	struct session session;
	struct buffer answer, request;
	uint32_t next_id;
	atomic_uint late; // answers of parked requests so far
};

void world_open(struct world *, struct trial *); // with what the module needs, or the trial fails
void world_open_plain(struct world *, struct trial *);
void world_close(struct world *);
int world_try_load(struct world *, char *why, size_t room);
void world_load(struct world *); // or the trial fails
void world_reload(struct world *);
void world_unload(struct world *); // within drain_ms, or the trial fails

struct checked *world_checked(struct world *);
struct digest world_digest(struct world *, uint64_t *keys);
bool digest_is(struct digest, struct digest);
// Time goes on, and what is due by then is done: keys expire, alarms ring.
void world_pass(struct world *, int64_t ms);
// All units replayed into an empty store give what is live: else the trial fails, naming `when`.
void world_check_replay(struct world *, const char *when);

// talk.c: one request, by the only session.  It is told to the trial first, and what the broker says of the module
// meanwhile is looked at.
struct reply world_ask(struct world *, wherry_span request);
const char *reply_show(const struct reply *, char *text, size_t room); // for people
void session_begin(struct world *);
void session_finish(struct world *);

// sink.c
void sink_open(struct world_sink *);
void sink_attach(struct world_sink *, struct store *);
void sink_close(struct world_sink *);

// print.c: a request object as the command line would write it.
const char *request_print(wherry_span request, char *text, size_t room);
void value_print(struct line *, wherry_span value, unsigned depth); // as JSON; cut where it is long

#endif
