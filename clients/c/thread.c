// The client's thread: once it runs it is the driver, and all callbacks run there.

#include <signal.h>

#include "consumer.h"
#include "feed.h"

bool on_own_thread(const struct wherry_client *c)
{
	return c->thread_state == THREAD_RUNS && pthread_equal(c->thread, pthread_self());
}

void tell_begin(struct wherry_client *c, enum telling telling)
{
	c->telling = telling;
	c->told++;
	pthread_mutex_unlock(&c->lock);
}

void tell_end(struct wherry_client *c)
{
	pthread_mutex_lock(&c->lock);
	c->telling = TELLING_NOTHING;
	pthread_cond_broadcast(&c->roles);
}

static void tell_change(struct wherry_client *c, int connected, const wherry_error *why)
{
	wherry_changed changed = c->changed;
	void *arg = c->changed_arg;
	if (changed == NULL)
		return;
	tell_begin(c, TELLING_CHANGE);
	changed(arg, connected, why);
	tell_end(c);
}

static void hurry(struct wherry_client *c)
{
	c->urgently = false;
	list_join(&c->urgent, &c->pending);
	c->pending = c->urgent;
	c->urgent = (struct list){0};
}

static void tell_loss(struct wherry_client *c)
{
	const wherry_error why = c->loss;
	c->loss_to_tell = false;
	c->urgently = true;
	tell_change(c, 0, &why);
	hurry(c);
}

// --- what the client asks for by itself -------------------------------------------------------------------------------

void errand(struct wherry_client *c, int64_t when)
{
	c->errands |= when == AT_ONCE;
	c->alarm = when < c->alarm && when != AT_ONCE ? when : c->alarm;
	drive_wake(c);
}

static bool may_ask(const struct wherry_client *c)
{
	return c->link.state == LINK_UP || c->link.state == LINK_READY;
}

static void run_errands(struct wherry_client *c)
{
	if (!may_ask(c) || (!c->errands && c->alarm == NO_DEADLINE))
		return;
	int64_t now = monotonic_ms();
	if (!c->errands && now < c->alarm)
		return;
	c->errands = false;
	c->alarm = NO_DEADLINE;
	feeds_ask(c, now);
	consumers_ask(c, now);
}

static void tell_ready(struct wherry_client *c)
{
	c->urgently = true;
	run_errands(c);
	tell_change(c, 1, NULL);
	hurry(c);
}

static int64_t wait_until(const struct wherry_client *c)
{
	if (c->done != NULL)
		return AT_ONCE;
	return may_ask(c) && c->alarm < c->bound ? c->alarm : c->bound;
}

static void tell_all(struct wherry_client *c)
{
	if (c->loss_to_tell)
		tell_loss(c);
	async_tell(c);
	if (c->link.state == LINK_READY)
		tell_ready(c);
	feeds_tell(c);
	consumers_tell(c);
	note_tell(c);
	run_errands(c);
}

static void end_all(struct wherry_client *c, struct list *l)
{
	while (l->first != NULL)
		request_fail(c, l->first, WHERRY_ESHUTDOWN, NULL);
}

static void *run(void *arg)
{
	struct wherry_client *c = arg;
	pthread_mutex_lock(&c->lock);
	while (c->driven)
		pthread_cond_wait(&c->roles, &c->lock);
	drive_begin(c);
	c->thread_state = THREAD_RUNS;
	pthread_cond_broadcast(&c->roles);
	while (!c->closing) {
		drive(c, wait_until(c));
		request_expire(c);
		tell_all(c);
	}
	end_all(c, &c->sent);
	end_all(c, &c->pending);
	async_tell(c);
	consumers_tell(c);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

// Signals are the program's.
static int create(struct wherry_client *c)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&c->thread, NULL, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed == 0)
		pthread_setname_np(c->thread, "wherry-client");
	return failed == 0 ? WHERRY_OK : WHERRY_ENOMEM;
}

// A caller that drives is asked for the role; when this returns, nobody else will have it any more.
int thread_start(struct wherry_client *c)
{
	while (c->thread_state == THREAD_WANTED)
		pthread_cond_wait(&c->roles, &c->lock);
	if (c->thread_state == THREAD_RUNS)
		return WHERRY_OK;
	c->thread_state = THREAD_WANTED;
	int status = create(c);
	if (status != WHERRY_OK) {
		c->thread_state = THREAD_NONE;
		pthread_cond_broadcast(&c->roles);
		return status;
	}
	drive_wake(c);
	while (c->thread_state == THREAD_WANTED)
		pthread_cond_wait(&c->roles, &c->lock);
	return WHERRY_OK;
}

void thread_end(struct wherry_client *c)
{
	pthread_mutex_lock(&c->lock);
	bool runs = c->thread_state == THREAD_RUNS;
	c->closing = true;
	drive_wake(c);
	pthread_mutex_unlock(&c->lock);
	if (runs)
		pthread_join(c->thread, NULL);
}

// --- who is told ------------------------------------------------------------------------------------------------------

// Until a callback of that kind that is under way has returned; from within one there is nothing to wait for.
static void await_told(struct wherry_client *c, enum telling telling)
{
	uint64_t told = c->told;
	if (on_own_thread(c))
		return;
	while (c->telling == telling && c->told == told)
		pthread_cond_wait(&c->roles, &c->lock);
}

int wherry_client_on_note(wherry_client *c, wherry_heard heard, void *arg)
{
	pthread_mutex_lock(&c->lock);
	int status = heard == NULL ? WHERRY_OK : thread_start(c);
	if (status == WHERRY_OK) {
		c->heard = heard;
		c->heard_arg = arg;
		drive_wake(c);
		await_told(c, TELLING_NOTE);
	}
	pthread_mutex_unlock(&c->lock);
	return status;
}

int wherry_client_on_change(wherry_client *c, wherry_changed changed, void *arg)
{
	pthread_mutex_lock(&c->lock);
	int status = changed == NULL ? WHERRY_OK : thread_start(c);
	if (status == WHERRY_OK) {
		c->changed = changed;
		c->changed_arg = arg;
		c->loss_to_tell &= c->link.state != LINK_UP; // one that is made good already
		await_told(c, TELLING_CHANGE);
	}
	pthread_mutex_unlock(&c->lock);
	return status;
}
