#include "msgpack.h"

#include "conn.h"

#include <string.h>

static uint64_t big_endian(const uint8_t *p, size_t size)
{
	uint64_t n = 0;
	for (size_t i = 0; i < size; i++)
		n = n << 8 | p[i];
	return n;
}

static const uint8_t *take(struct unpack *u, size_t len)
{
	static const uint8_t nothing[9];
	if ((size_t)(u->end - u->at) < len) {
		u->more = true;
		return nothing;
	}
	u->at += len;
	return u->at - len;
}

// A number of 1 << power bytes behind the byte that says what it is.
static uint64_t sized(struct unpack *u, unsigned power)
{
	return big_endian(take(u, (size_t)1 << power), (size_t)1 << power);
}

uint64_t unpack_uint(struct unpack *u)
{
	unsigned byte = *take(u, 1);
	if (byte < 0x80)
		return byte;
	if (byte < 0xcc || byte > 0xcf)
		wrong("0x%02x where an unsigned number should be", byte);
	return sized(u, byte - 0xcc);
}

static size_t count_of(struct unpack *u, unsigned fix, unsigned sized16, const char *what)
{
	unsigned byte = *take(u, 1);
	if (u->more)
		return 0;
	if ((byte & 0xf0) == fix)
		return byte & 15;
	if (byte != sized16 && byte != sized16 + 1)
		wrong("0x%02x where %s should be", byte, what);
	return sized(u, byte - sized16 + 1);
}

size_t unpack_array(struct unpack *u)
{
	return count_of(u, 0x90, 0xdc, "an array");
}

size_t unpack_map(struct unpack *u)
{
	return count_of(u, 0x80, 0xde, "a map");
}

struct chunk unpack_text(struct unpack *u)
{
	unsigned byte = *take(u, 1);
	size_t len = 0;
	if ((byte & 0xe0) == 0xa0)
		len = byte & 31;
	else if (byte >= 0xc4 && byte <= 0xc6)
		len = sized(u, byte - 0xc4);
	else if (byte >= 0xd9 && byte <= 0xdb)
		len = sized(u, byte - 0xd9);
	else if (!u->more)
		wrong("0x%02x where a string should be", byte);
	return (struct chunk){take(u, len), len};
}

static size_t skip_elements(struct unpack *u, size_t count)
{
	while (count-- > 0 && !u->more)
		unpack_raw(u);
	return 0;
}

struct chunk unpack_raw(struct unpack *u)
{
	const uint8_t *begin = u->at;
	unsigned byte = u->at < u->end ? *u->at : 0;
	if ((byte & 0xf0) == 0x90 || byte == 0xdc || byte == 0xdd)
		skip_elements(u, unpack_array(u));
	else if ((byte & 0xf0) == 0x80 || byte == 0xde || byte == 0xdf)
		skip_elements(u, 2 * unpack_map(u));
	else if ((byte & 0xe0) == 0xa0 || (byte >= 0xc4 && byte <= 0xc6) || (byte >= 0xd9 && byte <= 0xdb))
		unpack_text(u);
	else if (byte >= 0xcc && byte <= 0xd3)
		take(u, 1 + ((size_t)1 << (byte & 3)));
	else if (byte == 0xca || byte == 0xcb)
		take(u, byte == 0xca ? 5 : 9);
	else if (byte >= 0xc7 && byte <= 0xd8)
		wrong("0x%02x in an answer", byte);
	else
		take(u, 1);
	return (struct chunk){begin, (size_t)(u->at - begin)};
}

bool unpack_is(struct unpack *u, const void *bytes, size_t len)
{
	size_t have = (size_t)(u->end - u->at);
	if (memcmp(u->at, bytes, have < len ? have : len) != 0)
		return false;
	if (have < len)
		u->more = true;
	else
		u->at += len;
	return have >= len;
}

bool chunk_is(struct chunk c, const char *text)
{
	return c.len == strlen(text) && memcmp(c.ptr, text, c.len) == 0;
}

static size_t put_head(uint8_t *p, unsigned byte, uint64_t n, size_t size)
{
	p[0] = (uint8_t)byte;
	for (size_t i = 0; i < size; i++)
		p[1 + i] = (uint8_t)(n >> (8 * (size - 1 - i)));
	return 1 + size;
}

size_t pack_bin_head(uint8_t *p, size_t len)
{
	unsigned power = len < 256 ? 0 : len < 65536 ? 1 : 2;
	return put_head(p, 0xc4 + power, len, (size_t)1 << power);
}

size_t pack_str_head(uint8_t *p, size_t len)
{
	return len < 32 ? put_head(p, 0xa0 | (unsigned)len, 0, 0) : put_head(p, 0xd9, len, 1);
}

size_t pack_array_head(uint8_t *p, size_t count)
{
	return count < 16 ? put_head(p, 0x90 | (unsigned)count, 0, 0) : put_head(p, 0xdc, count, 2);
}

size_t pack_uint(uint8_t *p, uint64_t n)
{
	if (n < 128)
		return put_head(p, (unsigned)n, 0, 0);
	unsigned power = n < 256 ? 0 : n < 65536 ? 1 : n <= UINT32_MAX ? 2 : 3;
	return put_head(p, 0xcc + power, n, (size_t)1 << power);
}
