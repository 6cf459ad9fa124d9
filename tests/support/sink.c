// The units in memory, and who says when they are durable.

#include "sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "store/inside.h"

struct unit {
	size_t at, len; // in `bytes`
};

struct test_sink {
	struct store_sink face;
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t appended;
	struct unit *units;
	size_t count, room;
	uint64_t first; // LSN of units[0]
	uint8_t *bytes; // not of broker code: tests that let allocations fail don't mean these
	size_t bytes_len, bytes_room;
	uint64_t wanted;
	int refusal;
	bool flows, threaded, ending;
	pthread_t thread;
};

static void *grown(void *old, size_t size)
{
	void *block = realloc(old, size);
	assert_non_null(block);
	return block;
}

static void keep(struct test_sink *sink, wherry_span unit)
{
	if (sink->count == sink->room) {
		sink->room = sink->room * 2 + 16;
		sink->units = grown(sink->units, sink->room * sizeof(*sink->units));
	}
	if (sink->bytes_room - sink->bytes_len < unit.len) {
		sink->bytes_room = sink->bytes_room * 2 + unit.len;
		sink->bytes = grown(sink->bytes, sink->bytes_room);
	}
	sink->units[sink->count++] = (struct unit){sink->bytes_len, unit.len};
	if (unit.len > 0)
		memcpy(sink->bytes + sink->bytes_len, unit.ptr, unit.len);
	sink->bytes_len += unit.len;
}

static int on_reserve(void *self, size_t bytes)
{
	struct test_sink *sink = self;
	(void)bytes;
	pthread_mutex_lock(&sink->lock);
	int status = sink->refusal;
	pthread_mutex_unlock(&sink->lock);
	return status;
}

static void on_append(void *self, uint64_t lsn, wherry_span unit)
{
	struct test_sink *sink = self;
	pthread_mutex_lock(&sink->lock);
	if (sink->count == 0)
		sink->first = lsn;
	assert_true(lsn == sink->first + sink->count); // one after another, none left out
	keep(sink, unit);
	bool flows = sink->flows;
	pthread_cond_signal(&sink->appended);
	pthread_mutex_unlock(&sink->lock);
	if (flows)
		store_durable(sink->store, lsn);
}

static void on_flush(void *self, uint64_t lsn)
{
	struct test_sink *sink = self;
	pthread_mutex_lock(&sink->lock);
	if (lsn > sink->wanted)
		sink->wanted = lsn;
	pthread_mutex_unlock(&sink->lock);
}

struct test_sink *test_sink_new(void)
{
	struct test_sink *sink = calloc(1, sizeof(*sink));
	assert_non_null(sink);
	sink->face = (struct store_sink){sink, on_reserve, on_append, on_flush};
	sink->flows = true;
	pthread_mutex_init(&sink->lock, NULL);
	pthread_cond_init(&sink->appended, NULL);
	return sink;
}

static void end_thread(struct test_sink *sink)
{
	if (!sink->threaded)
		return;
	pthread_mutex_lock(&sink->lock);
	sink->ending = true;
	pthread_cond_signal(&sink->appended);
	pthread_mutex_unlock(&sink->lock);
	pthread_join(sink->thread, NULL);
	sink->threaded = sink->ending = false;
}

void test_sink_free(struct test_sink *sink)
{
	if (sink == NULL)
		return;
	end_thread(sink);
	pthread_mutex_destroy(&sink->lock);
	pthread_cond_destroy(&sink->appended);
	free(sink->units);
	free(sink->bytes);
	free(sink);
}

const struct store_sink *test_sink_face(struct test_sink *sink)
{
	return &sink->face;
}

void test_sink_attach(struct test_sink *sink, struct store *store)
{
	sink->store = store;
	assert_int_equal(store_describe(store), WHERRY_OK);
}

static uint64_t last_lsn(struct test_sink *sink)
{
	return sink->count == 0 ? 0 : sink->first + sink->count - 1;
}

static uint64_t set_flows(struct test_sink *sink, bool flows)
{
	pthread_mutex_lock(&sink->lock);
	sink->flows = flows;
	uint64_t lsn = last_lsn(sink);
	pthread_mutex_unlock(&sink->lock);
	return lsn;
}

void test_sink_hold(struct test_sink *sink)
{
	set_flows(sink, false);
}

void test_sink_release(struct test_sink *sink)
{
	store_durable(sink->store, set_flows(sink, false));
}

void test_sink_flow(struct test_sink *sink)
{
	end_thread(sink);
	store_durable(sink->store, set_flows(sink, true));
}

void test_sink_fail(struct test_sink *sink)
{
	set_flows(sink, false);
	test_sink_refuse(sink, WHERRY_EIO);
	store_flush_failed(sink->store);
}

static void *flush_again_and_again(void *arg)
{
	struct test_sink *sink = arg;
	uint64_t done = 0;
	pthread_mutex_lock(&sink->lock);
	for (;;) {
		while (last_lsn(sink) == done && !sink->ending)
			pthread_cond_wait(&sink->appended, &sink->lock);
		if (last_lsn(sink) == done)
			break;
		done = last_lsn(sink);
		pthread_mutex_unlock(&sink->lock);
		store_durable(sink->store, done);
		pthread_mutex_lock(&sink->lock);
	}
	pthread_mutex_unlock(&sink->lock);
	return NULL;
}

void test_sink_thread(struct test_sink *sink)
{
	test_sink_hold(sink);
	assert_int_equal(pthread_create(&sink->thread, NULL, flush_again_and_again, sink), 0);
	sink->threaded = true;
}

void test_sink_refuse(struct test_sink *sink, int status)
{
	pthread_mutex_lock(&sink->lock);
	sink->refusal = status;
	pthread_mutex_unlock(&sink->lock);
}

uint64_t test_sink_units(struct test_sink *sink)
{
	pthread_mutex_lock(&sink->lock);
	uint64_t count = sink->count;
	pthread_mutex_unlock(&sink->lock);
	return count;
}

uint64_t test_sink_wanted(struct test_sink *sink)
{
	pthread_mutex_lock(&sink->lock);
	uint64_t wanted = sink->wanted;
	pthread_mutex_unlock(&sink->lock);
	return wanted;
}

void test_sink_replay(struct test_sink *sink, struct store *into)
{
	struct store_replay *replay;
	assert_int_equal(store_replay_begin(&replay, into), WHERRY_OK);
	for (size_t i = 0; i < sink->count; i++) {
		wherry_span unit = span_of(sink->bytes + sink->units[i].at, sink->units[i].len);
		assert_int_equal(store_replay_unit(replay, sink->first + i, unit), WHERRY_OK);
	}
	store_replay_end(replay);
}

static void check_fault(struct store *store)
{
	const char *fault = store_fault(store);
	if (fault != NULL)
		fail_msg("the store is broken: %s", fault);
}

void test_sink_check_replay(struct test_sink *sink, struct store *live)
{
	struct store *copy;
	struct store_config config = {.clock = live->config.clock};
	assert_int_equal(store_open(&copy, &config), WHERRY_OK);
	test_sink_replay(sink, copy);
	uint64_t keys, copied;
	struct digest digest = store_digest(live, &keys), other = store_digest(copy, &copied);
	check_fault(live);
	check_fault(copy);
	assert_int_equal(copied, keys);
	assert_memory_equal(&other, &digest, sizeof(digest));
	assert_true(store_lsn(copy) == store_lsn(live));
	store_close(copy);
}
