// pubsub: messages to all who listen.  This file is the module's index: the type, the options, the arguments, the commands.

#include "pubsub.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARG(argument_kinds, argument_flags, argument_name, argument_help)                         \
	{                                                                                         \
		.size = sizeof(wherry_arg), .kinds = (argument_kinds), .flags = (argument_flags), \
		.name = (argument_name), .help = (argument_help)                                  \
	}
#define OPTION(kinds, name, help) ARG(kinds, WHERRY_ARG_OPTION, name, help)
#define FLAG(name, help) OPTION(WHERRY_BOOL, name, help)
#define TOPIC(name, help) ARG(WHERRY_TEXT, WHERRY_ARG_TOPIC, name, help)

static const wherry_arg publish_args[] = {
    [PUBLISH_TOPIC] = TOPIC("topic", "tokens by '.', at most 512 bytes, none that begins with $"),
    [PUBLISH_PAYLOAD] = ARG(WHERRY_ANY_KIND, 0, "payload", "any value"),
    [PUBLISH_HEADERS] = OPTION(WHERRY_MAP, "headers", "a map that goes with it; its names are str"),
    [PUBLISH_RETAIN] = FLAG("retain",
	"keep it as the topic's last message, for who subscribes later; a nil or empty payload forgets the one that is "
	"kept"),
    [PUBLISH_TTL_MS] = OPTION(WHERRY_INT, "ttl_ms", "keep it so long; without it until another takes its place"),
    [PUBLISH_REQUIRE] = OPTION(WHERRY_INT, "require", "ENORESP, and nothing is sent, if fewer would get it"),
};

static const wherry_arg request_args[] = {
    [REQUEST_TOPIC] = TOPIC("topic", "where somebody listens who answers"),
    [REQUEST_PAYLOAD] = ARG(WHERRY_ANY_KIND, 0, "payload", "any value"),
    [REQUEST_HEADERS] = OPTION(WHERRY_MAP, "headers", "a map that goes with it; reply_to is added"),
    [REQUEST_TIMEOUT_MS] = OPTION(WHERRY_INT, "timeout_ms", "how long to wait, at most an hour; 5000 without it"),
};

static const wherry_arg subscribe_args[] = {
    [SUBSCRIBE_GROUP] =
	OPTION(WHERRY_TEXT, "group", "each message goes to one of those that say this and the same filters"),
    [SUBSCRIBE_STICKY] = OPTION(
	WHERRY_TEXT, "sticky", "the header whose value chooses the member of the group; else who has least to do"),
    [SUBSCRIBE_RETAINED] = FLAG("retained", "first what is kept for these topics, then what comes"),
    [SUBSCRIBE_MAX_MESSAGES] = OPTION(WHERRY_INT, "max_messages", "that wait; subscription_messages without it"),
    [SUBSCRIBE_MAX_BYTES] = OPTION(WHERRY_INT, "max_bytes", "of those that wait; subscription_bytes without it"),
    [SUBSCRIBE_OVERFLOW] = OPTION(WHERRY_TEXT, "overflow",
	"what goes when too many wait: drop_oldest, drop_newest, conflate (all but the last of each topic, at once), "
	"disconnect; drop_oldest without it"),
    [SUBSCRIBE_FILTER] = ARG(WHERRY_TEXT, WHERRY_ARG_TOPIC | WHERRY_ARG_REST, "filter",
	"topics; '*' stands for one token, '>' at the end for the rest.  A message that matches several comes once"),
};

static const wherry_arg unsubscribe_args[] = {
    ARG(WHERRY_INT, WHERRY_ARG_REST, "id", "of a subscription of this session"),
};

static const wherry_arg topics_args[] = {
    [TOPICS_MATCH] = OPTION(WHERRY_TEXT, "match", "a filter that they match, as if they were topics"),
    [TOPICS_LIMIT] = OPTION(WHERRY_INT, "limit", "the most; more are ELIMIT.  1000 without it"),
};

static const wherry_arg retained_args[] = {
    [KEPT_FILTER] = TOPIC("filter", "of which topics"),
    [KEPT_LIMIT] = OPTION(WHERRY_INT, "limit", "the most; more are ELIMIT.  1000 without it"),
};

static const wherry_arg expire_args[] = {
    ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "key", "a topic whose kept message's time is over"),
};

#define ARGS(table) .args = (table), .arg_count = sizeof(table) / sizeof *(table), .arg_stride = sizeof *(table)
#define COMMAND(command_name, command_verb, command_flags, command_run, command_help)                             \
	.size = sizeof(wherry_command), .flags = (command_flags), .name = (command_name), .help = (command_help), \
	.verb = (command_verb), .run = (command_run)

static const wherry_command commands[] = {
    {COMMAND("pubsub.publish", "publish", WHERRY_CMD_WRITES, pubsub_publish,
	 "Sends a message to all who listen; answers how many subscriptions it goes to, a group being one.  "
	 "To a request's reply_to it is the answer: ENORESP if nobody waits for it any more."),
	ARGS(publish_args)},
    {COMMAND("pubsub.request", "publish", WHERRY_CMD_PARKS | WHERRY_CMD_ALONE, pubsub_request,
	 "Sends a message with a header reply_to and answers the payload of what is published there first.  "
	 "ENORESP at once: nobody listens; ETIMEOUT."),
	ARGS(request_args)},
    {COMMAND("pubsub.subscribe", "subscribe", WHERRY_CMD_SCANS, pubsub_subscribe,
	 "Messages of these topics are pushed to the session, or fetched by session.fetch, until it ends; answers the "
	 "subscription's id."),
	ARGS(subscribe_args)},
    {COMMAND("pubsub.unsubscribe", "subscribe", WHERRY_CMD_ALONE, pubsub_unsubscribe,
	 "Ends subscriptions of this session; answers how many.  ENOKEY if one is not there: none is ended then."),
	ARGS(unsubscribe_args)},
    {COMMAND("pubsub.subscriptions", "subscribe", 0, pubsub_subscriptions,
	"Subscriptions of this session: maps with id, filters, group, sticky, overflow, max_messages, max_bytes, "
	"pending, pending_bytes, delivered and dropped.")},
    {COMMAND("pubsub.topics", "read", 0, pubsub_topics,
	 "What all sessions have subscribed to: maps with filter, subscriptions and groups."),
	ARGS(topics_args)},
    {COMMAND("pubsub.retained", "read", WHERRY_CMD_SCANS, pubsub_retained,
	 "Messages that are kept: maps with topic, payload, headers and ttl_ms, nil for ever."),
	ARGS(retained_args)},
    {COMMAND("pubsub.expire", "publish", WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL, pubsub_expire,
	 "Forgets a kept message whose time is over."),
	ARGS(expire_args)},
    {COMMAND("pubsub.recover", "read", WHERRY_CMD_SCANS | WHERRY_CMD_INTERNAL, pubsub_recover,
	"Tells the bus what is kept.")},
};

static const wherry_type types[] = {
    [RETAINED] = {.size = sizeof(wherry_type),
	.version = 1,
	.name = "pubsub.retained",
	.help = "the last message of a topic",
	.alarm = "pubsub.expire"},
};

static const wherry_option options[] = {
    [MAX_PAYLOAD] = {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_SIZE,
	.flags = WHERRY_OPTION_HOT,
	.name = "max_payload",
	.preset = "1MiB",
	.help = "the largest payload, in its encoding",
	.min = 64,
	.max = 1 << 30},
    [MAX_HEADERS] = {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_SIZE,
	.flags = WHERRY_OPTION_HOT,
	.name = "max_headers",
	.preset = "16KiB",
	.help = "the largest map of headers, in its encoding",
	.min = 64,
	.max = 1 << 30},
    [MAX_REQUESTS] = {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_INT,
	.flags = WHERRY_OPTION_HOT,
	.name = "max_requests",
	.preset = "1024",
	.help = "answers that a session waits for at once",
	.min = 1,
	.max = 1000000},
};

static const wherry_metric metrics[] = {
    [METRIC_REQUESTS] = {.size = sizeof(wherry_metric),
	.kind = WHERRY_METRIC_COUNTER,
	.name = "requests",
	.unit = "",
	.help = "pubsub.request that somebody got"},
    [METRIC_ANSWERS] = {.size = sizeof(wherry_metric),
	.kind = WHERRY_METRIC_COUNTER,
	.name = "answers",
	.unit = "",
	.help = "of those, answered"},
    [METRIC_GIVEN_UP] = {.size = sizeof(wherry_metric),
	.kind = WHERRY_METRIC_COUNTER,
	.name = "given_up",
	.unit = "",
	.help = "of those, not answered in time"},
};

static const wherry_listener listeners[] = {
    {.size = sizeof(wherry_listener),
	.filter = REPLY_TOPICS ">",
	.help = "replies that were part of a transaction",
	.heard = reply_heard},
};

int32_t fail(const struct pubsub *ps, wherry_call *call, int32_t status, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	return ps->host->fail(call, status, text);
}

static void option_changed(void *self, uint32_t option)
{
	struct pubsub *ps = self;
	_Atomic int64_t *const places[] = {&ps->max_payload, &ps->max_headers, &ps->max_requests};
	wherry_value value;
	if (ps->host->option(ps->owner, option, &value) == WHERRY_OK)
		atomic_store_explicit(places[option], value.as.i, memory_order_relaxed);
}

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)why;
	struct pubsub *ps = host->alloc(owner, sizeof *ps);
	if (!ps)
		return WHERRY_ENOMEM;
	*ps = (struct pubsub){.host = host, .keys = host->keys, .write = host->write, .bus = host->bus, .owner = owner};
	pthread_mutex_init(&ps->lock, NULL);
	for (uint32_t i = 0; i < sizeof options / sizeof *options; i++)
		option_changed(ps, i);
	*self = ps;
	return WHERRY_OK;
}

static int32_t start(void *self, wherry_why *why)
{
	static const char recover[] = "\x93\x02\xaepubsub.recover\x90"; // [2, "pubsub.recover", []]
	struct pubsub *ps = self;
	(void)why;
	return ps->host->submit(ps->owner, (wherry_span){recover, sizeof recover - 1});
}

static void unload(void *self)
{
	struct pubsub *ps = self;
	requests_free(ps);
	pthread_mutex_destroy(&ps->lock);
	ps->host->release(ps->owner, ps);
}

#define LIST(list, table) \
	.list##s = (table), .list##_count = sizeof(table) / sizeof *(table), .list##_stride = sizeof *(table)

static const wherry_module module = {
    .size = sizeof(wherry_module),
    .abi = WHERRY_ABI,
    .abi_min = WHERRY_ABI,
    .name = "pubsub",
    .version = "0.1.0",
    LIST(command, commands),
    LIST(type, types),
    LIST(option, options),
    LIST(metric, metrics),
    LIST(listener, listeners),
    .load = load,
    .start = start,
    .unload = unload,
    .option_changed = option_changed,
    .session_ended = session_ended,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi >> 16 == WHERRY_ABI_MAJOR ? &module : NULL;
}
