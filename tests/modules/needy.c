// Needs the module "counter".

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t ping(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->cstring(call->reply, "needy");
	return WHERRY_OK;
}

static const wherry_command commands[] = {COMMAND("needy.ping", "read", 0, ping)};

static const wherry_module module = {HEAD("needy"), .needs = "counter", LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
