// A store with a clock that the test sets, a sink, one transaction and two types: where tests of store/ begin and end.
// Ends by checking the world: units replayed give what is live, nothing is broken, and when all keys are removed the
// memory counter is where it was with the empty store.

#ifndef SUPPORT_WORLD_H
#define SUPPORT_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sink.h"
#include "store/store.h"

struct world {
	struct store *store;
	struct test_sink *sink; // NULL: none
	struct txn *txn;
	struct clock clock;
	_Atomic int64_t now_ms;
	_Atomic int64_t woken_ms; // what next_due() was told last; 0: nothing since it was set so
	uint32_t type, other;     // "t.thing", "t.other"
};

void world_open(struct world *, bool with_sink);
void world_close(struct world *);
void world_check(struct world *); // store_fault(), and replay equals live
void world_remove_all(struct world *);

// A transaction of these keys (all for writing, NULL ends), locked: slots 0, 1 ... in order.
void world_begin(struct world *, const char *key, ...) __attribute__((sentinel));
uint64_t world_commit(struct world *); // and unlocks; answers the LSN
void world_undo(struct world *);       // rolls back and unlocks

// Whole transactions of one key.
uint64_t world_set(struct world *, const char *key, const char *head);
void world_expect(struct world *, const char *key, const char *head); // NULL: it is not there
uint64_t world_revision(struct world *, const char *key);             // 0: it is not there
struct digest world_digest(struct world *);

static inline wherry_span text(const char *t)
{
	return span_text(t);
}

#define assert_span(span, wanted)                                        \
	do {                                                             \
		assert_int_equal((span).len, strlen(wanted));            \
		assert_memory_equal((span).ptr, wanted, strlen(wanted)); \
	} while (0)

#define assert_ok(call) assert_int_equal(call, WHERRY_OK)

#endif
