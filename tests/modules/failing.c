// Fails where its option says: "load" or "start", with a text; "mute" fails load without one; "odd" with no error code.

#include <stdio.h>

#include "testmodule.h"

static struct context context;

static int says(const char *word)
{
	wherry_value value;
	context.host->option(context.owner, 0, &value);
	return value.as.bytes.len == strlen(word) && memcmp(value.as.bytes.ptr, word, value.as.bytes.len) == 0;
}

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	context = (struct context){host, owner};
	*self = &context;
	if (says("mute"))
		return WHERRY_EUNSUPPORTED;
	if (says("odd"))
		return 77;
	if (!says("load"))
		return WHERRY_OK;
	snprintf(why->text, sizeof(why->text), "there is no moon tonight");
	return WHERRY_EIO;
}

static int32_t start(void *self, wherry_why *why)
{
	(void)self;
	if (!says("start"))
		return WHERRY_OK;
	snprintf(why->text, sizeof(why->text), "the road is closed");
	return WHERRY_EAGAIN;
}

static int32_t ping(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->cstring(call->reply, "it did not fail");
	return WHERRY_OK;
}

static const wherry_command commands[] = {COMMAND("failing.ping", "read", 0, ping)};

static const wherry_option options[] = {{.size = sizeof(wherry_option),
    .kind = WHERRY_OPTION_TEXT,
    .name = "when",
    .preset = "load",
    .help = "load, start, mute, odd or never",
    .min = 1,
    .max = 10}};

static const wherry_module module = {
    HEAD("failing"), LIST(command, commands), LIST(option, options), .load = load, .start = start};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
