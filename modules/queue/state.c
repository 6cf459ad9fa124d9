// Opening and closing a queue; the way of a message from state to state.

#include "state.h"

int32_t queue_open(
    struct queue *q, const struct queues *all, wherry_call *call, uint32_t arg, struct queue *dead, struct tally *tally)
{
	*q = (struct queue){.all = all, .call = call, .arg = arg, .wake_ms = INT64_MAX, .tally = tally, .dead = dead};
	if (dead)
		dead->all = NULL;
	q->head.next_id = 1;
	if (arg < call->argc)
		q->key = call->args[arg].raw;
	wherry_key key = {.size = sizeof key};
	int32_t status = all->keys->open(call, arg, QUEUE_QUEUE, &key);
	if (status == WHERRY_ENOKEY)
		return WHERRY_OK;
	if (status)
		return status;
	if (!head_read(key.head, &q->head))
		return queue_fail(all, call, WHERRY_ECORRUPT, "the queue's head is damaged, or of a later version");
	q->there = true;
	q->alarm_ms = key.alarm_ms;
	q->deadline_ms = key.deadline_ms;
	return WHERRY_OK;
}

static int32_t put_head(struct queue *q)
{
	uint8_t bytes[HEAD_BYTES];
	head_write(&q->head, bytes);
	return q->all->keys->put_head(q->call, q->arg, QUEUE_QUEUE, (wherry_span){bytes, sizeof bytes});
}

int32_t queue_make(struct queue *q)
{
	if (q->there)
		return WHERRY_OK;
	int32_t status = put_head(q);
	q->there = !status;
	return status;
}

static bool has_kept_events(const struct queue *q)
{
	uint32_t any = 0;
	for (unsigned i = EVENT_KEPT; i < EVENTS; i++)
		any |= q->events[i];
	return any != 0;
}

static int32_t keep_events(struct queue *q)
{
	uint8_t bytes[(EVENTS - EVENT_KEPT) * 8] = {0};
	struct subkey subkey = subkey_family(FAMILY_COUNTS);
	wherry_span kept;
	int32_t status = q->all->keys->get(q->call, q->arg, subkey_span(&subkey), &kept);
	if (!status && kept.len <= sizeof bytes)
		memcpy(bytes, kept.ptr, kept.len);
	if (status && status != WHERRY_ENOKEY)
		return status;
	for (unsigned i = EVENT_KEPT; i < EVENTS; i++) {
		uint8_t *at = bytes + (i - EVENT_KEPT) * 8;
		put_le(at, get_le(at, 8) + q->events[i], 8);
	}
	return q->all->keys->put(q->call, q->arg, subkey_span(&subkey), (wherry_span){bytes, sizeof bytes});
}

static int32_t signal_waiters(struct queue *q)
{
	if (!q->fresh || q->head.flags & HEAD_PAUSED_OUT)
		return WHERRY_OK;
	return q->all->keys->signal(q->call, q->arg, q->fresh);
}

int32_t queue_close(struct queue *q)
{
	int32_t status = q->dead && q->dead->all ? queue_close(q->dead) : WHERRY_OK;
	if (!status && q->changed)
		status = put_head(q);
	if (!status && has_kept_events(q))
		status = keep_events(q);
	if (!status && q->wake_ms < (q->alarm_ms ? q->alarm_ms : INT64_MAX))
		status = q->all->keys->set_alarm(q->call, q->arg, q->wake_ms);
	if (!status)
		status = signal_waiters(q);
	for (unsigned i = 0; i < EVENTS; i++)
		q->tally->events[i] += q->events[i];
	if (q->dead)
		q->dead->all = NULL;
	return status;
}

void tally_tell(const struct queues *all, const struct tally *tally)
{
	for (uint32_t i = 0; i < EVENTS; i++)
		if (tally->events[i])
			all->host->metric_add(all->owner, i, tally->events[i]);
}

int32_t queue_first(
    struct queue *q, enum family family, const struct subkey *from, wherry_span *subkey, wherry_span *value)
{
	wherry_cursor cursor;
	int32_t status = q->all->keys->seek(q->call, q->arg, subkey_span(from), 1, &cursor);
	if (!status)
		status = q->all->keys->next(&cursor, subkey, value);
	return status || subkey_is(*subkey, family) ? status : WHERRY_ENOKEY;
}

// The rank of the first record at or after (direction 1), at or before (-1) `at`.
static int32_t rank_near(struct queue *q, const struct subkey *at, int32_t direction, int64_t *rank)
{
	wherry_cursor cursor;
	wherry_span subkey, value;
	uint64_t found;
	int32_t status = q->all->keys->seek(q->call, q->arg, subkey_span(at), direction, &cursor);
	if (!status)
		status = q->all->keys->next(&cursor, &subkey, &value);
	if (!status)
		status = q->all->keys->rank(q->call, q->arg, subkey, &found);
	*rank = status ? -1 : (int64_t)found;
	return status;
}

int32_t queue_count(struct queue *q, const struct subkey *from, const struct subkey *to, uint64_t *count)
{
	int64_t first, last;
	*count = 0;
	int32_t status = rank_near(q, from, 1, &first);
	if (!status)
		status = rank_near(q, to, -1, &last);
	if (!status && last >= first)
		*count = (uint64_t)(last - first + 1);
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

// What is due earliest, of a family whose subkeys begin with a time.
static int32_t earliest_of(struct queue *q, enum family family, int64_t *earliest)
{
	wherry_span subkey, value;
	struct subkey from = subkey_family(family);
	int32_t status = queue_first(q, family, &from, &subkey, &value);
	int64_t late = family == FAMILY_KNOWN_UNTIL ? KNOWN_LATE_MS : 0;
	if (!status && subkey_time(subkey) + late < *earliest)
		*earliest = subkey_time(subkey) + late;
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

int32_t queue_alarm(struct queue *q)
{
	static const enum family timed[] = {FAMILY_DELAYED, FAMILY_RESERVED, FAMILY_EXPIRY, FAMILY_KNOWN_UNTIL};
	int64_t earliest = INT64_MAX;
	for (unsigned i = 0; i < sizeof timed / sizeof *timed; i++) {
		int32_t status = earliest_of(q, timed[i], &earliest);
		if (status)
			return status;
	}
	q->wake_ms = INT64_MAX;
	q->alarm_ms = earliest == INT64_MAX ? 0 : earliest;
	return q->all->keys->set_alarm(q->call, q->arg, q->alarm_ms);
}
