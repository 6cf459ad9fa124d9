// Requests: a message that carries the topic of its answer, "$reply.SESSION.SECRET", and who sent it waits for the first.
//
// Who waits is in a list by session.  A parked request that is dropped does not run again, so an entry may outlive it:
// until its time is over, or its session ends.  It is found by its secret alone, never by an address.

#include "pubsub.h"

#include <stdio.h>
#include <string.h>

enum { TOPIC_ROOM = 48, PRESET_MS = 5000, MOST_MS = 3600000, LATE_MS = 60000 };

struct waiting {
	struct waiting *next;
	uint64_t secret, ticket;
	int64_t until_ms;
	void *answer; // NULL: none yet
	size_t len;
};

struct asker {
	struct asker *next;
	uint64_t session;
	uint32_t count;
	struct waiting *first;
};

// --- who waits, under the lock ------------------------------------------------------------------------------------------

static struct asker **asker_place(struct pubsub *ps, uint64_t session)
{
	struct asker **at = &ps->askers[session % ASKER_BUCKETS];
	while (*at && (*at)->session != session)
		at = &(*at)->next;
	return at;
}

static struct waiting **waiting_place(struct asker *a, uint64_t secret)
{
	struct waiting **at = &a->first;
	while (*at && (*at)->secret != secret)
		at = &(*at)->next;
	return at;
}

static void waiting_free(struct pubsub *ps, struct asker *a, struct waiting **at)
{
	struct waiting *w = *at;
	*at = w->next;
	a->count--;
	ps->host->release(ps->owner, w->answer);
	ps->host->release(ps->owner, w);
}

static void asker_free_if_idle(struct pubsub *ps, struct asker **at)
{
	struct asker *a = *at;
	if (a->first)
		return;
	*at = a->next;
	ps->host->release(ps->owner, a);
}

static void free_outlived(struct pubsub *ps, struct asker *a, int64_t now_ms)
{
	for (struct waiting **at = &a->first; *at;) {
		if ((*at)->until_ms + LATE_MS < now_ms)
			waiting_free(ps, a, at);
		else
			at = &(*at)->next;
	}
}

static struct asker *asker_make(struct pubsub *ps, uint64_t session)
{
	struct asker **at = asker_place(ps, session);
	if (*at)
		return *at;
	struct asker *a = ps->host->alloc(ps->owner, sizeof *a);
	if (a) {
		*a = (struct asker){.session = session};
		*at = a;
	}
	return a;
}

static int32_t list(struct pubsub *ps, const wherry_call *call, const struct waiting *as)
{
	struct asker *a = asker_make(ps, call->session);
	if (!a)
		return WHERRY_ENOMEM;
	int64_t most = atomic_load_explicit(&ps->max_requests, memory_order_relaxed);
	if (a->count >= most)
		free_outlived(ps, a, call->now_ms);
	struct waiting *w = a->count < most ? ps->host->alloc(ps->owner, sizeof *w) : NULL;
	int32_t status = w ? WHERRY_OK : a->count < most ? WHERRY_ENOMEM : WHERRY_ELIMIT;
	if (w) {
		*w = *as;
		w->next = a->first;
		a->first = w;
		a->count++;
	}
	asker_free_if_idle(ps, asker_place(ps, call->session));
	return status;
}

// --- asking -------------------------------------------------------------------------------------------------------------

static size_t topic_of(char *topic, uint64_t session, uint64_t secret)
{
	return (size_t)snprintf(
	    topic, TOPIC_ROOM, REPLY_TOPICS "%llx.%016llx", (unsigned long long)session, (unsigned long long)secret);
}

static size_t map_head(char *to, uint32_t pairs)
{
	if (pairs < 16) {
		to[0] = (char)(0x80 | pairs);
		return 1;
	}
	to[0] = (char)(pairs < 65536 ? 0xde : 0xdf);
	size_t width = pairs < 65536 ? 2 : 4;
	for (size_t i = 0; i < width; i++)
		to[1 + i] = (char)(pairs >> 8 * (width - 1 - i));
	return 1 + width;
}

// The request's headers, and {"reply_to": topic}.
static char *headers_with(
    struct pubsub *ps, const wherry_value *headers, const char *topic, size_t topic_len, size_t *len)
{
	static const char name[] = "\xa8reply_to";
	bool given = headers->kind == WHERRY_MAP;
	wherry_span pairs = given ? headers->as.bytes : (wherry_span){"", 0};
	char *all = ps->host->alloc(ps->owner, 5 + pairs.len + sizeof name + 2 + topic_len);
	if (!all)
		return NULL;
	size_t at = map_head(all, (given ? headers->reserved0 : 0) + 1);
	memcpy(all + at, pairs.ptr, pairs.len);
	at += pairs.len;
	memcpy(all + at, name, sizeof name - 1);
	at += sizeof name - 1;
	all[at++] = (char)0xd9;
	all[at++] = (char)topic_len;
	memcpy(all + at, topic, topic_len);
	*len = at + topic_len;
	return all;
}

static void give_up(struct pubsub *ps, uint64_t session, uint64_t secret)
{
	pthread_mutex_lock(&ps->lock);
	struct asker **at = asker_place(ps, session);
	if (*at) {
		struct waiting **w = waiting_place(*at, secret);
		if (*w)
			waiting_free(ps, *at, w);
		asker_free_if_idle(ps, at);
	}
	pthread_mutex_unlock(&ps->lock);
}

static int32_t send(struct pubsub *ps, wherry_call *call, uint64_t secret)
{
	char topic[TOPIC_ROOM];
	size_t topic_len = topic_of(topic, call->session, secret), len;
	char *headers = headers_with(ps, &call->args[REQUEST_HEADERS], topic, topic_len, &len);
	if (!headers)
		return WHERRY_ENOMEM;
	wherry_message m = {.size = sizeof m,
	    .topic = call->args[REQUEST_TOPIC].as.bytes,
	    .payload = call->args[REQUEST_PAYLOAD].raw,
	    .headers = {headers, len},
	    .require = 1};
	int32_t status = ps->bus->send(call, &m, NULL);
	ps->host->release(ps->owner, headers);
	return status == WHERRY_ENORESP ? fail(ps, call, status, "nobody listens to that topic") : status;
}

static int32_t check(const struct pubsub *ps, wherry_call *call)
{
	const wherry_value *timeout = &call->args[REQUEST_TIMEOUT_MS];
	if (call->flags & WHERRY_CALL_TRANSACTION)
		return fail(ps, call, WHERRY_EUNSUPPORTED, "a request waits for its answer, which a transaction can't");
	if (call->session != 0 && begins_with(call->args[REQUEST_TOPIC].as.bytes, "$", 1))
		return fail(ps, call, WHERRY_EDENIED, "topics that begin with $ are the broker's own");
	if (timeout->kind != WHERRY_ABSENT && (timeout->as.i < 1 || timeout->as.i > MOST_MS))
		return fail(ps, call, WHERRY_EARG, "option \"timeout_ms\" must be between 1 and %d", MOST_MS);
	return publish_check(ps, call, REQUEST_PAYLOAD, REQUEST_HEADERS);
}

static int32_t ask(struct pubsub *ps, wherry_call *call)
{
	const wherry_value *timeout = &call->args[REQUEST_TIMEOUT_MS];
	int64_t ms = timeout->kind == WHERRY_ABSENT ? PRESET_MS : timeout->as.i;
	int32_t status = check(ps, call); // before the time is reckoned with: it may be any number
	if (status != WHERRY_OK)
		return status;
	struct waiting w = {.until_ms = call->now_ms + ms};
	status = ps->keys->park(call, ms, &w.ticket);
	if (status != WHERRY_OK)
		return status;
	ps->host->random(ps->owner, &w.secret, sizeof w.secret);
	call->cookie[0] = w.secret;
	pthread_mutex_lock(&ps->lock);
	status = list(ps, call, &w);
	pthread_mutex_unlock(&ps->lock);
	if (status == WHERRY_ELIMIT)
		return fail(ps, call, status, "the session waits for pubsub.max_requests answers already");
	if (status != WHERRY_OK)
		return status;
	status = send(ps, call, w.secret); // only now: the answer may be there at once
	if (status != WHERRY_OK)
		give_up(ps, call->session, w.secret);
	else
		ps->host->metric_add(ps->owner, METRIC_REQUESTS, 1);
	return status == WHERRY_OK ? WHERRY_PARKED : status;
}

// The answer is the caller's from now on; NULL: there is none.
static void *take_answer(struct pubsub *ps, uint64_t session, uint64_t secret, size_t *len)
{
	void *answer = NULL;
	pthread_mutex_lock(&ps->lock);
	struct asker **at = asker_place(ps, session);
	struct waiting **place = *at ? waiting_place(*at, secret) : NULL;
	if (place && *place) {
		answer = (*place)->answer;
		*len = (*place)->len;
		(*place)->answer = NULL;
		waiting_free(ps, *at, place);
		asker_free_if_idle(ps, at);
	}
	pthread_mutex_unlock(&ps->lock);
	return answer;
}

int32_t pubsub_request(void *self, wherry_call *call)
{
	struct pubsub *ps = self;
	size_t len = 0;
	if (call->why == WHERRY_WHY_FIRST)
		return ask(ps, call);
	void *answer = take_answer(ps, call->session, call->cookie[0], &len);
	if (answer) {
		ps->write->raw(call->reply, (wherry_span){answer, len});
		ps->host->release(ps->owner, answer);
		ps->host->metric_add(ps->owner, METRIC_ANSWERS, 1);
		return WHERRY_OK;
	}
	ps->host->metric_add(ps->owner, METRIC_GIVEN_UP, 1);
	if (call->why == WHERRY_WHY_SHUTDOWN)
		return fail(
		    ps, call, WHERRY_EAGAIN, "the module or the broker ends: nobody waits for the answer any more");
	return fail(ps, call, WHERRY_ETIMEOUT, "nobody answered in time");
}

// --- answering ----------------------------------------------------------------------------------------------------------

static bool read_topic(wherry_span topic, uint64_t *session, uint64_t *secret)
{
	char text[TOPIC_ROOM], again[TOPIC_ROOM];
	unsigned long long numbers[2];
	if (topic.len >= sizeof text)
		return false;
	memcpy(text, topic.ptr, topic.len);
	text[topic.len] = 0;
	if (sscanf(text, REPLY_TOPICS "%llx.%llx", &numbers[0], &numbers[1]) != 2)
		return false;
	*session = numbers[0];
	*secret = numbers[1];
	return topic_of(again, *session, *secret) == topic.len && memcmp(again, text, topic.len) == 0;
}

// Who waits under that topic and has no answer yet; under the lock.
static struct waiting *find(struct pubsub *ps, wherry_span topic)
{
	uint64_t session, secret;
	if (!read_topic(topic, &session, &secret))
		return NULL;
	struct asker *a = *asker_place(ps, session);
	struct waiting *w = a ? *waiting_place(a, secret) : NULL;
	return w && !w->answer ? w : NULL;
}

// OK; ENORESP: nobody waits; ENOMEM.
static int32_t answer(struct pubsub *ps, wherry_span topic, wherry_span payload)
{
	void *copy = ps->host->alloc(ps->owner, payload.len);
	uint64_t ticket = 0;
	if (!copy)
		return WHERRY_ENOMEM;
	memcpy(copy, payload.ptr, payload.len);
	pthread_mutex_lock(&ps->lock);
	struct waiting *w = find(ps, topic);
	if (w) {
		w->answer = copy;
		w->len = payload.len;
		ticket = w->ticket;
	}
	pthread_mutex_unlock(&ps->lock);
	if (w)
		ps->host->wake(ps->owner, ticket); // ESTALE: it has just given up
	else
		ps->host->release(ps->owner, copy);
	return w ? WHERRY_OK : WHERRY_ENORESP;
}

// As a part of a transaction it goes with the commit, over the bus: reply_heard().
static int32_t answer_with_commit(struct pubsub *ps, wherry_call *call)
{
	wherry_message m = {
	    .size = sizeof m, .topic = call->args[PUBLISH_TOPIC].as.bytes, .payload = call->args[PUBLISH_PAYLOAD].raw};
	pthread_mutex_lock(&ps->lock);
	bool waits = find(ps, m.topic);
	pthread_mutex_unlock(&ps->lock);
	return waits ? ps->bus->send(call, &m, NULL) : WHERRY_ENORESP;
}

int32_t reply(struct pubsub *ps, wherry_call *call, uint64_t *receivers)
{
	const wherry_value *args = call->args;
	if (flag(&args[PUBLISH_RETAIN]))
		return fail(ps, call, WHERRY_EARG, "a reply can't be retained");
	int32_t status = call->flags & WHERRY_CALL_TRANSACTION
			     ? answer_with_commit(ps, call)
			     : answer(ps, args[PUBLISH_TOPIC].as.bytes, args[PUBLISH_PAYLOAD].raw);
	*receivers = 1;
	if (status == WHERRY_ENORESP)
		return fail(ps, call, status, "nobody waits for that reply: it was answered, or given up");
	return status;
}

void reply_heard(void *self, wherry_span topic, wherry_span payload, wherry_span headers)
{
	(void)headers;
	answer(self, topic, payload);
}

// --- the end ------------------------------------------------------------------------------------------------------------

static void asker_end(struct pubsub *ps, struct asker **at)
{
	struct asker *a = *at;
	while (a->first)
		waiting_free(ps, a, &a->first);
	asker_free_if_idle(ps, at);
}

void session_ended(void *self, uint64_t session)
{
	struct pubsub *ps = self;
	pthread_mutex_lock(&ps->lock);
	struct asker **at = asker_place(ps, session);
	if (*at)
		asker_end(ps, at);
	pthread_mutex_unlock(&ps->lock);
}

void requests_free(struct pubsub *ps)
{
	for (int i = 0; i < ASKER_BUCKETS; i++)
		while (ps->askers[i])
			asker_end(ps, &ps->askers[i]);
}
