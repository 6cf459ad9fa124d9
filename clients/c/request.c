// Requests: what may be asked, the lists and the table they are in, and how they end.

#include <stdio.h>

#include "inside.h"

// --- lists ------------------------------------------------------------------------------------------------------------

void list_append(struct list *l, struct request *r)
{
	r->next = NULL;
	r->prev = l->last;
	*(l->last != NULL ? &l->last->next : &l->first) = r;
	l->last = r;
}

void list_prepend(struct list *l, struct request *r)
{
	r->prev = NULL;
	r->next = l->first;
	*(l->first != NULL ? &l->first->prev : &l->last) = r;
	l->first = r;
}

void list_remove(struct list *l, struct request *r)
{
	*(r->prev != NULL ? &r->prev->next : &l->first) = r->next;
	*(r->next != NULL ? &r->next->prev : &l->last) = r->prev;
	r->next = r->prev = NULL;
}

void list_join(struct list *front, struct list *back)
{
	if (back->first == NULL)
		return;
	back->first->prev = front->last;
	*(front->last != NULL ? &front->last->next : &front->first) = back->first;
	front->last = back->last;
	*back = (struct list){0};
}

// --- the table --------------------------------------------------------------------------------------------------------

enum { TABLE_LEAST = 64 };

static struct slot *slot_of(const struct table *t, uint64_t id)
{
	return &t->slots[id & (t->room - 1)];
}

// Ids that differ in their lower bits still do so in one bit more.
bool table_reserve(struct table *t)
{
	if (t->used < t->room / 2)
		return true;
	struct table wider = {
	    .room = t->room == 0 ? TABLE_LEAST : 2 * t->room, .used = t->used, .given_up = t->given_up};
	wider.slots = calloc(wider.room, sizeof(*wider.slots));
	if (wider.slots == NULL)
		return false;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].used)
			*slot_of(&wider, t->slots[i].id) = t->slots[i];
	free(t->slots);
	*t = wider;
	return true;
}

void table_put(struct table *t, struct request *r, uint64_t *seq)
{
	do
		(*seq)++;
	while (slot_of(t, *seq)->used);
	r->seq = *seq;
	*slot_of(t, *seq) = (struct slot){.request = r, .id = (uint32_t)*seq, .used = true};
	t->used++;
}

struct request *table_take(struct table *t, uint32_t id)
{
	struct slot *s = t->room > 0 ? slot_of(t, id) : NULL;
	if (s == NULL || !s->used || s->id != id)
		return NULL;
	struct request *r = s->request;
	*s = (struct slot){0};
	t->used--;
	t->given_up -= r == NULL;
	return r;
}

void table_give_up(struct table *t, const struct request *r)
{
	slot_of(t, r->seq)->request = NULL;
	t->given_up++;
}

void table_clear(struct table *t)
{
	free(t->slots);
	*t = (struct table){0};
}

// --- what may be asked ------------------------------------------------------------------------------------------------

// A frame with something in it that the broker can't read is refused whole.  Nothing up to these can be refused, unless
// max_depth or max_elements were set very low; the rest travels by itself, so that it fails nobody else's requests.
enum { PLAIN_DEPTH = 8, PLAIN_ELEMENTS = 1024 };

static bool is_method(const struct wire_request *w, const char *name)
{
	return w->method.len == strlen(name) && memcmp(w->method.at, name, w->method.len) == 0;
}

static bool one_value(struct run r, bool (*is)(struct run), struct wire_shape *shape)
{
	return r.len == 0 || (is(r) && wire_measure(r, shape) == r.len);
}

int request_copy(const wherry_request *from, wherry_request *to)
{
	size_t size = from->size < sizeof(*to) ? from->size : sizeof(*to);
	*to = (wherry_request){0};
	memcpy(to, from, size);
	return size >= offsetof(wherry_request, params) ? WHERRY_OK : WHERRY_EARG;
}

int request_check(const wherry_request *q, struct wire_request *w, struct request *r, const char **why)
{
	struct wire_shape shape = {0};
	*w = (struct wire_request){
	    .method = {(const uint8_t *)q->method, q->method == NULL ? 0 : strlen(q->method)},
	    .params = {q->params, q->params_len},
	    .options = {q->options, q->options_len},
	};
	*why = w->method.len == 0 || w->method.len > UINT16_MAX ? "a method's name is 1 to 65,535 bytes long"
	       : !one_value(w->params, wire_is_array, &shape)
		   ? "params is not one whole msgpack array, at most 128 deep"
	       : !one_value(w->options, wire_is_map, &shape) ? "options is not one whole msgpack map, at most 128 deep"
							     : NULL;
	if (*why != NULL)
		return WHERRY_EARG;
	r->len = r->cost = wire_request_size(w);
	r->deadline = NO_DEADLINE;
	r->uses_ns = is_method(w, "session.use");
	r->repeatable = r->uses_ns || (q->flags & WHERRY_REPEATABLE) != 0;
	r->alone = shape.depth > PLAIN_DEPTH || shape.elements > PLAIN_ELEMENTS;
	return WHERRY_OK;
}

int request_encode(
    const char *method, struct pack *params, struct pack *options, struct request *like, struct bytes *to)
{
	const wherry_request q = {.size = sizeof(q),
	    .method = method,
	    .params = params->out.data,
	    .params_len = params->out.len,
	    .options = options->out.data,
	    .options_len = options->out.len};
	struct wire_request w;
	const char *why;
	int status = params->failed || options->failed ? WHERRY_ENOMEM : request_check(&q, &w, like, &why);
	if (status == WHERRY_OK && !bytes_reserve(to, like->len))
		status = WHERRY_ENOMEM;
	if (status == WHERRY_OK) {
		to->len = wire_request_write(&w, to->data);
		like->bytes = to->data;
	}
	bytes_free(&params->out);
	bytes_free(&options->out);
	return status;
}

int request_admit(struct wherry_client *c, size_t cost, const char **why)
{
	*why = NULL;
	if (c->closing)
		return WHERRY_ESHUTDOWN;
	if (c->link.state == LINK_ENDED) {
		*why = c->link.why;
		return WHERRY_ESTALE;
	}
	if (cost > c->max_pending || c->counts.pending_bytes > c->max_pending - cost) {
		*why = "max_pending is reached: too much is not answered yet";
		return WHERRY_ELIMIT;
	}
	return WHERRY_OK;
}

void request_enqueue(struct wherry_client *c, struct request *r)
{
	bool first = c->urgently && on_own_thread(c);
	r->place = PENDING;
	r->alone |= r->len > c->frame_bytes;
	list_append(first ? &c->urgent : &c->pending, r);
	c->bound = r->deadline < c->bound ? r->deadline : c->bound;
	c->counts.requests++;
	c->counts.in_flight++;
	c->counts.pending_bytes += r->cost;
}

enum { GIVEN_UP_MOST = 1 << 20 };

// --- how they end -----------------------------------------------------------------------------------------------------

void request_end(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	list_remove(r->place == SENT ? &c->sent : &c->pending, r);
	r->place = NOWHERE;
	if (!r->fence) {
		c->counts.answers++;
		c->counts.in_flight--;
		c->counts.pending_bytes -= r->cost;
	}
	r->ended(c, r, o);
}

void request_fail(struct wherry_client *c, struct request *r, int status, const char *text)
{
	request_end(c, r, &(struct outcome){.status = status, .text = text});
}

// (What is told later, by the client's thread, can't have a text of this moment.)
static void never_sent(struct wherry_client *c, struct request *r)
{
	char text[TRANSPORT_WHY + 64];
	if (c->link.state == LINK_UP) {
		request_fail(c, r, WHERRY_EAGAIN, "the broker takes nothing in: it was not sent");
	} else if (r->deadline != NO_DEADLINE) {
		request_fail(c, r, WHERRY_EAGAIN, c->link.why);
	} else {
		snprintf(text, sizeof(text), "no broker answers (%s): it was not sent", c->link.why);
		request_fail(c, r, WHERRY_EAGAIN, text);
	}
}

// Where the session works is not known after session.use, and ids are no more than 32 bits: rather begin anew.
static void give_up(struct wherry_client *c, struct request *r)
{
	table_give_up(&c->table, r);
	if (!r->uses_ns && c->table.given_up < GIVEN_UP_MOST)
		return;
	link_doom(c, "the connection was given up: an answer that decides what it is never came");
}

void request_time_out(struct wherry_client *c, struct request *r)
{
	if (r->place == SENT)
		give_up(c, r);
	if (r->place == PENDING && !r->again)
		never_sent(c, r);
	else if (r->place == PENDING)
		request_fail(c, r, WHERRY_ESTALE, c->link.why);
	else
		request_fail(c, r, WHERRY_ETIMEOUT, NULL);
}

static int64_t expire(struct wherry_client *c, struct list *l, int64_t now, int64_t bound)
{
	for (struct request *r = l->first, *next; r != NULL; r = next) {
		next = r->next;
		if (r->deadline <= now)
			request_time_out(c, r);
		else if (r->deadline < bound)
			bound = r->deadline;
	}
	return bound;
}

void request_expire(struct wherry_client *c)
{
	if (c->bound == NO_DEADLINE)
		return;
	int64_t now = monotonic_ms();
	if (now >= c->bound)
		c->bound = expire(c, &c->sent, now, expire(c, &c->pending, now, NO_DEADLINE));
}
