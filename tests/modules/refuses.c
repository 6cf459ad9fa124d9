// A module that serves no host.

#include "wherry/module.h"

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi;
	return 0;
}
