// Jobs: made of what a pop answers, touched while they are held, ended by a verdict.

#include "consumer.h"

// --- lists ------------------------------------------------------------------------------------------------------------

static void unlink_job(struct job *j)
{
	struct job_list *l = j->list;
	*(j->prev != NULL ? &j->prev->next : &l->first) = j->next;
	*(j->next != NULL ? &j->next->prev : &l->last) = j->prev;
	l->count--;
}

void job_move(struct job *j, struct job_list *to)
{
	if (j->list != NULL)
		unlink_job(j);
	j->list = to;
	j->next = NULL;
	if (to == NULL)
		return;
	j->prev = to->last;
	*(to->last != NULL ? &to->last->next : &to->first) = j;
	to->last = j;
	to->count++;
}

static void release(struct job *j)
{
	struct wherry_consumer *k = j->consumer;
	if (!j->dropped || j->touch.place != NOWHERE)
		return;
	free(j->reasoned);
	free(j);
	k->alive--;
	consumer_release(k);
}

uint32_t jobs_left(const struct wherry_consumer *k)
{
	return k->working.count + k->ending.count + k->ended.count;
}

static void idle(struct wherry_consumer *k)
{
	if (jobs_left(k) == 0)
		pthread_cond_broadcast(&k->client->settled);
}

void job_drop(struct job *j)
{
	struct wherry_consumer *k = j->consumer;
	job_move(j, NULL);
	j->dropped = true;
	errand(k->client, AT_ONCE);
	idle(k);
	release(j);
}

void job_settle(struct job *j)
{
	struct wherry_client *c = j->consumer->client;
	if (--c->asynchronous == 0)
		pthread_cond_broadcast(&c->settled);
	job_drop(j);
}

// --- verdicts ---------------------------------------------------------------------------------------------------------

static struct wire_request asks(const struct job *j, const char *method, const struct bytes *options)
{
	return (struct wire_request){.method = {(const uint8_t *)method, strlen(method)},
	    .params = j->params,
	    .options = {options->data, options->len}};
}

static void judged(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct job *j = (struct job *)(void *)((char *)r - offsetof(struct job, verdict));
	struct wherry_consumer *k = j->consumer;
	j->outcome = *o;
	if (k->settled == NULL || j->quiet || atomic_load(&k->closed)) {
		job_settle(j);
		return;
	}
	job_move(j, &k->ended);
	k->news = true;
	drive_wake(c);
}

// Twice does no harm: the token is good once.
static void judge(struct job *j, const char *method, const struct bytes *options, uint8_t *room)
{
	struct wherry_consumer *k = j->consumer;
	struct wherry_client *c = k->client;
	const struct wire_request w = asks(j, method, options);
	size_t len = wire_request_write(&w, room);
	j->verdict = (struct request){
	    .bytes = room, .len = len, .cost = len, .deadline = NO_DEADLINE, .repeatable = true, .ended = judged};
	job_move(j, &k->ending);
	c->asynchronous++;
	request_enqueue(c, &j->verdict);
	if (c->link.state == LINK_ENDED)
		request_fail(c, &j->verdict, WHERRY_ESTALE, c->link.why);
	errand(c, AT_ONCE);
}

static uint8_t *own_room(const struct job *j)
{
	const struct wire_request w = asks(j, "queue.touch", &j->consumer->more_time);
	return j->room + wire_request_size(&w);
}

void job_give_back(struct job *j)
{
	j->quiet = true;
	judge(j, "queue.nack", &j->consumer->give_back, own_room(j));
}

static struct job *job_of(wherry_job *shown)
{
	return (struct job *)(void *)shown;
}

void wherry_job_ack(wherry_job *shown)
{
	struct job *j = job_of(shown);
	struct wherry_client *c = j->consumer->client;
	pthread_mutex_lock(&c->lock);
	judge(j, "queue.ack", &j->consumer->ns, own_room(j));
	pthread_mutex_unlock(&c->lock);
}

void wherry_job_forget(wherry_job *shown)
{
	struct job *j = job_of(shown);
	struct wherry_client *c = j->consumer->client;
	pthread_mutex_lock(&c->lock);
	job_drop(j);
	pthread_mutex_unlock(&c->lock);
}

enum { REASON_MOST = 1000 };

// Takes the options.
static int judge_with(struct job *j, const char *method, struct pack *options, const char *reason)
{
	struct wherry_client *c = j->consumer->client;
	int status = reason != NULL && strlen(reason) > REASON_MOST ? WHERRY_EARG : WHERRY_OK;
	if (status == WHERRY_OK)
		pack_text_option(options, "reason", reason);
	const struct wire_request w = asks(j, method, &options->out);
	uint8_t *room = status == WHERRY_OK && !options->failed ? malloc(wire_request_size(&w)) : NULL;
	if (room != NULL) {
		pthread_mutex_lock(&c->lock);
		j->reasoned = room;
		judge(j, method, &options->out, room);
		pthread_mutex_unlock(&c->lock);
	} else if (status == WHERRY_OK) {
		status = WHERRY_ENOMEM;
	}
	bytes_free(&options->out);
	return status;
}

static struct pack options_of(const struct job *j)
{
	struct pack options = {0};
	pack_bytes(&options, j->consumer->ns.data, j->consumer->ns.len);
	return options;
}

int wherry_job_nack(wherry_job *shown, uint32_t flags, int64_t delay_ms, const char *reason)
{
	struct job *j = job_of(shown);
	struct pack options = options_of(j);
	if (delay_ms >= 0) {
		pack_option(&options, "delay_ms");
		pack_uint(&options, (uint64_t)delay_ms);
	}
	if (flags & WHERRY_UNCOUNTED) {
		pack_option(&options, "count");
		pack_bool(&options, false);
	}
	return judge_with(j, "queue.nack", &options, reason);
}

int wherry_job_term(wherry_job *shown, const char *reason)
{
	struct job *j = job_of(shown);
	struct pack options = options_of(j);
	return judge_with(j, "queue.term", &options, reason);
}

// --- reservations -----------------------------------------------------------------------------------------------------

bool job_is_lost(const struct job *j, int64_t now)
{
	return j->lost || now > j->reserved_until;
}

int wherry_job_lost(const wherry_job *shown)
{
	const struct job *j = (const struct job *)(const void *)shown;
	struct wherry_client *c = j->consumer->client;
	pthread_mutex_lock(&c->lock);
	bool lost = job_is_lost(j, monotonic_ms());
	pthread_mutex_unlock(&c->lock);
	return lost ? WHERRY_ESTALE : WHERRY_OK;
}

static void touch_at(struct job *j, int64_t when)
{
	struct wherry_consumer *k = j->consumer;
	j->touch_at = when;
	if (when <= j->touch_until && when < k->next_touch)
		k->next_touch = when;
}

static void touched(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct job *j = (struct job *)(void *)((char *)r - offsetof(struct job, touch));
	struct wire_error e = {.code = WHERRY_OK};
	(void)c;
	if (o->status == WHERRY_OK && !wire_is_nil(o->error))
		wire_error(o->error, &e);
	if (o->status != WHERRY_OK)
		touch_at(j, j->touched); // on the next connection
	else if (e.code == WHERRY_OK)
		j->reserved_until = j->touched + j->consumer->visible_ms;
	else if (e.code == WHERRY_ESTALE || e.code == WHERRY_ENOKEY)
		j->lost = true;
	release(j);
}

void job_touch(struct job *j, int64_t now)
{
	struct wherry_consumer *k = j->consumer;
	const struct wire_request w = asks(j, "queue.touch", &k->more_time);
	size_t len = wire_request_write(&w, j->room);
	j->touch = (struct request){
	    .bytes = j->room, .len = len, .cost = len, .deadline = NO_DEADLINE, .bound = true, .ended = touched};
	j->touched = now;
	touch_at(j, now + k->visible_ms / 3);
	request_enqueue(k->client, &j->touch);
}

// --- what a pop answers -----------------------------------------------------------------------------------------------

struct found {
	struct run queue, token, value, headers;
	uint64_t id, attempt, age_ms;
};

static bool take_pair(struct run *r, struct found *f)
{
	struct run key, value, part;
	uint64_t parts;
	if (!wire_take_text(r, &key))
		return false;
	part = value = wire_take_value(r);
	if (wire_is_text(key, "queue"))
		f->queue = value;
	else if (wire_is_text(key, "value"))
		f->value = value;
	else if (wire_is_text(key, "headers"))
		f->headers = wire_is_map(value) ? value : (struct run){0};
	else if (wire_is_text(key, "age_ms"))
		return wire_take_uint(&part, &f->age_ms);
	else if (wire_is_text(key, "attempt"))
		return wire_take_uint(&part, &f->attempt);
	else if (wire_is_text(key, "token"))
		return f->token = value, wire_take_array(&part, &parts) && parts > 0 && wire_take_uint(&part, &f->id);
	return true;
}

static bool take_found(struct run *r, struct found *f)
{
	uint64_t pairs;
	struct run text;
	*f = (struct found){.id = 0};
	if (!wire_take_map(r, &pairs))
		return false;
	for (; pairs > 0; pairs--)
		if (!take_pair(r, f))
			return false;
	struct run queue = f->queue;
	return wire_take_text(&queue, &text) && f->token.len > 0 && f->value.len > 0;
}

static size_t params_size(const struct found *f)
{
	return 1 + f->queue.len + f->token.len;
}

static size_t room_for(const char *method, size_t params, const struct bytes *options)
{
	const struct wire_request w = {.method.len = strlen(method), .params.len = params, .options.len = options->len};
	return wire_request_size(&w);
}

static struct job *job_new(struct wherry_consumer *k, struct run whole, const struct found *f)
{
	size_t params = params_size(f), touch = room_for("queue.touch", params, &k->more_time);
	size_t ack = room_for("queue.ack", params, &k->ns), back = room_for("queue.nack", params, &k->give_back);
	struct job *j = calloc(1, sizeof(*j) + whole.len + params + touch + (ack > back ? ack : back));
	if (j == NULL)
		return NULL;
	struct bytes out = {.data = j->bytes};
	bytes_put(&out, whole.at, whole.len);
	j->params = (struct run){j->bytes + out.len, params};
	bytes_byte(&out, 0x92);
	bytes_put(&out, f->queue.at, f->queue.len);
	bytes_put(&out, f->token.at, f->token.len);
	j->room = j->bytes + out.len;
	j->consumer = k;
	k->alive++;
	return j;
}

// From what was read to its copy.
static const uint8_t *copy_of(const struct job *j, struct run whole, struct run part)
{
	return part.at == NULL ? NULL : j->bytes + (part.at - whole.at);
}

static void show(struct job *j, struct run whole, const struct found *f)
{
	struct run queue = f->queue, text = {0};
	wire_take_text(&queue, &text);
	j->shown = (wherry_job){.queue = (const char *)copy_of(j, whole, text),
	    .queue_len = text.len,
	    .value = copy_of(j, whole, f->value),
	    .value_len = f->value.len,
	    .headers = copy_of(j, whole, f->headers),
	    .headers_len = f->headers.len,
	    .token = copy_of(j, whole, f->token),
	    .token_len = f->token.len,
	    .id = f->id,
	    .attempt = f->attempt,
	    .age_ms = f->age_ms > INT64_MAX ? INT64_MAX : (int64_t)f->age_ms};
}

static void set_times(struct job *j, int64_t now)
{
	const struct wherry_consumer *k = j->consumer;
	j->reserved_until = now + k->visible_ms;
	j->touch_until = k->touch_ms < 0 ? AT_ONCE : k->touch_ms > 0 ? deadline_after(k->touch_ms) : NO_DEADLINE;
	touch_at(j, now + k->visible_ms / 3);
}

static const char *take_job(struct wherry_consumer *k, struct run *r, int64_t now)
{
	struct found f;
	struct run whole = *r;
	if (!take_found(r, &f))
		return "the broker sent a job that can't be read";
	whole.len -= r->len;
	struct job *j = job_new(k, whole, &f);
	if (j == NULL)
		return "out of memory for a job";
	show(j, whole, &f);
	set_times(j, now);
	job_move(j, &k->waiting);
	if (k->stopped)
		job_give_back(j);
	return NULL;
}

const char *jobs_take(struct wherry_consumer *k, struct run r)
{
	uint64_t count;
	const char *why = NULL;
	int64_t now = monotonic_ms();
	if (!wire_take_array(&r, &count))
		return "the broker answered a pop with something that is no list of jobs";
	for (; count > 0 && why == NULL; count--)
		why = take_job(k, &r, now);
	return why;
}
