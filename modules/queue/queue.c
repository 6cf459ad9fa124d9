// queue: work that must be done.  This file is the module's index: the type, the options, the metrics, the arguments, the
// commands.

#include "queue.h"

#include "sessions.h"

#define ARG(argument_kinds, argument_flags, argument_name, argument_help)                         \
	{                                                                                         \
		.size = sizeof(wherry_arg), .kinds = (argument_kinds), .flags = (argument_flags), \
		.name = (argument_name), .help = (argument_help)                                  \
	}
#define KEY(access, help) ARG(WHERRY_KEY_KINDS, WHERRY_ARG_##access, "queue", help)
#define OPTION(kinds, name, help) ARG(kinds, WHERRY_ARG_OPTION, name, help)
#define FLAG(name, help) OPTION(WHERRY_BOOL, name, help)
#define NUMBER(name, help) OPTION(WHERRY_INT, name, help)
#define TOKEN(flags, help) ARG(WHERRY_LIST | WHERRY_TUPLE, flags, "token", help)
#define STRING (WHERRY_TEXT | WHERRY_BYTES)

static const wherry_arg push_args[] = {
    [PUSH_KEY] = KEY(WRITE, "the queue; one that is missing comes into being, with the module's settings"),
    [PUSH_PRIORITY] = NUMBER("priority", "0 to 9, and 9 comes first; 4 without it"),
    [PUSH_DELAY_MS] = NUMBER("delay_ms", "ready only after so many milliseconds"),
    [PUSH_TTL_MS] =
	NUMBER("ttl_ms", "dead (reason expired) if it is not done after so many; one that is reserved then goes on"),
    [PUSH_DEDUP] = OPTION(STRING | WHERRY_INT | WHERRY_UINT, "dedup",
	"names one message: pushed again under the same within the window (dedup_ms), also after it was acknowledged, "
	"the first one's id is answered and nothing is pushed.  queue.purge forgets it"),
    [PUSH_MAX_ATTEMPTS] =
	NUMBER("max_attempts", "how often it may fail before it is dead, 0: for ever; else the queue says"),
    [PUSH_HEADERS] = OPTION(WHERRY_MAP | WHERRY_NIL, "headers", "what is told beside the value"),
    [PUSH_VALUES] = ARG(WHERRY_ANY_KIND, WHERRY_ARG_REST, "value", "the messages, any values, kept byte for byte"),
};

static const wherry_arg pop_args[] = {
    [POP_WAIT_MS] = NUMBER("wait_ms",
	"how long to wait if there is nothing, first come, first served; 0 without it.  A REQ client waits at most "
	"park_timeout"),
    [POP_MAX] = NUMBER("max", "the most messages; 1 without it"),
    [POP_VISIBLE_MS] = NUMBER("visible_ms", "how long they are reserved; else the queue says.  At most 12 hours"),
    [POP_HOLD] = FLAG("hold", "they stay reserved when this session ends; else they return at once"),
    [POP_ACK] = FLAG("ack", "false: they are taken for good, at most once; the token is nil"),
    [POP_KEYS] =
	ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE | WHERRY_ARG_REST, "queue", "the queues, tried from left to right"),
};

#define TOKEN_HELP "[id, delivery], as queue.pop answered it; ESTALE if it is not reserved under it any more"

static const wherry_arg ack_args[] = {
    [ACK_KEY] = KEY(WRITE, "the queue"),
    [ACK_TOKENS] = TOKEN(WHERRY_ARG_REST,
	"[id, delivery] of each, as queue.pop answered it; those that are late don't count, ESTALE if all are"),
};

static const wherry_arg nack_args[] = {
    [NACK_KEY] = KEY(WRITE, "the queue"),
    [NACK_TOKEN] = TOKEN(0, TOKEN_HELP),
    [NACK_DELAY_MS] = NUMBER("delay_ms", "ready only after so many milliseconds; else the queue's backoff says"),
    [NACK_COUNT] = FLAG("count", "false: the attempt does not count"),
    [NACK_REASON] = OPTION(WHERRY_TEXT, "reason", "what the header x-error says if this was its last attempt"),
};

static const wherry_arg touch_args[] = {
    [TOUCH_KEY] = KEY(WRITE, "the queue"),
    [TOUCH_TOKEN] = TOKEN(0, TOKEN_HELP),
    [TOUCH_VISIBLE_MS] = NUMBER("visible_ms", "from now on so long; else the queue says.  In all, at most max_reserve"),
};

static const wherry_arg term_args[] = {
    [TERM_KEY] = KEY(WRITE, "the queue"),
    [TERM_TOKEN] = TOKEN(0, TOKEN_HELP),
    [TERM_REASON] = OPTION(WHERRY_TEXT, "reason", "what the header x-error says"),
};

static const wherry_arg peek_args[] = {
    [PEEK_KEY] = KEY(READ, "the queue"),
    [PEEK_STATE] = OPTION(WHERRY_TEXT, "state",
	"\"ready\" (without it), in the order of popping; \"delayed\" and \"reserved\", those due first first; "
	"\"dead\": those of "
	"this queue that its dead-letter queue holds"),
    [PEEK_SKIP] = NUMBER("skip", "leave out so many"),
    [PEEK_MAX] = NUMBER("max", "the most messages; 1 without it"),
};

static const wherry_arg stats_args[] = {
    [STATS_KEY] =
	ARG(WHERRY_KEY_KINDS, WHERRY_ARG_OPTIONAL, "queue", "the queue; without it all of the namespace, counts only"),
};

static const wherry_arg kick_args[] = {
    [KICK_KEY] = KEY(WRITE, "the queue: its dead come back to it, then its delayed ones; a dead-letter queue: its dead "
			    "go back to where they "
			    "came from"),
    [KICK_COUNT] =
	ARG(WHERRY_INT, WHERRY_ARG_OPTIONAL, "count", "the most messages; 10000, the most there may be, without it"),
};

static const wherry_arg purge_args[] = {
    [QUEUE_KEY] = KEY(WRITE, "the queue; what is known of deduplication goes, too")};
static const wherry_arg delete_args[] = {[QUEUE_KEY] = KEY(WRITE, "the queue; its dead stay where they are")};

static const wherry_arg pause_args[] = {
    [PAUSE_KEY] = KEY(WRITE, "the queue"),
    [PAUSE_IN] = FLAG("in", "true: a push is answered EAGAIN; false: no more"),
    [PAUSE_OUT] =
	FLAG("out", "true: nothing is popped, who pops waits; false: no more.  What is reserved may be settled"),
};

static const wherry_arg create_args[] = {
    [CREATE_KEY] = KEY(WRITE, "the queue"),
    [CREATE_VISIBLE_MS] =
	NUMBER("visible_ms", "how long a popped message is reserved; else the option visible of the module"),
    [CREATE_MAX_ATTEMPTS] =
	NUMBER("max_attempts", "how often a message may fail before it is dead, 0: for ever; else the module's option"),
    [CREATE_BACKOFF] = OPTION(WHERRY_LIST, "backoff",
	"delays in milliseconds after the first, second ... nack, 10 % more or less; the last one repeats.  At once "
	"without it"),
    [CREATE_DEAD_LETTER] = OPTION(WHERRY_KEY_KINDS | WHERRY_BOOL, "dead_letter",
	"the queue that dead messages go to; the name with .dlq behind it without it; false: they are dropped"),
    [CREATE_MAX_LENGTH] = NUMBER("max_length", "the most messages, whatever their state"),
    [CREATE_MAX_BYTES] = NUMBER("max_bytes", "the most bytes of values and headers"),
    [CREATE_OVERFLOW] = OPTION(WHERRY_TEXT, "overflow",
	"what a push into a full queue does: \"reject\" (EFULL, without it); \"drop_oldest\" or \"dead_oldest\": the "
	"oldest of the "
	"least urgent ready ones goes, else a delayed one, for good or to the dead-letter queue"),
    [CREATE_DEDUP_MS] = NUMBER(
	"dedup_ms", "how long a deduplication id is known, 0: not at all; else the option dedup_window of the module"),
};

static const wherry_arg due_args[] = {[QUEUE_KEY] = KEY(WRITE, "the queue")};
static const wherry_arg reclaim_args[] = {
    [RECLAIM_KEY] = KEY(WRITE, "the queue"),
    [RECLAIM_AFTER] = ARG(WHERRY_BYTES, WHERRY_ARG_OPTIONAL, "from", "where to go on"),
};
static const wherry_arg recover_args[] = {
    [RECOVER_CURSOR] = ARG(WHERRY_INT | WHERRY_UINT, 0, "cursor", "where to go on"),
};

#define ARGS(table) .args = (table), .arg_count = sizeof(table) / sizeof *(table), .arg_stride = sizeof *(table)
#define COMMAND(command_name, command_verb, command_flags, command_run, command_help)                             \
	.size = sizeof(wherry_command), .flags = (command_flags), .name = (command_name), .help = (command_help), \
	.verb = (command_verb), .run = (command_run)
#define GROWS (WHERRY_CMD_WRITES | WHERRY_CMD_GROWS)
#define OWN (WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL)

static const wherry_command commands[] = {
    {COMMAND("queue.push", "push", GROWS, queue_push, "Adds messages at the end of their priority; answers their ids."),
	ARGS(push_args)},
    {COMMAND("queue.pop", "pop", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, queue_pop,
	 "Reserves the most urgent, oldest messages; answers [{queue, token, attempt, value, headers, age_ms}, ...].  "
	 "What is "
	 "not acknowledged in time comes again."),
	ARGS(pop_args)},
    {COMMAND("queue.ack", "ack", WHERRY_CMD_WRITES, queue_ack, "Done: removes reserved messages; answers how many."),
	ARGS(ack_args)},
    {COMMAND("queue.nack", "ack", WHERRY_CMD_WRITES, queue_nack,
	 "Failed: gives a reserved message back, or to the dead-letter queue after its last attempt; answers true."),
	ARGS(nack_args)},
    {COMMAND("queue.touch", "ack", WHERRY_CMD_WRITES, queue_touch,
	 "Reserves a reserved message anew; answers its deadline, Unix time in milliseconds."),
	ARGS(touch_args)},
    {COMMAND("queue.term", "ack", WHERRY_CMD_WRITES, queue_term,
	 "Never again: moves a reserved message to the dead-letter queue; answers true."),
	ARGS(term_args)},
    {COMMAND("queue.peek", "read", 0, queue_peek,
	 "Answers messages as they are: [{id, value, headers, priority, attempts, age_ms, due_ms}, ...]."),
	ARGS(peek_args)},
    {COMMAND("queue.stats", "read", WHERRY_CMD_SCANS, queue_stats,
	 "Answers counts, ages and settings of a queue, or the counts of all queues."),
	ARGS(stats_args)},
    {COMMAND("queue.kick", "write", GROWS, queue_kick,
	 "Makes dead messages ready again, with no attempts, and delayed ones now; answers how many."),
	ARGS(kick_args)},
    {COMMAND("queue.purge", "write", WHERRY_CMD_WRITES, queue_purge,
	 "Removes all messages, reserved ones too; answers how many.  Settings stay."),
	ARGS(purge_args)},
    {COMMAND("queue.pause", "write", WHERRY_CMD_WRITES, queue_pause, "Answers {in, out}: what is paused now."),
	ARGS(pause_args)},
    {COMMAND("queue.create", "write", GROWS, queue_create,
	 "Makes a queue with settings of its own; answers true, false if it is there with the same, EEXIST if with "
	 "others."),
	ARGS(create_args)},
    {COMMAND("queue.delete", "write", WHERRY_CMD_WRITES, queue_delete,
	 "Removes a queue with all that is in it; answers whether there was one."),
	ARGS(delete_args)},
    {COMMAND("queue.due", "write", OWN, queue_due, "What the time has come for."), ARGS(due_args)},
    {COMMAND("queue.reclaim", "write", OWN, queue_reclaim, "Takes back what ended sessions had reserved."),
	ARGS(reclaim_args)},
    {COMMAND("queue.recover", "write", WHERRY_CMD_SCANS | WHERRY_CMD_INTERNAL, queue_recover,
	 "Looks for queues in which something is reserved."),
	ARGS(recover_args)},
};

static const wherry_type types[] = {
    [QUEUE_QUEUE] = {.size = sizeof(wherry_type),
	.version = 1,
	.name = "queue.queue",
	.help = "messages, ready, delayed and reserved",
	.alarm = "queue.due"},
};

#define SETTING(place, option_kind, option_name, option_preset, least, most, option_help) \
	[place] = {.size = sizeof(wherry_option),                                         \
	    .kind = (option_kind),                                                        \
	    .flags = WHERRY_OPTION_HOT,                                                   \
	    .name = (option_name),                                                        \
	    .preset = (option_preset),                                                    \
	    .help = (option_help),                                                        \
	    .min = (least),                                                               \
	    .max = (most)}

static const wherry_option options[] = {
    SETTING(OPTION_VISIBLE, WHERRY_OPTION_DURATION, "visible", "30s", 1, QUEUE_VISIBLE_MOST,
	"how long a popped message is reserved, if neither queue.pop nor the queue says"),
    SETTING(OPTION_MAX_ATTEMPTS, WHERRY_OPTION_INT, "max_attempts", "5", 0, INT32_MAX,
	"how often a message may fail before it is dead, 0: for ever, if neither it nor its queue says"),
    SETTING(OPTION_DEDUP_WINDOW, WHERRY_OPTION_DURATION, "dedup_window", "2m", 0, QUEUE_DEDUP_MOST,
	"how long a deduplication id is known, if the queue does not say"),
    SETTING(OPTION_DEDUP_IDS, WHERRY_OPTION_INT, "dedup_ids", "1000000", 1, UINT32_MAX,
	"the most deduplication ids that a queue knows; the oldest is forgotten for a new one"),
    SETTING(OPTION_MAX_RESERVE, WHERRY_OPTION_DURATION, "max_reserve", "12h", 1, QUEUE_VISIBLE_MOST,
	"the longest that a message is reserved in all, however often it is touched"),
    SETTING(OPTION_MAX_MESSAGE, WHERRY_OPTION_SIZE, "max_message", "1MiB", 1024, QUEUE_MAX_MESSAGE,
	"the largest message, value and headers in their encoding"),
    SETTING(OPTION_MAX_POP, WHERRY_OPTION_INT, "max_pop", "1000", 1, 100000,
	"the largest max that queue.pop and queue.peek may be given"),
    SETTING(OPTION_POP_BYTES, WHERRY_OPTION_SIZE, "pop_bytes", "1MiB", 1024, QUEUE_MAX_MESSAGE,
	"an answer of queue.pop or queue.peek ends with the message that makes it larger than that"),
};

#define COUNTER(event, metric_name, metric_help)  \
	[event] = {.size = sizeof(wherry_metric), \
	    .kind = WHERRY_METRIC_COUNTER,        \
	    .name = (metric_name),                \
	    .unit = "",                           \
	    .help = (metric_help)}

static const wherry_metric metrics[] = {
    COUNTER(EVENT_PUSHED, "pushed", "messages that were pushed"),
    COUNTER(EVENT_DUPLICATE, "duplicates", "pushes that a deduplication id made nothing of"),
    COUNTER(EVENT_POPPED, "popped", "deliveries"),
    COUNTER(EVENT_ACKED, "acked", "messages that were acknowledged"),
    COUNTER(EVENT_KICKED, "kicked", "messages that queue.kick made ready"),
    COUNTER(EVENT_PURGED, "purged", "messages that queue.purge removed"),
    COUNTER(EVENT_NACKED, "nacked", "messages that were given back"),
    COUNTER(EVENT_TIMEOUT, "timeouts", "reservations whose time was up"),
    COUNTER(EVENT_RETURNED, "returned", "reservations that ended with their session"),
    COUNTER(EVENT_DEAD, "died", "messages that moved to a dead-letter queue"),
    COUNTER(EVENT_EXPIRED, "expired", "messages whose time to live was up"),
    COUNTER(EVENT_DROPPED, "dropped", "messages that were dropped for room, or died where dead ones are not kept"),
};

static void option_changed(void *self, uint32_t option)
{
	struct queues *all = self;
	wherry_value value;
	if (all->host->option(all->owner, option, &value) == WHERRY_OK)
		atomic_store_explicit(&all->options[option], value.as.i, memory_order_relaxed);
}

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)why;
	struct queues *all = host->alloc(owner, sizeof *all);
	if (!all)
		return WHERRY_ENOMEM;
	*all =
	    (struct queues){.keys = host->keys, .write = host->write, .read = host->read, .host = host, .owner = owner};
	for (uint32_t i = 0; i < OPTIONS; i++)
		option_changed(all, i);
	int32_t status = sessions_open(all);
	if (status)
		host->release(owner, all);
	*self = all;
	return status;
}

static void unload(void *self)
{
	struct queues *all = self;
	sessions_close(all);
	all->host->release(all->owner, all);
}

#define LIST(list, table) \
	.list##s = (table), .list##_count = sizeof(table) / sizeof *(table), .list##_stride = sizeof *(table)

static const wherry_module module = {
    .size = sizeof(wherry_module),
    .abi = WHERRY_ABI,
    .abi_min = WHERRY_ABI,
    .name = "queue",
    .version = "0.1.0",
    LIST(command, commands),
    LIST(type, types),
    LIST(option, options),
    LIST(metric, metrics),
    .load = load,
    .start = queues_start,
    .unload = unload,
    .option_changed = option_changed,
    .session_ended = queues_session_ended,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi >> 16 == WHERRY_ABI_MAJOR ? &module : NULL;
}
