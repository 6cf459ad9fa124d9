// Jobs, handed to whoever waits for them, or to callbacks on the client's thread; and what came of them.

#include "consumer.h"

// The next that is still reserved.  NULL: none.
static struct job *next_job(struct wherry_consumer *k)
{
	int64_t now = monotonic_ms();
	while (k->waiting.first != NULL && job_is_lost(k->waiting.first, now))
		job_drop(k->waiting.first);
	struct job *j = k->waiting.first;
	if (j != NULL)
		job_move(j, &k->working);
	return j;
}

// --- pulling ----------------------------------------------------------------------------------------------------------

// EAGAIN: there is nothing to say.
static int look(struct wherry_consumer *k, wherry_job **job)
{
	struct job *j = k->stopped ? NULL : next_job(k);
	if (k->stopped)
		return WHERRY_ESHUTDOWN;
	if (j == NULL)
		return k->refused ? k->end_why.code : WHERRY_EAGAIN;
	*job = &j->shown;
	if (k->waiting.first != NULL)
		waiter_wake_one(k->client, k);
	return WHERRY_OK;
}

static int pull(struct wherry_consumer *k, int64_t deadline, wherry_job **job)
{
	struct wherry_client *c = k->client;
	int status = look(k, job);
	for (bool in_time = true; status == WHERRY_EAGAIN && in_time; status = look(k, job)) {
		struct waiter w = {.wants = k};
		waiter_add(c, &w);
		in_time = drive_until(c, &w, deadline);
		waiter_remove(c, &w);
	}
	return status == WHERRY_EAGAIN ? WHERRY_ETIMEOUT : status;
}

int wherry_consumer_next(wherry_consumer *k, int64_t timeout_ms, wherry_job **job, wherry_error *error)
{
	struct wherry_client *c = k->client;
	int64_t deadline = deadline_after(timeout_ms);
	const char *text = "it has a callback, or this is one";
	error_clear(error);
	*job = NULL;
	pthread_mutex_lock(&c->lock);
	int status = k->on_job != NULL || on_own_thread(c) ? WHERRY_EARG : pull(k, deadline, job);
	if (status == WHERRY_ESHUTDOWN)
		text = "it was stopped";
	else if (status == WHERRY_ETIMEOUT)
		text = "no job came";
	if (status != WHERRY_OK && status == k->end_why.code && error != NULL)
		*error = k->end_why;
	else if (status != WHERRY_OK)
		error_local(error, status, text);
	pthread_mutex_unlock(&c->lock);
	return status;
}

// --- telling ----------------------------------------------------------------------------------------------------------

void consumer_news(struct wherry_consumer *k)
{
	k->news = true;
	if (k->refused)
		waiters_wake(k->client, k);
	else
		waiter_wake_one(k->client, k);
	drive_wake(k->client);
}

static void tell_gap(struct wherry_consumer *k, int ended, wherry_error why)
{
	if (k->on_gap == NULL)
		return;
	tell_begin(k->client, TELLING_MESSAGES);
	k->on_gap(k->arg, ended, &why);
	tell_end(k->client);
}

static void tell_jobs(struct wherry_consumer *k)
{
	struct job *j;
	while (k->on_job != NULL && !k->stopped && (j = next_job(k)) != NULL) {
		tell_begin(k->client, TELLING_MESSAGES);
		k->on_job(k->arg, &j->shown);
		tell_end(k->client);
	}
}

static void say_settled(const struct wherry_consumer *k, const struct job *j)
{
	const struct outcome *o = &j->outcome;
	wherry_error error;
	struct run unused;
	error_clear(&error);
	if (o->status != WHERRY_OK)
		error_local(&error, o->status, o->text);
	else if (!wire_is_nil(o->error))
		error_remote(&error, o->error, &unused);
	k->settled(k->arg, &j->shown, &error);
}

static void tell_settled(struct wherry_consumer *k)
{
	for (struct job *j; (j = k->ended.first) != NULL;) {
		if (!atomic_load(&k->closed)) {
			tell_begin(k->client, TELLING_MESSAGES);
			say_settled(k, j);
			tell_end(k->client);
		}
		job_settle(j);
	}
}

static void tell(struct wherry_consumer *k)
{
	bool may = !k->client->closing;
	if (may && k->gap_to_tell && !atomic_load(&k->closed))
		tell_gap(k, 0, k->gap_why);
	k->gap_to_tell = false;
	tell_settled(k);
	if (may)
		tell_jobs(k);
	if (may && k->refused && !k->end_told && !atomic_load(&k->closed)) {
		k->end_told = true;
		tell_gap(k, 1, k->end_why);
	}
}

void consumers_tell(struct wherry_client *c)
{
	for (struct wherry_consumer *k = c->consumers, *next; k != NULL; k = next) {
		if (k->news) {
			k->news = false;
			k->telling = true;
			tell(k);
			k->telling = false;
			pthread_cond_broadcast(&c->roles);
		}
		next = k->next;
		consumer_release(k);
	}
}
