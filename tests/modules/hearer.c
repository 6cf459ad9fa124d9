// Hears: listens on "news.>" and tells how often and what it heard last; echoes "ping.*" as news, and whatever comes on
// "echo.*" as the same again, for ever.  Publishes at once or with the commit; pushes to sessions.

#include <pthread.h>
#include <stdatomic.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last[64];
static uint64_t heard_count, ended_count, echoes;

static void heard(void *self, wherry_span topic, wherry_span payload, wherry_span headers)
{
	(void)self;
	(void)payload;
	(void)headers;
	pthread_mutex_lock(&lock);
	heard_count++;
	size_t len = topic.len < sizeof(last) - 1 ? topic.len : sizeof(last) - 1;
	memcpy(last, topic.ptr, len);
	last[len] = 0;
	pthread_mutex_unlock(&lock);
}

static void heard_ping(void *self, wherry_span topic, wherry_span payload, wherry_span headers)
{
	(void)self;
	(void)topic;
	context.host->bus->publish(context.owner, span_text("news.pong"), payload, headers, NULL);
}

static void heard_echo(void *self, wherry_span topic, wherry_span payload, wherry_span headers)
{
	(void)self;
	pthread_mutex_lock(&lock);
	echoes++;
	pthread_mutex_unlock(&lock);
	context.host->bus->publish(context.owner, topic, payload, headers, NULL);
}

static void session_ended(void *self, uint64_t session)
{
	(void)self;
	(void)session;
	pthread_mutex_lock(&lock);
	ended_count++;
	pthread_mutex_unlock(&lock);
}

// [heard, last topic, sessions ended, echoes]
static int32_t tell(void *self, wherry_call *call)
{
	(void)self;
	const wherry_write *write = context.host->write;
	pthread_mutex_lock(&lock);
	write->array(call->reply, 4);
	write->uinteger(call->reply, heard_count);
	write->cstring(call->reply, last);
	write->uinteger(call->reply, ended_count);
	write->uinteger(call->reply, echoes);
	pthread_mutex_unlock(&lock);
	return WHERRY_OK;
}

// Answers how many heard it.
static int32_t publish(void *self, wherry_call *call)
{
	(void)self;
	uint64_t receivers = 0;
	int32_t status = context.host->bus->publish(
	    context.owner, call->args[0].as.bytes, call->args[1].raw, (wherry_span){NULL, 0}, &receivers);
	if (status != WHERRY_OK)
		return context.host->fail(call, status, "publish refused it");
	context.host->write->uinteger(call->reply, receivers);
	return WHERRY_OK;
}

// Emits, then fails if asked to.
static int32_t emit(void *self, wherry_call *call)
{
	(void)self;
	int32_t status =
	    context.host->bus->emit(call, call->args[0].as.bytes, call->args[1].raw, (wherry_span){NULL, 0});
	if (status != WHERRY_OK)
		return status;
	if (call->args[2].kind == WHERRY_BOOL && call->args[2].as.i)
		return context.host->fail(call, WHERRY_ECONFLICT, "failed as asked");
	context.host->write->boolean(call->reply, 1);
	return WHERRY_OK;
}

// Pushes the encoded bytes to the session; answers the status.
static int32_t push(void *self, wherry_call *call)
{
	(void)self;
	wherry_span bytes = call->args[1].as.bytes;
	wherry_buf *buf = context.host->bus->buf_new(context.owner, bytes.len);
	if (buf == NULL)
		return WHERRY_ENOMEM;
	size_t len;
	memcpy(context.host->bus->buf_data(buf, &len), bytes.ptr, bytes.len);
	int hold = call->args[2].kind == WHERRY_BOOL && call->args[2].as.i;
	if (hold)
		context.host->bus->buf_hold(buf);
	context.host->write->integer(
	    call->reply, context.host->bus->give_session(context.owner, (uint64_t)call->args[0].as.i, buf));
	if (hold)
		context.host->bus->buf_drop(buf);
	return WHERRY_OK;
}

static const wherry_arg publish_args[] = {ARG("topic", WHERRY_TEXT, 0), ARG("payload", WHERRY_ANY_KIND, 0)};
static const wherry_arg emit_args[] = {
    ARG("topic", WHERRY_TEXT, 0), ARG("payload", WHERRY_ANY_KIND, 0), ARG("fail", WHERRY_BOOL, WHERRY_ARG_OPTION)};
static const wherry_arg push_args[] = {
    ARG("session", WHERRY_INT, 0), ARG("object", WHERRY_BYTES, 0), ARG("hold", WHERRY_BOOL, WHERRY_ARG_OPTION)};

static const wherry_command commands[] = {
    COMMAND("hearer.tell", "read", 0, tell),
    COMMAND_ARGS("hearer.publish", "publish", 0, publish, publish_args),
    COMMAND_ARGS("hearer.emit", "publish", 0, emit, emit_args),
    COMMAND_ARGS("hearer.push", "publish", 0, push, push_args),
};

static const wherry_listener listeners[] = {
    {.size = sizeof(wherry_listener), .filter = "news.>", .help = "counted", .heard = heard},
    {.size = sizeof(wherry_listener), .filter = "ping.*", .help = "answered", .heard = heard_ping},
    {.size = sizeof(wherry_listener), .filter = "echo.*", .help = "published again", .heard = heard_echo},
};

static const wherry_module module = {
    HEAD("hearer"), LIST(command, commands), LIST(listener, listeners), .load = load, .session_ended = session_ended};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
