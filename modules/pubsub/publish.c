// pubsub.publish: one message to all who listen.

#include "pubsub.h"

#include <string.h>

static int32_t too_large(
    const struct pubsub *ps, wherry_call *call, const char *what, size_t len, const char *option, int64_t most)
{
	return fail(ps, call, WHERRY_ELIMIT, "the %s has %zu bytes, more than pubsub.%s, %lld", what, len, option,
	    (long long)most);
}

// "retained" is what the broker says of a message that was kept.
static int32_t check_names(const struct pubsub *ps, wherry_call *call, const wherry_value *headers)
{
	wherry_reader reader;
	wherry_value name, value;
	ps->host->read->open(headers, &reader);
	while (
	    ps->host->read->next(&reader, &name) == WHERRY_OK && ps->host->read->next(&reader, &value) == WHERRY_OK) {
		if (name.kind != WHERRY_TEXT)
			return fail(ps, call, WHERRY_EARG, "option \"headers\": names are str");
		if (name.as.bytes.len == 8 && memcmp(name.as.bytes.ptr, "retained", 8) == 0)
			return fail(ps, call, WHERRY_EARG, "option \"headers\": \"retained\" is the broker's own");
	}
	return WHERRY_OK;
}

int32_t publish_check(const struct pubsub *ps, wherry_call *call, uint32_t payload, uint32_t headers)
{
	size_t len = call->args[payload].raw.len;
	int64_t most = atomic_load_explicit(&ps->max_payload, memory_order_relaxed);
	if (len > (size_t)most)
		return too_large(ps, call, "payload", len, "max_payload", most);
	if (call->args[headers].kind == WHERRY_ABSENT)
		return WHERRY_OK;
	len = call->args[headers].raw.len;
	most = atomic_load_explicit(&ps->max_headers, memory_order_relaxed);
	if (len > (size_t)most)
		return too_large(ps, call, "map of headers", len, "max_headers", most);
	return check_names(ps, call, &call->args[headers]);
}

static int32_t check_options(const struct pubsub *ps, wherry_call *call)
{
	const wherry_value *ttl = &call->args[PUBLISH_TTL_MS], *require = &call->args[PUBLISH_REQUIRE];
	bool retains = flag(&call->args[PUBLISH_RETAIN]);
	if (ttl->kind != WHERRY_ABSENT && !retains)
		return fail(ps, call, WHERRY_EARG, "option \"ttl_ms\" needs \"retain\": only what is kept expires");
	if (ttl->kind != WHERRY_ABSENT && ttl->as.i <= 0)
		return fail(ps, call, WHERRY_EARG, "option \"ttl_ms\" must be above 0");
	if (ttl->kind != WHERRY_ABSENT && ttl->as.i > INT64_MAX - call->now_ms)
		return fail(ps, call, WHERRY_EARG, "option \"ttl_ms\" is too large; leave it out to keep it for ever");
	if (require->kind != WHERRY_ABSENT && require->as.i < 0)
		return fail(ps, call, WHERRY_EARG, "option \"require\" must not be negative");
	return WHERRY_OK;
}

static int32_t send(struct pubsub *ps, wherry_call *call, uint64_t *receivers)
{
	const wherry_value *args = call->args;
	wherry_message m = {.size = sizeof m,
	    .topic = args[PUBLISH_TOPIC].as.bytes,
	    .payload = args[PUBLISH_PAYLOAD].raw,
	    .headers = args[PUBLISH_HEADERS].raw,
	    .require = (uint64_t)args[PUBLISH_REQUIRE].as.i};
	return ps->bus->send(call, &m, receivers);
}

static int32_t publish(struct pubsub *ps, wherry_call *call, uint64_t *receivers)
{
	wherry_span topic = call->args[PUBLISH_TOPIC].as.bytes;
	if (begins_with(topic, REPLY_TOPICS, sizeof REPLY_TOPICS - 1))
		return reply(ps, call, receivers);
	if (call->session != 0 && begins_with(topic, "$", 1))
		return fail(ps, call, WHERRY_EDENIED, "topics that begin with $ are the broker's own");
	return flag(&call->args[PUBLISH_RETAIN]) ? retain(ps, call, receivers) : send(ps, call, receivers);
}

int32_t pubsub_publish(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	uint64_t receivers = 0;
	int32_t status = publish_check(ps, call, PUBLISH_PAYLOAD, PUBLISH_HEADERS);
	if (status == WHERRY_OK)
		status = check_options(ps, call);
	if (status == WHERRY_OK)
		status = publish(ps, call, &receivers);
	if (status == WHERRY_ENORESP && call->args[PUBLISH_REQUIRE].kind != WHERRY_ABSENT)
		return fail(ps, call, status, "fewer than the required %lld listen: nothing was sent",
		    (long long)call->args[PUBLISH_REQUIRE].as.i);
	if (status == WHERRY_OK)
		ps->write->uinteger(call->reply, receivers);
	return status;
}
