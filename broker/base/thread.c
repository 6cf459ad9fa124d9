#include "base/thread.h"

#include <signal.h>

bool thread_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool ok = pthread_create(thread, NULL, body, arg) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}
