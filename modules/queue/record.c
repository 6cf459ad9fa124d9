// The head and the messages as bytes.

#include "record.h"

#include <assert.h>

void head_write(const struct head *h, uint8_t bytes[static HEAD_BYTES])
{
	memset(bytes, 0, HEAD_BYTES);
	bytes[0] = HEAD_VERSION;
	bytes[1] = h->flags;
	put_le(bytes + 4, h->ready, 4);
	put_le(bytes + 8, h->delayed, 4);
	put_le(bytes + 12, h->reserved, 4);
	put_le(bytes + 16, h->known, 4);
	put_le(bytes + 24, h->next_id, 8);
	put_le(bytes + 32, h->bytes, 8);
}

bool head_read(wherry_span span, struct head *h)
{
	const uint8_t *bytes = span.ptr;
	if (span.len != HEAD_BYTES || bytes[0] != HEAD_VERSION)
		return false;
	*h = (struct head){
	    .flags = bytes[1],
	    .ready = (uint32_t)get_le(bytes + 4, 4),
	    .delayed = (uint32_t)get_le(bytes + 8, 4),
	    .reserved = (uint32_t)get_le(bytes + 12, 4),
	    .known = (uint32_t)get_le(bytes + 16, 4),
	    .next_id = get_le(bytes + 24, 8),
	    .bytes = get_le(bytes + 32, 8),
	};
	return true;
}

// state flags priority 0 | deliveries attempts max_attempts | due first last | pushed expires | value's length
void message_write_changes(const struct message *m, uint8_t bytes[static MESSAGE_CHANGES])
{
	bytes[0] = m->state;
	bytes[1] = m->flags;
	bytes[2] = m->priority;
	bytes[3] = 0;
	put_le(bytes + 4, m->deliveries, 4);
	put_le(bytes + 8, m->attempts, 4);
	put_le(bytes + 12, m->max_attempts, 4);
	put_le(bytes + 16, (uint64_t)m->due_ms, 8);
	put_le(bytes + 24, (uint64_t)m->first_ms, 8);
	put_le(bytes + 32, (uint64_t)m->last_ms, 8);
}

void message_write_fixed(const struct message *m, uint8_t bytes[static MESSAGE_FIXED])
{
	message_write_changes(m, bytes);
	put_le(bytes + 40, (uint64_t)m->pushed_ms, 8);
	put_le(bytes + 48, m->expires_ms, 8);
	put_le(bytes + 56, m->value.len, 8);
}
static_assert(MESSAGE_FIXED == 56 + 8 && MESSAGE_CHANGES == 40, "what is written is what is counted");

bool message_read(uint64_t id, wherry_span record, struct message *m)
{
	const uint8_t *bytes = record.ptr;
	if (record.len < MESSAGE_FIXED || get_le(bytes + 56, 8) > record.len - MESSAGE_FIXED)
		return false;
	size_t value_len = (size_t)get_le(bytes + 56, 8);
	*m = (struct message){
	    .id = id,
	    .state = bytes[0],
	    .flags = bytes[1],
	    .priority = bytes[2],
	    .deliveries = (uint32_t)get_le(bytes + 4, 4),
	    .attempts = (uint32_t)get_le(bytes + 8, 4),
	    .max_attempts = (uint32_t)get_le(bytes + 12, 4),
	    .due_ms = (int64_t)get_le(bytes + 16, 8),
	    .first_ms = (int64_t)get_le(bytes + 24, 8),
	    .last_ms = (int64_t)get_le(bytes + 32, 8),
	    .pushed_ms = (int64_t)get_le(bytes + 40, 8),
	    .expires_ms = get_le(bytes + 48, 8),
	    .value = {bytes + MESSAGE_FIXED, value_len},
	    .headers = {bytes + MESSAGE_FIXED + value_len, record.len - MESSAGE_FIXED - value_len},
	};
	return m->state <= STATE_RESERVED && m->priority <= QUEUE_PRIORITY_MOST;
}
