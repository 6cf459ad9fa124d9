// Many requests that travel together.

#include "exchange.h"

enum { FRAME_BYTES = 256 << 10, AHEAD = 512 << 10 };

enum answer { NONE, RESULT, ERROR };

struct slot {
	size_t request, id_at;     // where in `requests` it begins; its id
	size_t answer, answer_len; // in `answers`
	enum answer kind;
};

struct wherry_batch {
	struct bytes requests, answers;
	struct slot *slots;
	size_t count, room;
	wherry_error failed; // of those that have no answer
	bool ran;
};

struct run_state {
	struct expected expected;
	wherry_client *client;
	wherry_batch *batch;
	size_t fed; // requests given to the connection
};

wherry_batch *wherry_batch_new(void)
{
	return calloc(1, sizeof(wherry_batch));
}

void wherry_batch_free(wherry_batch *b)
{
	if (b == NULL)
		return;
	bytes_free(&b->requests);
	bytes_free(&b->answers);
	free(b->slots);
	free(b);
}

void wherry_batch_clear(wherry_batch *b)
{
	b->requests.len = b->answers.len = b->count = 0;
	b->ran = false;
}

size_t wherry_batch_count(const wherry_batch *b)
{
	return b->count;
}

static bool room_for_slot(wherry_batch *b)
{
	if (b->count < b->room)
		return true;
	size_t room = b->room == 0 ? 64 : 2 * b->room;
	struct slot *slots = b->count < UINT32_MAX / 2 ? realloc(b->slots, room * sizeof(*slots)) : NULL;
	if (slots == NULL)
		return false;
	b->slots = slots;
	b->room = room;
	return true;
}

int wherry_batch_add(
    wherry_batch *b, const char *method, const void *params, size_t params_len, const void *options, size_t options_len)
{
	struct request_parts p;
	const char *why;
	if (b->ran)
		return WHERRY_EEXIST;
	int status = request_parts(&p, method, params, params_len, options, options_len, &why);
	if (status != WHERRY_OK)
		return status;
	struct slot slot = {.request = b->requests.len};
	if (!room_for_slot(b) || !wire_request(&b->requests, &slot.id_at, p.method, p.params, p.options))
		return WHERRY_ENOMEM;
	b->slots[b->count++] = slot;
	return WHERRY_OK;
}

static size_t end_of(const wherry_batch *b, size_t index)
{
	return index + 1 < b->count ? b->slots[index + 1].request : b->requests.len;
}

static int keep(struct run_state *s, size_t index, enum answer kind, struct run bytes)
{
	wherry_batch *b = s->batch;
	struct slot *slot = &b->slots[index];
	if (slot->kind != NONE)
		return WHERRY_OK;
	if (!bytes_reserve(&b->answers, bytes.len))
		return WHERRY_ENOMEM;
	slot->kind = kind;
	slot->answer = b->answers.len;
	slot->answer_len = bytes.len;
	bytes_put(&b->answers, bytes.at, bytes.len);
	s->expected.left--;
	return WHERRY_OK;
}

static int batch_answered(void *arg, size_t index, struct run error, struct run result)
{
	return wire_is_nil(error) ? keep(arg, index, RESULT, result) : keep(arg, index, ERROR, error);
}

// Where the frame that begins at request `from` ends.
static size_t frame_end(const wherry_batch *b, size_t from)
{
	size_t to = from + 1;
	while (to < b->count && end_of(b, to) - b->slots[from].request <= FRAME_BYTES)
		to++;
	return to;
}

// A frame that the broker could not read ran nothing.  Frames are read in order, so it is the first one that was sent
// and of which nothing is answered.
static int batch_refused(void *arg, struct run error)
{
	struct run_state *s = arg;
	int status = WHERRY_OK;
	for (size_t from = 0, to; from < s->fed; from = to) {
		size_t answered = 0;
		to = frame_end(s->batch, from);
		for (size_t i = from; i < to; i++)
			answered += s->batch->slots[i].kind != NONE;
		if (answered > 0)
			continue;
		for (size_t i = from; i < to && status == WHERRY_OK; i++)
			status = keep(s, i, ERROR, error);
		break;
	}
	return status;
}

// The connection is given little more than it can send at once, so that a large batch is not held twice.
static int batch_feed(void *arg)
{
	struct run_state *s = arg;
	wherry_batch *b = s->batch;
	int status = WHERRY_OK;
	while (status == WHERRY_OK && s->fed < b->count && conn_unsent(&s->client->conn) < AHEAD) {
		size_t to = frame_end(b, s->fed), begin = b->slots[s->fed].request;
		status =
		    conn_queue(&s->client->conn, (struct run){b->requests.data + begin, end_of(b, to - 1) - begin});
		if (status == WHERRY_OK)
			s->fed = to;
	}
	return status;
}

static int run_locked(wherry_client *c, wherry_batch *b)
{
	struct run_state s = {.client = c, .batch = b};
	s.expected = (struct expected){.first_id = c->next_id,
	    .count = b->count,
	    .left = b->count,
	    .answered = batch_answered,
	    .refused = batch_refused,
	    .feed = batch_feed,
	    .arg = &s};
	c->next_id += (uint32_t)b->count;
	for (size_t i = 0; i < b->count; i++)
		put_be(b->requests.data + b->slots[i].id_at, s.expected.first_id + (uint32_t)i, 4);
	int64_t deadline = deadline_after(c->call_ms);
	return c->conn.dead != WHERRY_OK ? c->conn.dead : exchange(c, &s.expected, deadline);
}

int wherry_client_run(wherry_client *c, wherry_batch *b, wherry_error *error)
{
	error_clear(error);
	if (b->ran)
		return error_local(error, WHERRY_EEXIST, "the batch ran already: clear it first");
	b->ran = true;
	pthread_mutex_lock(&c->lock);
	int status = run_locked(c, b);
	if (status != WHERRY_OK)
		error_of_conn(c, &b->failed, status);
	pthread_mutex_unlock(&c->lock);
	if (status != WHERRY_OK && error != NULL)
		*error = b->failed;
	return status;
}

int wherry_batch_answer(const wherry_batch *b, size_t index, wherry_reply *reply)
{
	struct run details;
	error_clear(&reply->error);
	reply->result = reply->details = NULL;
	reply->result_len = reply->details_len = 0;
	if (index >= b->count || !b->ran)
		return error_local(&reply->error, WHERRY_EARG, "the batch has no such answer");
	const struct slot *slot = &b->slots[index];
	if (slot->kind == NONE) {
		reply->error = b->failed;
		return reply->error.code;
	}
	struct run answer = {b->answers.data + slot->answer, slot->answer_len};
	if (slot->kind == ERROR) {
		error_remote(&reply->error, answer, &details);
		reply->details = details.len > 0 ? details.at : NULL;
		reply->details_len = details.len;
		return reply->error.code;
	}
	reply->result = answer.at;
	reply->result_len = answer.len;
	return WHERRY_OK;
}
