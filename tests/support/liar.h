// A false broker: it listens at an ipc address, greets, and then does what the test's script says, for one connection
// after another.

#ifndef SUPPORT_LIAR_H
#define SUPPORT_LIAR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "place.h"

struct liar {
	struct place place;
	int listener;
	pthread_t thread;
	const char *greeting; // 8 bytes; NULL: says nothing
	void (*script)(struct liar *, int fd, unsigned connection);
	atomic_uint connections;
	void *arg; // the test's
};

extern const char liar_greeting[]; // a broker's

// script may be NULL: hangs up.
void liar_start(struct liar *, const char *greeting, void (*script)(struct liar *, int fd, unsigned connection));
void liar_stop(struct liar *); // after the client's end

struct liar_request {
	uint32_t id;
	char method[32];
	char said[256]; // its arguments and options, as embed.h shows them
};

enum { LIAR_REQUESTS = 64 };

// The next frame's requests; 0: the peer has gone.
size_t liar_receive(int fd, struct liar_request requests[LIAR_REQUESTS]);
uint32_t liar_receive_one(int fd); // the id of the first request of the next frame

void liar_send(int fd, const void *bytes, size_t len);
void liar_frame(int fd, const char *body, size_t len);
void liar_answer(int fd, uint32_t id, const char *result, size_t len); // one encoded value
void liar_serve(int fd);                                               // answers true to everything, until the end
void liar_await_end(int fd);

#endif
