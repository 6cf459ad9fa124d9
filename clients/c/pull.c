// Messages and events, handed to whoever waits for them, or to callbacks on the client's thread.

#include "feed.h"

// --- what a parcel says -----------------------------------------------------------------------------------------------

static struct run rest_of(const struct parcel *p)
{
	return (struct run){p->bytes + p->at, p->len - p->at};
}

static bool is_empty(const struct parcel *p)
{
	return p->count == 0;
}

// What tells apart the first of a parcel.
static void take_marks(struct parcel *p, uint64_t *lost, uint32_t *flags)
{
	*lost = p->lost;
	*flags = p->after_gap ? WHERRY_AFTER_GAP : 0;
	p->lost = 0;
	p->after_gap = false;
	p->count--;
}

static void take_message(struct wherry_feed *s, struct parcel *p, wherry_delivery *m)
{
	struct run r = rest_of(p), topic = {0}, payload, headers = {0};
	uint64_t parts = 0;
	wire_take_array(&r, &parts);
	wire_take_text(&r, &topic);
	payload = wire_take_value(&r);
	for (uint64_t part = 2; part < parts; part++) {
		struct run value = wire_take_value(&r);
		headers = part == 2 && !wire_is_nil(value) ? value : headers;
	}
	p->at = p->len - r.len;
	take_marks(p, &m->lost, &m->flags);
	m->seq = s->seq += m->lost + 1;
	m->topic = (const char *)topic.at;
	m->topic_len = topic.len;
	m->payload = payload.at;
	m->payload_len = payload.len;
	m->headers = headers.at;
	m->headers_len = headers.len;
}

static void take_event(struct parcel *p, wherry_event *e)
{
	struct run r = rest_of(p), name = {0}, key, value;
	wire_take_text(&r, &name);
	key = wire_take_value(&r);
	value = wire_take_value(&r);
	wire_take_uint(&r, &e->revision);
	take_marks(p, &e->lost, &e->flags);
	memcpy(e->event, name.at, name.len);
	e->event[name.len] = 0;
	e->key = key.at;
	e->key_len = key.len;
	e->value = value.at;
	e->value_len = value.len;
}

// --- pulling ----------------------------------------------------------------------------------------------------------

// Whom it is for: one of these.
struct puller {
	wherry_delivery *message;
	wherry_event *event;
};

static const void *move(uint8_t **to, const void *from, size_t len)
{
	if (from == NULL)
		return NULL;
	void *at = memcpy(*to, from, len);
	*to += len;
	return at;
}

static int hand_message(struct wherry_feed *s, wherry_delivery *m)
{
	struct parcel *p = s->first;
	if (!bytes_replace(&m->memory, &m->memory_room, p->len - p->at))
		return WHERRY_ENOMEM;
	uint8_t *to = m->memory;
	take_message(s, p, m);
	m->topic = move(&to, m->topic, m->topic_len);
	m->payload = move(&to, m->payload, m->payload_len);
	m->headers = move(&to, m->headers, m->headers_len);
	return WHERRY_OK;
}

static int hand_event(struct wherry_feed *s, wherry_event *e)
{
	struct parcel *p = s->first;
	if (!bytes_replace(&e->memory, &e->memory_room, p->len - p->at))
		return WHERRY_ENOMEM;
	uint8_t *to = e->memory;
	take_event(p, e);
	e->key = move(&to, e->key, e->key_len);
	e->value = move(&to, e->value, e->value_len);
	return WHERRY_OK;
}

static int hand_out(struct wherry_feed *s, const struct puller *who)
{
	int status = who->message != NULL ? hand_message(s, who->message) : hand_event(s, who->event);
	if (is_empty(s->first))
		free(parcel_take(s));
	if (s->first != NULL)
		waiter_wake_one(s->client, s);
	return status;
}

static bool take_gap(struct wherry_feed *s)
{
	bool *gap = s->first != NULL ? &s->first->gap : &s->gap;
	bool *after = s->first != NULL ? &s->first->after_gap : &s->after_gap;
	bool there = *gap;
	*gap = false;
	*after |= there;
	return there;
}

// What there is to say without waiting; EAGAIN: nothing.
static int look(struct wherry_feed *s, const struct puller *who, const wherry_error **why)
{
	if (take_gap(s)) {
		*why = &s->gap_why;
		return WHERRY_ESTALE;
	}
	if (s->first != NULL)
		return hand_out(s, who);
	if (s->stopped)
		return WHERRY_ESHUTDOWN;
	if (s->state != ENDED)
		return WHERRY_EAGAIN;
	*why = &s->end_why;
	return s->end_why.code;
}

static int pull_locked(struct wherry_feed *s, int64_t deadline, const struct puller *who, const wherry_error **why)
{
	struct wherry_client *c = s->client;
	int status = look(s, who, why);
	for (bool in_time = true; status == WHERRY_EAGAIN && in_time; status = look(s, who, why)) {
		struct waiter w = {.wants = s};
		waiter_add(c, &w);
		in_time = drive_until(c, &w, deadline);
		waiter_remove(c, &w);
	}
	return status == WHERRY_EAGAIN ? WHERRY_ETIMEOUT : status;
}

static const char *text_of(int status)
{
	return status == WHERRY_ETIMEOUT ? "nothing came" : status == WHERRY_ESHUTDOWN ? "it was stopped" : NULL;
}

static int pull(struct wherry_feed *s, int64_t timeout_ms, const struct puller *who, wherry_error *error)
{
	const wherry_error *why = NULL;
	bool mine = s->watches == (who->event != NULL) && feed_is_pulled(s);
	error_clear(error);
	if (!mine)
		return error_local(error, WHERRY_EARG, "it has a callback, or is of another kind");
	int64_t deadline = deadline_after(timeout_ms);
	pthread_mutex_lock(&s->client->lock);
	bool may = !on_own_thread(s->client);
	int status = may ? pull_locked(s, deadline, who, &why) : WHERRY_EARG;
	if (why != NULL && error != NULL)
		*error = *why;
	pthread_mutex_unlock(&s->client->lock);
	if (why == NULL && status != WHERRY_OK)
		error_local(error, status, may ? text_of(status) : "not from a callback: it waits");
	return status;
}

int wherry_feed_next(wherry_feed *s, int64_t timeout_ms, wherry_delivery *message, wherry_error *error)
{
	return pull(s, timeout_ms, &(struct puller){.message = message}, error);
}

int wherry_feed_next_event(wherry_feed *s, int64_t timeout_ms, wherry_event *event, wherry_error *error)
{
	return pull(s, timeout_ms, &(struct puller){.event = event}, error);
}

void wherry_delivery_free(wherry_delivery *message)
{
	free(message->memory);
	*message = (wherry_delivery){0};
}

void wherry_event_free(wherry_event *event)
{
	free(event->memory);
	*event = (wherry_event){0};
}

// --- telling ----------------------------------------------------------------------------------------------------------

static void list_to_tell(struct wherry_feed *s)
{
	struct feeds *all = &s->client->feeds;
	if (s->to_tell)
		return;
	s->to_tell = true;
	s->next_to_tell = NULL;
	*(all->last_to_tell != NULL ? &all->last_to_tell->next_to_tell : &all->first_to_tell) = s;
	all->last_to_tell = s;
}

void feed_came(struct wherry_feed *s)
{
	if (feed_is_pulled(s))
		waiter_wake_one(s->client, s);
	else
		list_to_tell(s);
}

void feed_turned(struct wherry_feed *s)
{
	waiters_wake(s->client, s);
	if (!feed_is_pulled(s))
		list_to_tell(s);
}

static void tell_one(struct wherry_feed *s, struct parcel *p)
{
	wherry_delivery m = {0};
	wherry_event e = {0};
	if (s->watches) {
		take_event(p, &e);
		s->on_event(s->arg, &e);
	} else {
		take_message(s, p, &m);
		s->on_message(s->arg, &m);
	}
}

static void tell_parcel(struct wherry_feed *s, struct parcel *p)
{
	tell_begin(s->client, TELLING_MESSAGES);
	while (p->count > 0 && !atomic_load(&s->closed))
		tell_one(s, p);
	tell_end(s->client);
	free(p);
}

static void tell_gap(struct wherry_feed *s, int ended, wherry_error why)
{
	if (s->on_gap == NULL)
		return;
	tell_begin(s->client, TELLING_MESSAGES);
	s->on_gap(s->arg, ended, &why);
	tell_end(s->client);
}

static bool tell_next(struct wherry_feed *s)
{
	if (take_gap(s)) {
		tell_gap(s, 0, s->gap_why);
		return true;
	}
	if (s->first != NULL) {
		tell_parcel(s, parcel_take(s));
		return true;
	}
	if (s->state == ENDED && !s->stopped && !s->end_told) {
		s->end_told = true;
		tell_gap(s, 1, s->end_why);
	}
	return false;
}

void feeds_tell(struct wherry_client *c)
{
	struct feeds *all = &c->feeds;
	for (struct wherry_feed *s; (s = all->first_to_tell) != NULL && !c->closing;) {
		all->first_to_tell = s->next_to_tell;
		if (all->first_to_tell == NULL)
			all->last_to_tell = NULL;
		s->to_tell = false;
		s->telling = true;
		while (!atomic_load(&s->closed) && tell_next(s))
			;
		s->telling = false;
		pthread_cond_broadcast(&c->roles);
		feed_release(s);
	}
}
