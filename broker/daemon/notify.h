// What the service manager is told: datagrams to $NOTIFY_SOCKET, as sd_notify(3) describes them.  Without that variable
// nothing is sent.  Threads: any.

#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

// "READY=1\nSTATUS=..."
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
void notify_reloading(void); // RELOADING=1 and the time, as it must be
// How often notify("WATCHDOG=1") must be said, halved to be safe; milliseconds; -1: not at all.
int64_t notify_watchdog_ms(void);

#endif
