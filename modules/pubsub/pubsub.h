// The pubsub module from the inside: what its files share.  pubsub.c is the index: the type, the options, the commands.
//
// Who gets what is the broker's bus's business, which also has the last messages of topics at hand.  The truth about those is
// here: a key "$pubsub" / topic of the type "pubsub.retained" each, whose head is [payload, headers] and whose alarm is
// the end of its time.
//
// Threads: commands run on many workers at once.  `lock` is held for a few steps at a time, never while the host is
// called for anything but memory.

#ifndef PUBSUB_H
#define PUBSUB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

enum { ASKER_BUCKETS = 256 };

struct pubsub {
	const wherry_host *host;
	const wherry_keys *keys;
	const wherry_write *write;
	const wherry_bus *bus;
	wherry_owner *owner;
	_Atomic int64_t max_payload, max_headers, max_requests; // the options

	atomic_bool recovered; // the bus has what was retained before this module was loaded

	pthread_mutex_t lock;
	struct asker *askers[ASKER_BUCKETS]; // sessions whose requests wait for an answer
};

enum { RETAINED };                                         // index of the type
enum { MAX_PAYLOAD, MAX_HEADERS, MAX_REQUESTS };           // of the options
enum { METRIC_REQUESTS, METRIC_ANSWERS, METRIC_GIVEN_UP }; // of the metrics

// The places of arguments in wherry_call.args: the tables in pubsub.c are made from these.
enum { PUBLISH_TOPIC, PUBLISH_PAYLOAD, PUBLISH_HEADERS, PUBLISH_RETAIN, PUBLISH_TTL_MS, PUBLISH_REQUIRE };
enum { REQUEST_TOPIC, REQUEST_PAYLOAD, REQUEST_HEADERS, REQUEST_TIMEOUT_MS };
enum {
	SUBSCRIBE_GROUP,
	SUBSCRIBE_STICKY,
	SUBSCRIBE_RETAINED,
	SUBSCRIBE_MAX_MESSAGES,
	SUBSCRIBE_MAX_BYTES,
	SUBSCRIBE_OVERFLOW,
	SUBSCRIBE_FILTER
};
enum { TOPICS_MATCH, TOPICS_LIMIT };
enum { KEPT_FILTER, KEPT_LIMIT };

// publish.c
int32_t pubsub_publish(void *self, wherry_call *);
int32_t publish_check(const struct pubsub *, wherry_call *, uint32_t payload, uint32_t headers); // their sizes
// retain.c
int32_t retain(struct pubsub *, wherry_call *, uint64_t *receivers); // of pubsub.publish
int32_t pubsub_expire(void *self, wherry_call *);
int32_t pubsub_recover(void *self, wherry_call *);
void recover(struct pubsub *, wherry_call *); // unless that was done
// subscribe.c
int32_t pubsub_subscribe(void *self, wherry_call *);
int32_t pubsub_unsubscribe(void *self, wherry_call *);
// list.c
int32_t pubsub_subscriptions(void *self, wherry_call *);
int32_t pubsub_topics(void *self, wherry_call *);
int32_t pubsub_retained(void *self, wherry_call *);
extern const char *const overflow_words[4]; // by WHERRY_OVERFLOW_*
// request.c
#define REPLY_TOPICS "$reply."
int32_t pubsub_request(void *self, wherry_call *);
int32_t reply(struct pubsub *, wherry_call *, uint64_t *receivers); // pubsub.publish to a topic of REPLY_TOPICS
void reply_heard(void *self, wherry_span topic, wherry_span payload, wherry_span headers);
void session_ended(void *self, uint64_t session);
void requests_free(struct pubsub *);

// pubsub.c
int32_t fail(const struct pubsub *, wherry_call *, int32_t status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static inline bool flag(const wherry_value *option)
{
	return option->kind == WHERRY_BOOL && option->as.i;
}

static inline bool begins_with(wherry_span text, const char *begin, size_t len)
{
	return text.len >= len && __builtin_memcmp(text.ptr, begin, len) == 0;
}

#endif
