// Keys of any type: removed, looked for, renamed, copied.

#include "kv.h"

#include <string.h>

// Removes one key and, if asked, answers what it held.
static int32_t del_one(
    const struct kv *kv, wherry_call *call, uint32_t arg, bool get, int64_t *removed, size_t *answered)
{
	int32_t status;
	if (get) {
		wherry_key key = {.size = sizeof key};
		status = kv->keys->open(call, arg, KV_VALUE, &key);
		if (status == WHERRY_ENOKEY) {
			kv->write->nil(call->reply);
			return WHERRY_OK;
		}
		if (status || (status = kv_check_answer(kv, call, *answered += key.head.len)))
			return status;
		kv->write->raw(call->reply, key.head);
	}
	status = kv->keys->remove(call, arg);
	if (status == WHERRY_OK)
		++*removed;
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

int32_t kv_del(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	bool get = kv_flag(&call->args[DEL_GET]);
	int64_t removed = 0;
	size_t answered = 0;
	if (get)
		kv->write->array(call->reply, call->argc - DEL_KEYS);
	for (uint32_t i = DEL_KEYS; i < call->argc; i++) {
		int32_t status = del_one(kv, call, i, get, &removed, &answered);
		if (status)
			return status;
	}
	if (!get)
		kv->write->integer(call->reply, removed);
	return WHERRY_OK;
}

int32_t kv_exists(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	kv->write->array(call->reply, call->argc);
	for (uint32_t i = 0; i < call->argc; i++) {
		wherry_key key = {.size = sizeof key};
		int32_t status = kv->keys->open(call, i, WHERRY_ANY_TYPE, &key);
		if (status && status != WHERRY_ENOKEY)
			return status;
		kv->write->boolean(call->reply, !status);
	}
	return WHERRY_OK;
}

int32_t kv_type(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	wherry_key key = {.size = sizeof key};
	int32_t status = kv->keys->open(call, ONE_KEY, WHERRY_ANY_TYPE, &key);
	if (status == WHERRY_OK)
		kv->write->cstring(call->reply, key.type_name);
	else if (status == WHERRY_ENOKEY)
		kv->write->nil(call->reply);
	else
		return status;
	return WHERRY_OK;
}

static bool same_key(const wherry_call *call)
{
	wherry_span a = call->args[MOVE_KEY].raw, b = call->args[MOVE_NEW].raw;
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

// Copies the key unless nx forbids it; *done tells.
static int32_t copy(const struct kv *kv, wherry_call *call, bool *done)
{
	wherry_key key = {.size = sizeof key};
	int32_t status = kv->keys->open(call, MOVE_KEY, WHERRY_ANY_TYPE, &key);
	if (status == WHERRY_ENOKEY)
		return kv_fail(kv, call, status, "there is no such key");
	if (status)
		return status;
	*done = true;
	if (kv_flag(&call->args[MOVE_NX])) {
		status = kv->keys->open(call, MOVE_NEW, WHERRY_ANY_TYPE, &key);
		if (status && status != WHERRY_ENOKEY)
			return status;
		*done = status == WHERRY_ENOKEY;
	}
	// A key over itself is done already; removing it afterwards would lose it.
	if (*done && !same_key(call))
		return kv->keys->copy(call, MOVE_KEY, MOVE_NEW);
	return WHERRY_OK;
}

int32_t kv_copy(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	bool done = false;
	int32_t status = copy(kv, call, &done);
	if (!status)
		kv->write->boolean(call->reply, done);
	return status;
}

int32_t kv_rename(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	bool done = false;
	int32_t status = copy(kv, call, &done);
	if (!status && done && !same_key(call))
		status = kv->keys->remove(call, MOVE_KEY);
	if (!status)
		kv->write->boolean(call->reply, done);
	return status;
}
