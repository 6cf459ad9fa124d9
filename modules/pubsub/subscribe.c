// Subscribing, and ending it.

#include "pubsub.h"

#include <string.h>

enum { FILTERS_MOST = 256 };

const char *const overflow_words[4] = {
    [WHERRY_OVERFLOW_DROP_OLDEST] = "drop_oldest",
    [WHERRY_OVERFLOW_DROP_NEWEST] = "drop_newest",
    [WHERRY_OVERFLOW_CONFLATE] = "conflate",
    [WHERRY_OVERFLOW_DISCONNECT] = "disconnect",
};

static int32_t read_overflow(const struct pubsub *ps, wherry_call *call, uint32_t *overflow)
{
	const wherry_value *word = &call->args[SUBSCRIBE_OVERFLOW];
	*overflow = WHERRY_OVERFLOW_DROP_OLDEST;
	if (word->kind == WHERRY_ABSENT)
		return WHERRY_OK;
	for (uint32_t i = 0; i < sizeof overflow_words / sizeof *overflow_words; i++) {
		size_t len = strlen(overflow_words[i]);
		if (word->as.bytes.len == len && memcmp(word->as.bytes.ptr, overflow_words[i], len) == 0) {
			*overflow = i;
			return WHERRY_OK;
		}
	}
	return fail(
	    ps, call, WHERRY_EARG, "option \"overflow\" must be drop_oldest, drop_newest, conflate or disconnect");
}

static int32_t read_bound(const struct pubsub *ps, wherry_call *call, uint32_t arg, const char *name, uint64_t *bound)
{
	const wherry_value *value = &call->args[arg];
	*bound = 0;
	if (value->kind == WHERRY_ABSENT)
		return WHERRY_OK;
	if (value->as.i <= 0)
		return fail(ps, call, WHERRY_EARG, "option \"%s\" must be above 0", name);
	*bound = (uint64_t)value->as.i;
	return WHERRY_OK;
}

// What answers a request is nobody else's.
static int32_t read_filters(
    const struct pubsub *ps, wherry_call *call, wherry_span filters[FILTERS_MOST], uint32_t *count)
{
	*count = call->argc - SUBSCRIBE_FILTER;
	if (*count > FILTERS_MOST)
		return fail(ps, call, WHERRY_ELIMIT, "a subscription has at most %d filters", FILTERS_MOST);
	for (uint32_t i = 0; i < *count; i++) {
		filters[i] = call->args[SUBSCRIBE_FILTER + i].as.bytes;
		if (begins_with(filters[i], REPLY_TOPICS, sizeof REPLY_TOPICS - 1))
			return fail(ps, call, WHERRY_EDENIED, "replies go to those who asked, and nobody else");
	}
	return WHERRY_OK;
}

static int32_t read_args(
    const struct pubsub *ps, wherry_call *call, wherry_span filters[FILTERS_MOST], wherry_subscribe *s)
{
	const wherry_value *args = call->args;
	*s = (wherry_subscribe){.size = sizeof *s,
	    .flags = flag(&args[SUBSCRIBE_RETAINED]) ? WHERRY_SUBSCRIBE_RETAINED : 0,
	    .filters = filters,
	    .group = args[SUBSCRIBE_GROUP].as.bytes,
	    .sticky = args[SUBSCRIBE_STICKY].as.bytes};
	int32_t status = read_filters(ps, call, filters, &s->filter_count);
	if (status == WHERRY_OK)
		status = read_overflow(ps, call, &s->overflow);
	if (status == WHERRY_OK)
		status = read_bound(ps, call, SUBSCRIBE_MAX_MESSAGES, "max_messages", &s->max_messages);
	if (status == WHERRY_OK)
		status = read_bound(ps, call, SUBSCRIBE_MAX_BYTES, "max_bytes", &s->max_bytes);
	return status;
}

int32_t pubsub_subscribe(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	wherry_span filters[FILTERS_MOST];
	wherry_subscribe wanted;
	uint64_t id;
	int32_t status = read_args(ps, call, filters, &wanted);
	if (status == WHERRY_OK && wanted.flags & WHERRY_SUBSCRIBE_RETAINED)
		recover(ps, call);
	if (status == WHERRY_OK)
		status = ps->bus->subscribe(call, &wanted, &id);
	if (status == WHERRY_OK)
		ps->write->uinteger(call->reply, id);
	return status;
}

struct looking {
	uint64_t id;
	bool found;
};

static int32_t look(void *arg, const wherry_subscription *s)
{
	struct looking *l = arg;
	l->found = s->id == l->id;
	return l->found;
}

// All of them are there, or none is ended.
int32_t pubsub_unsubscribe(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	uint64_t ended = 0;
	for (uint32_t i = 0; i < call->argc; i++) {
		struct looking l = {.id = (uint64_t)call->args[i].as.i};
		ps->bus->each_subscription(call, look, &l);
		if (!l.found)
			return fail(ps, call, WHERRY_ENOKEY, "this session has no subscription %lld",
			    (long long)call->args[i].as.i);
	}
	for (uint32_t i = 0; i < call->argc; i++) {
		int32_t status = ps->bus->unsubscribe(call, (uint64_t)call->args[i].as.i);
		if (status != WHERRY_OK && status != WHERRY_ENOKEY) // named twice
			return status;
		ended += status == WHERRY_OK;
	}
	ps->write->uinteger(call->reply, ended);
	return WHERRY_OK;
}
