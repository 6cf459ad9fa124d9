// One request whose caller waits for the answer.

#include "inside.h"

enum { SMALL = 1024 }; // a request that needs no memory

struct call {
	struct request request;
	struct waiter waiter;
	wherry_reply *reply;
};

static void clear(wherry_reply *r)
{
	error_clear(&r->error);
	r->result = r->details = NULL;
	r->result_len = r->details_len = 0;
}

static void fill(wherry_reply *r, const struct outcome *o)
{
	bool failed = !wire_is_nil(o->error);
	struct run from = failed ? o->error : o->result, details;
	if (!bytes_replace(&r->memory, &r->memory_room, from.len)) {
		error_local(&r->error, WHERRY_ENOMEM, "out of memory for the answer");
		return;
	}
	memcpy(r->memory, from.at, from.len);
	if (!failed) {
		r->result = r->memory;
		r->result_len = from.len;
		return;
	}
	error_remote(&r->error, (struct run){r->memory, from.len}, &details);
	r->details = details.len > 0 ? details.at : NULL;
	r->details_len = details.len;
}

static void call_ended(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct call *call = (struct call *)(void *)r;
	(void)c;
	if (o->status == WHERRY_OK)
		fill(call->reply, o);
	else
		error_local(&call->reply->error, o->status, o->text);
	call->waiter.ended = true;
	pthread_cond_signal(&call->waiter.wake);
}

static int64_t deadline_of(const struct wherry_client *c, int64_t timeout_ms)
{
	return deadline_after(timeout_ms == 0 ? c->call_ms : timeout_ms);
}

static void run_locked(struct wherry_client *c, struct call *call, int64_t timeout_ms)
{
	struct request *r = &call->request;
	const char *why = "not from a callback: it waits";
	int64_t deadline = deadline_of(c, timeout_ms);
	int status = on_own_thread(c) ? WHERRY_EARG : WHERRY_OK;
	if (status == WHERRY_OK) {
		drive_if_idle(c);
		status = request_admit(c, r->len, &why);
	}
	if (status != WHERRY_OK) {
		error_local(&call->reply->error, status, why);
		return;
	}
	waiter_add(c, &call->waiter);
	request_enqueue(c, r);
	send_pending(c);
	if (!drive_until(c, &call->waiter, deadline))
		request_time_out(c, r);
	waiter_remove(c, &call->waiter);
}

static int run(struct wherry_client *c, struct call *call, const struct wire_request *w, int64_t timeout_ms)
{
	uint8_t small[SMALL];
	struct request *r = &call->request;
	uint8_t *bytes = r->len <= SMALL ? small : malloc(r->len);
	if (bytes == NULL)
		return error_local(&call->reply->error, WHERRY_ENOMEM, NULL);
	wire_request_write(w, bytes);
	r->bytes = bytes;
	pthread_mutex_lock(&c->lock);
	run_locked(c, call, timeout_ms);
	pthread_mutex_unlock(&c->lock);
	if (bytes != small)
		free(bytes);
	return call->reply->error.code;
}

int wherry_client_ask(wherry_client *c, const wherry_request *q, wherry_reply *reply)
{
	struct call call = {.reply = reply, .request = {.ended = call_ended, .may_part = true}};
	wherry_request whole;
	struct wire_request w;
	const char *why;
	clear(reply);
	int status = request_copy(q, &whole);
	if (status == WHERRY_OK)
		status = request_check(&whole, &w, &call.request, &why);
	else
		why = "a request's size is not set";
	return status == WHERRY_OK ? run(c, &call, &w, whole.timeout_ms) : error_local(&reply->error, status, why);
}

int wherry_client_call(wherry_client *c, const char *method, const void *params, size_t params_len, const void *options,
    size_t options_len, wherry_reply *reply)
{
	const wherry_request q = {.size = sizeof(q),
	    .method = method,
	    .params = params,
	    .params_len = params_len,
	    .options = options,
	    .options_len = options_len};
	return wherry_client_ask(c, &q, reply);
}

void wherry_reply_free(wherry_reply *reply)
{
	free(reply->memory);
	*reply = (wherry_reply){0};
}
