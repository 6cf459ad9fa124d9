// One connection: its life.  Who may do what when: inside.h.  What comes in: conn_in.c; what goes out: conn_out.c.

#include "base/mem.h"
#include "wherry/status.h"
#include "wire/inside.h"

static int64_t now_ms(const struct conn *c)
{
	return timers_now(c->server->config.timers);
}

// --- the watch: handshake, lingering, stalled, idle -----------------------------------------------------------------

// Each looks whether its time is up; if not, *due is when to look again.
static bool past(int64_t since, int64_t limit, int64_t now, int64_t *due)
{
	if (since + limit <= now)
		return true;
	if (since + limit < *due)
		*due = since + limit;
	return false;
}

static bool is_late_greeting(const struct conn *c, int64_t now, int64_t *due)
{
	return !atomic_load(&c->greeted) && past(atomic_load(&c->deadline_ms), 0, now, due);
}

// What has not left yet is given its time: a peer that takes nothing is stalled.
static bool has_lingered(const struct conn *c, int64_t now, int64_t *due)
{
	if (!atomic_load(&c->leaving))
		return false;
	if (atomic_load(&c->outbox) == 0)
		return past(atomic_load(&c->deadline_ms), 0, now, due);
	int64_t limit = limit_of(&c->server->config.limits->stall_ms);
	return past(now, limit > 0 && limit < 100 ? limit : 100, now, due);
}

static bool is_stalled(const struct conn *c, int64_t now, int64_t *due)
{
	int64_t limit = limit_of(&c->server->config.limits->stall_ms), since = atomic_load(&c->stuck_ms);
	return limit > 0 && since > 0 && past(since, limit, now, due);
}

// Not while it waits for an answer or has subscribed, nor while it is not read from: then it can't be heard.
static bool is_idle(struct conn *c, int64_t now, int64_t *due)
{
	int64_t limit = limit_of(&c->server->config.limits->idle_ms);
	if (limit <= 0 || !atomic_load(&c->greeted))
		return false;
	if (atomic_load(&c->session.refs) > 1 || atomic_load(&c->stuck_ms) > 0)
		atomic_store(&c->heard_ms, now);
	return past(atomic_load(&c->heard_ms), limit, now, due);
}

static bool is_over(struct conn *c, int64_t now, int64_t *due)
{
	bool late = is_late_greeting(c, now, due), lingered = has_lingered(c, now, due);
	bool stalled = is_stalled(c, now, due), idle = is_idle(c, now, due);
	if (late)
		SERVER_COUNT(c->server, handshakes_failed, 1);
	else if (stalled)
		SERVER_COUNT(c->server, stalled_closed, 1);
	else if (idle)
		SERVER_COUNT(c->server, idle_closed, 1);
	return late || lingered || stalled || idle;
}

// conn_finish() waits until this has returned, so the connection is there.
static void watch(struct timer *t)
{
	struct conn *c = (struct conn *)(void *)((char *)t - offsetof(struct conn, watch));
	int64_t now = now_ms(c), due = now + WATCH_MS;
	pthread_mutex_lock(&c->lock);
	c->watch_due_ms = INT64_MAX;
	pthread_mutex_unlock(&c->lock);
	pipeline_look(c, now, &due);
	if (is_over(c, now, &due))
		conn_close(c);
	else
		conn_watch_by(c, due);
}

void conn_watch_by(struct conn *c, int64_t due_ms)
{
	pthread_mutex_lock(&c->lock);
	int status = WHERRY_OK;
	if (!c->finished && due_ms < c->watch_due_ms) {
		c->watch_due_ms = due_ms;
		status = timer_start(c->server->config.timers, &c->watch, due_ms);
	}
	pthread_mutex_unlock(&c->lock);
	if (status != WHERRY_OK)
		conn_close(c); // rather none than one that nobody watches
}

// --- life -----------------------------------------------------------------------------------------------------------

static void conn_free(struct conn *c)
{
	struct server *server = c->server;
	stream_free(c->stream);
	inbox_close(&c->in);
	resend_free(c->resend);
	late_free(c, c->late);
	pipeline_free(&c->pipeline);
	buffer_free(&c->pending);
	parcel_clear(&c->sending);
	buffer_free(&c->sending.own);
	pthread_mutex_destroy(&c->lock);
	mem_free(c);
	server_conn_freed(server);
}

void conn_drop(struct conn *c)
{
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		conn_free(c);
}

static struct conn *conn_new(const struct endpoint *e, struct stream *stream)
{
	struct conn *c = mem_alloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	memset(c, 0, offsetof(struct conn, idle_room));
	c->server = e->server;
	c->options = &e->options;
	c->stream = stream;
	c->form.marked = e->marked;
	inbox_open(&c->in, c->idle_room);
	c->watch.fire = watch;
	c->watch_due_ms = INT64_MAX;
	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

int conn_open(const struct endpoint *e, struct stream *stream)
{
	struct server *server = e->server;
	struct conn *c = conn_new(e, stream);
	if (c == NULL || stream_prepare(stream, conn_received, conn_sent, c) != WHERRY_OK) {
		stream_free(stream);
		if (c != NULL)
			pthread_mutex_destroy(&c->lock);
		mem_free(c);
		return WHERRY_ENOMEM;
	}
	if (!server_list(server, c)) {
		pthread_mutex_destroy(&c->lock);
		mem_free(c);
		stream_free(stream);
		return WHERRY_ELIMIT;
	}
	int64_t now = now_ms(c);
	atomic_store(&c->heard_ms, now);
	atomic_store(&c->deadline_ms, now + limit_of(&server->config.limits->handshake_ms));
	conn_watch_by(c, atomic_load(&c->deadline_ms));
	conn_arm(c);
	return WHERRY_OK;
}

// Takes the turn of a paused connection; the caller wakes it when it has let the lock go.
static bool take_paused(struct conn *c)
{
	if (c->input != INPUT_PAUSED)
		return false;
	c->input = INPUT_TURN;
	return true;
}

void conn_resume(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	bool wake = take_paused(c);
	pthread_mutex_unlock(&c->lock);
	if (wake)
		stream_wake(c->stream);
}

void conn_close(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	bool first = !atomic_exchange(&c->closed, true);
	bool wake = first && take_paused(c);
	pthread_mutex_unlock(&c->lock);
	if (first)
		stream_close(c->stream);
	if (wake)
		stream_wake(c->stream);
}

void conn_leave(struct conn *c, int64_t linger_ms)
{
	int64_t deadline = now_ms(c) + linger_ms;
	pthread_mutex_lock(&c->lock);
	bool first = !atomic_load(&c->leaving) && !atomic_load(&c->closed);
	bool wake = first && take_paused(c);
	if (first) {
		atomic_store(&c->deadline_ms, deadline);
		atomic_store(&c->leaving, true);
	}
	pthread_mutex_unlock(&c->lock);
	if (first)
		conn_watch_by(c, deadline);
	if (wake)
		stream_wake(c->stream);
}

void conn_finish(struct conn *c)
{
	conn_close(c);
	pthread_mutex_lock(&c->lock);
	c->finished = true;
	pthread_mutex_unlock(&c->lock);
	timer_stop_wait(c->server->config.timers, &c->watch);
	server_unlist(c->server, c);
	SERVER_COUNT(c->server, closed, 1);
	if (c->peer != NULL && c->peer->ends != NULL)
		c->peer->ends(c);
	if (atomic_load(&c->greeted))
		session_end(c->server->config.router, &c->session);
	conn_drop(c);
}

// Whoever waits for an answer holds the session.
bool conn_is_quiet(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	bool quiet = c->input != INPUT_TURN && !c->sending_now && c->pending.len == 0;
	pthread_mutex_unlock(&c->lock);
	return quiet && (!atomic_load(&c->greeted) || !session_is_busy(&c->session));
}

int conn_goodbye(struct conn *c)
{
	static const char body[] = "\x93\x02\xa7session\x92\xa7goodbye\xc0";
	if (!atomic_load(&c->greeted) || !c->session.duplex)
		return WHERRY_OK;
	return conn_push(c, (wherry_span){0}, span_of(body, sizeof(body) - 1), false);
}
