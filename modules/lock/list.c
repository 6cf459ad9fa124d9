// lock.list: the locks of a namespace, a part at a time.  How many will be found is known only at the end, and an array
// says so at its beginning: they are collected in memory of the module's, then answered in one piece.

#include <string.h>

#include "lock.h"

enum { LIST_PRESET = 100, LIST_MOST = 10000, NUMBER_BYTES = 5, ROW_BYTES = 1 + 2 * NUMBER_BYTES };

struct listing {
	const struct lock *lock;
	int32_t status; // each() can't answer an error
	uint32_t count;
	uint8_t *data;
	size_t len, room;
};

static bool reserve(struct listing *list, size_t more)
{
	size_t room = list->room ? list->room : 1024;
	if (list->room - list->len >= more)
		return true;
	while (room < list->len + more)
		room *= 2;
	uint8_t *data = list->lock->host->resize(list->lock->owner, list->data, room);
	if (!data)
		return false;
	list->data = data;
	list->room = room;
	return true;
}

static void add_byte(struct listing *list, uint8_t byte)
{
	list->data[list->len++] = byte;
}

static void add_number(struct listing *list, uint32_t number)
{
	add_byte(list, 0xce); // a uint of four bytes
	for (int shift = 24; shift >= 0; shift -= 8)
		add_byte(list, (uint8_t)(number >> shift));
}

static void add_bytes(struct listing *list, wherry_span bytes)
{
	memcpy(list->data + list->len, bytes.ptr, bytes.len);
	list->len += bytes.len;
}

static int32_t each_lock(void *arg, const wherry_key *key)
{
	struct listing *list = arg;
	if (list->status)
		return WHERRY_SCAN_NEXT;
	if (!reserve(list, key->key.len + ROW_BYTES)) {
		list->status = WHERRY_ENOMEM;
		return WHERRY_SCAN_NEXT;
	}
	add_byte(list, 0x93); // an array of three
	add_bytes(list, key->key);
	add_number(list, lock_head_permits(key->head));
	add_number(list, (uint32_t)key->records);
	list->count++;
	return WHERRY_SCAN_NEXT;
}

static int32_t limit_of(const struct lock *l, wherry_call *call, uint32_t *limit)
{
	const wherry_value *wanted = &call->args[LIST_LIMIT];
	if (wanted->kind && (wanted->as.i < 1 || wanted->as.i > LIST_MOST))
		return lock_fail(l, call, WHERRY_EARG, "limit must be from 1 to %d", LIST_MOST);
	*limit = wanted->kind ? (uint32_t)wanted->as.i : LIST_PRESET;
	return WHERRY_OK;
}

static void answer(const struct listing *list, wherry_call *call, uint64_t cursor)
{
	const wherry_write *write = list->lock->write;
	write->array(call->reply, 2);
	write->uinteger(call->reply, cursor);
	write->array(call->reply, list->count);
	if (list->len)
		write->raw(call->reply, (wherry_span){list->data, list->len});
}

int32_t lock_list(void *self, wherry_call *call)
{
	struct listing list = {.lock = self};
	uint32_t limit = 0;
	int32_t status = limit_of(list.lock, call, &limit);
	if (status)
		return status;
	const wherry_value *from = &call->args[LIST_CURSOR];
	uint64_t cursor = list.lock->keys->scan(call, from->kind ? from->as.u : 0, limit, LOCK_LOCK, each_lock, &list);
	if (!list.status)
		answer(&list, call, cursor);
	if (list.data)
		list.lock->host->release(list.lock->owner, list.data);
	return list.status;
}
