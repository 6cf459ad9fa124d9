// Answers twice.

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t both(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->integer(call->reply, 1);
	context.host->write->integer(call->reply, 2);
	return WHERRY_OK;
}

static const wherry_command commands[] = {COMMAND("two_values.both", "read", 0, both)};
static const wherry_module module = {HEAD("two_values"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
