// A module of ABI 0.2 that uses a bit of everything: commands, a type with head, records and alarm, options, metrics, a
// listener, a timer, publishing, parking, subscribing, watching, keys of its own.  It and its binary stay as they are: what they do is asserted of each broker
// that says it serves 0.2.

#include <stdatomic.h>
#include <string.h>

#include <wherry/module.h>

enum { TALLY };                           // types
enum { STEP, LABEL, ROOM, PERIOD, LOUD }; // options
enum { ADDS, HEARD };                     // metrics
enum { ADD_KEY, ADD_FIELD, ADD_AMOUNT };  // arguments of probe.add
enum { WAIT_KEY, WAIT_TIMEOUT };          // and of probe.wait

struct probe {
	const wherry_host *host;
	wherry_owner *owner;
	atomic_uint_fast64_t heard, ticks, changed, ended;
};

static wherry_span span(const char *text)
{
	return (wherry_span){text, strlen(text)};
}

static int64_t number(wherry_span bytes)
{
	int64_t n = 0;
	memcpy(&n, bytes.ptr, bytes.len < sizeof(n) ? bytes.len : sizeof(n));
	return n;
}

static int64_t option(struct probe *p, uint32_t index)
{
	wherry_value value;
	return p->host->option(p->owner, index, &value) == WHERRY_OK ? value.as.i : -1;
}

// --- keys -------------------------------------------------------------------------------------------------------------

// Adds to a record; the head counts how often that happened.
static int32_t add(void *self, wherry_call *call)
{
	struct probe *p = self;
	const wherry_keys *keys = p->host->keys;
	wherry_key key = {.size = sizeof(key)};
	wherry_span value, field = call->args[ADD_FIELD].raw;
	int32_t status = keys->open(call, ADD_KEY, TALLY, &key);
	if (status != WHERRY_OK && status != WHERRY_ENOKEY)
		return status;
	int64_t times = status == WHERRY_OK ? number(key.head) + 1 : 1, sum = 0;
	if (status == WHERRY_OK && keys->get(call, ADD_KEY, field, &value) == WHERRY_OK)
		sum = number(value);
	sum += call->args[ADD_AMOUNT].kind ? call->args[ADD_AMOUNT].as.i : option(p, STEP);
	if (sum > 1000)
		return p->host->fail(call, WHERRY_ELIMIT, "a sum is at most 1000");
	if ((status = keys->put_head(call, ADD_KEY, TALLY, (wherry_span){&times, sizeof(times)})) ||
	    (status = keys->put(call, ADD_KEY, field, (wherry_span){&sum, sizeof(sum)})) ||
	    (status = keys->signal(call, ADD_KEY, 1)) ||
	    (status = p->host->bus->emit(call, span("probe.added"), call->args[ADD_FIELD].raw, span(""))))
		return status;
	p->host->metric_add(p->owner, ADDS, 1);
	p->host->write->integer(call->reply, sum);
	return WHERRY_OK;
}

// [times, {field: sum}]
static int32_t show(void *self, wherry_call *call)
{
	struct probe *p = self;
	const wherry_write *write = p->host->write;
	wherry_key key = {.size = sizeof(key)};
	wherry_cursor cursor;
	wherry_span field, value;
	int32_t status = p->host->keys->open(call, 0, TALLY, &key);
	if (status != WHERRY_OK)
		return status;
	write->array(call->reply, 2);
	write->integer(call->reply, number(key.head));
	write->map(call->reply, (uint32_t)key.records);
	status = p->host->keys->seek(call, 0, (wherry_span){NULL, 0}, 1, &cursor);
	for (uint64_t i = 0; status == WHERRY_OK && i < key.records; i++) {
		status = p->host->keys->next(&cursor, &field, &value);
		if (status != WHERRY_OK)
			break;
		write->raw(call->reply, field);
		write->integer(call->reply, number(value));
	}
	return status;
}

static int32_t wait(void *self, wherry_call *call)
{
	static const char *const words[] = {"first", "signal", "wake", "timeout", "shutdown"};
	struct probe *p = self;
	if (call->why != WHERRY_WHY_FIRST) {
		p->host->write->cstring(call->reply, words[call->why]);
		return WHERRY_OK;
	}
	int64_t timeout_ms = call->args[WAIT_TIMEOUT].kind ? call->args[WAIT_TIMEOUT].as.i : -1;
	int32_t status = p->host->keys->park(call, timeout_ms, NULL);
	return status == WHERRY_OK ? WHERRY_PARKED : status;
}

// Forgets the key later, by its alarm.
static int32_t doom(void *self, wherry_call *call)
{
	struct probe *p = self;
	int32_t status = p->host->keys->set_alarm(call, 0, call->now_ms + call->args[1].as.i);
	if (status == WHERRY_OK)
		p->host->write->nil(call->reply);
	return status;
}

static int32_t due(void *self, wherry_call *call)
{
	struct probe *p = self;
	return p->host->keys->remove(call, 0);
}

static int32_t count_one(void *arg, const wherry_key *key)
{
	(void)key;
	++*(uint64_t *)arg;
	return WHERRY_SCAN_NEXT;
}

static int32_t count(void *self, wherry_call *call)
{
	struct probe *p = self;
	uint64_t found = 0, cursor = 0;
	do {
		cursor = p->host->keys->scan(call, cursor, 100, TALLY, count_one, &found);
	} while (cursor != 0);
	p->host->write->uinteger(call->reply, found);
	return WHERRY_OK;
}

// --- values -----------------------------------------------------------------------------------------------------------

// The sum of the ints of all lists.
static int32_t sum(void *self, wherry_call *call)
{
	struct probe *p = self;
	int64_t total = 0;
	for (uint32_t i = 0; i < call->argc; i++) {
		wherry_reader reader;
		wherry_value value;
		int32_t status = p->host->read->open(&call->args[i], &reader);
		while (status == WHERRY_OK && (status = p->host->read->next(&reader, &value)) == WHERRY_OK) {
			if (value.kind != WHERRY_INT)
				return p->host->fail(call, WHERRY_EARG, "a list holds what is no int");
			total += value.as.i;
		}
		if (status != WHERRY_ENOKEY)
			return status;
	}
	p->host->write->integer(call->reply, total);
	return WHERRY_OK;
}

static int32_t say(void *self, wherry_call *call)
{
	struct probe *p = self;
	uint64_t receivers = 0;
	int32_t status =
	    p->host->bus->publish(p->owner, call->args[0].as.bytes, call->args[1].raw, span(""), &receivers);
	if (status == WHERRY_OK)
		p->host->write->uinteger(call->reply, receivers);
	return status;
}

// --- what 0.2 brought -------------------------------------------------------------------------------------------------

// How many would get it, and how many did.
static int32_t news(void *self, wherry_call *call)
{
	struct probe *p = self;
	wherry_message message = {
	    .size = sizeof(message), .topic = call->args[0].as.bytes, .payload = call->args[1].raw};
	uint64_t would = 0, did = 0;
	int32_t status = p->host->bus->matches(call, message.topic, &would);
	if (status == WHERRY_OK)
		status = p->host->bus->send(call, &message, &did);
	if (status != WHERRY_OK)
		return status;
	p->host->write->array(call->reply, 2);
	p->host->write->uinteger(call->reply, would);
	p->host->write->uinteger(call->reply, did);
	return WHERRY_OK;
}

static int32_t count_subscription(void *arg, const wherry_subscription *subscription)
{
	*(int64_t *)arg += subscription->filter_count;
	return 0;
}

static int32_t count_topic(void *arg, const wherry_topic *topic)
{
	*(int64_t *)arg += (int64_t)topic->subscriptions;
	return 0;
}

// Two filters, for as long as this runs: how many the session has then, and everybody.
static int32_t hear(void *self, wherry_call *call)
{
	struct probe *p = self;
	const wherry_bus *bus = p->host->bus;
	const wherry_span filters[] = {call->args[0].as.bytes, span("probe.b.*")};
	wherry_subscribe wanted = {.size = sizeof(wanted), .filters = filters, .filter_count = 2};
	uint64_t id;
	int64_t own = 0, all = 0;
	int32_t status = bus->subscribe(call, &wanted, &id);
	if (status != WHERRY_OK)
		return status;
	bus->each_subscription(call, count_subscription, &own);
	bus->each_topic(call, span(""), count_topic, &all);
	if ((status = bus->unsubscribe(call, id)) != WHERRY_OK)
		return status;
	p->host->write->array(call->reply, 3);
	p->host->write->integer(call->reply, own);
	p->host->write->integer(call->reply, all);
	p->host->write->integer(call->reply, bus->unsubscribe(call, id));
	return WHERRY_OK;
}

static int32_t follow(void *self, wherry_call *call)
{
	struct probe *p = self;
	static const uint32_t key = 0;
	const wherry_span pattern = span("k*");
	wherry_watch wanted = {.size = sizeof(wanted),
	    .flags = WHERRY_WATCH_INITIAL,
	    .keys = &key,
	    .key_count = 1,
	    .patterns = &pattern,
	    .pattern_count = 1};
	uint64_t id;
	int32_t status = p->host->bus->watch(call, &wanted, &id);
	if (status == WHERRY_OK)
		status = p->host->bus->unwatch(call, id);
	if (status == WHERRY_OK)
		p->host->write->boolean(
		    call->reply, p->host->read->is_glob(pattern) && p->host->read->glob(pattern, span("key")) == 1);
	return status;
}

// A key of the module's own, beside the one of the same name in the request's namespace.
static int32_t own(void *self, wherry_call *call)
{
	struct probe *p = self;
	const wherry_keys *keys = p->host->keys;
	wherry_key key = {.size = sizeof(key)};
	uint32_t arg;
	int32_t status = keys->need_own(call, call->args[0].raw, WHERRY_WRITE, &arg);
	if (status == WHERRY_OK)
		status = keys->put_head(call, arg, TALLY, span("head"));
	if (status == WHERRY_OK)
		status = keys->open(call, arg, TALLY, &key);
	if (status != WHERRY_OK)
		return status;
	p->host->write->array(call->reply, 3);
	p->host->write->text(call->reply, keys->ns(call));
	p->host->write->boolean(call->reply, key.changed != 0);
	p->host->write->boolean(call->reply, (call->flags & WHERRY_CALL_TRANSACTION) != 0);
	return WHERRY_OK;
}

// --- what happens by itself -------------------------------------------------------------------------------------------

static void heard(void *self, wherry_span topic, wherry_span payload, wherry_span headers)
{
	struct probe *p = self;
	(void)topic, (void)payload, (void)headers;
	atomic_fetch_add(&p->heard, 1);
	p->host->metric_add(p->owner, HEARD, 1);
}

static int32_t tick(void *self, wherry_call *call)
{
	struct probe *p = self;
	(void)call;
	atomic_fetch_add(&p->ticks, 1);
	return WHERRY_OK;
}

static int32_t status_of(void *self, wherry_call *call)
{
	struct probe *p = self;
	const wherry_write *write = p->host->write;
	wherry_value label;
	p->host->option(p->owner, LABEL, &label);
	write->map(call->reply, 7);
	write->cstring(call->reply, "step"), write->integer(call->reply, option(p, STEP));
	write->cstring(call->reply, "label"), write->text(call->reply, label.as.bytes);
	write->cstring(call->reply, "room"), write->integer(call->reply, option(p, ROOM));
	write->cstring(call->reply, "period"), write->integer(call->reply, option(p, PERIOD));
	write->cstring(call->reply, "loud"), write->boolean(call->reply, (int32_t)option(p, LOUD));
	write->cstring(call->reply, "ticked"), write->boolean(call->reply, atomic_load(&p->ticks) > 1);
	write->cstring(call->reply, "heard"), write->uinteger(call->reply, atomic_load(&p->heard));
	return WHERRY_OK;
}

// --- the life of it ---------------------------------------------------------------------------------------------------

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	struct probe *p = host->alloc(owner, sizeof(*p));
	if (p == NULL) {
		memcpy(why->text, "no memory", sizeof("no memory"));
		return WHERRY_ENOMEM;
	}
	memset(p, 0, sizeof(*p));
	p->host = host;
	p->owner = owner;
	*self = p;
	return WHERRY_OK;
}

// [2, "probe.tick", []]
static const char tick_request[] = "\x93\x02\xaaprobe.tick\x90";

static int32_t start(void *self, wherry_why *why)
{
	struct probe *p = self;
	uint64_t timer;
	(void)why;
	wherry_span request = {tick_request, sizeof(tick_request) - 1};
	int32_t status = p->host->submit(p->owner, request);
	return status == WHERRY_OK ? p->host->timer_start(p->owner, 1, option(p, PERIOD), request, &timer) : status;
}

static int32_t drain(void *self, int64_t deadline_ms)
{
	(void)self, (void)deadline_ms;
	return WHERRY_OK;
}

static void unload(void *self)
{
	struct probe *p = self;
	p->host->log(p->owner, WHERRY_LOG_INFO, "the probe leaves");
	p->host->release(p->owner, p);
}

static void option_changed(void *self, uint32_t option)
{
	(void)option;
	atomic_fetch_add(&((struct probe *)self)->changed, 1);
}

static void session_ended(void *self, uint64_t session)
{
	(void)session;
	atomic_fetch_add(&((struct probe *)self)->ended, 1);
}

static const void *extension(void *self, const char *id)
{
	(void)self, (void)id;
	return NULL;
}

// --- the description --------------------------------------------------------------------------------------------------

#define ARG(n, k, f)                                                                                       \
	{                                                                                                  \
		.size = sizeof(wherry_arg), .kinds = (k), .flags = (f), .name = (n), .help = "an argument" \
	}
#define KEY(f) ARG("key", WHERRY_KEY_KINDS, f)
#define LIST(member, list) \
	.member##s = (list), .member##_count = sizeof(list) / sizeof((list)[0]), .member##_stride = sizeof((list)[0])
#define COMMAND(n, v, f, r) \
	.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = "a command", .verb = (v), .run = (r)

static const wherry_arg add_args[] = {[ADD_KEY] = KEY(WHERRY_ARG_WRITE),
    [ADD_FIELD] = ARG("field", WHERRY_TEXT, 0),
    [ADD_AMOUNT] = ARG("amount", WHERRY_INT, WHERRY_ARG_OPTION)};
static const wherry_arg show_args[] = {KEY(WHERRY_ARG_READ)};
static const wherry_arg wait_args[] = {
    [WAIT_KEY] = KEY(WHERRY_ARG_READ), [WAIT_TIMEOUT] = ARG("timeout_ms", WHERRY_INT, WHERRY_ARG_OPTION)};
static const wherry_arg doom_args[] = {KEY(WHERRY_ARG_WRITE), ARG("ms", WHERRY_INT, 0)};
static const wherry_arg due_args[] = {KEY(WHERRY_ARG_WRITE)};
static const wherry_arg sum_args[] = {ARG("list", WHERRY_LIST, WHERRY_ARG_REST | WHERRY_ARG_OPTIONAL)};
static const wherry_arg say_args[] = {
    ARG("topic", WHERRY_TEXT, WHERRY_ARG_TOPIC), ARG("payload", WHERRY_ANY_KIND, WHERRY_ARG_SECRET)};

static const wherry_arg hear_args[] = {ARG("filter", WHERRY_TEXT, WHERRY_ARG_TOPIC)};
static const wherry_arg own_args[] = {KEY(WHERRY_ARG_READ)};

static const wherry_command commands[] = {
    {COMMAND("probe.add", "write", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, add), LIST(arg, add_args)},
    {COMMAND("probe.show", "read", 0, show), LIST(arg, show_args)},
    {COMMAND("probe.wait", "read", WHERRY_CMD_PARKS, wait), LIST(arg, wait_args)},
    {COMMAND("probe.doom", "write", WHERRY_CMD_WRITES, doom), LIST(arg, doom_args)},
    {COMMAND("probe.due", "write", WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL, due), LIST(arg, due_args)},
    {COMMAND("probe.count", "read", WHERRY_CMD_SCANS, count)},
    {COMMAND("probe.sum", "read", 0, sum), LIST(arg, sum_args)},
    {COMMAND("probe.say", "publish", 0, say), LIST(arg, say_args)},
    {COMMAND("probe.news", "publish", 0, news), LIST(arg, say_args)},
    {COMMAND("probe.hear", "subscribe", WHERRY_CMD_ALONE, hear), LIST(arg, hear_args)},
    {COMMAND("probe.follow", "read", WHERRY_CMD_ALONE, follow), LIST(arg, show_args)},
    {COMMAND("probe.own", "write", WHERRY_CMD_WRITES | WHERRY_CMD_SWAPS, own), LIST(arg, own_args)},
    {COMMAND("probe.tick", "write", WHERRY_CMD_INTERNAL, tick)},
    {COMMAND("probe.status", "admin", WHERRY_CMD_ADMIN, status_of)},
};

static const wherry_type types[] = {[TALLY] = {.size = sizeof(wherry_type),
					.version = 1,
					.name = "probe.tally",
					.help = "sums by name",
					.alarm = "probe.due"}};

#define OPTION(k, n, p) .size = sizeof(wherry_option), .kind = (k), .name = (n), .preset = (p), .help = "an option"
static const wherry_option options[] = {
    [STEP] = {OPTION(WHERRY_OPTION_INT, "step", "1"), .flags = WHERRY_OPTION_HOT, .min = 1, .max = 100},
    [LABEL] = {OPTION(WHERRY_OPTION_TEXT, "label", "none")},
    [ROOM] = {OPTION(WHERRY_OPTION_SIZE, "room", "64KiB")},
    [PERIOD] = {OPTION(WHERRY_OPTION_DURATION, "period", "5ms")},
    [LOUD] = {OPTION(WHERRY_OPTION_BOOL, "loud", "true")},
};

static const wherry_metric metrics[] = {
    [ADDS] = {.size = sizeof(wherry_metric), .kind = WHERRY_METRIC_COUNTER, .name = "adds", .unit = "", .help = "adds"},
    [HEARD] =
	{.size = sizeof(wherry_metric), .kind = WHERRY_METRIC_GAUGE, .name = "heard", .unit = "", .help = "heard"},
};

static const wherry_listener listeners[] = {
    {.size = sizeof(wherry_listener), .filter = "probe.>", .help = "what it says itself", .heard = heard}};

static const wherry_module module = {
    .size = sizeof(wherry_module),
    .abi = WHERRY_ABI,
    .abi_min = WHERRY_ABI,
    .name = "probe",
    .version = "0.2",
    LIST(command, commands),
    LIST(type, types),
    LIST(option, options),
    LIST(metric, metrics),
    LIST(listener, listeners),
    .load = load,
    .start = start,
    .drain = drain,
    .unload = unload,
    .option_changed = option_changed,
    .session_ended = session_ended,
    .extension = extension,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
