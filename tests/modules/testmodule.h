// For the test modules: a context of host and owner, the tables' lines, and short names for what all of them do.

#ifndef TESTMODULE_H
#define TESTMODULE_H

#include <string.h>

#include "wherry/module.h"

struct context {
	const wherry_host *host;
	wherry_owner *owner;
};

#define ARG(n, k, f)                                                                                       \
	{                                                                                                  \
		.size = sizeof(wherry_arg), .kinds = (k), .flags = (f), .name = (n), .help = "an argument" \
	}
#define COMMAND(n, v, f, r)                                                                                  \
	{                                                                                                    \
		.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = "a command", .verb = (v), \
		.run = (r)                                                                                   \
	}
#define COMMAND_ARGS(n, v, f, r, a)                                                                            \
	{                                                                                                      \
		.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = "a command", .verb = (v),   \
		.args = (a), .arg_count = sizeof(a) / sizeof((a)[0]), .arg_stride = sizeof((a)[0]), .run = (r) \
	}

#define LIST(member, list) \
	.member##s = (list), .member##_count = sizeof(list) / sizeof((list)[0]), .member##_stride = sizeof((list)[0])

#define HEAD(n) .size = sizeof(wherry_module), .abi = WHERRY_ABI, .abi_min = WHERRY_ABI, .name = (n), .version = "1.0"

static inline wherry_span span_text(const char *text)
{
	return (wherry_span){text, strlen(text)};
}

// A load() that keeps host and owner in a static of this copy of the module.
#define LOAD_CONTEXT(name)                                                                              \
	static struct context context;                                                                  \
	static int32_t name(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why) \
	{                                                                                               \
		(void)why;                                                                              \
		context = (struct context){host, owner};                                                \
		*self = &context;                                                                       \
		return WHERRY_OK;                                                                       \
	}

#endif
