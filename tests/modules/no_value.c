// Says OK and nothing else.

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t silent(void *self, wherry_call *call)
{
	(void)self, (void)call;
	return WHERRY_OK;
}

static const wherry_command commands[] = {COMMAND("no_value.silent", "read", 0, silent)};
static const wherry_module module = {HEAD("no_value"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
