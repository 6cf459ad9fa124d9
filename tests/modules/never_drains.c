// Its drain() waits for something that never comes.

#include <unistd.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t drain(void *self, int64_t deadline_ms)
{
	(void)self, (void)deadline_ms;
	for (;;)
		pause();
	return WHERRY_OK;
}

static const wherry_module module = {HEAD("never_drains"), .load = load, .drain = drain};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
