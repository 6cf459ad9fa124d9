// A report of a crash: what happened where, on which thread, in which command, with which modules.  It goes to standard
// error, and to the log's file; then, after 5 seconds at most, the process ends by the signal, with a core if the system
// makes one.
//
// For wherryd: whoever embeds a broker has handlers of their own.  Threads: as said at each.

#ifndef CRASH_H
#define CRASH_H

// Handles SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT from now on, on every thread that runs requests.  Once, before any
// other thread is started.
void crash_install(void);

// One more place for the report: the descriptor of the log's file; -1: none.  Any thread; before it is closed say -1.
void crash_log_to(int fd);

#endif
