// The built-in module "sys": the broker shows itself and is told to stop.

#include "builtin/announce.h"
#include "builtin/sys.h"

#include <stdio.h>
#include <unistd.h>

#include "broker.h"
#include "builtin/describe.h"
#include "builtin/rows.h"
#include "control.h"

static int32_t run_ping(void *self, wherry_call *call)
{
	(void)self;
	pack_cstring(call->reply, "PONG");
	return WHERRY_OK;
}

static uint64_t all_keys(struct store *store, int64_t now_ms)
{
	uint64_t keys = 0;
	for (uint32_t ns = 0; ns < store_ns_count(store); ns++)
		keys += store_live_keys(store, ns, now_ms);
	return keys;
}

static void add_urls(struct rows *map, const wherry_broker *b)
{
	rows_name(map, "listeners");
	unsigned count = atomic_load(&b->url_count);
	pack_array(&map->out, count);
	for (unsigned i = 0; i < count; i++)
		pack_cstring(&map->out, b->urls[i]);
}

static void add_module(void *arg, const struct module_info *info)
{
	struct rows *list = arg;
	pack_cstring(&list->out, info->name);
	list->count++;
}

static void add_modules(struct rows *map, const wherry_broker *b)
{
	struct rows list;
	rows_begin(&list);
	modules_each(b->modules, add_module, &list);
	rows_name(map, "modules");
	map->bytes.failed |= rows_end_list(&list, &map->out) != WHERRY_OK;
}

static void add_counts(struct rows *map, const wherry_broker *b)
{
	struct router_stats router;
	struct server_stats server = {0};
	struct store_stats store;
	store_read_stats(b->store, &store); // store_memory() is cheaper, but only about right
	router_read_stats(b->router, &router);
	if (b->server != NULL)
		server_read_stats(b->server, &server);
	rows_number(map, "memory", store.memory);
	rows_number(map, "keys", all_keys(b->store, clock_unix_ms(&b->clock)));
	rows_number(map, "namespaces", store_ns_count(b->store));
	rows_number(map, "connections", server.connections);
	rows_number(map, "sessions", router.sessions);
	rows_number(map, "parked", router.parked);
	rows_number(map, "requests", router.requests);
	rows_number(map, "lsn", store_lsn(b->store));
	rows_number(map, "durable_lsn", store_durable_lsn(b->store));
	rows_bool(map, "read_only", store_failed(b->store));
}

static int32_t run_info(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	char abi[32];
	snprintf(abi, sizeof(abi), "%u.%u", WHERRY_ABI_MAJOR, WHERRY_ABI_MINOR);
	struct rows map;
	rows_begin(&map);
	rows_text(&map, "version", wherry_version());
	rows_text(&map, "abi", abi);
	rows_int(&map, "pid", getpid());
	rows_int(&map, "started_ms", b->started_ms);
	rows_int(&map, "uptime_ms", call->now_ms - b->started_ms);
	add_urls(&map, b);
	add_modules(&map, b);
	add_counts(&map, b);
	return rows_end_map(&map, call->reply);
}

static int32_t run_shutdown(void *self, wherry_call *call)
{
	pack_bool(call->reply, true);
	wherry_broker_stop(self);
	return WHERRY_OK;
}

static void add_job(void *arg, uint64_t id, const char *what, bool running)
{
	struct rows *list = arg;
	pack_map(&list->out, 3);
	pack_cstring(&list->out, "id");
	pack_uint(&list->out, id);
	pack_cstring(&list->out, "what");
	pack_cstring(&list->out, what);
	pack_cstring(&list->out, "running");
	pack_bool(&list->out, running);
	list->count++;
}

static int32_t run_jobs(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct rows list;
	rows_begin(&list);
	control_each(b->control, add_job, &list);
	return rows_end_list(&list, call->reply);
}

#define OPTION_KINDS (WHERRY_BOOL | WHERRY_INT | WHERRY_TEXT)

static const wherry_arg stats_args[] = {
    ARG("buckets", WHERRY_BOOL, WHERRY_ARG_OPTION, "true: each command with its histogram"),
};

static const wherry_arg slowlog_args[] = {
    ARG("count", WHERRY_INT, WHERRY_ARG_OPTION, "at most so many, the newest ones; preset 16"),
    ARG("since", WHERRY_INT, WHERRY_ARG_OPTION, "only those with a greater id"),
    ARG("reset", WHERRY_BOOL, WHERRY_ARG_OPTION, "true: forgets all of them once they are answered"),
};

static const wherry_arg commands_args[] = {
    ARG("name", WHERRY_TEXT, WHERRY_ARG_OPTIONAL, "a command, or a module for all of its commands"),
};

static const wherry_arg config_args[] = {
    ARG("name", WHERRY_TEXT, WHERRY_ARG_OPTIONAL,
	"an option, as in the configuration file; a module's as module.option"),
    ARG("value", OPTION_KINDS, WHERRY_ARG_OPTIONAL,
	"its new value: a number (bytes, milliseconds) or bool, or text as in the configuration file: "
	"\"64KiB\", \"30s\""),
};

static const wherry_arg inspect_args[] = {
    ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ, "a key of any type"),
};

static const wherry_command commands[] = {
    COMMAND("sys.ping", "read", 0, run_ping, "Answers \"PONG\": the broker takes requests and answers them."),
    COMMAND("sys.info", "read", WHERRY_CMD_ALONE, run_info,
	"The broker as it is now, a map: version, abi (of modules), pid, started_ms, uptime_ms, listeners "
	"(URLs), "
	"modules (names), memory (of the keys, bytes), keys, namespaces, connections, sessions, parked, "
	"requests, lsn "
	"and durable_lsn (of the last change, and of the last one on disk), read_only (the disk failed)."),
    COMMAND_ARGS("sys.stats", "read", WHERRY_CMD_ALONE, sys_stats, stats_args,
	"All counters, a map of maps: router, wire and store as they count; memory: used and limit in bytes (of the "
	"keys; 0: none), table (of used, the tables of keys), resident (the whole process) and modules (what each "
	"holds); namespaces: keys of each; modules: the metrics, as module.metric; commands: of each that was called "
	"calls, errors, and how long a run took: p50_us, p99_us, p999_us and max_us, in microseconds, since the "
	"broker began.  With buckets also buckets, a list of [upper, count]: so many runs took less than upper "
	"nanoseconds (nil: the last, without a bound) but not less than the upper before it.  Of a request that "
	"waits the runs count, not the wait.  Commands of a tx.exec count, too.  Runs of one frame that together "
	"take less than 16 us count with their mean."),
    COMMAND_ARGS("sys.slowlog", "admin", WHERRY_CMD_ADMIN, sys_slowlog, slowlog_args,
	"The last requests that took slowlog_us or longer, the newest first: a list of maps with id (rises by one "
	"for each), at_ms (when it was done, Unix time), us (how long it ran), among (1; more: so many of "
	"one frame were timed as one, and this is only the likeliest), command, ns, session, client and remote (who "
	"asked; session 0: the broker itself, or one that waits again), status and args: texts, cut to "
	"slowlog_arg_bytes, secrets left out, options as name=value."),
    COMMAND_ARGS("sys.commands", "read", 0, sys_commands, commands_args,
	"What can be called: a list of maps with name, module, help, verb (for access rules), flags "
	"and args; an "
	"argument has name, kinds, flags (read or write: it is a key; optional, rest, option, "
	"topic, secret) and "
	"help.  With a name, that command or that module's only.  ENOCMD: neither."),
    COMMAND_ARGS("sys.config", "admin", WHERRY_CMD_ADMIN | WHERRY_CMD_PARKS, sys_config, config_args,
	"Without arguments all options in force, a map; with a name that option's value; with a value sets "
	"it, "
	"until the broker ends, and answers what is in force then.  Sizes are in bytes, durations in "
	"milliseconds.  EARG: unknown, not changeable while the broker runs, or not such a value."),
    COMMAND_ARGS("sys.inspect", "read", 0, sys_inspect, inspect_args,
	"How a key is kept, a map: type, head (bytes), records (how many), revision, memory (bytes "
	"of the whole "
	"key), deadline_ms and alarm_ms (Unix time, nil: none).  ENOKEY: no such key."),
    COMMAND("sys.digest", "admin", WHERRY_CMD_ADMIN | WHERRY_CMD_PARKS, sys_digest,
	"A digest of all keys of all namespaces: [64 hexadecimal digits, number of keys].  Two brokers "
	"with equal keys, "
	"values, revisions and deadlines have the same one.  Exact only while nothing changes."),
    COMMAND("sys.jobs", "read", 0, run_jobs,
	"Long work under way or waiting, a list of maps with id, what and running; the running one first."),
    COMMAND("sys.announce", "admin", WHERRY_CMD_INTERNAL, announce_numbers,
	"Publishes the broker's numbers under $sys.broker, as far as somebody listens."),
    COMMAND("sys.shutdown", "admin", WHERRY_CMD_ADMIN, run_shutdown,
	"Answers true; then the broker stops: takes no new connections, lets answers leave, unloads its "
	"modules, ends."),
};

const wherry_module builtin_sys = BUILTIN("sys", commands);
