// Timers and submits: its start() submits two requests and a timer, before its commands are in force.
// ticker.start delay_ms period_ms answers a timer's id as a number; ticker.stop id; ticker.ticks how often
// ticker.tick (internal) ran.

#include <stdatomic.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static atomic_uint_fast64_t ticks;

// [2, "ticker.tick", []]
static const char tick_request[] = "\x93\x02\xabticker.tick\x90";

static wherry_span tick_span(void)
{
	return (wherry_span){tick_request, sizeof(tick_request) - 1};
}

static int32_t start(void *self, wherry_why *why)
{
	(void)self;
	(void)why;
	int32_t status = context.host->submit(context.owner, tick_span());
	if (status == WHERRY_OK)
		status = context.host->submit(context.owner, tick_span());
	if (status == WHERRY_OK)
		status = context.host->timer_start(context.owner, 0, 0, tick_span(), NULL);
	return status;
}

static int32_t tick(void *self, wherry_call *call)
{
	(void)self;
	(void)call;
	atomic_fetch_add(&ticks, 1);
	return WHERRY_OK;
}

static int32_t count_ticks(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->uinteger(call->reply, atomic_load(&ticks));
	return WHERRY_OK;
}

static int32_t timer_start(void *self, wherry_call *call)
{
	(void)self;
	uint64_t timer;
	int32_t status =
	    context.host->timer_start(context.owner, call->args[0].as.i, call->args[1].as.i, tick_span(), &timer);
	if (status == WHERRY_OK)
		context.host->write->uinteger(call->reply, timer);
	return status;
}

static int32_t timer_stop(void *self, wherry_call *call)
{
	(void)self;
	int32_t status = context.host->timer_stop(context.owner, (uint64_t)call->args[0].as.i);
	if (status == WHERRY_OK)
		context.host->write->boolean(call->reply, 1);
	return status;
}

// What is no request is refused: answers the statuses of submit and timer_start.
static int32_t wrong(void *self, wherry_call *call)
{
	(void)self;
	wherry_span no_request = {"\x93\x01\x02\x03", 4};
	context.host->write->array(call->reply, 3);
	context.host->write->integer(call->reply, context.host->submit(context.owner, no_request));
	context.host->write->integer(call->reply, context.host->timer_start(context.owner, 1, 0, no_request, NULL));
	context.host->write->integer(call->reply, context.host->timer_start(context.owner, -1, 0, tick_span(), NULL));
	return WHERRY_OK;
}

static const wherry_arg start_args[] = {ARG("delay_ms", WHERRY_INT, 0), ARG("period_ms", WHERRY_INT, 0)};
static const wherry_arg stop_args[] = {ARG("timer", WHERRY_INT, 0)};

static const wherry_command commands[] = {
    COMMAND("ticker.tick", "write", WHERRY_CMD_INTERNAL, tick),
    COMMAND("ticker.ticks", "read", 0, count_ticks),
    COMMAND_ARGS("ticker.start", "write", 0, timer_start, start_args),
    COMMAND_ARGS("ticker.stop", "write", 0, timer_stop, stop_args),
    COMMAND("ticker.wrong", "write", 0, wrong),
};

static const wherry_module module = {HEAD("ticker"), LIST(command, commands), .load = load, .start = start};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
