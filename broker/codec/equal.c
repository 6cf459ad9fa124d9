// values_equal() of cursor.h.  Lists are compared side by side.  Maps are compared by the sum of their pairs'
// keyed hashes, under two keys made for the occasion: linear, without memory, and no client can know the
// keys, so that two maps that differ have equal sums about once in 2^88 comparisons (a pair repeated in a map
// costs bits; 20 at most).

#include <math.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "codec/cursor.h"

struct hasher {
	struct hash_key first, second;
};

struct sum {
	uint64_t first, second;
};

static struct sum hash_of(const struct hasher *h, const void *bytes, size_t len)
{
	return (struct sum){hash_bytes(&h->first, bytes, len), hash_bytes(&h->second, bytes, len)};
}

// What of a value is hashed beside its content: the same for all encodings of it.
struct normal {
	uint64_t kind, number, detail;
	struct sum content;
};

static uint64_t real_bits(double number)
{
	uint64_t bits;
	double same = isnan(number) ? (double)NAN : number == 0 ? 0 : number;
	memcpy(&bits, &same, sizeof(bits));
	return bits;
}

static struct sum sum_value(const struct hasher *h, const wherry_value *value);

static struct sum sum_next(const struct hasher *h, struct cursor *c)
{
	wherry_value value;
	cursor_next(c, &value);
	return sum_value(h, &value);
}

// In order: each step hashes what was before together with the element.
static struct sum sum_list(const struct hasher *h, wherry_span elements)
{
	struct sum chain[2] = {{0, 0}, {0, 0}};
	for (struct cursor c = cursor_of(elements); c.at < c.end;) {
		chain[1] = sum_next(h, &c);
		chain[0] = hash_of(h, chain, sizeof(chain));
	}
	return chain[0];
}

static struct sum sum_map(const struct hasher *h, wherry_span pairs)
{
	struct sum total = {0, 0};
	for (struct cursor c = cursor_of(pairs); c.at < c.end;) {
		struct sum pair[2];
		pair[0] = sum_next(h, &c);
		pair[1] = sum_next(h, &c);
		struct sum one = hash_of(h, pair, sizeof(pair));
		total.first += one.first;
		total.second += one.second;
	}
	return total;
}

// Recursive, as deep as cursor_check() let values nest.
static struct sum sum_value(const struct hasher *h, const wherry_value *value)
{
	struct normal n = {.kind = value->kind, .detail = value->reserved0};
	switch (value->kind) {
	case WHERRY_REAL:
		n.number = real_bits(value->as.real);
		break;
	case WHERRY_LIST:
	case WHERRY_TUPLE:
		n.content = sum_list(h, value->as.bytes);
		break;
	case WHERRY_MAP:
		n.content = sum_map(h, value->as.bytes);
		break;
	case WHERRY_TEXT:
	case WHERRY_BYTES:
	case WHERRY_EXT:
		n.content = hash_of(h, value->as.bytes.ptr, value->as.bytes.len);
		break;
	default:
		n.number = value->as.u;
	}
	return hash_of(h, &n, sizeof(n));
}

static bool maps_equal(const wherry_value *a, const wherry_value *b)
{
	struct hasher h;
	hash_key_random(&h.first);
	hash_key_random(&h.second);
	struct sum x = sum_map(&h, a->as.bytes), y = sum_map(&h, b->as.bytes);
	return x.first == y.first && x.second == y.second;
}

static bool same(const wherry_value *a, const wherry_value *b);

static bool lists_equal(wherry_span a, wherry_span b)
{
	struct cursor x = cursor_of(a), y = cursor_of(b);
	wherry_value left, right;
	while (cursor_next(&x, &left) && cursor_next(&y, &right))
		if (!same(&left, &right))
			return false;
	return true;
}

// Recursive, as deep as cursor_check() let values nest; a map's inside is never walked twice.
static bool same(const wherry_value *a, const wherry_value *b)
{
	if (a->kind != b->kind || a->reserved0 != b->reserved0)
		return false;
	switch (a->kind) {
	case WHERRY_REAL:
		return real_bits(a->as.real) == real_bits(b->as.real);
	case WHERRY_LIST:
	case WHERRY_TUPLE:
		return lists_equal(a->as.bytes, b->as.bytes);
	case WHERRY_MAP:
		return span_equal(a->raw, b->raw) || maps_equal(a, b);
	case WHERRY_TEXT:
	case WHERRY_BYTES:
	case WHERRY_EXT:
		return span_equal(a->as.bytes, b->as.bytes);
	default:
		return a->as.u == b->as.u;
	}
}

bool values_equal(wherry_span a, wherry_span b)
{
	struct cursor x = cursor_of(a), y = cursor_of(b);
	wherry_value left, right;
	if (span_equal(a, b))
		return true;
	return cursor_next(&x, &left) && cursor_next(&y, &right) && same(&left, &right);
}
