// Where a client's test happens: a directory of its own and, if asked for, a broker in this process that listens there
// and can be ended and begun anew at the same address.

#ifndef SUPPORT_PLACE_H
#define SUPPORT_PLACE_H

#include "wherry/broker.h"

struct place {
	char dir[64], url[128]; // ipc
	const char *modules;    // by name: "kv,parker"
	wherry_broker *broker;  // NULL: none
};

void place_make(struct place *);
void place_leave(struct place *); // ends the broker, too

void place_open(struct place *, const char *modules); // with a broker, on url and on a free port of tcp
void place_begin(struct place *);                     // a broker
void place_end(struct place *);
const char *place_tcp(const struct place *);

#endif
