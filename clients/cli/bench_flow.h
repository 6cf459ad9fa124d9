// wherry bench pubsub, queue: messages that flow through the broker, each accounted for.  bench_flow.c sends and reports;
// bench_pubsub.c and bench_queue.c have those who receive.
//
// Threads: the main one sends; each receiver's connection has the client library's thread, which counts.

#ifndef CLI_BENCH_FLOW_H
#define CLI_BENCH_FLOW_H

#include "bench.h"
#include "wherry/messaging.h"

enum { FLOW_STAMP = 16, FLOW_NAME = 64 }; // of a message: its number from 1 on and when it was sent, then filling

struct flow;

// One that receives: its connection's thread writes, the main one reads.
struct receiver {
	struct flow *flow;
	wherry_client *client;
	wherry_feed *feed;
	wherry_consumer *consumer;
	_Atomic uint64_t got, lost, wrong;
	uint64_t latest; // number
	struct histogram times;
};

struct flow {
	struct bench *bench;
	const char *method, *sent_word, *got_word; // "pubsub.publish", "published", "delivered"
	char name[FLOW_NAME];                      // of the topic or queue: nobody else's
	struct receiver *receivers;
	uint64_t receiver_count;
	uint64_t each;          // of how many receivers each message must reach
	uint64_t ahead;         // so many may be on their way at most
	_Atomic uint64_t *seen; // queue: a bit for each number; NULL: not needed
	uint64_t seen_most;
	_Atomic uint64_t answered, errors;
	pthread_mutex_t lock; // the first error
	char first_error[BENCH_WHAT], first_wrong[BENCH_WHAT];
	uint64_t sent, begun_ns, ended_ns;
};

// A message that came: false, and it is counted, if it is none of ours.
bool flow_read(struct receiver *, const void *payload, size_t len, uint64_t *number);
void flow_wrong(struct receiver *, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t flow_got(const struct flow *);

// Begins the receivers with `begin`, sends, waits until all has come, and reports.  Answers the exit status.
int flow_run(struct flow *, int (*begin)(struct receiver *, wherry_error *));

int bench_pubsub(struct bench *);
int bench_queue(struct bench *);

#endif
