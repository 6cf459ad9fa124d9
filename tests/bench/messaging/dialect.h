// How each system speaks of publishing, as data: what stands around a payload on its way in and out.  One client drives
// them all by it, so that the systems are compared and not their clients.
//
//   wherry       SP PAIR1: requests and answers in msgpack, messages in deliveries
//   wherry-sub   the same publisher; subscribers are stock SUB sockets
//   nng          a libnng PUB0 (pub0.c) fed with bare payloads; subscribers are stock SUB sockets
//   redis, nats, mqtt

#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piece {
	uint8_t bytes[160];
	size_t len;
};

struct spec {
	const char *topic;
	uint32_t payload, subscribers;
	bool acked;     // a publish that has no answer by itself is followed by a question
	uint32_t bound; // of a subscription, in messages, where it can be asked for; 0: as it comes
};

struct phrases {
	struct piece publish_head, publish_tail;
	struct piece answer; // to a publish; none: empty
	struct piece message_head, message_tail;
	struct piece aside;                 // may come between messages and means nothing
	size_t publish_id_at, answer_id_at; // one byte, the same in both; 0: none
	bool framed;                        // publishes and answers travel in PAIR1's frames
	bool delivered;                     // messages too, in deliveries
};

struct dialect {
	const char *name;
	void (*make)(struct phrases *, const struct spec *);
	void (*greet_publisher)(int fd);
	void (*greet_subscriber)(int fd);
	void (*subscribe)(int fd, const char *filter, const struct spec *); // returns when it holds
	void (*await_subscribers)(int fd, const struct spec *);             // where subscribe() can't know
};

const struct dialect *dialect_find(const char *name); // NULL: none of that name

void say(struct piece *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_bytes(struct piece *, const void *bytes, size_t len);

extern const struct dialect wherry_dialect, wherry_sub_dialect, nng_dialect, redis_dialect, nats_dialect, mqtt_dialect;

#endif
