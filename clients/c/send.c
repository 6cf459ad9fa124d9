// The sender's role: what is pending becomes a frame, and leaves.

#include <stdio.h>

#include "inside.h"

enum {
	HOPS = 4,       // PAIR1's header: how often the frame was passed on
	ROUNDS = 8,     // frames that one sender sends for others, before the driver goes on
	KEEP = 1 << 20, // of an emptied buffer
};

static const char fence_bytes[] = "\x94\x00\xce\0\0\0\0\xa8sys.ping\x90";

static size_t head_size(const struct link *l)
{
	return (l->transport->ipc ? 9 : 8) + HOPS;
}

bool send_frame_begin(struct link *l, size_t *begin)
{
	size_t head = head_size(l);
	*begin = l->out.len;
	if (!bytes_reserve(&l->out, head))
		return false;
	l->out.len += head;
	return true;
}

void send_frame_end(struct wherry_client *c, size_t begin)
{
	struct link *l = &c->link;
	uint8_t *at = l->out.data + begin;
	size_t body = l->out.len - begin - head_size(l);
	if (l->transport->ipc)
		*at++ = 1;
	put_be(at, HOPS + body, 8);
	put_be(at + 8, 1, HOPS);
	l->queued += l->out.len - begin;
	c->counts.frames_out++;
}

static void put_id(struct link *l, size_t request, uint64_t seq)
{
	put_be(l->out.data + request + WIRE_ID_AT, (uint32_t)seq, 4);
}

void send_request_now(struct wherry_client *c, const struct wire_request *q, uint32_t id)
{
	struct link *l = &c->link;
	size_t at = l->out.len;
	l->out.len += wire_request_write(q, l->out.data + at);
	put_id(l, at, id);
}

// --- frames -----------------------------------------------------------------------------------------------------------

static bool fits(const struct wherry_client *c, const struct request *last, const struct request *r, size_t body)
{
	if (last == NULL)
		return true;
	if ((r->alone || last->alone) && (r->alone != last->alone || r->group == NULL || r->group != last->group))
		return false;
	return body + r->len <= c->frame_bytes;
}

static void add(struct wherry_client *c, struct request *r)
{
	struct link *l = &c->link;
	list_remove(&c->pending, r);
	table_put(&c->table, r, &c->seq);
	size_t at = l->out.len;
	bytes_put(&l->out, r->bytes, r->len);
	put_id(l, at, r->seq);
	r->place = SENT;
	list_append(&c->sent, r);
}

static uint32_t add_all(struct wherry_client *c)
{
	struct link *l = &c->link;
	const struct request *last = NULL;
	uint32_t count = 0;
	size_t begin = l->out.len;
	for (struct request *r; (r = c->pending.first) != NULL && fits(c, last, r, l->out.len - begin);) {
		if (!bytes_reserve(&l->out, r->len) || !table_reserve(&c->table)) {
			request_fail(c, r, WHERRY_ENOMEM, NULL);
			continue;
		}
		add(c, r);
		last = r;
		count++;
	}
	return count;
}

static void fence_ended(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	(void)o;
	async_recycle(c, (struct async *)(void *)r);
}

// An answer to what is sent right behind a frame says that the broker did not refuse the frame: refusals have no id.
static void add_fence(struct wherry_client *c)
{
	struct link *l = &c->link;
	uint8_t *bytes;
	size_t begin, len = sizeof(fence_bytes) - 1;
	struct async *a = async_new(c, len);
	if (a == NULL)
		return;
	struct request *r = async_request(a, len, &bytes);
	memcpy(bytes, fence_bytes, len);
	r->ended = fence_ended;
	r->fence = true;
	if (!table_reserve(&c->table) || !send_frame_begin(l, &begin) || !bytes_reserve(&l->out, len)) {
		async_recycle(c, a);
		return;
	}
	list_append(&c->pending, r);
	add(c, r);
	send_frame_end(c, begin);
	r->frame = l->queued;
}

static bool make_frame(struct wherry_client *c)
{
	struct link *l = &c->link;
	size_t begin;
	if (c->pending.first == NULL)
		return false;
	uint32_t count = send_frame_begin(l, &begin) ? add_all(c) : 0;
	if (count == 0) {
		l->out.len = begin;
		return false;
	}
	send_frame_end(c, begin);
	struct request *r = c->sent.last;
	bool alone = r->alone;
	for (uint32_t i = 0; i < count; i++, r = r->prev) {
		r->frame = l->queued;
		r->mates = count;
	}
	if (alone)
		add_fence(c);
	return true;
}

// --- the role ---------------------------------------------------------------------------------------------------------

bool send_may(const struct link *l)
{
	return l->state == LINK_UP && !l->sending && !l->leaving && l->doomed == NULL && !l->stuck && !l->send_failed;
}

static void took(struct wherry_client *c, int status, size_t sent)
{
	struct link *l = &c->link;
	l->handed += sent;
	l->out_at += sent;
	c->counts.bytes_out += sent;
	l->stuck = l->out_at < l->out.len;
	l->send_failed = status != WHERRY_OK;
	if (!l->stuck) {
		l->out.len = l->out_at = 0;
		if (l->out.room > KEEP)
			bytes_free(&l->out);
	}
	if (l->stuck || l->send_failed)
		drive_wake(c);
	if (l->leaving)
		pthread_cond_broadcast(&c->roles);
}

void send_pending(struct wherry_client *c)
{
	struct link *l = &c->link;
	for (int round = 0; round < ROUNDS && send_may(l); round++) {
		if (l->out.len == 0 && !make_frame(c))
			return;
		size_t sent;
		l->sending = true;
		pthread_mutex_unlock(&c->lock);
		int status =
		    l->transport->ops->send(l->transport, l->out.data + l->out_at, l->out.len - l->out_at, &sent);
		pthread_mutex_lock(&c->lock);
		l->sending = false;
		took(c, status, sent);
	}
	if (send_may(l) && c->pending.first != NULL)
		drive_wake(c);
}
