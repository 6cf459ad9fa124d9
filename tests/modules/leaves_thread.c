// Starts a thread that nobody ends.

#include <pthread.h>
#include <unistd.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int32_t start(void *self, wherry_why *why)
{
	pthread_t thread;
	(void)self, (void)why;
	return pthread_create(&thread, NULL, wait_for_ever, NULL) == 0 ? WHERRY_OK : WHERRY_EAGAIN;
}

static const wherry_module module = {HEAD("leaves_thread"), .load = load, .start = start};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
