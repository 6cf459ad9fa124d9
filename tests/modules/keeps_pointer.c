// Remembers where a name stood, not what it was: keeps_pointer.last reads what had been lent to keeps_pointer.name.

#include "testmodule.h"

LOAD_CONTEXT(load)

static wherry_span last;

static int32_t name(void *self, wherry_call *call)
{
	(void)self;
	last = call->args[0].as.bytes;
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t tell(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->text(call->reply, last);
	return WHERRY_OK;
}

static const wherry_arg args[] = {ARG("name", WHERRY_TEXT, 0)};
static const wherry_command commands[] = {
    COMMAND_ARGS("keeps_pointer.name", "write", 0, name, args),
    COMMAND("keeps_pointer.last", "read", 0, tell),
};
static const wherry_module module = {HEAD("keeps_pointer"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
