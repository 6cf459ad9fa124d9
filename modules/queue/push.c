// Messages in: bounds, deduplication.

#include "state.h"

// --- bounds -----------------------------------------------------------------------------------------------------------

// The oldest of the least urgent ready ones; if none is ready, the delayed one that is due first.
static int32_t victim(struct queue *q, struct message *m)
{
	wherry_cursor cursor;
	wherry_span subkey, value;
	struct subkey last = subkey_ready(0, UINT64_MAX);
	int32_t status = q->all->keys->seek(q->call, q->arg, subkey_span(&last), -1, &cursor);
	if (!status)
		status = q->all->keys->next(&cursor, &subkey, &value);
	if (!status && subkey_is(subkey, FAMILY_READY)) {
		uint8_t priority = (uint8_t)(QUEUE_PRIORITY_MOST - ((const uint8_t *)subkey.ptr)[1]);
		struct subkey first = subkey_ready(priority, 0);
		status = queue_first(q, FAMILY_READY, &first, &subkey, &value);
	} else if (!status || status == WHERRY_ENOKEY) {
		struct subkey first = subkey_family(FAMILY_DELAYED);
		status = queue_first(q, FAMILY_DELAYED, &first, &subkey, &value);
	}
	return status ? status : message_get(q, subkey_id(subkey), m);
}

static int32_t make_room(struct queue *q, uint8_t overflow)
{
	struct message m;
	int32_t status = victim(q, &m);
	if (status)
		return status;
	if (overflow == OVERFLOW_DEAD_OLDEST && q->dead)
		return message_die(q, &m, DEATH_OVERFLOW, QUEUE_TEXT("the queue was full"));
	q->events[EVENT_DROPPED]++;
	return message_remove(q, &m);
}

static bool is_full(const struct queue *q, const struct settings *s, uint64_t messages, uint64_t bytes)
{
	return (s->max_length && head_length(&q->head) + messages > s->max_length) ||
	       (s->max_bytes && q->head.bytes + bytes > s->max_bytes);
}

static int32_t full(struct queue *q, const struct settings *s)
{
	return queue_fail(q->all, q->call, WHERRY_EFULL,
	    "the queue is full: it holds %llu messages (max_length %llu) of %llu bytes (max_bytes %llu)",
	    (unsigned long long)head_length(&q->head), (unsigned long long)s->max_length,
	    (unsigned long long)q->head.bytes, (unsigned long long)s->max_bytes);
}

int32_t queue_room(struct queue *q, uint64_t messages, uint64_t bytes, bool never_full)
{
	struct settings s;
	if (!(q->head.flags & HEAD_SETTINGS))
		return WHERRY_OK;
	int32_t status = settings_read(q, &s);
	while (!status && is_full(q, &s, messages, bytes)) {
		if (s.overflow == OVERFLOW_REJECT)
			return never_full ? WHERRY_OK : full(q, &s);
		status = make_room(q, s.overflow);
		if (status == WHERRY_ENOKEY) // nothing is left that could go
			return never_full ? WHERRY_OK : full(q, &s);
	}
	return status;
}

// --- deduplication ----------------------------------------------------------------------------------------------------

// What is known under an id: in the record known, message and until when.
struct known {
	uint8_t subkey[1 + DEDUP_BYTES];
	size_t len;
	uint64_t id;
	int64_t until_ms;
};

static wherry_span known_subkey(const struct known *k)
{
	return (wherry_span){k->subkey, k->len};
}

static int32_t known_name(const struct queues *all, wherry_call *call, struct known *k)
{
	k->subkey[0] = FAMILY_KNOWN;
	size_t len;
	int32_t status = all->read->canonical(&call->args[PUSH_DEDUP], k->subkey + 1, DEDUP_BYTES, &len);
	if (status == WHERRY_ELIMIT)
		return queue_fail(all, call, status, "dedup is longer than %d bytes", DEDUP_BYTES);
	k->len = 1 + len;
	return status;
}

static int32_t known_find(struct queue *q, struct known *k)
{
	wherry_span value;
	int32_t status = q->all->keys->get(q->call, q->arg, known_subkey(k), &value);
	if (status)
		return status;
	k->id = get_le(value.ptr, 8);
	k->until_ms = (int64_t)get_le((const uint8_t *)value.ptr + 8, 8);
	return WHERRY_OK;
}

// `until` is the record of its end.
int32_t known_forget(struct queue *q, wherry_span until, wherry_span name)
{
	uint8_t known[1 + DEDUP_BYTES], end[SUBKEY_BYTES];
	if (name.len > sizeof known || until.len > sizeof end)
		return WHERRY_ECORRUPT;
	size_t known_len = name.len, end_len = until.len;
	memcpy(known, name.ptr, known_len);
	memcpy(end, until.ptr, end_len);
	int32_t status = q->all->keys->del(q->call, q->arg, (wherry_span){known, known_len});
	if (!status)
		status = q->all->keys->del(q->call, q->arg, (wherry_span){end, end_len});
	q->head.known--;
	q->changed = true;
	return status;
}

static int32_t known_drop(struct queue *q, const struct known *k)
{
	struct subkey until = subkey_two(FAMILY_KNOWN_UNTIL, (uint64_t)k->until_ms, k->id);
	return known_forget(q, subkey_span(&until), known_subkey(k));
}

static int32_t forget_oldest(struct queue *q)
{
	wherry_span until, name;
	struct subkey from = subkey_family(FAMILY_KNOWN_UNTIL);
	int32_t status = queue_first(q, FAMILY_KNOWN_UNTIL, &from, &until, &name);
	return status ? status : known_forget(q, until, name);
}

static int32_t known_add(struct queue *q, const struct known *k)
{
	uint8_t value[16];
	put_le(value, k->id, 8);
	put_le(value + 8, (uint64_t)k->until_ms, 8);
	struct subkey until = subkey_two(FAMILY_KNOWN_UNTIL, (uint64_t)k->until_ms, k->id);
	int32_t status = WHERRY_OK;
	if (q->head.known >= (uint64_t)queues_option(q->all, OPTION_DEDUP_IDS))
		status = forget_oldest(q);
	if (!status)
		status = q->all->keys->put(q->call, q->arg, known_subkey(k), (wherry_span){value, sizeof value});
	if (!status)
		status = q->all->keys->put(q->call, q->arg, subkey_span(&until), known_subkey(k));
	if (k->until_ms + KNOWN_LATE_MS < q->wake_ms)
		q->wake_ms = k->until_ms + KNOWN_LATE_MS;
	q->head.known++;
	q->changed = true;
	return status;
}

// OK with *repeated: it was pushed before, and k->id is the answer.
static int32_t known_check(struct queue *q, struct known *k, int64_t window_ms, bool *repeated)
{
	int32_t status = known_find(q, k);
	*repeated = !status && k->until_ms > q->call->now_ms;
	if (!status && !*repeated)
		status = known_drop(q, k);
	if (*repeated || (status && status != WHERRY_ENOKEY))
		return status;
	k->id = q->head.next_id;
	k->until_ms = q->call->now_ms + window_ms;
	return known_add(q, k);
}

// --- the command ------------------------------------------------------------------------------------------------------

static int32_t check_sizes(const struct queues *all, wherry_call *call, uint64_t *bytes)
{
	uint64_t most = (uint64_t)queues_option(all, OPTION_MAX_MESSAGE), headers = call->args[PUSH_HEADERS].raw.len;
	*bytes = 0;
	for (uint32_t i = PUSH_VALUES; i < call->argc; i++) {
		uint64_t one = call->args[i].raw.len + headers;
		if (one > most)
			return queue_fail(all, call, WHERRY_ELIMIT,
			    "a message would have %llu bytes, more than queue.max_message, %llu",
			    (unsigned long long)one, (unsigned long long)most);
		*bytes += one;
	}
	return WHERRY_OK;
}

// What all messages of a push have in common.
static int32_t read_options(const struct queues *all, wherry_call *call, struct message *m)
{
	int64_t priority, delay, ttl, attempts;
	int32_t status =
	    queue_number(all, call, PUSH_PRIORITY, "priority", 0, QUEUE_PRIORITY_MOST, QUEUE_PRIORITY, &priority);
	if (!status)
		status = queue_number(all, call, PUSH_DELAY_MS, "delay_ms", 0, QUEUE_MS_MOST, 0, &delay);
	if (!status)
		status = queue_number(all, call, PUSH_TTL_MS, "ttl_ms", 1, QUEUE_MS_MOST, 0, &ttl);
	if (!status)
		status = queue_number(
		    all, call, PUSH_MAX_ATTEMPTS, "max_attempts", 0, INT32_MAX, ATTEMPTS_PRESET, &attempts);
	if (status)
		return status;
	*m = (struct message){
	    .priority = (uint8_t)priority,
	    .max_attempts = (uint32_t)attempts,
	    .due_ms = delay ? call->now_ms + delay : 0,
	    .expires_ms = ttl ? (uint64_t)(call->now_ms + ttl) : 0,
	    .headers = call->args[PUSH_HEADERS].raw,
	};
	if (call->args[PUSH_HEADERS].kind == WHERRY_NIL)
		m->headers = (wherry_span){0};
	return WHERRY_OK;
}

static int32_t add_all(struct queue *q, const struct message *like)
{
	wherry_call *call = q->call;
	q->all->write->array(call->reply, call->argc - PUSH_VALUES);
	for (uint32_t i = PUSH_VALUES; i < call->argc; i++) {
		struct message m = *like;
		m.value = call->args[i].raw;
		int32_t status = queue_room(q, 1, message_bytes(&m), false);
		if (!status)
			status = message_add(q, &m);
		if (status)
			return status;
		q->all->write->uinteger(call->reply, m.id);
	}
	q->events[EVENT_PUSHED] += call->argc - PUSH_VALUES;
	return WHERRY_OK;
}

static int32_t answer_repeated(struct queue *q, uint64_t id)
{
	q->all->write->array(q->call->reply, 1);
	q->all->write->uinteger(q->call->reply, id);
	q->events[EVENT_DUPLICATE]++;
	return WHERRY_OK;
}

static int32_t push(struct queue *q, const struct message *like)
{
	struct known known;
	struct settings s;
	if (q->call->args[PUSH_DEDUP].kind == WHERRY_ABSENT)
		return add_all(q, like);
	if (q->call->argc - PUSH_VALUES > 1)
		return queue_fail(q->all, q->call, WHERRY_EARG, "dedup names one message, so give one value");
	bool repeated = false;
	int32_t status = settings_read(q, &s);
	if (!status)
		status = known_name(q->all, q->call, &known);
	if (!status && s.dedup_ms)
		status = known_check(q, &known, s.dedup_ms, &repeated);
	if (status)
		return status;
	return repeated ? answer_repeated(q, known.id) : add_all(q, like);
}

// A push of several messages into a queue that rejects is refused before the first: that a later one is, undoes all.
int32_t queue_push(void *self, wherry_call *call)
{
	const struct queues *all = self;
	struct message like;
	struct tally tally = {{0}};
	struct queue q, dead;
	uint64_t bytes;
	int32_t status = check_sizes(all, call, &bytes);
	if (!status)
		status = read_options(all, call, &like);
	if (!status)
		status = queue_open(&q, all, call, PUSH_KEY, &dead, &tally);
	if (status)
		return status;
	if (q.head.flags & HEAD_PAUSED_IN)
		return queue_fail(all, call, WHERRY_EAGAIN, "the queue is paused for pushes; queue.pause ends that");
	if ((status = queue_make(&q)) || (status = push(&q, &like)) || (status = queue_close(&q)))
		return status;
	tally_tell(all, &tally);
	return WHERRY_OK;
}
