// Consumers: they pop what they have room for, and renew what they hold, for as long as they are not stopped.

#include "consumer.h"

#include "feed.h"

enum {
	VISIBLE_MS = 30000,
	WAIT_MS = 5000, // a pop that waits at the broker outlives its consumer for so long
	POP_MOST = 100, // at once; a queue refuses to hand out more than max_pop
	MAX_WIDTH = 4,  // of `max`, at the end of a pop
};
#define VISIBLE_MOST_MS INT64_C(1000000000000)

// --- popping ----------------------------------------------------------------------------------------------------------

void consumer_end(struct wherry_consumer *k, const wherry_error *why)
{
	if (k->refused)
		return;
	k->refused = true;
	k->end_why = *why;
	consumer_news(k);
}

static bool passes(int code)
{
	return code == WHERRY_EAGAIN || code == WHERRY_ELIMIT || code == WHERRY_ENOMEM || code == WHERRY_ESHUTDOWN ||
	       code == WHERRY_ETIMEOUT;
}

static void pause_popping(struct wherry_consumer *k)
{
	struct wherry_client *c = k->client;
	k->backoff = k->backoff == 0 ? c->backoff_ms : 2 * k->backoff;
	k->backoff = k->backoff < c->backoff_max_ms ? k->backoff : c->backoff_max_ms;
	k->retry_at = deadline_after(k->backoff);
}

static void refused(struct wherry_consumer *k, struct run error)
{
	wherry_error why;
	struct run unused;
	if (passes(error_remote(&why, error, &unused)))
		pause_popping(k);
	else
		consumer_end(k, &why);
}

static void popped(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct wherry_consumer *k = (struct wherry_consumer *)(void *)r;
	const char *why = NULL;
	if (o->status == WHERRY_ENOMEM) {
		pause_popping(k);
	} else if (o->status == WHERRY_OK && !wire_is_nil(o->error)) {
		refused(k, o->error);
	} else if (o->status == WHERRY_OK) {
		k->backoff = 0;
		why = jobs_take(k, o->result);
	}
	if (why != NULL)
		link_doom(c, why);
	errand(c, AT_ONCE);
	if (k->waiting.first != NULL)
		consumer_news(k);
	consumer_release(k);
}

static uint32_t held(const struct wherry_consumer *k)
{
	return k->waiting.count + k->working.count;
}

static void pop(struct wherry_consumer *k, int64_t now)
{
	if (k->stopped || k->refused || k->pop.place != NOWHERE || held(k) >= k->prefetch)
		return;
	if (k->retry_at > now) {
		errand(k->client, k->retry_at);
		return;
	}
	k->pop = k->like;
	k->pop.bound = true;
	k->pop.ended = popped;
	uint32_t room = k->prefetch - held(k);
	put_be(k->ask.data + k->ask.len - MAX_WIDTH, room < POP_MOST ? room : POP_MOST, MAX_WIDTH);
	request_enqueue(k->client, &k->pop);
}

// --- touching ---------------------------------------------------------------------------------------------------------

static bool is_touched(const struct job *j)
{
	return !j->lost && j->touch_at <= j->touch_until;
}

// Those that are due soon are due now: they travel together.
static void touch_list(struct wherry_consumer *k, const struct job_list *l, int64_t now)
{
	int64_t soon = now + k->visible_ms / 12;
	for (struct job *j = l->first; j != NULL; j = j->next) {
		if (!is_touched(j))
			continue;
		if (j->touch_at > soon)
			k->next_touch = j->touch_at < k->next_touch ? j->touch_at : k->next_touch;
		else if (j->touch.place == NOWHERE)
			job_touch(j, now);
	}
}

static void touch_due(struct wherry_consumer *k, int64_t now)
{
	if (now >= k->next_touch) {
		k->next_touch = NO_DEADLINE;
		touch_list(k, &k->waiting, now);
		touch_list(k, &k->working, now);
	}
	if (k->next_touch != NO_DEADLINE)
		errand(k->client, k->next_touch);
}

void consumers_ask(struct wherry_client *c, int64_t now)
{
	for (struct wherry_consumer *k = c->consumers; k != NULL; k = k->next) {
		pop(k, now);
		touch_due(k, now);
		if (!k->gap || k->stopped)
			continue;
		k->gap = false;
		k->gap_to_tell = true;
		consumer_news(k);
	}
}

// --- a lost connection ------------------------------------------------------------------------------------------------

// What is not held has gone back to its queue by itself.
static void lose_jobs(struct wherry_consumer *k)
{
	while (k->waiting.first != NULL)
		job_drop(k->waiting.first);
	for (struct job *j = k->working.first; j != NULL; j = j->next)
		j->lost = true;
}

void consumers_lost(struct wherry_client *c)
{
	for (struct wherry_consumer *k = c->consumers, *next; k != NULL; k = next) {
		next = k->next;
		k->gap = true;
		error_local(&k->gap_why, WHERRY_ESTALE, c->link.why);
		k->next_touch = AT_ONCE;
		if (!k->holds)
			lose_jobs(k);
		if (c->link.state == LINK_ENDED)
			consumer_end(k, &k->gap_why);
	}
	errand(c, AT_ONCE);
}

// --- beginning --------------------------------------------------------------------------------------------------------

static bool keep(struct bytes *to, struct pack *from)
{
	*to = from->out;
	return !from->failed;
}

static bool encode_options(struct wherry_consumer *k, const char *ns)
{
	struct pack plain = {0}, more = {0}, back = {0};
	pack_options(&plain);
	pack_text_option(&plain, "ns", ns);
	pack_options(&more);
	pack_text_option(&more, "ns", ns);
	pack_uint_option(&more, "visible_ms", (uint64_t)k->visible_ms);
	pack_options(&back);
	pack_text_option(&back, "ns", ns);
	pack_option(&back, "delay_ms");
	pack_uint(&back, 0);
	pack_option(&back, "count");
	pack_bool(&back, false);
	bool kept = keep(&k->ns, &plain);
	kept &= keep(&k->more_time, &more);
	return keep(&k->give_back, &back) && kept;
}

static int encode_pop(struct wherry_consumer *k, const wherry_consume_options *w, const char *ns)
{
	struct pack params = {0}, options = {0};
	pack_texts(&params, w->queues, w->queue_count);
	pack_options(&options);
	pack_text_option(&options, "ns", ns);
	pack_uint_option(&options, "wait_ms", WAIT_MS);
	pack_uint_option(&options, "visible_ms", (uint64_t)k->visible_ms);
	pack_flag_option(&options, "hold", k->holds);
	pack_option(&options, "max");
	pack_number(&options, 0xce, 0, MAX_WIDTH);
	return request_encode("queue.pop", &params, &options, &k->like, &k->ask);
}

static void free_consumer(struct wherry_consumer *k)
{
	bytes_free(&k->ask);
	bytes_free(&k->ns);
	bytes_free(&k->more_time);
	bytes_free(&k->give_back);
	free(k);
}

static void take_wishes(struct wherry_consumer *k, const wherry_consume_options *w)
{
	k->holds = (w->flags & WHERRY_HOLD) != 0;
	k->prefetch = w->prefetch == 0 ? 1 : w->prefetch;
	k->visible_ms = w->visible_ms == 0 ? VISIBLE_MS : w->visible_ms;
	k->touch_ms = w->touch_ms;
	k->on_job = w->on_job;
	k->settled = w->settled;
	k->on_gap = w->on_gap;
	k->arg = w->arg;
	k->next_touch = NO_DEADLINE;
}

static int begin(struct wherry_consumer *k, wherry_error *error)
{
	struct wherry_client *c = k->client;
	const char *why = NULL;
	pthread_mutex_lock(&c->lock);
	int status = thread_start(c);
	if (status == WHERRY_OK)
		status = request_admit(c, 0, &why);
	if (status == WHERRY_OK) {
		k->next = c->consumers;
		if (k->next != NULL)
			k->next->prev = k;
		c->consumers = k;
		errand(c, AT_ONCE);
	} else {
		error_local(error, status, why);
	}
	pthread_mutex_unlock(&c->lock);
	return status;
}

int wherry_client_consume(
    wherry_client *c, const wherry_consume_options *what, wherry_consumer **out, wherry_error *error)
{
	wherry_consume_options w = {0};
	char room[NS_ROOM];
	*out = NULL;
	error_clear(error);
	memcpy(&w, what, what->size < sizeof(w) ? what->size : sizeof(w));
	if (w.queue_count == 0 || w.queues == NULL || w.visible_ms < 0 || w.visible_ms > VISIBLE_MOST_MS)
		return error_local(
		    error, WHERRY_EARG, "its size is not set, it names no queue, or visible_ms is not one");
	struct wherry_consumer *k = calloc(1, sizeof(*k));
	if (k == NULL)
		return error_local(error, WHERRY_ENOMEM, NULL);
	k->client = c;
	take_wishes(k, &w);
	const char *ns = namespace_for(c, w.ns, room);
	int status = encode_options(k, ns) ? encode_pop(k, &w, ns) : WHERRY_ENOMEM;
	status = status == WHERRY_OK ? begin(k, error) : error_local(error, status, NULL);
	if (status == WHERRY_OK)
		*out = k;
	else
		free_consumer(k);
	return status;
}

// --- stopping ---------------------------------------------------------------------------------------------------------

void consumer_release(struct wherry_consumer *k)
{
	if (!atomic_load(&k->closed) || k->telling || k->alive > 0 || k->pop.place != NOWHERE)
		return;
	*(k->prev != NULL ? &k->prev->next : &k->client->consumers) = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
	free_consumer(k);
}

static void free_jobs(struct job_list *l)
{
	for (struct job *j = l->first, *next; j != NULL; j = next) {
		next = j->next;
		free(j->reasoned);
		free(j);
	}
}

void consumers_free(struct wherry_client *c)
{
	for (struct wherry_consumer *k; (k = c->consumers) != NULL;) {
		c->consumers = k->next;
		free_jobs(&k->waiting);
		free_jobs(&k->working);
		free_jobs(&k->ending);
		free_jobs(&k->ended);
		free_consumer(k);
	}
}

void consumer_stop(struct wherry_consumer *k)
{
	if (k->stopped)
		return;
	k->stopped = true;
	while (k->waiting.first != NULL)
		job_give_back(k->waiting.first);
	waiters_wake(k->client, k);
}

int wherry_consumer_stop(wherry_consumer *k, int64_t timeout_ms)
{
	struct wherry_client *c = k->client;
	int64_t deadline = deadline_after(timeout_ms);
	int status = WHERRY_OK;
	pthread_mutex_lock(&c->lock);
	consumer_stop(k);
	while (status == WHERRY_OK && jobs_left(k) > 0)
		if (on_own_thread(c) || timeout_ms == 0 || !drive_wait_woken(c, &c->settled, deadline))
			status = WHERRY_ETIMEOUT;
	if (jobs_left(k) == 0)
		status = WHERRY_OK;
	pthread_mutex_unlock(&c->lock);
	return status;
}

void wherry_consumer_close(wherry_consumer *k)
{
	if (k == NULL)
		return;
	struct wherry_client *c = k->client;
	pthread_mutex_lock(&c->lock);
	atomic_store(&k->closed, true);
	k->alive++; // it is not freed until this is done
	consumer_stop(k);
	while (k->telling && !on_own_thread(c))
		pthread_cond_wait(&c->roles, &c->lock);
	while (k->working.first != NULL)
		job_give_back(k->working.first);
	k->news = true; // for what was not told
	drive_wake(c);
	k->alive--;
	consumer_release(k);
	pthread_mutex_unlock(&c->lock);
}
