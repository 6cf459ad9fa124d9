// For the bus's tests: a listener, and what it got as text.

#ifndef SUPPORT_EAR_H
#define SUPPORT_EAR_H

#include "bus/bus.h"

struct ear {
	struct outbox *outbox;
	unsigned ready, overflowed, gone;
};

extern struct bus_limits ear_limits; // of every bus that ear_bus() opens

struct bus *ear_bus(void);
void ear_open(struct bus *, struct ear *);
uint64_t listen_with(struct ear *, const struct subscribe *); // answers the id
uint64_t listen_to(struct ear *, const char *filter);
uint64_t say(struct bus *, const char *topic, unsigned number); // an int as payload
const char *take(
    struct ear *, uint32_t messages, size_t bytes); // "2:1+0 a=1 b=2; " : subscription, seq, lost, messages
const char *take_all(struct ear *);

unsigned next(unsigned *seed);
// A topic, or filter, of one to five words.
void make(unsigned *seed, const char *const *words, unsigned count, bool filter, char *text);

#endif
