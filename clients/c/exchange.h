// Requests that are under way and where their answers go.  client.c runs one, batch.c many; this is what they share.

#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include <pthread.h>

#include "conn.h"
#include "wherry/client.h"
#include "wire.h"

struct note {
	struct note *next;
	uint64_t lost; // just before this one
	size_t method_len, params_len;
	uint8_t bytes[]; // the method, then the params
};

struct wherry_client {
	pthread_mutex_t lock; // held for the length of each call; guards all below
	struct conn conn;
	uint32_t next_id;
	int64_t call_ms;
	uint64_t max_notes, note_bytes, lost;
	struct note *first_note, **last_note;
};

// Answers that are waited for: `count` ids from `first_id` on.
struct expected {
	uint32_t first_id;
	size_t count, left; // left: not yet answered
	// Takes the answer of request `index`; error or result is lent.  OK, or ENOMEM.
	int (*answered)(void *arg, size_t index, struct run error, struct run result);
	// An answer to a whole frame that the broker could not read.
	int (*refused)(void *arg, struct run error);
	// More to send; OK, or ENOMEM.  May be NULL.
	int (*feed)(void *arg);
	void *arg;
};

// Steps until all are answered, or until it fails.  Under the lock.
int exchange(struct wherry_client *, struct expected *, int64_t deadline);
// Handles every frame that is there; `e` may be NULL.  OK, ENOMEM, ECORRUPT.
int exchange_frames(struct wherry_client *, struct expected *);

void error_clear(wherry_error *);
int error_local(wherry_error *, int status, const char *text);             // `e` may be NULL; answers status
int error_remote(wherry_error *, struct run encoded, struct run *details); // a malformed one is ECORRUPT
int error_of_conn(const struct wherry_client *, wherry_error *, int status);

// The arguments of a request as wire_request() takes them; EARG with a sentence in *why.
struct request_parts {
	struct run method, params, options;
};
int request_parts(struct request_parts *, const char *method, const void *params, size_t params_len,
    const void *options, size_t options_len, const char **why);

#endif
