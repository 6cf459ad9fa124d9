// Signals as an administrator means them.  One thread takes them; every other has them blocked, NNG's and the modules'
// too.  Another does what takes time, so that TERM is heard whatever a reload waits for.

#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

#include <stdbool.h>

#include "wherry/broker.h"

struct signals {
	void (*reload)(void *arg, wherry_broker *);     // HUP; NULL: there is no file to reload, and HUP ends it
	void (*reopen_log)(void *arg, wherry_broker *); // USR1
	void *arg;
};

// Blocks them; before any thread is started.
void signals_block(void);
// Starts the threads.  TERM, INT, and HUP as above, end the process now as if nobody handled them; HUP and USR1 wait for
// signals_serve().  False: no thread.
bool signals_start(const struct signals *);
// From now on the first one stops the broker, and TERM or INT after it end the process at once.  The actions run on a
// thread of their own, one at a time: wishes that come meanwhile are one.
void signals_serve(wherry_broker *);
void signals_close(wherry_broker *); // closes the broker once no action runs

#endif
