// The ABI's messages as a part of a command, and the subscriptions of the session that asks.

#include "run/call.h"

static int32_t unsupported(wherry_call *face)
{
	return call_fail(face, WHERRY_EUNSUPPORTED, "this broker does not do that yet");
}

int32_t call_send(wherry_call *face, const wherry_message *m, uint64_t *receivers)
{
	(void)m, (void)receivers;
	return unsupported(face);
}

int32_t call_matches(wherry_call *face, wherry_span topic, uint64_t *receivers)
{
	(void)topic, (void)receivers;
	return unsupported(face);
}

int32_t call_subscribe(wherry_call *face, const wherry_subscribe *wanted, uint64_t *id)
{
	(void)wanted, (void)id;
	return unsupported(face);
}

int32_t call_unsubscribe(wherry_call *face, uint64_t id)
{
	(void)id;
	return unsupported(face);
}

int32_t call_each_subscription(wherry_call *face, int32_t (*each)(void *arg, const wherry_subscription *), void *arg)
{
	(void)each, (void)arg;
	return unsupported(face);
}

int32_t call_each_topic(
    wherry_call *face, wherry_span match, int32_t (*each)(void *arg, const wherry_topic *), void *arg)
{
	(void)match, (void)each, (void)arg;
	return unsupported(face);
}

int32_t call_each_retained(
    wherry_call *face, wherry_span filter, int32_t (*each)(void *arg, const wherry_message *), void *arg)
{
	(void)filter, (void)each, (void)arg;
	return unsupported(face);
}
