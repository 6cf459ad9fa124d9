// Sessions of the embedding program: a call runs on the caller's thread, and waits only for what parked.

#include <pthread.h>

#include "base/mem.h"
#include "broker.h"

struct wherry_session {
	struct session session;
	struct router *router;
	struct buffer answer;
	pthread_mutex_t lock; // late, has_late
	pthread_cond_t arrived;
	struct buffer late;
	bool has_late;
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

// What could not be answered for want of memory ends the wait with an empty answer.
static void close_session(struct session *s, const char *why)
{
	(void)why;
	wherry_session *e = s->peer;
	pthread_mutex_lock(&e->lock);
	buffer_clear(&e->late);
	e->has_late = true;
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

static const struct session_ops embed_ops = {deliver, close_session, gone};

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
	if (e != NULL)
		session_end(e->router, &e->session);
}

static void wait_late(wherry_session *e)
{
	pthread_mutex_lock(&e->lock);
	while (!e->has_late)
		pthread_cond_wait(&e->arrived, &e->lock);
	struct buffer late = e->late;
	e->late = e->answer;
	e->answer = late;
	e->has_late = false;
	pthread_mutex_unlock(&e->lock);
}

int wherry_session_call(wherry_session *e, const void *frame, size_t frame_len, const void **answer, size_t *answer_len)
{
	buffer_clear(&e->answer);
	if (router_frame(e->router, &e->session, span_of(NULL, 0), span_of(frame, frame_len), &e->answer) == FRAME_LATE)
		wait_late(e);
	*answer = e->answer.data;
	*answer_len = e->answer.len;
	return e->answer.failed || (e->answer.len == 0 && frame_len == 0) ? WHERRY_EARG : WHERRY_OK;
}
