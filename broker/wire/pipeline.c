// What PUSH and PULL clients have in common: pipeline.h.

#include "wire/pipeline.h"

#include <stdio.h>

#include "codec/pack.h"
#include "wherry/status.h"
#include "wire/inside.h"

enum { REST_FIRST_MS = 2, REST_MOST_MS = 500, REST_TOLD_MS = 100 };

const char *pipeline_refuses(const struct conn *c)
{
	return c->options->queue == NULL
		   ? "it is a PUSH or PULL socket, and its listener has no queue: listen \"URL\" { queue = \"NAME\" }"
		   : NULL;
}

bool pipeline_begin(struct conn *c)
{
	uint32_t ns;
	if (c->options->ns == NULL)
		return true;
	if (store_ns_find(router_store(c->server->config.router), span_text(c->options->ns), &ns) != WHERRY_OK)
		return false;
	atomic_store(&c->session.ns, ns);
	return true;
}

void pipeline_free(struct pipeline *p)
{
	buffer_free(&p->token);
	buffer_free(&p->request);
	buffer_free(&p->values);
}

// --- waiting --------------------------------------------------------------------------------------------------------

bool pipeline_waits(const struct conn *c)
{
	return c->pipeline.state == PIPELINE_ASKED || c->pipeline.state == PIPELINE_RESTS;
}

void pipeline_rest(struct conn *c, const char *why)
{
	struct pipeline *p = &c->pipeline;
	int64_t now = timers_now(c->server->config.timers);
	pthread_mutex_lock(&c->lock);
	p->rest_ms = p->rest_ms == 0 ? REST_FIRST_MS : p->rest_ms * 2;
	if (p->rest_ms > REST_MOST_MS)
		p->rest_ms = REST_MOST_MS;
	p->due_ms = now + p->rest_ms;
	p->state = PIPELINE_RESTS;
	bool tell = p->rest_ms >= REST_TOLD_MS;
	pthread_mutex_unlock(&c->lock);
	if (tell)
		conn_complain(c, why);
	conn_watch_by(c, p->due_ms);
}

void pipeline_look(struct conn *c, int64_t now, int64_t *due)
{
	struct pipeline *p = &c->pipeline;
	pthread_mutex_lock(&c->lock);
	bool rests = p->state == PIPELINE_RESTS, over = rests && p->due_ms <= now;
	if (over)
		p->state = PIPELINE_FREE;
	else if (rests && p->due_ms < *due)
		*due = p->due_ms;
	pthread_mutex_unlock(&c->lock);
	if (rests) // it is not read from, so it can't be heard
		atomic_store(&c->heard_ms, now);
	if (over)
		c->peer->rested(c);
}

// --- requests and answers -------------------------------------------------------------------------------------------

void pipeline_ask(const struct conn *c, struct buffer *out, bool options, const char *method, uint32_t params)
{
	wherry_out pack = {out, NULL};
	pack_array(&pack, options ? 5 : 4);
	pack_int(&pack, 0);
	pack_int(&pack, 0);
	pack_cstring(&pack, method);
	pack_array(&pack, params + 1);
	pack_cstring(&pack, c->options->queue);
}

static void read_error(wherry_value error, struct answer *a)
{
	wherry_value code, name, text;
	a->status = WHERRY_EINTERNAL;
	if (error.kind != WHERRY_LIST)
		return;
	struct cursor c = cursor_of(error.as.bytes);
	if (!cursor_next(&c, &code) || !cursor_next(&c, &name) || !cursor_next(&c, &text))
		return;
	a->status = (int)code.as.i;
	if (text.kind == WHERRY_TEXT)
		a->text = text.as.bytes;
}

bool answer_next(struct cursor *c, struct answer *a)
{
	wherry_value type, id, error;
	uint32_t parts;
	*a = (struct answer){.status = WHERRY_OK};
	if (!cursor_array(c, &parts) || parts != 4 || !cursor_next(c, &type) || !cursor_next(c, &id) ||
	    !cursor_next(c, &error) || !cursor_next(c, &a->result))
		return false;
	if (error.kind != WHERRY_NIL)
		read_error(error, a);
	return true;
}
