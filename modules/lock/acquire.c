// lock.acquire: a permit now, or a place among those who wait.

#include "lock.h"

static int32_t refuse(const struct lock *l, wherry_call *call)
{
	l->write->nil(call->reply);
	lock_count(l, METRIC_REFUSED, 1);
	return WHERRY_OK;
}

static int32_t grant(
    const struct lock *l, wherry_call *call, const struct held *held, uint32_t permits, int64_t deadline_ms)
{
	bool bound = lock_flag(&call->args[ACQUIRE_SESSION]);
	struct holder h = {
	    .deadline_ms = deadline_ms, .since_ms = call->now_ms, .session = call->session, .bound = bound};
	int32_t status;
	if ((bound && (status = lock_bind(l, call, ACQUIRE_NAME))) ||
	    (status = lock_settle(l, call, ACQUIRE_NAME, held)) ||
	    (status = lock_add(l, call, ACQUIRE_NAME, permits, &h)))
		return status;
	l->write->revision(call->reply);
	lock_count(l, METRIC_GRANTED, 1);
	return WHERRY_OK;
}

// It stands where it stood if it waited before, and of its times the earliest counts.
static int32_t wait_or_refuse(const struct lock *l, wherry_call *call, int64_t wait_ms)
{
	if (!wait_ms)
		return refuse(l, call);
	int32_t status = l->keys->park(call, wait_ms, NULL);
	return status ? status : WHERRY_PARKED;
}

int32_t lock_acquire(void *self, wherry_call *call)
{
	const struct lock *l = self;
	struct held held;
	int64_t deadline_ms, wait_ms;
	uint32_t permits;
	if (call->why ==
	    WHERRY_WHY_TIMEOUT) // also if it is free by now: then others, who came before, are about to run
		return refuse(l, call);
	if (call->why == WHERRY_WHY_SHUTDOWN) // an error, so that what it was woken for goes to the next
		return l->host->fail(call, WHERRY_EAGAIN, "the broker or the module lock goes: ask again");
	int32_t status;
	if ((status = lock_ttl(l, call, ACQUIRE_TTL_MS, &deadline_ms)) ||
	    (status = lock_wait(l, call, ACQUIRE_WAIT_MS, &wait_ms)) ||
	    (status = lock_permits(l, call, ACQUIRE_PERMITS, &permits)))
		return status;
	permits += !permits;
	if ((status = lock_open(l, call, ACQUIRE_NAME, &held)) || (status = lock_same_permits(l, call, &held, permits)))
		return status;
	if (held.key.records >= permits)
		return wait_or_refuse(l, call, wait_ms);
	return grant(l, call, &held, permits, deadline_ms);
}
