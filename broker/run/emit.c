// Messages that a command emitted: published after its commit, and not before the commit is durable.

#include <string.h>

#include "base/mem.h"
#include "run/inside.h"

// Layout of the bytes: three lengths (size_t), then topic, payload, headers; again and again.
static void publish_all(struct router *r, const uint8_t *at, size_t len)
{
	const uint8_t *end = at + len;
	while (at < end) {
		size_t lens[3];
		memcpy(lens, at, sizeof(lens));
		at += sizeof(lens);
		wherry_span topic = span_of(at, lens[0]);
		wherry_span payload = span_of(at + lens[0], lens[1]);
		wherry_span headers = span_of(at + lens[0] + lens[1], lens[2]);
		r->config.hooks.publish(r->config.hooks.arg, topic, payload, headers);
		at += lens[0] + lens[1] + lens[2];
	}
}

static void keep(struct router *r, const struct buffer *emits, uint64_t gate)
{
	struct held_emit *e = mem_alloc(sizeof(*e) + emits->len);
	if (e == NULL) {
		log_event(r->config.log, WHERRY_LOG_ERROR, "messages dropped", "reason", "out of memory", NULL);
		return;
	}
	*e = (struct held_emit){NULL, gate, emits->len};
	memcpy(e->bytes, emits->data, emits->len);
	*(r->emits_last != NULL ? &r->emits_last->next : &r->emits_first) = e;
	r->emits_last = e;
}

void emits_publish(struct router *r, struct worker *w, uint64_t gate)
{
	struct store *store = r->config.store;
	if (r->config.hooks.publish == NULL)
		return;
	if (gate > store_durable_lsn(store)) {
		pthread_mutex_lock(&r->held_lock);
		bool durable = gate <= store_durable_lsn(store);
		if (!durable && !store_failed(store))
			keep(r, &w->emits, gate);
		pthread_mutex_unlock(&r->held_lock);
		store_want_flush(store, gate);
		if (!durable)
			return;
	}
	publish_all(r, w->emits.data, w->emits.len);
}

static struct held_emit *take_first(struct router *r, uint64_t lsn, bool failed)
{
	pthread_mutex_lock(&r->held_lock);
	struct held_emit *e = r->emits_first;
	if (e != NULL && !failed && e->gate > lsn)
		e = NULL;
	if (e != NULL) {
		r->emits_first = e->next;
		if (r->emits_first == NULL)
			r->emits_last = NULL;
	}
	pthread_mutex_unlock(&r->held_lock);
	return e;
}

// Those of a failed flush are dropped: nobody acts on what a crash may take back.
void emits_release(struct router *r, uint64_t lsn, bool failed)
{
	for (struct held_emit *e = take_first(r, lsn, failed); e != NULL; e = take_first(r, lsn, failed)) {
		if (e->gate <= store_durable_lsn(r->config.store))
			publish_all(r, e->bytes, e->len);
		mem_free(e);
	}
}
