// How a queue is kept: bytes on disk for ever, little-endian in values, big-endian in subkeys, so that memcmp orders them.

#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include <string.h>

#include "queue.h"

static inline void put_le(uint8_t *at, uint64_t number, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(number >> (8 * i));
}

static inline uint64_t get_le(const uint8_t *at, unsigned bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < bytes; i++)
		number |= (uint64_t)at[i] << (8 * i);
	return number;
}

static inline void put_be64(uint8_t *at, uint64_t number)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(number >> (56 - 8 * i));
}

static inline uint64_t get_be64(const uint8_t *at)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

static inline bool span_is(wherry_span a, wherry_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// --- the head ---------------------------------------------------------------------------------------------------------

enum { HEAD_BYTES = 40, HEAD_VERSION = 1 };
enum head_flag { HEAD_PAUSED_IN = 1, HEAD_PAUSED_OUT = 2, HEAD_SETTINGS = 4 };

struct head {
	uint8_t flags;
	uint32_t ready, delayed, reserved, known;
	uint64_t next_id; // of the message pushed next
	uint64_t bytes;   // of the values and headers of all messages
};

static inline uint64_t head_length(const struct head *h)
{
	return (uint64_t)h->ready + h->delayed + h->reserved;
}

void head_write(const struct head *, uint8_t bytes[static HEAD_BYTES]);
bool head_read(wherry_span, struct head *); // false: it is damaged, or of a later version

// --- subkeys ----------------------------------------------------------------------------------------------------------

enum family {
	FAMILY_SETTINGS = 'a',
	FAMILY_MESSAGE = 'b',
	FAMILY_COUNTS = 'c',
	FAMILY_DELAYED = 'd',
	FAMILY_EXPIRY = 'e',
	FAMILY_KNOWN = 'k',
	FAMILY_DEAD = 'o',
	FAMILY_READY = 'r',
	FAMILY_RESERVED = 'v',
	FAMILY_KNOWN_UNTIL = 'w',
};

enum { SUBKEY_BYTES = 17, DEDUP_BYTES = 512 };

struct subkey {
	uint8_t bytes[SUBKEY_BYTES];
	uint8_t len;
};

static inline wherry_span subkey_span(const struct subkey *s)
{
	return (wherry_span){s->bytes, s->len};
}

// One byte and one number; the family alone, where what begins with it is sought.
static inline struct subkey subkey_one(enum family family, uint64_t number)
{
	struct subkey s = {{(uint8_t)family}, 9};
	put_be64(s.bytes + 1, number);
	return s;
}

static inline struct subkey subkey_two(enum family family, uint64_t first, uint64_t id)
{
	struct subkey s = {{(uint8_t)family}, 17};
	put_be64(s.bytes + 1, first);
	put_be64(s.bytes + 9, id);
	return s;
}

static inline struct subkey subkey_ready(uint8_t priority, uint64_t id)
{
	struct subkey s = {{FAMILY_READY, (uint8_t)(QUEUE_PRIORITY_MOST - priority)}, 10};
	put_be64(s.bytes + 2, id);
	return s;
}

static inline struct subkey subkey_family(enum family family)
{
	return (struct subkey){{(uint8_t)family}, 1};
}

// The id at the end of a ready, delayed, reserved, expiry, dead or known-until subkey.
static inline uint64_t subkey_id(wherry_span subkey)
{
	return get_be64((const uint8_t *)subkey.ptr + subkey.len - 8);
}

static inline int64_t subkey_time(wherry_span subkey)
{
	return (int64_t)get_be64((const uint8_t *)subkey.ptr + 1);
}

static inline bool subkey_is(wherry_span subkey, enum family family)
{
	return subkey.len > 0 && *(const uint8_t *)subkey.ptr == (uint8_t)family;
}

// --- a message --------------------------------------------------------------------------------------------------------

enum state { STATE_READY, STATE_DELAYED, STATE_RESERVED };
enum message_flag { MESSAGE_DEAD = 1 }; // it was dead-lettered into this queue

enum { MESSAGE_CHANGES = 40, MESSAGE_FIXED = 64, ATTEMPTS_PRESET = UINT32_MAX };

// value and headers are lent by the key: stale with its next change.
struct message {
	uint64_t id;
	uint8_t state, flags, priority;
	uint32_t deliveries; // how often it was popped: what a token has, rising for ever
	uint32_t attempts;   // those of them that count
	uint32_t max_attempts;
	int64_t due_ms;            // delayed: until then; reserved: its deadline
	int64_t first_ms, last_ms; // when it was popped; 0: never
	int64_t pushed_ms;
	uint64_t expires_ms; // 0: lives on.  Of a dead one, the hash of the queue that it came from
	wherry_span value;
	wherry_span headers; // empty: none
};

static inline int64_t message_expires(const struct message *m)
{
	return m->flags & MESSAGE_DEAD ? 0 : (int64_t)m->expires_ms;
}

static inline uint64_t message_bytes(const struct message *m)
{
	return m->value.len + m->headers.len;
}

void message_write_changes(const struct message *, uint8_t bytes[static MESSAGE_CHANGES]);
void message_write_fixed(const struct message *, uint8_t bytes[static MESSAGE_FIXED]);
bool message_read(uint64_t id, wherry_span record, struct message *); // false: it is damaged

#endif
