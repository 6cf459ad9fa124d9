// The whole namespace, a stripe at a time: scanned, listed, counted, cleared.
//
// How many keys will be found is known only at the end, and an array says so at its beginning: what is found
// is collected in memory of the module's, at most max_answer bytes, then answered in one piece.

#include "kv.h"

#include <string.h>

enum { SCAN_PRESET = 100, GETALL_PRESET = 1000, STEP = 1000 };

// One walk over keys and what it found.  each() can't answer an error: the first one stands in `status`.
struct walk {
	const struct kv *kv;
	wherry_call *call;
	wherry_span match, type; // ptr NULL: all
	bool pairs;              // [key, value], not key
	int32_t status;
	uint32_t count, most; // above `most` nothing more is collected
	uint8_t *data;
	size_t len, room;
};

static int32_t reserve(struct walk *w, size_t more)
{
	int32_t status = kv_check_answer(w->kv, w->call, w->len + more);
	if (status || w->room - w->len >= more)
		return status;
	size_t room = w->room ? w->room : 1024;
	while (room < w->len + more)
		room *= 2;
	uint8_t *data = w->kv->host->resize(w->kv->owner, w->data, room);
	if (!data)
		return WHERRY_ENOMEM;
	w->data = data;
	w->room = room;
	return WHERRY_OK;
}

static void append(struct walk *w, wherry_span bytes)
{
	if (bytes.len)
		memcpy(w->data + w->len, bytes.ptr, bytes.len);
	w->len += bytes.len;
}

static int32_t collect(struct walk *w, const wherry_key *key)
{
	static const uint8_t pair = 0x92; // an array of two
	int32_t status = reserve(w, key->key.len + (w->pairs ? 1 + key->head.len : 0));
	if (status)
		return status;
	if (w->pairs)
		append(w, (wherry_span){&pair, 1});
	append(w, key->key);
	if (w->pairs)
		append(w, key->head);
	return WHERRY_OK;
}

// OK: it is wanted; ENOKEY: it isn't.  A pattern matches str and bin keys only.
static int32_t wanted(const struct walk *w, const wherry_key *key)
{
	if (w->type.ptr && (strlen(key->type_name) != w->type.len || memcmp(key->type_name, w->type.ptr, w->type.len)))
		return WHERRY_ENOKEY;
	if (!w->match.ptr)
		return WHERRY_OK;
	wherry_value name;
	int32_t status = w->kv->read->value(key->key, &name);
	if (status)
		return status;
	if (!(name.kind & (WHERRY_TEXT | WHERRY_BYTES)))
		return WHERRY_ENOKEY;
	status = w->kv->read->glob(w->match, name.as.bytes);
	if (status == WHERRY_ELIMIT)
		return kv_fail(w->kv, w->call, WHERRY_ELIMIT, "match takes too long on a key; use fewer stars");
	return status == 1 ? WHERRY_OK : WHERRY_ENOKEY;
}

static int32_t each_key(void *arg, const wherry_key *key)
{
	struct walk *w = arg;
	if (w->status || w->count > w->most)
		return WHERRY_SCAN_NEXT;
	int32_t status = wanted(w, key);
	if (status == WHERRY_ENOKEY)
		return WHERRY_SCAN_NEXT;
	w->count++;
	w->status = status || w->count > w->most ? status : collect(w, key);
	return WHERRY_SCAN_NEXT;
}

static void answer(const struct walk *w)
{
	w->kv->write->array(w->call->reply, w->count);
	if (w->len)
		w->kv->write->raw(w->call->reply, (wherry_span){w->data, w->len});
}

static void walk_free(struct walk *w)
{
	if (w->data)
		w->kv->host->release(w->kv->owner, w->data);
}

static int32_t take_match(struct walk *w, const wherry_value *match)
{
	if (!match->kind)
		return WHERRY_OK;
	const char *fault = w->kv->read->glob_fault(match->as.bytes);
	if (fault)
		return w->kv->host->fail(w->call, WHERRY_EARG, fault);
	w->match = match->as.bytes.len ? match->as.bytes : (wherry_span){"", 0};
	return WHERRY_OK;
}

static int32_t take_limit(struct walk *w, const wherry_value *limit, uint32_t preset, uint32_t *taken)
{
	int64_t most = atomic_load_explicit(&w->kv->max_keys, memory_order_relaxed);
	*taken = preset < most ? preset : (uint32_t)most;
	if (!limit->kind)
		return WHERRY_OK;
	if (limit->as.i < 1 || limit->as.i > most)
		return kv_fail(
		    w->kv, w->call, WHERRY_EARG, "limit must be from 1 to kv.max_keys, %lld", (long long)most);
	*taken = (uint32_t)limit->as.i;
	return WHERRY_OK;
}

static bool span_is(wherry_span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.ptr, text, span.len) == 0;
}

// Sets up a kv.scan; *type is the filter that the host applies, w->type the one that is left to us.
static int32_t take_scan(struct walk *w, uint32_t *limit, uint32_t *type)
{
	const wherry_value *a = w->call->args;
	if (a[SCAN_CURSOR].kind == WHERRY_INT && a[SCAN_CURSOR].as.i < 0)
		return kv_fail(
		    w->kv, w->call, WHERRY_EARG, "cursor is 0 to begin, then what the last answer began with");
	bool named = a[SCAN_TYPE].kind, mine = named && span_is(a[SCAN_TYPE].as.bytes, "kv.value");
	w->pairs = kv_flag(&a[SCAN_VALUES]);
	if (w->pairs && named && !mine)
		return kv_fail(
		    w->kv, w->call, WHERRY_EARG, "values are answered of the type kv.value only; leave type out");
	*type = w->pairs || mine ? (uint32_t)KV_VALUE : WHERRY_ANY_TYPE;
	if (named && !mine)
		w->type = a[SCAN_TYPE].as.bytes.len ? a[SCAN_TYPE].as.bytes : (wherry_span){"", 0};
	int32_t status = take_match(w, &a[SCAN_MATCH]);
	return status ? status : take_limit(w, &a[SCAN_LIMIT], SCAN_PRESET, limit);
}

int32_t kv_scan(void *self, wherry_call *call)
{
	struct walk w = {.kv = self, .call = call, .most = UINT32_MAX};
	uint32_t limit = SCAN_PRESET, type = WHERRY_ANY_TYPE;
	int32_t status = take_scan(&w, &limit, &type);
	if (status)
		return status;
	uint64_t cursor = w.kv->keys->scan(call, call->args[SCAN_CURSOR].as.u, limit, type, each_key, &w);
	if (!w.status) {
		w.kv->write->array(call->reply, 2);
		w.kv->write->uinteger(call->reply, cursor);
		answer(&w);
	}
	walk_free(&w);
	return w.status;
}

int32_t kv_getall(void *self, wherry_call *call)
{
	struct walk w = {.kv = self, .call = call, .pairs = true};
	int32_t status;
	if ((status = take_match(&w, &call->args[GETALL_MATCH])) ||
	    (status = take_limit(&w, &call->args[GETALL_LIMIT], GETALL_PRESET, &w.most)))
		return status;
	uint64_t cursor = 0;
	do
		cursor = w.kv->keys->scan(call, cursor, STEP, KV_VALUE, each_key, &w);
	while (cursor && !w.status && w.count <= w.most);
	if (!w.status && w.count > w.most)
		w.status = kv_fail(w.kv, call, WHERRY_ELIMIT,
		    "there are more than %u such keys; raise limit, or walk with kv.scan", w.most);
	if (!w.status)
		answer(&w);
	walk_free(&w);
	return w.status;
}

int32_t kv_count(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	kv->write->uinteger(call->reply, kv->keys->count(call));
	return WHERRY_OK;
}

static int32_t remove_each(void *arg, const wherry_key *key)
{
	(void)key;
	++*(uint64_t *)arg;
	return WHERRY_SCAN_REMOVE;
}

int32_t kv_clear(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	uint64_t removed = 0, cursor = 0;
	do
		cursor = kv->keys->scan(call, cursor, STEP, WHERRY_ANY_TYPE, remove_each, &removed);
	while (cursor);
	kv->write->uinteger(call->reply, removed);
	return WHERRY_OK;
}
