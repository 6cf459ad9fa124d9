// Looking without taking: peek and stats.

#include "state.h"

// Records of a queue, in order: what a state is.
struct range {
	struct queue *q;
	struct subkey from, to;
};

static bool is_text(const wherry_value *value, const char *text)
{
	return value->as.bytes.len == strlen(text) && memcmp(value->as.bytes.ptr, text, strlen(text)) == 0;
}

// Of those that died of `of`, in the dead-letter queue.  q->there false: there is no such queue.
static int32_t range_dead(struct queue *of, struct queue *dead, struct range *out)
{
	struct settings s;
	struct bytes b;
	wherry_span key;
	uint32_t arg;
	uint64_t hash = origin_hash(of->key);
	*out = (struct range){dead, subkey_two(FAMILY_DEAD, hash, 0), subkey_two(FAMILY_DEAD, hash, UINT64_MAX)};
	dead->there = false;
	int32_t status = settings_read(of, &s);
	if (status || s.drops_dead)
		return status;
	bytes_open(&b, of->all);
	status = settings_dead_key(of, &s, &b, &key);
	if (!status)
		status = of->all->keys->need(of->call, key, WHERRY_READ, &arg);
	if (!status)
		status = queue_open(dead, of->all, of->call, arg, NULL, of->tally);
	bytes_free(&b);
	return status;
}

static struct range range_family(struct queue *q, enum family family)
{
	return (struct range){q, subkey_family(family), subkey_two(family, UINT64_MAX, UINT64_MAX)};
}

static int32_t range_of(struct queue *q, struct queue *dead, const wherry_value *state, struct range *out)
{
	if (state->kind == WHERRY_ABSENT || is_text(state, "ready"))
		*out = range_family(q, FAMILY_READY);
	else if (is_text(state, "delayed"))
		*out = range_family(q, FAMILY_DELAYED);
	else if (is_text(state, "reserved"))
		*out = range_family(q, FAMILY_RESERVED);
	else if (is_text(state, "dead"))
		return range_dead(q, dead, out);
	else
		return queue_fail(
		    q->all, q->call, WHERRY_EARG, "state must be \"ready\", \"delayed\", \"reserved\" or \"dead\"");
	return WHERRY_OK;
}

// --- peek -------------------------------------------------------------------------------------------------------------

static void write_due(struct bytes *b, const struct queue *q, const struct message *m)
{
	int64_t left = m->due_ms - q->call->now_ms;
	if (m->state == STATE_READY)
		BYTES_LITERAL(b, "\xc0");
	else
		bytes_uint(b, left > 0 ? (uint64_t)left : 0);
}

// {id, value, headers, priority, attempts, age_ms, due_ms}
static void write_message(struct bytes *b, const struct queue *q, const struct message *m)
{
	int64_t age = q->call->now_ms - m->pushed_ms;
	bytes_map(b, 7);
	BYTES_CSTRING(b, "id");
	bytes_uint(b, m->id);
	BYTES_CSTRING(b, "value");
	bytes_add(b, m->value.ptr, m->value.len);
	BYTES_CSTRING(b, "headers");
	if (m->headers.len)
		bytes_add(b, m->headers.ptr, m->headers.len);
	else
		BYTES_LITERAL(b, "\xc0");
	BYTES_CSTRING(b, "priority");
	bytes_uint(b, m->priority);
	BYTES_CSTRING(b, "attempts");
	bytes_uint(b, m->attempts);
	BYTES_CSTRING(b, "age_ms");
	bytes_uint(b, age > 0 ? (uint64_t)age : 0);
	BYTES_CSTRING(b, "due_ms");
	write_due(b, q, m);
}

// The cursor at the `skip`th of the range.
static int32_t seek_in(const struct range *r, int64_t skip, wherry_cursor *cursor)
{
	const struct queue *q = r->q;
	wherry_span subkey, value;
	uint64_t rank;
	int32_t status = q->all->keys->seek(q->call, q->arg, subkey_span(&r->from), 1, cursor);
	if (status || skip == 0)
		return status;
	status = q->all->keys->next(cursor, &subkey, &value);
	if (!status)
		status = q->all->keys->rank(q->call, q->arg, subkey, &rank);
	return status ? status : q->all->keys->seek_rank(q->call, q->arg, (int64_t)rank + skip, 1, cursor);
}

static bool is_beyond(const struct range *r, wherry_span subkey)
{
	size_t len = subkey.len < r->to.len ? subkey.len : r->to.len;
	return memcmp(subkey.ptr, r->to.bytes, len) > 0;
}

static int32_t peek_range(const struct range *r, int64_t skip, int64_t most, struct bytes *b, uint32_t *count)
{
	wherry_cursor cursor;
	wherry_span subkey, value;
	struct message m;
	size_t bytes_most = (size_t)queues_option(r->q->all, OPTION_POP_BYTES);
	int32_t status = seek_in(r, skip, &cursor);
	while (!status && *count < most && b->len < bytes_most) {
		status = r->q->all->keys->next(&cursor, &subkey, &value);
		if (!status && is_beyond(r, subkey))
			break;
		if (!status)
			status = message_get(r->q, subkey_id(subkey), &m);
		if (status)
			break;
		write_message(b, r->q, &m);
		++*count;
	}
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t peek(struct queue *q, int64_t skip, int64_t most)
{
	struct queue dead;
	struct range range;
	struct bytes b;
	uint32_t count = 0;
	int32_t status = range_of(q, &dead, &q->call->args[PEEK_STATE], &range);
	bytes_open(&b, q->all);
	if (!status && range.q->there)
		status = peek_range(&range, skip, most, &b, &count);
	if (!status && b.failed)
		status = WHERRY_ENOMEM;
	if (!status)
		q->all->write->array(q->call->reply, count);
	if (!status && count)
		q->all->write->raw(q->call->reply, bytes_span(&b));
	bytes_free(&b);
	return status;
}

int32_t queue_peek(void *self, wherry_call *call)
{
	const struct queues *all = self;
	struct queue q;
	struct tally tally = {{0}};
	int64_t skip, most;
	int32_t status = queue_number(all, call, PEEK_SKIP, "skip", 0, INT32_MAX, 0, &skip);
	if (!status)
		status = queue_number(all, call, PEEK_MAX, "max", 1, queues_option(all, OPTION_MAX_POP), 1, &most);
	if (!status)
		status = queue_open(&q, all, call, PEEK_KEY, NULL, &tally);
	return status ? status : peek(&q, skip, most);
}

// --- stats ------------------------------------------------------------------------------------------------------------

static void row(const struct queues *all, wherry_call *call, const char *name, uint64_t number)
{
	all->write->cstring(call->reply, name);
	all->write->uinteger(call->reply, number);
}

static void row_or_nil(const struct queues *all, wherry_call *call, const char *name, int64_t number)
{
	all->write->cstring(call->reply, name);
	if (number < 0)
		all->write->nil(call->reply);
	else
		all->write->integer(call->reply, number);
}

enum { HEAD_ROWS = 7 };

static void write_head(const struct queues *all, wherry_call *call, const struct head *h)
{
	row(all, call, "ready", h->ready);
	row(all, call, "delayed", h->delayed);
	row(all, call, "reserved", h->reserved);
	row(all, call, "bytes", h->bytes);
	row(all, call, "pushed", h->next_id - 1);
	all->write->cstring(call->reply, "paused_in");
	all->write->boolean(call->reply, (h->flags & HEAD_PAUSED_IN) != 0);
	all->write->cstring(call->reply, "paused_out");
	all->write->boolean(call->reply, (h->flags & HEAD_PAUSED_OUT) != 0);
}

// Of each priority the first; -1: nothing is ready.
static int32_t oldest_age(struct queue *q, int64_t *age_ms)
{
	*age_ms = -1;
	for (uint8_t priority = 0; priority <= QUEUE_PRIORITY_MOST; priority++) {
		wherry_span subkey, value;
		struct message m;
		struct subkey from = subkey_ready(priority, 0);
		int32_t status = queue_first(q, FAMILY_READY, &from, &subkey, &value);
		if (!status && ((const uint8_t *)subkey.ptr)[1] != from.bytes[1])
			continue;
		if (!status)
			status = message_get(q, subkey_id(subkey), &m);
		if (status == WHERRY_ENOKEY)
			continue;
		if (status)
			return status;
		int64_t age = q->call->now_ms - m.pushed_ms;
		*age_ms = age > *age_ms ? age : *age_ms;
	}
	return WHERRY_OK;
}

// How long until the first of a family is due; -1: there is none.
static int32_t next_due(struct queue *q, enum family family, int64_t *ms)
{
	wherry_span subkey, value;
	struct subkey from = subkey_family(family);
	*ms = -1;
	int32_t status = queue_first(q, family, &from, &subkey, &value);
	if (!status)
		*ms = subkey_time(subkey) > q->call->now_ms ? subkey_time(subkey) - q->call->now_ms : 0;
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t write_events(struct queue *q)
{
	static const char *const names[] = {"nacked", "timeouts", "returned", "died", "expired", "dropped"};
	uint8_t bytes[(EVENTS - EVENT_KEPT) * 8] = {0};
	struct subkey subkey = subkey_family(FAMILY_COUNTS);
	wherry_span kept;
	int32_t status = q->all->keys->get(q->call, q->arg, subkey_span(&subkey), &kept);
	if (!status && kept.len <= sizeof bytes)
		memcpy(bytes, kept.ptr, kept.len);
	for (unsigned i = 0; i < EVENTS - EVENT_KEPT; i++)
		row(q->all, q->call, names[i], get_le(bytes + i * (size_t)8, 8));
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

struct ages {
	int64_t oldest, delayed, reserved;
};

static int32_t find_ages(struct queue *q, struct ages *a)
{
	int32_t status = oldest_age(q, &a->oldest);
	if (!status)
		status = next_due(q, FAMILY_DELAYED, &a->delayed);
	return status ? status : next_due(q, FAMILY_RESERVED, &a->reserved);
}

static int32_t count_dead(struct queue *q, uint64_t *count)
{
	struct queue dead;
	struct range range;
	*count = 0;
	int32_t status = range_dead(q, &dead, &range);
	if (status == WHERRY_ETYPE)
		return WHERRY_OK; // what is there is no queue: nothing is dead in it
	return status || !dead.there ? status : queue_count(&dead, &range.from, &range.to, count);
}

static int32_t stats_one(struct queue *q)
{
	struct settings s;
	struct ages ages;
	uint64_t dead;
	int32_t status = find_ages(q, &ages);
	if (!status)
		status = settings_read(q, &s);
	if (!status)
		status = count_dead(q, &dead);
	if (status)
		return status;
	q->all->write->map(q->call->reply, HEAD_ROWS + 11 + EVENTS - EVENT_KEPT);
	write_head(q->all, q->call, &q->head);
	row(q->all, q->call, "dead", dead);
	row(q->all, q->call, "known", q->head.known);
	row_or_nil(q->all, q->call, "oldest_ms", ages.oldest);
	row_or_nil(q->all, q->call, "next_delayed_ms", ages.delayed);
	row_or_nil(q->all, q->call, "next_reserved_ms", ages.reserved);
	row(q->all, q->call, "visible_ms", (uint64_t)s.visible_ms);
	row(q->all, q->call, "max_attempts", s.max_attempts);
	row(q->all, q->call, "dedup_ms", (uint64_t)s.dedup_ms);
	row_or_nil(q->all, q->call, "max_length", s.max_length ? (int64_t)s.max_length : -1);
	row_or_nil(q->all, q->call, "max_bytes", s.max_bytes ? (int64_t)s.max_bytes : -1);
	static const char *const overflows[] = {"reject", "drop_oldest", "dead_oldest"};
	q->all->write->cstring(q->call->reply, "overflow");
	q->all->write->cstring(q->call->reply, overflows[s.overflow % 3]);
	return write_events(q);
}

static int32_t stats_of(const struct queues *all, wherry_call *call)
{
	struct queue q;
	struct tally tally = {{0}};
	uint8_t key[4096];
	size_t len;
	uint32_t arg;
	int32_t status = all->read->canonical(&call->args[STATS_KEY], key, sizeof key, &len);
	if (!status)
		status = all->keys->need(call, (wherry_span){key, len}, WHERRY_READ, &arg);
	if (!status)
		status = queue_open(&q, all, call, arg, NULL, &tally);
	q.key = (wherry_span){key, len};
	if (!status && !q.there)
		status = queue_fail(all, call, WHERRY_ENOKEY, "there is no such queue");
	return status ? status : stats_one(&q);
}

struct listing {
	struct bytes b;
	uint32_t count;
};

static int32_t list_queue(void *arg, const wherry_key *key)
{
	struct listing *l = arg;
	struct head h;
	if (!head_read(key->head, &h))
		return WHERRY_SCAN_NEXT;
	uint32_t size = (uint32_t)key->key.len;
	bytes_add(&l->b, &size, sizeof size);
	bytes_add(&l->b, key->key.ptr, key->key.len);
	bytes_add(&l->b, &h, sizeof h);
	l->count++;
	return WHERRY_SCAN_NEXT;
}

static void write_listing(const struct queues *all, wherry_call *call, const struct listing *l)
{
	all->write->array(call->reply, l->count);
	for (size_t at = 0; at < l->b.len;) {
		uint32_t size;
		struct head h;
		memcpy(&size, l->b.ptr + at, sizeof size);
		at += sizeof size;
		memcpy(&h, l->b.ptr + at + size, sizeof h);
		all->write->map(call->reply, 1 + HEAD_ROWS);
		all->write->cstring(call->reply, "queue");
		all->write->raw(call->reply, (wherry_span){l->b.ptr + at, size});
		write_head(all, call, &h);
		at += size + sizeof h;
	}
}

static int32_t stats_all(const struct queues *all, wherry_call *call)
{
	struct listing l = {.count = 0};
	bytes_open(&l.b, all);
	uint64_t cursor = 0;
	do
		cursor = all->keys->scan(call, cursor, 1000, QUEUE_QUEUE, list_queue, &l);
	while (cursor && !l.b.failed);
	if (!l.b.failed)
		write_listing(all, call, &l);
	int32_t status = l.b.failed ? WHERRY_ENOMEM : WHERRY_OK;
	bytes_free(&l.b);
	return status;
}

int32_t queue_stats(void *self, wherry_call *call)
{
	bool one = call->args[STATS_KEY].kind != WHERRY_ABSENT;
	return one ? stats_of(self, call) : stats_all(self, call);
}
