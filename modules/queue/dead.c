// Failure and death: what a message that was given up becomes, and what its headers say then.

#include "state.h"

static int32_t open_dead_key(struct queue *q, wherry_span key)
{
	uint32_t arg;
	int32_t status = q->all->keys->need(q->call, key, WHERRY_WRITE, &arg);
	if (!status)
		status = queue_open(q->dead, q->all, q->call, arg, NULL, q->tally);
	if (!status)
		status = queue_make(q->dead);
	if (status)
		q->dead->all = NULL;
	return status;
}

int32_t dead_open(struct queue *q, bool *there)
{
	*there = true;
	if (q->dead->all)
		return WHERRY_OK;
	struct settings s;
	struct bytes b;
	wherry_span key;
	bytes_open(&b, q->all);
	int32_t status = settings_read(q, &s);
	*there = !s.drops_dead;
	if (!status && *there)
		status = settings_dead_key(q, &s, &b, &key);
	if (!status && *there && span_is(key, q->key)) { // it was renamed to what it had named
		b.len = 0;
		s.has_dead_letter = false;
		status = settings_dead_key(q, &s, &b, &key);
	}
	if (!status && *there)
		status = open_dead_key(q, key);
	bytes_free(&b);
	return status;
}

uint64_t origin_hash(wherry_span key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a: a hint where to look, compared with the name itself
	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ ((const uint8_t *)key.ptr)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

// --- its history ------------------------------------------------------------------------------------------------------

static const char *const history[] = {"x-death-queue", "x-death-reason", "x-attempts", "x-first", "x-last", "x-error"};
enum { HISTORY = sizeof history / sizeof *history };

static bool is_text(const wherry_value *value, const char *text)
{
	return value->kind == WHERRY_TEXT && value->as.bytes.len == strlen(text) &&
	       memcmp(value->as.bytes.ptr, text, value->as.bytes.len) == 0;
}

static bool is_history(const wherry_value *name)
{
	for (unsigned i = 0; i < HISTORY; i++)
		if (is_text(name, history[i]))
			return true;
	return false;
}

// The pairs of a map of headers but those of an earlier death; `into` may be NULL.  Answers how many.
static uint32_t keep_headers(const struct queues *all, wherry_span headers, struct bytes *into)
{
	wherry_value map, name, value;
	wherry_reader reader;
	uint32_t kept = 0;
	if (headers.len == 0 || all->read->value(headers, &map) || all->read->open(&map, &reader))
		return 0;
	while (!all->read->next(&reader, &name) && !all->read->next(&reader, &value)) {
		if (is_history(&name))
			continue;
		kept++;
		if (!into)
			continue;
		bytes_add(into, name.raw.ptr, name.raw.len);
		bytes_add(into, value.raw.ptr, value.raw.len);
	}
	return kept;
}

static void write_history(
    const struct queue *q, const struct message *m, enum death death, wherry_span error, struct bytes *b)
{
	static const char *const reasons[] = {"attempts", "rejected", "expired", "overflow"};
	const char *reason = reasons[death];
	bytes_map(b, keep_headers(q->all, m->headers, NULL) + HISTORY);
	keep_headers(q->all, m->headers, b);
	BYTES_CSTRING(b, "x-death-queue");
	bytes_add(b, q->key.ptr, q->key.len);
	BYTES_CSTRING(b, "x-death-reason");
	bytes_text(b, (wherry_span){reason, strlen(reason)});
	BYTES_CSTRING(b, "x-attempts");
	bytes_uint(b, m->attempts);
	BYTES_CSTRING(b, "x-first");
	bytes_time(b, m->first_ms);
	BYTES_CSTRING(b, "x-last");
	bytes_time(b, m->last_ms);
	BYTES_CSTRING(b, "x-error");
	bytes_text(b, error);
}

int32_t message_origin(const struct queues *all, const struct message *m, void *room, size_t most, wherry_span *key)
{
	wherry_value map, name, value;
	wherry_reader reader;
	if (m->headers.len == 0 || all->read->value(m->headers, &map) || all->read->open(&map, &reader))
		return WHERRY_EARG;
	while (!all->read->next(&reader, &name) && !all->read->next(&reader, &value)) {
		size_t len;
		if (!is_text(&name, history[0]))
			continue;
		int32_t status = all->read->canonical(&value, room, most, &len);
		*key = (wherry_span){room, len};
		return status;
	}
	return WHERRY_EARG;
}

// --- death ------------------------------------------------------------------------------------------------------------

// The copy is made before the message goes: value and headers are lent by its key.
static int32_t bury(struct queue *q, const struct message *m, enum death death, wherry_span error)
{
	struct bytes headers;
	bytes_open(&headers, q->all);
	write_history(q, m, death, error, &headers);
	struct message dead = {
	    .flags = MESSAGE_DEAD,
	    .priority = m->priority,
	    .max_attempts = m->max_attempts,
	    .expires_ms = origin_hash(q->key),
	    .value = m->value,
	    .headers = bytes_span(&headers),
	};
	int32_t status = headers.failed ? WHERRY_ENOMEM : queue_room(q->dead, 1, message_bytes(&dead), true);
	if (!status)
		status = message_add(q->dead, &dead);
	bytes_free(&headers);
	return status;
}

int32_t message_die(struct queue *q, struct message *m, enum death death, wherry_span error)
{
	bool kept;
	int32_t status = dead_open(q, &kept);
	if (!status && kept)
		status = bury(q, m, death, error);
	if (!status)
		status = message_remove(q, m);
	if (status)
		return status;
	q->events[EVENT_EXPIRED] += death == DEATH_EXPIRED;
	q->events[kept ? EVENT_DEAD : EVENT_DROPPED]++;
	return WHERRY_OK;
}

int32_t message_kept(struct queue *q, struct message *m, int32_t status)
{
	enum { AGAIN_MS = 60000 };
	if (status != WHERRY_ETYPE)
		return status;
	q->all->host->log(q->all->owner, WHERRY_LOG_WARN,
	    "a dead message can't be moved: what has the name of its dead-letter queue is no queue");
	return message_delay(q, m, q->call->now_ms + AGAIN_MS);
}

static int32_t attempts_limit(struct queue *q, const struct message *m, uint32_t *limit)
{
	struct settings s;
	*limit = m->max_attempts;
	if (m->flags & MESSAGE_DEAD)
		*limit = 0; // it has died once: that is the end of it
	if (*limit != ATTEMPTS_PRESET)
		return WHERRY_OK;
	int32_t status = settings_read(q, &s);
	*limit = s.max_attempts;
	return status;
}

int32_t message_failed(struct queue *q, struct message *m, int64_t delay_ms, wherry_span error)
{
	uint32_t limit;
	int64_t now = q->call->now_ms, expires = message_expires(m);
	int32_t status = attempts_limit(q, m, &limit);
	if (status)
		return status;
	if (limit && m->attempts >= limit)
		return message_die(q, m, DEATH_ATTEMPTS, error);
	if (expires && expires <= now)
		return message_die(q, m, DEATH_EXPIRED, error);
	return delay_ms > 0 ? message_delay(q, m, now + delay_ms) : message_ready(q, m);
}
