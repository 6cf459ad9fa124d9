#include "base/hash.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct hash_key) == crypto_shorthash_KEYBYTES, "the key of SipHash");
static_assert(sizeof(struct digest_input) >= sizeof(crypto_generichash_state), "room for a BLAKE2b state");

void hash_key_random(struct hash_key *key)
{
	random_bytes(key->bytes, sizeof(key->bytes));
}

uint64_t hash_bytes(const struct hash_key *key, const void *ptr, size_t len)
{
	uint64_t hash;
	crypto_shorthash((unsigned char *)&hash, ptr, len, key->bytes);
	return hash;
}

void digest_begin(struct digest_input *in)
{
	crypto_generichash_init((crypto_generichash_state *)(void *)in->opaque, NULL, 0, sizeof(struct digest));
}

void digest_add(struct digest_input *in, const void *ptr, size_t len)
{
	crypto_generichash_update((crypto_generichash_state *)(void *)in->opaque, ptr, len);
}

void digest_add_u64(struct digest_input *in, uint64_t number)
{
	unsigned char bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(number >> (8 * i));
	digest_add(in, bytes, sizeof(bytes));
}

void digest_span(struct digest_input *in, wherry_span span)
{
	digest_add_u64(in, span.len);
	if (span.len > 0)
		digest_add(in, span.ptr, span.len);
}

struct digest digest_end(struct digest_input *in)
{
	struct digest out;
	crypto_generichash_final((crypto_generichash_state *)(void *)in->opaque, (unsigned char *)&out, sizeof(out));
	return out;
}

void digest_sum(struct digest *into, const struct digest *other)
{
	for (int i = 0; i < 4; i++)
		into->word[i] += other->word[i];
}

// Without sodium_init() the generator may be used by one thread only; after the first call it costs one
// mutex.
void random_bytes(void *ptr, size_t len)
{
	if (sodium_init() < 0)
		abort();
	randombytes_buf(ptr, len);
}
