// The file of one name that holds the module of another.

#include "testmodule.h"

LOAD_CONTEXT(load)

static const wherry_module module = {HEAD("counter"), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi;
	return &module;
}
