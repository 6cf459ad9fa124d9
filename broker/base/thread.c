#include "base/thread.h"

#include <signal.h>

#include "base/grace.h"
#include "base/mem.h"

void (*thread_met)(void);

struct start {
	void *(*body)(void *);
	void *arg;
};

static void *begin(void *arg)
{
	struct start start = *(struct start *)arg;
	mem_free(arg);
	thread_number(); // meets it
	return start.body(start.arg);
}

bool thread_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
	sigset_t all, before;
	struct start *start = mem_alloc(sizeof(*start));
	if (start == NULL)
		return false;
	*start = (struct start){body, arg};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool ok = pthread_create(thread, NULL, begin, start) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!ok)
		mem_free(start);
	return ok;
}
