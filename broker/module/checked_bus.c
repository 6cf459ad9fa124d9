// wherry_bus of checked modules: topics and values as spans, and buffers, of which each reference is counted.

#include "module/checked_inside.h"

static const char *wrong_span(wherry_span topic, wherry_span payload, wherry_span headers)
{
	if (!span_is_whole(topic))
		return "topic";
	if (!span_is_whole(payload))
		return "payload";
	return span_is_whole(headers) ? NULL : "headers";
}

static int32_t emit(wherry_call *call, wherry_span topic, wherry_span payload, wherry_span headers)
{
	struct watched *k = watched_of(call, "bus->emit");
	if (k == NULL)
		return WHERRY_EINTERNAL;
	const char *wrong = wrong_span(topic, payload, headers);
	if (wrong != NULL) {
		misuse_here("bus->emit: the ptr of %s is NULL", wrong);
		return WHERRY_EARG;
	}
	return host_bus.emit(&k->real->face, topic, payload, headers);
}

static int32_t publish(
    wherry_owner *o, wherry_span topic, wherry_span payload, wherry_span headers, uint64_t *receivers)
{
	if (!checked_owner(o, "bus->publish", true))
		return WHERRY_EARG;
	const char *wrong = wrong_span(topic, payload, headers);
	if (wrong != NULL) {
		misuse_here("bus->publish: the ptr of %s is NULL", wrong);
		return WHERRY_EARG;
	}
	return host_bus.publish(o, topic, payload, headers, receivers);
}

// --- with the call ------------------------------------------------------------------------------------------------------

#define ENTER(function)                                         \
	struct watched *k = watched_of(call, "bus->" function); \
	if (k == NULL)                                          \
	return WHERRY_EINTERNAL

static int32_t wrong_for(const char *function, const char *what)
{
	misuse_here("bus->%s: %s", function, what);
	return WHERRY_EARG;
}

// Such as none of the versions of the ABI has: it was not set to sizeof.
static bool size_is_odd(uint32_t size, size_t least)
{
	return size < least || size > 4096;
}

static bool is_silent(const wherry_message *m)
{
	return m != NULL && m->flags & WHERRY_MESSAGE_SILENT;
}

static int32_t send(wherry_call *call, const wherry_message *m, uint64_t *receivers)
{
	struct watched *k = is_silent(m) ? watched_anywhere(call, "bus->send") : watched_of(call, "bus->send");
	if (k == NULL)
		return WHERRY_EINTERNAL;
	if (m == NULL || size_is_odd(m->size, sizeof(*m)))
		return wrong_for("send", m == NULL ? "the message is NULL" : "wherry_message.size: set it to sizeof");
	const char *wrong = wrong_span(m->topic, m->payload, m->headers);
	if (wrong != NULL) {
		misuse_here("bus->send: the ptr of %s is NULL", wrong);
		return WHERRY_EARG;
	}
	return host_bus.send(&k->real->face, m, receivers);
}

static int32_t matches(wherry_call *call, wherry_span topic, uint64_t *receivers)
{
	ENTER("matches");
	if (receivers == NULL || !span_is_whole(topic))
		return wrong_for("matches", receivers == NULL ? "receivers is NULL" : "the ptr of topic is NULL");
	return host_bus.matches(&k->real->face, topic, receivers);
}

static const char *wrong_subscribe(const wherry_subscribe *s)
{
	if (size_is_odd(s->size, sizeof(*s)))
		return "wherry_subscribe.size: set it to sizeof";
	if (s->filters == NULL && s->filter_count > 0)
		return "filters is NULL, but filter_count is not 0";
	for (uint32_t i = 0; i < s->filter_count; i++)
		if (!span_is_whole(s->filters[i]))
			return "the ptr of a filter is NULL";
	return span_is_whole(s->group) && span_is_whole(s->sticky) ? NULL : "the ptr of group or sticky is NULL";
}

static int32_t subscribe(wherry_call *call, const wherry_subscribe *wanted, uint64_t *id)
{
	ENTER("subscribe");
	if (wanted == NULL || id == NULL)
		return wrong_for("subscribe", id == NULL ? "id is NULL" : "what is wanted is NULL");
	const char *wrong = wrong_subscribe(wanted);
	return wrong != NULL ? wrong_for("subscribe", wrong) : host_bus.subscribe(&k->real->face, wanted, id);
}

static int32_t unsubscribe(wherry_call *call, uint64_t id)
{
	ENTER("unsubscribe");
	return host_bus.unsubscribe(&k->real->face, id);
}

static int32_t each_subscription(wherry_call *call, int32_t (*each)(void *arg, const wherry_subscription *), void *arg)
{
	ENTER("each_subscription");
	return each != NULL ? host_bus.each_subscription(&k->real->face, each, arg)
			    : wrong_for("each_subscription", "each is NULL");
}

static int32_t each_topic(
    wherry_call *call, wherry_span match, int32_t (*each)(void *arg, const wherry_topic *), void *arg)
{
	ENTER("each_topic");
	if (each == NULL || !span_is_whole(match))
		return wrong_for("each_topic", each == NULL ? "each is NULL" : "the ptr of match is NULL");
	return host_bus.each_topic(&k->real->face, match, each, arg);
}

static int32_t each_retained(
    wherry_call *call, wherry_span filter, int32_t (*each)(void *arg, const wherry_message *), void *arg)
{
	ENTER("each_retained");
	if (each == NULL || !span_is_whole(filter))
		return wrong_for("each_retained", each == NULL ? "each is NULL" : "the ptr of filter is NULL");
	return host_bus.each_retained(&k->real->face, filter, each, arg);
}

static int32_t watch(wherry_call *call, const wherry_watch *w, uint64_t *id)
{
	ENTER("watch");
	if (w == NULL || id == NULL)
		return wrong_for("watch", id == NULL ? "id is NULL" : "what is wanted is NULL");
	if (size_is_odd(w->size, sizeof(*w)))
		return wrong_for("watch", "wherry_watch.size: set it to sizeof");
	if ((w->keys == NULL && w->key_count > 0) || (w->patterns == NULL && w->pattern_count > 0))
		return wrong_for("watch", "keys or patterns are NULL, but their count is not 0");
	return host_bus.watch(&k->real->face, w, id);
}

static int32_t unwatch(wherry_call *call, uint64_t id)
{
	ENTER("unwatch");
	return host_bus.unwatch(&k->real->face, id);
}

static int32_t state(wherry_call *call, uint64_t session, uint64_t id, uint32_t arg)
{
	ENTER("state");
	return host_bus.state(&k->real->face, session, id, arg);
}

// --- buffers ----------------------------------------------------------------------------------------------------------

static void misuse_of_buffer(const wherry_buf *buf, const char *function, enum held_answer answer)
{
	const char *what = answer == HELD_GONE ? "a buffer that it gave or dropped before" : "what is no buffer";
	struct checked *module = held_by(buf);
	const struct checked_here *here = checked_here();
	if (here != NULL)
		misuse_here("bus->%s takes %s", function, buf == NULL ? "NULL" : what);
	else if (module != NULL)
		checked_find(module, FINDING_MISUSE, "a thread of its own", "bus->%s takes %s", function, what);
}

static bool refer(const wherry_buf *buf, const char *function, int delta)
{
	enum held_answer answer = held_change(NULL, buf, HELD_BUFFER, delta);
	if (answer != HELD_HERE)
		misuse_of_buffer(buf, function, answer);
	return answer == HELD_HERE;
}

static wherry_buf *buf_new(wherry_owner *o, size_t len)
{
	if (!checked_owner(o, "bus->buf_new", false))
		return NULL;
	wherry_buf *buf = host_bus.buf_new(o, len);
	if (buf != NULL && !held_add(o->checked, buf, HELD_BUFFER)) {
		host_bus.buf_drop(buf);
		buf = NULL;
	}
	return buf;
}

static void *buf_data(wherry_buf *buf, size_t *len)
{
	return refer(buf, "buf_data", 0) ? host_bus.buf_data(buf, len) : NULL;
}

static void buf_hold(wherry_buf *buf)
{
	if (refer(buf, "buf_hold", 1))
		host_bus.buf_hold(buf);
}

static void buf_drop(wherry_buf *buf)
{
	if (buf != NULL && refer(buf, "buf_drop", -1))
		host_bus.buf_drop(buf);
}

static int32_t give_session(wherry_owner *o, uint64_t session, wherry_buf *notification)
{
	if (!refer(notification, "give_session", -1))
		return WHERRY_EARG;
	if (checked_owner(o, "bus->give_session", true))
		return host_bus.give_session(o, session, notification);
	host_bus.buf_drop(notification);
	return WHERRY_EARG;
}

const wherry_bus checked_bus = {
    .size = sizeof(wherry_bus),
    .emit = emit,
    .publish = publish,
    .buf_new = buf_new,
    .buf_data = buf_data,
    .buf_hold = buf_hold,
    .buf_drop = buf_drop,
    .give_session = give_session,
    .send = send,
    .matches = matches,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .each_subscription = each_subscription,
    .each_topic = each_topic,
    .each_retained = each_retained,
    .watch = watch,
    .unwatch = unwatch,
    .state = state,
};
