// Clients that know topics and nothing of requests.  A PUB client's message is published with what stands before its first
// zero byte as topic.  A SUB client gets what its listener's tap matches, and looks for itself at what it wants of that; it
// can't be told of a gap, so it is only counted.

#include "bus/bus.h"
#include "codec/cursor.h"
#include "codec/pack.h"
#include "wherry/status.h"
#include "wire/inside.h"

// --- PUB ------------------------------------------------------------------------------------------------------------

// false: no topic, or one that only the broker may use.
static bool split(wherry_span body, wherry_span *topic, wherry_span *rest)
{
	const uint8_t *at = body.ptr, *zero = body.len > 0 ? memchr(at, 0, body.len) : NULL;
	*topic = span_of(at, zero != NULL ? (size_t)(zero - at) : body.len);
	*rest = zero != NULL ? span_of(zero + 1, body.len - topic->len - 1) : (wherry_span){0};
	return topic_fault(*topic) == NULL && *at != '$';
}

// The rest as one value, in `out` if it has to be made.
static bool payload_of(const struct conn *c, wherry_span rest, struct buffer *out, wherry_span *payload)
{
	static const struct codec_limits limits = {CODEC_DEPTH_MOST, UINT32_MAX};
	if (c->options->payload_msgpack && rest.len > 0) {
		*payload = rest;
		return cursor_check(rest, &limits, NULL, NULL) == 1;
	}
	wherry_out pack = {out, NULL};
	if (c->options->payload_msgpack)
		pack_nil(&pack);
	else
		pack_bytes(&pack, rest);
	*payload = buffer_span(out);
	return !out->failed;
}

int pub_take(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	wherry_span topic, rest, payload;
	buffer_clear(&ws->request);
	if (!split(frame->body, &topic, &rest) || !payload_of(c, rest, &ws->request, &payload)) {
		SERVER_COUNT(c->server, publish_dropped, 1);
		return WHERRY_OK;
	}
	router_message(c->server->config.router, topic, payload, frame->body);
	SERVER_COUNT(c->server, published, 1);
	return WHERRY_OK;
}

// --- SUB ------------------------------------------------------------------------------------------------------------

bool sub_begin(struct conn *c)
{
	const struct listen_options *o = c->options;
	struct outbox *outbox = session_outbox(&c->session);
	wherry_span tap = span_text(o->tap != NULL ? o->tap : ">");
	struct subscribe wanted = {.filters = &tap,
	    .filter_count = 1,
	    .overflow = OVERFLOW_DROP_OLDEST,
	    .messages = o->max_messages,
	    .bytes = o->max_bytes,
	    .encoding = c->form.marked ? ENCODED_MARKED_FRAMES : ENCODED_FRAMES};
	const char *why = "out of memory";
	uint64_t id;
	int status = outbox != NULL ? bus_subscribe(outbox, &wanted, &id, &why) : WHERRY_ENOMEM;
	if (status != WHERRY_OK)
		conn_complain(c, why);
	return status == WHERRY_OK;
}

bool sub_next(struct conn *c, struct parcel *out)
{
	size_t most = (size_t)limit_of(&c->server->config.limits->send_bytes);
	struct outbox_taken taken = outbox_lend(session_outbox_opened(&c->session), OUTBOX_FRAMES, most, out);
	SERVER_COUNT(c->server, frames_out, taken.messages);
	return taken.more;
}

int mute_take(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	(void)frame, (void)ws;
	conn_complain(c, "it sent a message, which its kind of socket never does");
	return WHERRY_EARG;
}
