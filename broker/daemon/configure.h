// The configuration in force: default, then file, then environment, then flags; each wins over those before.

#ifndef DAEMON_CONFIGURE_H
#define DAEMON_CONFIGURE_H

#include "daemon/flags.h"

// The path of the configuration file: -c, else WHERRY_CONFIG; NULL: there is none.
const char *configure_file(const struct wish *);
// Fills an empty configuration.  say() gets each thing that is wrong.  Answers an exit status: EXIT_SUCCESS; 2 for a flag.
int configure(wherry_config *, const struct wish *, void (*say)(void *arg, const char *why), void *arg);
// Where to listen when nobody says.  Apart, because --print-config shows what was said.
int configure_listeners(wherry_config *, void (*say)(void *arg, const char *why), void *arg);

#endif
