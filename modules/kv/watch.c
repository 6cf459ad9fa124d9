// What becomes of keys, for a session that watches them.  The broker tells; here it is said what is watched, and what
// there is at first.
//
// The keys that a pattern matches at first are looked for after the watch has begun, a slice of the namespace at a time by
// the broker itself (kv.watch_scan), and told under their stripes (kv.watch_state), so in order with what becomes of them:
// none is missed.  One that changes meanwhile may be told twice, with the same revision.

#include "kv.h"

#include <string.h>

enum { SLICE = 1000, TOLD_TOGETHER = 64, OPTIONS_MOST = 80 };

// --- requests of the module's own -----------------------------------------------------------------------------------------

// [2, method, [session, watch, ...], {"ns": name}]: what stands before and behind the rest of the parameters.
struct request {
	const struct kv *kv;
	uint8_t *data;
	size_t len, room;
	bool failed;
};

static void append(struct request *r, const void *bytes, size_t len)
{
	if (r->failed || len == 0)
		return;
	if (r->room - r->len < len) {
		size_t room = 2 * (r->len + len);
		uint8_t *data = r->kv->host->resize(r->kv->owner, r->data, room);
		r->failed = !data;
		if (!data)
			return;
		r->data = data;
		r->room = room;
	}
	memcpy(r->data + r->len, bytes, len);
	r->len += len;
}

static void append_number(struct request *r, uint8_t kind, uint64_t number, int bytes)
{
	uint8_t out[9] = {kind};
	for (int i = bytes; i > 0; i--, number >>= 8)
		out[i] = (uint8_t)number;
	append(r, out, (size_t)bytes + 1);
}

static void append_short(struct request *r, const void *text, size_t len)
{
	append_number(r, 0xd9, len, 1); // str 8
	append(r, text, len);
}

static void begin(struct request *r, const char *method, uint16_t params, uint64_t session, uint64_t watch)
{
	r->len = 0;
	append(r, "\x94\x02", 2);
	append_short(r, method, strlen(method));
	append_number(r, 0xdc, params, 2);
	append_number(r, 0xcf, session, 8);
	append_number(r, 0xcf, watch, 8);
}

// False: no memory, or the broker ends.
static bool submit(struct request *r, wherry_call *call)
{
	wherry_span ns = r->kv->keys->ns(call);
	append(r, "\x81\xa2ns", 4);
	append_short(r, ns.ptr, ns.len);
	return !r->failed && r->kv->host->submit(r->kv->owner, (wherry_span){r->data, r->len}) == WHERRY_OK;
}

static void request_free(struct request *r)
{
	if (r->data)
		r->kv->host->release(r->kv->owner, r->data);
}

static bool submit_scan(
    const struct kv *kv, wherry_call *call, uint64_t session, uint64_t watch, wherry_span pattern, uint64_t cursor)
{
	struct request r = {.kv = kv};
	begin(&r, "kv.watch_scan", 4, session, watch);
	append_number(&r, 0xc6, pattern.len, 4); // bin 32
	append(&r, pattern.ptr, pattern.len);
	append_number(&r, 0xcf, cursor, 8);
	bool done = submit(&r, call);
	request_free(&r);
	return done;
}

// --- watching ---------------------------------------------------------------------------------------------------------------

static bool is_pattern(const struct kv *kv, const wherry_value *key)
{
	return (key->kind & (WHERRY_TEXT | WHERRY_BYTES)) && kv->read->is_glob(key->as.bytes);
}

static int32_t take_overflow(const struct kv *kv, wherry_call *call, wherry_watch *w)
{
	static const struct {
		const char *word;
		uint32_t overflow;
	} words[] = {{"drop_oldest", WHERRY_OVERFLOW_DROP_OLDEST}, {"drop_newest", WHERRY_OVERFLOW_DROP_NEWEST},
	    {"disconnect", WHERRY_OVERFLOW_DISCONNECT}};
	const wherry_value *option = &call->args[WATCH_OVERFLOW];
	for (size_t i = 0; option->kind && i < sizeof words / sizeof *words; i++) {
		w->overflow = words[i].overflow;
		if (strlen(words[i].word) == option->as.bytes.len &&
		    !memcmp(words[i].word, option->as.bytes.ptr, option->as.bytes.len))
			return WHERRY_OK;
	}
	return option->kind ? kv_fail(kv, call, WHERRY_EARG, "overflow must be drop_oldest, drop_newest or disconnect")
			    : WHERRY_OK;
}

static int32_t take_bound(
    const struct kv *kv, wherry_call *call, const wherry_value *option, const char *name, uint64_t *bound)
{
	if (option->kind && option->as.i < 1)
		return kv_fail(kv, call, WHERRY_EARG, "%s must be positive", name);
	*bound = option->kind ? (uint64_t)option->as.i : 0;
	return WHERRY_OK;
}

static int32_t take_options(const struct kv *kv, wherry_call *call, wherry_watch *w)
{
	int32_t status = take_overflow(kv, call, w);
	if (!status)
		status = take_bound(kv, call, &call->args[WATCH_MAX_MESSAGES], "max_messages", &w->max_messages);
	if (!status)
		status = take_bound(kv, call, &call->args[WATCH_MAX_BYTES], "max_bytes", &w->max_bytes);
	w->flags = kv_flag(&call->args[WATCH_INITIAL]) ? WHERRY_WATCH_INITIAL : 0;
	return status;
}

static void sort_out(const struct kv *kv, wherry_call *call, uint32_t *keys, wherry_span *patterns, wherry_watch *w)
{
	for (uint32_t i = WATCH_KEYS; i < call->argc; i++) {
		if (is_pattern(kv, &call->args[i]))
			patterns[w->pattern_count++] = call->args[i].as.bytes;
		else
			keys[w->key_count++] = i;
	}
	w->keys = keys;
	w->patterns = patterns;
}

static int32_t begin_watch(const struct kv *kv, wherry_call *call, wherry_watch *w)
{
	uint64_t id;
	int32_t status = kv->bus->watch(call, w, &id);
	for (uint32_t i = 0; !status && (w->flags & WHERRY_WATCH_INITIAL) && i < w->pattern_count; i++) {
		if (submit_scan(kv, call, call->session, id, w->patterns[i], 0))
			continue;
		kv->bus->unwatch(call, id);
		status = WHERRY_ENOMEM;
	}
	if (!status)
		kv->write->uinteger(call->reply, id);
	return status;
}

int32_t kv_watch(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	uint32_t count = call->argc - WATCH_KEYS;
	wherry_watch w = {.size = sizeof w};
	int32_t status = take_options(kv, call, &w);
	if (status)
		return status;
	uint32_t *keys = kv->host->alloc(kv->owner, count * sizeof *keys);
	wherry_span *patterns = kv->host->alloc(kv->owner, count * sizeof *patterns);
	if (keys && patterns) {
		sort_out(kv, call, keys, patterns, &w);
		status = begin_watch(kv, call, &w);
	} else {
		status = WHERRY_ENOMEM;
	}
	kv->host->release(kv->owner, keys);
	kv->host->release(kv->owner, patterns);
	return status;
}

int32_t kv_unwatch(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	uint64_t id = call->args[0].as.u;
	if (kv->bus->unwatch(call, id))
		return kv_fail(kv, call, WHERRY_ENOKEY, "this session has no watch %llu", (unsigned long long)id);
	kv->write->boolean(call->reply, 1);
	return WHERRY_OK;
}

// --- what there is at first -----------------------------------------------------------------------------------------------

struct finding {
	const struct kv *kv;
	wherry_span match;
	struct request keys, ends; // encoded keys after one another; where each ends, a size_t
	uint32_t count;
};

static int32_t find(void *arg, const wherry_key *key)
{
	struct finding *f = arg;
	wherry_value name;
	if (f->kv->read->value(key->key, &name) || !(name.kind & (WHERRY_TEXT | WHERRY_BYTES)) ||
	    f->kv->read->glob(f->match, name.as.bytes) == 0)
		return WHERRY_SCAN_NEXT;
	append(&f->keys, key->key.ptr, key->key.len);
	append(&f->ends, &f->keys.len, sizeof f->keys.len);
	f->count++;
	return WHERRY_SCAN_NEXT;
}

static size_t end_of(const struct finding *f, uint32_t count)
{
	size_t end = 0;
	if (count > 0)
		memcpy(&end, f->ends.data + (count - 1) * sizeof end, sizeof end);
	return end;
}

static bool submit_states(const struct finding *f, wherry_call *call, uint32_t from, uint32_t to)
{
	struct request r = {.kv = f->kv};
	size_t begin_at = end_of(f, from);
	begin(&r, "kv.watch_state", (uint16_t)(to - from + 2), call->args[WATCH_SCAN_SESSION].as.u,
	    call->args[WATCH_SCAN_WATCH].as.u);
	append(&r, f->keys.data + begin_at, end_of(f, to) - begin_at);
	bool done = submit(&r, call);
	request_free(&r);
	return done;
}

static bool submit_found(const struct finding *f, wherry_call *call, uint64_t cursor)
{
	bool done = !f->keys.failed && !f->ends.failed;
	for (uint32_t at = 0; done && at < f->count; at += TOLD_TOGETHER)
		done = submit_states(f, call, at, f->count - at < TOLD_TOGETHER ? f->count : at + TOLD_TOGETHER);
	if (done && cursor)
		done = submit_scan(f->kv, call, call->args[WATCH_SCAN_SESSION].as.u, call->args[WATCH_SCAN_WATCH].as.u,
		    f->match, cursor);
	return done;
}

int32_t kv_watch_scan(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	struct finding f = {.kv = kv, .match = call->args[WATCH_SCAN_MATCH].as.bytes, .keys.kv = kv, .ends.kv = kv};
	uint64_t cursor = kv->keys->scan(call, call->args[WATCH_SCAN_CURSOR].as.u, SLICE, WHERRY_ANY_TYPE, find, &f);
	bool done = submit_found(&f, call, cursor);
	request_free(&f.keys);
	request_free(&f.ends);
	kv->write->nil(call->reply);
	return done ? WHERRY_OK : WHERRY_ENOMEM;
}

int32_t kv_watch_state(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	int32_t status = WHERRY_OK;
	for (uint32_t i = WATCH_STATE_KEYS; !status && i < call->argc; i++)
		status =
		    kv->bus->state(call, call->args[WATCH_STATE_SESSION].as.u, call->args[WATCH_STATE_WATCH].as.u, i);
	kv->write->nil(call->reply);
	return status;
}
