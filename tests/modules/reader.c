// Reads encoded values through the host's table: reader.flatten value answers its kind and its elements' kinds,
// reader.equal a b, reader.canonical key [room], reader.garbage bytes the status of value().

#include "testmodule.h"

LOAD_CONTEXT(load)

// [kind, kind of each element ...]
static int32_t flatten(void *self, wherry_call *call)
{
	(void)self;
	const wherry_read *read = context.host->read;
	wherry_value value, element;
	wherry_reader reader;
	int32_t status = read->value(call->args[0].raw, &value);
	if (status == WHERRY_OK)
		status = read->open(&value, &reader);
	if (status != WHERRY_OK)
		return status;
	uint32_t elements = value.kind == WHERRY_MAP ? value.reserved0 * 2 : value.reserved0;
	context.host->write->array(call->reply, elements + 1);
	context.host->write->uinteger(call->reply, value.kind);
	while ((status = read->next(&reader, &element)) == WHERRY_OK)
		context.host->write->uinteger(call->reply, element.kind);
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t equal(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->integer(call->reply, context.host->read->equal(call->args[0].raw, call->args[1].raw));
	return WHERRY_OK;
}

// [status, needed, bytes]
static int32_t canonical(void *self, wherry_call *call)
{
	(void)self;
	char buffer[64];
	size_t len = 0, room = sizeof(buffer);
	if (call->args[1].kind == WHERRY_INT && (size_t)call->args[1].as.i < room)
		room = (size_t)call->args[1].as.i;
	int32_t status = context.host->read->canonical(&call->args[0], buffer, room, &len);
	context.host->write->array(call->reply, 3);
	context.host->write->integer(call->reply, status);
	context.host->write->uinteger(call->reply, len);
	context.host->write->bytes(call->reply, (wherry_span){buffer, status == WHERRY_OK ? len : 0});
	return WHERRY_OK;
}

// [value(bytes), equal(bytes, bytes), equal(1, bytes)]
static int32_t garbage(void *self, wherry_call *call)
{
	(void)self;
	wherry_value value;
	wherry_span bytes = call->args[0].as.bytes;
	context.host->write->array(call->reply, 3);
	context.host->write->integer(call->reply, context.host->read->value(bytes, &value));
	context.host->write->integer(call->reply, context.host->read->equal(bytes, bytes));
	context.host->write->integer(call->reply, context.host->read->equal((wherry_span){"\x01", 1}, bytes));
	return WHERRY_OK;
}

static const wherry_arg one_args[] = {ARG("value", WHERRY_ANY_KIND, 0)};
static const wherry_arg two_args[] = {ARG("a", WHERRY_ANY_KIND, 0), ARG("b", WHERRY_ANY_KIND, 0)};
static const wherry_arg canonical_args[] = {
    ARG("key", WHERRY_ANY_KIND, 0), ARG("room", WHERRY_INT, WHERRY_ARG_OPTIONAL)};
static const wherry_arg bytes_args[] = {ARG("bytes", WHERRY_BYTES, 0)};

static const wherry_command commands[] = {
    COMMAND_ARGS("reader.flatten", "read", 0, flatten, one_args),
    COMMAND_ARGS("reader.equal", "read", 0, equal, two_args),
    COMMAND_ARGS("reader.canonical", "read", 0, canonical, canonical_args),
    COMMAND_ARGS("reader.garbage", "read", 0, garbage, bytes_args),
};

static const wherry_module module = {HEAD("reader"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
