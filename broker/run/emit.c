// Messages that a command emitted.  They reach the bus in the order of the commits: right after a commit, while the
// stripes of its keys are still held, or, if it is not durable yet, when it is.  Listeners in the broker hear them when
// nothing is locked any more.

#include <string.h>

#include "base/mem.h"
#include "run/inside.h"

// --- rows: struct emit, and what its parts have, again and again --------------------------------------------------------

bool emit_add(struct buffer *row, const struct emit *e)
{
	size_t before = row->len;
	buffer_append(row, e, sizeof(*e));
	for (int i = 0; i < 3; i++)
		buffer_append(row, e->part[i].ptr, e->part[i].len);
	if (row->failed)
		row->len = before;
	return !row->failed;
}

static const uint8_t *emit_read(const uint8_t *at, struct emit *e)
{
	memcpy(e, at, sizeof(*e));
	at += sizeof(*e);
	for (int i = 0; i < 3; i++) {
		e->part[i].ptr = at;
		at += e->part[i].len;
	}
	return at;
}

static void message_to_bus(struct router *r, const struct emit *e)
{
	uint64_t receivers;
	wherry_message m = {.size = sizeof(m),
	    .flags = e->flags,
	    .topic = e->part[0],
	    .payload = e->part[1],
	    .headers = e->part[2],
	    .expires_ms = e->expires_ms};
	if (bus_send(r->config.bus, &m, &receivers) != WHERRY_OK)
		log_event(r->config.log, WHERRY_LOG_ERROR, "message dropped", "reason", "out of memory", NULL);
}

static void one_to_bus(struct router *r, const struct emit *e)
{
	switch (e->kind) {
	case EMIT_MESSAGE:
		message_to_bus(r, e);
		break;
	case EMIT_CHANGE:
		change_to_bus(r, e);
		break;
	case EMIT_STATE:
		state_to_bus(r, e);
		break;
	}
}

static void to_bus(struct router *r, wherry_span row)
{
	const uint8_t *at = row.ptr, *end = at + row.len;
	struct emit e;
	while (r->config.bus != NULL && at < end) {
		at = emit_read(at, &e);
		one_to_bus(r, &e);
	}
}

static void to_listeners(struct router *r, wherry_span row)
{
	const uint8_t *at = row.ptr, *end = at + row.len;
	struct emit e;
	while (r->config.hooks.publish != NULL && at < end) {
		at = emit_read(at, &e);
		if (e.kind == EMIT_MESSAGE && !(e.flags & WHERRY_MESSAGE_SILENT))
			r->config.hooks.publish(r->config.hooks.arg, e.part[0], e.part[1], e.part[2]);
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

static void keep(struct router *r, wherry_span row, uint64_t gate)
{
	struct held_emit *e = mem_alloc(sizeof(*e) + row.len);
	if (e == NULL) {
		log_event(r->config.log, WHERRY_LOG_ERROR, "messages dropped", "reason", "out of memory", NULL);
		return;
	}
	*e = (struct held_emit){NULL, gate, row.len};
	memcpy(e->bytes, row.ptr, row.len);
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
static bool may_go(struct router *r, uint64_t gate)
{
	return gate <= store_durable_lsn(r->config.store) && atomic_load(&r->emit_count) == 0;
}

void emit_change(struct router *r, const struct emit *e, uint64_t gate)
{
	struct buffer row = {0};
	if (may_go(r, gate))
		change_to_bus(r, e);
	else if (emit_add(&row, e))
		emit_row(r, buffer_span(&row), gate);
	else
		log_event(r->config.log, WHERRY_LOG_ERROR, "change not told", "reason", "out of memory", NULL);
	buffer_free(&row);
}

bool emit_row(struct router *r, wherry_span row, uint64_t gate)
{
	if (may_go(r, gate)) {
		to_bus(r, row);
		return true;
	}
	if (!store_failed(r->config.store))
		keep(r, row, gate);
	return false;
}

bool emits_commit(struct router *r, struct worker *w, uint64_t gate)
{
	return emit_row(r, buffer_span(&w->emits), gate);
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
