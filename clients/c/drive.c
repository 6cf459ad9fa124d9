// The driver's role: one step after another of connecting, waiting and receiving, for all.

#include <errno.h>

#include "inside.h"

enum { SILENT_MS = 100, LOOKS = 8 };

void drive_wake(struct wherry_client *c)
{
	struct link *l = &c->link;
	if (!c->driven || l->woken || pthread_equal(c->driver, pthread_self()))
		return;
	l->woken = true;
	if (l->polling)
		waits_wake(&c->waits);
}

void drive_begin(struct wherry_client *c)
{
	c->driven = true;
	c->driver = pthread_self();
}

// Answers until when: what the driver was woken for may have come after it looked.
static int64_t begin_waiting(struct wherry_client *c, int64_t until)
{
	if (c->link.woken)
		until = AT_ONCE;
	c->link.polling = true;
	pthread_mutex_unlock(&c->lock);
	return until;
}

static void end_waiting(struct wherry_client *c)
{
	pthread_mutex_lock(&c->lock);
	c->link.polling = c->link.woken = false;
}

unsigned drive_wait(struct wherry_client *c, unsigned wanted, int64_t until)
{
	struct transport *t = c->link.transport;
	until = begin_waiting(c, until);
	unsigned ready = transport_wait(t, wanted, &c->waits, until);
	end_waiting(c);
	return ready;
}

static void took(struct wherry_client *c, int status, size_t count)
{
	struct link *l = &c->link;
	const char *why = NULL;
	if (count > 0) {
		c->counts.bytes_in += count;
		l->heard_ms = monotonic_ms();
		why = receive_frames(c);
	}
	if (why != NULL)
		link_lost(c, WHERRY_ECORRUPT, why);
	else if (status == WHERRY_ENOMEM)
		link_lost(c, WHERRY_ESTALE, "out of memory for what the broker sent");
	else if (status != WHERRY_OK || (l->send_failed && count == 0))
		link_lost(c, WHERRY_ESTALE, "the broker closed the connection");
}

// What is pending leaves, then whatever comes first: bytes, room to send, a wake, the time.
static void pump(struct wherry_client *c, int64_t until)
{
	struct link *l = &c->link;
	struct transport *t = l->transport;
	size_t count = 0;
	int status = WHERRY_OK;
	if (l->doomed != NULL) {
		link_lost(c, WHERRY_ESTALE, l->doomed);
		return;
	}
	send_pending(c);
	if (l->send_failed || (send_may(l) && c->pending.first != NULL))
		until = AT_ONCE;
	unsigned wanted = READY_IN | (l->stuck ? READY_OUT : 0);
	until = begin_waiting(c, until);
	unsigned ready = transport_wait(t, wanted, &c->waits, until);
	if (ready & READY_IN)
		status = receive(c, &count);
	end_waiting(c);
	if (ready & READY_OUT)
		l->stuck = false;
	took(c, status, count);
}

void drive(struct wherry_client *c, int64_t until)
{
	struct link *l = &c->link;
	switch (l->state) {
	case LINK_DOWN:
		if (monotonic_ms() >= l->next_try)
			link_open(c);
		else
			drive_wait(c, 0, until < l->next_try ? until : l->next_try);
		break;
	case LINK_OPENING:
	case LINK_GREETING:
	case LINK_SETUP:
		link_attempt(c, until);
		break;
	case LINK_READY:
		l->state = LINK_UP;
		break;
	case LINK_UP:
		pump(c, until);
		break;
	case LINK_ENDED:
		drive_wait(c, 0, until);
		break;
	}
}

// --- callers that wait ------------------------------------------------------------------------------------------------

static void step(struct wherry_client *c, int64_t until)
{
	drive_begin(c);
	drive(c, until);
	c->driven = false;
	if (c->thread_state == THREAD_WANTED)
		pthread_cond_broadcast(&c->roles);
}

// Both of monotonic time.
bool drive_wait_woken(struct wherry_client *c, pthread_cond_t *cond, int64_t deadline)
{
	if (deadline == NO_DEADLINE)
		return pthread_cond_wait(cond, &c->lock) == 0;
	struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
	return pthread_cond_clockwait(cond, &c->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT;
}

// Whoever lays the driver's role down sees to it that another takes it.
static void hand_on(struct wherry_client *c)
{
	if (!c->driven && c->waiters != NULL)
		pthread_cond_signal(&c->waiters->wake);
}

void waiter_add(struct wherry_client *c, struct waiter *w)
{
	pthread_cond_init(&w->wake, NULL);
	w->prev = NULL;
	w->next = c->waiters;
	if (w->next != NULL)
		w->next->prev = w;
	c->waiters = w;
}

void waiter_remove(struct wherry_client *c, struct waiter *w)
{
	*(w->prev != NULL ? &w->prev->next : &c->waiters) = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	pthread_cond_destroy(&w->wake);
	hand_on(c);
}

void waiter_wake_one(struct wherry_client *c, const void *wanted)
{
	for (struct waiter *w = c->waiters; w != NULL; w = w->next) {
		if (w->wants != wanted || w->ended)
			continue;
		w->ended = true;
		pthread_cond_signal(&w->wake);
		return;
	}
}

void waiters_wake(struct wherry_client *c, const void *wanted)
{
	for (struct waiter *w = c->waiters; w != NULL; w = w->next) {
		if (w->wants != wanted)
			continue;
		w->ended = true;
		pthread_cond_signal(&w->wake);
	}
}

bool drive_until(struct wherry_client *c, struct waiter *w, int64_t deadline)
{
	bool in_time = true;
	while (!w->ended && in_time) {
		if (c->driven || c->thread_state != THREAD_NONE) {
			in_time = drive_wait_woken(c, &w->wake, deadline);
			continue;
		}
		step(c, deadline);
		in_time = w->ended || deadline == NO_DEADLINE || monotonic_ms() < deadline;
	}
	return w->ended;
}

// Whoever says nothing for a while may have gone: better found out now than after something was sent.
void drive_if_idle(struct wherry_client *c)
{
	struct link *l = &c->link;
	if (c->driven || c->thread_state != THREAD_NONE || l->state != LINK_UP ||
	    monotonic_ms() - l->heard_ms < SILENT_MS)
		return;
	uint64_t before;
	int looks = 0;
	do {
		before = c->counts.bytes_in;
		step(c, AT_ONCE);
	} while (l->state == LINK_UP && c->counts.bytes_in > before && ++looks < LOOKS);
	hand_on(c);
}
