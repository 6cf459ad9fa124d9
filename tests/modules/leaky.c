// Leaves things behind: leaky.leak allocates twice, takes a buffer and starts a timer, and its unload() gives nothing
// back.  leaky_late() is called by the test after the module was unloaded: its owner is dead then.

#include "testmodule.h"

LOAD_CONTEXT(load)

static void *kept[2];
static wherry_buf *kept_buf;

// [2, "leaky.leak", []]
static const char request[] = "\x93\x02\xaaleaky.leak\x90";

static int32_t leak(void *self, wherry_call *call)
{
	(void)self;
	const wherry_host *host = context.host;
	kept[0] = host->alloc(context.owner, 1000);
	kept[0] = host->resize(context.owner, kept[0], 100000);
	kept[1] = host->alloc(context.owner, 0);
	void *given_back = host->alloc(context.owner, 50);
	host->release(context.owner, given_back);
	host->release(context.owner, NULL);
	kept_buf = host->bus->buf_new(context.owner, 10);
	host->timer_start(context.owner, 3600000, 0, (wherry_span){request, sizeof(request) - 1}, NULL);
	host->write->boolean(call->reply, kept[0] != NULL && kept[1] != NULL && kept_buf != NULL);
	return WHERRY_OK;
}

// 0, or which of the calls of a late thread was not answered as one for a dead owner.
WHERRY_EXPORT int leaky_late(void);
int leaky_late(void)
{
	const wherry_host *host = context.host;
	wherry_owner *owner = context.owner;
	wherry_span no_span = {request, sizeof(request) - 1};
	wherry_value value;
	uint64_t timer;
	if (host->alloc(owner, 10) != NULL || host->bus->buf_new(owner, 10) != NULL)
		return 1;
	if (host->submit(owner, no_span) != WHERRY_ESHUTDOWN || host->wake(owner, 1) != WHERRY_ESHUTDOWN)
		return 2;
	if (host->timer_start(owner, 0, 0, no_span, &timer) != WHERRY_ESHUTDOWN)
		return 3;
	if (host->timer_stop(owner, 1) != WHERRY_ESHUTDOWN || host->option(owner, 0, &value) != WHERRY_ESHUTDOWN)
		return 4;
	if (host->bus->publish(owner, span_text("a"), (wherry_span){"\x01", 1}, (wherry_span){NULL, 0}, NULL) !=
	    WHERRY_ESHUTDOWN)
		return 5;
	host->log(owner, WHERRY_LOG_ERROR, "must not be seen");
	host->metric_add(owner, 0, 1);
	if (host->unix_ms(owner) < 1000 || host->ticks_ns(owner) == 0)
		return 6;
	host->release(owner, kept[0]); // what it has may still be given back
	host->release(owner, kept[1]);
	host->bus->buf_drop(kept_buf);
	return 0;
}

static const wherry_command commands[] = {COMMAND("leaky.leak", "write", 0, leak)};

static const wherry_module module = {HEAD("leaky"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
