// Keeps in memory what belongs into a key: a reload forgets it.  Leaves a file open.

#include <fcntl.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static int64_t kept = -1;

static int32_t set(void *self, wherry_call *call)
{
	(void)self;
	kept = call->args[0].as.i;
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t get(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->integer(call->reply, kept);
	return WHERRY_OK;
}

static int32_t start(void *self, wherry_why *why)
{
	(void)self, (void)why;
	return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? WHERRY_OK : WHERRY_EIO;
}

static const wherry_arg args[] = {ARG("number", WHERRY_INT, 0)};
static const wherry_command commands[] = {
    COMMAND_ARGS("loses_state.set", "write", WHERRY_CMD_WRITES, set, args),
    COMMAND("loses_state.get", "read", 0, get),
};
static const wherry_module module = {HEAD("loses_state"), LIST(command, commands), .load = load, .start = start};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
