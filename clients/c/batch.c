// Many requests that travel together.

#include "inside.h"

enum answer { NONE, RESULT, ERROR };

struct entry {
	struct request request;
	size_t at;                 // where in `requests` it begins
	size_t answer, answer_len; // in `answers`
	enum answer kind;
	int failed; // NONE: why
};

struct wherry_batch {
	struct bytes requests, answers;
	struct entry *entries;
	size_t count, room;
	bool ran;
	// While it runs, under the client's lock.
	size_t left;
	struct waiter *waiter;
	wherry_error failed; // the first of those that have no answer
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
	free(b->entries);
	free(b);
}

void wherry_batch_clear(wherry_batch *b)
{
	b->requests.len = b->answers.len = b->count = 0;
	b->ran = false;
	error_clear(&b->failed);
}

size_t wherry_batch_count(const wherry_batch *b)
{
	return b->count;
}

static bool room_for_entry(wherry_batch *b)
{
	if (b->count < b->room)
		return true;
	size_t room = b->room == 0 ? 64 : 2 * b->room;
	struct entry *entries = b->count < UINT32_MAX / 2 ? realloc(b->entries, room * sizeof(*entries)) : NULL;
	if (entries == NULL)
		return false;
	b->entries = entries;
	b->room = room;
	return true;
}

static void batch_ended(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct entry *e = (struct entry *)(void *)r;
	wherry_batch *b = (wherry_batch *)(uintptr_t)r->group;
	bool failed = o->error.len > 0 && !wire_is_nil(o->error);
	struct run from = failed ? o->error : o->result;
	(void)c;
	e->failed = o->status;
	if (o->status == WHERRY_OK && !bytes_reserve(&b->answers, from.len))
		e->failed = WHERRY_ENOMEM;
	if (e->failed == WHERRY_OK) {
		e->kind = failed ? ERROR : RESULT;
		e->answer = b->answers.len;
		e->answer_len = from.len;
		bytes_put(&b->answers, from.at, from.len);
	} else if (b->failed.code == WHERRY_OK) {
		error_local(&b->failed, e->failed, o->text);
	}
	if (--b->left > 0)
		return;
	b->waiter->ended = true;
	pthread_cond_signal(&b->waiter->wake);
}

int wherry_batch_add(
    wherry_batch *b, const char *method, const void *params, size_t params_len, const void *options, size_t options_len)
{
	const wherry_request q = {.size = sizeof(q),
	    .method = method,
	    .params = params,
	    .params_len = params_len,
	    .options = options,
	    .options_len = options_len};
	struct entry entry = {.request = {.ended = batch_ended, .group = b}, .at = b->requests.len};
	struct wire_request w;
	const char *why;
	if (b->ran)
		return WHERRY_EEXIST;
	int status = request_check(&q, &w, &entry.request, &why);
	if (status != WHERRY_OK)
		return status;
	if (!room_for_entry(b) || !bytes_reserve(&b->requests, entry.request.len))
		return WHERRY_ENOMEM;
	b->requests.len += wire_request_write(&w, b->requests.data + b->requests.len);
	b->entries[b->count++] = entry;
	return WHERRY_OK;
}

static void fail_all(wherry_batch *b, int status, const char *why)
{
	for (size_t i = 0; i < b->count; i++)
		b->entries[i].failed = status;
	error_local(&b->failed, status, why);
}

static void time_out(struct wherry_client *c, wherry_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->entries[i].request.place != NOWHERE)
			request_time_out(c, &b->entries[i].request);
}

static void run_locked(struct wherry_client *c, wherry_batch *b)
{
	struct waiter waiter = {.ended = b->count == 0};
	int64_t deadline = deadline_after(c->call_ms);
	b->left = b->count;
	b->waiter = &waiter;
	waiter_add(c, &waiter);
	for (size_t i = 0; i < b->count; i++) {
		b->entries[i].request.bytes = b->requests.data + b->entries[i].at;
		request_enqueue(c, &b->entries[i].request);
	}
	send_pending(c);
	if (!drive_until(c, &waiter, deadline))
		time_out(c, b);
	waiter_remove(c, &waiter);
	b->waiter = NULL;
}

int wherry_client_run(wherry_client *c, wherry_batch *b, wherry_error *error)
{
	const char *why = "not from a callback: it waits";
	error_clear(error);
	if (b->ran)
		return error_local(error, WHERRY_EEXIST, "the batch ran already: clear it first");
	b->ran = true;
	pthread_mutex_lock(&c->lock);
	int status = on_own_thread(c) ? WHERRY_EARG : WHERRY_OK;
	if (status == WHERRY_OK) {
		drive_if_idle(c);
		status = request_admit(c, b->requests.len, &why);
	}
	if (status == WHERRY_OK)
		run_locked(c, b);
	else
		fail_all(b, status, why);
	pthread_mutex_unlock(&c->lock);
	if (b->failed.code != WHERRY_OK && error != NULL)
		*error = b->failed;
	return b->failed.code;
}

static int not_answered(const wherry_batch *b, const struct entry *e, wherry_error *error)
{
	if (e->failed == b->failed.code) {
		*error = b->failed;
		return error->code;
	}
	return error_local(error, e->failed, NULL);
}

int wherry_batch_answer(const wherry_batch *b, size_t index, wherry_reply *reply)
{
	struct run details;
	error_clear(&reply->error);
	reply->result = reply->details = NULL;
	reply->result_len = reply->details_len = 0;
	if (index >= b->count || !b->ran)
		return error_local(&reply->error, WHERRY_EARG, "the batch has no such answer");
	const struct entry *e = &b->entries[index];
	if (e->kind == NONE)
		return not_answered(b, e, &reply->error);
	struct run answer = {b->answers.data + e->answer, e->answer_len};
	if (e->kind == ERROR) {
		error_remote(&reply->error, answer, &details);
		reply->details = details.len > 0 ? details.at : NULL;
		reply->details_len = details.len;
		return reply->error.code;
	}
	reply->result = answer.at;
	reply->result_len = answer.len;
	return WHERRY_OK;
}
