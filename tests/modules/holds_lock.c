// Locks, and unlocks only when all goes well: holds_lock.take of a list forgets to.

#include <pthread.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int32_t take(void *self, wherry_call *call)
{
	(void)self;
	pthread_mutex_lock(&lock);
	if (call->args[0].kind == WHERRY_LIST)
		return WHERRY_EARG;
	context.host->write->nil(call->reply);
	pthread_mutex_unlock(&lock);
	return WHERRY_OK;
}

static const wherry_arg args[] = {ARG("value", WHERRY_LIST | WHERRY_INT, 0)};
static const wherry_command commands[] = {COMMAND_ARGS("holds_lock.take", "read", 0, take, args)};
static const wherry_module module = {HEAD("holds_lock"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
