// The control thread: module loading, option changes, shutdown, one after another.

#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct control;

int control_open(struct control **);
void control_close(struct control *); // runs what was posted, ends the thread
// Runs job(arg) on the control thread, in order.  ENOMEM, ESHUTDOWN.  `what` is a static word for sys.jobs.
int control_post(struct control *, const char *what, void (*job)(void *), void *arg);
void control_call(struct control *, const char *what, void (*job)(void *), void *arg); // waits for it; from any thread

// What runs and waits, the running one first.  Under the control's lock: each() must be short.
void control_each(struct control *, void (*each)(void *arg, uint64_t id, const char *what, bool running), void *arg);

#endif
