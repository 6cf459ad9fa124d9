// Keeps its state where every broker of the process sees it: in the environment.

#include <stdlib.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t set(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->nil(call->reply);
	return setenv("WHERRY_GLOBAL_STATE", call->args[0].as.i ? "yes" : "no", 1) == 0 ? WHERRY_OK : WHERRY_ENOMEM;
}

static int32_t get(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->cstring(call->reply, getenv("WHERRY_GLOBAL_STATE"));
	return WHERRY_OK;
}

static const wherry_arg args[] = {ARG("state", WHERRY_BOOL, 0)};
static const wherry_command commands[] = {
    COMMAND_ARGS("global_state.set", "write", WHERRY_CMD_WRITES, set, args),
    COMMAND("global_state.get", "read", 0, get),
};
static const wherry_module module = {HEAD("global_state"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
