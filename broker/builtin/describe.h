// For the tables of the built-in modules: one line an argument, one a command.

#ifndef BUILTIN_DESCRIBE_H
#define BUILTIN_DESCRIBE_H

#include "wherry/module.h"

#define ARG(n, k, f, h)                                                                          \
	{                                                                                        \
		.size = sizeof(wherry_arg), .kinds = (k), .flags = (f), .name = (n), .help = (h) \
	}

#define COMMAND(n, v, f, r, h)                                                                                  \
	{                                                                                                       \
		.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = (h), .verb = (v), .run = (r) \
	}
#define COMMAND_ARGS(n, v, f, r, a, h)                                                                            \
	{                                                                                                         \
		.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = (h), .verb = (v), .args = (a), \
		.arg_count = sizeof(a) / sizeof((a)[0]), .arg_stride = sizeof((a)[0]), .run = (r)                 \
	}

#define BUILTIN(n, c)                                                                                    \
	{                                                                                                \
		.size = sizeof(wherry_module), .abi = WHERRY_ABI, .abi_min = WHERRY_ABI, .name = (n),    \
		.version = WHERRY_VERSION, .commands = (c), .command_count = sizeof(c) / sizeof((c)[0]), \
		.command_stride = sizeof((c)[0])                                                         \
	}

#endif
