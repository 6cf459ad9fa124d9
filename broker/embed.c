// Sessions of the embedding program: a call runs on the caller's thread, and waits only for what parked.

#include <pthread.h>

#include "base/mem.h"
#include "broker.h"

struct wherry_session {
	struct session session;
	struct router *router;
	struct buffer answer;
	pthread_mutex_t lock; // all below
	pthread_cond_t arrived;
	struct buffer late;
	bool has_late, closed;
};

static int deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	(void)header;
	wherry_session *e = s->peer;
	pthread_mutex_lock(&e->lock);
	struct buffer empty = e->late;
	e->late = *frame;
	*frame = empty;
	e->has_late = true;
	pthread_cond_signal(&e->arrived);
	pthread_mutex_unlock(&e->lock);
	return WHERRY_OK;
}

// session.close, or no memory for an answer: nobody waits any longer, and later calls are refused.
static void close_session(struct session *s, const char *why)
{
	(void)why;
	wherry_session *e = s->peer;
	pthread_mutex_lock(&e->lock);
	e->closed = true;
	pthread_cond_signal(&e->arrived);
	pthread_mutex_unlock(&e->lock);
}

static void gone(struct session *s)
{
	wherry_session *e = s->peer;
	buffer_free(&e->answer);
	buffer_free(&e->late);
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->arrived);
	mem_free(e);
}

static const struct session_ops embed_ops = {deliver, close_session, gone, NULL};

int wherry_session_open(wherry_broker *b, wherry_session **out)
{
	wherry_session *e = mem_zalloc(sizeof(*e));
	if (e == NULL)
		return WHERRY_ENOMEM;
	e->router = b->router;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->arrived, NULL);
	memcpy(e->session.remote, "embedded", sizeof("embedded"));
	session_open(b->router, &e->session, &embed_ops, e, false);
	*out = e;
	return WHERRY_OK;
}

void wherry_session_close(wherry_session *e)
{
	if (e == NULL)
		return;
	session_set_will(&e->session, NULL); // it says so
	session_end(e->router, &e->session);
}

static bool is_closed(wherry_session *e)
{
	pthread_mutex_lock(&e->lock);
	bool closed = e->closed;
	pthread_mutex_unlock(&e->lock);
	return closed;
}

static int wait_late(wherry_session *e)
{
	pthread_mutex_lock(&e->lock);
	while (!e->has_late && !e->closed)
		pthread_cond_wait(&e->arrived, &e->lock);
	bool has = e->has_late;
	struct buffer late = e->late;
	e->late = e->answer;
	e->answer = late;
	e->has_late = false;
	pthread_mutex_unlock(&e->lock);
	return has ? WHERRY_OK : WHERRY_ESTALE;
}

int wherry_session_call(wherry_session *e, const void *frame, size_t frame_len, const void **answer, size_t *answer_len)
{
	int status = is_closed(e) ? WHERRY_ESTALE : WHERRY_OK;
	buffer_clear(&e->answer);
	if (status == WHERRY_OK &&
	    router_frame(e->router, &e->session, span_of(NULL, 0), span_of(frame, frame_len), &e->answer) == FRAME_LATE)
		status = wait_late(e);
	if (status == WHERRY_OK && e->answer.failed)
		status = WHERRY_ENOMEM;
	*answer = e->answer.data;
	*answer_len = status == WHERRY_OK ? e->answer.len : 0;
	return status;
}
