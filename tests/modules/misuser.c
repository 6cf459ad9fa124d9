// Does what a module must not: misuser.do key seen WHAT, by name.  For the broker's check_modules; some of it would bring
// a broker down that does not check.

#include <pthread.h>
#include <time.h>

#include "testmodule.h"

static struct context context;
static wherry_call *kept_call;
static char foreign[64];

// --- the wrong call -----------------------------------------------------------------------------------------------------

static void *open_elsewhere(void *call)
{
	wherry_key key = {.size = sizeof(key)};
	context.host->keys->open(call, 0, 0, &key);
	context.host->write->nil(((wherry_call *)call)->reply);
	return NULL;
}

static int32_t other_thread(wherry_call *call)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, open_elsewhere, call) != 0)
		return WHERRY_EAGAIN;
	pthread_join(thread, NULL);
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t keep_call(wherry_call *call)
{
	kept_call = call;
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t old_call(wherry_call *call)
{
	context.host->write->nil(call->reply);
	context.host->keys->remove(kept_call, 0);
	return WHERRY_OK;
}

// --- the wrong argument -------------------------------------------------------------------------------------------------

#define OPENS(name, arg, type, key_size, out)                             \
	static int32_t name(wherry_call *call)                            \
	{                                                                 \
		wherry_key key = {.size = (key_size)};                    \
		context.host->keys->open(call, (arg), (type), (out));     \
		context.host->write->uinteger(call->reply, key.revision); \
		return WHERRY_OK;                                         \
	}

OPENS(no_key, 2, 0, sizeof(key), &key)
OPENS(no_argument, 7, 0, sizeof(key), &key)
OPENS(no_type, 0, 5, sizeof(key), &key)
OPENS(null_out, 0, 0, sizeof(key), NULL)
OPENS(no_size, 0, 0, 0, &key)

static int32_t write_read(wherry_call *call)
{
	return context.host->keys->put_head(call, 1, 0, span_text("x"));
}

static int32_t null_span(wherry_call *call)
{
	return context.host->keys->put_head(call, 0, 0, (wherry_span){NULL, 5});
}

static int32_t zero_cursor(wherry_call *call)
{
	(void)call;
	wherry_cursor cursor = {{0}};
	wherry_span subkey, value;
	return context.host->keys->next(&cursor, &subkey, &value);
}

// --- the wrong answer ---------------------------------------------------------------------------------------------------

static int32_t half(wherry_call *call)
{
	context.host->write->array(call->reply, 2);
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t after_fail(wherry_call *call)
{
	context.host->fail(call, WHERRY_EARG, "no");
	context.host->write->nil(call->reply);
	return WHERRY_EARG;
}

static int32_t fail_ok(wherry_call *call)
{
	context.host->write->nil(call->reply);
	context.host->fail(call, WHERRY_EARG, "no");
	return WHERRY_OK;
}

static int32_t undone(wherry_call *call)
{
	context.host->keys->put_head(call, 0, 0, span_text("x"));
	return context.host->fail(call, WHERRY_ECONFLICT, "after a change");
}

static int32_t strange_status(wherry_call *call)
{
	(void)call;
	return 77;
}

static int32_t parked(wherry_call *call)
{
	(void)call;
	return WHERRY_PARKED;
}

static int32_t parks_and_answers(wherry_call *call)
{
	context.host->write->nil(call->reply);
	return context.host->keys->park(call, 1000, NULL);
}

// One of so many keys is surely in a stripe that is not held.
static int32_t swallows_restart(wherry_call *call)
{
	for (char i = 'a'; i <= 'z'; i++) {
		char key[] = {(char)0xa2, 'k', i};
		uint32_t arg;
		if (context.host->keys->need(call, (wherry_span){key, sizeof(key)}, WHERRY_WRITE, &arg) ==
		    WHERRY_RESTART)
			break;
	}
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t slow(wherry_call *call)
{
	nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

// --- the wrong memory ---------------------------------------------------------------------------------------------------

static int32_t release_twice(wherry_call *call)
{
	void *block = context.host->alloc(context.owner, 10);
	context.host->release(context.owner, block);
	context.host->release(context.owner, block);
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t release_foreign(wherry_call *call)
{
	context.host->release(context.owner, foreign + 32);
	context.host->write->boolean(call->reply, context.host->resize(context.owner, foreign + 32, 10) == NULL);
	return WHERRY_OK;
}

static int32_t give_twice(wherry_call *call)
{
	wherry_buf *buf = context.host->bus->buf_new(context.owner, 3);
	context.host->bus->give_session(context.owner, 99999, buf);
	context.host->write->integer(call->reply, context.host->bus->give_session(context.owner, 99999, buf));
	return WHERRY_OK;
}

static int32_t drop_foreign(wherry_call *call)
{
	context.host->bus->buf_drop((wherry_buf *)(void *)foreign);
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

// Answers the first byte of a head that was lent, once the key has changed.
static int32_t reads_late(wherry_call *call)
{
	wherry_key key = {.size = sizeof(key)};
	int32_t status = context.host->keys->put_head(call, 0, 0, span_text("before"));
	if (status == WHERRY_OK)
		status = context.host->keys->open(call, 0, 0, &key);
	if (status == WHERRY_OK)
		status = context.host->keys->put_head(call, 0, 0, span_text("behind"));
	if (status == WHERRY_OK)
		context.host->write->integer(call->reply, ((const unsigned char *)key.head.ptr)[0]);
	return status;
}

// --- the rest of the host -----------------------------------------------------------------------------------------------

static int32_t no_option(wherry_call *call)
{
	wherry_value value;
	context.host->write->integer(call->reply, context.host->option(context.owner, 9, &value));
	return WHERRY_OK;
}

static int32_t no_metric(wherry_call *call)
{
	context.host->metric_add(context.owner, 3, 1);
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static int32_t null_text(wherry_call *call)
{
	context.host->log(context.owner, WHERRY_LOG_INFO, NULL);
	context.host->log(NULL, WHERRY_LOG_INFO, "who says this?");
	context.host->write->nil(call->reply);
	return WHERRY_OK;
}

static const struct {
	const char *what;
	int32_t (*run)(wherry_call *);
} wrongs[] = {
    {"other_thread", other_thread},
    {"keep_call", keep_call},
    {"old_call", old_call},
    {"no_key", no_key},
    {"no_argument", no_argument},
    {"no_type", no_type},
    {"null_out", null_out},
    {"no_size", no_size},
    {"write_read", write_read},
    {"null_span", null_span},
    {"zero_cursor", zero_cursor},
    {"half", half},
    {"after_fail", after_fail},
    {"fail_ok", fail_ok},
    {"undone", undone},
    {"strange_status", strange_status},
    {"parked", parked},
    {"parks_and_answers", parks_and_answers},
    {"swallows_restart", swallows_restart},
    {"slow", slow},
    {"release_twice", release_twice},
    {"release_foreign", release_foreign},
    {"give_twice", give_twice},
    {"drop_foreign", drop_foreign},
    {"reads_late", reads_late},
    {"no_option", no_option},
    {"no_metric", no_metric},
    {"null_text", null_text},
};

static int32_t run_wrong(void *self, wherry_call *call)
{
	wherry_span what = call->args[2].as.bytes;
	(void)self;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		if (strlen(wrongs[i].what) == what.len && memcmp(wrongs[i].what, what.ptr, what.len) == 0)
			return wrongs[i].run(call);
	return context.host->fail(call, WHERRY_EARG, "no such misuse");
}

static int32_t count_within(void *call, const wherry_key *key)
{
	(void)key;
	context.host->keys->count(call);
	return WHERRY_SCAN_REMOVE;
}

static int32_t scan(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->uinteger(
	    call->reply, context.host->keys->scan(call, 0, 100, WHERRY_ANY_TYPE, count_within, call));
	return WHERRY_OK;
}

// --- too early, too late ------------------------------------------------------------------------------------------------

// [2, "misuser.scan", []]
static const char request[] = "\x93\x02\xacmisuser.scan\x90";

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	wherry_value early;
	(void)why;
	context = (struct context){host, owner};
	*self = &context;
	host->option(owner, 0, &early);
	return early.as.i ? host->submit(owner, (wherry_span){request, sizeof(request) - 1}) : WHERRY_OK;
}

static void unload(void *self)
{
	(void)self;
	context.host->submit(context.owner, (wherry_span){request, sizeof(request) - 1});
}

WHERRY_EXPORT void misuser_late(void);
void misuser_late(void)
{
	context.host->alloc(context.owner, 1);
}

static const wherry_arg args[] = {
    ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE),
    ARG("seen", WHERRY_KEY_KINDS, WHERRY_ARG_READ),
    ARG("what", WHERRY_TEXT, 0),
};
static const wherry_command commands[] = {
    COMMAND_ARGS("misuser.do", "write", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, run_wrong, args),
    COMMAND("misuser.scan", "read", WHERRY_CMD_SCANS, scan),
};
static const wherry_type types[] = {
    {.size = sizeof(wherry_type), .version = 1, .name = "misuser.thing", .help = "a thing"}};
static const wherry_option options[] = {{.size = sizeof(wherry_option),
    .kind = WHERRY_OPTION_BOOL,
    .name = "early",
    .preset = "false",
    .help = "submit in load()"}};
static const wherry_module module = {
    HEAD("misuser"), LIST(command, commands), LIST(type, types), LIST(option, options), .load = load, .unload = unload};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
