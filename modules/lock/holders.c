// Holders as records: how they are encoded, found, added and dropped.

#include <string.h>

#include "lock.h"

enum {
	TOKEN_BYTES = 8,
	NEWEST = 0xff, // no token begins so: a revision is far below 2^56 * 255
	NEWEST_BYTES = 1 + 8,
	HEAD_BYTES = 4,
	HOLDER_BYTES = 3 * 8 + 1,
};

static void put_be(uint8_t *at, uint64_t number, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}

static uint64_t take_be(const uint8_t *at, unsigned bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

static wherry_span token_key(uint8_t room[static TOKEN_BYTES], uint64_t token)
{
	put_be(room, token, TOKEN_BYTES);
	return (wherry_span){room, TOKEN_BYTES};
}

// The newest holder's subkey has the revision that the key was at: as long as it is, the grant is not yet committed.
static wherry_span newest_key(uint8_t room[static NEWEST_BYTES], uint64_t revision)
{
	room[0] = NEWEST;
	put_be(room + 1, revision, 8);
	return (wherry_span){room, NEWEST_BYTES};
}

static wherry_span encode(uint8_t room[static HOLDER_BYTES], const struct holder *h)
{
	put_be(room, (uint64_t)h->deadline_ms, 8);
	put_be(room + 8, (uint64_t)h->since_ms, 8);
	put_be(room + 16, h->session, 8);
	room[24] = h->bound;
	return (wherry_span){room, HOLDER_BYTES};
}

static void decode(wherry_span value, struct holder *h)
{
	const uint8_t *at = value.ptr;
	h->deadline_ms = (int64_t)take_be(at, 8);
	h->since_ms = (int64_t)take_be(at + 8, 8);
	h->session = take_be(at + 16, 8);
	h->bound = at[24];
}

static uint64_t token_of(wherry_span subkey, uint64_t revision)
{
	const uint8_t *at = subkey.ptr;
	if (at[0] != NEWEST)
		return take_be(at, TOKEN_BYTES);
	return take_be(at + 1, 8) == revision ? 0 : revision;
}

uint32_t lock_head_permits(wherry_span head)
{
	return (uint32_t)take_be(head.ptr, HEAD_BYTES);
}

int32_t lock_open(const struct lock *l, wherry_call *call, uint32_t arg, struct held *held)
{
	*held = (struct held){.key.size = sizeof held->key};
	int32_t status = l->keys->open(call, arg, LOCK_LOCK, &held->key);
	if (status == WHERRY_ENOKEY) {
		*held = (struct held){.key.size = sizeof held->key};
		return WHERRY_OK;
	}
	if (status == WHERRY_OK)
		held->permits = lock_head_permits(held->key.head);
	return status;
}

static int32_t rename_newest(
    const struct lock *l, wherry_call *call, uint32_t arg, wherry_span subkey, wherry_span value, uint64_t token)
{
	uint8_t was[NEWEST_BYTES], holder[HOLDER_BYTES], now[TOKEN_BYTES];
	memcpy(was, subkey.ptr, NEWEST_BYTES); // both are lent until the first change
	memcpy(holder, value.ptr, HOLDER_BYTES);
	int32_t status = l->keys->del(call, arg, (wherry_span){was, NEWEST_BYTES});
	return status ? status : l->keys->put(call, arg, token_key(now, token), (wherry_span){holder, HOLDER_BYTES});
}

int32_t lock_settle(const struct lock *l, wherry_call *call, uint32_t arg, const struct held *held)
{
	wherry_cursor last;
	wherry_span subkey, value;
	if (!held->permits)
		return WHERRY_OK;
	int32_t status = l->keys->seek(call, arg, (wherry_span){NULL, 0}, -1, &last);
	if (status == WHERRY_OK)
		status = l->keys->next(&last, &subkey, &value);
	if (status)
		return status;
	uint64_t token = token_of(subkey, held->key.revision);
	bool settled = subkey.len == TOKEN_BYTES || !token;
	return settled ? WHERRY_OK : rename_newest(l, call, arg, subkey, value, token);
}

static int32_t put_permits(const struct lock *l, wherry_call *call, uint32_t arg, uint32_t permits)
{
	uint8_t head[HEAD_BYTES];
	put_be(head, permits, HEAD_BYTES);
	return l->keys->put_head(call, arg, LOCK_LOCK, (wherry_span){head, HEAD_BYTES});
}

int32_t lock_add(const struct lock *l, wherry_call *call, uint32_t arg, uint32_t permits, const struct holder *h)
{
	uint8_t subkey[NEWEST_BYTES], value[HOLDER_BYTES];
	struct held held;
	int32_t status;
	if ((status = put_permits(l, call, arg, permits)) || (status = lock_open(l, call, arg, &held)))
		return status;
	wherry_span newest = newest_key(subkey, held.key.revision), there;
	if (l->keys->get(call, arg, newest, &there) == WHERRY_OK)
		return lock_fail(l, call, WHERRY_ECONFLICT,
		    "this transaction has acquired the semaphore already, and one commit is one token");
	status = l->keys->put(call, arg, newest, encode(value, h));
	return status ? status : lock_wake_by(l, call, arg, &held, h->deadline_ms);
}

int32_t lock_wake_by(
    const struct lock *l, wherry_call *call, uint32_t arg, const struct held *held, int64_t deadline_ms)
{
	if (held->key.alarm_ms && held->key.alarm_ms <= deadline_ms)
		return WHERRY_OK;
	return l->keys->set_alarm(call, arg, deadline_ms);
}

int32_t lock_find(const struct lock *l, wherry_call *call, uint32_t arg, uint64_t token, struct holder *h)
{
	uint8_t subkey[TOKEN_BYTES];
	wherry_span value;
	int32_t status = l->keys->get(call, arg, token_key(subkey, token), &value);
	if (status == WHERRY_OK) {
		h->token = token;
		decode(value, h);
	}
	return status;
}

int32_t lock_put(const struct lock *l, wherry_call *call, uint32_t arg, const struct holder *h)
{
	uint8_t subkey[TOKEN_BYTES], value[HOLDER_BYTES];
	return l->keys->put(call, arg, token_key(subkey, h->token), encode(value, h));
}

int32_t lock_drop(const struct lock *l, wherry_call *call, uint32_t arg, uint64_t token)
{
	uint8_t subkey[TOKEN_BYTES];
	return l->keys->del(call, arg, token_key(subkey, token));
}

int32_t lock_freed(const struct lock *l, wherry_call *call, uint32_t arg, uint32_t count)
{
	struct held held;
	int32_t status = lock_open(l, call, arg, &held);
	if (status == WHERRY_OK && held.permits && !held.key.records)
		status = l->keys->remove(call, arg);
	return status ? status : l->keys->signal(call, arg, count);
}

int32_t lock_holders(
    const struct lock *l, wherry_call *call, uint32_t arg, const struct held *held, struct holders *walk)
{
	walk->keys = l->keys;
	walk->revision = held->key.revision;
	return l->keys->seek(call, arg, (wherry_span){NULL, 0}, 1, &walk->cursor);
}

int32_t lock_next(struct holders *walk, struct holder *h)
{
	wherry_span subkey, value;
	int32_t status = walk->keys->next(&walk->cursor, &subkey, &value);
	if (status == WHERRY_OK) {
		h->token = token_of(subkey, walk->revision);
		decode(value, h);
	}
	return status;
}
