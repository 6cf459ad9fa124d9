#include "conn.h"

#include <stdio.h>

#include "wherry/status.h"

enum {
	PAIR1 = 0x11,
	GREETING = 8,
	HOPS = 4, // PAIR1's header: how often the frame was passed on
	READ_AHEAD = 64 << 10,
	KEEP = 1 << 20, // of an emptied buffer
};

static int die(struct conn *c, int status, const char *why)
{
	c->dead = status;
	snprintf(c->why, sizeof(c->why), "%s", why);
	return status;
}

static size_t head_size(const struct conn *c)
{
	return c->transport->ipc ? 9 : 8;
}

// Forgets the first *at bytes.  Moving is put off until it is less than what is thrown away.
static void settle(struct bytes *b, size_t *at)
{
	size_t rest = b->len - *at;
	if (rest > *at)
		return;
	if (rest > 0)
		memcpy(b->data, b->data + *at, rest);
	b->len = rest;
	*at = 0;
	if (rest == 0 && b->room > KEEP)
		bytes_free(b);
}

int conn_step(struct conn *c, int64_t deadline)
{
	size_t sent = 0, received = 0, unsent = conn_unsent(c);
	if (c->dead != WHERRY_OK)
		return c->dead;
	settle(&c->in, &c->in_at);
	if (!bytes_reserve(&c->in, READ_AHEAD))
		return WHERRY_ENOMEM;
	int status = c->transport->ops->move(c->transport, unsent == 0 ? NULL : c->out.data + c->out_at, unsent, &sent,
	    c->in.data + c->in.len, c->in.room - c->in.len, &received, deadline);
	c->in.len += received;
	c->out_at += sent;
	settle(&c->out, &c->out_at);
	if (status == WHERRY_ESTALE)
		return die(c, status, "the broker closed the connection");
	return status;
}

bool conn_frame(struct conn *c, struct run *body)
{
	size_t head = head_size(c);
	if (c->dead == WHERRY_ECORRUPT || c->in.len - c->in_at < head)
		return false;
	struct run r = {c->in.data + c->in_at, c->in.len - c->in_at};
	uint64_t len = get_be(r.at + head - 8, 8);
	if ((c->transport->ipc && r.at[0] != 1) || len < HOPS) {
		die(c, WHERRY_ECORRUPT, "what came is no frame of a broker");
		return false;
	}
	if (len > c->max_frame) {
		die(c, WHERRY_ECORRUPT, "the broker sent a longer frame than this client takes");
		return false;
	}
	if (r.len - head < len)
		return false;
	*body = (struct run){r.at + head + HOPS, (size_t)len - HOPS};
	c->in_at += head + (size_t)len;
	return true;
}

size_t conn_unsent(const struct conn *c)
{
	return c->out.len - c->out_at;
}

int conn_queue(struct conn *c, struct run body)
{
	if (!bytes_reserve(&c->out, head_size(c) + HOPS + body.len))
		return WHERRY_ENOMEM;
	if (c->transport->ipc)
		bytes_byte(&c->out, 1);
	bytes_be(&c->out, HOPS + body.len, 8);
	bytes_be(&c->out, 1, HOPS);
	bytes_put(&c->out, body.at, body.len);
	return WHERRY_OK;
}

static int greet(struct conn *c, int64_t deadline)
{
	static const uint8_t ours[GREETING] = {0, 'S', 'P', 0, 0, PAIR1, 0, 0};
	int status = bytes_reserve(&c->out, GREETING) ? WHERRY_OK : WHERRY_ENOMEM;
	if (status == WHERRY_OK)
		bytes_put(&c->out, ours, GREETING);
	while (status == WHERRY_OK && (c->in.len < GREETING || conn_unsent(c) > 0))
		status = conn_step(c, deadline);
	if (status != WHERRY_OK)
		return status == WHERRY_ESTALE ? die(c, WHERRY_EAGAIN, "whoever listens there hung up") : status;
	if (memcmp(c->in.data, ours, GREETING) != 0)
		return die(c, WHERRY_EAGAIN, "whoever listens there is not a broker");
	c->in_at = GREETING;
	return WHERRY_OK;
}

int conn_open(
    struct conn *c, const char *url, const struct transport_options *options, uint64_t max_frame, int64_t deadline)
{
	*c = (struct conn){.max_frame = max_frame};
	int status = transport_open(&c->transport, url, options, deadline, c->why);
	if (status != WHERRY_OK)
		return status;
	status = greet(c, deadline);
	if (status == WHERRY_ETIMEOUT)
		snprintf(c->why, sizeof(c->why), "whoever listens there said nothing");
	if (status != WHERRY_OK)
		conn_close(c);
	return status;
}

void conn_close(struct conn *c)
{
	c->transport->ops->close(c->transport);
	bytes_free(&c->in);
	bytes_free(&c->out);
}
