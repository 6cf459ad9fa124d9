// skeleton: keeps the latest values of a key, in the order they came.
//
//   skeleton.add key value         adds one; answers how many there ever were
//   skeleton.last key {count}      the latest, newest first
//
// It runs inside the broker: run() must not block, and is called on many threads at once.  How to build and try it:
// README.md.  What each name means, who owns what, and what may be called where: wherry/module.h.

#include <string.h>
#include <wherry/module.h>

// Places in the tables at the end of this file.  That is how the ABI names things: by index, not by text.
enum { LATEST };               // types[]
enum { KEEP };                 // options[]
enum { ADDED };                // metrics[]
enum { ADD_KEY, ADD_VALUE };   // add_args[]
enum { LAST_KEY, LAST_COUNT }; // last_args[]

enum { TRIM_MOST = 16, COUNT_PRESET = 10, COUNT_MOST = 1000 };

// What every run() gets as `self`.  All threads share it, so it is constant after load(): data belongs in keys.  And no
// globals: two brokers, or the old and the new code of a reload, may be in one process.
struct state {
	const wherry_host *host;
	wherry_owner *owner;
};

// Numbers are kept big-endian: records are in the order of their bytes, and on disk for every machine.
static wherry_span label(uint64_t n, uint8_t bytes[8])
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(n >> 8 * (7 - i));
	return (wherry_span){bytes, 8};
}

static uint64_t number(wherry_span label)
{
	uint64_t n = 0;
	for (size_t i = 0; i < label.len; i++)
		n = n << 8 | ((const uint8_t *)label.ptr)[i];
	return n;
}

// Removes the oldest until as many are left as the option says; a few at a time, so that no call takes long.
static int32_t trim(struct state *s, wherry_call *call, uint64_t total, uint64_t records)
{
	uint8_t bytes[8];
	wherry_value keep;
	int32_t status = s->host->option(s->owner, KEEP, &keep);
	for (int i = 0; i < TRIM_MOST && status == WHERRY_OK && records > (uint64_t)keep.as.i; i++, records--)
		status = s->host->keys->del(call, ADD_KEY, label(total - records + 1, bytes));
	return status;
}

static int32_t add(void *self, wherry_call *call)
{
	struct state *s = self;
	const wherry_keys *keys = s->host->keys;
	wherry_key key = {.size = sizeof key}; // every struct of the ABI that begins with size wants it set
	uint8_t bytes[8];
	int32_t status = keys->open(call, ADD_KEY, LATEST, &key);
	if (status == WHERRY_ENOKEY)
		key.records = 0, key.head = (wherry_span){NULL, 0}; // put_head() will make it
	else if (status != WHERRY_OK)
		return status; // ETYPE, RESTART, ...: passed on as it is, and the broker undoes what was changed
	uint64_t total = number(key.head) + 1, records = key.records + 1;
	// key.head is lent until the next change of the key: from here on it must not be used.
	wherry_span place = label(total, bytes);
	if ((status = keys->put_head(call, ADD_KEY, LATEST, place)) ||
	    (status = keys->put(call, ADD_KEY, place, call->args[ADD_VALUE].raw)) ||
	    (status = trim(s, call, total, records)))
		return status;
	s->host->metric_add(s->owner, ADDED, 1);
	s->host->write->uinteger(call->reply, total); // exactly one value, then WHERRY_OK
	return WHERRY_OK;
}

static int32_t last(void *self, wherry_call *call)
{
	struct state *s = self;
	const wherry_keys *keys = s->host->keys;
	const wherry_value *count = &call->args[LAST_COUNT]; // always there; its kind is ABSENT if it was not given
	wherry_key key = {.size = sizeof key};
	wherry_cursor cursor;
	wherry_span place, value;
	int64_t wanted = count->kind == WHERRY_ABSENT ? COUNT_PRESET : count->as.i;
	if (wanted < 0 || wanted > COUNT_MOST)
		return s->host->fail(call, WHERRY_EARG, "count must be from 0 to 1000"); // name what is wrong
	int32_t status = keys->open(call, LAST_KEY, LATEST, &key);
	if (status == WHERRY_ENOKEY)
		key.records = 0;
	else if (status != WHERRY_OK)
		return status;
	uint32_t left = (uint32_t)((uint64_t)wanted < key.records ? (uint64_t)wanted : key.records);
	s->host->write->array(call->reply, left); // its elements follow: exactly as many
	if (left == 0)
		return WHERRY_OK;
	status = keys->seek(call, LAST_KEY, (wherry_span){NULL, 0}, -1, &cursor); // the last one, then backwards
	while (status == WHERRY_OK && left-- > 0 && (status = keys->next(&cursor, &place, &value)) == WHERRY_OK)
		s->host->write->raw(call->reply, value);
	return status;
}

// --- the life of it ---------------------------------------------------------------------------------------------------

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	struct state *s = host->alloc(owner, sizeof *s); // counted as this module's; malloc() would not be
	if (s == NULL) {
		strcpy(why->text, "no memory"); // reaches the administrator
		return WHERRY_ENOMEM;
	}
	*s = (struct state){host, owner};
	*self = s;
	return WHERRY_OK;
}

static void unload(void *self)
{
	struct state *s = self;
	s->host->release(s->owner, s); // what is still held is taken back, and named in the log as a leak
}

// --- what the broker reads before it runs anything: commands, help, arguments, locks, access all come from here --------

#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

static const wherry_arg add_args[] = {
    // WRITE: the broker locks the key, and lets only this command change it.
    [ADD_KEY] = {.size = sizeof *add_args,
	.name = "key",
	.kinds = WHERRY_KEY_KINDS,
	.flags = WHERRY_ARG_WRITE,
	.help = "where to"},
    [ADD_VALUE] = {.size = sizeof *add_args, .name = "value", .kinds = WHERRY_ANY_KIND, .help = "any value"},
};

// In this order: positional ones, options, then what repeats.
static const wherry_arg last_args[] = {
    [LAST_KEY] = {.size = sizeof *last_args,
	.name = "key",
	.kinds = WHERRY_KEY_KINDS,
	.flags = WHERRY_ARG_READ,
	.help = "where from"},
    [LAST_COUNT] = {.size = sizeof *last_args,
	.name = "count",
	.kinds = WHERRY_INT,
	.flags = WHERRY_ARG_OPTION,
	.help = "at most so many, 0 to 1000; 10 without it"},
};

static const wherry_command commands[] = {
    {.size = sizeof *commands,
	.name = "skeleton.add",
	.verb = "write",
	.help = "Adds a value; answers how many there ever were.",
	.flags = WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, // GROWS: refused when the broker's memory is full
	.args = add_args,
	.arg_count = COUNT_OF(add_args),
	.arg_stride = sizeof *add_args,
	.run = add},
    {.size = sizeof *commands,
	.name = "skeleton.last",
	.verb = "read",
	.help = "Answers the latest values, newest first.",
	.args = last_args,
	.arg_count = COUNT_OF(last_args),
	.arg_stride = sizeof *last_args,
	.run = last},
};

// The name of a type stands in the data for ever, so what head and records mean must stay, too.
static const wherry_type types[] = {
    [LATEST] = {.size = sizeof *types,
	.version = 1,
	.name = "skeleton.latest",
	.help = "values in the order they came"},
};

// HOT: may change while it runs.  It is read anew for each call, so there is nothing to do in option_changed().
static const wherry_option options[] = {
    [KEEP] = {.size = sizeof *options,
	.kind = WHERRY_OPTION_INT,
	.flags = WHERRY_OPTION_HOT,
	.name = "keep",
	.preset = "100",
	.min = 1,
	.max = 1000000,
	.help = "how many values of a key are kept"},
};

static const wherry_metric metrics[] = {
    [ADDED] =
	{.size = sizeof *metrics, .kind = WHERRY_METRIC_COUNTER, .name = "added", .unit = "", .help = "values added"},
};

static const wherry_module module = {
    .size = sizeof module,
    .abi = WHERRY_ABI,
    .abi_min = WHERRY_ABI,
    .name = "skeleton",
    .version = "0.1",
    .commands = commands,
    .command_count = COUNT_OF(commands),
    .command_stride = sizeof *commands,
    .types = types,
    .type_count = COUNT_OF(types),
    .type_stride = sizeof *types,
    .options = options,
    .option_count = COUNT_OF(options),
    .option_stride = sizeof *options,
    .metrics = metrics,
    .metric_count = COUNT_OF(metrics),
    .metric_stride = sizeof *metrics,
    .load = load,
    .unload = unload,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi; // the broker compares it with .abi, and says so if it can't serve the module
	return &module;
}
