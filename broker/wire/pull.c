// PULL clients: pipeline.h.
//
// From the message's reservation until it is acknowledged or given up the session is kept from ending, so that a client
// that reads it and leaves at once does not make the queue hand it out again.

#include <stdio.h>

#include "codec/pack.h"
#include "wherry/status.h"
#include "wire/inside.h"

// How long a message may take to leave: a peer that takes nothing is closed long before, and its message returns.
static const int64_t VISIBLE_MS = 60 * 60 * 1000;

// --- requests -------------------------------------------------------------------------------------------------------

static void ask_ack(struct conn *c)
{
	struct pipeline *p = &c->pipeline;
	pipeline_ask(c, &p->request, false, "queue.ack", 1);
	buffer_append(&p->request, p->token.data, p->token.len);
}

static void ask_pop(struct conn *c)
{
	struct buffer *request = &c->pipeline.request;
	wherry_out pack = {request, NULL};
	pipeline_ask(c, request, true, "queue.pop", 0);
	pack_map(&pack, 2);
	pack_cstring(&pack, "wait_ms");
	pack_int(&pack, VISIBLE_MS); // the router answers sooner, and it is asked again
	pack_cstring(&pack, "visible_ms");
	pack_int(&pack, VISIBLE_MS);
}

// --- answers --------------------------------------------------------------------------------------------------------

struct popped {
	int status;
	wherry_span why;
	bool any;
	wherry_span token, body;
};

// What a client gets of a value: text and bytes as they are, others as msgpack.
static wherry_span body_of(const wherry_value *v)
{
	return v->kind == WHERRY_TEXT || v->kind == WHERRY_BYTES ? v->as.bytes : v->raw;
}

static void read_message(const wherry_value *message, struct popped *out)
{
	struct cursor c = cursor_of(message->raw);
	wherry_value key, value;
	uint32_t pairs;
	if (!cursor_map(&c, &pairs))
		return;
	out->any = true;
	while (pairs-- > 0 && cursor_next(&c, &key) && cursor_next(&c, &value)) {
		if (span_equal(key.as.bytes, span_text("token")))
			out->token = value.raw;
		else if (span_equal(key.as.bytes, span_text("value")))
			out->body = body_of(&value);
	}
}

// The last answer of a frame is the pop's.  An ack that came too late changes nothing here.
static struct popped read_answers(wherry_span frame)
{
	struct cursor at = cursor_of(frame);
	struct answer a = {.status = WHERRY_EINTERNAL}, next;
	while (answer_next(&at, &next))
		a = next;
	struct popped out = {.status = a.status, .why = a.text};
	struct cursor list = cursor_of(a.result.raw);
	wherry_value message;
	uint32_t count;
	if (a.status == WHERRY_OK && cursor_array(&list, &count) && count > 0 && cursor_next(&list, &message))
		read_message(&message, &out);
	return out;
}

// --- the state, under the lock --------------------------------------------------------------------------------------

static void set_state(struct conn *c, enum pipeline_state state)
{
	pthread_mutex_lock(&c->lock);
	c->pipeline.state = state;
	pthread_mutex_unlock(&c->lock);
}

// Whoever takes the message off its way owes a session_leave().
static bool take_sent(struct conn *c, enum pipeline_state next)
{
	pthread_mutex_lock(&c->lock);
	bool had = c->pipeline.state == PIPELINE_SENDS;
	if (had)
		c->pipeline.state = next;
	pthread_mutex_unlock(&c->lock);
	return had;
}

static bool keep_token(struct conn *c, wherry_span token)
{
	struct pipeline *p = &c->pipeline;
	buffer_clear(&p->token);
	buffer_append(&p->token, token.ptr, token.len);
	if (p->token.failed)
		return false;
	SERVER_COUNT(c->server, pulled, 1);
	p->rest_ms = 0;
	return true;
}

void pull_unsent(struct conn *c)
{
	if (take_sent(c, PIPELINE_FREE))
		session_leave(&c->session);
}

static void fail(struct conn *c, const struct popped *popped)
{
	char why[128];
	snprintf(why, sizeof(why), "it can't pop: %.*s", (int)popped->why.len, (const char *)popped->why.ptr);
	pipeline_rest(c, why);
}

// --- the sender asks ------------------------------------------------------------------------------------------------

static bool may_pop(const struct conn *c)
{
	return !atomic_load(&c->closed) && !atomic_load(&c->leaving) && !atomic_load(&c->server->draining);
}

static void append_frame(struct conn *c, wherry_span body, struct buffer *out)
{
	size_t begin = sp_frame_open(&c->form, (wherry_span){0}, out);
	buffer_append(out, body.ptr, body.len);
	sp_frame_seal(&c->form, begin, out);
}

// true: a message was appended to `out`, and the session is kept from ending until it is acknowledged.
static bool take_answers(struct conn *c, wherry_span answers, struct buffer *out)
{
	struct popped popped = read_answers(answers);
	if (popped.status != WHERRY_OK || !popped.any) {
		fail(c, &popped);
		return false;
	}
	append_frame(c, popped.body, out);
	SERVER_COUNT(c->server, frames_out, 1);
	if (!keep_token(c, popped.token))
		out->failed = true; // the connection ends, and the message returns
	set_state(c, PIPELINE_SENDS);
	return true;
}

static bool run(struct conn *c, bool pops, struct buffer *out)
{
	struct pipeline *p = &c->pipeline;
	struct buffer answers = {0};
	enum frame_result result =
	    router_frame(c->server->config.router, &c->session, (wherry_span){0}, buffer_span(&p->request), &answers);
	bool any = result == FRAME_ANSWERED && pops && take_answers(c, buffer_span(&answers), out);
	buffer_free(&answers);
	return any;
}

bool pull_next(struct conn *c, struct parcel *out)
{
	struct pipeline *p = &c->pipeline;
	bool pops = may_pop(c), acks = take_sent(c, PIPELINE_ASKED);
	if (!acks && (!pops || !session_enter(&c->session)))
		return false;
	buffer_clear(&p->request);
	if (acks)
		ask_ack(c);
	if (pops)
		ask_pop(c);
	set_state(c, pops ? PIPELINE_ASKED : PIPELINE_FREE);
	bool any = !p->request.failed && run(c, pops, &out->own);
	if (p->request.failed)
		out->own.failed = true;
	if (!any)
		session_leave(&c->session);
	return any;
}

// --- a pop that waited is answered ------------------------------------------------------------------------------------

static int send_late(struct conn *c, const struct popped *popped)
{
	if (!session_enter(&c->session))
		return WHERRY_ESTALE;
	bool kept = keep_token(c, popped->token);
	int status = kept ? conn_push(c, (wherry_span){0}, popped->body, false) : WHERRY_ENOMEM;
	if (status != WHERRY_OK) {
		session_leave(&c->session);
		conn_close(c);
		return status;
	}
	set_state(c, PIPELINE_SENDS);
	if (!conn_ready(c))
		pull_unsent(c);
	return WHERRY_OK;
}

static int deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	struct conn *c = s->peer;
	(void)header;
	struct popped popped = read_answers(buffer_span(frame));
	if (popped.status == WHERRY_OK && popped.any)
		return send_late(c, &popped);
	set_state(c, PIPELINE_FREE);
	if (popped.status == WHERRY_OK)
		conn_ready(c); // nothing came for as long as may be waited: it waits again
	else
		fail(c, &popped);
	return WHERRY_OK;
}

const struct session_ops pull_ops = {.deliver = deliver, .close = conn_session_close, .gone = conn_session_gone};

bool pull_begin(struct conn *c)
{
	if (!pipeline_begin(c))
		return false;
	conn_ready(c);
	return true;
}

void pull_rested(struct conn *c)
{
	conn_ready(c);
}
