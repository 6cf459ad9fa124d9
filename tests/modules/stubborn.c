// Does not drain until stubborn.yield was called.

#include <stdatomic.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static atomic_bool yields;

static int32_t yield(void *self, wherry_call *call)
{
	(void)self;
	atomic_store(&yields, 1);
	context.host->write->boolean(call->reply, 1);
	return WHERRY_OK;
}

static int32_t ping(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->cstring(call->reply, "still here");
	return WHERRY_OK;
}

static int32_t drain(void *self, int64_t deadline_ms)
{
	(void)self;
	(void)deadline_ms;
	return atomic_load(&yields) ? WHERRY_OK : WHERRY_ETIMEOUT;
}

static const wherry_command commands[] = {
    COMMAND("stubborn.yield", "write", 0, yield),
    COMMAND("stubborn.ping", "read", 0, ping),
};

static const wherry_module module = {HEAD("stubborn"), LIST(command, commands), .load = load, .drain = drain};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
