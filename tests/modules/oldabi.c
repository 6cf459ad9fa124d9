// A module of another minor version of the ABI.

#include "testmodule.h"

LOAD_CONTEXT(load)

static const wherry_module module = {
    .size = sizeof(wherry_module), .abi = WHERRY_ABI + 1, .name = "oldabi", .version = "1.0", .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi;
	return &module;
}
