// Parts of str and bin values.  Everything counts bytes, and bytes are bytes: a str that is cut or appended
// to stays a str, whether or not its bytes are UTF-8 then.  A missing key is like an empty value.

#include "kv.h"

#include <string.h>

enum { HEAD_MOST = 5 };

// The value of the key; ABSENT and empty if it is missing.
static int32_t open_bytes(const struct kv *kv, wherry_call *call, wherry_value *value)
{
	wherry_key key = {.size = sizeof key};
	*value = (wherry_value){.kind = WHERRY_ABSENT};
	int32_t status = kv->keys->open(call, ONE_KEY, KV_VALUE, &key);
	if (status == WHERRY_ENOKEY)
		return WHERRY_OK;
	if (status || (status = kv->read->value(key.head, value)))
		return status;
	if (!(value->kind & (WHERRY_TEXT | WHERRY_BYTES)))
		return kv_fail(kv, call, WHERRY_EARG, "the key's value is %s; only a str or a bin has bytes",
		    kv_kind(value->kind));
	return WHERRY_OK;
}

// The msgpack header of a str or bin of `len` bytes, the shortest.
static size_t encode_head(uint8_t out[static HEAD_MOST], uint32_t kind, size_t len)
{
	bool text = kind == WHERRY_TEXT;
	if (text && len < 32) {
		out[0] = (uint8_t)(0xa0 | len);
		return 1;
	}
	int width = len <= UINT8_MAX ? 0 : len <= UINT16_MAX ? 1 : 2;
	size_t bytes = (size_t)1 << width;
	out[0] = (uint8_t)((text ? 0xd9 : 0xc4) + width);
	for (size_t i = 0; i < bytes; i++)
		out[1 + i] = (uint8_t)(len >> 8 * (bytes - 1 - i));
	return 1 + bytes;
}

// Writes the piece over `old` from byte `at`, which is not beyond its end, and answers the new length.
static int32_t put_piece(
    const struct kv *kv, wherry_call *call, const wherry_value *old, size_t at, const wherry_value *piece)
{
	wherry_span was = old->as.bytes, add = piece->as.bytes;
	if (!old->kind)
		was = (wherry_span){NULL, 0};
	size_t len = at + add.len > was.len ? at + add.len : was.len;
	int32_t status = kv_check_value(kv, call, HEAD_MOST + len); // keeps len within the 32 bits of a header
	if (status)
		return status;
	uint8_t *bytes = kv->host->alloc(kv->owner, HEAD_MOST + len);
	if (!bytes)
		return WHERRY_ENOMEM;
	size_t head = encode_head(bytes, old->kind ? old->kind : piece->kind, len);
	if (was.len)
		memcpy(bytes + head, was.ptr, was.len);
	if (add.len)
		memcpy(bytes + head + at, add.ptr, add.len);
	status = kv->keys->put_head(call, ONE_KEY, KV_VALUE, (wherry_span){bytes, head + len});
	kv->host->release(kv->owner, bytes);
	if (!status)
		kv->write->uinteger(call->reply, len);
	return status;
}

int32_t kv_append(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	wherry_value old;
	int32_t status = open_bytes(kv, call, &old);
	if (status)
		return status;
	return put_piece(kv, call, &old, old.as.bytes.len, &call->args[APPEND_BYTES]);
}

int32_t kv_patch(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	int64_t at = call->args[PATCH_AT].as.i;
	wherry_value old;
	int32_t status = open_bytes(kv, call, &old);
	if (status)
		return status;
	if (at < 0 || (uint64_t)at > old.as.bytes.len)
		return kv_fail(kv, call, WHERRY_EARG, "at must be from 0 to the length, %zu", old.as.bytes.len);
	return put_piece(kv, call, &old, (size_t)at, &call->args[PATCH_BYTES]);
}

int32_t kv_len(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	wherry_value value;
	int32_t status = open_bytes(kv, call, &value);
	if (!status)
		kv->write->uinteger(call->reply, value.as.bytes.len);
	return status;
}

// A place counted from the end if negative, not before the beginning.
static int64_t place(int64_t at, int64_t len)
{
	if (at >= 0)
		return at;
	return at < -len ? 0 : at + len;
}

int32_t kv_range(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	wherry_value value;
	int32_t status = open_bytes(kv, call, &value);
	if (status)
		return status;
	int64_t len = (int64_t)value.as.bytes.len;
	int64_t from = place(call->args[RANGE_FROM].as.i, len);
	int64_t to = call->args[RANGE_TO].as.i;
	to = to < -len ? -1 : place(to, len);
	if (to >= len)
		to = len - 1;
	wherry_span part = {NULL, 0};
	if (from <= to)
		part = (wherry_span){(const uint8_t *)value.as.bytes.ptr + from, (size_t)(to - from + 1)};
	kv->write->bytes(call->reply, part);
	return WHERRY_OK;
}
