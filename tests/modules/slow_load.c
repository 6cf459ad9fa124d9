// Takes its time: load() returns after so many milliseconds.

#include <time.h>

#include "testmodule.h"

static struct context context;

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	wherry_value ms;
	(void)why;
	context = (struct context){host, owner};
	*self = &context;
	host->option(owner, 0, &ms);
	struct timespec time = {.tv_sec = ms.as.i / 1000, .tv_nsec = ms.as.i % 1000 * 1000000};
	nanosleep(&time, NULL);
	return WHERRY_OK;
}

static const wherry_option options[] = {{.size = sizeof(wherry_option),
    .kind = WHERRY_OPTION_DURATION,
    .name = "takes",
    .preset = "60s",
    .help = "how long load() takes",
    .min = 1,
    .max = 3600000}};

static const wherry_module module = {HEAD("slow_load"), LIST(option, options), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
