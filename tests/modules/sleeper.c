// A command that keeps its thread: sleeper.work ms [fault] {password, label} answers ms when so much time
// has passed, or fails then; 0 is no sleep at all.

#include <time.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t work(void *self, wherry_call *call)
{
	(void)self;
	int64_t ms = call->args[0].as.i;
	struct timespec left = {ms / 1000, ms % 1000 * 1000000};
	while (ms > 0 && nanosleep(&left, &left) != 0)
		;
	if (call->args[1].kind == WHERRY_TEXT)
		return WHERRY_EIO;
	context.host->write->integer(call->reply, ms);
	return WHERRY_OK;
}

static const wherry_arg work_args[] = {
    ARG("ms", WHERRY_INT, 0),
    ARG("fault", WHERRY_TEXT, WHERRY_ARG_OPTIONAL),
    ARG("password", WHERRY_TEXT, WHERRY_ARG_OPTION | WHERRY_ARG_SECRET),
    ARG("label", WHERRY_ANY_KIND, WHERRY_ARG_OPTION),
};

static const wherry_command commands[] = {
    COMMAND_ARGS("sleeper.work", "read", 0, work, work_args),
};

static const wherry_module module = {HEAD("sleeper"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
