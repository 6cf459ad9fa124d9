// One request while it runs, from the inside: what the ABI's wherry_call is the face of.
// Threads: the one that runs it.

#ifndef RUN_CALL_H
#define RUN_CALL_H

#include "codec/pack.h"
#include "run/router.h"

struct emitted; // messages to publish after the commit

struct call {
	wherry_call face; // first: a wherry_call * is a struct call *
	const struct command *command;
	struct router *router;
	struct session *session; // NULL: the broker itself
	struct worker *worker;
	struct txn *txn; // NULL: the command has no keys and needs none
	uint32_t ns;
	const uint32_t *slots; // slot of the txn for each index of args; UINT32_MAX: no key
	uint32_t slot_count;
	const char *fail_text; // of fail(); lives in the worker
	int64_t park_timeout_ms;
	uint64_t ticket; // what park() answers: the request's own, for wake()
	uint64_t gate;   // what a scan read
	int scan_status; // the error of a scan's removal
	bool parking;    // park() was called
	struct wherry_out out;
	// Transactions.
	const struct call *outer; // the tx.exec that it is a part of; NULL: none
	uint32_t failed_part; // of a tx.exec: which of its commands failed, counted from 1; 0: none, or all are well
	const char *did_you_mean;
};

static inline struct call *call_of(wherry_call *face)
{
	return (struct call *)(void *)face;
}

// Whether it is one of the commands of a transaction, which may be undone after its run: what others must not see before
// the commit has to go by call_emit() and wherry_keys.signal.
static inline bool call_in_transaction(const struct call *c)
{
	return c->outer != NULL;
}

// The ABI's tables whose functions need nothing but the call.
extern const wherry_keys call_keys;
int32_t call_fail(wherry_call *, int32_t status, const char *text); // copies the text
int32_t call_failf(wherry_call *, int32_t status, const char *format, ...) __attribute__((format(printf, 3, 4)));
int32_t call_emit(wherry_call *, wherry_span topic, wherry_span payload, wherry_span headers);
int32_t call_send(wherry_call *, const wherry_message *, uint64_t *receivers);
int32_t call_watch(wherry_call *, const wherry_watch *, uint64_t *id);
int32_t call_unwatch(wherry_call *, uint64_t id);
int32_t call_state(wherry_call *, uint64_t session, uint64_t watch, uint32_t arg);
int32_t call_matches(wherry_call *, wherry_span topic, uint64_t *receivers);
int32_t call_subscribe(wherry_call *, const wherry_subscribe *, uint64_t *id);
int32_t call_unsubscribe(wherry_call *, uint64_t id);
int32_t call_each_subscription(wherry_call *, int32_t (*each)(void *arg, const wherry_subscription *), void *arg);
int32_t call_each_topic(wherry_call *, wherry_span match, int32_t (*each)(void *arg, const wherry_topic *), void *arg);
int32_t call_each_retained(
    wherry_call *, wherry_span filter, int32_t (*each)(void *arg, const wherry_message *), void *arg);

#endif
