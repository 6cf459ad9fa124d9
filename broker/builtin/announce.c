#include "builtin/announce.h"

#include <inttypes.h>
#include <stdio.h>

#include "builtin/rows.h"
#include "config.h"

enum { TOPIC_ROOM = 64, OFF_LOOK_MS = 10000 };

static bool is_heard(wherry_broker *b, const char *topic)
{
	wherry_span span = span_text(topic);
	return bus_matches(b->bus, span) > 0 || (b->modules != NULL && modules_hear(b->modules, span) > 0);
}

// Consumes the map.
static void tell(wherry_broker *b, const char *topic, struct rows *map)
{
	struct buffer payload = {0};
	struct wherry_out out = {&payload, NULL};
	wherry_span none = {0};
	if (rows_end_map(map, &out) == WHERRY_OK && !payload.failed) {
		bus_publish(b->bus, span_text(topic), buffer_span(&payload), none);
		if (b->modules != NULL)
			modules_heard(b->modules, span_text(topic), buffer_span(&payload), none);
	}
	buffer_free(&payload);
}

// --- sessions and modules -----------------------------------------------------------------------------------------------

void announce_session_up(wherry_broker *b, const struct session *s)
{
	char topic[TOPIC_ROOM];
	struct rows map;
	snprintf(topic, sizeof(topic), "$sys.session.%" PRIu64, s->id);
	if (!is_heard(b, topic))
		return;
	rows_begin(&map);
	rows_text(&map, "event", "up");
	rows_text(&map, "remote", s->remote);
	rows_bool(&map, "duplex", s->duplex);
	tell(b, topic, &map);
}

void announce_session_down(wherry_broker *b, uint64_t session)
{
	char topic[TOPIC_ROOM];
	struct rows map;
	snprintf(topic, sizeof(topic), "$sys.session.%" PRIu64, session);
	if (!is_heard(b, topic))
		return;
	rows_begin(&map);
	rows_text(&map, "event", "down");
	tell(b, topic, &map);
	router_flush(b->router);
}

void announce_module(wherry_broker *b, const char *name, const char *version, const char *event)
{
	char topic[TOPIC_ROOM];
	struct rows map;
	snprintf(topic, sizeof(topic), "$sys.module.%s", name);
	if (!is_heard(b, topic))
		return;
	rows_begin(&map);
	rows_text(&map, "event", event);
	rows_text(&map, "version", version);
	tell(b, topic, &map);
	router_flush(b->router);
}

// --- numbers ------------------------------------------------------------------------------------------------------------

enum {
	UPTIME_MS,
	CONNECTIONS,
	SESSIONS,
	REQUESTS,
	ERRORS,
	SUBSCRIPTIONS,
	PUBLISHED,
	DELIVERED,
	DROPPED,
	RETAINED,
	KEYS,
	MEMORY,
	NUMBERS
};

static const char *const topics[NUMBERS] = {
    [UPTIME_MS] = "$sys.broker.uptime_ms",
    [CONNECTIONS] = "$sys.broker.connections",
    [SESSIONS] = "$sys.broker.sessions",
    [REQUESTS] = "$sys.broker.requests",
    [ERRORS] = "$sys.broker.errors",
    [SUBSCRIPTIONS] = "$sys.broker.subscriptions",
    [PUBLISHED] = "$sys.broker.messages.published",
    [DELIVERED] = "$sys.broker.messages.delivered",
    [DROPPED] = "$sys.broker.messages.dropped",
    [RETAINED] = "$sys.broker.messages.retained",
    [KEYS] = "$sys.broker.keys",
    [MEMORY] = "$sys.broker.memory",
};

static void read_numbers(wherry_broker *b, int64_t now_ms, uint64_t number[NUMBERS])
{
	struct router_stats router;
	struct server_stats server = {0};
	struct store_stats store;
	struct bus_stats bus;
	router_read_stats(b->router, &router);
	store_read_stats(b->store, &store);
	bus_read_stats(b->bus, &bus);
	if (b->server != NULL)
		server_read_stats(b->server, &server);
	number[UPTIME_MS] = (uint64_t)(now_ms - b->started_ms);
	number[CONNECTIONS] = server.connections;
	number[SESSIONS] = router.sessions;
	number[REQUESTS] = router.requests;
	number[ERRORS] = router.errors;
	number[SUBSCRIPTIONS] = bus.subscriptions;
	number[PUBLISHED] = bus.published;
	number[DELIVERED] = bus.delivered;
	number[DROPPED] = bus.dropped;
	number[RETAINED] = bus.retained;
	number[KEYS] = store.keys;
	number[MEMORY] = store.memory;
}

static void tell_number(wherry_broker *b, const char *topic, uint64_t number)
{
	struct buffer payload = {0};
	struct wherry_out out = {&payload, NULL};
	wherry_span none = {0};
	if (!is_heard(b, topic))
		return;
	pack_uint(&out, number);
	bus_publish(b->bus, span_text(topic), buffer_span(&payload), none);
	modules_heard(b->modules, span_text(topic), buffer_span(&payload), none);
	buffer_free(&payload);
}

int32_t announce_numbers(void *self, wherry_call *call)
{
	wherry_broker *b = self;
	uint64_t number[NUMBERS];
	read_numbers(b, call->now_ms, number);
	for (int i = 0; i < NUMBERS; i++)
		tell_number(b, topics[i], number[i]);
	return WHERRY_OK;
}

// --- when ---------------------------------------------------------------------------------------------------------------

static int64_t interval_of(const wherry_broker *b)
{
	return atomic_load(&b->options[broker_option_index("sys_interval")].number);
}

// At whole multiples of the interval, so that the numbers of several brokers belong together.
static void start_timer(wherry_broker *b)
{
	int64_t interval = interval_of(b), now = clock_unix_ms(&b->clock);
	int64_t wait = interval > 0 ? interval - now % interval : OFF_LOOK_MS;
	timer_start(b->timers, &b->announcing, timers_now(b->timers) + wait);
}

static bool is_any_heard(wherry_broker *b)
{
	for (int i = 0; i < NUMBERS; i++)
		if (is_heard(b, topics[i]))
			return true;
	return false;
}

static void on_timer(struct timer *timer)
{
	static const char request[] = "\x93\x02\xacsys.announce\x90"; // [2, "sys.announce", []]
	wherry_broker *b = (wherry_broker *)(void *)((char *)timer - offsetof(struct wherry_broker, announcing));
	if (interval_of(b) > 0 && is_any_heard(b))
		router_submit(b->router, span_of(request, sizeof(request) - 1));
	start_timer(b);
}

void announce_begin(wherry_broker *b)
{
	b->announcing.fire = on_timer;
	start_timer(b);
}

// It starts itself anew while it fires, so it has to be stopped once more behind that.
void announce_end(wherry_broker *b)
{
	if (b->announcing.fire == NULL)
		return;
	timer_stop_wait(b->timers, &b->announcing);
	timer_stop(b->timers, &b->announcing);
}
