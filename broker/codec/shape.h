// What the first byte of a msgpack object says about its length: one table for checking and for slicing, so
// that the two can't disagree.  Only codec/ includes this.

#ifndef CODEC_SHAPE_H
#define CODEC_SHAPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// 1 to SHAPE_FIXED: the whole object has so many bytes.  The others need a look at its header.
enum {
	SHAPE_NONE = 0, // 0xc1
	SHAPE_FIXED = 33,
	SHAPE_BYTES8, // str and bin: a length of 1, 2 or 4 bytes, then the content
	SHAPE_BYTES16,
	SHAPE_BYTES32,
	SHAPE_FIXEXT, // 1, 2, 4, 8 or 16 bytes behind the type
	SHAPE_EXT8,
	SHAPE_EXT16,
	SHAPE_EXT32,
	SHAPE_FIXARRAY,
	SHAPE_ARRAY16,
	SHAPE_ARRAY32,
	SHAPE_FIXMAP,
	SHAPE_MAP16,
	SHAPE_MAP32,
};

extern const uint8_t shapes[256];

static inline uint16_t be16(const uint8_t *at)
{
	uint16_t number;
	memcpy(&number, at, sizeof(number));
	return __builtin_bswap16(number);
}

static inline uint32_t be32(const uint8_t *at)
{
	uint32_t number;
	memcpy(&number, at, sizeof(number));
	return __builtin_bswap32(number);
}

static inline uint64_t be64(const uint8_t *at)
{
	uint64_t number;
	memcpy(&number, at, sizeof(number));
	return __builtin_bswap64(number);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "be16() and its like swap bytes");

// Bytes in front of the content or the elements, the lead byte and an ext's type included.  Not for fixed
// shapes.
static inline uint32_t shape_header(unsigned shape)
{
	static const uint8_t headers[] = {2, 3, 5, 2, 3, 4, 6, 1, 3, 5, 1, 3, 5};
	return headers[shape - SHAPE_BYTES8];
}

// Content bytes of a str, bin or ext; elements of an array; pairs of a map.  The header must be there.
static inline uint32_t shape_count(unsigned shape, const uint8_t *at)
{
	switch (shape) {
	case SHAPE_FIXARRAY:
	case SHAPE_FIXMAP:
		return *at & 0x0f;
	case SHAPE_FIXEXT:
		return UINT32_C(1) << (*at - 0xd4);
	case SHAPE_BYTES8:
	case SHAPE_EXT8:
		return at[1];
	case SHAPE_BYTES16:
	case SHAPE_EXT16:
	case SHAPE_ARRAY16:
	case SHAPE_MAP16:
		return be16(at + 1);
	default:
		return be32(at + 1);
	}
}

// A lead byte and the `bytes` low bytes of number behind it; how many were written.
static inline size_t put_be(uint8_t *at, uint8_t lead, uint64_t number, unsigned bytes)
{
	at[0] = lead;
	for (unsigned i = 0; i < bytes; i++)
		at[1 + i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
	return 1 + bytes;
}

// The shortest encoding, at most 9 bytes.
static inline size_t put_uint(uint8_t *at, uint64_t number)
{
	if (number <= 0x7f)
		return put_be(at, (uint8_t)number, 0, 0);
	if (number <= UINT8_MAX)
		return put_be(at, 0xcc, number, 1);
	if (number <= UINT16_MAX)
		return put_be(at, 0xcd, number, 2);
	if (number <= UINT32_MAX)
		return put_be(at, 0xce, number, 4);
	return put_be(at, 0xcf, number, 8);
}

#endif
