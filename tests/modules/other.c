// A module with a type that is nobody else's: for tests of commands that meet another module's key.
// other.make key makes one, with a head and two records; other.see key answers [head, records] or nil.

#include "wherry/module.h"

struct other {
	const wherry_host *host;
	wherry_owner *owner;
};

static wherry_span span(const char *text, size_t len)
{
	return (wherry_span){text, len};
}

static int32_t make(void *self, wherry_call *call)
{
	const wherry_host *host = ((struct other *)self)->host;
	int32_t status;
	if ((status = host->keys->put_head(call, 0, 0, span("\xa4head", 5))) ||
	    (status = host->keys->put(call, 0, span("one", 3), span("1", 1))) ||
	    (status = host->keys->put(call, 0, span("two", 3), span("2", 1))))
		return status;
	host->write->boolean(call->reply, 1);
	return WHERRY_OK;
}

static int32_t see(void *self, wherry_call *call)
{
	const wherry_host *host = ((struct other *)self)->host;
	wherry_key key = {.size = sizeof(key)};
	int32_t status = host->keys->open(call, 0, 0, &key);
	if (status == WHERRY_ENOKEY) {
		host->write->nil(call->reply);
		return WHERRY_OK;
	}
	if (status)
		return status;
	host->write->array(call->reply, 2);
	host->write->raw(call->reply, key.head);
	host->write->uinteger(call->reply, key.records);
	return WHERRY_OK;
}

static const wherry_arg writes[] = {
    {.size = sizeof(wherry_arg), .kinds = WHERRY_KEY_KINDS, .flags = WHERRY_ARG_WRITE, .name = "key", .help = "a key"}};
static const wherry_arg reads[] = {
    {.size = sizeof(wherry_arg), .kinds = WHERRY_KEY_KINDS, .flags = WHERRY_ARG_READ, .name = "key", .help = "a key"}};

static const wherry_command commands[] = {
    {.size = sizeof(wherry_command),
	.flags = WHERRY_CMD_WRITES,
	.name = "other.make",
	.help = "Makes one.",
	.verb = "write",
	.args = writes,
	.arg_count = 1,
	.arg_stride = sizeof(wherry_arg),
	.run = make},
    {.size = sizeof(wherry_command),
	.name = "other.see",
	.help = "Looks at one.",
	.verb = "read",
	.args = reads,
	.arg_count = 1,
	.arg_stride = sizeof(wherry_arg),
	.run = see},
};

static const wherry_type types[] = {
    {.size = sizeof(wherry_type), .version = 1, .name = "other.thing", .help = "something else"}};

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)why;
	struct other *other = host->alloc(owner, sizeof *other);
	if (!other)
		return WHERRY_ENOMEM;
	*other = (struct other){host, owner};
	*self = other;
	return WHERRY_OK;
}

static void unload(void *self)
{
	struct other *other = self;
	other->host->release(other->owner, other);
}

static const wherry_module module = {
    .size = sizeof(wherry_module),
    .abi = WHERRY_ABI,
    .abi_min = WHERRY_ABI,
    .name = "other",
    .version = "1",
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
    .command_stride = sizeof *commands,
    .types = types,
    .type_count = 1,
    .type_stride = sizeof *types,
    .load = load,
    .unload = unload,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi;
	return &module;
}
