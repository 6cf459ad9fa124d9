// Messages as a part of a command, and what the session that asks has subscribed to: the ABI's wherry_bus, as far as it
// needs the call.

#include <string.h>

#include "bus/bus.h"
#include "run/inside.h"

_Static_assert((int)WHERRY_OVERFLOW_DROP_OLDEST == OVERFLOW_DROP_OLDEST &&
		   (int)WHERRY_OVERFLOW_DROP_NEWEST == OVERFLOW_DROP_NEWEST &&
		   (int)WHERRY_OVERFLOW_CONFLATE == OVERFLOW_CONFLATE &&
		   (int)WHERRY_OVERFLOW_DISCONNECT == OVERFLOW_DISCONNECT,
    "the ABI's numbers are the bus's");

// What the caller's struct has of it; the rest is 0.
static void read_struct(void *into, size_t size, const void *from, uint32_t its_size)
{
	memset(into, 0, size);
	memcpy(into, from, its_size < size ? its_size : size);
}

// --- sending ------------------------------------------------------------------------------------------------------------

static uint64_t listening(const struct call *c, wherry_span topic)
{
	const struct router_hooks *hooks = &c->router->config.hooks;
	return hooks->hears != NULL ? hooks->hears(hooks->arg, topic) : 0;
}

static uint64_t reachable(const struct call *c, wherry_span topic)
{
	struct bus *bus = c->router->config.bus;
	return listening(c, topic) + (bus != NULL ? bus_matches(bus, topic) : 0);
}

static int32_t add(struct worker *w, const wherry_message *m)
{
	struct emit e = {.kind = EMIT_MESSAGE,
	    .flags = m->flags,
	    .expires_ms = m->expires_ms,
	    .part = {m->topic, m->payload, m->headers}};
	return emit_add(&w->emits, &e) ? WHERRY_OK : WHERRY_ENOMEM;
}

static int32_t send_with_commit(struct call *c, const wherry_message *m, uint64_t *receivers)
{
	if (receivers != NULL || m->require > 0) {
		uint64_t now = m->flags & WHERRY_MESSAGE_SILENT ? 0 : reachable(c, m->topic);
		if (now < m->require)
			return WHERRY_ENORESP;
		if (receivers != NULL)
			*receivers = now;
	}
	return add(c->worker, m);
}

static int32_t send_now(struct call *c, wherry_message *m, uint64_t *receivers)
{
	const struct router_config *config = &c->router->config;
	uint64_t reached = 0;
	if (m->require > 0) {
		uint64_t heard = listening(c, m->topic);
		m->require -= heard < m->require ? heard : m->require;
	}
	int status = config->bus != NULL ? bus_send(config->bus, m, &reached) : WHERRY_OK;
	if (status != WHERRY_OK)
		return status;
	if (config->hooks.publish != NULL && !(m->flags & WHERRY_MESSAGE_SILENT))
		reached += config->hooks.publish(config->hooks.arg, m->topic, m->payload, m->headers);
	if (receivers != NULL)
		*receivers = reached;
	return WHERRY_OK;
}

static int32_t message_fault(struct call *c, const wherry_message *m)
{
	const char *why = topic_fault(m->topic);
	if (why != NULL)
		return call_failf(&c->face, WHERRY_EARG, "the topic: %s", why);
	if (m->flags & ~(WHERRY_MESSAGE_RETAIN | WHERRY_MESSAGE_SILENT) || m->flags == WHERRY_MESSAGE_SILENT)
		return call_failf(&c->face, WHERRY_EARG, "a message with flags 0x%x", m->flags);
	struct bus *bus = c->router->config.bus;
	bool retain = m->flags & WHERRY_MESSAGE_RETAIN;
	if (retain && !(m->flags & WHERRY_MESSAGE_SILENT) && bus != NULL && !bus_may_retain(bus, m))
		return call_fail(&c->face, WHERRY_ELIMIT,
		    "no room for another retained message: forget one by a nil payload, or raise max_retained and "
		    "max_retained_bytes");
	return WHERRY_OK;
}

int32_t call_send(wherry_call *face, const wherry_message *sent, uint64_t *receivers)
{
	struct call *c = call_of(face);
	wherry_message m;
	read_struct(&m, sizeof(m), sent, sent->size);
	int32_t status = message_fault(c, &m);
	if (status != WHERRY_OK)
		return status;
	bool waits = call_in_transaction(c) || txn_holds_keys(c->txn);
	return waits ? send_with_commit(c, &m, receivers) : send_now(c, &m, receivers);
}

int32_t call_emit(wherry_call *face, wherry_span topic, wherry_span payload, wherry_span headers)
{
	const char *why = topic_fault(topic);
	if (why != NULL)
		return call_fail(face, WHERRY_EARG, why);
	wherry_message m = {.size = sizeof(m), .topic = topic, .payload = payload, .headers = headers};
	return add(call_of(face)->worker, &m); // a module may go on without it
}

int32_t call_matches(wherry_call *face, wherry_span topic, uint64_t *receivers)
{
	const char *why = topic_fault(topic);
	if (why != NULL)
		return call_failf(face, WHERRY_EARG, "the topic: %s", why);
	*receivers = reachable(call_of(face), topic);
	return WHERRY_OK;
}

// --- subscriptions ------------------------------------------------------------------------------------------------------

static int32_t no_subscriber(struct call *c)
{
	if (c->session == NULL)
		return call_fail(
		    &c->face, WHERRY_EUNSUPPORTED, "the broker itself has no subscriptions: listeners do that");
	return call_fail(
	    &c->face, WHERRY_EUNSUPPORTED, "a subscription is no part of a transaction: it could not be undone");
}

static struct subscribe wanted_of(const struct call *c, const wherry_subscribe *w)
{
	return (struct subscribe){.filters = w->filters,
	    .filter_count = w->filter_count,
	    .group = w->group,
	    .sticky = w->sticky,
	    .overflow = (enum overflow)w->overflow,
	    .messages = w->max_messages < INT64_MAX ? (int64_t)w->max_messages : INT64_MAX,
	    .bytes = w->max_bytes < INT64_MAX ? (int64_t)w->max_bytes : INT64_MAX,
	    .retained = w->flags & WHERRY_SUBSCRIBE_RETAINED,
	    .now_ms = c->face.now_ms};
}

int32_t call_subscribe(wherry_call *face, const wherry_subscribe *asked, uint64_t *id)
{
	struct call *c = call_of(face);
	wherry_subscribe w;
	read_struct(&w, sizeof(w), asked, asked->size);
	if (c->session == NULL || call_in_transaction(c))
		return no_subscriber(c);
	if (w.overflow > WHERRY_OVERFLOW_DISCONNECT || w.flags & ~WHERRY_SUBSCRIBE_RETAINED)
		return call_fail(face, WHERRY_EARG, "a subscription with an unknown overflow or flag");
	struct outbox *o = session_outbox(c->session);
	if (o == NULL)
		return WHERRY_ENOMEM;
	const char *why = NULL;
	struct subscribe wanted = wanted_of(c, &w);
	int status = bus_subscribe(o, &wanted, id, &why);
	return why != NULL ? call_fail(face, status, why) : status;
}

int32_t call_unsubscribe(wherry_call *face, uint64_t id)
{
	struct call *c = call_of(face);
	if (c->session == NULL || call_in_transaction(c))
		return no_subscriber(c);
	struct outbox *o = session_outbox_opened(c->session);
	return o != NULL && bus_unsubscribe(o, id) ? WHERRY_OK : WHERRY_ENOKEY;
}

// --- what there is ------------------------------------------------------------------------------------------------------

int32_t call_each_subscription(wherry_call *face, int32_t (*each)(void *arg, const wherry_subscription *), void *arg)
{
	struct session *s = call_of(face)->session;
	struct outbox *o = s != NULL ? session_outbox_opened(s) : NULL;
	// What was published before this was asked is pending, too.  Nothing is sent while a transaction holds its stripes.
	if (!call_in_transaction(call_of(face)))
		router_flush(call_of(face)->router);
	if (o != NULL)
		outbox_each(o, each, arg);
	return WHERRY_OK;
}

static int32_t no_filter(wherry_call *face, wherry_span filter)
{
	const char *why = filter_fault(filter);
	return why != NULL ? call_failf(face, WHERRY_EARG, "the filter: %s", why) : WHERRY_OK;
}

int32_t call_each_topic(
    wherry_call *face, wherry_span match, int32_t (*each)(void *arg, const wherry_topic *), void *arg)
{
	struct bus *bus = call_of(face)->router->config.bus;
	int32_t status = match.len > 0 ? no_filter(face, match) : WHERRY_OK;
	if (status == WHERRY_OK && bus != NULL)
		bus_each_topic(bus, match, each, arg);
	return status;
}

int32_t call_each_retained(
    wherry_call *face, wherry_span filter, int32_t (*each)(void *arg, const wherry_message *), void *arg)
{
	struct bus *bus = call_of(face)->router->config.bus;
	int32_t status = no_filter(face, filter);
	if (status == WHERRY_OK && bus != NULL)
		bus_each_retained(bus, filter, face->now_ms, each, arg);
	return status;
}
