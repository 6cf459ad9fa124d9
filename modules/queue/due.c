// The alarm of a queue: what is due by now, some of it at a time, and when to come again.

#include "state.h"

enum { DUE_AT_ONCE = 256 };

static int32_t give_up(struct queue *q, struct message *m, wherry_span error)
{
	return message_kept(q, m, message_failed(q, m, 0, error));
}

static int32_t time_out(struct queue *q, uint64_t id)
{
	struct message m;
	int32_t status = message_get(q, id, &m);
	q->events[EVENT_TIMEOUT]++;
	return status ? status : give_up(q, &m, QUEUE_TEXT("its visibility time was up"));
}

static int32_t delay_over(struct queue *q, uint64_t id)
{
	struct message m;
	int32_t status = message_get(q, id, &m);
	return status ? status : give_up(q, &m, QUEUE_TEXT("not acknowledged"));
}

// A reserved one goes on; whoever gives it back finds that it has expired.
static int32_t expire(struct queue *q, uint64_t id)
{
	struct message m;
	int32_t status = message_get(q, id, &m);
	if (status)
		return status;
	struct subkey subkey = subkey_two(FAMILY_EXPIRY, m.expires_ms, id);
	status = q->all->keys->del(q->call, q->arg, subkey_span(&subkey));
	if (status || m.state == STATE_RESERVED)
		return status;
	if ((status = message_get(q, id, &m))) // its value is lent until a change
		return status;
	return message_kept(q, &m, message_die(q, &m, DEATH_EXPIRED, QUEUE_TEXT("its time to live was up")));
}

static const struct {
	enum family family;
	int32_t (*handle)(struct queue *, uint64_t id);
} kinds[] = {
    {FAMILY_RESERVED, time_out},
    {FAMILY_DELAYED, delay_over},
    {FAMILY_EXPIRY, expire},
    {FAMILY_KNOWN_UNTIL, NULL},
};

static int32_t handle_one(struct queue *q, unsigned kind)
{
	wherry_span subkey, value;
	struct subkey from = subkey_family(kinds[kind].family);
	int32_t status = queue_first(q, kinds[kind].family, &from, &subkey, &value);
	if (!status && subkey_time(subkey) > q->call->now_ms)
		return WHERRY_ENOKEY;
	if (status)
		return status;
	return kinds[kind].handle ? kinds[kind].handle(q, subkey_id(subkey)) : known_forget(q, subkey, value);
}

static int32_t handle_due(struct queue *q)
{
	int32_t status = WHERRY_OK;
	unsigned left = DUE_AT_ONCE;
	for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		for (; left > 0 && !status; left--)
			status = handle_one(q, kind);
		if (status && status != WHERRY_ENOKEY)
			return status;
		status = WHERRY_OK;
	}
	return WHERRY_OK;
}

// What is left over is due already: the alarm comes again at once.
int32_t queue_due(void *self, wherry_call *call)
{
	struct queue q, dead;
	struct tally tally = {{0}};
	int32_t status = queue_open(&q, self, call, QUEUE_KEY, &dead, &tally);
	if (status)
		return status;
	if (q.there && ((status = handle_due(&q)) || (status = queue_alarm(&q)) || (status = queue_close(&q))))
		return status;
	q.all->write->nil(call->reply);
	tally_tell(q.all, &tally);
	return WHERRY_OK;
}
