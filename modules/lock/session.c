// Locks that end with their session.  Its own key, in the module's namespace, says where they are; each is let go by a
// request of its own, since a command reaches one namespace besides.

#include <string.h>

#include "lock.h"

enum { KEY_MOST = 16, NS_MOST = 255, NUMBER_BYTES = 9, REQUEST_ROOM = 64, SWEEP_KEYS = 1000 };

static int32_t need_session(const struct lock *l, wherry_call *call, uint64_t session, uint32_t *arg)
{
	wherry_value number = {.kind = WHERRY_INT, .as.u = session};
	uint8_t key[KEY_MOST];
	size_t len;
	int32_t status = l->host->read->canonical(&number, key, sizeof key, &len);
	return status ? status : l->keys->need_own(call, (wherry_span){key, len}, WHERRY_WRITE, arg);
}

// The subkey: how long the name of the namespace is, that name, the lock's name.
static size_t place_bytes(const struct lock *l, wherry_call *call, wherry_span name)
{
	return 1 + l->keys->ns(call).len + name.len;
}

static void put_place(const struct lock *l, wherry_call *call, wherry_span name, uint8_t *at)
{
	wherry_span ns = l->keys->ns(call);
	at[0] = (uint8_t)ns.len;
	memcpy(at + 1, ns.ptr, ns.len);
	memcpy(at + 1 + ns.len, name.ptr, name.len);
}

static int32_t put_bound(const struct lock *l, wherry_call *call, uint32_t arg, wherry_span place)
{
	int32_t status = l->keys->put_head(call, arg, LOCK_SESSION, (wherry_span){"", 0});
	return status ? status : l->keys->put(call, arg, place, (wherry_span){"", 0});
}

static int32_t del_bound(const struct lock *l, wherry_call *call, uint32_t arg, wherry_span place)
{
	wherry_key key = {.size = sizeof key};
	int32_t status = l->keys->del(call, arg, place);
	if (status == WHERRY_ENOKEY)
		return WHERRY_OK;
	if (status || (status = l->keys->open(call, arg, LOCK_SESSION, &key)) || key.records)
		return status;
	return l->keys->remove(call, arg);
}

// Does one of the two to the record of this lock.
static int32_t change_bound(const struct lock *l, wherry_call *call, uint32_t arg, uint64_t session,
    int32_t (*change)(const struct lock *, wherry_call *, uint32_t arg, wherry_span place))
{
	uint32_t bound_arg;
	wherry_span name = call->args[arg].raw;
	int32_t status = need_session(l, call, session, &bound_arg);
	if (status)
		return status;
	size_t len = place_bytes(l, call, name);
	uint8_t *place = l->host->alloc(l->owner, len);
	if (!place)
		return WHERRY_ENOMEM;
	put_place(l, call, name, place);
	status = change(l, call, bound_arg, (wherry_span){place, len});
	l->host->release(l->owner, place);
	return status;
}

int32_t lock_bind(const struct lock *l, wherry_call *call, uint32_t arg)
{
	if (!call->session)
		return lock_fail(l, call, WHERRY_EARG, "the broker's own requests have no session that could end");
	return change_bound(l, call, arg, call->session, put_bound);
}

// Of a semaphore it may hold more.
static int32_t holds_more(const struct lock *l, wherry_call *call, uint32_t arg, uint64_t session, bool *more)
{
	struct held held;
	struct holders walk;
	struct holder h;
	*more = false;
	int32_t status = lock_open(l, call, arg, &held);
	if (status || !held.key.records || (status = lock_holders(l, call, arg, &held, &walk)))
		return status;
	while (!*more && (status = lock_next(&walk, &h)) == WHERRY_OK)
		*more = h.bound && h.session == session;
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

int32_t lock_unbind(const struct lock *l, wherry_call *call, uint32_t arg, uint64_t session)
{
	bool more;
	int32_t status = holds_more(l, call, arg, session, &more);
	return status || more ? status : change_bound(l, call, arg, session, del_bound);
}

// --- the end of a session ---------------------------------------------------------------------------------------------

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

static uint8_t *put_text(uint8_t *at, wherry_span text)
{
	*at++ = 0xd9; // a str with a length of one byte
	*at++ = (uint8_t)text.len;
	return put_bytes(at, text.ptr, text.len);
}

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
	*at++ = 0xcf; // a uint of eight bytes
	for (int shift = 56; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(number >> shift);
	return at;
}

// [2, "lock.let_go", [name, session], {"ns": ns}]
static int32_t submit_let_go(const struct lock *l, wherry_span ns, wherry_span name, uint64_t session)
{
	static const char head[] = "\x94\x02\xablock.let_go\x92", option[] = "\x81\xa2ns";
	uint8_t *request = l->host->alloc(l->owner, REQUEST_ROOM + ns.len + name.len);
	if (!request)
		return WHERRY_ENOMEM;
	uint8_t *at = put_bytes(request, head, sizeof head - 1);
	at = put_number(put_bytes(at, name.ptr, name.len), session);
	at = put_text(put_bytes(at, option, sizeof option - 1), ns);
	int32_t status = l->host->submit(l->owner, (wherry_span){request, (size_t)(at - request)});
	l->host->release(l->owner, request);
	return status;
}

static int32_t let_go_of_all(const struct lock *l, wherry_call *call, uint32_t arg, uint64_t session)
{
	wherry_cursor cursor;
	wherry_span place, none;
	int32_t status = l->keys->seek(call, arg, (wherry_span){NULL, 0}, 1, &cursor);
	while (status == WHERRY_OK && (status = l->keys->next(&cursor, &place, &none)) == WHERRY_OK) {
		const uint8_t *at = place.ptr;
		wherry_span ns = {at + 1, at[0]}, name = {at + 1 + ns.len, place.len - 1 - ns.len};
		status = submit_let_go(l, ns, name, session);
	}
	return status == WHERRY_ENOKEY ? l->keys->remove(call, arg) : status;
}

int32_t lock_ended(void *self, wherry_call *call)
{
	const struct lock *l = self;
	uint64_t session = call->args[0].as.u;
	wherry_key key = {.size = sizeof key};
	uint32_t arg;
	int32_t status = need_session(l, call, session, &arg);
	if (status == WHERRY_OK)
		status = l->keys->open(call, arg, LOCK_SESSION, &key);
	if (status)
		return status == WHERRY_ENOKEY ? WHERRY_OK : status;
	return let_go_of_all(l, call, arg, session);
}

int32_t lock_let_go(void *self, wherry_call *call)
{
	const struct lock *l = self;
	struct held held;
	struct lock_ending e = {.session = call->args[LET_GO_SESSION].as.u};
	uint32_t ended = 0;
	int32_t status = lock_open(l, call, LET_GO_NAME, &held);
	if (status || !held.permits)
		return status;
	status = lock_settle(l, call, LET_GO_NAME, &held);
	while (status == WHERRY_OK && (status = lock_end_some(l, call, LET_GO_NAME, &held, &e)) == WHERRY_OK && e.count)
		ended += e.count;
	if (status || !ended)
		return status;
	lock_count(l, METRIC_ENDED, ended);
	return lock_freed(l, call, LET_GO_NAME, ended);
}

static int32_t submit_ended(const struct lock *l, uint64_t session)
{
	static const char head[] = "\x93\x02\xaalock.ended\x91";
	uint8_t request[sizeof head - 1 + NUMBER_BYTES];
	put_number(put_bytes(request, head, sizeof head - 1), session);
	return l->host->submit(l->owner, (wherry_span){request, sizeof request});
}

void lock_session_ended(void *self, uint64_t session)
{
	const struct lock *l = self;
	if (submit_ended(l, session) != WHERRY_OK)
		l->host->log(
		    l->owner, WHERRY_LOG_WARN, "no memory to let go of what a session held: it ends with its time");
}

// --- sessions that ended while the module was not there ---------------------------------------------------------------

static int32_t each_session(void *arg, const wherry_key *key)
{
	const struct lock *l = arg;
	wherry_value number;
	size_t len;
	if (l->host->read->value(key->key, &number) == WHERRY_OK &&
	    l->host->session_client(l->owner, number.as.u, NULL, 0, &len) == WHERRY_ESTALE)
		lock_session_ended(arg, number.as.u);
	return WHERRY_SCAN_NEXT;
}

int32_t lock_sweep(void *self, wherry_call *call)
{
	const struct lock *l = self;
	uint64_t cursor = 0;
	do
		cursor = l->keys->scan_own(call, cursor, SWEEP_KEYS, LOCK_SESSION, each_session, self);
	while (cursor);
	return WHERRY_OK;
}

int32_t lock_start(void *self, wherry_why *why)
{
	static const char sweep[] = "\x93\x02\xaalock.sweep\x90";
	const struct lock *l = self;
	(void)why;
	return l->host->submit(l->owner, (wherry_span){sweep, sizeof sweep - 1});
}
