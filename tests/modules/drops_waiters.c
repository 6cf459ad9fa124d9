// Has nothing to say to those who wait when it goes.

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t wait(void *self, wherry_call *call)
{
	(void)self;
	return call->why == WHERRY_WHY_SHUTDOWN                        ? WHERRY_OK
	       : context.host->keys->park(call, -1, NULL) == WHERRY_OK ? WHERRY_PARKED
								       : WHERRY_EAGAIN;
}

static const wherry_command commands[] = {COMMAND("drops_waiters.wait", "read", WHERRY_CMD_PARKS, wait)};
static const wherry_module module = {HEAD("drops_waiters"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
