// The built-in module "tx": many commands in one step.

#include "broker.h"
#include "builtin/describe.h"
#include "run/call.h"
#include "run/transaction.h"

enum { COMMANDS, IF, ON_ERROR };

static int32_t run_exec(void *self, wherry_call *call)
{
	(void)self;
	const wherry_value *on_error = &call->args[ON_ERROR];
	bool given = on_error->kind != WHERRY_ABSENT;
	bool goes_on = given && span_equal(on_error->as.bytes, span_text("continue"));
	if (given && !goes_on && !span_equal(on_error->as.bytes, span_text("abort")))
		return call_fail(call, WHERRY_EARG, "option \"on_error\" must be \"abort\" or \"continue\"");
	struct transaction_wish wish = {call->args[COMMANDS], call->args[IF], goes_on};
	return transaction_run(call, &wish);
}

static const wherry_arg exec_args[] = {
    [COMMANDS] = ARG("commands", WHERRY_LIST, 0,
	"an array of [method, params] or [method, params, options], as they stand in requests; each may name its own "
	"ns"),
    [IF] = ARG("if", WHERRY_LIST, WHERRY_ARG_OPTION,
	"an array of [key, revision]: what each key must be at before anything runs, nil or 0: not there; else "
	"ECONFLICT"),
    [ON_ERROR] = ARG("on_error", WHERRY_TEXT, WHERRY_ARG_OPTION,
	"abort, the default: a command that fails undoes all; continue: only itself, and each is answered [error, "
	"result]"),
};

static const wherry_command commands[] = {
    COMMAND_ARGS("tx.exec", "tx", WHERRY_CMD_WRITES | WHERRY_CMD_ALONE, run_exec, exec_args,
	"Runs commands of any modules one after another as one: all or nothing, nobody sees half of it, what they "
	"publish "
	"and wake goes out after it.  Answers an array of what they answered.  An error names the index of its "
	"command.  "
	"Who would wait answers at once, as after its time; commands that scan, administrate or can't be undone are "
	"refused before anything runs."),
};

const wherry_module builtin_tx = BUILTIN("tx", commands);
