// Forgets what it allocated.

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t start(void *self, wherry_why *why)
{
	(void)self, (void)why;
	return context.host->alloc(context.owner, 1000) != NULL ? WHERRY_OK : WHERRY_ENOMEM;
}

static const wherry_module module = {HEAD("leaves_value"), .load = load, .start = start};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
