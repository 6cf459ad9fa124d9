// `wherry METHOD ...`: one command of the broker.

#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli.h"

// words[0] is the method.  Answers the exit status.
int command_run(const struct settings *, int count, char **words);

#endif
