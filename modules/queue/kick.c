// kick: dead or delayed messages made ready.
//
// Of a queue that others' dead messages are in, those go back to where they came from.  Else the queue's own dead come back
// from its dead-letter queue, and if there are too few, delayed ones are made ready before their time.  A message that
// comes back is a new one, at the end of the line, with no attempts; its headers still tell how it died.  Nothing is
// pushed out by it: where a queue is full, it ends.

#include "state.h"

enum { KICK_MOST = 10000, ORIGINS_MOST = 32, KEY_MOST = 4096 };

// Where it goes from, and the next id to look at there.
struct kick {
	struct queue *from;
	struct subkey next, end;
	uint32_t left, done;
	uint64_t origins[ORIGINS_MOST]; // that were opened: each may cost a new run of the command
	unsigned origin_count;
};

static bool has_room(struct queue *q, const struct message *m, int32_t *status)
{
	struct settings s;
	*status = settings_read(q, &s);
	return !*status && !(s.max_length && head_length(&q->head) + 1 > s.max_length) &&
	       !(s.max_bytes && q->head.bytes + message_bytes(m) > s.max_bytes);
}

// ENOKEY: the queue is full.
static int32_t move(struct kick *k, struct queue *to, const struct message *m)
{
	int32_t status;
	if (!has_room(to, m, &status))
		return status ? status : WHERRY_ENOKEY;
	struct message back = {
	    .priority = m->priority,
	    .max_attempts = m->max_attempts,
	    .value = m->value,
	    .headers = m->headers,
	};
	status = message_add(to, &back);
	if (!status)
		status = message_remove(k->from, m);
	if (status)
		return status;
	to->events[EVENT_KICKED]++;
	k->done++;
	k->left--;
	return WHERRY_OK;
}

// ENOKEY: there is no further one.
static int32_t next_dead(struct kick *k, struct message *m)
{
	wherry_span subkey, value;
	int32_t status = queue_first(k->from, FAMILY_DEAD, &k->next, &subkey, &value);
	if (!status && memcmp(subkey.ptr, k->end.bytes, subkey.len) > 0)
		return WHERRY_ENOKEY;
	if (status)
		return status;
	k->next = subkey_two(FAMILY_DEAD, get_be64((const uint8_t *)subkey.ptr + 1), subkey_id(subkey) + 1);
	return message_get(k->from, subkey_id(subkey), m);
}

// --- those that died of one queue -------------------------------------------------------------------------------------

static int32_t open_dead(struct queue *q, struct queue *dead)
{
	struct settings s;
	struct bytes b;
	wherry_span key;
	uint32_t arg;
	int32_t status = settings_read(q, &s);
	dead->there = false;
	if (status || s.drops_dead)
		return status;
	bytes_open(&b, q->all);
	status = settings_dead_key(q, &s, &b, &key);
	if (!status && !span_is(key, q->key))
		status = q->all->keys->need(q->call, key, WHERRY_WRITE, &arg);
	if (!status && !span_is(key, q->key))
		status = queue_open(dead, q->all, q->call, arg, NULL, q->tally);
	bytes_free(&b);
	return status == WHERRY_ETYPE ? WHERRY_OK : status; // no queue, so nothing of ours is in it
}

static int32_t take_back(struct queue *q, struct kick *k)
{
	uint8_t room[KEY_MOST];
	int32_t status = WHERRY_OK;
	while (!status && k->left > 0) {
		struct message m;
		wherry_span origin;
		status = next_dead(k, &m);
		if (!status && !message_origin(q->all, &m, room, sizeof room, &origin) && span_is(origin, q->key))
			status = move(k, q, &m);
	}
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t kick_own_dead(struct queue *q, struct kick *k)
{
	struct queue dead;
	uint64_t hash = origin_hash(q->key);
	int32_t status = open_dead(q, &dead);
	if (status || !dead.there)
		return status;
	k->from = &dead;
	k->next = subkey_two(FAMILY_DEAD, hash, 0);
	k->end = subkey_two(FAMILY_DEAD, hash, UINT64_MAX);
	status = take_back(q, k);
	return status ? status : queue_close(&dead);
}

static int32_t kick_delayed(struct queue *q, struct kick *k)
{
	int32_t status = WHERRY_OK;
	while (!status && k->left > 0 && q->head.delayed) {
		wherry_span subkey, value;
		struct message m;
		struct subkey from = subkey_family(FAMILY_DELAYED);
		status = queue_first(q, FAMILY_DELAYED, &from, &subkey, &value);
		if (!status)
			status = message_get(q, subkey_id(subkey), &m);
		if (!status)
			status = message_ready(q, &m);
		q->events[EVENT_KICKED]++;
		k->done++;
		k->left--;
	}
	return status;
}

// --- those that died of many queues -----------------------------------------------------------------------------------

static bool may_open(struct kick *k, uint64_t hash)
{
	for (unsigned i = 0; i < k->origin_count; i++)
		if (k->origins[i] == hash)
			return true;
	if (k->origin_count == ORIGINS_MOST)
		return false;
	k->origins[k->origin_count++] = hash;
	return true;
}

static int32_t open_origin(struct kick *k, wherry_span key, struct queue *origin)
{
	uint32_t arg;
	struct queue *from = k->from;
	int32_t status = from->all->keys->need(from->call, key, WHERRY_WRITE, &arg);
	if (!status)
		status = queue_open(origin, from->all, from->call, arg, NULL, from->tally);
	origin->key = key;
	return status ? status : queue_make(origin);
}

static int32_t origin_of(struct kick *k, const struct message *m, uint8_t room[static KEY_MOST], wherry_span *key)
{
	int32_t status = message_origin(k->from->all, m, room, KEY_MOST, key);
	return status || span_is(*key, k->from->key) ? WHERRY_ENOKEY : WHERRY_OK;
}

// `m` and those behind it that came from `origin`; `m` is the next one then.  ENOKEY: no more of any, or no more room.
static int32_t move_all(struct kick *k, struct queue *origin, struct message *m)
{
	uint8_t room[KEY_MOST];
	wherry_span key = origin->key;
	int32_t status = WHERRY_OK;
	while (!status && k->left > 0 && span_is(key, origin->key)) {
		status = move(k, origin, m);
		if (!status)
			status = next_dead(k, m);
		if (!status && origin_of(k, m, room, &key))
			break;
	}
	return status;
}

// One whose origin is not said, or is no queue any more, stays.
static int32_t send_home(struct kick *k, struct message *m)
{
	uint8_t room[KEY_MOST];
	struct queue origin;
	wherry_span key;
	if (origin_of(k, m, room, &key))
		return next_dead(k, m);
	int32_t status = open_origin(k, key, &origin);
	if (status)
		return status == WHERRY_ETYPE ? next_dead(k, m) : status;
	status = move_all(k, &origin, m);
	if (status && status != WHERRY_ENOKEY)
		return status;
	int32_t closed = queue_close(&origin);
	return closed ? closed : status;
}

static int32_t kick_others_dead(struct queue *q, struct kick *k)
{
	struct message m;
	k->from = q;
	k->next = subkey_family(FAMILY_DEAD);
	k->end = subkey_two(FAMILY_DEAD, UINT64_MAX, UINT64_MAX);
	int32_t status = next_dead(k, &m);
	while (!status && k->left > 0 && may_open(k, m.expires_ms))
		status = send_home(k, &m);
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t has_others_dead(struct queue *q, bool *has)
{
	wherry_span subkey, value;
	struct subkey from = subkey_family(FAMILY_DEAD);
	int32_t status = queue_first(q, FAMILY_DEAD, &from, &subkey, &value);
	*has = !status;
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t kick(struct queue *q, struct kick *k)
{
	bool others;
	int32_t status = has_others_dead(q, &others);
	if (status)
		return status;
	if (others)
		return kick_others_dead(q, k);
	status = kick_own_dead(q, k);
	return status ? status : kick_delayed(q, k);
}

int32_t queue_kick(void *self, wherry_call *call)
{
	const struct queues *all = self;
	struct queue q;
	struct tally tally = {{0}};
	struct kick k = {.done = 0};
	int64_t count;
	int32_t status = queue_number(all, call, KICK_COUNT, "count", 1, KICK_MOST, KICK_MOST, &count);
	if (!status)
		status = queue_open(&q, all, call, KICK_KEY, NULL, &tally);
	k.left = (uint32_t)count;
	if (!status && !q.there) // its dead may have outlived it: they bring it back
		status = queue_make(&q);
	if (!status)
		status = kick(&q, &k);
	if (!status)
		status = queue_close(&q);
	if (status)
		return status;
	all->write->uinteger(call->reply, k.done);
	tally_tell(all, &tally);
	return WHERRY_OK;
}
