// `wherry --help`, `wherry help`, and what is said about a name that is nothing.

#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli.h"

// Paragraphs that --help and the manual page share; lines that begin with two spaces stand as they are.
extern const char help_usage_lines[], help_values[], help_examples[], help_environment[], help_exit_status[];

// Each answers the exit status.
int help_usage(void);
int help_of_subcommand(const struct settings *, const struct subcommand *);
int help_unknown(const struct settings *, int argc, char **argv); // argv[0] has no dot and is no subcommand

#endif
