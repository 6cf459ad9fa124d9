// What a connection sends: answers of the turn, late answers, pushes.  What is sent by one call into the kernel leaves
// from the thread that made it; what the kernel has no room for is left to a posted send.

#include <limits.h>

#include "base/mem.h"
#include "bus/bus.h"
#include "wherry/status.h"
#include "wire/inside.h"

enum { CLOSE_LINGER_MS = 100, KEPT_ROOM = 1024, HOP_ASKS = 64 };

static void swap(struct buffer *a, struct buffer *b)
{
	struct buffer c = *a;
	*a = *b;
	*b = c;
}

bool conn_has_room(const struct conn *c)
{
	size_t most = (size_t)limit_of(&c->server->config.limits->outbox_bytes);
	return atomic_load(&c->outbox) <= most;
}

// --- the sender's role ----------------------------------------------------------------------------------------------

enum pushed { PUSHED_ALL, PUSHED_POSTED, PUSHED_FAILED };

static void note_sent(struct conn *c, size_t count)
{
	c->sent += count;
	atomic_fetch_sub(&c->outbox, count);
	SERVER_COUNT(c->server, bytes_out, count);
}

// The role goes with the posted send, and so does a reference.
static enum pushed post(struct conn *c, const struct stream_part *parts, unsigned number)
{
	const struct wire_limits *limits = c->server->config.limits;
	int64_t now = timers_now(c->server->config.timers), stall = limit_of(&limits->stall_ms);
	atomic_store(&c->stuck_ms, now);
	if (stall > 0)
		conn_watch_by(c, now + stall);
	conn_hold(c);
	if (stream_send(c->stream, parts, number) == WHERRY_OK)
		return PUSHED_POSTED;
	conn_drop(c);
	return PUSHED_FAILED;
}

static unsigned next_parts(const struct conn *c, size_t most, struct stream_part *parts)
{
	wherry_span spans[STREAM_IOV];
	unsigned number = parcel_parts(&c->sending, c->sent, most, spans, STREAM_IOV);
	for (unsigned i = 0; i < number; i++)
		parts[i] = (struct stream_part){spans[i].ptr, spans[i].len};
	return number;
}

static enum pushed push(struct conn *c)
{
	size_t most = (size_t)limit_of(&c->server->config.limits->send_bytes);
	while (c->sent < parcel_len(&c->sending)) {
		struct stream_part parts[STREAM_IOV];
		unsigned number = next_parts(c, most, parts);
		size_t count;
		int status = stream_try_send(c->stream, parts, number, &count);
		if (status == WHERRY_EAGAIN)
			return post(c, parts, number);
		if (status != WHERRY_OK)
			return PUSHED_FAILED;
		note_sent(c, count);
	}
	return PUSHED_ALL;
}

// Under the lock: half empty again, a paused connection is to be woken.
static bool may_resume(struct conn *c)
{
	size_t most = (size_t)limit_of(&c->server->config.limits->outbox_bytes);
	if (c->input != INPUT_PAUSED || atomic_load(&c->outbox) > most / 2)
		return false;
	c->input = INPUT_TURN;
	return true;
}

static void give_up(struct conn *c)
{
	conn_close(c);
	pthread_mutex_lock(&c->lock);
	c->send_failed = true;
	buffer_free(&c->pending);
	c->sending_now = false;
	atomic_store(&c->outbox, 0);
	pthread_mutex_unlock(&c->lock);
	if (c->peer->unsent != NULL)
		c->peer->unsent(c);
}

enum to_send { NOTHING, FRAMES, DELIVERIES };

// What came meanwhile becomes what is sent; if nothing did, the role is laid down.
static enum to_send take_pending(struct conn *c)
{
	parcel_clear(&c->sending);
	buffer_trim(&c->sending.own, KEPT_ROOM);
	c->sent = 0;
	pthread_mutex_lock(&c->lock);
	enum to_send next = c->pending.len > 0 ? FRAMES : c->has_deliveries ? DELIVERIES : NOTHING;
	bool resume = may_resume(c);
	if (next == FRAMES)
		swap(&c->sending.own, &c->pending);
	c->sending_now = next != NOTHING;
	c->has_deliveries &= next == FRAMES;
	pthread_mutex_unlock(&c->lock);
	if (resume)
		stream_wake(c->stream);
	return next;
}

// As much as one send takes, as one frame.
bool duplex_next(struct conn *c, struct parcel *out)
{
	size_t most = (size_t)limit_of(&c->server->config.limits->send_bytes);
	size_t begin = sp_frame_open(&c->form, (wherry_span){0}, &out->own);
	struct outbox_taken taken = outbox_lend(session_outbox_opened(&c->session), OUTBOX_PUSHED, most, out);
	if (taken.deliveries == 0) {
		out->own.len = begin;
		return false;
	}
	sp_frame_seal_around(&c->form, begin, out->lent, &out->own);
	SERVER_COUNT(c->server, frames_out, 1);
	return taken.more;
}

static void take_deliveries(struct conn *c)
{
	bool more = c->peer->next(c, &c->sending);
	atomic_fetch_add(&c->outbox, parcel_len(&c->sending));
	if (!more) // then ready() says when there is
		return;
	pthread_mutex_lock(&c->lock);
	c->has_deliveries = true;
	pthread_mutex_unlock(&c->lock);
}

// The role, and a reference, go to a thread that nobody else waits for.
static enum pushed hop(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	c->has_deliveries = true;
	pthread_mutex_unlock(&c->lock);
	conn_hold(c);
	if (stream_wake_sent(c->stream) == WHERRY_OK)
		return PUSHED_POSTED;
	conn_drop(c);
	return PUSHED_FAILED;
}

// So often may be asked for deliveries on this thread.
static void send_pending(struct conn *c, enum pushed last, unsigned asks)
{
	while (last == PUSHED_ALL) {
		enum to_send next = take_pending(c);
		if (next == NOTHING)
			return;
		if (next == DELIVERIES && asks == 0) {
			last = hop(c);
			continue;
		}
		if (next == DELIVERIES) {
			asks--;
			take_deliveries(c);
		}
		last = c->sending.own.failed ? PUSHED_FAILED : push(c);
	}
	if (last == PUSHED_FAILED)
		give_up(c);
}

static unsigned asks_of(const struct conn *c, unsigned hopped)
{
	return c->peer->hops ? hopped : UINT_MAX;
}

void conn_sent(void *arg, int status, size_t count)
{
	struct conn *c = arg;
	atomic_store(&c->stuck_ms, 0);
	note_sent(c, count);
	pthread_mutex_lock(&c->lock);
	bool resume = may_resume(c);
	pthread_mutex_unlock(&c->lock);
	if (resume)
		stream_wake(c->stream);
	send_pending(c, status == WHERRY_OK ? push(c) : PUSHED_FAILED, asks_of(c, HOP_ASKS));
	conn_drop(c);
}

// --- the turn's answers ---------------------------------------------------------------------------------------------

// Takes the role, or leaves the frames to whoever has it.
static bool begin_send(struct conn *c, const struct buffer *frames)
{
	pthread_mutex_lock(&c->lock);
	bool closed = atomic_load(&c->closed), mine = !closed && !c->sending_now;
	if (!closed)
		atomic_fetch_add(&c->outbox, frames->len);
	if (mine)
		c->sending_now = true;
	else if (!closed)
		buffer_append(&c->pending, frames->data, frames->len);
	bool failed = c->pending.failed;
	pthread_mutex_unlock(&c->lock);
	if (failed)
		conn_close(c);
	return mine;
}

// The buffer is lent to the send and comes back when all has left at once, as it mostly does.
void conn_send(struct conn *c, struct buffer *frames)
{
	if (frames->len > 0 && begin_send(c, frames)) {
		swap(&c->sending.own, frames);
		enum pushed pushed = push(c);
		if (pushed == PUSHED_ALL)
			swap(&c->sending.own, frames);
		send_pending(c, pushed, asks_of(c, 0));
	}
	buffer_clear(frames);
}

// --- late answers, for the resend ring ------------------------------------------------------------------------------

static void late_forget(struct conn *c, struct late *late)
{
	resend_budget_give(&c->server->resend_budget, late->answer_len);
	late->kept = false;
	late->answer_len = 0;
}

void late_free(struct conn *c, struct late *late)
{
	for (struct late *next; late != NULL; late = next) {
		next = late->next;
		late_forget(c, late);
		mem_free(late);
	}
}

static struct late *late_new(struct conn *c, wherry_span header, wherry_span answer)
{
	bool kept = answer.len <= RESEND_ANSWER_MOST && resend_budget_take(&c->server->resend_budget, answer.len);
	size_t len = kept ? answer.len : 0;
	struct late *late = mem_alloc(sizeof(*late) + header.len + len);
	if (late == NULL) {
		resend_budget_give(&c->server->resend_budget, len);
		return NULL;
	}
	*late = (struct late){.header_len = (uint32_t)header.len, .answer_len = (uint32_t)len, .kept = kept};
	memcpy(late->bytes, header.ptr, header.len);
	if (len > 0)
		memcpy(late->bytes + header.len, answer.ptr, len);
	return late;
}

// Under the lock.  As many answers as the ring would keep.
static void late_add(struct conn *c, struct late *late)
{
	*(c->late == NULL ? &c->late : &c->late_last->next) = late;
	c->late_last = late;
	atomic_store(&c->has_late, true);
	if (!late->kept || c->late_kept++ < RESEND_ANSWERS)
		return;
	struct late *oldest = c->late;
	while (!oldest->kept)
		oldest = oldest->next;
	late_forget(c, oldest);
	c->late_kept--;
}

void conn_merge_late(struct conn *c)
{
	if (!atomic_load(&c->has_late))
		return;
	pthread_mutex_lock(&c->lock);
	struct late *all = c->late;
	c->late = c->late_last = NULL;
	c->late_kept = 0;
	atomic_store(&c->has_late, false);
	pthread_mutex_unlock(&c->lock);
	for (const struct late *l = all; l != NULL; l = l->next)
		resend_late_answered(c->resend, span_of(l->bytes, l->header_len),
		    span_of(l->bytes + l->header_len, l->answer_len), l->kept);
	late_free(c, all);
}

// --- late answers and pushes ----------------------------------------------------------------------------------------

// Under the lock.
static int enqueue(struct conn *c, wherry_span header, wherry_span body, bool refusable)
{
	size_t len = sp_overhead(&c->form, header.len) + body.len;
	size_t most = (size_t)limit_of(&c->server->config.limits->outbox_bytes);
	if (atomic_load(&c->closed))
		return WHERRY_ESTALE;
	if (refusable && atomic_load(&c->outbox) + len > most)
		return WHERRY_ELIMIT;
	if (!buffer_reserve(&c->pending, len))
		return WHERRY_ENOMEM;
	size_t begin = sp_frame_open(&c->form, header, &c->pending);
	buffer_append(&c->pending, body.ptr, body.len);
	sp_frame_seal(&c->form, begin, &c->pending);
	atomic_fetch_add(&c->outbox, len);
	SERVER_COUNT(c->server, frames_out, 1);
	return WHERRY_OK;
}

static int queue_frame(struct conn *c, wherry_span header, wherry_span body, bool refusable, struct late *late)
{
	pthread_mutex_lock(&c->lock);
	int status = enqueue(c, header, body, refusable);
	bool mine = status == WHERRY_OK && !c->sending_now;
	if (mine)
		c->sending_now = true;
	if (status == WHERRY_OK && late != NULL)
		late_add(c, late);
	bool resume = status == WHERRY_OK && may_resume(c);
	pthread_mutex_unlock(&c->lock);
	if (mine)
		send_pending(c, PUSHED_ALL, asks_of(c, 0));
	if (resume)
		stream_wake(c->stream);
	return status;
}

int conn_push(struct conn *c, wherry_span header, wherry_span body, bool refusable)
{
	struct late *late = header.len > 0 ? late_new(c, header, body) : NULL;
	bool lacking = header.len > 0 && late == NULL;
	int status = lacking ? WHERRY_ENOMEM : queue_frame(c, header, body, refusable, late);
	if (status != WHERRY_OK)
		late_free(c, late);
	if (status == WHERRY_ENOMEM)
		conn_close(c); // a peer that misses an answer would wait for ever
	return status;
}

// A push may be refused, an answer may not: it was asked for, and its peer is not read from until it has left.
static bool is_push(const struct buffer *frame)
{
	return frame->len >= 2 && (frame->data[0] & 0xf0) == 0x90 && frame->data[1] == 2;
}

static int deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	return conn_push(s->peer, header, buffer_span(frame), s->duplex && is_push(frame));
}

void conn_session_close(struct session *s, const char *why)
{
	(void)why;
	conn_leave(s->peer, CLOSE_LINGER_MS);
}

void conn_session_gone(struct session *s)
{
	conn_drop(s->peer);
}

// If nobody sends, this thread does.
bool conn_ready(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	bool may = !c->send_failed, mine = may && !c->sending_now;
	c->has_deliveries = may;
	if (mine)
		c->sending_now = true;
	pthread_mutex_unlock(&c->lock);
	if (mine)
		send_pending(c, PUSHED_ALL, asks_of(c, 0));
	return may;
}

static void ready(struct session *s)
{
	conn_ready(s->peer);
}

const struct session_ops conn_ops = {.deliver = deliver,
			     .close = conn_session_close,
			     .gone = conn_session_gone,
			     .ready = ready},
			 conn_fetching_ops = {
			     .deliver = deliver, .close = conn_session_close, .gone = conn_session_gone};
