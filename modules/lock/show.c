// For people: who holds a lock.

#include "lock.h"

static void text(const struct lock *l, wherry_call *call, const char *name)
{
	l->write->cstring(call->reply, name);
}

static void show_holder(const struct lock *l, wherry_call *call, const struct holder *h)
{
	l->write->map(call->reply, 4);
	text(l, call, "token");
	l->write->uinteger(call->reply, h->token);
	text(l, call, "session");
	l->write->uinteger(call->reply, h->session);
	text(l, call, "held_ms");
	l->write->integer(call->reply, call->now_ms - h->since_ms);
	text(l, call, "left_ms");
	l->write->integer(call->reply, h->deadline_ms > call->now_ms ? h->deadline_ms - call->now_ms : 0);
}

static int32_t show_holders(const struct lock *l, wherry_call *call, const struct held *held)
{
	struct holders walk;
	struct holder h;
	int32_t status = lock_holders(l, call, NAME, held, &walk);
	l->write->array(call->reply, (uint32_t)held->key.records);
	while (status == WHERRY_OK && (status = lock_next(&walk, &h)) == WHERRY_OK)
		show_holder(l, call, &h);
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

int32_t lock_show(void *self, wherry_call *call)
{
	const struct lock *l = self;
	struct held held;
	int32_t status = lock_open(l, call, NAME, &held);
	if (status)
		return status;
	if (!held.permits) {
		l->write->nil(call->reply);
		return WHERRY_OK;
	}
	l->write->map(call->reply, 2);
	text(l, call, "permits");
	l->write->uinteger(call->reply, held.permits);
	text(l, call, "holders");
	return show_holders(l, call, &held);
}
