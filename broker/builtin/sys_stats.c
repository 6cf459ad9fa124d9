// sys.stats: all counters of all layers, and how long commands take.

#include "builtin/sys.h"

#include <stdio.h>
#include <unistd.h>

#include "base/histogram.h"
#include "broker.h"
#include "builtin/rows.h"
#include "config.h"

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
	NUMBER(&map, s, slow);
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
	NUMBER(&map, s, published);
	NUMBER(&map, s, publish_dropped);
	NUMBER(&map, s, pushed);
	NUMBER(&map, s, push_dropped);
	NUMBER(&map, s, pulled);
	add_map(all, "wire", &map);
}

static void add_bus(struct rows *all, const wherry_broker *b)
{
	struct bus_stats s;
	struct rows map;
	bus_read_stats(b->bus, &s);
	rows_begin(&map);
	NUMBER(&map, s, subscriptions);
	NUMBER(&map, s, filters);
	NUMBER(&map, s, published);
	NUMBER(&map, s, matched);
	NUMBER(&map, s, delivered);
	NUMBER(&map, s, dropped);
	NUMBER(&map, s, forgotten);
	NUMBER(&map, s, retained);
	NUMBER(&map, s, retained_bytes);
	add_map(all, "bus", &map);
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

static void add_messages(struct rows *all, const wherry_broker *b)
{
	struct bus_stats s;
	struct rows map;
	bus_read_stats(b->bus, &s);
	rows_begin(&map);
	NUMBER(&map, s, subscriptions);
	NUMBER(&map, s, filters);
	NUMBER(&map, s, published);
	NUMBER(&map, s, matched);
	NUMBER(&map, s, delivered);
	NUMBER(&map, s, dropped);
	NUMBER(&map, s, forgotten);
	NUMBER(&map, s, retained);
	NUMBER(&map, s, retained_bytes);
	add_map(all, "messages", &map);
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

static void add_ns(struct rows *map, struct wherry_broker *b, uint32_t ns, int64_t now_ms)
{
	struct rows counts;
	rows_begin(&counts);
	rows_number(&counts, "keys", store_live_keys(b->store, ns, now_ms));
	add_map(map, store_ns_name(b->store, ns), &counts);
}

static void add_namespaces(struct rows *all, struct wherry_broker *b, int64_t now_ms)
{
	struct rows map;
	rows_begin(&map);
	uint32_t count = store_ns_count(b->store);
	for (uint32_t ns = 0; ns < count; ns++)
		add_ns(&map, b, ns, now_ms);
	add_map(all, "namespaces", &map);
}

static void add_holding(void *arg, const struct module_info *info)
{
	if (!info->builtin)
		rows_number(arg, info->name, info->memory);
}

// 0: not told.
static uint64_t resident(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");
	if (statm == NULL)
		return 0;
	if (fscanf(statm, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(statm);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_memory(struct rows *all, const wherry_broker *b)
{
	struct store_stats s;
	struct rows map, modules;
	store_read_stats(b->store, &s);
	rows_begin(&map);
	rows_number(&map, "used", s.memory);
	rows_int(&map, "limit", atomic_load(&b->options[broker_option_index("max_memory")].number));
	rows_number(&map, "table", s.table_bytes);
	rows_number(&map, "resident", resident());
	rows_begin(&modules);
	modules_each(b->modules, add_holding, &modules);
	add_map(&map, "modules", &modules);
	add_map(all, "memory", &map);
}

static void add_share(struct rows *map, const char *name, const struct command_times *t, double share)
{
	uint64_t ns = histogram_percentile(t->bucket, share);
	rows_name(map, name);
	pack_real(&map->out, (double)(ns < t->longest_ns ? ns : t->longest_ns) / 1000);
}

static void add_buckets(struct rows *map, const struct command_times *t)
{
	struct rows list;
	rows_begin(&list);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (t->bucket[i] == 0)
			continue;
		pack_array(&list.out, 2);
		if (histogram_upper(i) == UINT64_MAX)
			pack_nil(&list.out);
		else
			pack_uint(&list.out, histogram_upper(i));
		pack_uint(&list.out, t->bucket[i]);
		list.count++;
	}
	rows_name(map, "buckets");
	map->bytes.failed |= rows_end_list(&list, &map->out) != WHERRY_OK;
}

static void add_command(struct rows *commands, const struct command *c, bool buckets)
{
	struct command_times t;
	struct rows map;
	command_read(c, &t);
	if (t.calls == 0)
		return;
	rows_begin(&map);
	rows_number(&map, "calls", t.calls);
	rows_number(&map, "errors", t.errors);
	add_share(&map, "p50_us", &t, 0.5);
	add_share(&map, "p99_us", &t, 0.99);
	add_share(&map, "p999_us", &t, 0.999);
	rows_name(&map, "max_us");
	pack_real(&map.out, (double)t.longest_ns / 1000);
	if (buckets)
		add_buckets(&map, &t);
	add_map(commands, c->name, &map);
}

static void add_commands(struct rows *all, const wherry_broker *b, bool buckets)
{
	struct rows map;
	rows_begin(&map);
	unsigned token = router_enter(b->router);
	const struct command_table *table = router_commands(b->router);
	for (uint32_t i = 0; i < command_count(table); i++)
		add_command(&map, command_at(table, i), buckets);
	router_leave(b->router, token);
	add_map(all, "commands", &map);
}

int32_t sys_stats(void *self, wherry_call *call)
{
	wherry_broker *b = self;
	struct rows all;
	rows_begin(&all);
	add_router(&all, b);
	add_wire(&all, b);
	add_bus(&all, b);
	add_store(&all, b);
	add_messages(&all, b);
	add_memory(&all, b);
	add_namespaces(&all, b, call->now_ms);
	add_modules(&all, b);
	add_commands(&all, b, call->args[0].kind == WHERRY_BOOL && call->args[0].as.i != 0);
	return rows_end_map(&all, call->reply);
}
