// Takes a secret: vault.open name secret {token}; answers true.  What clients must not keep.

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t open_vault(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->boolean(call->reply, 1);
	return WHERRY_OK;
}

static const wherry_arg open_args[] = {
    ARG("name", WHERRY_TEXT, 0),
    ARG("secret", WHERRY_TEXT, WHERRY_ARG_SECRET),
    ARG("token", WHERRY_TEXT, WHERRY_ARG_OPTION | WHERRY_ARG_SECRET),
};

static const wherry_command commands[] = {COMMAND_ARGS("vault.open", "read", 0, open_vault, open_args)};

static const wherry_module module = {HEAD("vault"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
