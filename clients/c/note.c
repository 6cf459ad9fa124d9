// Notifications: kept until they are asked for, or handed to whoever hears them.

#include "inside.h"

size_t note_cost(const struct note *n)
{
	return sizeof(*n) + n->method_len + n->params_len;
}

static struct note *take_first(struct wherry_client *c)
{
	struct note *n = c->first_note;
	c->first_note = n->next;
	if (c->first_note == NULL)
		c->last_note = &c->first_note;
	c->note_bytes -= note_cost(n);
	return n;
}

static void drop_oldest(struct wherry_client *c)
{
	struct note *n = take_first(c);
	*(c->first_note == NULL ? &c->lost_notes : &c->first_note->lost) += n->lost + 1;
	c->counts.notes_lost++;
	free(n);
}

struct note *note_new(const struct wire_object *o)
{
	struct note *n = malloc(sizeof(*n) + o->method.len + o->params.len);
	if (n == NULL)
		return NULL;
	*n = (struct note){.method_len = o->method.len, .params_len = o->params.len};
	memcpy(n->bytes, o->method.at, o->method.len);
	memcpy(n->bytes + o->method.len, o->params.at, o->params.len);
	return n;
}

void note_keep(struct wherry_client *c, struct note *n)
{
	if (n == NULL) {
		c->lost_notes++;
		c->counts.notes_lost++;
		return;
	}
	while (c->first_note != NULL && c->note_bytes + note_cost(n) > c->max_notes)
		drop_oldest(c);
	n->lost = c->lost_notes;
	c->lost_notes = 0;
	c->note_bytes += note_cost(n);
	*c->last_note = n;
	c->last_note = &n->next;
	waiters_wake(c, &c->first_note);
}

void note_free_all(struct wherry_client *c)
{
	while (c->first_note != NULL)
		free(take_first(c));
}

static void lend(const struct note *n, const uint8_t *bytes, wherry_note *note)
{
	note->method = (const char *)bytes;
	note->method_len = n->method_len;
	note->params = bytes + n->method_len;
	note->params_len = n->params_len;
	note->lost = n->lost;
}

void note_tell(struct wherry_client *c)
{
	while (c->heard != NULL && c->first_note != NULL && !c->closing) {
		struct note *n = take_first(c);
		wherry_heard heard = c->heard;
		void *arg = c->heard_arg;
		wherry_note note = {0};
		lend(n, n->bytes, &note);
		tell_begin(c, TELLING_NOTE);
		heard(arg, &note);
		tell_end(c);
		free(n);
	}
}

// --- asking for them --------------------------------------------------------------------------------------------------

static int hand_out(struct wherry_client *c, wherry_note *note)
{
	struct note *n = c->first_note;
	size_t size = n->method_len + n->params_len;
	if (!bytes_replace(&note->memory, &note->memory_room, size))
		return WHERRY_ENOMEM;
	memcpy(note->memory, n->bytes, size);
	lend(n, note->memory, note);
	free(take_first(c));
	return WHERRY_OK;
}

// What there is to say without waiting; EAGAIN: nothing.
static int look(struct wherry_client *c, wherry_note *note)
{
	if (c->first_note != NULL)
		return hand_out(c, note);
	if (c->link.state != LINK_ENDED && c->losses == c->losses_told)
		return WHERRY_EAGAIN;
	c->losses_told = c->losses;
	return WHERRY_ESTALE;
}

static int poll_locked(struct wherry_client *c, int64_t deadline, wherry_note *note)
{
	int status = look(c, note);
	for (bool in_time = true; status == WHERRY_EAGAIN && in_time; status = look(c, note)) {
		struct waiter w = {.wants = &c->first_note};
		waiter_add(c, &w);
		in_time = drive_until(c, &w, deadline);
		waiter_remove(c, &w);
	}
	return status == WHERRY_EAGAIN ? WHERRY_ETIMEOUT : status;
}

int wherry_client_poll(wherry_client *c, int64_t timeout_ms, wherry_note *note, wherry_error *error)
{
	error_clear(error);
	int64_t deadline = deadline_after(timeout_ms);
	pthread_mutex_lock(&c->lock);
	int status = on_own_thread(c) ? WHERRY_EARG : poll_locked(c, deadline, note);
	if (status == WHERRY_ESTALE)
		error_local(error, status, c->losses > 0 ? c->loss.text : NULL);
	else if (status != WHERRY_OK)
		error_local(error, status, status == WHERRY_ETIMEOUT ? "no notification came" : NULL);
	pthread_mutex_unlock(&c->lock);
	return status;
}

void wherry_note_free(wherry_note *note)
{
	free(note->memory);
	*note = (wherry_note){0};
}
