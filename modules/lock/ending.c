// Holders that end without asking: their time has run out, or their session is over.  All of them in a few looks at the
// whole lock, which changes under a walk.

#include "lock.h"

// Each may need a key of its session's, and a run can ask for only so many: what is left has the next alarm.
enum { END_AT_ONCE = 16 };

static bool ends(const struct lock_ending *e, const wherry_call *call, const struct holder *h)
{
	return e->session ? h->bound && h->session == e->session : h->deadline_ms <= call->now_ms;
}

static int32_t look(const struct lock *l, wherry_call *call, uint32_t arg, const struct held *held,
    struct lock_ending *e, struct holder found[static END_AT_ONCE])
{
	struct holders walk;
	struct holder h;
	e->next_ms = INT64_MAX;
	e->count = 0;
	int32_t status = lock_holders(l, call, arg, held, &walk);
	while (status == WHERRY_OK && (status = lock_next(&walk, &h)) == WHERRY_OK) {
		if (e->count < END_AT_ONCE && ends(e, call, &h))
			found[e->count++] = h;
		else if (h.deadline_ms < e->next_ms)
			e->next_ms = h.deadline_ms;
	}
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t end_one(const struct lock *l, wherry_call *call, uint32_t arg, const struct holder *h, bool unbind)
{
	int32_t status = lock_drop(l, call, arg, h->token);
	return status == WHERRY_OK && unbind ? lock_unbind(l, call, arg, h->session) : status;
}

int32_t lock_end_some(
    const struct lock *l, wherry_call *call, uint32_t arg, const struct held *held, struct lock_ending *e)
{
	struct holder found[END_AT_ONCE];
	int32_t status = look(l, call, arg, held, e, found);
	for (uint32_t i = 0; i < e->count && status == WHERRY_OK; i++)
		status = end_one(l, call, arg, &found[i], found[i].bound && !e->session);
	return status;
}

int32_t lock_expire(void *self, wherry_call *call)
{
	const struct lock *l = self;
	struct held held;
	struct lock_ending e = {0};
	int32_t status;
	if ((status = lock_open(l, call, NAME, &held)) || !held.permits ||
	    (status = lock_settle(l, call, NAME, &held)) || (status = lock_end_some(l, call, NAME, &held, &e)))
		return status;
	if (e.count < held.key.records && (status = l->keys->set_alarm(call, NAME, e.next_ms)))
		return status;
	lock_count(l, METRIC_EXPIRED, e.count);
	return lock_freed(l, call, NAME, e.count);
}
