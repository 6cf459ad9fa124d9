// ratelimit: a bucket of tokens a key.  ratelimit.take key {rate, per_ms, burst, cost} takes `cost` tokens if they are there.
//
// A bucket is a head of 16 bytes and nothing else.  It is filled when it is looked at, by the time that has passed; a full
// one is the same as none, so a key's deadline is when it will be full, and idle keys vanish by themselves.

#include <string.h>
#include <wherry/module.h>

enum { BUCKET };                           // types
enum { RATE, BURST };                      // options
enum { ALLOWED, REFUSED };                 // metrics
enum { KEY, BY_RATE, PER_MS, SIZE, COST }; // arguments

enum { TOKENS_MOST = 1000000, DAY_MS = 86400000, MICRO = 1000000 };

struct limiter {
	const wherry_host *host;
	wherry_owner *owner;
};

// What is asked for, and what is there: tokens in millionths.
struct bucket {
	int64_t rate, per_ms, burst, cost;
	int64_t micro, at_ms;
};

// --- the head: two numbers, big-endian --------------------------------------------------------------------------------

static wherry_span head_of(const struct bucket *b, uint8_t bytes[16])
{
	for (int i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)((uint64_t)b->micro >> 8 * (7 - i));
		bytes[8 + i] = (uint8_t)((uint64_t)b->at_ms >> 8 * (7 - i));
	}
	return (wherry_span){bytes, 16};
}

static int64_t number(const uint8_t *bytes)
{
	uint64_t n = 0;
	for (int i = 0; i < 8; i++)
		n = n << 8 | bytes[i];
	return (int64_t)n;
}

// --- arithmetic in doubles: none of the products overflows, and they round less than a millionth of a token ----------

// How long it takes until so many millionths have come, rounded up.
static int64_t wait_ms(const struct bucket *b, int64_t micro)
{
	double ms = (double)micro * (double)b->per_ms / ((double)b->rate * MICRO);
	return (double)(int64_t)ms < ms ? (int64_t)ms + 1 : (int64_t)ms;
}

static void fill(struct bucket *b, int64_t now_ms)
{
	int64_t missing = b->burst * MICRO - b->micro, passed = now_ms - b->at_ms;
	if (missing <= 0 || passed >= wait_ms(b, missing))
		b->micro = b->burst * MICRO;
	else if (passed > 0) // a clock may be set back
		b->micro += (int64_t)((double)passed * (double)b->rate * MICRO / (double)b->per_ms);
	b->at_ms = now_ms;
}

// --- the command ------------------------------------------------------------------------------------------------------

static int64_t option(const struct limiter *l, uint32_t index)
{
	wherry_value value;
	return l->host->option(l->owner, index, &value) == WHERRY_OK ? value.as.i : 1;
}

static int64_t given(const wherry_call *call, uint32_t arg, int64_t preset)
{
	return call->args[arg].kind == WHERRY_ABSENT ? preset : call->args[arg].as.i;
}

static const char *read_arguments(const struct limiter *l, const wherry_call *call, struct bucket *b)
{
	b->rate = given(call, BY_RATE, option(l, RATE));
	b->per_ms = given(call, PER_MS, 1000);
	b->burst = given(call, SIZE, option(l, BURST));
	b->cost = given(call, COST, 1);
	if (b->rate < 1 || b->rate > TOKENS_MOST)
		return "rate must be from 1 to 1000000";
	if (b->per_ms < 1 || b->per_ms > DAY_MS)
		return "per_ms must be from 1 to 86400000, a day";
	if (b->burst < 1 || b->burst > TOKENS_MOST)
		return "burst must be from 1 to 1000000";
	if (b->cost < 1 || b->cost > b->burst)
		return "cost must be from 1 to burst: more would never be allowed";
	return NULL;
}

static int32_t open_bucket(const struct limiter *l, wherry_call *call, struct bucket *b)
{
	wherry_key key = {.size = sizeof key};
	int32_t status = l->host->keys->open(call, KEY, BUCKET, &key);
	b->micro = b->burst * MICRO;
	b->at_ms = call->now_ms;
	if (status == WHERRY_ENOKEY)
		return WHERRY_OK;
	if (status != WHERRY_OK)
		return status;
	b->micro = number(key.head.ptr);
	b->at_ms = number((const uint8_t *)key.head.ptr + 8);
	fill(b, call->now_ms);
	return WHERRY_OK;
}

// Only what is taken is written: whoever asks in vain, however often, takes no fraction of a token along.
static int32_t take_tokens(const struct limiter *l, wherry_call *call, struct bucket *b)
{
	uint8_t bytes[16];
	b->micro -= b->cost * MICRO;
	int32_t status = l->host->keys->put_head(call, KEY, BUCKET, head_of(b, bytes));
	if (status != WHERRY_OK)
		return status;
	return l->host->keys->set_deadline(call, KEY, call->now_ms + wait_ms(b, b->burst * MICRO - b->micro));
}

static void answer(const struct limiter *l, const wherry_call *call, const struct bucket *b, int32_t allowed)
{
	const wherry_write *write = l->host->write;
	write->map(call->reply, 3);
	write->cstring(call->reply, "allowed");
	write->boolean(call->reply, allowed);
	write->cstring(call->reply, "remaining");
	write->integer(call->reply, b->micro / MICRO);
	write->cstring(call->reply, "retry_ms");
	write->integer(call->reply, allowed ? 0 : wait_ms(b, b->cost * MICRO - b->micro));
}

static int32_t take(void *self, wherry_call *call)
{
	const struct limiter *l = self;
	struct bucket b;
	const char *wrong = read_arguments(l, call, &b);
	if (wrong != NULL)
		return l->host->fail(call, WHERRY_EARG, wrong);
	int32_t status = open_bucket(l, call, &b);
	int32_t allowed = b.micro >= b.cost * MICRO;
	if (status == WHERRY_OK && allowed)
		status = take_tokens(l, call, &b);
	if (status != WHERRY_OK)
		return status;
	l->host->metric_add(l->owner, allowed ? ALLOWED : REFUSED, 1);
	answer(l, call, &b, allowed);
	return WHERRY_OK;
}

// --- the module -------------------------------------------------------------------------------------------------------

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	struct limiter *l = host->alloc(owner, sizeof *l);
	if (l == NULL) {
		strcpy(why->text, "no memory");
		return WHERRY_ENOMEM;
	}
	*l = (struct limiter){host, owner};
	*self = l;
	return WHERRY_OK;
}

static void unload(void *self)
{
	struct limiter *l = self;
	l->host->release(l->owner, l);
}

// clang-format off
#define ARG(n, k, f, h) {.size = sizeof(wherry_arg), .name = n, .kinds = k, .flags = f, .help = h}
#define LIST(member, table) \
	.member##s = table, .member##_count = sizeof table / sizeof *table, .member##_stride = sizeof *table

static const wherry_arg take_args[] = {
    [KEY] = ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "whose bucket"),
    [BY_RATE] = ARG("rate", WHERRY_INT, WHERRY_ARG_OPTION, "tokens that come in per_ms; the option rate without it"),
    [PER_MS] = ARG("per_ms", WHERRY_INT, WHERRY_ARG_OPTION, "1000 without it"),
    [SIZE] = ARG("burst", WHERRY_INT, WHERRY_ARG_OPTION, "tokens that a bucket holds; the option burst without it"),
    [COST] = ARG("cost", WHERRY_INT, WHERRY_ARG_OPTION, "tokens to take, 1 without it"),
};
static const wherry_command commands[] = {
    {.size = sizeof *commands, .name = "ratelimit.take", .verb = "write", .flags = WHERRY_CMD_WRITES | WHERRY_CMD_GROWS,
     .help = "Takes tokens if they are there; answers {allowed, remaining, retry_ms}.", LIST(arg, take_args), .run = take},
};
static const wherry_type types[] = {
    [BUCKET] = {.size = sizeof *types, .version = 1, .name = "ratelimit.bucket", .help = "a bucket of tokens"},
};
static const wherry_option options[] = {
    [RATE] = {.size = sizeof *options, .kind = WHERRY_OPTION_INT, .flags = WHERRY_OPTION_HOT, .name = "rate", .preset = "10",
	      .min = 1, .max = TOKENS_MOST, .help = "tokens that come in a second, where the request does not say"},
    [BURST] = {.size = sizeof *options, .kind = WHERRY_OPTION_INT, .flags = WHERRY_OPTION_HOT, .name = "burst", .preset = "20",
	       .min = 1, .max = TOKENS_MOST, .help = "tokens that a bucket holds, where the request does not say"},
};
static const wherry_metric metrics[] = {
    [ALLOWED] = {.size = sizeof *metrics, .kind = WHERRY_METRIC_COUNTER, .name = "allowed", .unit = "", .help = "takes"},
    [REFUSED] = {.size = sizeof *metrics, .kind = WHERRY_METRIC_COUNTER, .name = "refused", .unit = "", .help = "in vain"},
};
static const wherry_module module = {
    .size = sizeof module, .abi = WHERRY_ABI, .abi_min = WHERRY_ABI, .name = "ratelimit", .version = "1",
    LIST(command, commands), LIST(type, types), LIST(option, options), LIST(metric, metrics),
    .load = load, .unload = unload,
};
// clang-format on

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi;
	return &module;
}
