// A growing byte buffer and a lent run of bytes.  Threads: its owner's.

#ifndef CLIENT_BYTES_H
#define CLIENT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct run {
	const uint8_t *at;
	size_t len;
};

struct bytes {
	uint8_t *data;
	size_t len, room;
};

// Room for `more` bytes behind len; false: no memory, and nothing changed.
static inline bool bytes_reserve(struct bytes *b, size_t more)
{
	if (more <= b->room - b->len)
		return true;
	if (more > SIZE_MAX / 4 - b->len)
		return false;
	size_t room = b->room < 256 ? 256 : b->room;
	while (room - b->len < more)
		room *= 2;
	uint8_t *data = realloc(b->data, room);
	if (data == NULL)
		return false;
	b->data = data;
	b->room = room;
	return true;
}

// The caller has reserved.
static inline void bytes_put(struct bytes *b, const void *from, size_t len)
{
	if (len > 0)
		memcpy(b->data + b->len, from, len);
	b->len += len;
}

static inline void bytes_byte(struct bytes *b, unsigned byte)
{
	b->data[b->len++] = (uint8_t)byte;
}

static inline void put_be(uint8_t *to, uint64_t number, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		to[i] = (uint8_t)(number >> (8 * (width - 1 - i)));
}

static inline uint64_t get_be(const uint8_t *from, unsigned width)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < width; i++)
		number = number << 8 | from[i];
	return number;
}

static inline void bytes_be(struct bytes *b, uint64_t number, unsigned width)
{
	put_be(b->data + b->len, number, width);
	b->len += width;
}

// Makes *room at least `need`; what was in *memory is of no use any more.
static inline bool bytes_replace(void **memory, size_t *room, size_t need)
{
	if (need <= *room)
		return true;
	void *grown = malloc(need);
	if (grown == NULL)
		return false;
	free(*memory);
	*memory = grown;
	*room = need;
	return true;
}

static inline void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

#endif
