// What the files of fanout share.

#ifndef BENCH_FANOUT_H
#define BENCH_FANOUT_H

#include "../histogram.h"
#include "conn.h"
#include "dialect.h"

enum { CONTENTS = 16, SEQ_LEN = 8 };

struct fanout_options {
	struct spec spec; // its subscribers: all, the stopped ones too
	uint32_t port, publish_port, window, stopped, exact, wildcards, warmup_ms, count;
	uint32_t readers; // subscribers that read
	double seconds;
};

struct fanout;

struct subscriber {
	struct conn conn;
	struct fanout *fanout;
	uint32_t number;
	bool stopped;
	uint32_t frame_left;     // bytes of the SP frame under way
	uint64_t messages_left;  // of the delivery under way
	uint64_t next;           // sequence number
	uint64_t received, lost; // lost: as told
};

struct fanout {
	struct conn publisher;
	struct loop loop;
	struct fanout_options opt;
	const struct dialect *dialect;
	struct phrases phrases;
	struct subscriber *subscribers, others;
	uint8_t *contents[CONTENTS];
	uint32_t *missing;   // of each message in flight: how many subscribers have yet to get it
	uint64_t *made_at;   // ns
	uint64_t made, done; // sequence numbers; those before `done` are with all readers
	uint64_t answered;
	uint32_t answers_left; // bytes of the frame of answers under way
	uint64_t start, end, first, last;
	bool warm, stopping;
	struct histogram times, all_times, answer_times;
};

// fanout_take.c: what connections take.
size_t take_answered(struct conn *, const uint8_t *p, size_t len);  // of the publisher
size_t take_plain(struct conn *, const uint8_t *p, size_t len);     // of a subscriber
size_t take_delivered(struct conn *, const uint8_t *p, size_t len); // of one that gets deliveries
size_t must_be_aside(const struct fanout *, const uint8_t *p, size_t len);

struct fanout_options fanout_options_read(
    int argc, char **argv, const struct dialect **); // ends the program on a wrong one

#endif
