// The arguments of a slow request as text.  Threads: the one that ran it.

#ifndef RUN_SLOW_ARGS_H
#define RUN_SLOW_ARGS_H

#include "run/call.h"

// Packs an array of str: each argument that was given, cut to `most` bytes; options as name=value.
void slow_pack_args(struct buffer *out, const struct command *, const wherry_value *args, uint32_t argc, size_t most);

#endif
