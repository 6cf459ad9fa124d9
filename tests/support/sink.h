// A sink that keeps the units of a store in memory, for all tests that need a log without a disk.
//
//   struct test_sink *sink = test_sink_new();
//   config.sink = test_sink_face(sink);  store_open(&store, &config);  test_sink_attach(sink, store);
//   ...
//   test_sink_check_replay(sink, store);  store_close(store);  test_sink_free(sink);
//
// At first it flows: a unit is durable as soon as it is appended (store_durable() is called within the append).  Held,
// nothing becomes durable until it is released or flows again, or its thread does it.  All fail a test by cmocka's
// asserts.  Threads: any.

#ifndef SUPPORT_SINK_H
#define SUPPORT_SINK_H

#include <stdint.h>

#include "store/store.h"

struct test_sink;

struct test_sink *test_sink_new(void);
void test_sink_free(struct test_sink *); // NULL does nothing.  After the store is closed
const struct store_sink *test_sink_face(struct test_sink *);
void test_sink_attach(struct test_sink *,
    struct store *); // after store_open(), before all else: logs the names

void test_sink_hold(struct test_sink *);
void test_sink_release(struct test_sink *); // what was appended is durable now; what comes is held
void test_sink_flow(struct test_sink *);    // ... and what comes too
void test_sink_fail(struct test_sink *);    // a flush failed: what is not durable never will be
// Held, but a thread makes durable what was appended, again and again; test_sink_free() or flow end it.
void test_sink_thread(struct test_sink *);
void test_sink_refuse(struct test_sink *,
    int status); // what reserve answers from now on: WHERRY_EFULL, WHERRY_OK ...

uint64_t test_sink_units(struct test_sink *);  // appended so far
uint64_t test_sink_wanted(struct test_sink *); // the highest LSN that flush was asked for
void test_sink_replay(struct test_sink *, struct store *into);
// All units replayed into an empty store give what is live: digest and number of keys.  Both pass store_fault().
void test_sink_check_replay(struct test_sink *, struct store *live);

#endif
