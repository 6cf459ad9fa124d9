// What becomes of a reserved message: done, given back, kept longer, given up.  All by token: its id and which delivery.

#include "state.h"

struct token {
	uint64_t id, delivery;
};

static int32_t bad_token(const struct queues *all, wherry_call *call)
{
	return queue_fail(all, call, WHERRY_EARG, "a token is [id, delivery], as queue.pop answered it");
}

static bool read_count(const wherry_value *value, uint64_t *out)
{
	*out = value->as.u;
	return value->kind == WHERRY_UINT || (value->kind == WHERRY_INT && value->as.i >= 0);
}

static int32_t read_token(const struct queues *all, wherry_call *call, uint32_t arg, struct token *token)
{
	wherry_reader reader;
	wherry_value id, delivery, more;
	if (all->read->open(&call->args[arg], &reader) || all->read->next(&reader, &id) ||
	    all->read->next(&reader, &delivery) || !all->read->next(&reader, &more))
		return bad_token(all, call);
	if (!read_count(&id, &token->id) || !read_count(&delivery, &token->delivery))
		return bad_token(all, call);
	return WHERRY_OK;
}

static int32_t stale(struct queue *q)
{
	return queue_fail(q->all, q->call, WHERRY_ESTALE,
	    "the message is not reserved under this token any more: its time was up, or it was settled");
}

static int32_t open_queue(
    struct queue *q, const struct queues *all, wherry_call *call, struct queue *dead, struct tally *tally)
{
	*tally = (struct tally){{0}};
	int32_t status = queue_open(q, all, call, QUEUE_KEY, dead, tally);
	if (!status && !q->there)
		status = queue_fail(all, call, WHERRY_ENOKEY, "there is no such queue");
	return status;
}

// ESTALE also once its deadline has passed, whether or not the alarm has come.
static int32_t held(struct queue *q, const struct token *token, struct message *m)
{
	int32_t status = message_get(q, token->id, m);
	if (status == WHERRY_ENOKEY)
		return WHERRY_ESTALE;
	if (status)
		return status;
	bool is_held = m->state == STATE_RESERVED && m->deliveries == token->delivery && m->due_ms > q->call->now_ms;
	return is_held ? WHERRY_OK : WHERRY_ESTALE;
}

static int32_t finish(struct queue *q, const struct tally *tally)
{
	int32_t status = queue_close(q);
	if (!status)
		tally_tell(q->all, tally);
	return status;
}

// --- done -------------------------------------------------------------------------------------------------------------

static int32_t ack_one(struct queue *q, uint32_t arg)
{
	struct token token;
	struct message m;
	int32_t status = read_token(q->all, q->call, arg, &token);
	if (!status)
		status = held(q, &token, &m);
	if (!status)
		status = message_remove(q, &m);
	if (!status)
		q->events[EVENT_ACKED]++;
	return status == WHERRY_ESTALE ? WHERRY_OK : status;
}

int32_t queue_ack(void *self, wherry_call *call)
{
	struct queue q;
	struct tally tally;
	int32_t status = open_queue(&q, self, call, NULL, &tally);
	for (uint32_t i = ACK_TOKENS; !status && i < call->argc; i++)
		status = ack_one(&q, i);
	if (status)
		return status;
	if (!q.events[EVENT_ACKED])
		return stale(&q);
	q.all->write->uinteger(call->reply, q.events[EVENT_ACKED]);
	return finish(&q, &tally);
}

// --- one that is held -------------------------------------------------------------------------------------------------

static int32_t open_held(struct queue *q, const struct queues *all, wherry_call *call, struct queue *dead,
    struct tally *tally, struct message *m)
{
	struct token token;
	int32_t status = open_queue(q, all, call, dead, tally);
	if (!status)
		status = read_token(all, call, NACK_TOKEN, &token);
	if (!status)
		status = held(q, &token, m);
	return status == WHERRY_ESTALE ? stale(q) : status;
}

// 10 % more or less, so that what failed together does not come back together.
static int64_t jittered(const struct queues *all, int64_t ms)
{
	uint32_t chance;
	all->host->random(all->owner, &chance, sizeof chance);
	return ms - ms / 10 + (int64_t)(chance % (uint64_t)(ms / 5 + 1));
}

static int32_t backoff(struct queue *q, const struct message *m, int64_t *delay_ms)
{
	struct settings s;
	*delay_ms = 0;
	int32_t status = settings_read(q, &s);
	if (status || !s.backoffs)
		return status;
	uint32_t nth = m->attempts ? m->attempts - 1 : 0;
	*delay_ms = jittered(q->all, s.backoff_ms[nth < s.backoffs ? nth : s.backoffs - 1u]);
	return WHERRY_OK;
}

static int32_t nack_delay(struct queue *q, const struct message *m, int64_t *delay_ms)
{
	if (q->call->args[NACK_DELAY_MS].kind == WHERRY_ABSENT)
		return backoff(q, m, delay_ms);
	return queue_number(q->all, q->call, NACK_DELAY_MS, "delay_ms", 0, QUEUE_MS_MOST, 0, delay_ms);
}

int32_t queue_nack(void *self, wherry_call *call)
{
	struct queue q, dead;
	struct tally tally;
	struct message m;
	int64_t delay_ms;
	int32_t status = open_held(&q, self, call, &dead, &tally, &m);
	if (!status)
		status = nack_delay(&q, &m, &delay_ms);
	if (status)
		return status;
	wherry_span reason = call->args[NACK_REASON].as.bytes;
	if (call->args[NACK_REASON].kind == WHERRY_ABSENT)
		reason = QUEUE_TEXT("not acknowledged");
	if (queue_flag(&call->args[NACK_COUNT], true)) {
		status = message_failed(&q, &m, delay_ms, reason);
	} else {
		m.attempts--;
		status = delay_ms ? message_delay(&q, &m, call->now_ms + delay_ms) : message_ready(&q, &m);
	}
	if (status)
		return status;
	q.events[EVENT_NACKED]++;
	q.all->write->boolean(call->reply, 1);
	return finish(&q, &tally);
}

// Whose a reservation is stands in its place record.
static int32_t holder(struct queue *q, const struct message *m, uint64_t *session)
{
	struct subkey place = subkey_two(FAMILY_RESERVED, (uint64_t)m->due_ms, m->id);
	wherry_span value;
	int32_t status = q->all->keys->get(q->call, q->arg, subkey_span(&place), &value);
	*session = !status && value.len == 8 ? get_le(value.ptr, 8) : 0;
	return status;
}

// A reservation lasts no longer than max_reserve in all.
static int32_t new_deadline(struct queue *q, const struct message *m, int64_t *deadline_ms)
{
	struct settings s;
	int64_t visible_ms, last = m->last_ms + queues_option(q->all, OPTION_MAX_RESERVE);
	int32_t status = settings_read(q, &s);
	if (!status)
		status = queue_number(
		    q->all, q->call, TOUCH_VISIBLE_MS, "visible_ms", 1, QUEUE_VISIBLE_MOST, s.visible_ms, &visible_ms);
	if (status)
		return status;
	*deadline_ms = q->call->now_ms + visible_ms;
	if (*deadline_ms > last)
		*deadline_ms = last > m->due_ms ? last : m->due_ms;
	return WHERRY_OK;
}

int32_t queue_touch(void *self, wherry_call *call)
{
	struct queue q;
	struct tally tally;
	struct message m;
	int64_t deadline_ms;
	uint64_t session;
	int32_t status = open_held(&q, self, call, NULL, &tally, &m);
	if (!status)
		status = new_deadline(&q, &m, &deadline_ms);
	if (!status)
		status = holder(&q, &m, &session);
	if (!status)
		status = message_reserve(&q, &m, deadline_ms, session);
	if (status)
		return status;
	q.all->write->integer(call->reply, deadline_ms);
	return finish(&q, &tally);
}

int32_t queue_term(void *self, wherry_call *call)
{
	struct queue q, dead;
	struct tally tally;
	struct message m;
	int32_t status = open_held(&q, self, call, &dead, &tally, &m);
	if (status)
		return status;
	wherry_span reason = call->args[TERM_REASON].as.bytes;
	if (call->args[TERM_REASON].kind == WHERRY_ABSENT)
		reason = QUEUE_TEXT("terminated");
	status = message_die(&q, &m, DEATH_REJECTED, reason);
	if (status)
		return status;
	q.all->write->boolean(call->reply, 1);
	return finish(&q, &tally);
}
