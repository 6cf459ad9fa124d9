#include "base/buffer.h"

#include "base/mem.h"

enum { LEAST = 64 };

bool buffer_grow(struct buffer *b, size_t more)
{
	if (b->failed || more > SIZE_MAX / 2 - b->len) {
		b->failed = true;
		return false;
	}
	size_t room = b->room < LEAST ? LEAST : b->room;
	while (room - b->len < more)
		room *= 2;
	uint8_t *data = mem_resize(b->data, room);
	if (data == NULL) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->room = room;
	return true;
}

void buffer_free(struct buffer *b)
{
	mem_free(b->data);
	*b = (struct buffer){0};
}

void buffer_trim(struct buffer *b, size_t keep)
{
	if (b->room > keep)
		buffer_free(b);
	buffer_clear(b);
}

int span_compare(wherry_span a, wherry_span b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}
