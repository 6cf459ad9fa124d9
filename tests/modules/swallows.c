// Does not look whether what it changes was changed.

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t put(void *self, wherry_call *call)
{
	(void)self;
	context.host->keys->put_head(call, 0, 0, call->args[1].as.bytes);
	context.host->write->boolean(call->reply, 1);
	return WHERRY_OK;
}

static const wherry_arg args[] = {ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE), ARG("text", WHERRY_TEXT, 0)};
static const wherry_command commands[] = {COMMAND_ARGS("swallows.put", "write", WHERRY_CMD_WRITES, put, args)};
static const wherry_type types[] = {
    {.size = sizeof(wherry_type), .version = 1, .name = "swallows.text", .help = "a text"}};
static const wherry_module module = {HEAD("swallows"), LIST(command, commands), LIST(type, types), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
