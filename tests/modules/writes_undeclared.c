// Writes a key that it said it would only read.

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t touch(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->nil(call->reply);
	return context.host->keys->put_head(call, 0, 0, span_text("touched"));
}

static const wherry_arg args[] = {ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ)};
static const wherry_command commands[] = {COMMAND_ARGS("writes_undeclared.touch", "read", 0, touch, args)};
static const wherry_type types[] = {
    {.size = sizeof(wherry_type), .version = 1, .name = "writes_undeclared.thing", .help = "a thing"}};
static const wherry_module module = {
    HEAD("writes_undeclared"), LIST(command, commands), LIST(type, types), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
