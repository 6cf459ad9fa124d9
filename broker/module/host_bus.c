// Messages and buffers, as modules reach them: wherry_bus.
//
// A buffer is counted on its owner until its last reference is dropped, which may be after the module was unloaded.

#include <string.h>

#include "base/mem.h"
#include "bus/topic.h"
#include "codec/request.h"
#include "module/instance.h"
#include "run/call.h"

struct wherry_buf {
	wherry_owner *owner;
	atomic_uint refs;
	int64_t cost;
	struct buffer bytes;
};

static wherry_buf *buf_new(wherry_owner *o, size_t len)
{
	wherry_buf *buf = atomic_load(&o->dead) ? NULL : mem_zalloc(sizeof(*buf));
	if (buf == NULL)
		return NULL;
	if (!buffer_reserve(&buf->bytes, len > 0 ? len : 1)) { // an empty one has data, too: memcpy() takes no NULL
		mem_free(buf);
		return NULL;
	}
	buf->bytes.len = len;
	buf->owner = o;
	buf->cost = (int64_t)(mem_cost(sizeof(*buf)) + mem_cost(buf->bytes.room));
	atomic_init(&buf->refs, 1);
	owner_count(o, 1, buf->cost);
	return buf;
}

static void *buf_data(wherry_buf *buf, size_t *len)
{
	if (len != NULL)
		*len = buf->bytes.len;
	return buf->bytes.data;
}

static void buf_hold(wherry_buf *buf)
{
	atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
}

static void buf_drop(wherry_buf *buf)
{
	if (buf == NULL || atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel) != 1)
		return;
	owner_count(buf->owner, -1, -buf->cost);
	buffer_free(&buf->bytes);
	mem_free(buf);
}

static bool is_one_value(wherry_span bytes)
{
	const char *why;
	size_t at;
	return cursor_check(bytes, &module_limits, &why, &at) == 1;
}

static bool is_map(wherry_span bytes)
{
	struct cursor c = cursor_of(bytes);
	uint32_t pairs;
	return cursor_map(&c, &pairs);
}

static int32_t publish(
    wherry_owner *o, wherry_span topic, wherry_span payload, wherry_span headers, uint64_t *receivers)
{
	if (atomic_load(&o->dead))
		return WHERRY_ESHUTDOWN;
	if (topic_fault(topic) != NULL || !is_one_value(payload) ||
	    (headers.len > 0 && (!is_one_value(headers) || !is_map(headers))))
		return WHERRY_EARG;
	struct router *router = o->modules->config.router;
	uint64_t reached = router_bus(router) != NULL ? bus_publish(router_bus(router), topic, payload, headers) : 0;
	reached += modules_heard(o->modules, topic, payload, headers);
	if (router_running() == NULL) // else what else the turn publishes travels with it
		router_flush(router);
	if (receivers != NULL)
		*receivers = reached;
	return WHERRY_OK;
}

// The bytes go without a copy when nobody else holds them.
static int push(struct session *s, wherry_buf *buf)
{
	if (!s->duplex)
		return WHERRY_EUNSUPPORTED;
	if (atomic_load(&s->ended))
		return WHERRY_ESTALE;
	struct buffer frame = {0};
	if (atomic_load_explicit(&buf->refs, memory_order_acquire) == 1) {
		frame = buf->bytes;
		buf->bytes = (struct buffer){0};
	} else {
		buffer_append(&frame, buf->bytes.data, buf->bytes.len);
	}
	int status = frame.failed ? WHERRY_ENOMEM : s->ops->deliver(s, (wherry_span){0}, &frame);
	buffer_free(&frame);
	return status;
}

static int32_t give_session(wherry_owner *o, uint64_t session, wherry_buf *notification)
{
	int status = WHERRY_ESTALE;
	if (atomic_load(&o->dead))
		status = WHERRY_ESHUTDOWN;
	else if (!owner_is_request(buffer_span(&notification->bytes)))
		status = WHERRY_EARG;
	struct session *s = status == WHERRY_ESTALE ? session_find(o->modules->config.router, session) : NULL;
	if (s != NULL) {
		status = push(s, notification);
		session_drop(s);
	}
	buf_drop(notification);
	return status;
}

const wherry_bus host_bus = {
    .size = sizeof(wherry_bus),
    .emit = call_emit,
    .publish = publish,
    .buf_new = buf_new,
    .buf_data = buf_data,
    .buf_hold = buf_hold,
    .buf_drop = buf_drop,
    .give_session = give_session,
    .send = call_send,
    .matches = call_matches,
    .subscribe = call_subscribe,
    .unsubscribe = call_unsubscribe,
    .each_subscription = call_each_subscription,
    .each_topic = call_each_topic,
    .each_retained = call_each_retained,
    .watch = call_watch,
    .unwatch = call_unwatch,
    .state = call_state,
};
