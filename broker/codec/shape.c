// The table of shape.h, in the order of the msgpack specification's own.

#include "codec/shape.h"

#define TIMES2(x) x, x
#define TIMES4(x) TIMES2(x), TIMES2(x)
#define TIMES8(x) TIMES4(x), TIMES4(x)
#define TIMES16(x) TIMES8(x), TIMES8(x)
#define TIMES32(x) TIMES16(x), TIMES16(x)

// clang-format off
const uint8_t shapes[256] = {
	TIMES32(1), TIMES32(1), TIMES32(1), TIMES32(1), // 00 positive fixint
	TIMES16(SHAPE_FIXMAP),                          // 80
	TIMES16(SHAPE_FIXARRAY),                        // 90
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, // a0 fixstr
	17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
	1, SHAPE_NONE, 1, 1,                            // c0 nil, never used, false, true
	SHAPE_BYTES8, SHAPE_BYTES16, SHAPE_BYTES32,     // c4 bin
	SHAPE_EXT8, SHAPE_EXT16, SHAPE_EXT32,           // c7
	5, 9,                                           // ca float
	2, 3, 5, 9,                                     // cc uint
	2, 3, 5, 9,                                     // d0 int
	SHAPE_FIXEXT, SHAPE_FIXEXT, SHAPE_FIXEXT, SHAPE_FIXEXT, SHAPE_FIXEXT, // d4
	SHAPE_BYTES8, SHAPE_BYTES16, SHAPE_BYTES32,     // d9 str
	SHAPE_ARRAY16, SHAPE_ARRAY32,                   // dc
	SHAPE_MAP16, SHAPE_MAP32,                       // de
	TIMES32(1),                                     // e0 negative fixint
};
