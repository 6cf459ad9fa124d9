// What the broker publishes of itself, under $sys, as far as somebody listens: sessions that come and go, modules that are
// replaced, and its numbers every sys_interval.

#ifndef BUILTIN_ANNOUNCE_H
#define BUILTIN_ANNOUNCE_H

#include "broker.h"

void announce_session_up(wherry_broker *, const struct session *);
void announce_session_down(wherry_broker *, uint64_t session);
void announce_module(wherry_broker *, const char *name, const char *version, const char *event);
void announce_begin(wherry_broker *); // the numbers, from now on
void announce_end(wherry_broker *);
int32_t announce_numbers(void *self, wherry_call *); // the command sys.announce

#endif
