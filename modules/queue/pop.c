// Messages out: reserved for a time, or taken for good; waiting for them.

#include "sessions.h"
#include "state.h"

enum { POP_QUEUES = 64, POP_AHEAD = 32 };

struct pop {
	const struct queues *all;
	wherry_call *call;
	int64_t visible_ms; // 0: the queue's own
	uint32_t most, taken;
	bool hold, acks;
	size_t bytes_most;
	struct bytes answer; // its elements
	struct tally tally;
};

static int32_t read_options(struct pop *p)
{
	int64_t most;
	int32_t status =
	    queue_number(p->all, p->call, POP_MAX, "max", 1, queues_option(p->all, OPTION_MAX_POP), 1, &most);
	if (!status)
		status = queue_number(
		    p->all, p->call, POP_VISIBLE_MS, "visible_ms", 1, QUEUE_VISIBLE_MOST, 0, &p->visible_ms);
	if (!status && p->call->argc - POP_KEYS > POP_QUEUES)
		status = queue_fail(p->all, p->call, WHERRY_ELIMIT, "at most %d queues at a time", POP_QUEUES);
	p->most = (uint32_t)most;
	p->hold = queue_flag(&p->call->args[POP_HOLD], false) || p->call->session == 0;
	p->acks = queue_flag(&p->call->args[POP_ACK], true);
	p->bytes_most = (size_t)queues_option(p->all, OPTION_POP_BYTES);
	return status;
}

// {queue, token, attempt, value, headers, age_ms}
static void write_message(struct pop *p, const struct queue *q, const struct message *m)
{
	struct bytes *b = &p->answer;
	int64_t age = p->call->now_ms - m->pushed_ms;
	BYTES_LITERAL(b, "\x86\xa5queue");
	bytes_add(b, q->key.ptr, q->key.len);
	if (p->acks) {
		BYTES_LITERAL(b, "\xa5token\x92");
		bytes_uint(b, m->id);
		bytes_uint(b, m->deliveries);
	} else {
		BYTES_LITERAL(b, "\xa5token\xc0");
	}
	BYTES_LITERAL(b, "\xa7"
			 "attempt");
	bytes_uint(b, m->attempts);
	BYTES_LITERAL(b, "\xa5value");
	bytes_add(b, m->value.ptr, m->value.len);
	BYTES_LITERAL(b, "\xa7headers");
	if (m->headers.len)
		bytes_add(b, m->headers.ptr, m->headers.len);
	else
		BYTES_LITERAL(b, "\xc0");
	BYTES_LITERAL(b, "\xa6"
			 "age_ms");
	bytes_uint(b, age > 0 ? (uint64_t)age : 0);
}

static int32_t take(struct pop *p, struct queue *q, uint64_t id, int64_t visible_ms)
{
	struct message m;
	int32_t status = message_get(q, id, &m);
	if (status)
		return status;
	if (message_expires(&m) && message_expires(&m) <= p->call->now_ms)
		return message_kept(q, &m, message_die(q, &m, DEATH_EXPIRED, QUEUE_TEXT("its time to live was up")));
	m.deliveries++;
	m.attempts++;
	m.last_ms = p->call->now_ms;
	m.first_ms = m.first_ms ? m.first_ms : m.last_ms;
	write_message(p, q, &m); // before it changes: its value is lent
	p->taken++;
	q->events[EVENT_POPPED]++;
	if (!p->acks)
		return message_remove(q, &m);
	return message_reserve(q, &m, p->call->now_ms + visible_ms, p->hold ? 0 : p->call->session);
}

static bool has_enough(const struct pop *p)
{
	return p->taken == p->most || p->answer.len >= p->bytes_most;
}

// The ids of the most urgent ready ones.
static int32_t look_ahead(struct queue *q, uint32_t most, uint64_t ids[static POP_AHEAD], uint32_t *count)
{
	wherry_cursor cursor;
	wherry_span subkey, value;
	struct subkey from = subkey_family(FAMILY_READY);
	*count = 0;
	int32_t status = q->all->keys->seek(q->call, q->arg, subkey_span(&from), 1, &cursor);
	while (!status && *count < most && *count < POP_AHEAD) {
		status = q->all->keys->next(&cursor, &subkey, &value);
		if (!status && !subkey_is(subkey, FAMILY_READY))
			break;
		if (!status)
			ids[(*count)++] = subkey_id(subkey);
	}
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t take_some(struct pop *p, struct queue *q, int64_t visible_ms)
{
	uint64_t ids[POP_AHEAD];
	uint32_t count;
	int32_t status = look_ahead(q, p->most - p->taken, ids, &count);
	for (uint32_t i = 0; !status && i < count && !has_enough(p); i++)
		status = take(p, q, ids[i], visible_ms);
	return status;
}

static int64_t visible_of(const struct pop *p, const struct settings *s)
{
	int64_t wanted = p->visible_ms ? p->visible_ms : s->visible_ms;
	int64_t most = queues_option(p->all, OPTION_MAX_RESERVE);
	return wanted < most ? wanted : most;
}

static int32_t pop_one(struct pop *p, uint32_t arg)
{
	struct queue q, dead;
	struct settings s;
	uint32_t before = p->taken;
	int32_t status = queue_open(&q, p->all, p->call, arg, &dead, &p->tally);
	if (status || !q.there || !q.head.ready || q.head.flags & HEAD_PAUSED_OUT)
		return status;
	status = settings_read(&q, &s);
	int64_t visible_ms = visible_of(p, &s);
	while (!status && q.head.ready && !has_enough(p))
		status = take_some(p, &q, visible_ms);
	if (!status && p->taken > before && p->acks && !p->hold)
		status = sessions_note(p->all, p->call, q.key);
	return status ? status : queue_close(&q);
}

static int32_t pop_all(struct pop *p)
{
	for (uint32_t i = POP_KEYS; i < p->call->argc && !has_enough(p); i++) {
		int32_t status = pop_one(p, i);
		if (status)
			return status;
	}
	return p->answer.failed ? WHERRY_ENOMEM : WHERRY_OK;
}

static bool may_wait(const wherry_call *call)
{
	return call->why != WHERRY_WHY_TIMEOUT && call->why != WHERRY_WHY_SHUTDOWN &&
	       !(call->flags & WHERRY_CALL_TRANSACTION);
}

static int32_t answer(struct pop *p)
{
	int64_t wait_ms;
	int32_t status = queue_number(p->all, p->call, POP_WAIT_MS, "wait_ms", 0, QUEUE_MS_MOST, 0, &wait_ms);
	if (status)
		return status;
	if (!p->taken && wait_ms && may_wait(p->call)) {
		status = p->all->keys->park(p->call, wait_ms, NULL);
		return status ? status : WHERRY_PARKED;
	}
	p->all->write->array(p->call->reply, p->taken);
	if (p->taken)
		p->all->write->raw(p->call->reply, bytes_span(&p->answer));
	tally_tell(p->all, &p->tally);
	return WHERRY_OK;
}

int32_t queue_pop(void *self, wherry_call *call)
{
	struct pop p;
	p.all = self;
	p.call = call;
	p.taken = 0;
	p.tally = (struct tally){{0}};
	bytes_open(&p.answer, p.all);
	int32_t status = read_options(&p);
	if (!status)
		status = pop_all(&p);
	if (!status)
		status = answer(&p);
	bytes_free(&p.answer);
	return status;
}
