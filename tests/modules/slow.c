// Takes its time, now and then: the number 1000 holds its thread for 20 ms.

#include <time.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t think(void *self, wherry_call *call)
{
	(void)self;
	if (call->args[0].as.i == 1000)
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static const wherry_arg args[] = {ARG("number", WHERRY_INT, 0)};
static const wherry_command commands[] = {COMMAND_ARGS("slow.think", "read", 0, think, args)};
static const wherry_module module = {HEAD("slow"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
