// For people: who holds a lock.

#include "lock.h"

enum { CLIENT_MOST = 256 };

static void text(const struct lock *l, wherry_call *call, const char *name)
{
	l->write->cstring(call->reply, name);
}

// Nil: the session is over.
static void show_client(const struct lock *l, wherry_call *call, uint64_t session)
{
	char client[CLIENT_MOST];
	size_t len;
	if (l->host->session_client(l->owner, session, client, sizeof client, &len) == WHERRY_OK)
		l->write->text(call->reply, (wherry_span){client, len});
	else
		l->write->nil(call->reply);
}

static void show_holder(const struct lock *l, wherry_call *call, const struct holder *h)
{
	l->write->map(call->reply, 6);
	text(l, call, "token");
	if (h->token)
		l->write->uinteger(call->reply, h->token);
	else
		l->write->revision(call->reply);
	text(l, call, "session");
	l->write->uinteger(call->reply, h->session);
	text(l, call, "client");
	show_client(l, call, h->session);
	text(l, call, "bound");
	l->write->boolean(call->reply, h->bound);
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
