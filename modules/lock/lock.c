// lock: leases with fencing tokens, and semaphores.  This file is the module's index: the type, the options, the
// arguments, the commands, the metrics.

#include "lock.h"

#define ARG(argument_kinds, argument_flags, argument_name, argument_help)                         \
	{                                                                                         \
		.size = sizeof(wherry_arg), .kinds = (argument_kinds), .flags = (argument_flags), \
		.name = (argument_name), .help = (argument_help)                                  \
	}
#define KEY(access, help) ARG(WHERRY_KEY_KINDS, WHERRY_ARG_##access, "name", help)
#define OPTION(kinds, name, help) ARG(kinds, WHERRY_ARG_OPTION, name, help)
#define TOKEN ARG(WHERRY_INT | WHERRY_UINT, 0, "token", "what lock.acquire answered")
#define SAME_PERMITS OPTION(WHERRY_INT, "permits", "how many it has, if that is to be checked: ECONFLICT if not")

static const wherry_arg acquire_args[] = {
    [ACQUIRE_NAME] = KEY(WRITE, "the lock: any name that no other key has"),
    [ACQUIRE_TTL_MS] = OPTION(WHERRY_INT, "ttl_ms",
	"it is held so many milliseconds unless it is extended or released before; lock.ttl without it"),
    [ACQUIRE_WAIT_MS] = OPTION(WHERRY_INT, "wait_ms", "wait at most so long for it; 0, the default: not at all"),
    [ACQUIRE_PERMITS] = OPTION(WHERRY_INT, "permits",
	"how many may hold it at once, 1 without it; ECONFLICT if it is held with another number"),
    [ACQUIRE_SESSION] = OPTION(WHERRY_BOOL, "session", "true: it ends with this session, if it is held until then"),
};

static const wherry_arg release_args[] = {
    [RELEASE_NAME] = KEY(WRITE, "the lock"),
    [RELEASE_TOKEN] = TOKEN,
    [RELEASE_PERMITS] = SAME_PERMITS,
};

static const wherry_arg extend_args[] = {
    [EXTEND_NAME] = KEY(WRITE, "the lock"),
    [EXTEND_TOKEN] = TOKEN,
    [EXTEND_TTL_MS] = OPTION(WHERRY_INT, "ttl_ms", "held so many milliseconds from now; lock.ttl without it"),
    [EXTEND_PERMITS] = SAME_PERMITS,
};

static const wherry_arg ended_args[] = {ARG(WHERRY_INT | WHERRY_UINT, 0, "session", "its id")};

static const wherry_arg let_go_args[] = {
    [LET_GO_NAME] = KEY(WRITE, "the lock"),
    [LET_GO_SESSION] = ARG(WHERRY_INT | WHERRY_UINT, 0, "session", "its id"),
};

static const wherry_arg expire_args[] = {KEY(WRITE, "the lock")};
static const wherry_arg show_args[] = {KEY(READ, "the lock")};

static const wherry_arg list_args[] = {
    [LIST_CURSOR] = ARG(WHERRY_INT | WHERRY_UINT, WHERRY_ARG_OPTIONAL, "cursor",
	"0, the default, to begin, then what the last answer began with"),
    [LIST_LIMIT] = OPTION(WHERRY_INT, "limit", "about how many keys are looked at; 100 without it, at most 10000"),
};

#define ARGS(table) .args = (table), .arg_count = sizeof(table) / sizeof *(table), .arg_stride = sizeof *(table)
#define COMMAND(command_name, command_verb, command_flags, command_run, command_help)                             \
	.size = sizeof(wherry_command), .flags = (command_flags), .name = (command_name), .help = (command_help), \
	.verb = (command_verb), .run = (command_run)

static const wherry_command commands[] = {
    {COMMAND("lock.acquire", "lock", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS | WHERRY_CMD_PARKS, lock_acquire,
	 "Takes the lock, or one of its permits; answers a fencing token, nil if it was not to be had within wait_ms.  "
	 "Tokens rise for ever, also when a lock has been free or deleted meanwhile: let what the lock protects refuse "
	 "a "
	 "lower token than it has seen.  Who waits is served in order of arrival.  Nobody enters twice: who holds it "
	 "and "
	 "acquires it again waits like anybody else.  A request client waits at most park_timeout: ask again."),
	ARGS(acquire_args)},
    {COMMAND("lock.release", "lock", WHERRY_CMD_WRITES, lock_release,
	 "Gives it back, and the one who waits longest has it; answers true.  ESTALE: nothing is held under that token "
	 "any more."),
	ARGS(release_args)},
    {COMMAND("lock.extend", "lock", WHERRY_CMD_WRITES, lock_extend,
	 "Holds it ttl_ms from now, longer or shorter than before; answers true.  ESTALE: nothing is held under that "
	 "token any more."),
	ARGS(extend_args)},
    {COMMAND("lock.show", "read", 0, lock_show,
	 "A map: permits, and holders, oldest first, each a map with token, session (who acquired it), held_ms, "
	 "left_ms.  "
	 "Nil if nobody holds it."),
	ARGS(show_args)},
    {COMMAND("lock.list", "read", WHERRY_CMD_SCANS, lock_list,
	 "Walks the locks that are held; answers [next cursor, [[name, permits, holders], ...]], and the cursor 0 at "
	 "the "
	 "end."),
	ARGS(list_args)},
    {COMMAND("lock.expire", "lock", WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL, lock_expire,
	 "Ends what has run out of time; those who wait longest have it."),
	ARGS(expire_args)},
    {COMMAND("lock.ended", "lock", WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL, lock_ended,
	 "Lets go of every lock that ends with a session."),
	ARGS(ended_args)},
    {COMMAND("lock.let_go", "lock", WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL, lock_let_go,
	 "Ends what a session that is over holds of a lock; those who wait longest have it."),
	ARGS(let_go_args)},
    {COMMAND("lock.sweep", "lock", WHERRY_CMD_SCANS | WHERRY_CMD_INTERNAL, lock_sweep,
	"Looks for sessions that ended while the module was not loaded, and lets go of what they held.")},
};

static const wherry_type types[] = {
    [LOCK_LOCK] = {.size = sizeof(wherry_type),
	.version = 1,
	.name = "lock.lock",
	.help = "a lock or semaphore while it is held",
	.alarm = "lock.expire"},
    [LOCK_SESSION] = {.size = sizeof(wherry_type),
	.version = 1,
	.name = "lock.session",
	.help = "which locks end with a session"},
};

enum { OPTION_TTL, OPTION_MAX_TTL, OPTION_MAX_WAIT, OPTION_MAX_PERMITS };

enum { HOUR = 3600 * 1000, DAY = 24 * HOUR };

#define HOT_OPTION(option_kind, option_name, option_preset, option_most, option_help)                           \
	{                                                                                                       \
		.size = sizeof(wherry_option), .kind = WHERRY_OPTION_##option_kind, .flags = WHERRY_OPTION_HOT, \
		.name = (option_name), .preset = (option_preset), .help = (option_help), .min = 1,              \
		.max = (option_most)                                                                            \
	}

static const wherry_option options[] = {
    [OPTION_TTL] = HOT_OPTION(DURATION, "ttl", "30s", DAY, "how long a lock is held if its caller does not say"),
    [OPTION_MAX_TTL] = HOT_OPTION(DURATION, "max_ttl", "1h", 7 * DAY, "the largest ttl_ms"),
    [OPTION_MAX_WAIT] = HOT_OPTION(DURATION, "max_wait", "1h", DAY, "the largest wait_ms"),
    [OPTION_MAX_PERMITS] = HOT_OPTION(INT, "max_permits", "1000", 10000, "the most permits of one semaphore"),
};

#define COUNTER(metric_name, metric_help)                                                                        \
	{                                                                                                        \
		.size = sizeof(wherry_metric), .kind = WHERRY_METRIC_COUNTER, .name = (metric_name), .unit = "", \
		.help = (metric_help)                                                                            \
	}

static const wherry_metric metrics[] = {
    [METRIC_GRANTED] = COUNTER("granted", "tokens given"),
    [METRIC_REFUSED] = COUNTER("refused", "callers that did not have it within wait_ms"),
    [METRIC_RELEASED] = COUNTER("released", "holds given back"),
    [METRIC_EXTENDED] = COUNTER("extended", "holds extended"),
    [METRIC_EXPIRED] = COUNTER("expired", "holds that ran out of time"),
    [METRIC_ENDED] = COUNTER("ended", "holds that ended with their session"),
    [METRIC_STALE] = COUNTER("stale", "requests with a token that held nothing any more"),
};

static void option_changed(void *self, uint32_t option)
{
	struct lock *l = self;
	_Atomic int64_t *const places[] = {&l->ttl, &l->max_ttl, &l->max_wait, &l->max_permits};
	wherry_value value;
	if (l->host->option(l->owner, option, &value) == WHERRY_OK)
		atomic_store_explicit(places[option], value.as.i, memory_order_relaxed);
}

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)why;
	struct lock *l = host->alloc(owner, sizeof *l);
	if (!l)
		return WHERRY_ENOMEM;
	*l = (struct lock){.keys = host->keys, .write = host->write, .host = host, .owner = owner};
	for (uint32_t i = 0; i < sizeof options / sizeof *options; i++)
		option_changed(l, i);
	*self = l;
	return WHERRY_OK;
}

static void unload(void *self)
{
	struct lock *l = self;
	l->host->release(l->owner, l);
}

#define LIST(list, table) \
	.list##s = (table), .list##_count = sizeof(table) / sizeof *(table), .list##_stride = sizeof *(table)

static const wherry_module module = {
    .size = sizeof(wherry_module),
    .abi = WHERRY_ABI,
    .abi_min = WHERRY_ABI,
    .name = "lock",
    .version = "0.1.0",
    LIST(command, commands),
    LIST(type, types),
    LIST(option, options),
    LIST(metric, metrics),
    .load = load,
    .start = lock_start,
    .unload = unload,
    .option_changed = option_changed,
    .session_ended = lock_session_ended,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi >> 16 == WHERRY_ABI_MAJOR ? &module : NULL;
}
