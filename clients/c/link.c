// The connection: made, greeted, lost, made again.  The driver's; under the lock except for system calls.

#include <stdio.h>

#include "consumer.h"
#include "feed.h"

enum {
	PAIR1 = 0x11,
	GREETING = 8,
	CUTS_MOST = 5, // lost connections while one and the same request was being sent
};

static const uint8_t greeting[GREETING] = {0, 'S', 'P', 0, 0, PAIR1, 0, 0};

// xorshift: clients that lost the same broker need not come back in step.
static uint64_t random_below(struct link *l, uint64_t most)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return most == 0 ? 0 : l->random % most;
}

static int64_t next_wait(struct wherry_client *c)
{
	struct link *l = &c->link;
	int64_t wait = l->backoff == 0 ? c->backoff_ms : l->backoff;
	l->backoff = wait > c->backoff_max_ms / 2 ? c->backoff_max_ms : 2 * wait;
	wait = wait < c->backoff_max_ms ? wait : c->backoff_max_ms;
	return wait - (int64_t)random_below(l, (uint64_t)wait / 2);
}

// No sender may be in the transport when it goes.
void link_close(struct wherry_client *c)
{
	struct link *l = &c->link;
	l->leaving = true;
	while (l->sending)
		pthread_cond_wait(&c->roles, &c->lock);
	struct transport *t = l->transport;
	l->transport = NULL;
	l->in.len = l->in_at = l->out.len = l->out_at = 0;
	l->queued = l->handed = 0;
	l->doomed = NULL;
	l->leaving = l->stuck = l->send_failed = l->proven = false;
	if (t == NULL)
		return;
	pthread_mutex_unlock(&c->lock);
	t->ops->close(t);
	pthread_mutex_lock(&c->lock);
}

void link_doom(struct wherry_client *c, const char *why)
{
	c->link.doomed = why;
	drive_wake(c);
}

static void down(struct wherry_client *c, int status, const char *why)
{
	struct link *l = &c->link;
	l->status = status == WHERRY_ENORESP ? WHERRY_EAGAIN : status;
	if (why != l->why)
		snprintf(l->why, sizeof(l->why), "%s", why);
	l->state = c->once && c->counts.connections > 0 ? LINK_ENDED : LINK_DOWN;
}

void link_failed(struct wherry_client *c, int status, const char *why)
{
	down(c, status, why);
	c->link.next_try = deadline_after(next_wait(c));
	link_close(c);
}

static void fail_pending(struct wherry_client *c, int status)
{
	while (c->pending.first != NULL)
		request_fail(c, c->pending.first, status, c->link.why);
}

// The broker will not have this client as it was: rather than run elsewhere, what waits ends.
static void refused(struct wherry_client *c)
{
	struct link *l = &c->link;
	const wherry_error e = l->refusal;
	snprintf(l->why, sizeof(l->why), "a new connection was made, but the broker refuses %s: %s: %.200s", l->refused,
	    e.name, e.text);
	link_failed(c, e.code, l->why);
	if (c->counts.connections > 0)
		fail_pending(c, e.code);
}

// --- an attempt -------------------------------------------------------------------------------------------------------

void link_open(struct wherry_client *c)
{
	struct link *l = &c->link;
	const struct transport_options options = {c->tls_ca_file, c->tls_unverified};
	struct transport *t;
	char why[TRANSPORT_WHY];
	l->state = LINK_OPENING;
	l->refusal.code = WHERRY_OK;
	l->give_up_ms = deadline_after(c->connect_ms);
	pthread_mutex_unlock(&c->lock);
	int status = transport_open(&t, c->url, &options, why);
	pthread_mutex_lock(&c->lock);
	l->transport = t;
	if (status != WHERRY_OK)
		link_failed(c, status, why);
}

static void connecting(struct wherry_client *c)
{
	struct link *l = &c->link;
	char why[TRANSPORT_WHY];
	int status = l->transport->ops->connected(l->transport, why);
	if (status != WHERRY_OK && status != WHERRY_EAGAIN)
		link_failed(c, status, why);
	if (status != WHERRY_OK)
		return;
	if (!bytes_reserve(&l->out, GREETING)) {
		link_failed(c, WHERRY_ENOMEM, "out of memory");
		return;
	}
	bytes_put(&l->out, greeting, GREETING);
	l->queued = GREETING;
	l->state = LINK_GREETING;
}

static void greeted(struct wherry_client *c)
{
	struct link *l = &c->link;
	if (l->in.len - l->in_at < GREETING)
		return;
	if (memcmp(l->in.data + l->in_at, greeting, GREETING) != 0) {
		link_failed(c, WHERRY_EAGAIN, "whoever listens there is not a broker");
		return;
	}
	l->in_at += GREETING;
	setup_begin(c);
}

// Both directions once; nobody else sends yet.
static int exchange(struct wherry_client *c)
{
	struct link *l = &c->link;
	struct transport *t = l->transport;
	size_t sent = 0, received;
	pthread_mutex_unlock(&c->lock);
	if (l->out_at < l->out.len)
		t->ops->send(t, l->out.data + l->out_at, l->out.len - l->out_at, &sent);
	int status = receive(c, &received);
	pthread_mutex_lock(&c->lock);
	l->out_at += sent;
	l->handed += sent;
	c->counts.bytes_out += sent;
	c->counts.bytes_in += received;
	if (l->out_at == l->out.len)
		l->out_at = l->out.len = 0;
	return received > 0 ? WHERRY_OK : status;
}

static void go_on(struct wherry_client *c)
{
	struct link *l = &c->link;
	const char *why = NULL;
	if (l->state == LINK_OPENING)
		connecting(c);
	if (l->state != LINK_GREETING && l->state != LINK_SETUP)
		return;
	int status = exchange(c);
	if (status != WHERRY_OK) {
		link_failed(
		    c, WHERRY_EAGAIN, status == WHERRY_ENOMEM ? "out of memory" : "whoever listens there hung up");
		return;
	}
	if (l->state == LINK_GREETING)
		greeted(c);
	if (l->state == LINK_SETUP)
		why = receive_frames(c);
	if (why != NULL)
		link_failed(c, WHERRY_ECORRUPT, why);
	else if (l->refusal.code != WHERRY_OK)
		refused(c);
}

static bool under_way(const struct link *l)
{
	return l->state == LINK_OPENING || l->state == LINK_GREETING || l->state == LINK_SETUP;
}

void link_attempt(struct wherry_client *c, int64_t until)
{
	struct link *l = &c->link;
	enum link_state before = l->state;
	size_t unread = l->in.len - l->in_at;
	go_on(c);
	if (!under_way(l))
		return;
	if (l->give_up_ms != NO_DEADLINE && monotonic_ms() >= l->give_up_ms) {
		link_failed(c, WHERRY_EAGAIN, "whoever listens there did not answer in time");
		return;
	}
	if (l->state != before || l->in.len - l->in_at != unread)
		return;
	unsigned wanted = before == LINK_OPENING ? READY_OUT : READY_IN | (l->out.len > 0 ? READY_OUT : 0);
	drive_wait(c, wanted, until < l->give_up_ms ? until : l->give_up_ms);
}

// --- a lost one -------------------------------------------------------------------------------------------------------

// Whether what was under way may be sent again; else it has ended.  (What was sent for another namespace may not.)
static bool may_repeat(struct wherry_client *c, struct request *r, int status)
{
	struct link *l = &c->link;
	bool left = r->frame <= l->handed;
	if (!left && ++r->cuts < CUTS_MOST)
		return true;
	if (!left) {
		request_fail(c, r, WHERRY_EAGAIN, "the connection was lost too often while it was being sent");
		return false;
	}
	enum verb verb = r->repeatable ? VERB_READS : verb_of(c, r);
	if (c->once || r->seq < c->ns_seq || verb == VERB_OTHER) {
		request_fail(c, r, status, l->why);
		return false;
	}
	r->again = true;
	r->doubtful = verb == VERB_UNKNOWN;
	c->counts.repeated += verb == VERB_READS;
	return true;
}

static void fail_bound(struct wherry_client *c, struct list *l, int status)
{
	for (struct request *r = l->first, *next; r != NULL; r = next) {
		next = r->next;
		if (r->bound)
			request_fail(c, r, status, c->link.why);
	}
}

static void sort_out(struct wherry_client *c, int status)
{
	struct list again = {0};
	for (struct request *r; (r = c->sent.first) != NULL;) {
		if (r->fence) {
			request_fail(c, r, status, NULL);
			continue;
		}
		if (!may_repeat(c, r, status))
			continue;
		list_remove(&c->sent, r);
		r->place = PENDING;
		list_append(&again, r);
	}
	list_join(&again, &c->pending);
	c->pending = again;
}

// A broker that closes every connection at once is not asked again at once.
static void set_next_try(struct wherry_client *c)
{
	struct link *l = &c->link;
	bool good = l->proven || monotonic_ms() - l->heard_ms >= c->backoff_max_ms;
	if (good)
		l->backoff = 0;
	l->next_try = deadline_after(good ? 0 : next_wait(c));
}

void link_lost(struct wherry_client *c, int status, const char *why)
{
	struct link *l = &c->link;
	l->leaving = true;
	while (l->sending)
		pthread_cond_wait(&c->roles, &c->lock);
	down(c, status, why);
	set_next_try(c);
	table_clear(&c->table);
	fail_bound(c, &c->sent, status);
	fail_bound(c, &c->pending, status);
	sort_out(c, status);
	c->ns_seq = 0;
	if (l->state == LINK_ENDED)
		fail_pending(c, WHERRY_ESTALE);
	c->losses++;
	c->loss_to_tell = true;
	error_local(&c->loss, status, l->why);
	feeds_lost(c);
	consumers_lost(c);
	waiters_wake(c, &c->first_note);
	link_close(c);
}
