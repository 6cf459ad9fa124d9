// A broker of messages that says what the test says, and when: every request is noted and answered by a rule, deliveries
// are the test's own.  Values and requests are written as in embed.h.

#ifndef SUPPORT_FAKE_H
#define SUPPORT_FAKE_H

#include "liar.h"

enum { FAKE_RULES = 16, FAKE_SEEN = 4096 };

struct fake {
	struct liar liar;
	pthread_mutex_t lock;
	int fd;       // of the connection there is; -1: none
	bool refuses; // new connections
	struct fake_rule {
		char method[32], answer[256];
		uint32_t held; // FAKE_HOLD: the id that waits
	} rules[FAKE_RULES];
	char before[1024]; // said in the frame of the next answer, ahead of it
	unsigned seen;
	char *asked[FAKE_SEEN]; // "kv.get \"a\" {\"ns\": \"default\"}"
};

#define FAKE_HOLD "hold" // an answer: none, until fake_release()

void fake_open(struct fake *);
void fake_close(struct fake *); // after the client's end
const char *fake_url(const struct fake *);

// What is answered from now on: a value, "ECODE", or FAKE_HOLD.  Without a rule: true.
void fake_rule(struct fake *, const char *method, const char *answer);
void fake_release(struct fake *, const char *method, const char *answer); // what is held; waits for it to be asked
void fake_say_before(struct fake *, const char *line);                    // with the next answer
void fake_say(struct fake *, const char *line);                           // "messages 7 1 0 [[a, 1, null]]"
void fake_say_bytes(struct fake *, const void *body, size_t len);         // a frame
void fake_cut(struct fake *);                                             // the connection
void fake_refuse(struct fake *, bool);

// How many requests there were that begin so ("queue.ack", "kv.get \"a\""); and waits until there are as many.
unsigned fake_count(struct fake *, const char *begin);
void fake_await(struct fake *, const char *begin, unsigned count);
// The number of the first request from `from` on that begins so; -1: there is none.
int fake_find(struct fake *, const char *begin, unsigned from);
void fake_expect(struct fake *, unsigned number, const char *want); // the whole of it

#endif
