// The SP protocols as bytes: the first eight of a connection, frames and their headers.  Nothing here knows sockets.
//
//   hello    00 'S' 'P' 00, the sender's protocol u16, 00 00
//   frame    length u64, payload; on ipc a byte 01 before the length
//   payload  REQ and REP: hops u32 (top bit clear) ..., request id u32 (top bit set), body; PAIR1: hop count u32, body;
//            the others: body.  All big-endian.
//
// Threads: any.

#ifndef WIRE_SP_H
#define WIRE_SP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum {
	SP_PAIR0 = 0x10,
	SP_PAIR1 = 0x11,
	SP_PUB = 0x20,
	SP_SUB = 0x21,
	SP_REQ = 0x30,
	SP_REP = 0x31,
	SP_PUSH = 0x50,
	SP_PULL = 0x51,
};

enum {
	SP_HELLO_BYTES = 8,
	SP_WORDS_MOST = 15, // of a header; a PAIR1 frame's hops too
	SP_HEADER_MOST = SP_WORDS_MOST * 4,
	SP_PREFIX_MOST = 9,
};

void sp_hello_write(uint8_t hello[static SP_HELLO_BYTES], uint16_t protocol);
bool sp_hello_read(const uint8_t hello[static SP_HELLO_BYTES], uint16_t *protocol); // false: not SP's
uint16_t sp_counterpart(uint16_t protocol); // what such a peer is served as; 0: it is not served

// How the frames of one connection look.
struct sp_form {
	uint16_t peer; // its protocol
	bool marked;   // ipc: the byte before each length
};

struct sp_frame {
	wherry_span header; // REQ: what its answer begins with; else empty
	wherry_span body;
	size_t size;  // of the whole frame; EAGAIN: at least so many bytes are needed
	bool dropped; // it came over too many hops: read on behind it
};

// The frame at the start of `bytes`, in place.
//   OK      it is whole
//   EAGAIN  more bytes are needed
//   ELIMIT  its payload is longer than `most`; its header is there, for an answer
//   EARG    no frame begins here: nothing that follows can be understood
int sp_frame_read(const struct sp_form *, wherry_span bytes, uint64_t most, struct sp_frame *);

// Begins a frame in `out`: length (to be filled in) and header, `header` being the request's.  Answers where it begins.
size_t sp_frame_open(const struct sp_form *, wherry_span header, struct buffer *out);
void sp_frame_seal(const struct sp_form *, size_t begin,
    struct buffer *out); // what was appended since is its body
// The same, and `lent` bytes more that go between them.
void sp_frame_seal_around(const struct sp_form *, size_t begin, size_t lent, struct buffer *out);
size_t sp_overhead(const struct sp_form *, size_t header_len); // bytes of a frame that are not its body

#endif
