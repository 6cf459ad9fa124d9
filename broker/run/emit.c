// Messages that a command emitted.  They reach the bus in the order of the commits: right after a commit, while the
// stripes of its keys are still held, or, if it is not durable yet, when it is.  Listeners in the broker hear them when
// nothing is locked any more.

#include <string.h>

#include "base/mem.h"
#include "run/inside.h"

// --- a row of messages: three lengths (size_t), then topic, payload, headers; again and again ---------------------------

struct message {
	wherry_span topic, payload, headers;
};

static const uint8_t *read_message(const uint8_t *at, struct message *m)
{
	size_t lens[3];
	memcpy(lens, at, sizeof(lens));
	at += sizeof(lens);
	m->topic = span_of(at, lens[0]);
	m->payload = span_of(at + lens[0], lens[1]);
	m->headers = span_of(at + lens[0] + lens[1], lens[2]);
	return at + lens[0] + lens[1] + lens[2];
}

static void to_bus(struct router *r, wherry_span row)
{
	const uint8_t *at = row.ptr, *end = at + row.len;
	struct message m;
	while (r->config.bus != NULL && at < end) {
		at = read_message(at, &m);
		bus_publish(r->config.bus, m.topic, m.payload, m.headers);
	}
}

static void to_listeners(struct router *r, wherry_span row)
{
	const uint8_t *at = row.ptr, *end = at + row.len;
	struct message m;
	while (r->config.hooks.publish != NULL && at < end) {
		at = read_message(at, &m);
		r->config.hooks.publish(r->config.hooks.arg, m.topic, m.payload, m.headers);
	}
}

// --- those that wait for the flush --------------------------------------------------------------------------------------

// Under held_lock: by rising LSN, and of one LSN as they came.
static void insert(struct router *r, struct held_emit *e)
{
	struct held_emit **at =
	    r->emits_last != NULL && r->emits_last->gate <= e->gate ? &r->emits_last->next : &r->emits_first;
	while (*at != NULL && (*at)->gate <= e->gate)
		at = &(*at)->next;
	e->next = *at;
	*at = e;
	if (e->next == NULL)
		r->emits_last = e;
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
	pthread_mutex_lock(&r->held_lock);
	insert(r, e);
	atomic_fetch_add(&r->emit_count, 1);
	pthread_mutex_unlock(&r->held_lock);
}

// Under held_lock, so that nobody publishes a later one before an earlier one.  Those of a failed flush are dropped:
// nobody acts on what a crash may take back.
static struct held_emit *release(struct router *r, uint64_t lsn, bool failed)
{
	struct held_emit *out = NULL, **end = &out;
	uint64_t durable = store_durable_lsn(r->config.store);
	while (r->emits_first != NULL && (failed || r->emits_first->gate <= lsn)) {
		struct held_emit *e = r->emits_first;
		r->emits_first = e->next;
		if (e->gate <= durable)
			to_bus(r, span_of(e->bytes, e->len));
		atomic_fetch_sub(&r->emit_count, 1);
		*end = e;
		end = &e->next;
	}
	*end = NULL;
	if (r->emits_first == NULL)
		r->emits_last = NULL;
	return out;
}

void emits_release(struct router *r, uint64_t lsn, bool failed)
{
	if (atomic_load(&r->emit_count) == 0)
		return;
	pthread_mutex_lock(&r->held_lock);
	struct held_emit *e = release(r, lsn, failed);
	pthread_mutex_unlock(&r->held_lock);
	for (struct held_emit *next; e != NULL; e = next) {
		next = e->next;
		if (e->gate <= store_durable_lsn(r->config.store))
			to_listeners(r, span_of(e->bytes, e->len));
		mem_free(e);
	}
}

// --- those of a commit --------------------------------------------------------------------------------------------------

// What is held is before it, so it is held, too, until those are gone.
bool emits_commit(struct router *r, struct worker *w, uint64_t gate)
{
	if (gate <= store_durable_lsn(r->config.store) && atomic_load(&r->emit_count) == 0) {
		to_bus(r, buffer_span(&w->emits));
		return true;
	}
	if (!store_failed(r->config.store))
		keep(r, &w->emits, gate);
	return false;
}

void emits_finish(struct router *r, struct worker *w, uint64_t gate, bool published)
{
	if (published) {
		to_listeners(r, buffer_span(&w->emits));
		return;
	}
	store_want_flush(r->config.store, gate);
	emits_release(r, store_durable_lsn(r->config.store), store_failed(r->config.store));
}

// --- a PUB client's -----------------------------------------------------------------------------------------------------

void router_message(struct router *r, wherry_span topic, wherry_span payload, wherry_span body)
{
	if (r->config.bus != NULL)
		bus_publish_plain(r->config.bus, topic, payload, body);
	if (r->config.hooks.publish != NULL)
		r->config.hooks.publish(r->config.hooks.arg, topic, payload, (wherry_span){0});
}
