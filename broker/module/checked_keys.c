// wherry_keys of checked modules.  Each function looks at who calls and with what, asks the broker's own, and lends
// copies of what that answers.

#include "module/checked_inside.h"

#include <inttypes.h>
#include <string.h>

// For a call that may not go on: what the broker would have met it with.
#define ENTER(function)                                          \
	struct watched *k = watched_of(call, "keys->" function); \
	if (k == NULL)                                           \
	return WHERRY_EINTERNAL

static int32_t null_for(const struct watched *k, const char *function, const char *what)
{
	checked_find(k->module, FINDING_MISUSE, k->command, "keys->%s: %s is NULL", function, what);
	return WHERRY_EARG;
}

static const char *arg_name(const struct watched *k, uint32_t arg)
{
	const struct command *c = k->real->command;
	uint32_t fixed = c->positional + c->options;
	if (arg < fixed)
		return c->args[arg]->name;
	return c->rest > 0 && arg < k->real->face.argc ? c->args[fixed + (arg - fixed) % c->rest]->name
						       : "a needed key";
}

static bool is_key(const struct watched *k, uint32_t arg)
{
	return arg < k->real->slot_count && k->real->slots[arg] != UINT32_MAX;
}

static wherry_span key_at(const struct watched *k, uint32_t arg)
{
	return is_key(k, arg) ? txn_slot_key(k->real->txn, k->real->slots[arg]) : (wherry_span){0};
}

// An optional key that did not come is named by its place all the same: so it is told apart from what never is a key.
static void look_at_arg(const struct watched *k, const char *function, uint32_t arg)
{
	if (is_key(k, arg))
		return;
	if (arg >= k->real->face.argc)
		checked_find(
		    k->module, FINDING_MISUSE, k->command, "keys->%s: there is no argument %" PRIu32, function, arg);
	else if (k->real->face.args[arg].kind == WHERRY_ABSENT)
		checked_find(k->module, FINDING_MISUSE, k->command, "keys->%s: argument \"%s\" was not given", function,
		    arg_name(k, arg));
	else
		checked_find(k->module, FINDING_MISUSE, k->command, "keys->%s: argument \"%s\" is no key", function,
		    arg_name(k, arg));
}

static void look_at_type(const struct watched *k, const char *function, uint32_t type, bool any)
{
	if (type < k->real->command->owner->type_count || (any && type == WHERRY_ANY_TYPE))
		return;
	checked_find(
	    k->module, FINDING_MISUSE, k->command, "keys->%s: the module has no type %" PRIu32, function, type);
}

static int32_t seen(struct watched *k, int32_t status)
{
	k->restart |= status == WHERRY_RESTART;
	return status;
}

// --- changes ----------------------------------------------------------------------------------------------------------

bool checked_may_change(const struct watched *k)
{
	struct checked *c = k->module;
	unsigned left = atomic_load(&c->fail_in);
	while (left > 0 && !atomic_compare_exchange_weak(&c->fail_in, &left, left - 1))
		;
	if (left != 1)
		return true;
	atomic_store(&c->has_failed, true);
	return false;
}

static int32_t changed(struct watched *k, const char *function, uint32_t arg, int32_t status)
{
	if (status == WHERRY_EINTERNAL && is_key(k, arg))
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "keys->%s writes argument \"%s\", which is declared READ", function, arg_name(k, arg));
	if (status == WHERRY_OK)
		lent_change(&k->lent, key_at(k, arg));
	return seen(k, status);
}

#define CHANGE(function, arg, answer)                 \
	look_at_arg(k, function, arg);                \
	if (is_key(k, arg) && !checked_may_change(k)) \
		return WHERRY_ENOMEM;                 \
	return changed(k, function, arg, answer)

static int32_t put_head(wherry_call *call, uint32_t arg, uint32_t type, wherry_span head)
{
	ENTER("put_head");
	look_at_type(k, "put_head", type, false);
	if (!span_is_whole(head))
		return null_for(k, "put_head", "head");
	CHANGE("put_head", arg, call_keys.put_head(&k->real->face, arg, type, head));
}

static int32_t remove_key(wherry_call *call, uint32_t arg)
{
	ENTER("remove");
	CHANGE("remove", arg, call_keys.remove(&k->real->face, arg));
}

static int32_t copy(wherry_call *call, uint32_t from, uint32_t to)
{
	ENTER("copy");
	look_at_arg(k, "copy", from);
	CHANGE("copy", to, call_keys.copy(&k->real->face, from, to));
}

static int32_t set_deadline(wherry_call *call, uint32_t arg, int64_t unix_ms)
{
	ENTER("set_deadline");
	CHANGE("set_deadline", arg, call_keys.set_deadline(&k->real->face, arg, unix_ms));
}

static int32_t set_alarm(wherry_call *call, uint32_t arg, int64_t unix_ms)
{
	ENTER("set_alarm");
	CHANGE("set_alarm", arg, call_keys.set_alarm(&k->real->face, arg, unix_ms));
}

static int32_t put(wherry_call *call, uint32_t arg, wherry_span subkey, wherry_span value)
{
	ENTER("put");
	if (!span_is_whole(subkey) || !span_is_whole(value))
		return null_for(k, "put", span_is_whole(subkey) ? "value" : "subkey");
	CHANGE("put", arg, call_keys.put(&k->real->face, arg, subkey, value));
}

static int32_t patch(wherry_call *call, uint32_t arg, wherry_span subkey, uint64_t at, wherry_span bytes)
{
	ENTER("patch");
	if (!span_is_whole(subkey) || !span_is_whole(bytes))
		return null_for(k, "patch", span_is_whole(subkey) ? "bytes" : "subkey");
	CHANGE("patch", arg, call_keys.patch(&k->real->face, arg, subkey, at, bytes));
}

static int32_t del(wherry_call *call, uint32_t arg, wherry_span subkey)
{
	ENTER("del");
	if (!span_is_whole(subkey))
		return null_for(k, "del", "subkey");
	CHANGE("del", arg, call_keys.del(&k->real->face, arg, subkey));
}

static int32_t put_between(wherry_call *call, uint32_t arg, wherry_span before, wherry_span after, wherry_span value)
{
	ENTER("put_between");
	if (!span_is_whole(before) || !span_is_whole(after) || !span_is_whole(value))
		return null_for(k, "put_between", "a span");
	CHANGE("put_between", arg, call_keys.put_between(&k->real->face, arg, before, after, value));
}

// --- reading ----------------------------------------------------------------------------------------------------------

// What is lent of a key, into the members that the module's wherry_key has.
static void lend_key(struct watched *k, wherry_key *out, wherry_span key)
{
	wherry_span name = lent_copy(&k->lent, span_text(out->type_name)); // zeroed behind: terminated
	out->key = lent_record(&k->lent, out->key, key);
	out->head = lent_record(&k->lent, out->head, key);
	out->type_name = name.ptr;
}

static int32_t open_key(wherry_call *call, uint32_t arg, uint32_t type, wherry_key *out)
{
	ENTER("open");
	look_at_arg(k, "open", arg);
	look_at_type(k, "open", type, true);
	if (out == NULL)
		return null_for(k, "open", "out");
	if (out->size < offsetof(wherry_key, head) || out->size > 4096) {
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "keys->open: wherry_key.size is %" PRIu32 ": set it to sizeof", out->size);
		return WHERRY_EARG;
	}
	wherry_key whole = {.size = sizeof(whole)};
	int32_t status = call_keys.open(&k->real->face, arg, type, &whole);
	if (status == WHERRY_OK) {
		lend_key(k, &whole, key_at(k, arg));
		whole.size = out->size;
		memcpy(out, &whole, whole.size < sizeof(whole) ? whole.size : sizeof(whole));
	}
	return seen(k, status);
}

static int32_t get(wherry_call *call, uint32_t arg, wherry_span subkey, wherry_span *value)
{
	ENTER("get");
	look_at_arg(k, "get", arg);
	if (value == NULL || !span_is_whole(subkey))
		return null_for(k, "get", value == NULL ? "value" : "subkey");
	int32_t status = call_keys.get(&k->real->face, arg, subkey, value);
	if (status == WHERRY_OK)
		*value = lent_record(&k->lent, *value, key_at(k, arg));
	return seen(k, status);
}

static int32_t seek(wherry_call *call, uint32_t arg, wherry_span subkey, int32_t direction, wherry_cursor *out)
{
	ENTER("seek");
	look_at_arg(k, "seek", arg);
	if (out == NULL || !span_is_whole(subkey))
		return null_for(k, "seek", out == NULL ? "the cursor" : "subkey");
	if (direction != 1 && direction != -1)
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "keys->seek: the direction is %" PRId32 ", neither 1 nor -1", direction);
	return seen(k, call_keys.seek(&k->real->face, arg, subkey, direction, out));
}

static int32_t seek_rank(wherry_call *call, uint32_t arg, int64_t rank_at, int32_t direction, wherry_cursor *out)
{
	ENTER("seek_rank");
	look_at_arg(k, "seek_rank", arg);
	if (out == NULL)
		return null_for(k, "seek_rank", "the cursor");
	return seen(k, call_keys.seek_rank(&k->real->face, arg, rank_at, direction, out));
}

static int32_t rank(wherry_call *call, uint32_t arg, wherry_span subkey, uint64_t *out)
{
	ENTER("rank");
	look_at_arg(k, "rank", arg);
	if (out == NULL || !span_is_whole(subkey))
		return null_for(k, "rank", out == NULL ? "rank" : "subkey");
	return seen(k, call_keys.rank(&k->real->face, arg, subkey, out));
}

// A cursor begins with its transaction: one of another request may point to a transaction that is gone.
static int32_t next(wherry_cursor *cursor, wherry_span *subkey, wherry_span *value)
{
	struct watched *k = watched_here("keys->next");
	if (k == NULL)
		return WHERRY_EINTERNAL;
	if (cursor == NULL || subkey == NULL || value == NULL)
		return null_for(k, "next", cursor == NULL ? "the cursor" : subkey == NULL ? "subkey" : "value");
	if (cursor->opaque[0] != (uint64_t)(uintptr_t)k->real->txn) {
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "keys->next with a cursor that seek() did not make in this run");
		return WHERRY_ESTALE;
	}
	int32_t status = call_keys.next(cursor, subkey, value);
	if (status != WHERRY_OK)
		return seen(k, status);
	*subkey = lent_record(&k->lent, *subkey, (wherry_span){0}); // of some key: the next change takes it back
	*value = lent_record(&k->lent, *value, (wherry_span){0});
	return WHERRY_OK;
}

// --- what is not about one key's content --------------------------------------------------------------------------------

static int32_t need(wherry_call *call, wherry_span key, uint32_t mode, uint32_t *arg)
{
	ENTER("need");
	if (arg == NULL || !span_is_whole(key))
		return null_for(k, "need", arg == NULL ? "arg" : "key");
	if (mode > WHERRY_WRITE)
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "keys->need: the mode is %" PRIu32 ", neither WHERRY_READ nor WHERRY_WRITE", mode);
	return seen(k, call_keys.need(&k->real->face, key, mode, arg));
}

static int32_t need_own(wherry_call *call, wherry_span key, uint32_t mode, uint32_t *arg)
{
	ENTER("need_own");
	if (arg == NULL || !span_is_whole(key))
		return null_for(k, "need_own", arg == NULL ? "arg" : "key");
	if (mode > WHERRY_WRITE)
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "keys->need_own: the mode is %" PRIu32 ", neither WHERRY_READ nor WHERRY_WRITE", mode);
	return seen(k, call_keys.need_own(&k->real->face, key, mode, arg));
}

static int32_t signal_key(wherry_call *call, uint32_t arg, uint32_t count)
{
	ENTER("signal");
	look_at_arg(k, "signal", arg);
	return seen(k, call_keys.signal(&k->real->face, arg, count));
}

static int32_t park(wherry_call *call, int64_t timeout_ms, uint64_t *ticket)
{
	ENTER("park");
	if (!(k->real->command->flags & WHERRY_CMD_PARKS))
		checked_find(k->module, FINDING_MISUSE, k->command, "keys->park without WHERRY_CMD_PARKS");
	int32_t status = call_keys.park(&k->real->face, timeout_ms, ticket);
	k->parked |= status == WHERRY_OK;
	return status;
}

struct scanning {
	struct watched *k;
	int32_t (*each)(void *arg, const wherry_key *);
	void *arg;
};

static int32_t each_checked(void *arg, const wherry_key *key)
{
	struct scanning *s = arg;
	struct watched *k = s->k;
	size_t mark = lent_mark(&k->lent);
	wherry_key copy_of = *key;
	copy_of.key = lent_copy(&k->lent, key->key);
	copy_of.head = lent_copy(&k->lent, key->head);
	k->in_each = true;
	int32_t answer = s->each(s->arg, &copy_of);
	k->in_each = false;
	lent_back_to(&k->lent, mark);
	if (answer == WHERRY_SCAN_REMOVE && !(k->real->command->flags & WHERRY_CMD_WRITES))
		checked_find(k->module, FINDING_MISUSE, k->command, "a scan removes keys without WHERRY_CMD_WRITES");
	return answer;
}

static uint64_t scan_with(wherry_call *call, const char *function, uint64_t cursor, uint32_t count, uint32_t type,
    int32_t (*each)(void *arg, const wherry_key *), void *arg,
    uint64_t (*as)(wherry_call *, uint64_t, uint32_t, uint32_t, int32_t (*)(void *, const wherry_key *), void *))
{
	struct watched *k = watched_of(call, function);
	if (k == NULL)
		return 0;
	look_at_type(k, function + strlen("keys->"), type, true);
	if (!(k->real->command->flags & WHERRY_CMD_SCANS))
		checked_find(k->module, FINDING_MISUSE, k->command, "%s without WHERRY_CMD_SCANS", function);
	if (each == NULL) {
		null_for(k, function + strlen("keys->"), "each");
		return 0;
	}
	struct scanning s = {k, each, arg};
	return as(&k->real->face, cursor, count, type, each_checked, &s);
}

static uint64_t scan(wherry_call *call, uint64_t cursor, uint32_t count, uint32_t type,
    int32_t (*each)(void *arg, const wherry_key *), void *arg)
{
	return scan_with(call, "keys->scan", cursor, count, type, each, arg, call_keys.scan);
}

static uint64_t scan_own(wherry_call *call, uint64_t cursor, uint32_t count, uint32_t type,
    int32_t (*each)(void *arg, const wherry_key *), void *arg)
{
	return scan_with(call, "keys->scan_own", cursor, count, type, each, arg, call_keys.scan_own);
}

static uint64_t count_keys(wherry_call *call)
{
	struct watched *k = watched_of(call, "keys->count");
	return k != NULL ? call_keys.count(&k->real->face) : 0;
}

static wherry_span ns(wherry_call *call)
{
	struct watched *k = watched_of(call, "keys->ns");
	return k != NULL ? call_keys.ns(&k->real->face) : (wherry_span){NULL, 0};
}

const wherry_keys checked_keys = {
    .size = sizeof(wherry_keys),
    .open = open_key,
    .put_head = put_head,
    .remove = remove_key,
    .copy = copy,
    .set_deadline = set_deadline,
    .set_alarm = set_alarm,
    .get = get,
    .put = put,
    .patch = patch,
    .del = del,
    .seek = seek,
    .seek_rank = seek_rank,
    .rank = rank,
    .next = next,
    .put_between = put_between,
    .need = need,
    .signal = signal_key,
    .park = park,
    .scan = scan,
    .count = count_keys,
    .need_own = need_own,
    .ns = ns,
    .scan_own = scan_own,
};
