// "counter" again, that needs "needy" now: which needs it.

#include "testmodule.h"

LOAD_CONTEXT(load)

static const wherry_module module = {HEAD("counter"), .needs = "needy", .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
