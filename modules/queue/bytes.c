// Growing bytes, and the few kinds of MessagePack that the module itself writes.

#include "bytes.h"

#include <string.h>

void bytes_open(struct bytes *b, const struct queues *all)
{
	b->all = all;
	b->ptr = b->first;
	b->len = 0;
	b->room = sizeof b->first;
	b->failed = false;
}

void bytes_free(struct bytes *b)
{
	if (b->ptr != b->first)
		b->all->host->release(b->all->owner, b->ptr);
	b->ptr = b->first;
}

static bool grow(struct bytes *b, size_t least)
{
	size_t room = b->room * 4 > least ? b->room * 4 : least;
	uint8_t *ptr = b->all->host->alloc(b->all->owner, room);
	if (!ptr)
		return false;
	memcpy(ptr, b->ptr, b->len);
	bytes_free(b);
	b->ptr = ptr;
	b->room = room;
	return true;
}

void bytes_add(struct bytes *b, const void *from, size_t len)
{
	if (b->failed || (len > b->room - b->len && !grow(b, b->len + len))) {
		b->failed = true;
		return;
	}
	if (len > 0)
		memcpy(b->ptr + b->len, from, len);
	b->len += len;
}

// The lead byte and a number behind it, big-endian.
static void add_number(struct bytes *b, uint8_t lead, uint64_t number, unsigned size)
{
	uint8_t out[9] = {lead};
	for (unsigned i = 0; i < size; i++)
		out[1 + i] = (uint8_t)(number >> (8 * (size - 1 - i)));
	bytes_add(b, out, 1 + size);
}

void bytes_uint(struct bytes *b, uint64_t number)
{
	if (number < 0x80)
		add_number(b, (uint8_t)number, 0, 0);
	else if (number <= UINT8_MAX)
		add_number(b, 0xcc, number, 1);
	else if (number <= UINT16_MAX)
		add_number(b, 0xcd, number, 2);
	else if (number <= UINT32_MAX)
		add_number(b, 0xce, number, 4);
	else
		add_number(b, 0xcf, number, 8);
}

void bytes_text(struct bytes *b, wherry_span text)
{
	if (text.len < 32)
		add_number(b, (uint8_t)(0xa0 | text.len), 0, 0);
	else if (text.len <= UINT8_MAX)
		add_number(b, 0xd9, text.len, 1);
	else if (text.len <= UINT16_MAX)
		add_number(b, 0xda, text.len, 2);
	else
		add_number(b, 0xdb, text.len, 4);
	bytes_add(b, text.ptr, text.len);
}

void bytes_blob(struct bytes *b, wherry_span blob)
{
	if (blob.len <= UINT8_MAX)
		add_number(b, 0xc4, blob.len, 1);
	else if (blob.len <= UINT16_MAX)
		add_number(b, 0xc5, blob.len, 2);
	else
		add_number(b, 0xc6, blob.len, 4);
	bytes_add(b, blob.ptr, blob.len);
}

void bytes_array(struct bytes *b, uint32_t count)
{
	if (count < 16)
		add_number(b, (uint8_t)(0x90 | count), 0, 0);
	else if (count <= UINT16_MAX)
		add_number(b, 0xdc, count, 2);
	else
		add_number(b, 0xdd, count, 4);
}

void bytes_map(struct bytes *b, uint32_t pairs)
{
	if (pairs < 16)
		add_number(b, (uint8_t)(0x80 | pairs), 0, 0);
	else if (pairs <= UINT16_MAX)
		add_number(b, 0xde, pairs, 2);
	else
		add_number(b, 0xdf, pairs, 4);
}

void bytes_time(struct bytes *b, int64_t ms)
{
	if (ms > 0)
		bytes_uint(b, (uint64_t)ms);
	else
		BYTES_LITERAL(b, "\xc0");
}
