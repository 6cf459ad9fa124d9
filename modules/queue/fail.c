// Errors with numbers in their text, and options with bounds.

#include "queue.h"

#include <stdarg.h>
#include <stdio.h>

int32_t queue_fail(const struct queues *all, wherry_call *call, int32_t status, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	return all->host->fail(call, status, text);
}

int32_t queue_number(const struct queues *all, wherry_call *call, uint32_t arg, const char *name, int64_t least,
    int64_t most, int64_t preset, int64_t *out)
{
	const wherry_value *value = &call->args[arg];
	*out = preset;
	if (value->kind == WHERRY_ABSENT)
		return WHERRY_OK;
	if (value->kind != WHERRY_INT || value->as.i < least || value->as.i > most)
		return queue_fail(
		    all, call, WHERRY_EARG, "%s must be from %lld to %lld", name, (long long)least, (long long)most);
	*out = value->as.i;
	return WHERRY_OK;
}
