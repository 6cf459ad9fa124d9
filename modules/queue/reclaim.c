// What returns because its session is gone: told by session_ended(), and looked for when the module is loaded, since
// sessions may have ended without it, or with the broker before.

#include "sessions.h"
#include "state.h"

enum { LOOK_AT_ONCE = 64, LOOKS = 8, SCAN_KEYS = 1000 };

static bool has_ended(const struct queues *all, uint64_t session)
{
	char name[64];
	size_t len;
	return all->host->session_client(all->owner, session, name, sizeof name, &len) == WHERRY_ESTALE;
}

// A session that ends between the two looks may have been told before it was noted.
static int32_t is_gone(struct queue *q, uint64_t session, bool *gone)
{
	const struct queues *all = q->all;
	*gone = has_ended(all, session);
	if (*gone)
		return WHERRY_OK;
	int32_t status = sessions_note_of(all, q->call, session, q->key);
	*gone = has_ended(all, session);
	if (*gone)
		sessions_end(all, session);
	return status;
}

static int32_t give_back(struct queue *q, uint64_t id)
{
	struct message m;
	int32_t status = message_get(q, id, &m);
	if (status)
		return status;
	q->events[EVENT_RETURNED]++;
	return message_kept(q, &m, message_failed(q, &m, 0, QUEUE_TEXT("its session ended")));
}

struct look {
	struct subkey from; // the next one to look at
	uint64_t session[LOOK_AT_ONCE], id[LOOK_AT_ONCE];
	unsigned count;
	bool over;
};

static void after(struct look *l, wherry_span subkey)
{
	l->from = subkey_two(FAMILY_RESERVED, (uint64_t)subkey_time(subkey), subkey_id(subkey) + 1);
}

// Collected first: what is given back changes the records.
static int32_t collect(struct queue *q, struct look *l)
{
	wherry_cursor cursor;
	wherry_span subkey, value;
	l->count = 0;
	int32_t status = q->all->keys->seek(q->call, q->arg, subkey_span(&l->from), 1, &cursor);
	for (unsigned i = 0; !status && i < LOOK_AT_ONCE; i++) {
		status = q->all->keys->next(&cursor, &subkey, &value);
		l->over = status == WHERRY_ENOKEY || (!status && !subkey_is(subkey, FAMILY_RESERVED));
		if (status || l->over)
			break;
		after(l, subkey);
		l->session[l->count] = value.len == 8 ? get_le(value.ptr, 8) : 0;
		l->id[l->count++] = subkey_id(subkey);
	}
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t return_some(struct queue *q, struct look *l)
{
	uint64_t last = 0;
	bool gone = false;
	int32_t status = collect(q, l);
	for (unsigned i = 0; !status && i < l->count; i++) {
		if (l->session[i] == 0)
			continue;
		if (l->session[i] != last)
			status = is_gone(q, last = l->session[i], &gone);
		if (!status && gone)
			status = give_back(q, l->id[i]);
	}
	return status;
}

static void submit_rest(struct queue *q, const struct look *l)
{
	struct bytes b;
	bytes_open(&b, q->all);
	BYTES_LITERAL(&b, "\x94\x02");
	BYTES_CSTRING(&b, "queue.reclaim");
	bytes_array(&b, 2);
	bytes_add(&b, q->key.ptr, q->key.len);
	bytes_blob(&b, subkey_span(&l->from));
	bytes_map(&b, 1);
	BYTES_CSTRING(&b, "ns");
	bytes_text(&b, q->all->keys->ns(q->call));
	if (!b.failed)
		q->all->host->submit(q->all->owner, bytes_span(&b));
	bytes_free(&b);
}

static struct look look_from(const wherry_call *call)
{
	struct look l = {.from = subkey_family(FAMILY_RESERVED)};
	const wherry_value *from = &call->args[RECLAIM_AFTER];
	if (from->kind == WHERRY_BYTES && from->as.bytes.len == SUBKEY_BYTES) {
		memcpy(l.from.bytes, from->as.bytes.ptr, SUBKEY_BYTES);
		l.from.len = SUBKEY_BYTES;
	}
	return l;
}

int32_t queue_reclaim(void *self, wherry_call *call)
{
	const struct queues *all = self;
	struct queue q, dead;
	struct tally tally = {{0}};
	struct look l = look_from(call);
	int32_t status = queue_open(&q, all, call, RECLAIM_KEY, &dead, &tally);
	reclaim_begins(all, all->keys->ns(call), call->args[RECLAIM_KEY].raw);
	for (unsigned i = 0; !status && q.there && !l.over && i < LOOKS; i++)
		status = return_some(&q, &l);
	if (!status && q.there)
		status = queue_close(&q);
	if (status)
		return status;
	all->write->nil(call->reply);
	if (q.there && !l.over)
		submit_rest(&q, &l);
	tally_tell(all, &tally);
	return WHERRY_OK;
}

// --- all queues of a namespace ----------------------------------------------------------------------------------------

static int32_t note_queue(void *arg, const wherry_key *key)
{
	struct bytes *keys = arg;
	struct head head;
	if (head_read(key->head, &head) && head.reserved)
		bytes_add(keys, key->key.ptr, key->key.len);
	return WHERRY_SCAN_NEXT;
}

static void reclaim_each(const struct queues *all, wherry_span ns, wherry_span keys)
{
	wherry_value list = {.kind = WHERRY_LIST, .as.bytes = keys}, key;
	wherry_reader reader;
	if (keys.len == 0 || all->read->open(&list, &reader))
		return;
	while (!all->read->next(&reader, &key))
		reclaim_submit(all, ns, key.raw);
}

int32_t queue_recover(void *self, wherry_call *call)
{
	const struct queues *all = self;
	struct bytes keys;
	bytes_open(&keys, all);
	wherry_span ns = all->keys->ns(call);
	uint64_t next =
	    all->keys->scan(call, call->args[RECOVER_CURSOR].as.u, SCAN_KEYS, QUEUE_QUEUE, note_queue, &keys);
	reclaim_each(all, ns, bytes_span(&keys));
	if (keys.failed)
		all->host->log(all->owner, WHERRY_LOG_WARN, "no memory to look for what ended sessions held");
	bytes_free(&keys);
	if (next)
		recover_submit(all, ns, next);
	all->write->nil(call->reply);
	return WHERRY_OK;
}

int32_t queues_start(void *self, wherry_why *why)
{
	(void)why;
	recover_all(self);
	return WHERRY_OK;
}

void queues_session_ended(void *self, uint64_t session)
{
	sessions_end(self, session);
}
