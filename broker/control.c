// The control thread and its queue of jobs.  One mutex; no job runs under it.

#include "control.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/thread.h"
#include "wherry/status.h"

struct job {
	struct job *next;
	uint64_t id;
	const char *what;
	void (*run)(void *);
	void *arg;
};

struct control {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, *last; // the running one stays first
	uint64_t next_id;
	bool stop;
};

static void run_first(struct control *c)
{
	struct job *job = c->first;
	pthread_mutex_unlock(&c->lock);
	job->run(job->arg);
	pthread_mutex_lock(&c->lock);
	c->first = job->next;
	if (c->first == NULL)
		c->last = NULL;
	mem_free(job);
}

static void *control_main(void *arg)
{
	struct control *c = arg;
	pthread_setname_np(pthread_self(), "wherry:control");
	pthread_mutex_lock(&c->lock);
	while (!c->stop || c->first != NULL) {
		if (c->first != NULL)
			run_first(c);
		else
			pthread_cond_wait(&c->wake, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int control_open(struct control **out)
{
	struct control *c = mem_zalloc(sizeof(*c));
	if (c == NULL)
		return WHERRY_ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	if (!thread_start(&c->thread, control_main, c)) {
		pthread_mutex_destroy(&c->lock);
		pthread_cond_destroy(&c->wake);
		mem_free(c);
		return WHERRY_EAGAIN;
	}
	*out = c;
	return WHERRY_OK;
}

void control_close(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	mem_free(c);
}

int control_post(struct control *c, const char *what, void (*run)(void *), void *arg)
{
	struct job *job = mem_alloc(sizeof(*job));
	if (job == NULL)
		return WHERRY_ENOMEM;
	pthread_mutex_lock(&c->lock);
	bool stopped = c->stop;
	if (!stopped) {
		*job = (struct job){NULL, ++c->next_id, what, run, arg};
		*(c->last != NULL ? &c->last->next : &c->first) = job;
		c->last = job;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	if (stopped)
		mem_free(job);
	return stopped ? WHERRY_ESHUTDOWN : WHERRY_OK;
}

struct waited {
	void (*run)(void *);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done;
};

static void run_waited(void *arg)
{
	struct waited *w = arg;
	w->run(w->arg);
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->done_cond);
	pthread_mutex_unlock(&w->lock);
}

void control_call(struct control *c, const char *what, void (*run)(void *), void *arg)
{
	struct waited w = {
	    .run = run, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .done_cond = PTHREAD_COND_INITIALIZER};
	if (pthread_equal(pthread_self(), c->thread) || control_post(c, what, run_waited, &w) != WHERRY_OK) {
		run(arg);
		return;
	}
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.done_cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
}

void control_each(struct control *c, void (*each)(void *arg, uint64_t id, const char *what, bool running), void *arg)
{
	pthread_mutex_lock(&c->lock);
	for (const struct job *job = c->first; job != NULL; job = job->next)
		each(arg, job->id, job->what, job == c->first);
	pthread_mutex_unlock(&c->lock);
}
