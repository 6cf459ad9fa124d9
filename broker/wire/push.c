// PUSH clients: pipeline.h.

#include <stdio.h>

#include "codec/pack.h"
#include "wherry/status.h"
#include "wire/inside.h"

enum { BATCH_MOST = 256, BATCH_BYTES = 64 * 1024 };

int push_take(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	(void)ws;
	struct pipeline *p = &c->pipeline;
	wherry_out pack = {&p->values, NULL};
	pack_bytes(&pack, frame->body);
	p->count++;
	return p->values.failed ? WHERRY_ENOMEM : WHERRY_OK;
}

// --- what came of a request -----------------------------------------------------------------------------------------

static void forget(struct pipeline *p, uint32_t count)
{
	struct cursor at = cursor_of(buffer_span(&p->values));
	cursor_skip_many(&at, count);
	size_t left = (size_t)(at.end - at.at);
	memmove(p->values.data, at.at, left);
	p->values.len = left;
	p->count -= count;
	if (p->count == 0) {
		p->one_by_one = false;
		buffer_trim(&p->values, BATCH_BYTES);
	}
}

// It will never be taken, however long it is tried.
static bool is_hopeless(const struct conn *c, int status)
{
	return status == WHERRY_EARG ||
	       (status == WHERRY_ELIMIT && !store_memory_short(router_store(c->server->config.router)));
}

static void take_answer(struct conn *c)
{
	struct pipeline *p = &c->pipeline;
	if (p->status == WHERRY_OK) {
		SERVER_COUNT(c->server, pushed, p->asked);
		forget(p, p->asked);
		p->rest_ms = 0;
	} else if (p->asked > 1) {
		p->one_by_one = true;
	} else if (is_hopeless(c, p->status)) {
		SERVER_COUNT(c->server, push_dropped, 1);
		conn_complain(c, p->why);
		forget(p, 1);
	} else {
		pipeline_rest(c, p->why);
	}
}

static void note_answer(struct conn *c, wherry_span frame)
{
	struct cursor at = cursor_of(frame);
	struct answer a;
	if (!answer_next(&at, &a))
		a = (struct answer){.status = WHERRY_EINTERNAL};
	struct pipeline *p = &c->pipeline;
	pthread_mutex_lock(&c->lock);
	p->state = PIPELINE_ANSWERED;
	p->status = a.status;
	snprintf(p->why, sizeof(p->why), "it can't push: %.*s", (int)a.text.len, (const char *)a.text.ptr);
	pthread_mutex_unlock(&c->lock);
}

static int deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	struct conn *c = s->peer;
	(void)header;
	note_answer(c, buffer_span(frame));
	conn_resume(c);
	return WHERRY_OK;
}

const struct session_ops push_ops = {.deliver = deliver, .close = conn_session_close, .gone = conn_session_gone};

// --- asking ---------------------------------------------------------------------------------------------------------

static wherry_span first_values(const struct pipeline *p, uint32_t count)
{
	struct cursor at = cursor_of(buffer_span(&p->values));
	cursor_skip_many(&at, count);
	return span_of(p->values.data, (size_t)(at.at - p->values.data));
}

static bool ask(struct conn *c, struct workspace *ws)
{
	struct pipeline *p = &c->pipeline;
	p->asked = p->one_by_one ? 1 : p->count;
	wherry_span values = first_values(p, p->asked);
	buffer_clear(&ws->request);
	pipeline_ask(c, &ws->request, false, "queue.push", p->asked);
	buffer_append(&ws->request, values.ptr, values.len);
	if (ws->request.failed)
		return false;
	pthread_mutex_lock(&c->lock);
	p->state = PIPELINE_ASKED; // the answer may come before this knows that it comes later
	pthread_mutex_unlock(&c->lock);
	struct buffer *out = &ws->answers;
	size_t begin = out->len;
	if (router_turn_frame(conn_router_turn(c, ws), (wherry_span){0}, buffer_span(&ws->request), out) ==
	    FRAME_ANSWERED)
		note_answer(c, span_of(out->data + begin, out->len - begin));
	out->len = begin;
	return true;
}

static enum pipeline_state look(struct conn *c)
{
	struct pipeline *p = &c->pipeline;
	pthread_mutex_lock(&c->lock);
	enum pipeline_state state = p->state;
	if (state == PIPELINE_ANSWERED)
		p->state = PIPELINE_FREE;
	pthread_mutex_unlock(&c->lock);
	return state;
}

bool push_settles(struct conn *c, struct workspace *ws)
{
	struct pipeline *p = &c->pipeline;
	if (atomic_load(&c->leaving))
		return true;
	p->unsettled = true;
	for (;;) {
		enum pipeline_state state = look(c);
		if (state == PIPELINE_ASKED || state == PIPELINE_RESTS)
			return false;
		if (state == PIPELINE_ANSWERED)
			take_answer(c);
		else if (p->count == 0)
			break;
		else if (!ask(c, ws))
			pipeline_rest(c, "out of memory");
	}
	p->unsettled = false;
	return true;
}

bool push_chokes(struct conn *c, struct workspace *ws)
{
	const struct pipeline *p = &c->pipeline;
	bool full = p->count >= BATCH_MOST || p->values.len >= BATCH_BYTES;
	return (full || p->unsettled) && !push_settles(c, ws);
}

// The connection is over.  A request that still waits will be carried out.
void push_ends(struct conn *c)
{
	struct pipeline *p = &c->pipeline;
	uint32_t lost = p->state == PIPELINE_ASKED ? p->count - p->asked : p->count;
	if (lost == 0)
		return;
	SERVER_COUNT(c->server, push_dropped, lost);
	conn_complain(c, "it was closed before all that it had sent could be pushed");
}
