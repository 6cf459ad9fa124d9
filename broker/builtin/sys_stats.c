// sys.stats: all counters of all layers.

#include "builtin/sys.h"

#include <stdio.h>

#include "broker.h"
#include "builtin/rows.h"

#define NUMBER(map, from, member) rows_number((map), #member, (from).member)

// A map under a name of the outer one.
static void add_map(struct rows *outer, const char *name, struct rows *inner)
{
	rows_name(outer, name);
	outer->bytes.failed |= rows_end_map(inner, &outer->out) != WHERRY_OK;
}

static void add_router(struct rows *all, const wherry_broker *b)
{
	struct router_stats s;
	struct rows map;
	router_read_stats(b->router, &s);
	rows_begin(&map);
	NUMBER(&map, s, requests);
	NUMBER(&map, s, errors);
	NUMBER(&map, s, frames);
	NUMBER(&map, s, bad_frames);
	NUMBER(&map, s, parked);
	NUMBER(&map, s, waiting_flush);
	NUMBER(&map, s, sessions);
	NUMBER(&map, s, submits);
	NUMBER(&map, s, restarts);
	add_map(all, "router", &map);
}

static void add_wire(struct rows *all, const wherry_broker *b)
{
	struct server_stats s = {0};
	struct rows map;
	if (b->server != NULL)
		server_read_stats(b->server, &s);
	rows_begin(&map);
	NUMBER(&map, s, connections);
	NUMBER(&map, s, accepted);
	NUMBER(&map, s, closed);
	NUMBER(&map, s, refused);
	NUMBER(&map, s, handshakes_failed);
	NUMBER(&map, s, frames_in);
	NUMBER(&map, s, frames_out);
	NUMBER(&map, s, bytes_in);
	NUMBER(&map, s, bytes_out);
	NUMBER(&map, s, resent);
	NUMBER(&map, s, oversize);
	NUMBER(&map, s, idle_closed);
	NUMBER(&map, s, stalled_closed);
	NUMBER(&map, s, accept_errors);
	add_map(all, "wire", &map);
}

static void add_store(struct rows *all, const wherry_broker *b)
{
	struct store_stats s;
	struct rows map;
	store_read_stats(b->store, &s);
	rows_begin(&map);
	NUMBER(&map, s, keys);
	NUMBER(&map, s, expired);
	NUMBER(&map, s, commits);
	NUMBER(&map, s, rollbacks);
	NUMBER(&map, s, restarts);
	NUMBER(&map, s, records_trees);
	NUMBER(&map, s, table_bytes);
	NUMBER(&map, s, memory);
	add_map(all, "store", &map);
}

static void add_metric(void *arg, const char *module, const wherry_metric *metric, int64_t value)
{
	char name[96];
	snprintf(name, sizeof(name), "%s.%s", module, metric->name);
	rows_int(arg, name, value);
}

static void add_modules(struct rows *all, const wherry_broker *b)
{
	struct rows map;
	rows_begin(&map);
	modules_each_metric(b->modules, add_metric, &map);
	add_map(all, "modules", &map);
}

static void add_commands(struct rows *all, const wherry_broker *b)
{
	struct rows map;
	rows_begin(&map);
	unsigned token = router_enter(b->router);
	const struct command_table *table = router_commands(b->router);
	for (uint32_t i = 0; i < command_count(table); i++) {
		const struct command *c = command_at(table, i);
		struct rows counts;
		if (command_calls(c) == 0)
			continue;
		rows_begin(&counts);
		rows_number(&counts, "calls", command_calls(c));
		rows_number(&counts, "errors", command_errors(c));
		add_map(&map, c->name, &counts);
	}
	router_leave(b->router, token);
	add_map(all, "commands", &map);
}

int32_t sys_stats(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct rows all;
	rows_begin(&all);
	add_router(&all, b);
	add_wire(&all, b);
	add_store(&all, b);
	add_modules(&all, b);
	add_commands(&all, b);
	return rows_end_map(&all, call->reply);
}
