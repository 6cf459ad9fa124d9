// Requests whose callers are called back: their memory is recycled, their answers are told on the client's thread.

#include "inside.h"

enum { ROOM_UNIT = 64, ROOM_KEPT = 4096, SPARE_MOST = 1 << 20 };

struct async {
	struct request request;
	struct async *next;
	wherry_answered answered;
	void *arg;
	struct outcome outcome; // lent until the next receive()
	size_t room;
	uint8_t memory[]; // the request's bytes
};

struct async *async_new(struct wherry_client *c, size_t len)
{
	struct async *a = c->spare;
	if (a != NULL) {
		c->spare = a->next;
		c->spare_bytes -= a->room;
		if (a->room >= len)
			return a;
		free(a);
	}
	size_t room = (len + ROOM_UNIT - 1) / ROOM_UNIT * ROOM_UNIT;
	a = malloc(sizeof(*a) + room);
	if (a != NULL)
		a->room = room;
	return a;
}

void async_recycle(struct wherry_client *c, struct async *a)
{
	if (a->room > ROOM_KEPT || c->spare_bytes + a->room > SPARE_MOST) {
		free(a);
		return;
	}
	a->next = c->spare;
	c->spare = a;
	c->spare_bytes += a->room;
}

struct request *async_request(struct async *a, size_t len, uint8_t **bytes)
{
	*bytes = a->memory;
	a->request = (struct request){.bytes = a->memory, .len = len, .deadline = NO_DEADLINE};
	return &a->request;
}

void async_free_all(struct wherry_client *c)
{
	while (c->spare != NULL) {
		struct async *next = c->spare->next;
		free(c->spare);
		c->spare = next;
	}
}

// --- sending ----------------------------------------------------------------------------------------------------------

static void async_ended(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct async *a = (struct async *)(void *)r;
	a->outcome = *o;
	a->next = NULL;
	*c->last_done = a;
	c->last_done = &a->next;
	drive_wake(c);
}

static int enqueue(struct wherry_client *c, const struct request *like, const struct wire_request *w,
    int64_t timeout_ms, struct async **out)
{
	const char *unused;
	uint8_t *bytes;
	struct async *a;
	size_t cost = sizeof(*a) + like->len;
	int status = request_admit(c, cost, &unused);
	if (status != WHERRY_OK)
		return status;
	a = async_new(c, like->len);
	if (a == NULL)
		return WHERRY_ENOMEM;
	struct request *r = async_request(a, like->len, &bytes);
	*r = *like;
	r->bytes = bytes;
	r->cost = cost;
	r->ended = async_ended;
	wire_request_write(w, bytes);
	r->deadline = deadline_about(timeout_ms == 0 ? c->call_ms : timeout_ms);
	*out = a;
	return WHERRY_OK;
}

int wherry_client_send(wherry_client *c, const wherry_request *q, wherry_answered answered, void *arg)
{
	wherry_request whole;
	struct wire_request w;
	struct request like = {0};
	struct async *a;
	const char *unused;
	if (answered == NULL || request_copy(q, &whole) != WHERRY_OK)
		return WHERRY_EARG;
	int status = request_check(&whole, &w, &like, &unused);
	if (status != WHERRY_OK)
		return status;
	pthread_mutex_lock(&c->lock);
	status = thread_start(c);
	if (status == WHERRY_OK)
		status = enqueue(c, &like, &w, whole.timeout_ms, &a);
	if (status == WHERRY_OK) {
		a->answered = answered;
		a->arg = arg;
		c->asynchronous++;
		request_enqueue(c, &a->request);
		drive_wake(c);
	}
	pthread_mutex_unlock(&c->lock);
	return status;
}

// --- telling ----------------------------------------------------------------------------------------------------------

static void tell(const struct async *a, wherry_reply *reply)
{
	const struct outcome *o = &a->outcome;
	struct run details = {0};
	reply->result = NULL;
	reply->result_len = 0;
	if (reply->error.code != WHERRY_OK)
		error_clear(&reply->error);
	if (o->status != WHERRY_OK) {
		error_local(&reply->error, o->status, o->text);
	} else if (!wire_is_nil(o->error)) {
		error_remote(&reply->error, o->error, &details);
	} else {
		reply->result = o->result.at;
		reply->result_len = o->result.len;
	}
	reply->details = details.len > 0 ? details.at : NULL;
	reply->details_len = details.len;
	a->answered(a->arg, reply);
}

void async_tell(struct wherry_client *c)
{
	struct async *first = c->done;
	wherry_reply reply;
	if (first == NULL)
		return;
	c->done = NULL;
	c->last_done = &c->done;
	reply.memory = NULL;
	reply.memory_room = 0;
	error_clear(&reply.error);
	tell_begin(c, TELLING_ANSWERS);
	for (struct async *a = first; a != NULL; a = a->next)
		tell(a, &reply);
	tell_end(c);
	while (first != NULL) {
		struct async *next = first->next;
		async_recycle(c, first);
		c->asynchronous--;
		first = next;
	}
	if (c->asynchronous == 0)
		pthread_cond_broadcast(&c->settled);
}

int wherry_client_settle(wherry_client *c, int64_t timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);
	pthread_mutex_lock(&c->lock);
	int status = on_own_thread(c) ? WHERRY_EARG : WHERRY_OK;
	while (status == WHERRY_OK && c->asynchronous > 0)
		if (!drive_wait_woken(c, &c->settled, deadline) && c->asynchronous > 0)
			status = WHERRY_ETIMEOUT;
	pthread_mutex_unlock(&c->lock);
	return status;
}
