// Alarms: bell.set key ms {times} rings the key that many times, every ms; bell.rung key says how often it has.

#include "testmodule.h"

LOAD_CONTEXT(load)

struct bell {
	int64_t every_ms, left, rung;
};

static wherry_span head_of(const struct bell *b)
{
	return (wherry_span){b, sizeof(*b)};
}

static int32_t run_set(void *self, wherry_call *call)
{
	const wherry_host *host = ((struct context *)self)->host;
	struct bell b = {call->args[1].as.i, call->args[2].kind == WHERRY_INT ? call->args[2].as.i : 1, 0};
	const int64_t most = INT64_C(1) << 40;
	if (b.every_ms < -most || b.every_ms > most || b.left < -most)
		return host->fail(call, WHERRY_EARG, "too far away");
	int32_t status = host->keys->put_head(call, 0, 0, head_of(&b));
	if (status == WHERRY_OK)
		status = host->keys->set_alarm(call, 0, call->now_ms + b.every_ms);
	if (status == WHERRY_OK)
		host->write->boolean(call->reply, 1);
	return status;
}

static int32_t open_bell(const wherry_host *host, wherry_call *call, struct bell *b)
{
	wherry_key key = {.size = sizeof(key)};
	int32_t status = host->keys->open(call, 0, 0, &key);
	if (status == WHERRY_OK)
		memcpy(b, key.head.ptr, sizeof(*b));
	return status;
}

static int32_t run_ring(void *self, wherry_call *call)
{
	const wherry_host *host = ((struct context *)self)->host;
	struct bell b;
	int32_t status = open_bell(host, call, &b);
	b.rung++;
	b.left--;
	if (status == WHERRY_OK)
		status = host->keys->put_head(call, 0, 0, head_of(&b));
	return status == WHERRY_OK ? host->keys->set_alarm(call, 0, b.left > 0 ? call->now_ms + b.every_ms : 0)
				   : status;
}

static int32_t run_rung(void *self, wherry_call *call)
{
	const wherry_host *host = ((struct context *)self)->host;
	struct bell b;
	int32_t status = open_bell(host, call, &b);
	if (status == WHERRY_OK)
		host->write->integer(call->reply, b.rung);
	return status;
}

static const wherry_arg set_args[] = {
    ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE),
    ARG("ms", WHERRY_INT, 0),
    ARG("times", WHERRY_INT, WHERRY_ARG_OPTION),
};
static const wherry_arg write_args[] = {ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE)};
static const wherry_arg read_args[] = {ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ)};

static const wherry_command commands[] = {
    COMMAND_ARGS("bell.set", "write", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, run_set, set_args),
    COMMAND_ARGS("bell.ring", "write", WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL, run_ring, write_args),
    COMMAND_ARGS("bell.rung", "read", 0, run_rung, read_args),
};

static const wherry_type types[] = {
    {.size = sizeof(wherry_type), .version = 1, .name = "bell.bell", .help = "a bell", .alarm = "bell.ring"},
};

static const wherry_module module = {HEAD("bell"), LIST(command, commands), LIST(type, types), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi;
	return &module;
}
