// Counts in records: counter.add key field [by] answers the sum, counter.get key field the number.  Its statics tell
// whether this copy is its own: counter.loads answers how often load() ran in it, which must be once.

#include <stdatomic.h>

#include "testmodule.h"

enum { STEP, LABEL, SIZE };

static atomic_int loads, changes;
static struct context context;

static wherry_span record_of(wherry_call *call)
{
	return call->args[1].raw;
}

static int32_t read(wherry_call *call, int64_t *number)
{
	const wherry_keys *keys = context.host->keys;
	wherry_span value;
	*number = 0;
	wherry_key key = {.size = sizeof(key)};
	int32_t status = keys->open(call, 0, 0, &key);
	if (status == WHERRY_OK)
		status = keys->get(call, 0, record_of(call), &value);
	if (status == WHERRY_OK)
		memcpy(number, value.ptr, sizeof(*number));
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int64_t step(void)
{
	wherry_value value;
	context.host->option(context.owner, STEP, &value);
	return value.as.i;
}

static int32_t add(void *self, wherry_call *call)
{
	(void)self;
	const wherry_keys *keys = context.host->keys;
	int64_t number;
	int32_t status = read(call, &number);
	if (status != WHERRY_OK)
		return status;
	if (__builtin_add_overflow(number, call->args[2].kind == WHERRY_ABSENT ? step() : call->args[2].as.i, &number))
		return WHERRY_ELIMIT;
	status = keys->put_head(call, 0, 0, span_text("c"));
	if (status == WHERRY_OK)
		status = keys->put(call, 0, record_of(call), (wherry_span){&number, sizeof(number)});
	if (status != WHERRY_OK)
		return status;
	context.host->metric_add(context.owner, 0, 1);
	context.host->write->integer(call->reply, number);
	return WHERRY_OK;
}

static int32_t get(void *self, wherry_call *call)
{
	(void)self;
	int64_t number;
	int32_t status = read(call, &number);
	if (status == WHERRY_OK)
		context.host->write->integer(call->reply, number);
	return status;
}

static int32_t count_loads(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->integer(call->reply, atomic_load(&loads));
	return WHERRY_OK;
}

// [step, label, size, how often option_changed() was called]
static int32_t options_now(void *self, wherry_call *call)
{
	(void)self;
	wherry_value value;
	const wherry_write *write = context.host->write;
	write->array(call->reply, 4);
	context.host->option(context.owner, STEP, &value);
	write->integer(call->reply, value.as.i);
	context.host->option(context.owner, LABEL, &value);
	write->text(call->reply, value.as.bytes);
	context.host->option(context.owner, SIZE, &value);
	write->integer(call->reply, value.as.i);
	write->integer(call->reply, atomic_load(&changes));
	return WHERRY_OK;
}

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)why;
	context = (struct context){host, owner};
	*self = &context;
	atomic_fetch_add(&loads, 1);
	return WHERRY_OK;
}

static void option_changed(void *self, uint32_t option)
{
	(void)self;
	(void)option;
	atomic_fetch_add(&changes, 1);
}

static const wherry_arg add_args[] = {
    ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE),
    ARG("field", WHERRY_ANY_KIND, 0),
    ARG("by", WHERRY_INT, WHERRY_ARG_OPTIONAL),
};

static const wherry_arg get_args[] = {
    ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ),
    ARG("field", WHERRY_ANY_KIND, 0),
};

static const wherry_command commands[] = {
    COMMAND_ARGS("counter.add", "write", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, add, add_args),
    COMMAND_ARGS("counter.get", "read", 0, get, get_args),
    COMMAND("counter.loads", "read", 0, count_loads),
    COMMAND("counter.options", "read", 0, options_now),
};

static const wherry_type types[] = {
    {.size = sizeof(wherry_type), .version = 1, .name = "counter.counter", .help = "numbers by field"}};

static const wherry_option options[] = {
    {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_INT,
	.flags = WHERRY_OPTION_HOT,
	.name = "step",
	.preset = "1",
	.help = "what counter.add adds",
	.min = 1,
	.max = 1000},
    {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_TEXT,
	.flags = WHERRY_OPTION_HOT,
	.name = "label",
	.preset = "none",
	.help = "a text"},
    {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_SIZE,
	.name = "size",
	.preset = "64KiB",
	.help = "a size that can't change while it runs"},
};

static const wherry_metric metrics[] = {{.size = sizeof(wherry_metric),
    .kind = WHERRY_METRIC_COUNTER,
    .name = "adds",
    .unit = "",
    .help = "counter.add calls"}};

static const wherry_module module = {
    HEAD("counter"),
    LIST(command, commands),
    LIST(type, types),
    LIST(option, options),
    LIST(metric, metrics),
    .load = load,
    .option_changed = option_changed,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
