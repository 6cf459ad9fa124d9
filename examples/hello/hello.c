// The smallest module: one command, hello.greet name, which answers "hello, NAME".

#include <stdio.h>
#include <wherry/module.h>

static int32_t greet(void *self, wherry_call *call)
{
	const wherry_host *host = self; // as load() left it
	char text[128];
	wherry_span name = call->args[0].as.bytes; // lent, and not terminated
	if (name.len > 100)
		return host->fail(call, WHERRY_EARG, "name is longer than 100 bytes");
	snprintf(text, sizeof text, "hello, %.*s", (int)name.len, (const char *)name.ptr);
	host->write->cstring(call->reply, text);
	return WHERRY_OK;
}

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)owner, (void)why;
	*self = (void *)host; // what run() is called with; no globals: two brokers may share this code
	return WHERRY_OK;
}

// clang-format off
static const wherry_arg args[] = {
    {.size = sizeof *args, .kinds = WHERRY_TEXT, .name = "name", .help = "who"}};
static const wherry_command commands[] = {
    {.size = sizeof *commands, .name = "hello.greet", .verb = "read", .help = "Greets.",
     .args = args, .arg_count = 1, .arg_stride = sizeof *args, .run = greet}};
static const wherry_module module = {
    .size = sizeof module, .abi = WHERRY_ABI, .abi_min = WHERRY_ABI, .name = "hello", .version = "1",
    .commands = commands, .command_count = 1, .command_stride = sizeof *commands, .load = load};
// clang-format on

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi; // the broker compares it with .abi, and says so if it can't serve us
	return &module;
}
