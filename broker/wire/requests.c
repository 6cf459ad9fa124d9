// Clients whose frames are requests: REQ, each answered in a frame of its own, and PAIR, whose answers come as they are
// ready.

#include <stdio.h>

#include "codec/pack.h"
#include "wherry/status.h"
#include "wire/inside.h"

enum { LINGER_MS = 1000, AHEAD_BYTES = 512 };

// --- the router's turn ----------------------------------------------------------------------------------------------

struct router_turn *conn_router_turn(struct conn *c, struct workspace *ws)
{
	if (!ws->turning)
		router_turn_begin(&ws->turn, c->server->config.router, &c->session);
	ws->turning = true;
	return &ws->turn;
}

void conn_router_turn_end(struct workspace *ws)
{
	if (ws->turning)
		router_turn_end(&ws->turn);
	ws->turning = false;
}

static enum frame_result run(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	return router_turn_frame(conn_router_turn(c, ws), frame->header, frame->body, &ws->answers);
}

void requests_look_ahead(struct conn *c, const struct sp_frame *first, struct workspace *ws)
{
	if (ws->turning && router_turn_ahead_left(&ws->turn) > 0)
		return;
	struct sp_frame frame = *first;
	wherry_span rest = inbox_unread(&c->in);
	uint64_t most = (uint64_t)limit_of(&c->server->config.limits->max_frame);
	int status = WHERRY_OK;
	while (status == WHERRY_OK && !frame.dropped && frame.body.len <= AHEAD_BYTES && rest.len > frame.size &&
	       router_turn_ahead(conn_router_turn(c, ws), frame.body)) {
		rest = span_of((const uint8_t *)rest.ptr + frame.size, rest.len - frame.size);
		status = sp_frame_read(&c->form, rest, most, &frame);
	}
}

// --- answers of the wire's own --------------------------------------------------------------------------------------

static void answer_error(struct conn *c, struct workspace *ws, wherry_span header, int status, const char *text)
{
	size_t begin = sp_frame_open(&c->form, header, &ws->answers);
	struct pack_error error = {.status = status, .text = text, .retry_ms = -1, .index = -1};
	pack_error_response(&ws->answers, false, 0, &error);
	sp_frame_seal(&c->form, begin, &ws->answers);
	ws->frames_out++;
}

// Nothing behind its header can be found, so this is the last frame.
int requests_oversize(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	char text[96];
	snprintf(text, sizeof(text), "a frame has at most %lld bytes (max_frame): send less at once",
	    (long long)limit_of(&c->server->config.limits->max_frame));
	answer_error(c, ws, frame->header, WHERRY_ELIMIT, text);
	conn_leave(c, LINGER_MS);
	return WHERRY_ELIMIT;
}

// --- PAIR -----------------------------------------------------------------------------------------------------------

int duplex_take(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	size_t begin = sp_frame_open(&c->form, frame->header, &ws->answers), body = ws->answers.len;
	run(c, frame, ws);
	if (ws->answers.len == body) {
		ws->answers.len = begin;
		return WHERRY_OK;
	}
	sp_frame_seal(&c->form, begin, &ws->answers);
	ws->frames_out++;
	return WHERRY_OK;
}

// --- REQ ------------------------------------------------------------------------------------------------------------

static void answer_again(struct conn *c, struct workspace *ws, wherry_span header, wherry_span answer)
{
	size_t begin = sp_frame_open(&c->form, header, &ws->answers);
	buffer_append(&ws->answers, answer.ptr, answer.len);
	sp_frame_seal(&c->form, begin, &ws->answers);
	ws->frames_out++;
	SERVER_COUNT(c->server, resent, 1);
}

// A late answer may have left before this is told that there will be one: it is merged with the next frame only.
static int run_new(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	struct buffer *answers = &ws->answers;
	size_t begin = sp_frame_open(&c->form, frame->header, answers), body = answers->len;
	if (run(c, frame, ws) == FRAME_LATE) {
		answers->len = begin;
		return resend_late(c->resend) ? WHERRY_OK : WHERRY_ENOMEM;
	}
	sp_frame_seal(&c->form, begin, answers);
	ws->frames_out++;
	if (!answers->failed)
		resend_answered(c->resend, span_of(answers->data + body, answers->len - body));
	return WHERRY_OK;
}

int req_take(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	wherry_span answer;
	if (c->resend == NULL && (c->resend = resend_new(&c->server->resend_budget)) == NULL)
		return WHERRY_ENOMEM;
	conn_merge_late(c);
	switch (resend_look(c->resend, frame->header, frame->body, &answer)) {
	case RESEND_NEW:
		return run_new(c, frame, ws);
	case RESEND_ANSWERED:
		answer_again(c, ws, frame->header, answer);
		break;
	case RESEND_LOST:
		answer_error(c, ws, frame->header, WHERRY_ECONFLICT,
		    "this request was carried out before, and its answer is not kept any more: send "
		    "it with a new id");
		break;
	case RESEND_WAITING:
		break;
	}
	return WHERRY_OK;
}

static bool too_many_late(const struct conn *c)
{
	return c->resend != NULL && resend_waiting(c->resend) >= LATE_MOST;
}

bool req_chokes(struct conn *c, struct workspace *ws)
{
	(void)ws;
	if (!too_many_late(c))
		return false;
	conn_merge_late(c);
	return too_many_late(c);
}

bool req_waits(const struct conn *c)
{
	return too_many_late(c) && !atomic_load(&c->has_late);
}
