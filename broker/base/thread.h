// A thread of the broker's own: all signals blocked, so that they reach the thread that waits for them.

#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

// If set, called once on each thread that runs requests, by itself, and on those that thread_start() starts.  Set it before
// any of them is there.
extern void (*thread_met)(void);

bool thread_start(pthread_t *, void *(*body)(void *), void *arg); // false: the system has none to give

#endif
