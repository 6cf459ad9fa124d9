// The router's test harness: harness.h.

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "embed.h"

// --- the world --------------------------------------------------------------------------------------------------------

static void on_durable(void *arg, uint64_t lsn, bool failed)
{
	struct harness *h = arg;
	if (h->router != NULL)
		router_durable(h->router, lsn, failed);
}

static void on_due(void *arg, int64_t unix_ms)
{
	struct harness *h = arg;
	if (h->router != NULL)
		router_next_due(h->router, unix_ms);
}

static uint64_t on_publish(void *arg, wherry_span topic, wherry_span payload, wherry_span headers)
{
	struct harness *h = arg;
	(void)topic, (void)payload, (void)headers;
	atomic_fetch_add(&h->published, 1);
	return 1;
}

static void on_ended(void *arg, uint64_t session)
{
	struct harness *h = arg;
	(void)session;
	atomic_fetch_add(&h->ended, 1);
}

static void on_changed(void *arg, const struct store_change *change)
{
	struct harness *h = arg;
	if (h->router != NULL)
		router_changed(h->router, change);
}

void harness_open(struct harness *h, bool with_sink)
{
	*h = (struct harness){.log = {.fd = -1, .level = WHERRY_LOG_ERROR, .clock = &clock_system},
	    .limits = {.depth = 24,
		.elements = 1 << 20,
		.args = 65536,
		.tx_commands = 4096,
		.key_bytes = 4096,
		.answer_bytes = 1 << 20,
		.parked_per_session = 100,
		.park_ms = 50000},
	    .bus_limits = {100, 100, 1000, 1 << 20, 100000, 64 << 20, 1000, 1 << 20, 1000, 100}};
	assert_int_equal(bus_open(&h->bus, &h->bus_limits), WHERRY_OK);
	h->sink = with_sink ? test_sink_new() : NULL;
	struct store_config config = {.clock = &clock_system,
	    .sink = with_sink ? test_sink_face(h->sink) : NULL,
	    .durable = on_durable,
	    .next_due = on_due,
	    .changed = on_changed,
	    .watched = bus_watched(h->bus),
	    .arg = h};
	assert_int_equal(timers_open(&h->timers, &clock_system), WHERRY_OK);
	assert_int_equal(store_open(&h->store, &config), WHERRY_OK);
	if (with_sink)
		test_sink_attach(h->sink, h->store);
	assert_int_equal(store_type(h->store, "t.thing", &h->type), WHERRY_OK);
	struct router_config router = {
	    h->store, h->timers, &h->log, &clock_system, &h->limits, {NULL, on_ended, on_publish, NULL, h}, h->bus, 0};
	assert_int_equal(router_open(&h->router, &router), WHERRY_OK);
	h->owner = (struct command_owner){"t", h, &h->type, 1, NULL};
	router_publish(h->router, harness_table(h, &h->owner));
}

void harness_close(struct harness *h)
{
	router_drain(h->router);
	struct router_stats stats;
	router_read_stats(h->router, &stats);
	assert_int_equal(stats.sessions, 0);
	assert_int_equal(stats.waiting_flush, 0);
	router_close(h->router);
	h->router = NULL;
	bus_close(h->bus);
	if (h->sink != NULL)
		test_sink_check_replay(h->sink, h->store);
	store_close(h->store);
	timers_close(h->timers);
	if (h->sink != NULL)
		test_sink_free(h->sink);
}

// --- peers ------------------------------------------------------------------------------------------------------------

struct late_frame {
	struct late_frame *next;
	struct buffer bytes;
};

// Takes the bytes as they are: it must not fail where a test lets allocations fail.
static int peer_deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	struct peer *p = s->peer;
	(void)header;
	struct late_frame *late = calloc(1, sizeof(*late));
	late->bytes = *frame;
	*frame = (struct buffer){0};
	pthread_mutex_lock(&p->lock);
	*(p->late_last != NULL ? &p->late_last->next : &p->late) = late;
	p->late_last = late;
	pthread_cond_broadcast(&p->arrived);
	pthread_mutex_unlock(&p->lock);
	return WHERRY_OK;
}

static void peer_closed(struct session *s, const char *why)
{
	struct peer *p = s->peer;
	if (!p->may_close)
		fail_msg("the session was closed: %s", why);
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->closed, true);
	pthread_cond_broadcast(&p->arrived);
	pthread_mutex_unlock(&p->lock);
}

static void late_free(struct late_frame *late)
{
	buffer_free(&late->bytes);
	free(late);
}

static void peer_gone(struct session *s)
{
	struct peer *p = s->peer;
	for (struct late_frame *late = p->late, *next; late != NULL; late = next) {
		next = late->next;
		late_free(late);
	}
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->arrived);
	free(p);
}

static const struct session_ops peer_ops = {peer_deliver, peer_closed, peer_gone, NULL};

struct peer *peer_open(struct harness *h, bool duplex)
{
	struct peer *p = calloc(1, sizeof(*p));
	p->h = h;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->arrived, NULL);
	session_open(h->router, &p->session, &peer_ops, p, duplex);
	return p;
}

void peer_close(struct peer *p)
{
	session_end(p->h->router, &p->session);
}

static char *show(wherry_span answers)
{
	return answers.len == 0 ? strdup("") : embed_decode(answers);
}

enum frame_result peer_send_bytes(struct peer *p, wherry_span frame, struct buffer *out)
{
	wherry_span header = p->session.duplex ? span_of(NULL, 0) : span_of("\x80\0\0\1", 4);
	return router_frame(p->h->router, &p->session, header, frame, out);
}

char *peer_send(struct peer *p, const char *line)
{
	struct buffer frame = {0}, out = {0};
	embed_encode(line, &frame);
	enum frame_result result = peer_send_bytes(p, buffer_span(&frame), &out);
	char *text = result == FRAME_LATE && !p->session.duplex ? strdup("late") : show(buffer_span(&out));
	buffer_free(&frame);
	buffer_free(&out);
	return text;
}

bool peer_wait(struct peer *p, int ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	int64_t ns = until.tv_nsec + (int64_t)ms * 1000000;
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&p->lock);
	while (p->late == NULL && !atomic_load(&p->closed))
		if (pthread_cond_timedwait(&p->arrived, &p->lock, &until) != 0)
			break;
	bool came = p->late != NULL || atomic_load(&p->closed);
	pthread_mutex_unlock(&p->lock);
	return came;
}

char *peer_late(struct peer *p)
{
	peer_wait(p, 10000);
	pthread_mutex_lock(&p->lock);
	struct late_frame *late = p->late;
	if (late != NULL)
		p->late = late->next;
	if (p->late == NULL)
		p->late_last = NULL;
	pthread_mutex_unlock(&p->lock);
	if (late == NULL)
		fail_msg("nothing was delivered within 10 s");
	char *text = show(buffer_span(&late->bytes));
	late_free(late);
	return text;
}

bool peer_has_late(struct peer *p)
{
	pthread_mutex_lock(&p->lock);
	bool has = p->late != NULL;
	pthread_mutex_unlock(&p->lock);
	return has;
}

void harness_wait_parked(struct harness *h, unsigned count)
{
	struct timespec pause = {0, 200000};
	struct router_stats stats = {.parked = count + 1};
	for (int tries = 0; tries < 50000 && stats.parked != count; tries++) {
		router_read_stats(h->router, &stats);
		if (stats.parked != count)
			nanosleep(&pause, NULL);
	}
	assert_int_equal(stats.parked, count);
}
