// Writes into what it was lent: scribbles.shout key turns the first letter of what scribbles.put has set, but does not
// put it.

#include <stdint.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t put(void *self, wherry_call *call)
{
	(void)self;
	int32_t status = context.host->keys->put_head(call, 0, 0, call->args[1].as.bytes);
	if (status == WHERRY_OK)
		context.host->write->nil(call->reply);
	return status;
}

static int32_t shout(void *self, wherry_call *call)
{
	(void)self;
	wherry_key key = {.size = sizeof(key)};
	int32_t status = context.host->keys->open(call, 0, 0, &key);
	if (status == WHERRY_OK && key.head.len > 0)
		*(uint8_t *)(uintptr_t)key.head.ptr ^= 0x20;
	if (status == WHERRY_OK)
		context.host->write->nil(call->reply);
	return status;
}

static const wherry_arg put_args[] = {ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE), ARG("text", WHERRY_TEXT, 0)};
static const wherry_arg shout_args[] = {ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ)};
static const wherry_command commands[] = {
    COMMAND_ARGS("scribbles.put", "write", WHERRY_CMD_WRITES, put, put_args),
    COMMAND_ARGS("scribbles.shout", "read", 0, shout, shout_args),
};
static const wherry_type types[] = {
    {.size = sizeof(wherry_type), .version = 1, .name = "scribbles.text", .help = "a text"}};
static const wherry_module module = {HEAD("scribbles"), LIST(command, commands), LIST(type, types), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
