// What a connection receives: handshake, frames, requests.  Everything here is done by whoever has the turn.

#include <stdio.h>

#include "base/clock.h"
#include "wherry/status.h"
#include "wire/inside.h"

enum { SLOW_TURNS = 3 };

static const uint64_t SLOW_NS = 2 * 1000 * 1000;

static struct server *server_of(const struct conn *c)
{
	return c->server;
}

// --- handshake ------------------------------------------------------------------------------------------------------

static void complain(struct conn *c, const char *event, const char *what)
{
	char remote[64];
	stream_remote(c->stream, remote, sizeof(remote));
	server_complain(server_of(c), event, remote, what);
}

void conn_complain(struct conn *c, const char *what)
{
	complain(c, "client-trouble", what);
}

static int turn_away(struct conn *c, const char *what)
{
	complain(c, "connection-refused", what);
	SERVER_COUNT(server_of(c), handshakes_failed, 1);
	return WHERRY_EARG;
}

static int check_hello(struct conn *c, const uint8_t *hello)
{
	uint16_t protocol;
	char what[48];
	if (!sp_hello_read(hello, &protocol))
		return turn_away(c, "no SP protocol");
	c->peer = peer_of(protocol);
	if (c->peer == NULL) {
		snprintf(what, sizeof(what), "protocol 0x%02x is not served", protocol);
		return turn_away(c, what);
	}
	const char *why = c->peer->refuses != NULL ? c->peer->refuses(c) : NULL;
	c->form.peer = protocol;
	return why == NULL ? WHERRY_OK : turn_away(c, why);
}

// The session's reference is dropped by conn_ops.gone.
static void open_session(struct conn *c)
{
	stream_remote(c->stream, c->session.remote, sizeof(c->session.remote));
	conn_hold(c);
	session_open(server_of(c)->config.router, &c->session, c->peer->ops, c, c->peer->duplex);
	atomic_store(&c->greeted, true);
}

static int greet(struct conn *c, struct workspace *ws)
{
	wherry_span unread = inbox_unread(&c->in);
	c->in.need = SP_HELLO_BYTES;
	if (unread.len < SP_HELLO_BYTES)
		return WHERRY_EAGAIN;
	int status = check_hello(c, unread.ptr);
	if (status != WHERRY_OK)
		return status;
	c->in.from += SP_HELLO_BYTES;
	uint8_t hello[SP_HELLO_BYTES];
	sp_hello_write(hello, sp_counterpart(c->form.peer));
	buffer_append(&ws->answers, hello, sizeof(hello));
	open_session(c);
	if (c->peer->begin == NULL)
		return WHERRY_OK;
	conn_send(c, &ws->answers); // before anybody else has something for it
	return c->peer->begin(c) ? WHERRY_OK : WHERRY_EARG;
}

// --- all frames that have come --------------------------------------------------------------------------------------

static bool is_choked(struct conn *c, struct workspace *ws)
{
	const struct wire_limits *limits = server_of(c)->config.limits;
	size_t unsent = atomic_load_explicit(&c->outbox, memory_order_relaxed) + ws->answers.len;
	if (ws->answers.len >= (size_t)limit_of(&limits->send_bytes) ||
	    unsent > (size_t)limit_of(&limits->outbox_bytes)) {
		conn_send(c, &ws->answers);
		if (ws->turning)
			router_turn_pause(&ws->turn);
	}
	return (c->peer->chokes != NULL && c->peer->chokes(c, ws)) || !conn_has_room(c);
}

// Nothing behind it can be found: this is the last frame.
static int refuse_oversize(struct conn *c, const struct sp_frame *frame, struct workspace *ws)
{
	SERVER_COUNT(server_of(c), oversize, 1);
	if (c->peer->oversize != NULL)
		return c->peer->oversize(c, frame, ws);
	conn_complain(c, "it sent a message longer than max_frame");
	return WHERRY_EARG;
}

static int next_frame(struct conn *c, struct workspace *ws)
{
	struct sp_frame frame;
	int64_t most = limit_of(&server_of(c)->config.limits->max_frame);
	int status = sp_frame_read(&c->form, inbox_unread(&c->in), (uint64_t)most, &frame);
	c->in.need = frame.size;
	if (status == WHERRY_ELIMIT)
		return refuse_oversize(c, &frame, ws);
	if (status != WHERRY_OK)
		return status;
	if (c->peer->look_ahead != NULL)
		c->peer->look_ahead(c, &frame, ws);
	c->in.from += frame.size;
	ws->frames++;
	if (!frame.dropped)
		status = c->peer->take(c, &frame, ws);
	return ws->answers.failed ? WHERRY_ENOMEM : status;
}

// It holds up others: who waits for the thread, for what its requests woke, for another table of commands.  Not asked for
// each frame of a window: the answer costs as much as a small frame.
static bool takes_long(const struct workspace *ws)
{
	if (ws->frames == 0 || (ws->turning && router_turn_ahead_left(&ws->turn) > 0))
		return false;
	return clock_ticks_ns(&clock_system) - ws->began_ns >= SLOW_NS;
}

static enum turn run_all(struct conn *c, struct workspace *ws)
{
	int status = WHERRY_OK;
	while (status == WHERRY_OK && c->in.from < c->in.end) {
		if (atomic_load_explicit(&c->leaving, memory_order_relaxed)) {
			c->in.from = c->in.end;
			break;
		}
		if (!atomic_load_explicit(&c->greeted, memory_order_relaxed)) {
			status = greet(c, ws);
			continue;
		}
		if (ws->frames >= TURN_FRAMES || takes_long(ws))
			return TURN_AGAIN;
		if (is_choked(c, ws))
			return TURN_CHOKED;
		status = next_frame(c, ws);
	}
	return status == WHERRY_OK || status == WHERRY_EAGAIN || status == WHERRY_ELIMIT ? TURN_ARM : TURN_ENDED;
}

static enum turn run_frames(struct conn *c, struct workspace *ws)
{
	enum turn next = run_all(c, ws);
	bool settled = c->peer == NULL || c->peer->settles == NULL || c->peer->settles(c, ws);
	conn_router_turn_end(ws);
	return settled || next == TURN_ENDED ? next : TURN_CHOKED;
}

// --- the turn -------------------------------------------------------------------------------------------------------

static int receive_more(struct conn *c, struct workspace *ws, bool *full)
{
	if (!inbox_widen(&c->in, &ws->room))
		return WHERRY_ENOMEM;
	size_t count, room = inbox_free(&c->in);
	int status = stream_try_recv(c->stream, c->in.at + c->in.end, room, &count);
	c->in.end += count;
	ws->bytes_in += count;
	*full = count == room;
	return status;
}

// Goes on receiving as long as the room was filled: then there is more.
static enum turn run_input(struct conn *c, struct workspace *ws, bool full)
{
	enum turn next = run_frames(c, ws);
	while (next == TURN_ARM && full) {
		if (ws->bytes_in >= TURN_BYTES || takes_long(ws))
			return TURN_AGAIN;
		int status = receive_more(c, ws, &full);
		if (status == WHERRY_EAGAIN)
			break;
		next = status == WHERRY_OK ? run_frames(c, ws) : TURN_ENDED;
	}
	return next;
}

static bool still_choked(const struct conn *c)
{
	return (c->peer != NULL && c->peer->waits != NULL && c->peer->waits(c)) || !conn_has_room(c);
}

// Under the lock, because whoever makes room looks under the lock whether somebody waits for it.
static enum turn decide(struct conn *c, enum turn next)
{
	if (next == TURN_ENDED)
		return next;
	pthread_mutex_lock(&c->lock);
	if (atomic_load(&c->closed))
		next = TURN_ENDED;
	else if (atomic_load(&c->leaving))
		next = next == TURN_ARM ? TURN_ARM : TURN_AGAIN;
	else if (still_choked(c))
		next = TURN_PAUSED;
	else if (next == TURN_ARM && atomic_load(&server_of(c)->draining))
		next = TURN_PAUSED;
	else if (next == TURN_CHOKED)
		next = TURN_AGAIN;
	if (next == TURN_PAUSED)
		c->input = INPUT_PAUSED;
	pthread_mutex_unlock(&c->lock);
	return next;
}

static void count_turn(struct conn *c, struct workspace *ws)
{
	if (ws->frames > 0)
		SERVER_COUNT(server_of(c), frames_in, ws->frames);
	if (ws->frames_out > 0)
		SERVER_COUNT(server_of(c), frames_out, ws->frames_out);
	SERVER_COUNT(server_of(c), bytes_in, ws->bytes_in);
	ws->frames = ws->frames_out = 0;
	ws->bytes_in = 0;
}

static enum turn take_turn(struct conn *c, struct workspace *ws, bool full)
{
	ws->began_ns = clock_ticks_ns(&clock_system);
	atomic_store_explicit(&c->heard_ms, timers_now(server_of(c)->config.timers), memory_order_relaxed);
	enum turn next = run_input(c, ws, full);
	conn_send(c, &ws->answers);
	router_flush(server_of(c)->config.router);
	count_turn(c, ws);
	c->slow = clock_ticks_ns(&clock_system) - ws->began_ns < SLOW_NS ? 0 : c->slow + 1;
	if (next != TURN_ARM)
		inbox_shrink(&c->in, &ws->room);
	else if (!inbox_settle(&c->in, &ws->room))
		next = TURN_ENDED;
	return decide(c, next);
}

void conn_arm(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	bool closed = atomic_load(&c->closed);
	if (!closed)
		c->input = INPUT_POSTED;
	pthread_mutex_unlock(&c->lock);
	if (closed) {
		conn_finish(c);
		return;
	}
	conn_hold(c); // received() may run and end before stream_recv() has returned
	stream_recv(c->stream, c->in.at + c->in.end, inbox_free(&c->in));
	conn_drop(c);
}

// Its requests take long, and it is not only that this thread was interrupted: with the poller, others would wait for it.
static bool is_slow(const struct conn *c)
{
	return c->slow >= SLOW_TURNS;
}

static void wake(struct conn *c)
{
	conn_hold(c); // received() may run and end before stream_wake() has returned
	stream_wake(c->stream);
	conn_drop(c);
}

static void give_up_turn(struct conn *c, enum turn next)
{
	switch (next) {
	case TURN_ARM:
		if (is_slow(c) || !hot_take(&server_of(c)->hot, c))
			conn_arm(c);
		break;
	case TURN_AGAIN:
	case TURN_CHOKED:
		wake(c);
		break;
	case TURN_PAUSED:
		break;
	case TURN_ENDED:
		conn_finish(c);
		break;
	}
}

static void begin_turn(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	c->input = INPUT_TURN;
	pthread_mutex_unlock(&c->lock);
}

void conn_received(void *arg, int status, size_t count)
{
	struct conn *c = arg;
	begin_turn(c);
	struct workspace *ws = status == WHERRY_OK ? workspace_take(server_of(c)) : NULL;
	if (ws == NULL) {
		conn_finish(c);
		return;
	}
	bool full = count > 0 && count == inbox_free(&c->in);
	c->in.end += count;
	ws->bytes_in = count;
	struct server *server = server_of(c);
	enum turn next = take_turn(c, ws, full);
	workspace_give(server, ws);
	give_up_turn(c, next);
}

// --- polled ---------------------------------------------------------------------------------------------------------

static bool nothing_came(struct conn *c, struct workspace *ws, unsigned patience)
{
	if (++c->misses < patience) {
		inbox_shrink(&c->in, &ws->room);
		return true;
	}
	hot_left(&server_of(c)->hot, c);
	if (inbox_settle(&c->in, &ws->room))
		conn_arm(c);
	else
		conn_finish(c);
	return false;
}

void conn_unpoll(struct conn *c)
{
	if (c->again)
		wake(c);
	else
		conn_arm(c);
}

bool conn_poll(struct conn *c, struct workspace *ws, unsigned patience)
{
	bool full;
	int status = c->again ? WHERRY_OK : receive_more(c, ws, &full);
	if (status == WHERRY_EAGAIN)
		return nothing_came(c, ws, patience);
	enum turn next = status == WHERRY_OK ? take_turn(c, ws, false) : TURN_ENDED;
	c->misses = 0;
	c->polled_turns++;
	c->again = next == TURN_AGAIN;
	if (!is_slow(c) && (next == TURN_ARM || next == TURN_AGAIN))
		return true;
	give_up_turn(c, next);
	return false;
}
