// The ABI's wherry_keys on top of the store's transaction: an argument's index becomes the transaction's slot, a
// module's type index the store's type id.  Everything runs on the thread of the request, its stripes held.

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "codec/key.h"
#include "run/inside.h"

enum { NO_SLOT = UINT32_MAX };

int32_t call_fail(wherry_call *face, int32_t status, const char *text)
{
	return call_failf(face, status, "%s", text);
}

int32_t call_failf(wherry_call *face, int32_t status, const char *format, ...)
{
	struct call *c = call_of(face);
	va_list args;
	va_start(args, format);
	vsnprintf(c->worker->fail_text, sizeof(c->worker->fail_text), format, args);
	va_end(args);
	c->fail_text = c->worker->fail_text;
	return status;
}

static uint32_t slot_of(const struct call *c, uint32_t arg)
{
	return arg < c->slot_count ? c->slots[arg] : NO_SLOT;
}

static int no_key(struct call *c, uint32_t arg)
{
	return call_failf(&c->face, WHERRY_EARG, "%s: argument %" PRIu32 " is no key", c->command->name, arg);
}

// The store's id of the module's type; false: the module has no such type.
static bool type_of(const struct call *c, uint32_t index, uint32_t *type)
{
	if (index == WHERRY_ANY_TYPE) {
		*type = TXN_ANY_TYPE;
		return true;
	}
	if (index >= c->command->owner->type_count)
		return false;
	*type = c->command->owner->types[index];
	return true;
}

static uint32_t type_index(const struct call *c, uint32_t type)
{
	const struct command_owner *owner = c->command->owner;
	for (uint32_t i = 0; i < owner->type_count; i++)
		if (owner->types[i] == type)
			return i;
	return WHERRY_ANY_TYPE;
}

// Fills only the members that the module's wherry_key has room for.
static void show_key(const struct call *c, const struct txn_view *view, wherry_key *out)
{
	wherry_key key = {
	    .size = out->size,
	    .type = type_index(c, view->type),
	    .key = view->key,
	    .head = view->head,
	    .type_name = store_type_name(c->router->config.store, view->type),
	    .revision = view->revision,
	    .deadline_ms = view->deadline_ms,
	    .alarm_ms = view->alarm_ms,
	    .records = view->records,
	    .bytes = view->bytes,
	    .changed = view->changed,
	};
	if (out->size >= sizeof(key))
		*out = key;
	else
		memcpy(out, &key, out->size);
}

static int wrong_type(struct call *c, uint32_t slot, uint32_t type)
{
	struct txn_view view;
	if (txn_open(c->txn, slot, TXN_ANY_TYPE, &view) != WHERRY_OK)
		return WHERRY_ETYPE;
	char key[80];
	struct store *store = c->router->config.store;
	return call_failf(&c->face, WHERRY_ETYPE, "key %s holds a %s, not a %s", key_print(view.key, key, sizeof(key)),
	    store_type_name(store, view.type), store_type_name(store, type));
}

static int32_t keys_open(wherry_call *face, uint32_t arg, uint32_t index, wherry_key *out)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg), type;
	if (slot == NO_SLOT)
		return no_key(c, arg);
	if (!type_of(c, index, &type))
		return WHERRY_EARG;
	struct txn_view view;
	int status = txn_open(c->txn, slot, type, &view);
	if (status == WHERRY_ETYPE)
		return wrong_type(c, slot, type);
	if (status == WHERRY_OK)
		show_key(c, &view, out);
	return status;
}

static int32_t keys_put_head(wherry_call *face, uint32_t arg, uint32_t index, wherry_span head)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg), type;
	if (slot == NO_SLOT)
		return no_key(c, arg);
	if (!type_of(c, index, &type) || index == WHERRY_ANY_TYPE)
		return WHERRY_EARG;
	int status = txn_put_head(c->txn, slot, type, head);
	return status == WHERRY_ETYPE ? wrong_type(c, slot, type) : status;
}

// Remembered, and done after the commit: park_signals().
static int note_signal(struct call *c, uint32_t ns, wherry_span key, uint32_t count)
{
	struct worker *w = c->worker;
	if (atomic_load_explicit(&c->router->parked_count, memory_order_acquire) == 0)
		return WHERRY_OK; // waiters register under the stripe that is held now: there are none
	size_t room = w->signal_room, at = w->notes.len;
	bool ok = vector_room((void **)&w->signals, &room, w->signal_count, sizeof(w->signals[0]));
	w->signal_room = (uint32_t)room;
	buffer_append(&w->notes, key.ptr, key.len);
	if (!ok || w->notes.failed)
		return WHERRY_ENOMEM;
	w->signals[w->signal_count++] =
	    (struct signal_ref){ns, count, store_hash(c->router->config.store, key), at, key.len};
	return WHERRY_OK;
}

// Whoever waits on the key is told: any module may remove another's.
static int32_t keys_remove(wherry_call *face, uint32_t arg)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg), before = c->worker->signal_count;
	if (slot == NO_SLOT)
		return no_key(c, arg);
	int status = note_signal(c, txn_slot_ns(c->txn, slot), txn_slot_key(c->txn, slot), UINT32_MAX);
	if (status == WHERRY_OK && (status = txn_remove(c->txn, slot)) != WHERRY_OK)
		c->worker->signal_count = before;
	return status;
}

static int32_t keys_copy(wherry_call *face, uint32_t from, uint32_t to)
{
	struct call *c = call_of(face);
	uint32_t a = slot_of(c, from), b = slot_of(c, to);
	if (a == NO_SLOT || b == NO_SLOT)
		return no_key(c, a == NO_SLOT ? from : to);
	return txn_copy(c->txn, a, b);
}

static int32_t keys_set_deadline(wherry_call *face, uint32_t arg, int64_t unix_ms)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_set_deadline(c->txn, slot, unix_ms);
}

static int32_t keys_set_alarm(wherry_call *face, uint32_t arg, int64_t unix_ms)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_set_alarm(c->txn, slot, unix_ms);
}

static int32_t keys_get(wherry_call *face, uint32_t arg, wherry_span subkey, wherry_span *value)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_get(c->txn, slot, subkey, value);
}

static int32_t keys_put(wherry_call *face, uint32_t arg, wherry_span subkey, wherry_span value)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	if (slot == NO_SLOT)
		return no_key(c, arg);
	size_t limit = (size_t)c->router->config.limits->key_bytes;
	if (subkey.len > limit)
		return call_failf(face, WHERRY_ELIMIT, "a subkey is longer than %zu bytes (max_key)", limit);
	return txn_put(c->txn, slot, subkey, value);
}

static int32_t keys_patch(wherry_call *face, uint32_t arg, wherry_span subkey, uint64_t at, wherry_span bytes)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_patch(c->txn, slot, subkey, at, bytes);
}

static int32_t keys_del(wherry_call *face, uint32_t arg, wherry_span subkey)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_del(c->txn, slot, subkey);
}

static int32_t keys_seek(wherry_call *face, uint32_t arg, wherry_span subkey, int32_t direction, wherry_cursor *out)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_seek(c->txn, slot, subkey, direction, out);
}

static int32_t keys_seek_rank(wherry_call *face, uint32_t arg, int64_t rank, int32_t direction, wherry_cursor *out)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_seek_rank(c->txn, slot, rank, direction, out);
}

static int32_t keys_rank(wherry_call *face, uint32_t arg, wherry_span subkey, uint64_t *rank)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_rank(c->txn, slot, subkey, rank);
}

static int32_t keys_next(wherry_cursor *cursor, wherry_span *subkey, wherry_span *value)
{
	return txn_next(cursor, subkey, value);
}

static int32_t keys_put_between(
    wherry_call *face, uint32_t arg, wherry_span before, wherry_span after, wherry_span value)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg) : txn_put_between(c->txn, slot, before, after, value);
}

void needed_clear(struct worker *w)
{
	w->needed_count = 0;
	buffer_clear(&w->needed_bytes);
	while (w->kept != NULL) {
		struct kept_key *k = w->kept;
		w->kept = k->next;
		mem_free(k);
	}
}

static bool keep_key(struct worker *w, wherry_span *key)
{
	struct kept_key *k = mem_alloc(sizeof(*k) + key->len);
	if (k == NULL)
		return false;
	memcpy(k->bytes, key->ptr, key->len);
	k->next = w->kept;
	w->kept = k;
	key->ptr = k->bytes;
	return true;
}

static int remember_needed(struct worker *w, uint32_t ns, wherry_span key, enum txn_mode mode)
{
	size_t room = w->needed_room;
	bool ok = vector_room((void **)&w->needed, &room, w->needed_count, sizeof(w->needed[0]));
	w->needed_room = (uint32_t)room;
	size_t at = w->needed_bytes.len;
	buffer_append(&w->needed_bytes, key.ptr, key.len);
	if (!ok || w->needed_bytes.failed)
		return WHERRY_ENOMEM;
	w->needed[w->needed_count++] = (struct needed_key){at, key.len, ns, (uint8_t)mode};
	return WHERRY_RESTART;
}

int needed_declare(struct worker *w, const struct store *store)
{
	for (uint32_t i = 0; i < w->needed_count; i++) {
		const struct needed_key *n = &w->needed[i];
		wherry_span key = span_of(w->needed_bytes.data + n->at, n->len);
		uint32_t unused; // it is locked: need() gives it its index
		int status = txn_key(w->txn, n->ns, key, store_hash(store, key), n->mode, &unused);
		if (status != WHERRY_OK)
			return status;
	}
	return WHERRY_OK;
}

// What was remembered of it: the module's own bytes may be gone before its changes are.
static bool find_needed(const struct worker *w, uint32_t ns, wherry_span key, wherry_span *kept)
{
	for (uint32_t i = 0; i < w->needed_count; i++) {
		const struct needed_key *n = &w->needed[i];
		*kept = span_of(w->needed_bytes.data + n->at, n->len);
		if (n->ns == ns && span_equal(*kept, key))
			return true;
	}
	return false;
}

static int need_in(struct call *c, uint32_t ns, wherry_span key, enum txn_mode mode, uint32_t *arg)
{
	struct worker *w = c->worker;
	if (key.len == 0 || key.len > (size_t)c->router->config.limits->key_bytes)
		return call_failf(&c->face, WHERRY_ELIMIT, "a needed key is empty or longer than max_key");
	if (!vector_room((void **)&w->slots, &w->slot_room, c->slot_count, sizeof(w->slots[0])))
		return WHERRY_ENOMEM;
	c->slots = w->slots;
	uint32_t slot;
	wherry_span kept;
	if (!find_needed(w, ns, key, &kept)) {
		kept = key;
		if (!keep_key(w, &kept))
			return WHERRY_ENOMEM;
	}
	int status = txn_need(c->txn, ns, kept, store_hash(c->router->config.store, kept), mode, &slot);
	if (status == WHERRY_RESTART)
		return remember_needed(w, ns, key, mode);
	if (status == WHERRY_OK) {
		w->slots[c->slot_count] = slot;
		*arg = c->slot_count++;
	}
	return status;
}

static int32_t keys_need(wherry_call *face, wherry_span key, uint32_t mode, uint32_t *arg)
{
	struct call *c = call_of(face);
	return need_in(c, c->ns, key, mode == WHERRY_WRITE ? TXN_WRITE : TXN_READ, arg);
}

static int32_t keys_need_own(wherry_call *face, wherry_span key, uint32_t mode, uint32_t *arg)
{
	struct call *c = call_of(face);
	uint32_t ns;
	int status = store_ns_own(c->router->config.store, c->command->owner->module, &ns);
	return status == WHERRY_OK ? need_in(c, ns, key, mode == WHERRY_WRITE ? TXN_WRITE : TXN_READ, arg) : status;
}

static int32_t keys_signal(wherry_call *face, uint32_t arg, uint32_t count)
{
	struct call *c = call_of(face);
	uint32_t slot = slot_of(c, arg);
	return slot == NO_SLOT ? no_key(c, arg)
			       : note_signal(c, txn_slot_ns(c->txn, slot), txn_slot_key(c->txn, slot), count);
}

static int32_t keys_park(wherry_call *face, int64_t timeout_ms, uint64_t *ticket)
{
	struct call *c = call_of(face);
	if (!(c->command->flags & WHERRY_CMD_PARKS))
		return call_failf(face, WHERRY_EINTERNAL, "%s parks without WHERRY_CMD_PARKS", c->command->name);
	c->park_timeout_ms = timeout_ms;
	c->parking = true;
	if (!call_in_transaction(c)) // which waits for nobody
		parking_begin(c->router, c->worker, c->ticket);
	if (ticket != NULL)
		*ticket = c->ticket;
	return WHERRY_OK;
}

struct scan_each {
	struct call *call;
	uint32_t ns;
	int32_t (*each)(void *arg, const wherry_key *);
	void *arg;
};

static int32_t scan_one(void *arg, const struct txn_view *view)
{
	struct scan_each *s = arg;
	wherry_key key = {.size = sizeof(key)};
	show_key(s->call, view, &key);
	int32_t verdict = s->each(s->arg, &key);
	if (verdict == WHERRY_SCAN_REMOVE && park_waits(s->call->router, s->ns, view->key))
		note_signal(s->call, s->ns, view->key, UINT32_MAX);
	return verdict;
}

static uint64_t scan_in(struct call *c, uint32_t ns, uint64_t cursor, uint32_t count, uint32_t index,
    int32_t (*each)(void *arg, const wherry_key *), void *arg)
{
	uint32_t type;
	if (!(c->command->flags & WHERRY_CMD_SCANS) || !type_of(c, index, &type))
		return 0;
	if (c->worker->needed_count > 0) { // it would wait for a stripe that it holds itself
		c->scan_status =
		    call_failf(&c->face, WHERRY_EINTERNAL, "%s scans with a needed key held", c->command->name);
		return 0;
	}
	struct scan_each scan = {c, ns, each, arg};
	return store_scan(c->router->config.store, ns, cursor, count, type, c->face.now_ms, scan_one, &scan, &c->gate,
	    &c->scan_status);
}

static uint64_t keys_scan(wherry_call *face, uint64_t cursor, uint32_t count, uint32_t index,
    int32_t (*each)(void *arg, const wherry_key *), void *arg)
{
	return scan_in(call_of(face), call_of(face)->ns, cursor, count, index, each, arg);
}

static uint64_t keys_scan_own(wherry_call *face, uint64_t cursor, uint32_t count, uint32_t index,
    int32_t (*each)(void *arg, const wherry_key *), void *arg)
{
	struct call *c = call_of(face);
	uint32_t ns;
	c->scan_status = store_ns_own(c->router->config.store, c->command->owner->module, &ns);
	return c->scan_status == WHERRY_OK ? scan_in(c, ns, cursor, count, index, each, arg) : 0;
}

static uint64_t keys_count(wherry_call *face)
{
	struct call *c = call_of(face);
	struct store *store = c->router->config.store;
	bool holds = c->command->has_keys || c->worker->needed_count > 0 || call_in_transaction(c);
	return holds ? store_keys(store, c->ns) : store_live_keys(store, c->ns, face->now_ms);
}

static wherry_span keys_ns(wherry_call *face)
{
	struct call *c = call_of(face);
	return span_text(store_ns_name(c->router->config.store, c->ns));
}

const wherry_keys call_keys = {
    .size = sizeof(wherry_keys),
    .open = keys_open,
    .put_head = keys_put_head,
    .remove = keys_remove,
    .copy = keys_copy,
    .set_deadline = keys_set_deadline,
    .set_alarm = keys_set_alarm,
    .get = keys_get,
    .put = keys_put,
    .patch = keys_patch,
    .del = keys_del,
    .seek = keys_seek,
    .seek_rank = keys_seek_rank,
    .rank = keys_rank,
    .next = keys_next,
    .put_between = keys_put_between,
    .need = keys_need,
    .signal = keys_signal,
    .park = keys_park,
    .scan = keys_scan,
    .count = keys_count,
    .need_own = keys_need_own,
    .ns = keys_ns,
    .scan_own = keys_scan_own,
};
