// Error texts that name numbers and kinds, and the two limits on sizes.

#include "kv.h"

#include <stdarg.h>
#include <stdio.h>

int32_t kv_fail(const struct kv *kv, wherry_call *call, int32_t status, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	return kv->host->fail(call, status, text);
}

int32_t kv_check_value(const struct kv *kv, wherry_call *call, size_t len)
{
	int64_t most = atomic_load_explicit(&kv->max_value, memory_order_relaxed);
	if (len <= (size_t)most)
		return WHERRY_OK;
	return kv_fail(kv, call, WHERRY_ELIMIT, "the value would have %zu bytes, more than kv.max_value, %lld", len,
	    (long long)most);
}

int32_t kv_check_answer(const struct kv *kv, wherry_call *call, size_t len)
{
	int64_t most = atomic_load_explicit(&kv->max_answer, memory_order_relaxed);
	if (len <= (size_t)most)
		return WHERRY_OK;
	return kv_fail(kv, call, WHERRY_ELIMIT,
	    "the answer would have more than kv.max_answer, %lld bytes; ask for fewer keys at a time", (long long)most);
}

const char *kv_kind(uint32_t kind)
{
	switch (kind) {
	case WHERRY_NIL:
		return "nil";
	case WHERRY_BOOL:
		return "a bool";
	case WHERRY_INT:
	case WHERRY_UINT:
		return "an int";
	case WHERRY_REAL:
		return "a float";
	case WHERRY_TEXT:
		return "a str";
	case WHERRY_BYTES:
		return "a bin";
	case WHERRY_LIST:
		return "an array";
	case WHERRY_MAP:
		return "a map";
	case WHERRY_TIME:
		return "a timestamp";
	case WHERRY_TUPLE:
		return "a tuple";
	default:
		return "an ext value";
	}
}
