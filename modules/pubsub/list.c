// What there is: subscriptions, topics that somebody listens to, retained messages.  The bus shows them under its lock, so
// they are copied first and answered afterwards.

#include "pubsub.h"

#include <string.h>

enum { LIMIT = 1000, LIMIT_MOST = 100000 };

// Copies, one behind the other: each a struct, then the bytes that its spans lead to.
struct pile {
	const struct pubsub *ps;
	char *bytes;
	size_t len, room;
	uint32_t count, limit;
	bool failed, full;
};

static bool pile_room(struct pile *p, size_t more)
{
	if (p->room - p->len >= more)
		return true;
	size_t room = p->room ? p->room : 4096;
	while (room - p->len < more)
		room *= 2;
	char *bytes = p->ps->host->resize(p->ps->owner, p->bytes, room);
	p->failed = !bytes;
	if (!bytes)
		return false;
	p->bytes = bytes;
	p->room = room;
	return true;
}

static void pile_add(struct pile *p, const void *bytes, size_t len)
{
	if (len == 0 || p->failed || !pile_room(p, len))
		return;
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

// Whether there is one more.
static bool pile_next(struct pile *p)
{
	p->full = p->count == p->limit;
	p->count += !p->full;
	return !p->full;
}

static void take(const char **at, void *into, size_t len)
{
	memcpy(into, *at, len);
	*at += len;
}

static wherry_span take_span(const char **at, size_t len)
{
	wherry_span span = {*at, len};
	*at += len;
	return span;
}

static int32_t pile_end(struct pile *p, int32_t status)
{
	p->ps->host->release(p->ps->owner, p->bytes);
	return status;
}

static int32_t pile_fault(struct pile *p, wherry_call *call)
{
	if (p->failed)
		return WHERRY_ENOMEM;
	return p->full ? fail(p->ps, call, WHERRY_ELIMIT, "there are more than limit, %u: narrow it down", p->limit)
		       : WHERRY_OK;
}

static int32_t read_limit(const struct pubsub *ps, wherry_call *call, uint32_t arg, uint32_t *limit)
{
	const wherry_value *value = &call->args[arg];
	*limit = LIMIT;
	if (value->kind == WHERRY_ABSENT)
		return WHERRY_OK;
	if (value->as.i < 1 || value->as.i > LIMIT_MOST)
		return fail(ps, call, WHERRY_EARG, "option \"limit\" must be between 1 and %d", LIMIT_MOST);
	*limit = (uint32_t)value->as.i;
	return WHERRY_OK;
}

static void number(const struct pubsub *ps, wherry_call *call, const char *name, uint64_t n)
{
	ps->write->cstring(call->reply, name);
	ps->write->uinteger(call->reply, n);
}

static void text(const struct pubsub *ps, wherry_call *call, const char *name, wherry_span value)
{
	ps->write->cstring(call->reply, name);
	if (value.len > 0)
		ps->write->text(call->reply, value);
	else
		ps->write->nil(call->reply);
}

// --- subscriptions ------------------------------------------------------------------------------------------------------

static int32_t add_subscription(void *arg, const wherry_subscription *s)
{
	struct pile *p = arg;
	pile_next(p);
	pile_add(p, s, sizeof *s);
	pile_add(p, s->group.ptr, s->group.len);
	pile_add(p, s->sticky.ptr, s->sticky.len);
	for (uint32_t i = 0; i < s->filter_count; i++) {
		pile_add(p, &s->filters[i].len, sizeof s->filters[i].len);
		pile_add(p, s->filters[i].ptr, s->filters[i].len);
	}
	return p->failed;
}

static void write_subscription(const struct pubsub *ps, wherry_call *call, const char **at)
{
	wherry_subscription s;
	size_t len;
	take(at, &s, sizeof s);
	wherry_span group = take_span(at, s.group.len), sticky = take_span(at, s.sticky.len);
	ps->write->map(call->reply, 11);
	number(ps, call, "id", s.id);
	ps->write->cstring(call->reply, "filters");
	ps->write->array(call->reply, s.filter_count);
	for (uint32_t i = 0; i < s.filter_count; i++) {
		take(at, &len, sizeof len);
		ps->write->text(call->reply, take_span(at, len));
	}
	text(ps, call, "group", group);
	text(ps, call, "sticky", sticky);
	ps->write->cstring(call->reply, "overflow");
	ps->write->cstring(call->reply, overflow_words[s.overflow]);
	number(ps, call, "max_messages", s.max_messages);
	number(ps, call, "max_bytes", s.max_bytes);
	number(ps, call, "pending", s.pending);
	number(ps, call, "pending_bytes", s.bytes);
	number(ps, call, "delivered", s.delivered);
	number(ps, call, "dropped", s.dropped);
}

int32_t pubsub_subscriptions(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	struct pile p = {.ps = ps, .limit = UINT32_MAX};
	int32_t status = ps->bus->each_subscription(call, add_subscription, &p);
	if (status == WHERRY_OK)
		status = pile_fault(&p, call);
	if (status != WHERRY_OK)
		return pile_end(&p, status);
	const char *at = p.bytes;
	ps->write->array(call->reply, p.count);
	for (uint32_t i = 0; i < p.count; i++)
		write_subscription(ps, call, &at);
	return pile_end(&p, WHERRY_OK);
}

// --- topics -------------------------------------------------------------------------------------------------------------

static int32_t add_topic(void *arg, const wherry_topic *t)
{
	struct pile *p = arg;
	if (!pile_next(p))
		return 1;
	pile_add(p, t, sizeof *t);
	pile_add(p, t->filter.ptr, t->filter.len);
	return p->failed;
}

static void write_topic(const struct pubsub *ps, wherry_call *call, const char **at)
{
	wherry_topic t;
	take(at, &t, sizeof t);
	ps->write->map(call->reply, 3);
	text(ps, call, "filter", take_span(at, t.filter.len));
	number(ps, call, "subscriptions", t.subscriptions);
	number(ps, call, "groups", t.groups);
}

int32_t pubsub_topics(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	struct pile p = {.ps = ps};
	int32_t status = read_limit(ps, call, TOPICS_LIMIT, &p.limit);
	if (status == WHERRY_OK)
		status = ps->bus->each_topic(call, call->args[TOPICS_MATCH].as.bytes, add_topic, &p);
	if (status == WHERRY_OK)
		status = pile_fault(&p, call);
	if (status != WHERRY_OK)
		return pile_end(&p, status);
	const char *at = p.bytes;
	ps->write->array(call->reply, p.count);
	for (uint32_t i = 0; i < p.count; i++)
		write_topic(ps, call, &at);
	return pile_end(&p, WHERRY_OK);
}

// --- retained messages --------------------------------------------------------------------------------------------------

static int32_t add_message(void *arg, const wherry_message *m)
{
	struct pile *p = arg;
	if (!pile_next(p))
		return 1;
	pile_add(p, m, sizeof *m);
	pile_add(p, m->topic.ptr, m->topic.len);
	pile_add(p, m->payload.ptr, m->payload.len);
	pile_add(p, m->headers.ptr, m->headers.len);
	return p->failed;
}

static void raw(const struct pubsub *ps, wherry_call *call, const char *name, wherry_span value)
{
	ps->write->cstring(call->reply, name);
	if (value.len > 0)
		ps->write->raw(call->reply, value);
	else
		ps->write->nil(call->reply);
}

static void write_message(const struct pubsub *ps, wherry_call *call, const char **at)
{
	wherry_message m;
	take(at, &m, sizeof m);
	ps->write->map(call->reply, 4);
	text(ps, call, "topic", take_span(at, m.topic.len));
	raw(ps, call, "payload", take_span(at, m.payload.len));
	raw(ps, call, "headers", take_span(at, m.headers.len));
	ps->write->cstring(call->reply, "ttl_ms");
	if (m.expires_ms != 0)
		ps->write->integer(call->reply, m.expires_ms - call->now_ms);
	else
		ps->write->nil(call->reply);
}

int32_t pubsub_retained(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	struct pile p = {.ps = ps};
	int32_t status = read_limit(ps, call, KEPT_LIMIT, &p.limit);
	if (status == WHERRY_OK)
		recover(ps, call);
	if (status == WHERRY_OK)
		status = ps->bus->each_retained(call, call->args[KEPT_FILTER].as.bytes, add_message, &p);
	if (status == WHERRY_OK)
		status = pile_fault(&p, call);
	if (status != WHERRY_OK)
		return pile_end(&p, status);
	const char *at = p.bytes;
	ps->write->array(call->reply, p.count);
	for (uint32_t i = 0; i < p.count; i++)
		write_message(ps, call, &at);
	return pile_end(&p, WHERRY_OK);
}
