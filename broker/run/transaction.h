// Transactions: many commands in the place of one, all or nothing.  What tx.exec (builtin/tx.c) does.
// Threads: the one that runs the request.

#ifndef RUN_TRANSACTION_H
#define RUN_TRANSACTION_H

#include <stdbool.h>

#include "wherry/module.h"

struct transaction_wish {
	wherry_value commands;   // LIST of [method, params] or [method, params, options]
	wherry_value conditions; // LIST of [key, revision], or ABSENT
	bool goes_on;            // after a command that fails: that one alone is undone
};

// The run() of a command without keys.  The answer is an array with an element for each command: what it answered, or
// [error, what it answered] if the transaction goes on.
int32_t transaction_run(wherry_call *, const struct transaction_wish *);

#endif
