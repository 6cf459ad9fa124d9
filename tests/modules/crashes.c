// Takes every text for a short one.

#include "testmodule.h"

LOAD_CONTEXT(load)

static const int *const nowhere[] = {&(const int){1}, &(const int){2}, NULL};

static int32_t read(void *self, wherry_call *call)
{
	(void)self;
	size_t len = call->args[0].as.bytes.len;
	const int *volatile at = nowhere[len < 2 ? len : 2];
	context.host->write->integer(call->reply, *at);
	return WHERRY_OK;
}

static const wherry_arg args[] = {ARG("text", WHERRY_TEXT, 0)};
static const wherry_command commands[] = {COMMAND_ARGS("crashes.read", "read", 0, read, args)};
static const wherry_module module = {HEAD("crashes"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
