// What the broker sends: frames, the answers in them and whose they are, notifications.

#include <stdio.h>

#include "feed.h"

enum {
	HOPS = 4,
	READ_AHEAD = 64 << 10,
	KEEP = 1 << 20, // of an emptied buffer
};

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

int receive(struct wherry_client *c, size_t *count)
{
	struct link *l = &c->link;
	*count = 0;
	settle(&l->in, &l->in_at);
	if (!bytes_reserve(&l->in, READ_AHEAD))
		return WHERRY_ENOMEM;
	int status = l->transport->ops->recv(l->transport, l->in.data + l->in.len, l->in.room - l->in.len, count);
	l->in.len += *count;
	return status;
}

// The next whole frame's body, lent until receive().  false: none is there yet, or *why it is none.
static bool next_frame(struct wherry_client *c, struct run *body, const char **why)
{
	struct link *l = &c->link;
	size_t head = l->transport->ipc ? 9 : 8;
	struct run r = {l->in.data + l->in_at, l->in.len - l->in_at};
	if (r.len < head)
		return false;
	uint64_t len = get_be(r.at + head - 8, 8);
	if ((l->transport->ipc && r.at[0] != 1) || len < HOPS)
		*why = "what came is no frame of a broker";
	else if (len > c->max_frame)
		*why = "the broker sent a longer frame than this client takes";
	if (*why != NULL || r.len - head < len)
		return false;
	*body = (struct run){r.at + head + HOPS, (size_t)len - HOPS};
	l->in_at += head + (size_t)len;
	return true;
}

// --- frames that the broker could not read ----------------------------------------------------------------------------

// Behind a frame that may be refused there is a fence, and both are answered in order: so it is the frame before the
// first fence that is not answered yet.  0: there is none.
static uint64_t fenced_frame(const struct wherry_client *c)
{
	for (const struct request *r = c->sent.first; r != NULL; r = r->next)
		if (r->fence)
			return r->frame - r->len - HOPS - (c->link.transport->ipc ? 9 : 8);
	return 0;
}

// Else it should be the first of which nothing is answered.
static uint64_t untouched_frame(const struct wherry_client *c)
{
	for (const struct request *r = c->sent.first, *behind; r != NULL; r = behind) {
		uint32_t count = 0;
		for (behind = r; behind != NULL && behind->frame == r->frame; behind = behind->next)
			count++;
		if (count == r->mates)
			return r->frame;
	}
	return 0;
}

static void take_refusal(struct wherry_client *c, struct run error)
{
	uint64_t frame = fenced_frame(c);
	if (frame == 0)
		frame = untouched_frame(c);
	for (struct request *r = c->sent.first, *next; r != NULL; r = next) {
		next = r->next;
		if (r->frame != frame || r->fence)
			continue;
		table_take(&c->table, (uint32_t)r->seq);
		request_end(c, r, &(struct outcome){.error = error});
	}
}

// --- answers ----------------------------------------------------------------------------------------------------------

static void remember_ns(struct wherry_client *c, const struct request *r)
{
	struct run name;
	if (!wire_first_text((struct run){r->bytes, r->len}, &name) || name.len >= sizeof(c->ns))
		return;
	memcpy(c->ns, name.at, name.len);
	c->ns[name.len] = 0;
	c->ns_seq = r->seq;
}

// The answers of a frame share max_answer.  A caller who waits asked for this one alone: it changed nothing, so it may
// be asked for again, alone.
static bool ask_alone(struct wherry_client *c, struct request *r, const struct wire_error *e)
{
	if (e->code != WHERRY_ELIMIT || !r->may_part || r->alone || r->mates < 2)
		return false;
	list_remove(&c->sent, r);
	r->alone = true;
	r->place = PENDING;
	list_prepend(&c->pending, r);
	return true;
}

static const char *take_response(struct wherry_client *c, const struct wire_object *o)
{
	struct wire_error e;
	bool failed = !wire_is_nil(o->error);
	if ((failed || !o->has_id) && !wire_error(o->error, &e))
		return "the broker sent an error that can't be read";
	if (c->link.state == LINK_SETUP) {
		setup_answer(c, o);
		return NULL;
	}
	if (!o->has_id) {
		take_refusal(c, o->error);
		return NULL;
	}
	struct request *r = table_take(&c->table, o->id);
	if (r == NULL || (failed && ask_alone(c, r, &e)))
		return NULL;
	if (r->uses_ns && !failed)
		remember_ns(c, r);
	request_end(c, r, &(struct outcome){.error = o->error, .result = o->result});
	return NULL;
}

static const char *take_frame(struct wherry_client *c, struct run frame)
{
	struct wire_object o;
	const char *why = NULL;
	while (frame.len > 0 && why == NULL) {
		if (!wire_next(&frame, &o))
			return "the broker sent a malformed frame";
		if (o.kind == WIRE_NOTE)
			why = deliver(c, &o);
		else if (o.kind == WIRE_RESPONSE)
			why = take_response(c, &o);
	}
	return why;
}

const char *receive_frames(struct wherry_client *c)
{
	struct run frame;
	const char *why = NULL;
	while (why == NULL && next_frame(c, &frame, &why)) {
		c->counts.frames_in++;
		c->link.proven |= c->link.state == LINK_UP;
		why = take_frame(c, frame);
	}
	return why;
}
