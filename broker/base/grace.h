// Grace periods: readers mark that they are inside, and whoever took something out of their sight waits until all
// who may still see it have left.  Two counters per slot and phase, as in sleepable RCU (McKenney 2006): entering
// costs one atomic add on a cache line that the thread seldom shares.  Threads: any; a reader must not wait.

#ifndef BASE_GRACE_H
#define BASE_GRACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { GRACE_SLOTS = 64 };

struct grace {
	atomic_uint phase;
	pthread_mutex_t waiters;
	struct {
		_Alignas(64) atomic_uint_fast64_t entered[2], left[2];
	} slot[GRACE_SLOTS];
};

void grace_open(struct grace *);
void grace_close(struct grace *);
unsigned grace_enter(struct grace *);             // answers the token for grace_leave
void grace_leave(struct grace *, unsigned token); // by the same thread
void grace_wait(struct grace *);                  // may take as long as the longest reader

// A small number for this thread, the same as long as it lives: picks slots that threads seldom share.
unsigned thread_number(void);

#endif
