// Waits: parker.wait key {timeout_ms} until parker.signal key [count]; answers why it was woken.  parker.sleep ms waits
// on nothing but time, parker.ticket until parker.wake ticket.

#include <stdatomic.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static atomic_uint_fast64_t last_ticket;

static int32_t say_why(wherry_call *call)
{
	static const char *const words[] = {"first", "signal", "wake", "timeout", "shutdown"};
	context.host->write->cstring(call->reply, words[call->why]);
	return WHERRY_OK;
}

static int32_t park(wherry_call *call, int64_t timeout_ms)
{
	uint64_t ticket;
	int32_t status = context.host->keys->park(call, timeout_ms, &ticket);
	atomic_store(&last_ticket, ticket);
	return status == WHERRY_OK ? WHERRY_PARKED : status;
}

static int32_t wait_signal(void *self, wherry_call *call)
{
	(void)self;
	if (call->why != WHERRY_WHY_FIRST)
		return say_why(call);
	return park(call, call->args[1].kind == WHERRY_ABSENT ? -1 : call->args[1].as.i);
}

// Parks whatever happens, and whatever it is given: whoever takes its module away has to get rid of it.
static int32_t stay(void *self, wherry_call *call)
{
	(void)self;
	return park(call, -1);
}

static int32_t run_sleep(void *self, wherry_call *call)
{
	(void)self;
	return call->why == WHERRY_WHY_FIRST ? park(call, call->args[0].as.i) : say_why(call);
}

static int32_t ticket_wait(void *self, wherry_call *call)
{
	(void)self;
	return call->why == WHERRY_WHY_FIRST ? park(call, -1) : say_why(call);
}

static int32_t wake_last(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->integer(call->reply, context.host->wake(context.owner, atomic_load(&last_ticket)));
	return WHERRY_OK;
}

static int32_t signal_key(void *self, wherry_call *call)
{
	(void)self;
	uint32_t count = call->args[1].kind == WHERRY_ABSENT ? 1 : (uint32_t)call->args[1].as.i;
	int32_t status = context.host->keys->signal(call, 0, count);
	if (status == WHERRY_OK)
		context.host->write->boolean(call->reply, 1);
	return status;
}

static const wherry_arg wait_args[] = {
    ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ),
    ARG("timeout_ms", WHERRY_INT, WHERRY_ARG_OPTION),
};

static const wherry_arg signal_args[] = {
    ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE),
    ARG("count", WHERRY_INT, WHERRY_ARG_OPTIONAL),
};

static const wherry_arg sleep_args[] = {ARG("ms", WHERRY_INT, 0)};
static const wherry_arg stay_args[] = {
    ARG("word", WHERRY_ANY_KIND, WHERRY_ARG_REST | WHERRY_ARG_OPTIONAL),
};

static const wherry_command commands[] = {
    COMMAND_ARGS("parker.wait", "read", WHERRY_CMD_PARKS, wait_signal, wait_args),
    COMMAND_ARGS("parker.signal", "write", WHERRY_CMD_WRITES, signal_key, signal_args),
    COMMAND_ARGS("parker.sleep", "read", WHERRY_CMD_PARKS, run_sleep, sleep_args),
    COMMAND("parker.ticket", "read", WHERRY_CMD_PARKS, ticket_wait),
    COMMAND("parker.wake", "write", 0, wake_last),
    COMMAND_ARGS("parker.stay", "read", WHERRY_CMD_PARKS, stay, stay_args),
};

static const wherry_module module = {HEAD("parker"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
