// The bus under threads: publishers, sessions that come, subscribe, take and go.  Of each publisher everybody sees the
// messages in their order, gaps are told, and every message that matched is accounted for.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "bus/bus.h"
#include "codec/cursor.h"

enum { PUBLISHERS = 4, SESSIONS = 4, MESSAGES = 200000, TAKES = 8 };

static struct bus_limits limits = {1000, 1000, 50, 100000, 100000, 1 << 20, 1000, 1 << 20, 1000, 100};

struct world {
	struct bus *bus;
	atomic_uint publishing;
	atomic_uint wrong;
	_Atomic uint64_t matched, delivered;
};

struct publisher {
	struct world *world;
	unsigned number;
};

// Topics "p.0" to "p.3", payload: a number that rises.
static void *publish(void *arg)
{
	struct publisher *p = arg;
	char topic[8];
	snprintf(topic, sizeof(topic), "p.%u", p->number);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		uint8_t payload[5] = {0xce, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		atomic_fetch_add(&p->world->matched,
		    bus_publish(p->world->bus, span_text(topic), span_of(payload, sizeof(payload)), (wherry_span){0}));
		if (i % 7 == 0)
			bus_flush(p->world->bus);
	}
	bus_flush(p->world->bus);
	atomic_fetch_sub(&p->world->publishing, 1);
	return NULL;
}

// One life of a session: two subscriptions, some takes, gone.
struct life {
	struct world *world;
	struct outbox *outbox;
	sem_t ready, gone;
	uint64_t ids[2], next_seq[2];
	uint32_t last[2][PUBLISHERS];
};

static void on_ready(void *peer)
{
	sem_post(&((struct life *)peer)->ready);
}

static void on_gone(void *peer)
{
	sem_post(&((struct life *)peer)->gone);
}

static const struct outbox_ops ops = {on_ready, on_ready, on_gone};

static struct cursor inside(const wherry_value *v)
{
	return (struct cursor){v->as.bytes.ptr, (const uint8_t *)v->as.bytes.ptr + v->as.bytes.len};
}

static bool is_next(struct life *l, unsigned which, const wherry_value *message)
{
	struct cursor c = inside(message);
	wherry_value topic, payload;
	if (!cursor_next(&c, &topic) || !cursor_next(&c, &payload))
		return false;
	unsigned publisher = (unsigned)(((const char *)topic.as.bytes.ptr)[2] - '0');
	uint32_t *last = &l->last[which][publisher], number = (uint32_t)payload.as.i;
	bool rises = number > *last;
	*last = number;
	l->next_seq[which]++;
	return rises;
}

// ["messages", [id, seq, lost, [message, ...]]]
static bool is_right(struct life *l, const wherry_value *delivery)
{
	struct cursor c = inside(delivery);
	wherry_value method, body, id, seq, lost, list, message;
	if (!cursor_next(&c, &method) || !cursor_next(&c, &body))
		return false;
	c = inside(&body);
	if (!cursor_next(&c, &id) || !cursor_next(&c, &seq) || !cursor_next(&c, &lost) || !cursor_next(&c, &list))
		return false;
	unsigned which = (uint64_t)id.as.i == l->ids[1];
	bool right = (uint64_t)seq.as.i == l->next_seq[which] + (uint64_t)lost.as.i;
	l->next_seq[which] = (uint64_t)seq.as.i;
	for (c = inside(&list); cursor_next(&c, &message);)
		right &= is_next(l, which, &message);
	return right;
}

static void take(struct life *l)
{
	struct buffer out = {0};
	wherry_value delivery;
	struct outbox_taken taken = outbox_take(l->outbox, OUTBOX_FETCHED, 100, 1 << 16, &out);
	atomic_fetch_add(&l->world->delivered, taken.messages);
	for (struct cursor c = cursor_of(buffer_span(&out)); cursor_next(&c, &delivery);)
		if (!is_right(l, &delivery))
			atomic_fetch_add(&l->world->wrong, 1);
	buffer_free(&out);
}

static void live(struct life *l, unsigned number)
{
	static const char *const filters[] = {"p.*", "p.1", ">", "p.0"};
	const char *why;
	struct subscribe wanted = {.filters = (wherry_span[]){span_text(filters[number % 4])},
	    .filter_count = 1,
	    .overflow = (enum overflow)(number % 2)};
	bus_subscribe(l->outbox, &wanted, &l->ids[0], &why);
	wanted = (struct subscribe){
	    .filters = (wherry_span[]){span_text("p.2")}, .filter_count = 1, .group = span_text("g")};
	bus_subscribe(l->outbox, &wanted, &l->ids[1], &why);
	for (unsigned i = 0; i < TAKES && atomic_load(&l->world->publishing) > 0; i++) {
		struct timespec soon;
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_sec += 1; // the last message may have been taken already
		sem_timedwait(&l->ready, &soon);
		take(l);
		if (i == TAKES / 2)
			bus_unsubscribe(l->outbox, l->ids[1]);
	}
}

static void *live_again_and_again(void *arg)
{
	struct world *w = arg;
	for (unsigned i = 0; atomic_load(&w->publishing) > 0; i++) {
		struct life l = {.world = w, .next_seq = {1, 1}};
		sem_init(&l.ready, 0, 0);
		sem_init(&l.gone, 0, 0);
		outbox_open(w->bus, &ops, &l, &l.outbox);
		live(&l, i);
		outbox_close(l.outbox);
		sem_wait(&l.gone);
		sem_destroy(&l.ready);
		sem_destroy(&l.gone);
	}
	return NULL;
}

static void order_and_accounts_hold(void **state)
{
	(void)state;
	struct world w = {.publishing = PUBLISHERS};
	pthread_t publishers[PUBLISHERS], sessions[SESSIONS];
	struct publisher who[PUBLISHERS];
	struct bus_stats stats;
	assert_int_equal(bus_open(&w.bus, &limits), 0);
	for (unsigned i = 0; i < SESSIONS; i++)
		assert_int_equal(pthread_create(&sessions[i], NULL, live_again_and_again, &w), 0);
	for (unsigned i = 0; i < PUBLISHERS; i++) {
		who[i] = (struct publisher){&w, i};
		assert_int_equal(pthread_create(&publishers[i], NULL, publish, &who[i]), 0);
	}
	for (unsigned i = 0; i < PUBLISHERS; i++)
		pthread_join(publishers[i], NULL);
	for (unsigned i = 0; i < SESSIONS; i++)
		pthread_join(sessions[i], NULL);
	bus_read_stats(w.bus, &stats);
	assert_int_equal(atomic_load(&w.wrong), 0);
	assert_int_equal(stats.published, PUBLISHERS * MESSAGES);
	assert_int_equal(stats.subscriptions, 0);
	assert_int_equal(stats.filters, 0);
	assert_int_equal(stats.matched, atomic_load(&w.matched));
	assert_int_equal(stats.delivered, atomic_load(&w.delivered));
	assert_int_equal(stats.matched, stats.delivered + stats.dropped + stats.forgotten);
	bus_close(w.bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(order_and_accounts_hold)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
