// The client's calls: open, call, poll, close.

#include <stdio.h>

#include "exchange.h"

enum { CONNECT_MS = 5000, CALL_MS = 60000, NOTES = 64 << 20, FRAME = 1 << 30 };

// Whether the caller's structure, of `size` bytes, has the member.
#define HAS(options, member) ((options)->size >= offsetof(wherry_client_options, member) + sizeof((options)->member))
#define OPTION(options, member, preset) \
	((options) != NULL && HAS(options, member) && (options)->member != 0 ? (options)->member : (preset))

int wherry_client_open(const char *url, const wherry_client_options *o, wherry_client **client, wherry_error *error)
{
	*client = NULL;
	error_clear(error);
	struct wherry_client *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return error_local(error, WHERRY_ENOMEM, NULL);
	c->call_ms = OPTION(o, call_ms, CALL_MS);
	c->max_notes = OPTION(o, max_notes, NOTES);
	c->last_note = &c->first_note;
	struct transport_options transport = {
	    .tls_ca_file = OPTION(o, tls_ca_file, NULL),
	    .tls_unverified = OPTION(o, tls_unverified, 0) != 0,
	};
	int status = conn_open(
	    &c->conn, url, &transport, OPTION(o, max_frame, FRAME), deadline_after(OPTION(o, connect_ms, CONNECT_MS)));
	if (status != WHERRY_OK) {
		error_local(error, status, c->conn.why);
		free(c);
		return status;
	}
	pthread_mutex_init(&c->lock, NULL);
	*client = c;
	return WHERRY_OK;
}

void wherry_client_close(wherry_client *c)
{
	if (c == NULL)
		return;
	conn_close(&c->conn);
	while (c->first_note != NULL) {
		struct note *next = c->first_note->next;
		free(c->first_note);
		c->first_note = next;
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void wherry_client_set_timeout(wherry_client *c, int64_t call_ms)
{
	pthread_mutex_lock(&c->lock);
	c->call_ms = call_ms;
	pthread_mutex_unlock(&c->lock);
}

// --- one call -----------------------------------------------------------------------------------------------------------

struct single {
	struct expected expected;
	wherry_reply *reply;
};

// Makes *room at least `need`; what was there is of no use any more.
static bool make_room(void **memory, size_t *room, size_t need)
{
	if (need <= *room)
		return true;
	void *grown = malloc(need);
	if (grown == NULL)
		return false;
	free(*memory);
	*memory = grown;
	*room = need;
	return true;
}

static int fill_error(wherry_reply *r, struct run error)
{
	struct run details;
	if (!make_room(&r->memory, &r->memory_room, error.len))
		return WHERRY_ENOMEM;
	memcpy(r->memory, error.at, error.len);
	error_remote(&r->error, (struct run){r->memory, error.len}, &details);
	r->details = details.len > 0 ? details.at : NULL;
	r->details_len = details.len;
	return WHERRY_OK;
}

static int fill_result(wherry_reply *r, struct run result)
{
	if (!make_room(&r->memory, &r->memory_room, result.len))
		return WHERRY_ENOMEM;
	memcpy(r->memory, result.at, result.len);
	r->result = r->memory;
	r->result_len = result.len;
	return WHERRY_OK;
}

static int single_answered(void *arg, size_t index, struct run error, struct run result)
{
	struct single *s = arg;
	(void)index;
	if (s->expected.left == 0)
		return WHERRY_OK;
	s->expected.left = 0;
	return wire_is_nil(error) ? fill_result(s->reply, result) : fill_error(s->reply, error);
}

static int single_refused(void *arg, struct run error)
{
	return single_answered(arg, 0, error, (struct run){0});
}

static int queue_request(wherry_client *c, const struct request_parts *p, uint32_t id)
{
	struct bytes body = {0};
	size_t id_at;
	int status = WHERRY_ENOMEM;
	if (wire_request(&body, &id_at, p->method, p->params, p->options)) {
		put_be(body.data + id_at, id, 4);
		status = conn_queue(&c->conn, (struct run){body.data, body.len});
	}
	bytes_free(&body);
	return status;
}

static int call_locked(wherry_client *c, const struct request_parts *p, wherry_reply *reply)
{
	struct single s = {.reply = reply};
	s.expected = (struct expected){.first_id = c->next_id++,
	    .count = 1,
	    .left = 1,
	    .answered = single_answered,
	    .refused = single_refused,
	    .arg = &s};
	int64_t deadline = deadline_after(c->call_ms);
	int status = c->conn.dead != WHERRY_OK ? c->conn.dead : queue_request(c, p, s.expected.first_id);
	if (status == WHERRY_OK)
		status = exchange(c, &s.expected, deadline);
	return status == WHERRY_OK ? reply->error.code : error_of_conn(c, &reply->error, status);
}

int wherry_client_call(wherry_client *c, const char *method, const void *params, size_t params_len, const void *options,
    size_t options_len, wherry_reply *reply)
{
	struct request_parts parts;
	const char *why;
	error_clear(&reply->error);
	reply->result = reply->details = NULL;
	reply->result_len = reply->details_len = 0;
	int status = request_parts(&parts, method, params, params_len, options, options_len, &why);
	if (status != WHERRY_OK)
		return error_local(&reply->error, status, why);
	pthread_mutex_lock(&c->lock);
	status = call_locked(c, &parts, reply);
	pthread_mutex_unlock(&c->lock);
	return status;
}

void wherry_reply_free(wherry_reply *reply)
{
	free(reply->memory);
	*reply = (wherry_reply){0};
}

// --- notifications ------------------------------------------------------------------------------------------------------

static int hand_out(wherry_client *c, wherry_note *note)
{
	struct note *n = c->first_note;
	size_t size = n->method_len + n->params_len;
	if (!make_room(&note->memory, &note->memory_room, size))
		return WHERRY_ENOMEM;
	memcpy(note->memory, n->bytes, size);
	note->method = note->memory;
	note->method_len = n->method_len;
	note->params = (const uint8_t *)note->memory + n->method_len;
	note->params_len = n->params_len;
	note->lost = n->lost;
	c->first_note = n->next;
	if (c->first_note == NULL)
		c->last_note = &c->first_note;
	c->note_bytes -= size;
	free(n);
	return WHERRY_OK;
}

static int poll_locked(wherry_client *c, int64_t deadline, wherry_note *note)
{
	int status = exchange_frames(c, NULL);
	while (status == WHERRY_OK && c->first_note == NULL) {
		status = conn_step(&c->conn, deadline);
		if (status == WHERRY_OK)
			status = exchange_frames(c, NULL);
	}
	return c->first_note != NULL ? hand_out(c, note) : status;
}

int wherry_client_poll(wherry_client *c, int64_t timeout_ms, wherry_note *note, wherry_error *error)
{
	error_clear(error);
	int64_t deadline = deadline_after(timeout_ms);
	pthread_mutex_lock(&c->lock);
	int status = poll_locked(c, deadline, note);
	if (status != WHERRY_OK)
		error_of_conn(c, error, status);
	pthread_mutex_unlock(&c->lock);
	return status;
}

void wherry_note_free(wherry_note *note)
{
	free(note->memory);
	*note = (wherry_note){0};
}

// --- names --------------------------------------------------------------------------------------------------------------

static const struct {
	int status;
	const char *name, *text;
} statuses[] = {
#define ROW(suffix, number, text) {number, #suffix, text},
    WHERRY_STATUS_LIST(ROW)
#undef ROW
};

static size_t find_status(int status)
{
	size_t fallback = 0;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return i;
		if (statuses[i].status == WHERRY_EINTERNAL)
			fallback = i;
	}
	return fallback;
}

const char *wherry_status_name(int status)
{
	return statuses[find_status(status)].name;
}

const char *wherry_status_text(int status)
{
	return statuses[find_status(status)].text;
}

const char *wherry_client_version(void)
{
	return WHERRY_VERSION;
}
