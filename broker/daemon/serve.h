// A broker from ready to stopped: reloads, log files, the service manager and its watchdog.

#ifndef DAEMON_SERVE_H
#define DAEMON_SERVE_H

#include "daemon/flags.h"

// The exit status.
int serve(const wherry_config *, const struct wish *);
int complain(int status, const char *what); // on standard error; answers the status

#endif
