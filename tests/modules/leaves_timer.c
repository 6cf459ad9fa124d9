// Starts a timer that it does not stop.

#include "testmodule.h"

LOAD_CONTEXT(load)

// [2, "leaves_timer.ring", []]
static const char request[] = "\x93\x02\xb1leaves_timer.ring\x90";

static int32_t start(void *self, wherry_why *why)
{
	(void)self, (void)why;
	return context.host->timer_start(context.owner, 3600000, 0, (wherry_span){request, sizeof(request) - 1}, NULL);
}

static const wherry_module module = {HEAD("leaves_timer"), .load = load, .start = start};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
