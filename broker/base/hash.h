// Keyed hashing of bytes that clients choose (SipHash-2-4: no client can make them collide), and the digest that
// compares keyspaces.  Both from libsodium; nothing else below wire/ uses it.  Threads: any.

#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "wherry/module.h"

struct hash_key {
	uint8_t bytes[16];
};

void hash_key_random(struct hash_key *);
uint64_t hash_bytes(const struct hash_key *, const void *ptr, size_t len);

// 256 bits that can be summed: the digest of a set does not depend on its order.
struct digest {
	uint64_t word[4];
};

struct digest_input {
	_Alignas(64) unsigned char opaque[384];
};

void digest_begin(struct digest_input *);
void digest_add(struct digest_input *, const void *ptr, size_t len);
void digest_add_u64(struct digest_input *, uint64_t); // little-endian, so digests compare between machines
void digest_span(struct digest_input *, wherry_span); // with its length in front
struct digest digest_end(struct digest_input *);
void digest_sum(struct digest *into, const struct digest *);

void random_bytes(void *ptr, size_t len); // cryptographic

#endif
