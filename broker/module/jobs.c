// Jobs of the control thread: see jobs.h.

#include "module/jobs.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "wherry/status.h"

struct jobs {
	pthread_mutex_t lock;
	struct job *first, *last; // in the order they were asked for
	uint64_t next_id;
	unsigned count;
};

int jobs_open(struct jobs **out)
{
	struct jobs *js = mem_zalloc(sizeof(*js));
	if (js == NULL)
		return WHERRY_ENOMEM;
	pthread_mutex_init(&js->lock, NULL);
	*out = js;
	return WHERRY_OK;
}

void jobs_close(struct jobs *js)
{
	if (js == NULL)
		return;
	for (struct job *j = js->first; j != NULL;) {
		struct job *next = j->next;
		mem_free(j);
		j = next;
	}
	pthread_mutex_destroy(&js->lock);
	mem_free(js);
}

int jobs_add(struct jobs *js, const struct job *like, const char *argument, struct job **out)
{
	size_t size = strlen(argument) + 1;
	struct job *j = mem_alloc(sizeof(*j) + size);
	if (j == NULL)
		return WHERRY_ENOMEM;
	*j = *like;
	j->jobs = js;
	memcpy(j->argument, argument, size);
	pthread_mutex_lock(&js->lock);
	bool room = js->count < JOBS_MOST;
	if (room) {
		js->count++;
		j->id = ++js->next_id;
		*(js->last != NULL ? &js->last->next : &js->first) = j;
		js->last = j;
	}
	pthread_mutex_unlock(&js->lock);
	*out = j;
	if (!room)
		mem_free(j);
	return room ? WHERRY_OK : WHERRY_ELIMIT;
}

// Under the lock.
static void take_out(struct jobs *js, struct job *wanted)
{
	struct job *before = NULL;
	for (struct job *j = js->first; j != wanted; j = j->next)
		before = j;
	*(before != NULL ? &before->next : &js->first) = wanted->next;
	if (js->last == wanted)
		js->last = before;
	js->count--;
	mem_free(wanted);
}

static struct job *find(struct jobs *js, uint64_t id)
{
	for (struct job *j = js->first; j != NULL; j = j->next)
		if (j->id == id)
			return j;
	return NULL;
}

// Under the lock.  One that the control thread still has is left to jobs_finished().
static void forget(struct jobs *js, struct job *j)
{
	j->forgotten = true;
	if (j->done)
		take_out(js, j);
}

bool jobs_finished(struct jobs *js, struct job *j, uint64_t *id, uint64_t *ticket)
{
	pthread_mutex_lock(&js->lock);
	bool awaited = !j->forgotten;
	*id = j->id;
	*ticket = j->ticket;
	j->done = true;
	if (!awaited)
		take_out(js, j);
	pthread_mutex_unlock(&js->lock);
	return awaited;
}

int jobs_take(struct jobs *js, uint64_t id, struct job_result *out)
{
	pthread_mutex_lock(&js->lock);
	struct job *j = find(js, id);
	int status = j == NULL ? WHERRY_ESTALE : j->done ? WHERRY_OK : WHERRY_EAGAIN;
	if (status == WHERRY_OK) {
		*out = j->result;
		take_out(js, j);
	}
	pthread_mutex_unlock(&js->lock);
	return status;
}

void jobs_forget(struct jobs *js, uint64_t id)
{
	pthread_mutex_lock(&js->lock);
	struct job *j = find(js, id);
	if (j != NULL)
		forget(js, j);
	pthread_mutex_unlock(&js->lock);
}

void jobs_session_ended(struct jobs *js, uint64_t session)
{
	pthread_mutex_lock(&js->lock);
	for (struct job *j = js->first, *next; j != NULL; j = next) {
		next = j->next;
		if (j->session == session)
			forget(js, j);
	}
	pthread_mutex_unlock(&js->lock);
}
