// What a caller asks for, held against the options; errors with numbers in their text.

#include <stdarg.h>
#include <stdio.h>

#include "lock.h"

int32_t lock_fail(const struct lock *l, wherry_call *call, int32_t status, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	return l->host->fail(call, status, text);
}

int32_t lock_ttl(const struct lock *l, wherry_call *call, uint32_t arg, int64_t *deadline_ms)
{
	const wherry_value *ttl = &call->args[arg];
	int64_t most = lock_option(&l->max_ttl), preset = lock_option(&l->ttl);
	int64_t ms = ttl->kind ? ttl->as.i : preset < most ? preset : most;
	if (ms < 1 || ms > most)
		return lock_fail(l, call, WHERRY_EARG, "ttl_ms must be from 1 to lock.max_ttl, %lld", (long long)most);
	*deadline_ms = call->now_ms + ms;
	return WHERRY_OK;
}

int32_t lock_wait(const struct lock *l, wherry_call *call, uint32_t arg, int64_t *wait_ms)
{
	const wherry_value *wait = &call->args[arg];
	int64_t most = lock_option(&l->max_wait);
	*wait_ms = wait->kind ? wait->as.i : 0;
	if (*wait_ms < 0 || *wait_ms > most)
		return lock_fail(
		    l, call, WHERRY_EARG, "wait_ms must be from 0 to lock.max_wait, %lld", (long long)most);
	return WHERRY_OK;
}

int32_t lock_permits(const struct lock *l, wherry_call *call, uint32_t arg, uint32_t *permits)
{
	const wherry_value *wanted = &call->args[arg];
	int64_t most = lock_option(&l->max_permits);
	if (wanted->kind && (wanted->as.i < 1 || wanted->as.i > most))
		return lock_fail(
		    l, call, WHERRY_EARG, "permits must be from 1 to lock.max_permits, %lld", (long long)most);
	*permits = wanted->kind ? (uint32_t)wanted->as.i : 0;
	return WHERRY_OK;
}

int32_t lock_same_permits(const struct lock *l, wherry_call *call, const struct held *held, uint32_t permits)
{
	if (!held->permits || held->permits == permits)
		return WHERRY_OK;
	return lock_fail(l, call, WHERRY_ECONFLICT,
	    "it has %u permit%s while anybody holds it, and %u %s asked for: all callers must say the same permits",
	    held->permits, held->permits == 1 ? "" : "s", permits, permits == 1 ? "is" : "are");
}
