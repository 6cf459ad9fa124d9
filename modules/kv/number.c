// Numbers counted in place: int64 and float64, never wrapping around.

#include "kv.h"

#include <math.h>
#include <string.h>

enum { NUMBER_ROOM = 9 };

static size_t put_be(uint8_t *out, uint8_t head, uint64_t bits, size_t bytes)
{
	out[0] = head;
	for (size_t i = 0; i < bytes; i++)
		out[1 + i] = (uint8_t)(bits >> 8 * (bytes - 1 - i));
	return 1 + bytes;
}

// The shortest msgpack of an int.
static size_t encode_int(uint8_t out[static NUMBER_ROOM], int64_t n)
{
	if (n >= -32 && n <= 127)
		return put_be(out, (uint8_t)n, 0, 0);
	int width = n >= INT8_MIN && n <= UINT8_MAX     ? 0
		    : n >= INT16_MIN && n <= UINT16_MAX ? 1
		    : n >= INT32_MIN && n <= UINT32_MAX ? 2
							: 3;
	return put_be(out, (uint8_t)((n < 0 ? 0xd0 : 0xcc) + width), (uint64_t)n, (size_t)1 << width);
}

static size_t encode_real(uint8_t out[static NUMBER_ROOM], double real)
{
	uint64_t bits;
	_Static_assert(sizeof bits == sizeof real, "a float64 is 8 bytes");
	memcpy(&bits, &real, sizeof bits);
	return put_be(out, 0xcb, bits, sizeof bits);
}

static double as_real(const wherry_value *number)
{
	return number->kind == WHERRY_REAL ? number->as.real : (double)number->as.i;
}

static int32_t add(const struct kv *kv, wherry_call *call, wherry_value *sum, const wherry_value *by)
{
	if (sum->kind == WHERRY_INT && by->kind == WHERRY_INT) {
		if (__builtin_add_overflow(sum->as.i, by->as.i, &sum->as.i))
			return kv_fail(kv, call, WHERRY_ELIMIT, "the sum leaves the range of int64; the value stays");
		return WHERRY_OK;
	}
	double real = as_real(sum) + as_real(by);
	if (!isfinite(real))
		return kv_fail(kv, call, WHERRY_ELIMIT, "the sum is no finite float64; the value stays");
	*sum = (wherry_value){.kind = WHERRY_REAL, .as.real = real};
	return WHERRY_OK;
}

// What to count from: the value, or for a missing key `initial`, or 0.
static int32_t start(const struct kv *kv, wherry_call *call, wherry_value *number)
{
	wherry_key key = {.size = sizeof key};
	int32_t status = kv->keys->open(call, INCR_KEY, KV_VALUE, &key);
	if (status == WHERRY_ENOKEY) {
		const wherry_value *initial = &call->args[INCR_INITIAL];
		*number = initial->kind ? *initial : (wherry_value){.kind = WHERRY_INT};
		return WHERRY_OK;
	}
	if (status || (status = kv->read->value(key.head, number)))
		return status;
	if (number->kind == WHERRY_UINT)
		return kv_fail(kv, call, WHERRY_ELIMIT, "the value is beyond int64; it can't be counted");
	if (!(number->kind & (WHERRY_INT | WHERRY_REAL)))
		return kv_fail(kv, call, WHERRY_EARG, "the key's value is %s; kv.incr counts ints and floats",
		    kv_kind(number->kind));
	return WHERRY_OK;
}

int32_t kv_incr(void *self, wherry_call *call)
{
	const struct kv *kv = self;
	static const wherry_value one = {.kind = WHERRY_INT, .as.i = 1};
	const wherry_value *by = call->args[INCR_BY].kind ? &call->args[INCR_BY] : &one;
	wherry_value sum;
	int32_t status = start(kv, call, &sum);
	if (status || (status = add(kv, call, &sum, by)))
		return status;
	uint8_t bytes[NUMBER_ROOM];
	size_t len = sum.kind == WHERRY_INT ? encode_int(bytes, sum.as.i) : encode_real(bytes, sum.as.real);
	wherry_span head = {bytes, len};
	status = kv->keys->put_head(call, INCR_KEY, KV_VALUE, head);
	if (!status)
		kv->write->raw(call->reply, head);
	return status;
}
