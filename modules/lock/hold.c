// What a holder does with what it has: release, extend.

#include "lock.h"

static int32_t stale(const struct lock *l, wherry_call *call, uint64_t token)
{
	lock_count(l, METRIC_STALE, 1);
	return lock_fail(l, call, WHERRY_ESTALE,
	    "nothing is held under token %llu: it ran out, was released, or is another lock's",
	    (unsigned long long)token);
}

// The caller's hold, if its token and its permits are right and its time has not run out.
static int32_t find_mine(
    const struct lock *l, wherry_call *call, uint32_t permits_arg, struct held *held, struct holder *mine)
{
	uint64_t token = call->args[RELEASE_TOKEN].as.u;
	uint32_t permits;
	int32_t status;
	if ((status = lock_permits(l, call, permits_arg, &permits)) || (status = lock_open(l, call, NAME, held)))
		return status;
	if (!held->permits)
		return stale(l, call, token);
	if ((permits && (status = lock_same_permits(l, call, held, permits))) ||
	    (status = lock_settle(l, call, NAME, held)))
		return status;
	status = lock_find(l, call, NAME, token, mine);
	if (status == WHERRY_ENOKEY || (status == WHERRY_OK && mine->deadline_ms <= call->now_ms))
		return stale(l, call, token);
	return status;
}

int32_t lock_release(void *self, wherry_call *call)
{
	const struct lock *l = self;
	struct held held;
	struct holder mine;
	int32_t status;
	if ((status = find_mine(l, call, RELEASE_PERMITS, &held, &mine)) ||
	    (status = lock_drop(l, call, NAME, mine.token)) ||
	    (mine.bound && (status = lock_unbind(l, call, NAME, mine.session))) ||
	    (status = lock_freed(l, call, NAME, 1)))
		return status;
	l->write->boolean(call->reply, 1);
	lock_count(l, METRIC_RELEASED, 1);
	return WHERRY_OK;
}

int32_t lock_extend(void *self, wherry_call *call)
{
	const struct lock *l = self;
	struct held held;
	struct holder mine;
	int64_t deadline_ms;
	int32_t status;
	if ((status = lock_ttl(l, call, EXTEND_TTL_MS, &deadline_ms)) ||
	    (status = find_mine(l, call, EXTEND_PERMITS, &held, &mine)))
		return status;
	mine.deadline_ms = deadline_ms;
	if ((status = lock_put(l, call, NAME, &mine)) || (status = lock_wake_by(l, call, NAME, &held, deadline_ms)))
		return status;
	l->write->boolean(call->reply, 1);
	lock_count(l, METRIC_EXTENDED, 1);
	return WHERRY_OK;
}
