// What holds for a queue: what queue.create said, and the module's options for the rest.
//
// The record: what was given (a bit each, in the order below), then all of it.  Its dead-letter name comes last.

#include "settings.h"

enum { SETTINGS_VERSION = 1, FIXED = 40 };

static struct settings presets(const struct queues *all)
{
	return (struct settings){
	    .visible_ms = queues_option(all, OPTION_VISIBLE),
	    .dedup_ms = queues_option(all, OPTION_DEDUP_WINDOW),
	    .max_attempts = (uint32_t)queues_option(all, OPTION_MAX_ATTEMPTS),
	};
}

// version overflow given backoffs | max_attempts visible dedup | max_length max_bytes | backoffs ... dead letter
void settings_write(const struct settings *s, uint8_t given, struct bytes *b)
{
	uint8_t fixed[FIXED] = {SETTINGS_VERSION, s->overflow, given, s->backoffs};
	put_le(fixed + 4, s->max_attempts, 4);
	put_le(fixed + 8, (uint64_t)s->visible_ms, 8);
	put_le(fixed + 16, (uint64_t)s->dedup_ms, 8);
	put_le(fixed + 24, s->max_length, 8);
	put_le(fixed + 32, s->max_bytes, 8);
	bytes_add(b, fixed, sizeof fixed);
	for (unsigned i = 0; i < s->backoffs; i++) {
		uint8_t one[8];
		put_le(one, (uint64_t)s->backoff_ms[i], sizeof one);
		bytes_add(b, one, sizeof one);
	}
	bytes_add(b, s->dead_letter.ptr, s->dead_letter.len);
}

static bool settings_parse(wherry_span record, struct settings *s)
{
	const uint8_t *at = record.ptr;
	if (record.len < FIXED || at[0] != SETTINGS_VERSION || at[3] > QUEUE_BACKOFFS ||
	    record.len < FIXED + at[3] * (size_t)8)
		return false;
	uint8_t given = at[2];
	s->overflow = at[1];
	s->backoffs = at[3];
	if (given & SETTING_MAX_ATTEMPTS)
		s->max_attempts = (uint32_t)get_le(at + 4, 4);
	if (given & SETTING_VISIBLE)
		s->visible_ms = (int64_t)get_le(at + 8, 8);
	if (given & SETTING_DEDUP)
		s->dedup_ms = (int64_t)get_le(at + 16, 8);
	s->max_length = get_le(at + 24, 8);
	s->max_bytes = get_le(at + 32, 8);
	for (unsigned i = 0; i < s->backoffs; i++)
		s->backoff_ms[i] = (int64_t)get_le(at + FIXED + i * 8, 8);
	size_t begin = FIXED + s->backoffs * (size_t)8;
	s->dead_letter = (wherry_span){at + begin, record.len - begin};
	s->has_dead_letter = given & SETTING_DEAD_LETTER && s->dead_letter.len > 0;
	s->drops_dead = given & SETTING_DEAD_LETTER && s->dead_letter.len == 0;
	return true;
}

int32_t settings_read(struct queue *q, struct settings *s)
{
	*s = presets(q->all);
	if (!(q->head.flags & HEAD_SETTINGS))
		return WHERRY_OK;
	wherry_span record;
	struct subkey subkey = subkey_family(FAMILY_SETTINGS);
	int32_t status = q->all->keys->get(q->call, q->arg, subkey_span(&subkey), &record);
	if (!status && !settings_parse(record, s))
		status = queue_fail(q->all, q->call, WHERRY_ECORRUPT, "the queue's settings are damaged");
	return status == WHERRY_ENOKEY ? WHERRY_ECORRUPT : status;
}

// The tuple (name, "dlq"), of a queue whose name is no text.
static int32_t name_in_tuple(struct queue *q, struct bytes *b)
{
	struct bytes raw;
	bytes_open(&raw, q->all);
	uint8_t header[6] = {0xc9, 0, 0, 0, 0, 1}; // ext 32, of the type of tuples
	size_t len = q->key.len + 4;
	for (unsigned i = 0; i < 4; i++)
		header[1 + i] = (uint8_t)(len >> (24 - 8 * i));
	bytes_add(&raw, header, sizeof header);
	bytes_add(&raw, q->key.ptr, q->key.len);
	BYTES_CSTRING(&raw, "dlq");
	wherry_value value;
	size_t need = 0;
	uint8_t canonical[5000];
	int32_t status = raw.failed ? WHERRY_ENOMEM : q->all->read->value(bytes_span(&raw), &value);
	if (!status)
		status = q->all->read->canonical(&value, canonical, sizeof canonical, &need);
	bytes_free(&raw);
	if (!status)
		bytes_add(b, canonical, need);
	return status;
}

static int32_t suffixed(struct queue *q, struct bytes *b)
{
	struct bytes name;
	wherry_value value;
	int32_t status = q->all->read->value(q->key, &value);
	if (status)
		return status;
	if (!(value.kind & (WHERRY_TEXT | WHERRY_BYTES)))
		return name_in_tuple(q, b);
	bytes_open(&name, q->all);
	bytes_add(&name, value.as.bytes.ptr, value.as.bytes.len);
	bytes_add(&name, ".dlq", 4);
	if (value.kind == WHERRY_TEXT)
		bytes_text(b, bytes_span(&name));
	else
		bytes_blob(b, bytes_span(&name));
	bool failed = name.failed;
	bytes_free(&name);
	return failed ? WHERRY_ENOMEM : WHERRY_OK;
}

int32_t settings_dead_key(struct queue *q, const struct settings *s, struct bytes *b, wherry_span *key)
{
	int32_t status = WHERRY_OK;
	if (s->has_dead_letter)
		bytes_add(b, s->dead_letter.ptr, s->dead_letter.len);
	else
		status = suffixed(q, b);
	*key = bytes_span(b);
	return b->failed ? WHERRY_ENOMEM : status;
}
