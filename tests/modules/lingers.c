// Is never done with being loaded: its constructor waits for ever, in the middle of dlopen(), with what the dynamic linker
// has locked meanwhile.

#include <stdio.h>
#include <unistd.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static void __attribute__((constructor)) linger(void)
{
	fputs("lingers: here for ever\n", stderr);
	for (;;)
		pause();
}

static const wherry_module module = {HEAD("lingers"), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
