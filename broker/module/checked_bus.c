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
};
