// Answers that have to wait: for parked requests of the same frame, and for the flush that makes true what they say.
// When the flush fails, each answer that waited for it becomes EIO.

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/inside.h"

uint64_t marks_gate(const struct marks *m)
{
	uint64_t gate = 0;
	for (size_t i = 0; i < m->count; i++)
		gate = m->row[i].gate > gate ? m->row[i].gate : gate;
	return gate;
}

struct exchange *exchange_new(struct session *session, wherry_span header)
{
	struct exchange *x = mem_zalloc(sizeof(*x));
	if (x == NULL)
		return NULL;
	pthread_mutex_init(&x->lock, NULL);
	x->session = session;
	if (session != NULL)
		session_hold(session);
	x->waiting = 1;
	x->header_len = (uint32_t)header.len;
	if (header.len > 0)
		memcpy(x->header, header.ptr, header.len);
	return x;
}

static void exchange_free(struct exchange *x)
{
	if (x->session != NULL)
		session_drop(x->session);
	pthread_mutex_destroy(&x->lock);
	mem_free(x->marks.row);
	mem_free(x->late.row);
	buffer_free(&x->bytes);
	buffer_free(&x->late_bytes);
	mem_free(x);
}

bool exchange_take(struct exchange *x, const struct buffer *out, size_t from, struct marks *marks)
{
	pthread_mutex_lock(&x->lock);
	buffer_append(&x->bytes, out->data + from, out->len - from);
	bool ok = !x->bytes.failed && !out->failed;
	x->bytes.failed = !ok;
	if (ok) {
		x->marks = *marks;
		*marks = (struct marks){0};
	}
	pthread_mutex_unlock(&x->lock);
	return ok;
}

// --- putting the frame together -------------------------------------------------------------------------------------

static void append_answer(
    struct buffer *frame, const struct buffer *bytes, const struct answer_mark *m, uint64_t durable)
{
	if (m->gate <= durable) {
		buffer_append(frame, bytes->data + m->at, m->len);
		return;
	}
	struct pack_error e = {WHERRY_EIO,
	    "the log could not be flushed: this may or may not be kept; the broker is read-only", -1, -1, NULL};
	pack_error_response(frame, m->has_id, m->id, &e);
}

static const struct answer_mark *late_of(const struct exchange *x, size_t place)
{
	for (size_t i = 0; i < x->late.count; i++)
		if (x->late.row[i].place == place)
			return &x->late.row[i];
	return NULL;
}

static void compose(const struct exchange *x, struct buffer *frame, uint64_t durable)
{
	for (size_t i = 0; i < x->marks.count; i++) {
		const struct answer_mark *m = &x->marks.row[i];
		const struct answer_mark *late = m->parked ? late_of(x, i) : NULL;
		if (late != NULL && late->len > 0)
			append_answer(frame, &x->late_bytes, late, durable);
		else if (!m->parked)
			append_answer(frame, &x->bytes, m, durable);
	}
	if (x->marks.count == 0) // a duplex session's: the one that parked
		for (size_t i = 0; i < x->late.count; i++)
			if (x->late.row[i].len > 0)
				append_answer(frame, &x->late_bytes, &x->late.row[i], durable);
}

static void deliver(struct exchange *x, uint64_t durable)
{
	struct session *s = x->session;
	struct buffer frame = {.failed = x->bytes.failed || x->late_bytes.failed};
	compose(x, &frame, durable);
	if (s != NULL && !atomic_load(&s->ended)) {
		if (frame.failed)
			s->ops->close(s, "out of memory");
		else if (frame.len > 0 || !s->duplex)
			s->ops->deliver(s, span_of(x->header, x->header_len), &frame);
	}
	buffer_free(&frame);
	exchange_free(x);
}

// --- waiting for the flush ------------------------------------------------------------------------------------------

static bool may_go(struct router *r, uint64_t gate)
{
	return gate <= store_durable_lsn(r->config.store) || store_failed(r->config.store);
}

// The second look is under the lock that answers_release() takes after the store has moved on: none is forgotten.
static bool keep_held(struct router *r, struct exchange *x)
{
	pthread_mutex_lock(&r->held_lock);
	bool held = !may_go(r, x->gate);
	if (held) {
		x->next = NULL;
		*(r->held_last != NULL ? &r->held_last->next : &r->held_first) = x;
		r->held_last = x;
		atomic_fetch_add(&r->held_count, 1);
	}
	pthread_mutex_unlock(&r->held_lock);
	return held;
}

static void hold_or_deliver(struct router *r, struct exchange *x)
{
	uint64_t gate = marks_gate(&x->marks), late = marks_gate(&x->late);
	x->gate = gate > late ? gate : late;
	if (x->gate == 0 || may_go(r, x->gate) || !keep_held(r, x)) {
		deliver(x, x->gate == 0 ? 0 : store_durable_lsn(r->config.store));
		return;
	}
	store_want_flush(r->config.store, store_lsn(r->config.store));
}

static struct exchange *take_released(struct router *r, uint64_t lsn, bool failed)
{
	struct exchange *out = NULL, **out_end = &out, **link = &r->held_first, *last = NULL;
	while (*link != NULL) {
		struct exchange *x = *link;
		if (!failed && x->gate > lsn) {
			last = x;
			link = &x->next;
			continue;
		}
		*link = x->next;
		x->next = NULL;
		*out_end = x;
		out_end = &x->next;
		atomic_fetch_sub(&r->held_count, 1);
	}
	r->held_last = last;
	return out;
}

void answers_release(struct router *r, uint64_t lsn, bool failed)
{
	pthread_mutex_lock(&r->held_lock);
	struct exchange *x = take_released(r, lsn, failed);
	pthread_mutex_unlock(&r->held_lock);
	while (x != NULL) {
		struct exchange *next = x->next;
		deliver(x, store_durable_lsn(r->config.store));
		x = next;
	}
}

void exchange_done(
    struct router *r, struct exchange *x, size_t place, const struct buffer *bytes, const struct answer_mark *m)
{
	pthread_mutex_lock(&x->lock);
	if (bytes != NULL) {
		struct answer_mark late = *m;
		late.place = (uint32_t)place;
		late.at = x->late_bytes.len;
		late.len = bytes->len;
		buffer_append(&x->late_bytes, bytes->data, bytes->len);
		if (bytes->failed || x->late_bytes.failed || !mark_add(&x->late, &late))
			x->bytes.failed = true;
	}
	bool last = --x->waiting == 0;
	pthread_mutex_unlock(&x->lock);
	if (last)
		hold_or_deliver(r, x);
}
