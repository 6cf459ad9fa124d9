// What is retained: written with the message that is kept, forgotten when its time is over, told to the bus when the
// module begins.

#include "pubsub.h"

#include <string.h>

enum { KEY_ROOM = 520, SCAN_STEP = 1000 };

static bool is_empty(const wherry_value *payload)
{
	return payload->kind == WHERRY_NIL ||
	       (payload->kind & (WHERRY_TEXT | WHERRY_BYTES) && payload->as.bytes.len == 0);
}

// --- writing ------------------------------------------------------------------------------------------------------------

static const wherry_span nil = {"\xc0", 1};

static int32_t put(struct pubsub *ps, wherry_call *call, uint32_t key, int64_t expires_ms)
{
	wherry_span payload = call->args[PUBLISH_PAYLOAD].raw, headers = call->args[PUBLISH_HEADERS].raw;
	if (headers.len == 0)
		headers = nil;
	size_t len = 1 + payload.len + headers.len;
	char *head = ps->host->alloc(ps->owner, len);
	if (!head)
		return WHERRY_ENOMEM;
	head[0] = (char)0x92; // an array of two
	memcpy(head + 1, payload.ptr, payload.len);
	memcpy(head + 1 + payload.len, headers.ptr, headers.len);
	int32_t status = ps->keys->put_head(call, key, RETAINED, (wherry_span){head, len});
	ps->host->release(ps->owner, head);
	return status == WHERRY_OK ? ps->keys->set_alarm(call, key, expires_ms) : status;
}

static int32_t forget(struct pubsub *ps, wherry_call *call, uint32_t key)
{
	int32_t status = ps->keys->remove(call, key);
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

int32_t retain(struct pubsub *ps, wherry_call *call, uint64_t *receivers)
{
	const wherry_value *args = call->args;
	wherry_message m = {.size = sizeof m,
	    .flags = WHERRY_MESSAGE_RETAIN,
	    .topic = args[PUBLISH_TOPIC].as.bytes,
	    .payload = args[PUBLISH_PAYLOAD].raw,
	    .headers = args[PUBLISH_HEADERS].raw,
	    .expires_ms = args[PUBLISH_TTL_MS].kind == WHERRY_ABSENT ? 0 : call->now_ms + args[PUBLISH_TTL_MS].as.i,
	    .require = (uint64_t)args[PUBLISH_REQUIRE].as.i};
	char name[KEY_ROOM];
	size_t len;
	uint32_t key;
	int32_t status = ps->host->read->canonical(&args[PUBLISH_TOPIC], name, sizeof name, &len);
	if (status == WHERRY_OK)
		status = ps->keys->need_own(call, (wherry_span){name, len}, WHERRY_WRITE, &key);
	if (status == WHERRY_OK)
		status = ps->bus->send(call, &m, receivers); // with the commit: the key is held
	if (status != WHERRY_OK)
		return status;
	return is_empty(&args[PUBLISH_PAYLOAD]) ? forget(ps, call, key) : put(ps, call, key, m.expires_ms);
}

// --- the end of its time ------------------------------------------------------------------------------------------------

int32_t pubsub_expire(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	wherry_key key = {.size = sizeof key};
	int32_t status = ps->keys->open(call, 0, RETAINED, &key);
	if (status != WHERRY_OK)
		return status == WHERRY_ENOKEY ? WHERRY_OK : status;
	if (key.alarm_ms == 0 || key.alarm_ms > call->now_ms)
		return WHERRY_OK; // it was kept anew meanwhile
	wherry_message gone = {.size = sizeof gone,
	    .flags = WHERRY_MESSAGE_RETAIN | WHERRY_MESSAGE_SILENT,
	    .topic = call->args[0].as.bytes,
	    .payload = nil};
	status = ps->bus->send(call, &gone, NULL);
	return status == WHERRY_OK ? ps->keys->remove(call, 0) : status;
}

// --- recovery -----------------------------------------------------------------------------------------------------------

struct recovering {
	struct pubsub *ps;
	wherry_call *call;
	int32_t status;
};

// Under the key's stripe, so it can't be later than what is published meanwhile.
static int32_t take_in(void *arg, const wherry_key *key)
{
	struct recovering *r = arg;
	const wherry_read *read = r->ps->host->read;
	wherry_value topic, head;
	wherry_value part[2];
	wherry_reader reader;
	if (key->alarm_ms != 0 && key->alarm_ms <= r->call->now_ms)
		return WHERRY_SCAN_NEXT;
	if (read->value(key->key, &topic) || read->value(key->head, &head) || read->open(&head, &reader) ||
	    read->next(&reader, &part[0]) || read->next(&reader, &part[1]))
		return WHERRY_SCAN_NEXT; // nothing that this module wrote
	wherry_message m = {.size = sizeof m,
	    .flags = WHERRY_MESSAGE_RETAIN | WHERRY_MESSAGE_SILENT,
	    .topic = topic.as.bytes,
	    .payload = part[0].raw,
	    .headers = part[1].kind == WHERRY_MAP ? part[1].raw : (wherry_span){NULL, 0},
	    .expires_ms = key->alarm_ms};
	int32_t status = r->ps->bus->send(r->call, &m, NULL);
	if (status != WHERRY_OK && r->status == WHERRY_OK)
		r->status = status;
	return WHERRY_SCAN_NEXT;
}

// Twice at once does no harm: who asks first need not wait for who began first.
void recover(struct pubsub *ps, wherry_call *call)
{
	struct recovering r = {ps, call, WHERRY_OK};
	uint64_t cursor = 0;
	if (atomic_load_explicit(&ps->recovered, memory_order_acquire))
		return;
	do
		cursor = ps->keys->scan_own(call, cursor, SCAN_STEP, RETAINED, take_in, &r);
	while (cursor != 0);
	if (r.status != WHERRY_OK)
		ps->host->log(ps->owner, WHERRY_LOG_ERROR, "no memory for all retained messages: some are not shown");
	atomic_store_explicit(&ps->recovered, true, memory_order_release);
}

int32_t pubsub_recover(void *self, wherry_call *call)
{
	recover(self, call);
	return WHERRY_OK;
}
