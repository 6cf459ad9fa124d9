// Where a connection's bytes arrive: inbox.h.

#include "wire/inbox.h"

#include "base/mem.h"

void inbox_open(struct inbox *in, uint8_t *idle)
{
	*in = (struct inbox){.idle = idle, .at = idle, .room = INBOX_IDLE};
}

void inbox_close(struct inbox *in)
{
	if (in->at != in->idle)
		mem_free(in->at);
}

static void move_to(struct inbox *in, uint8_t *at, size_t room)
{
	wherry_span unread = inbox_unread(in);
	if (unread.ptr != at)
		memmove(at, unread.ptr, unread.len);
	in->at = at;
	in->room = room;
	in->from = 0;
	in->end = unread.len;
}

static bool move_to_busy_room(struct inbox *in, uint8_t **spare)
{
	uint8_t *busy = *spare != NULL ? *spare : mem_alloc(INBOX_BUSY);
	if (busy == NULL)
		return false;
	*spare = NULL;
	move_to(in, busy, INBOX_BUSY);
	return true;
}

// Doubles as bytes come: a length that was only claimed costs nothing.
static bool grow(struct inbox *in)
{
	uint8_t *at = mem_resize(in->at, in->room * 2);
	if (at == NULL)
		return false;
	in->at = at;
	in->room *= 2;
	return true;
}

bool inbox_widen(struct inbox *in, uint8_t **spare)
{
	if (in->at == in->idle)
		return move_to_busy_room(in, spare);
	move_to(in, in->at, in->room);
	return in->end < in->room || grow(in);
}

void inbox_shrink(struct inbox *in, uint8_t **spare)
{
	size_t unread = in->end - in->from, room = in->room;
	uint8_t *before = in->at;
	if (unread >= INBOX_IDLE || (unread > 0 && in->need > INBOX_IDLE))
		return;
	move_to(in, in->idle, INBOX_IDLE);
	if (before == in->idle)
		return;
	if (*spare == NULL && room == INBOX_BUSY)
		*spare = before;
	else
		mem_free(before);
}

bool inbox_settle(struct inbox *in, uint8_t **spare)
{
	inbox_shrink(in, spare);
	bool fits = in->at == in->idle && in->end < INBOX_IDLE && (in->end == 0 || in->need <= INBOX_IDLE);
	return fits || inbox_widen(in, spare);
}
