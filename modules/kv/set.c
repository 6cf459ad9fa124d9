// Values whole: read, written, compared and swapped.

#include "kv.h"

int32_t kv_get(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	wherry_key key = {.size = sizeof key};
	int32_t status = kv->keys->open(call, ONE_KEY, KV_VALUE, &key);
	if (status == WHERRY_OK)
		kv->write->raw(call->reply, key.head);
	else if (status == WHERRY_ENOKEY)
		kv->write->nil(call->reply);
	else
		return status;
	return WHERRY_OK;
}

static void write_revision(const struct kv *kv, wherry_call *call, const wherry_key *key)
{
	if (key->changed)
		kv->write->revision(call->reply);
	else
		kv->write->uinteger(call->reply, key->revision);
}

int32_t kv_entry(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	wherry_key key = {.size = sizeof key};
	int32_t status = kv->keys->open(call, ONE_KEY, KV_VALUE, &key);
	if (status == WHERRY_ENOKEY) {
		kv->write->nil(call->reply);
		return WHERRY_OK;
	}
	if (status)
		return status;
	kv->write->array(call->reply, 3);
	kv->write->raw(call->reply, key.head);
	write_revision(kv, call, &key);
	if (key.deadline_ms)
		kv->write->integer(call->reply, key.deadline_ms - call->now_ms);
	else
		kv->write->nil(call->reply);
	return WHERRY_OK;
}

int32_t kv_mget(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	size_t total = 0;
	kv->write->array(call->reply, call->argc);
	for (uint32_t i = 0; i < call->argc; i++) {
		wherry_key key = {.size = sizeof key};
		int32_t status = kv->keys->open(call, i, KV_VALUE, &key);
		if (status == WHERRY_ENOKEY) {
			kv->write->nil(call->reply);
			continue;
		}
		if (status)
			return status;
		total += key.head.len; // checked as it grows: the same key may be asked for any number of times
		if ((status = kv_check_answer(kv, call, total)))
			return status;
		kv->write->raw(call->reply, key.head);
	}
	return WHERRY_OK;
}

// Whatever the key held is replaced.  A deadline of 0 clears the one there was.
static int32_t put(const struct kv *kv, wherry_call *call, uint32_t arg, wherry_span value, int64_t deadline_ms)
{
	int32_t status = kv_check_value(kv, call, value.len);
	if (status)
		return status;
	status = kv->keys->put_head(call, arg, KV_VALUE, value);
	if (status == WHERRY_ETYPE) {
		status = kv->keys->remove(call, arg);
		if (status)
			return status;
		status = kv->keys->put_head(call, arg, KV_VALUE, value);
	}
	if (status)
		return status;
	return kv->keys->set_deadline(call, arg, deadline_ms);
}

// The deadline that ttl_ms asks for.
static int32_t deadline_of(const struct kv *kv, wherry_call *call, const wherry_value *ttl, int64_t *deadline_ms)
{
	if (ttl->as.i <= 0)
		return kv_fail(kv, call, WHERRY_EARG, "ttl_ms must be positive");
	if (ttl->as.i > INT64_MAX - call->now_ms)
		return kv_fail(kv, call, WHERRY_EARG, "ttl_ms is too large; leave it out for a key that lives on");
	*deadline_ms = call->now_ms + ttl->as.i;
	return WHERRY_OK;
}

static int32_t check_options(const struct kv *kv, wherry_call *call)
{
	const wherry_value *a = call->args;
	int lifetimes =
	    (a[SET_TTL_MS].kind != WHERRY_ABSENT) + (a[SET_AT_MS].kind != WHERRY_ABSENT) + kv_flag(&a[SET_KEEP_TTL]);
	if (lifetimes > 1)
		return kv_fail(kv, call, WHERRY_EARG, "ttl_ms, at_ms and keep_ttl exclude each other; give one");
	if (kv_flag(&a[SET_NX]) && kv_flag(&a[SET_XX]))
		return kv_fail(kv, call, WHERRY_EARG, "nx and xx exclude each other; give one");
	if (a[SET_REV].kind == WHERRY_INT && a[SET_REV].as.i < 0)
		return kv_fail(kv, call, WHERRY_EARG, "rev can't be negative; 0 means that the key must not exist");
	return WHERRY_OK;
}

static int32_t check_revision(const struct kv *kv, wherry_call *call, uint64_t current)
{
	const wherry_value *wanted = &call->args[SET_REV];
	if (wanted->kind == WHERRY_ABSENT || wanted->as.u == current)
		return WHERRY_OK;
	if (!current)
		return kv_fail(kv, call, WHERRY_ECONFLICT, "the key does not exist (revision 0), and rev is %llu",
		    (unsigned long long)wanted->as.u);
	return kv_fail(kv, call, WHERRY_ECONFLICT, "the key is at revision %llu, and rev is %llu",
	    (unsigned long long)current, (unsigned long long)wanted->as.u);
}

// Deadline as the options and the key that is there say; `there` is zero if none is.
static int32_t lifetime(const struct kv *kv, wherry_call *call, const wherry_key *there, int64_t *deadline_ms)
{
	const wherry_value *a = call->args;
	*deadline_ms = kv_flag(&a[SET_KEEP_TTL]) ? there->deadline_ms : 0;
	if (a[SET_TTL_MS].kind)
		return deadline_of(kv, call, &a[SET_TTL_MS], deadline_ms);
	if (a[SET_AT_MS].kind) // to the host, 0 would mean that it lives on
		*deadline_ms = a[SET_AT_MS].as.i > 0 ? a[SET_AT_MS].as.i : 1;
	return WHERRY_OK;
}

// The answer, written before the change: the old value is lent until then.
static void answer_set(const struct kv *kv, wherry_call *call, bool holds, bool found, wherry_span old)
{
	bool get = kv_flag(&call->args[SET_GET]);
	if (get)
		kv->write->array(call->reply, 2);
	if (holds)
		kv->write->revision(call->reply);
	else
		kv->write->nil(call->reply);
	if (get && found)
		kv->write->raw(call->reply, old);
	else if (get)
		kv->write->nil(call->reply);
}

static int32_t set_with_options(const struct kv *kv, wherry_call *call)
{
	const wherry_value *a = call->args;
	int32_t status = check_options(kv, call);
	if (status)
		return status;
	wherry_key there = {.size = sizeof there};
	uint32_t type = kv_flag(&a[SET_GET]) ? KV_VALUE : WHERRY_ANY_TYPE; // only a kv value can be answered
	status = kv->keys->open(call, SET_KEY, type, &there);
	if (status && status != WHERRY_ENOKEY)
		return status;
	bool found = !status;
	if (!found)
		there = (wherry_key){.size = sizeof there};
	int64_t deadline_ms;
	if ((status = check_revision(kv, call, there.revision)) || (status = lifetime(kv, call, &there, &deadline_ms)))
		return status;
	bool holds = !(kv_flag(&a[SET_NX]) && found) && !(kv_flag(&a[SET_XX]) && !found);
	answer_set(kv, call, holds, found, there.head);
	return holds ? put(kv, call, SET_KEY, a[SET_VALUE].raw, deadline_ms) : WHERRY_OK;
}

// Without options: no look at what is there, two calls of the host that change and one that answers.
int32_t kv_set(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	uint32_t options = 0;
	for (uint32_t i = SET_TTL_MS; i < SET_ARGS; i++)
		options |= call->args[i].kind;
	if (options)
		return set_with_options(kv, call);
	kv->write->revision(call->reply);
	return put(kv, call, SET_KEY, call->args[SET_VALUE].raw, 0);
}

int32_t kv_mset(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	kv->write->array(call->reply, call->argc / 2);
	for (uint32_t i = 0; i < call->argc; i += 2) {
		int32_t status = put(kv, call, i, call->args[i + 1].raw, 0);
		if (status)
			return status;
		kv->write->revision(call->reply);
	}
	return WHERRY_OK;
}

int32_t kv_cas(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	const wherry_value *a = call->args;
	wherry_key key = {.size = sizeof key};
	int64_t deadline_ms = 0;
	int32_t status;
	if (a[CAS_TTL_MS].kind && (status = deadline_of(kv, call, &a[CAS_TTL_MS], &deadline_ms)))
		return status;
	status = kv->keys->open(call, CAS_KEY, KV_VALUE, &key);
	if (status == WHERRY_ENOKEY)
		return kv_fail(kv, call, status, "there is no such key to compare; kv.set with nx makes one");
	if (status)
		return status;
	bool equal = kv->read->equal(key.head, a[CAS_EXPECTED].raw) == 1;
	kv->write->array(call->reply, 2);
	kv->write->boolean(call->reply, equal);
	if (!equal) {
		kv->write->raw(call->reply, key.head);
		return WHERRY_OK;
	}
	kv->write->revision(call->reply);
	return put(kv, call, CAS_KEY, a[CAS_NEW].raw, deadline_ms ? deadline_ms : key.deadline_ms);
}
