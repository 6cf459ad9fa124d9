// Subscriptions and watches: made, made anew on every connection, left.

#include "feed.h"

enum { KEEP_BYTES = 16 << 20, RETRY_MS = 200 };

// --- lists, and when they are freed -----------------------------------------------------------------------------------

static void insert(struct wherry_feed *s)
{
	struct feeds *all = &s->client->feeds;
	s->prev = all->last;
	*(s->prev != NULL ? &s->prev->next : &all->first) = s;
	all->last = s;
}

static void unlink_feed(struct wherry_feed *s)
{
	struct feeds *all = &s->client->feeds;
	*(s->prev != NULL ? &s->prev->next : &all->first) = s->next;
	*(s->next != NULL ? &s->next->prev : &all->last) = s->prev;
}

static void free_feed(struct wherry_feed *s)
{
	parcels_free(s);
	bytes_free(&s->ask);
	free(s);
}

void feed_release(struct wherry_feed *s)
{
	if (!s->gone || s->telling || s->to_tell || s->request.place != NOWHERE)
		return;
	unlink_feed(s);
	free_feed(s);
}

void feeds_free(struct wherry_client *c)
{
	for (struct wherry_feed *s; (s = c->feeds.first) != NULL;) {
		unlink_feed(s);
		free_feed(s);
	}
	early_release(c);
}

// --- asking -----------------------------------------------------------------------------------------------------------

void feed_end(struct wherry_feed *s, const wherry_error *why)
{
	s->state = ENDED;
	s->end_why = *why;
	feed_turned(s);
}

static void end_here(struct wherry_feed *s, int status, const char *text)
{
	wherry_error why;
	error_local(&why, status, text);
	feed_end(s, &why);
}

static void enqueue(
    struct wherry_feed *s, void (*ended)(struct wherry_client *, struct request *, const struct outcome *))
{
	s->request.bound = true;
	s->request.ended = ended;
	request_enqueue(s->client, &s->request);
	drive_wake(s->client);
}

static void left(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct wherry_feed *s = (struct wherry_feed *)(void *)r;
	(void)c;
	(void)o;
	feed_unknown(s);
	s->state = ENDED;
	feed_release(s);
}

// Until this is answered deliveries may come, and are nobody's business.
static void leave(struct wherry_feed *s)
{
	uint8_t room[16];
	struct pack params = {.out = {.data = room, .room = sizeof(room)}};
	pack_array(&params, 1);
	pack_uint(&params, s->id);
	const char *method = s->watches ? "kv.unwatch" : "pubsub.unsubscribe";
	const struct wire_request w = {
	    .method = {(const uint8_t *)method, strlen(method)}, .params = {room, params.out.len}};
	size_t len = wire_request_write(&w, s->leave);
	s->request = (struct request){.bytes = s->leave, .len = len, .cost = len, .deadline = NO_DEADLINE};
	s->state = LEAVING;
	enqueue(s, left);
}

static void made(struct wherry_feed *s, struct run result)
{
	if (!wire_take_uint(&result, &s->id)) {
		s->state = WANTED;
		link_doom(s->client, "the broker answered a subscription with something that is no id");
		return;
	}
	s->state = MADE;
	s->next_seq = 0;
	s->gap |= s->was_made;
	s->was_made = true;
	feed_known(s);
	if (s->stopped)
		leave(s);
}

static void refused(struct wherry_feed *s, struct run error)
{
	wherry_error why;
	struct run unused;
	if (error_remote(&why, error, &unused) != WHERRY_EAGAIN || !s->was_made) {
		feed_end(s, &why);
		return;
	}
	s->state = WANTED;
	s->retry_at = deadline_after(RETRY_MS);
	errand(s->client, s->retry_at);
}

// With the connection: the next one is asked.
static void cut_short(struct wherry_feed *s, const struct outcome *o)
{
	if (o->status == WHERRY_ENOMEM || o->status == WHERRY_ESHUTDOWN)
		end_here(s, o->status, o->text);
	else
		s->state = WANTED;
}

static void answered(struct wherry_client *c, struct request *r, const struct outcome *o)
{
	struct wherry_feed *s = (struct wherry_feed *)(void *)r;
	c->feeds.asked--;
	if (o->status != WHERRY_OK)
		cut_short(s, o);
	else if (!wire_is_nil(o->error))
		refused(s, o->error);
	else
		made(s, o->result);
	if (c->feeds.asked == 0)
		early_release(c);
	if (s->stopped && s->state == WANTED)
		s->state = ENDED;
	feed_turned(s);
	feed_release(s);
}

void feeds_ask(struct wherry_client *c, int64_t now)
{
	for (struct wherry_feed *s = c->feeds.first; s != NULL; s = s->next) {
		if (s->state != WANTED)
			continue;
		if (s->retry_at > now) {
			errand(c, s->retry_at);
			continue;
		}
		s->request = s->like;
		s->state = ASKED;
		c->feeds.asked++;
		enqueue(s, answered);
	}
}

// What was held for them came before the loss.
void feeds_lost(struct wherry_client *c)
{
	early_release(c);
	memset(c->feeds.by_id, 0, sizeof(c->feeds.by_id));
	for (struct wherry_feed *s = c->feeds.first; s != NULL; s = s->next) {
		if (s->state == MADE) {
			error_local(&s->gap_why, WHERRY_ESTALE, c->link.why);
			s->state = WANTED;
		}
		if (s->state == WANTED && c->link.state == LINK_ENDED)
			end_here(s, WHERRY_ESTALE, c->link.why);
	}
	errand(c, AT_ONCE);
}

// --- what is asked for ------------------------------------------------------------------------------------------------

static void pack_bounds(struct pack *options, const char *overflow, uint64_t messages, uint64_t bytes)
{
	pack_text_option(options, "overflow", overflow);
	pack_uint_option(options, "max_messages", messages);
	pack_uint_option(options, "max_bytes", bytes);
}

static int encode_topics(struct wherry_feed *s, const wherry_subscribe_options *w, const char *ns)
{
	struct pack params = {0}, options = {0};
	pack_texts(&params, w->filters, w->filter_count);
	pack_options(&options);
	pack_text_option(&options, "ns", ns);
	pack_text_option(&options, "group", w->group);
	pack_text_option(&options, "sticky", w->sticky);
	pack_bounds(&options, w->overflow, w->max_messages, w->max_bytes);
	pack_flag_option(&options, "retained", (w->flags & WHERRY_RETAINED) != 0);
	return request_encode("pubsub.subscribe", &params, &options, &s->like, &s->ask);
}

static int encode_keys(struct wherry_feed *s, const wherry_watch_options *w, const char *ns)
{
	struct pack params = {0}, options = {0};
	pack_bytes(&params, w->keys, w->keys_len);
	pack_options(&options);
	pack_text_option(&options, "ns", ns);
	pack_bounds(&options, w->overflow, w->max_messages, w->max_bytes);
	pack_flag_option(&options, "initial", (w->flags & WHERRY_INITIAL) != 0);
	return request_encode("kv.watch", &params, &options, &s->like, &s->ask);
}

const char *namespace_for(struct wherry_client *c, const char *asked, char room[NS_ROOM])
{
	if (asked != NULL)
		return asked;
	pthread_mutex_lock(&c->lock);
	memcpy(room, c->ns, NS_ROOM);
	pthread_mutex_unlock(&c->lock);
	return room[0] != 0 ? room : "default";
}

// --- beginning --------------------------------------------------------------------------------------------------------

// Until the broker has answered; else it goes on without whoever asked, and is left as soon as it is made.
static int await(struct wherry_feed *s, int64_t timeout_ms, wherry_error *error)
{
	struct wherry_client *c = s->client;
	int64_t deadline = deadline_after(timeout_ms == 0 ? c->call_ms : timeout_ms);
	for (bool in_time = true; in_time && !s->was_made && s->state != ENDED;) {
		struct waiter w = {.wants = s};
		waiter_add(c, &w);
		in_time = drive_until(c, &w, deadline);
		waiter_remove(c, &w);
	}
	if (s->was_made)
		return WHERRY_OK;
	if (s->state == ENDED) {
		if (error != NULL)
			*error = s->end_why;
		return s->end_why.code;
	}
	return s->state == ASKED ? error_local(error, WHERRY_ETIMEOUT, NULL)
				 : error_local(error, WHERRY_EAGAIN, c->link.why);
}

static int begin(struct wherry_feed *s, bool waits, int64_t timeout_ms, wherry_error *error)
{
	struct wherry_client *c = s->client;
	const char *why = "not from a callback: it waits";
	int status = waits && on_own_thread(c) ? WHERRY_EARG : thread_start(c);
	if (status == WHERRY_OK)
		status = request_admit(c, s->like.cost, &why);
	if (status != WHERRY_OK) {
		error_local(error, status, why);
		free_feed(s);
		return status;
	}
	insert(s);
	errand(c, AT_ONCE);
	if (waits)
		status = await(s, timeout_ms, error);
	if (status == WHERRY_OK)
		return status;
	feed_discard(s);
	return status;
}

static int start(
    struct wherry_feed *s, int status, uint32_t flags, int64_t timeout_ms, wherry_feed **out, wherry_error *error)
{
	struct wherry_client *c = s->client;
	if (status != WHERRY_OK) {
		free_feed(s);
		return error_local(
		    error, status, status == WHERRY_EARG ? "its keys are not one whole msgpack array" : NULL);
	}
	pthread_mutex_lock(&c->lock);
	status = begin(s, (flags & WHERRY_NO_WAIT) == 0, timeout_ms, error);
	pthread_mutex_unlock(&c->lock);
	if (status == WHERRY_OK)
		*out = s;
	return status;
}

static struct wherry_feed *feed_new(struct wherry_client *c, uint64_t keep_bytes)
{
	struct wherry_feed *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->client = c;
	s->keep_bytes = keep_bytes == 0 ? KEEP_BYTES : keep_bytes;
	return s;
}

static bool drops_newest(const char *overflow)
{
	return overflow != NULL && strcmp(overflow, "drop_newest") == 0;
}

int wherry_client_subscribe(
    wherry_client *c, const wherry_subscribe_options *what, wherry_feed **out, wherry_error *error)
{
	wherry_subscribe_options w = {0};
	char room[NS_ROOM];
	*out = NULL;
	error_clear(error);
	memcpy(&w, what, what->size < sizeof(w) ? what->size : sizeof(w));
	if (w.filter_count == 0 || w.filters == NULL)
		return error_local(error, WHERRY_EARG, "its size is not set, or it names no filter");
	struct wherry_feed *s = feed_new(c, w.keep_bytes);
	if (s == NULL)
		return error_local(error, WHERRY_ENOMEM, NULL);
	s->drops_newest = drops_newest(w.overflow);
	s->on_message = w.on_message;
	s->on_gap = w.on_gap;
	s->arg = w.arg;
	int status = encode_topics(s, &w, namespace_for(c, w.ns, room));
	return start(s, status, w.flags, w.timeout_ms, out, error);
}

int wherry_client_watch(wherry_client *c, const wherry_watch_options *what, wherry_feed **out, wherry_error *error)
{
	wherry_watch_options w = {0};
	char room[NS_ROOM];
	*out = NULL;
	error_clear(error);
	memcpy(&w, what, what->size < sizeof(w) ? what->size : sizeof(w));
	if (w.keys_len == 0)
		return error_local(error, WHERRY_EARG, "its size is not set, or it names no key");
	struct wherry_feed *s = feed_new(c, w.keep_bytes);
	if (s == NULL)
		return error_local(error, WHERRY_ENOMEM, NULL);
	s->watches = true;
	s->drops_newest = drops_newest(w.overflow);
	s->on_event = w.on_event;
	s->on_gap = w.on_gap;
	s->arg = w.arg;
	int status = encode_keys(s, &w, namespace_for(c, w.ns, room));
	return start(s, status, w.flags, w.timeout_ms, out, error);
}

// --- leaving ----------------------------------------------------------------------------------------------------------

static void stop(struct wherry_feed *s)
{
	if (s->stopped)
		return;
	s->stopped = true;
	if (s->state == MADE)
		leave(s);
	else if (s->state == WANTED)
		s->state = ENDED;
	feed_turned(s);
}

void feed_discard(struct wherry_feed *s)
{
	atomic_store(&s->closed, true);
	s->gone = true;
	stop(s);
	feed_release(s);
}

void wherry_feed_stop(wherry_feed *s)
{
	pthread_mutex_lock(&s->client->lock);
	stop(s);
	pthread_mutex_unlock(&s->client->lock);
}

void wherry_feed_close(wherry_feed *s)
{
	if (s == NULL)
		return;
	struct wherry_client *c = s->client;
	pthread_mutex_lock(&c->lock);
	atomic_store(&s->closed, true);
	while (s->telling && !on_own_thread(c))
		pthread_cond_wait(&c->roles, &c->lock);
	feed_discard(s);
	pthread_mutex_unlock(&c->lock);
}
