// Requests to the world, and their answers.  The session is duplex: what parks answers nothing, and nobody waits for it.

#include "conformance/world.h"

#include <string.h>

#include "base/status.h"

static int deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	struct world *w = s->peer;
	int64_t answers = cursor_check(buffer_span(frame), &module_limits, NULL, NULL);
	(void)header;
	atomic_fetch_add(&w->late, answers > 0 ? (unsigned)answers : 0);
	return WHERRY_OK;
}

static void no_close(struct session *s, const char *why)
{
	(void)s, (void)why;
}

static void no_end(struct session *s)
{
	(void)s;
}

static const struct session_ops ops = {deliver, no_close, no_end, NULL};

void session_begin(struct world *w)
{
	session_open(w->router, &w->session, &ops, w, true);
}

void session_finish(struct world *w)
{
	session_end(w->router, &w->session);
	buffer_free(&w->answer);
	buffer_free(&w->request);
}

// [code, name, text, details]
static struct reply error_of(struct cursor *c)
{
	struct reply r = {.kind = REPLY_ERROR};
	wherry_value code, name, text;
	uint32_t count;
	if (cursor_array(c, &count) && count == 4 && cursor_next(c, &code) && cursor_next(c, &name) &&
	    cursor_next(c, &text)) {
		r.status = (int)code.as.i;
		r.text = text.as.bytes;
	}
	return r;
}

// [1, id, error, result]
static struct reply reply_of(struct world *w)
{
	wherry_span whole = buffer_span(&w->answer);
	wherry_value kind, id, result;
	uint32_t count;
	if (whole.len == 0)
		return (struct reply){.kind = REPLY_PARKED};
	if (cursor_check(whole, &module_limits, NULL, NULL) != 1)
		trial_fail(w->trial, "the answer is not one object");
	struct cursor c = cursor_of(whole);
	if (!cursor_array(&c, &count) || count != 4 || !cursor_next(&c, &kind) || !cursor_next(&c, &id))
		trial_fail(w->trial, "the answer is no response");
	struct cursor error = c;
	cursor_skip(&c);
	cursor_next(&c, &result);
	return *error.at == 0xc0 ? (struct reply){.kind = REPLY_VALUE, .value = result.raw} : error_of(&error);
}

static void note_asked(struct trial_shared *s)
{
	const char *name = s->request + strlen("wherry ");
	snprintf(s->asked, sizeof(s->asked), "%.*s", (int)strcspn(name, " "), name);
	snprintf(s->doing, sizeof(s->doing), "running %s", s->asked);
}

struct reply world_ask(struct world *w, wherry_span request)
{
	struct trial *t = w->trial;
	request_print(request, t->shared->request, sizeof(t->shared->request));
	int64_t ms = t->options->run_ms;
	note_asked(t->shared);
	trial_limit(t, ms, "%s did not return within %lld ms", t->shared->asked, (long long)ms);
	buffer_clear(&w->answer);
	router_frame(w->router, &w->session, span_of(NULL, 0), request, &w->answer);
	trial_no_limit(t);
	t->shared->requests++;
	trial_look_at_log(t);
	struct reply reply = reply_of(w);
	if (reply.kind == REPLY_ERROR && reply.status == WHERRY_EINTERNAL)
		trial_fail(t, "answers EINTERNAL: %.*s", (int)reply.text.len, (const char *)reply.text.ptr);
	t->shared->request[0] = t->shared->asked[0] = 0;
	return reply;
}

const char *reply_show(const struct reply *r, char *text, size_t room)
{
	struct line l = line_of(text, room);
	if (r->kind == REPLY_PARKED)
		line_add(&l, "nothing yet");
	else if (r->kind == REPLY_ERROR)
		line_add(&l, status_name(r->status));
	else
		value_print(&l, r->value, 0);
	return line_end(&l);
}
