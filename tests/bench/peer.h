// How a peer's frames look: requests made once as one frame, keys patched in before each sending, answers
// checked against the request they answer.  Two peers: Wherry (SP with msgpack) and Redis (RESP).
//
// A key is `prefix` and the key's number in decimal, KEY_LEN bytes; a value begins with its key, so that an
// answer with somebody else's value is seen.

#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_LEN = 16, KEY_DIGITS = 9, ANSWER_HEAD = 24 }; // 3 divides KEY_DIGITS

enum peer_kind { PEER_WHERRY, PEER_WHERRY_REQ, PEER_REDIS };

struct frame_spec {
	enum peer_kind peer;
	bool set;          // else get
	uint32_t requests; // in a frame
	uint32_t value_size;
	const char *prefix; // at most KEY_LEN - KEY_DIGITS
};

// One frame to send, and what the answers to it begin with.
struct frame_shape {
	uint8_t *bytes;
	size_t len;
	uint32_t requests;
	size_t first_key, stride; // where the keys are
	size_t value_from_key;    // 0: none
	size_t request_id;        // of REQ; 0: none
	bool set, sp;
	uint32_t value_size;
	uint32_t head_len, tail_len; // of an answer, around the value
	uint8_t (*heads)[ANSWER_HEAD];
	char triples[1000][3]; // "000" ... "999": digits are patched three at a time
};

void frame_shape_make(struct frame_shape *, const struct frame_spec *);
void frame_shape_free(struct frame_shape *);

void frame_put_key(const struct frame_shape *, uint8_t *frame, uint32_t request, uint64_t key);
void frame_put_request_id(const struct frame_shape *, uint8_t *frame, uint32_t id);

// The length of the whole answer to `request` of `frame` at p; 0: more is needed; -1: it is another answer.
long frame_check_answer(
    const struct frame_shape *, const uint8_t *frame, uint32_t request, const uint8_t *p, size_t len);

// A connected socket, greeted and with TCP_NODELAY; ends the program if there is none.  `db` is Redis's.
int peer_dial(enum peer_kind, const char *host, uint16_t port, uint32_t db);

// --- SP ---

enum { SP_LENGTH = 8, SP_HEADER = 4 };

static inline uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif
