// A message and its places: the record that it is, and the one that says what state it is in.

#include "state.h"

static int32_t put(struct queue *q, const struct subkey *subkey, wherry_span value)
{
	return q->all->keys->put(q->call, q->arg, subkey_span(subkey), value);
}

static int32_t del(struct queue *q, const struct subkey *subkey)
{
	return q->all->keys->del(q->call, q->arg, subkey_span(subkey));
}

static int32_t damaged(struct queue *q, uint64_t id)
{
	return queue_fail(q->all, q->call, WHERRY_ECORRUPT, "message %llu is damaged", (unsigned long long)id);
}

int32_t message_get(struct queue *q, uint64_t id, struct message *m)
{
	struct subkey subkey = subkey_one(FAMILY_MESSAGE, id);
	wherry_span record;
	int32_t status = q->all->keys->get(q->call, q->arg, subkey_span(&subkey), &record);
	if (status)
		return status;
	return message_read(id, record, m) ? WHERRY_OK : damaged(q, id);
}

static struct subkey place_of(const struct message *m)
{
	if (m->state == STATE_READY)
		return subkey_ready(m->priority, m->id);
	return subkey_two(m->state == STATE_DELAYED ? FAMILY_DELAYED : FAMILY_RESERVED, (uint64_t)m->due_ms, m->id);
}

static uint32_t *count_of(struct queue *q, uint8_t state)
{
	uint32_t *const counts[] = {&q->head.ready, &q->head.delayed, &q->head.reserved};
	return counts[state];
}

// A ready one is for whoever waits; for the others the alarm must not be late.
static int32_t place(struct queue *q, const struct message *m, wherry_span value)
{
	struct subkey subkey = place_of(m);
	int32_t status = put(q, &subkey, value);
	if (status)
		return status;
	++*count_of(q, m->state);
	q->changed = true;
	if (m->state == STATE_READY)
		q->fresh++;
	else if (m->due_ms < q->wake_ms)
		q->wake_ms = m->due_ms;
	return WHERRY_OK;
}

static int32_t displace(struct queue *q, const struct message *m)
{
	struct subkey subkey = place_of(m);
	int32_t status = del(q, &subkey);
	if (status)
		return status == WHERRY_ENOKEY ? damaged(q, m->id) : status;
	--*count_of(q, m->state);
	q->changed = true;
	return WHERRY_OK;
}

// From the state that the queue knows it in to the one that `m` says.
static int32_t move(struct queue *q, const struct message *was, const struct message *m, wherry_span value)
{
	uint8_t changes[MESSAGE_CHANGES];
	message_write_changes(m, changes);
	struct subkey subkey = subkey_one(FAMILY_MESSAGE, m->id);
	int32_t status = displace(q, was);
	if (!status)
		status = place(q, m, value);
	if (!status)
		status = q->all->keys->patch(
		    q->call, q->arg, subkey_span(&subkey), 0, (wherry_span){changes, sizeof changes});
	return status;
}

int32_t message_ready(struct queue *q, struct message *m)
{
	struct message was = *m;
	m->state = STATE_READY;
	m->due_ms = 0;
	return move(q, &was, m, (wherry_span){0});
}

int32_t message_delay(struct queue *q, struct message *m, int64_t until_ms)
{
	struct message was = *m;
	m->state = STATE_DELAYED;
	m->due_ms = until_ms;
	return move(q, &was, m, (wherry_span){0});
}

int32_t message_reserve(struct queue *q, struct message *m, int64_t until_ms, uint64_t session)
{
	struct message was = *m;
	uint8_t owner[8];
	put_le(owner, session, sizeof owner);
	m->state = STATE_RESERVED;
	m->due_ms = until_ms;
	return move(q, &was, m, (wherry_span){owner, session ? sizeof owner : 0});
}

// --- coming and going -------------------------------------------------------------------------------------------------

static int32_t put_record(struct queue *q, const struct message *m)
{
	struct bytes b;
	uint8_t fixed[MESSAGE_FIXED];
	message_write_fixed(m, fixed);
	bytes_open(&b, q->all);
	bytes_add(&b, fixed, sizeof fixed);
	bytes_add(&b, m->value.ptr, m->value.len);
	bytes_add(&b, m->headers.ptr, m->headers.len);
	struct subkey subkey = subkey_one(FAMILY_MESSAGE, m->id);
	int32_t status = b.failed ? WHERRY_ENOMEM : put(q, &subkey, bytes_span(&b));
	bytes_free(&b);
	return status;
}

// What else is to be found by: its end, or where it came from.
static struct subkey aside(const struct message *m)
{
	return subkey_two(m->flags & MESSAGE_DEAD ? FAMILY_DEAD : FAMILY_EXPIRY, m->expires_ms, m->id);
}

static bool has_aside(const struct message *m)
{
	return m->flags & MESSAGE_DEAD || m->expires_ms;
}

static int32_t put_aside(struct queue *q, const struct message *m)
{
	if (!has_aside(m))
		return WHERRY_OK;
	struct subkey subkey = aside(m);
	if (message_expires(m) && message_expires(m) < q->wake_ms)
		q->wake_ms = message_expires(m);
	return put(q, &subkey, (wherry_span){0});
}

int32_t message_add(struct queue *q, struct message *m)
{
	m->id = q->head.next_id++;
	m->pushed_ms = q->call->now_ms;
	m->state = m->due_ms > q->call->now_ms ? STATE_DELAYED : STATE_READY;
	if (m->state == STATE_READY)
		m->due_ms = 0;
	int32_t status = put_record(q, m);
	if (!status)
		status = place(q, m, (wherry_span){0});
	if (!status)
		status = put_aside(q, m);
	q->head.bytes += message_bytes(m);
	return status;
}

// An expiry record is gone already where its time came while the message was reserved.
static int32_t del_aside(struct queue *q, const struct message *m)
{
	if (!has_aside(m))
		return WHERRY_OK;
	struct subkey subkey = aside(m);
	int32_t status = del(q, &subkey);
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

int32_t message_remove(struct queue *q, const struct message *m)
{
	uint64_t bytes = message_bytes(m);
	struct subkey subkey = subkey_one(FAMILY_MESSAGE, m->id);
	int32_t status = displace(q, m);
	if (!status)
		status = del_aside(q, m);
	if (!status)
		status = del(q, &subkey);
	q->head.bytes -= bytes;
	return status;
}
