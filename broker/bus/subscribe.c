// Subscriptions and the targets that they share.

#include <stdlib.h>

#include "base/mem.h"
#include "bus/inside.h"
#include "wherry/status.h"

enum { NAME_MOST = 128 };

// The filters of a subscription, in order, each once.
struct set {
	uint64_t hash;
	uint32_t count;
	size_t bytes;
	wherry_span row[SUBSCRIBE_FILTERS];
};

static int compare(const void *a, const void *b)
{
	return span_compare(*(const wherry_span *)a, *(const wherry_span *)b);
}

static void set_add(const struct bus *b, struct set *s, wherry_span filter)
{
	if (s->count > 0 && span_equal(s->row[s->count - 1], filter))
		return;
	s->row[s->count++] = filter;
	s->bytes += filter.len;
	s->hash = s->hash * 0x9e3779b97f4a7c15u + hash_bytes(&b->key, filter.ptr, filter.len);
}

// Filters without fault.
static void set_make(const struct bus *b, struct set *s, const struct subscribe *wanted)
{
	s->hash = s->count = 0;
	s->bytes = 0;
	memcpy(s->row, wanted->filters, wanted->filter_count * sizeof(s->row[0]));
	if (wanted->filter_count > 1)
		qsort(s->row, wanted->filter_count, sizeof(s->row[0]), compare);
	for (uint32_t i = 0; i < wanted->filter_count; i++)
		set_add(b, s, s->row[i]);
}

// --- targets, under the lock ------------------------------------------------------------------------------------------

// One with a single filter is found without a look at the others.
static void leaf_list(struct leaf *l)
{
	void **first = filter_target(l->place);
	struct leaf *at = *first;
	bool behind = at != NULL && at->target->filter_count == 1;
	l->prev = behind ? at : NULL;
	l->next = behind ? at->next : at;
	if (behind)
		at->next = l;
	else
		*first = l;
	if (l->next != NULL)
		l->next->prev = l;
}

// Filters on the broker's topics of keys: somebody wants to be told of changes.  Wrapping is how an unsigned counter goes
// down.
static void count_key_filter(struct bus *b, wherry_span filter, int delta)
{
	static const char prefix[] = "$key.";
	if (filter.len < sizeof(prefix) || memcmp(filter.ptr, prefix, sizeof(prefix) - 1) != 0)
		return;
	atomic_fetch_add_explicit(&b->key_filters, (unsigned)delta, memory_order_relaxed);
	atomic_fetch_add_explicit(&b->watched, (unsigned)delta, memory_order_relaxed);
}

static int leaf_hang(struct bus *b, struct target *t, uint32_t i, const char **why)
{
	struct leaf *l = &t->leaf[i];
	bool wild = filter_is_wild(t->filters[i]);
	int status = filters_place(&b->filters, t->filters[i], &l->place);
	if (status == WHERRY_ELIMIT)
		*why = "a filter with a wildcard has at most 32 tokens";
	if (status != WHERRY_OK)
		return status;
	bool first = *filter_target(l->place) == NULL;
	if (first && wild && b->wildcards >= (uint64_t)b->limits->wildcards) {
		*why = "there are max_wildcards different filters with a wildcard already";
		filters_forget(&b->filters, l->place);
		return WHERRY_ELIMIT;
	}
	l->target = t;
	leaf_list(l);
	b->wildcards += first && wild;
	if (first)
		count_key_filter(b, t->filters[i], 1);
	return WHERRY_OK;
}

static void leaf_unhang(struct bus *b, struct target *t, uint32_t i)
{
	struct leaf *l = &t->leaf[i];
	void **first = filter_target(l->place);
	*(l->prev != NULL ? (void **)&l->prev->next : first) = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	if (*first != NULL)
		return;
	filters_forget(&b->filters, l->place);
	b->wildcards -= filter_is_wild(t->filters[i]);
	count_key_filter(b, t->filters[i], -1);
}

static struct target *target_new(const struct set *s)
{
	size_t rows = s->count * (sizeof(struct leaf) + sizeof(wherry_span));
	struct target *t = mem_zalloc(sizeof(*t) + rows + s->bytes);
	if (t == NULL)
		return NULL;
	t->filter_count = s->count;
	t->filters = (wherry_span *)(t->leaf + s->count);
	char *at = (char *)(t->filters + s->count);
	t->link.hash = s->hash;
	for (uint32_t i = 0; i < s->count; i++) {
		memcpy(at, s->row[i].ptr, s->row[i].len);
		t->filters[i] = span_of(at, s->row[i].len);
		at += s->row[i].len;
	}
	return t;
}

static void target_free(struct bus *b, struct target *t, uint32_t hung)
{
	while (hung > 0)
		leaf_unhang(b, t, --hung);
	mem_free(t);
}

static int target_make(struct bus *b, const struct set *s, struct target **out, const char **why)
{
	struct target *t = target_new(s);
	int status = t != NULL ? WHERRY_OK : WHERRY_ENOMEM;
	for (uint32_t i = 0; i < s->count && status == WHERRY_OK; i++) {
		status = leaf_hang(b, t, i, why);
		if (status != WHERRY_OK)
			target_free(b, t, i);
	}
	if (status == WHERRY_OK && s->count > 1 && !links_add(&b->sets, &t->link)) {
		target_free(b, t, s->count);
		status = WHERRY_ENOMEM;
	}
	if (status != WHERRY_OK)
		return status;
	b->targets++;
	*out = t;
	return WHERRY_OK;
}

static bool is_of(const struct target *t, const struct set *s)
{
	bool same = t->filter_count == s->count;
	for (uint32_t i = 0; same && i < s->count; i++)
		same = span_equal(t->filters[i], s->row[i]);
	return same;
}

static struct target *target_find_single(struct bus *b, wherry_span filter)
{
	struct leaf *first = filters_find(&b->filters, filter);
	return first != NULL && first->target->filter_count == 1 ? first->target : NULL;
}

static struct target *target_find(struct bus *b, const struct set *s)
{
	if (s->count == 1)
		return target_find_single(b, s->row[0]);
	for (struct link *at = links_first(&b->sets, s->hash); at != NULL; at = at->next) {
		struct target *t = (struct target *)(void *)((char *)at - offsetof(struct target, link));
		if (at->hash == s->hash && is_of(t, s))
			return t;
	}
	return NULL;
}

static void target_free_if_idle(struct bus *b, struct target *t)
{
	if (lane_members(t) > 0 || t->groups != NULL)
		return;
	feed_unlist(b, &t->values.feed);
	if (t->filter_count > 1)
		links_remove(&b->sets, &t->link);
	b->targets--;
	target_free(b, t, t->filter_count);
}

// --- subscriptions, under the lock -------------------------------------------------------------------------------------

static bool join(struct subscription *s, const struct subscribe *wanted)
{
	s->feed.only = s;
	if (wanted->group.len == 0)
		return lane_join(s->target, s, wanted->encoding);
	s->group = group_join(s->target, s, wanted->group, wanted->sticky);
	return s->group != NULL;
}

static uint64_t bound(int64_t wanted, int64_t preset, int64_t most)
{
	int64_t chosen = wanted > 0 ? wanted : preset;
	return (uint64_t)(chosen < most ? chosen : most);
}

struct subscription *subscription_new(struct outbox *o, enum overflow overflow, int64_t messages, int64_t bytes)
{
	const struct bus_limits *l = o->bus->limits;
	struct subscription *s = mem_zalloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	*s = (struct subscription){.id = ++o->bus->next_id,
	    .outbox = o,
	    .overflow = overflow,
	    .max_messages = bound(messages, l->messages, l->messages_most),
	    .max_bytes = bound(bytes, l->bytes, l->bytes_most),
	    .next_seq = 1};
	return s;
}

void subscription_list(struct outbox *o, struct subscription *s)
{
	pthread_mutex_lock(&o->lock);
	s->next = o->subscriptions;
	o->subscriptions = s;
	o->subscription_count++;
	pthread_mutex_unlock(&o->lock);
	o->bus->subscriptions++;
}

static void unlist(struct outbox *o, struct subscription *s)
{
	pthread_mutex_lock(&o->lock);
	struct subscription **at = &o->subscriptions;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	o->subscription_count--;
	pthread_mutex_unlock(&o->lock);
	o->bus->subscriptions--;
}

static int subscribe(struct outbox *o, const struct subscribe *wanted, const struct set *set, struct subscription **out,
    const char **why)
{
	struct bus *b = o->bus;
	if (o->subscription_count >= (uint64_t)b->limits->subscriptions) {
		*why = "the session has max_subscriptions already: end one with pubsub.unsubscribe";
		return WHERRY_ELIMIT;
	}
	struct target *t = target_find(b, set);
	int status = t != NULL ? WHERRY_OK : target_make(b, set, &t, why);
	if (status != WHERRY_OK)
		return status;
	struct subscription *s = subscription_new(o, wanted->overflow, wanted->messages, wanted->bytes);
	if (s != NULL)
		s->target = t;
	if (s == NULL || !join(s, wanted)) {
		mem_free(s);
		target_free_if_idle(b, t);
		return WHERRY_ENOMEM;
	}
	subscription_list(o, s);
	*out = s;
	return WHERRY_OK;
}

// --- what is kept, first ------------------------------------------------------------------------------------------------

struct catching_up {
	struct subscription *subscription;
	int64_t now_ms;
	struct segment *open;
	uint64_t count, lost; // lost: for want of memory, behind those of `open`
};

static void hand_over(struct catching_up *c)
{
	outbox_add(c->subscription, c->open, c->lost);
	segment_drop(c->open);
	c->open = NULL;
	c->lost = 0;
}

static int32_t catch_up_with(void *arg, struct kept *k)
{
	struct catching_up *c = arg;
	struct bus *b = c->subscription->outbox->bus;
	bool again = k->met == b->look;
	k->met = b->look;
	if (again || (k->expires_ms != 0 && k->expires_ms <= c->now_ms))
		return 0;
	if (c->open != NULL && (segment_full(c->open) || c->lost > 0))
		hand_over(c);
	if (c->open == NULL)
		c->open = segment_new();
	if (c->open == NULL || !segment_add_retained(c->open, k->topic, k->payload, k->headers))
		c->lost++;
	c->count++;
	return 0;
}

static void catch_up(struct subscription *s, int64_t now_ms)
{
	struct bus *b = s->outbox->bus;
	struct catching_up c = {.subscription = s, .now_ms = now_ms};
	b->look++;
	for (uint32_t i = 0; i < s->target->filter_count; i++)
		retained_each(&b->retained, s->target->filters[i], catch_up_with, &c);
	if (c.count == 0)
		return;
	hand_over(&c);
	b->matched += c.count;
}

// --- for sessions -------------------------------------------------------------------------------------------------------

static int fault(const struct subscribe *wanted, const char **why)
{
	*why = wanted->filter_count == 0 ? "it takes at least one filter" : NULL;
	if (wanted->filter_count > SUBSCRIBE_FILTERS)
		*why = "a subscription has at most 256 filters";
	if (wanted->group.len > NAME_MOST || wanted->sticky.len > NAME_MOST)
		*why = "a group's and a header's name are at most 128 bytes long";
	if (wanted->group.len == 0 && wanted->sticky.len > 0)
		*why = "sticky chooses among the members of a group: name one";
	if (wanted->group.len > 0 && wanted->retained)
		*why = "a group does not get what is retained: each of its members would";
	for (uint32_t i = 0; *why == NULL && i < wanted->filter_count; i++)
		*why = filter_fault(wanted->filters[i]);
	return *why == NULL ? WHERRY_OK : WHERRY_EARG;
}

int bus_subscribe(struct outbox *o, const struct subscribe *wanted, uint64_t *id, const char **why)
{
	struct set set;
	struct subscription *s;
	int status = fault(wanted, why);
	if (status != WHERRY_OK)
		return status;
	set_make(o->bus, &set, wanted);
	pthread_mutex_lock(&o->bus->lock);
	status = subscribe(o, wanted, &set, &s, why);
	if (status == WHERRY_OK) {
		*id = s->id;
		if (wanted->retained)
			catch_up(s, wanted->now_ms);
	}
	pthread_mutex_unlock(&o->bus->lock);
	return status;
}

static void leave_target(struct bus *b, struct subscription *s)
{
	struct target *t = s->target;
	struct feed *f = s->group != NULL ? &s->feed : &s->lane->feed;
	if (f->listed)
		feed_empty(f);
	feed_unlist(b, &s->feed);
	if (s->group != NULL)
		group_leave(t, s);
	else
		lane_leave(b, s);
	target_free_if_idle(b, t);
}

// What waits for it is forgotten: nobody asks for it any more.
static void unsubscribe(struct bus *b, struct subscription *s)
{
	unlist(s->outbox, s);
	if (s->watches)
		watch_leave(b, s);
	else
		leave_target(b, s);
	outbox_forget(s);
	mem_free(s);
}

static bool end_one(struct outbox *o, uint64_t id, bool watches)
{
	pthread_mutex_lock(&o->bus->lock);
	struct subscription *s = o->subscriptions;
	while (s != NULL && !(s->id == id && s->watches == watches))
		s = s->next;
	if (s != NULL)
		unsubscribe(o->bus, s);
	pthread_mutex_unlock(&o->bus->lock);
	return s != NULL;
}

bool bus_unsubscribe(struct outbox *o, uint64_t id)
{
	return end_one(o, id, false);
}

bool bus_unwatch(struct outbox *o, uint64_t id)
{
	return end_one(o, id, true);
}

void outbox_close(struct outbox *o)
{
	pthread_mutex_lock(&o->bus->lock);
	while (o->subscriptions != NULL)
		unsubscribe(o->bus, o->subscriptions);
	o->closed = true;
	pthread_mutex_unlock(&o->bus->lock);
	outbox_drop(o);
}
