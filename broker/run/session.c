// Sessions: the list by id, and the order of their end: last run, then session_ended() of the modules, then the memory.

#include <string.h>

#include "bus/bus.h"
#include "run/inside.h"

static struct session **bucket(struct router *r, uint64_t id)
{
	return &r->sessions[id % SESSION_BUCKETS];
}

void session_open(struct router *r, struct session *s, const struct session_ops *ops, void *peer, bool duplex)
{
	s->ops = ops;
	s->peer = peer;
	s->duplex = duplex;
	s->router = r;
	atomic_init(&s->refs, 1);
	atomic_init(&s->ns, STORE_NS_DEFAULT);
	atomic_init(&s->parked, 1); // 1 while it is open: whoever takes it to 0 tells the modules
	atomic_init(&s->ended, false);
	atomic_init(&s->outbox, NULL);
	atomic_init(&s->fetch, 0);
	s->will = (struct buffer){0};
	s->since_ms = clock_unix_ms(r->config.clock);
	pthread_mutex_lock(&r->session_lock);
	s->id = ++r->next_session;
	struct session **head = bucket(r, s->id);
	s->prev = NULL;
	s->next = *head;
	if (*head != NULL)
		(*head)->prev = s;
	*head = s;
	r->session_count++;
	pthread_mutex_unlock(&r->session_lock);
	if (r->config.hooks.session_began != NULL)
		r->config.hooks.session_began(r->config.hooks.arg, s);
}

static void unlist(struct router *r, struct session *s)
{
	pthread_mutex_lock(&r->session_lock);
	*(s->prev != NULL ? &s->prev->next : bucket(r, s->id)) = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	r->session_count--;
	pthread_mutex_unlock(&r->session_lock);
}

// Whoever is the last has the opener's reference, so while there is one the session is there.
void session_unpark(struct router *r, struct session *s)
{
	if (atomic_fetch_sub(&s->parked, 1) != 1)
		return;
	if (session_outbox_opened(s) != NULL)
		outbox_close(session_outbox_opened(s)); // it holds the session until its last message is forgotten
	if (r->config.hooks.session_ended != NULL)
		r->config.hooks.session_ended(r->config.hooks.arg, s->id);
	session_drop(s);
}

bool session_enter(struct session *s)
{
	unsigned open = atomic_load(&s->parked);
	while (open > 0 && !atomic_compare_exchange_weak(&s->parked, &open, open + 1))
		;
	return open > 0;
}

void session_leave(struct session *s)
{
	session_unpark(s->router, s);
}

// --- its outbox -------------------------------------------------------------------------------------------------------

static void outbox_ready(void *peer)
{
	struct session *s = peer;
	if (s->ops->ready != NULL) {
		s->ops->ready(s);
		return;
	}
	uint64_t ticket = atomic_exchange(&s->fetch, 0);
	if (ticket != 0)
		router_wake(s->router, ticket); // ESTALE: it has just been answered otherwise
}

static void outbox_overflow(void *peer)
{
	struct session *s = peer;
	s->ops->close(s, "a subscription is full, and asked for that");
}

static void outbox_gone(void *peer)
{
	session_drop(peer);
}

static const struct outbox_ops outbox_ops = {outbox_ready, outbox_overflow, outbox_gone};

// Requests of a session may run at once, parked ones beside the connection's own: the first outbox stays.
struct outbox *session_outbox(struct session *s)
{
	struct outbox *o = session_outbox_opened(s), *mine;
	if (o != NULL || s->router->config.bus == NULL)
		return o;
	if (outbox_open(s->router->config.bus, &outbox_ops, s, &mine) != WHERRY_OK)
		return NULL;
	session_hold(s);
	if (atomic_compare_exchange_strong(&s->outbox, &o, mine))
		return mine;
	outbox_close(mine);
	return o;
}

// --- its will -----------------------------------------------------------------------------------------------------------

void session_set_will(struct session *s, struct buffer *request)
{
	struct buffer none = {0}, *wanted = request != NULL ? request : &none;
	pthread_mutex_lock(&s->router->session_lock);
	struct buffer before = s->will;
	s->will = *wanted;
	*wanted = before;
	pthread_mutex_unlock(&s->router->session_lock);
	buffer_free(wanted);
}

// It is out of the list: nobody sets it any more.
static void execute_will(struct router *r, struct session *s)
{
	if (s->will.len == 0)
		return;
	int status = router_submit(r, buffer_span(&s->will));
	if (status != WHERRY_OK)
		log_event(r->config.log, WHERRY_LOG_WARN, "will not published", "session", LOG_NUMBER(s->id), "error",
		    status_name(status), NULL);
	buffer_free(&s->will);
}

void session_end(struct router *r, struct session *s)
{
	unlist(r, s);
	execute_will(r, s);
	atomic_store(&s->ended, true);
	park_session_gone(r, s);
	session_unpark(r, s);
}

void session_drop(struct session *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		s->ops->gone(s);
}

// A session in the list has its opener's reference, so one more can be taken under the lock.
struct session *session_find(struct router *r, uint64_t id)
{
	pthread_mutex_lock(&r->session_lock);
	struct session *s = *bucket(r, id);
	while (s != NULL && s->id != id)
		s = s->next;
	if (s != NULL)
		session_hold(s);
	pthread_mutex_unlock(&r->session_lock);
	return s;
}

void session_each(struct router *r, void (*each)(void *arg, const struct session *), void *arg)
{
	pthread_mutex_lock(&r->session_lock);
	for (int i = 0; i < SESSION_BUCKETS; i++)
		for (struct session *s = r->sessions[i]; s != NULL; s = s->next)
			each(arg, s);
	pthread_mutex_unlock(&r->session_lock);
}

bool session_client(struct router *r, uint64_t id, char client[static 64])
{
	_Static_assert(sizeof(((struct session *)0)->client) == 64, "the caller's room");
	pthread_mutex_lock(&r->session_lock);
	const struct session *s = *bucket(r, id);
	while (s != NULL && s->id != id)
		s = s->next;
	if (s != NULL)
		memcpy(client, s->client, sizeof(s->client));
	pthread_mutex_unlock(&r->session_lock);
	return s != NULL;
}

void session_hello(struct router *r, struct session *s, wherry_span client)
{
	size_t len = client.len < sizeof(s->client) - 1 ? client.len : sizeof(s->client) - 1;
	pthread_mutex_lock(&r->session_lock);
	memcpy(s->client, client.ptr, len);
	s->client[len] = 0;
	pthread_mutex_unlock(&r->session_lock);
}
