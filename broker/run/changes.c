// What becomes of keys, for those who watch: told by the store at each commit (router_changed), to the bus in the order of
// the commits, once they are durable.  As messages, too, if somebody subscribed to the broker's topics of keys,
// "$key.<namespace>.<event>".

#include <stdio.h>
#include <string.h>

#include "bus/bus.h"
#include "run/inside.h"

enum { TOPIC_ROOM = 96 };

static const char *const words[] = {"put", "del", "expire", "cas"};
enum { WORD_CAS = 3 };
_Static_assert(STORE_PUT == 0 && STORE_DEL == 1 && STORE_EXPIRE == 2, "the words are in their order");

static bool shows_head(struct router *r, uint32_t type)
{
	return type < STORE_TYPES && atomic_load_explicit(&r->shows_head[type], memory_order_relaxed);
}

void router_type_shows_head(struct router *r, uint32_t type, bool shows)
{
	atomic_store(&r->shows_head[type], shows);
}

// Under the key's stripe.
void router_changed(struct router *r, const struct store_change *change)
{
	struct emit e = {.kind = EMIT_CHANGE,
	    .ns = change->ns,
	    .event = change->event == STORE_PUT && change->swapped ? WORD_CAS : (uint32_t)change->event,
	    .revision = change->revision,
	    .part = {change->key, shows_head(r, change->type) ? change->head : (wherry_span){0}}};
	if (r->config.bus != NULL)
		emit_change(r, &e, change->revision);
}

static struct key_event event_of(const struct emit *e, const char *word)
{
	return (struct key_event){
	    .event = word, .ns = e->ns, .key = e->part[0], .value = e->part[1], .revision = e->revision};
}

// payload: the key; headers: {"revision": n}.
static void publish_change(struct router *r, const struct emit *e)
{
	char topic[TOPIC_ROOM];
	struct buffer headers = {0};
	wherry_out out = {&headers, NULL};
	snprintf(topic, sizeof(topic), "$key.%s.%s", store_ns_name(r->config.store, e->ns), words[e->event]);
	pack_map(&out, 1);
	pack_cstring(&out, "revision");
	pack_uint(&out, e->revision);
	if (!headers.failed)
		bus_publish(r->config.bus, span_text(topic), e->part[0], buffer_span(&headers));
	buffer_free(&headers);
}

void change_to_bus(struct router *r, const struct emit *e)
{
	struct key_event event = event_of(e, words[e->event]);
	bus_tell(r->config.bus, &event);
	if (bus_has_key_filters(r->config.bus))
		publish_change(r, e);
}

void state_to_bus(struct router *r, const struct emit *e)
{
	struct session *s = session_find(r, e->session);
	struct key_event event = event_of(e, "state");
	if (s == NULL)
		return;
	if (session_outbox_opened(s) != NULL)
		bus_tell_one(session_outbox_opened(s), e->watch, &event);
	session_drop(s);
}

// --- the ABI's ------------------------------------------------------------------------------------------------------------

static uint32_t slot_of(const struct call *c, uint32_t arg)
{
	return arg < c->slot_count ? c->slots[arg] : UINT32_MAX;
}

int32_t call_state(wherry_call *face, uint64_t session, uint64_t watch, uint32_t arg)
{
	struct call *c = call_of(face);
	struct txn_view view;
	int status = txn_open(c->txn, slot_of(c, arg), TXN_ANY_TYPE, &view);
	if (status != WHERRY_OK && status != WHERRY_ENOKEY)
		return status;
	struct emit e = {.kind = EMIT_STATE, .ns = c->ns, .session = session, .watch = watch};
	e.part[0] = txn_slot_key(c->txn, slot_of(c, arg));
	if (status == WHERRY_OK) {
		e.part[1] = shows_head(c->router, view.type) ? view.head : (wherry_span){0};
		e.revision = view.revision;
	}
	return emit_add(&c->worker->emits, &e) ? WHERRY_OK : WHERRY_ENOMEM;
}

static int32_t tell_states(wherry_call *face, const wherry_watch *w, uint64_t id)
{
	int32_t status = WHERRY_OK;
	for (uint32_t i = 0; i < w->key_count && status == WHERRY_OK; i++)
		status = call_state(face, face->session, id, w->keys[i]);
	return status;
}

static int collect_keys(const struct call *c, const wherry_watch *w, struct buffer *spans)
{
	for (uint32_t i = 0; i < w->key_count; i++) {
		wherry_span key = txn_slot_key(c->txn, slot_of(c, w->keys[i]));
		if (key.ptr == NULL)
			return WHERRY_EARG;
		buffer_append(spans, &key, sizeof(key));
	}
	return spans->failed ? WHERRY_ENOMEM : WHERRY_OK;
}

static int begin(struct call *c, const wherry_watch *w, uint64_t *id)
{
	struct buffer spans = {0};
	const char *why = NULL;
	struct outbox *o = session_outbox(c->session);
	int status = o != NULL ? collect_keys(c, w, &spans) : WHERRY_ENOMEM;
	struct watch wanted = {.ns = c->ns,
	    .key_count = w->key_count,
	    .pattern_count = w->pattern_count,
	    .keys = (const wherry_span *)(const void *)spans.data,
	    .patterns = w->patterns,
	    .overflow = (enum overflow)w->overflow,
	    .messages = (int64_t)w->max_messages,
	    .bytes = (int64_t)w->max_bytes};
	if (status == WHERRY_OK)
		status = bus_watch(o, &wanted, id, &why);
	buffer_free(&spans);
	return why != NULL ? call_fail(&c->face, status, why) : status;
}

int32_t call_watch(wherry_call *face, const wherry_watch *w, uint64_t *id)
{
	struct call *c = call_of(face);
	if (c->session == NULL || c->router->config.bus == NULL || (face->flags & WHERRY_CALL_TRANSACTION))
		return call_fail(face, WHERRY_EUNSUPPORTED, "a watch belongs to a session, and to no transaction");
	int32_t status = begin(c, w, id);
	if (status != WHERRY_OK || !(w->flags & WHERRY_WATCH_INITIAL))
		return status;
	status = tell_states(face, w, *id);
	if (status != WHERRY_OK)
		bus_unwatch(session_outbox_opened(c->session), *id);
	return status;
}

int32_t call_unwatch(wherry_call *face, uint64_t id)
{
	struct call *c = call_of(face);
	struct outbox *o = c->session != NULL ? session_outbox_opened(c->session) : NULL;
	return o != NULL && bus_unwatch(o, id) ? WHERRY_OK : WHERRY_ENOKEY;
}
