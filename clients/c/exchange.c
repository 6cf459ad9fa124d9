#include "exchange.h"

#include <stdio.h>

void error_clear(wherry_error *e)
{
	if (e != NULL)
		*e = (wherry_error){.code = WHERRY_OK};
}

int error_local(wherry_error *e, int status, const char *text)
{
	if (e == NULL)
		return status;
	*e = (wherry_error){.code = status, .local = 1};
	snprintf(e->name, sizeof(e->name), "%s", wherry_status_name(status));
	snprintf(e->text, sizeof(e->text), "%s", text != NULL && *text != 0 ? text : wherry_status_text(status));
	return status;
}

static void copy_text(char *to, size_t room, struct run from)
{
	size_t len = from.len < room ? from.len : room - 1;
	memcpy(to, from.at, len);
	to[len] = 0;
}

int error_remote(wherry_error *e, struct run encoded, struct run *details)
{
	struct wire_error read;
	*details = (struct run){0};
	if (!wire_error(encoded, &read))
		return error_local(e, WHERRY_ECORRUPT, "the broker sent an error that can't be read");
	*e = (wherry_error){.code = (int32_t)read.code};
	copy_text(e->name, sizeof(e->name), read.name);
	copy_text(e->text, sizeof(e->text), read.text);
	*details = read.details;
	return e->code;
}

int error_of_conn(const struct wherry_client *c, wherry_error *e, int status)
{
	return error_local(e, status, status == c->conn.dead ? c->conn.why : NULL);
}

int request_parts(struct request_parts *p, const char *method, const void *params, size_t params_len,
    const void *options, size_t options_len, const char **why)
{
	*p = (struct request_parts){
	    {(const uint8_t *)method, strlen(method)}, {params, params_len}, {options, options_len}};
	*why = p->method.len == 0 || p->method.len > UINT16_MAX ? "a method's name is 1 to 65,535 bytes long"
	       : params_len > 0 && !wire_is_array(p->params) ? "params is not one whole msgpack array, at most 128 deep"
	       : options_len > 0 && !wire_is_map(p->options) ? "options is not one whole msgpack map, at most 128 deep"
							     : NULL;
	return *why == NULL ? WHERRY_OK : WHERRY_EARG;
}

// --- what comes -------------------------------------------------------------------------------------------------------

static void drop_oldest(struct wherry_client *c)
{
	struct note *n = c->first_note;
	c->first_note = n->next;
	if (c->first_note == NULL)
		c->last_note = &c->first_note;
	uint64_t *heir = c->first_note == NULL ? &c->lost : &c->first_note->lost;
	*heir += n->lost + 1;
	c->note_bytes -= n->method_len + n->params_len;
	free(n);
}

static void keep_note(struct wherry_client *c, const struct wire_object *o)
{
	size_t size = o->method.len + o->params.len;
	struct note *n = malloc(sizeof(*n) + size);
	if (n == NULL) {
		c->lost++;
		return;
	}
	*n = (struct note){.method_len = o->method.len, .params_len = o->params.len};
	memcpy(n->bytes, o->method.at, o->method.len);
	memcpy(n->bytes + o->method.len, o->params.at, o->params.len);
	while (c->first_note != NULL && c->note_bytes + size > c->max_notes)
		drop_oldest(c);
	n->lost = c->lost;
	c->lost = 0;
	c->note_bytes += size;
	*c->last_note = n;
	c->last_note = &n->next;
}

static int take_response(struct expected *e, const struct wire_object *o)
{
	if (e == NULL)
		return WHERRY_OK;
	if (!o->has_id)
		return e->refused(e->arg, o->error);
	// Ids wrap; one that is not ours answers a call that timed out.
	uint32_t index = o->id - e->first_id;
	return index < e->count ? e->answered(e->arg, index, o->error, o->result) : WHERRY_OK;
}

static int take_frame(struct wherry_client *c, struct expected *e, struct run frame)
{
	struct wire_object o;
	int status = WHERRY_OK;
	while (frame.len > 0 && status == WHERRY_OK) {
		if (!wire_next(&frame, &o)) {
			c->conn.dead = WHERRY_ECORRUPT;
			snprintf(c->conn.why, sizeof(c->conn.why), "the broker sent a malformed frame");
			return WHERRY_ECORRUPT;
		}
		if (o.kind == WIRE_NOTE)
			keep_note(c, &o);
		else if (o.kind == WIRE_RESPONSE)
			status = take_response(e, &o);
	}
	return status;
}

int exchange_frames(struct wherry_client *c, struct expected *e)
{
	struct run frame;
	int status = WHERRY_OK;
	while (status == WHERRY_OK && conn_frame(&c->conn, &frame))
		status = take_frame(c, e, frame);
	return status;
}

int exchange(struct wherry_client *c, struct expected *e, int64_t deadline)
{
	for (;;) {
		int status = exchange_frames(c, e);
		if (status == WHERRY_OK && e->left == 0)
			return WHERRY_OK;
		if (status == WHERRY_OK && e->feed != NULL)
			status = e->feed(e->arg);
		if (status == WHERRY_OK)
			status = conn_step(&c->conn, deadline);
		if (status != WHERRY_OK)
			return status;
	}
}
