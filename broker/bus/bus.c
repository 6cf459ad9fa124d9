#include "bus/bus.h"

#include "base/mem.h"
#include "bus/inside.h"
#include "wherry/status.h"

enum { NAME_MOST = 128 };

// --- opening and closing ----------------------------------------------------------------------------------------------

int bus_open(struct bus **out, const struct bus_limits *limits)
{
	struct bus *b = mem_zalloc(sizeof(*b));
	if (b == NULL || filters_open(&b->filters) != WHERRY_OK) {
		mem_free(b);
		return WHERRY_ENOMEM;
	}
	b->limits = limits;
	hash_key_random(&b->key);
	pthread_mutex_init(&b->lock, NULL);
	*out = b;
	return WHERRY_OK;
}

void bus_close(struct bus *b)
{
	for (struct outbox *o = b->marked, *next; o != NULL; o = next) { // published to, and never flushed
		next = o->next_marked;
		outbox_drop(o);
	}
	filters_close(&b->filters);
	pthread_mutex_destroy(&b->lock);
	mem_free(b);
}

int outbox_open(struct bus *b, const struct outbox_ops *ops, void *peer, struct outbox **out)
{
	struct outbox *o = mem_zalloc(sizeof(*o));
	if (o == NULL)
		return WHERRY_ENOMEM;
	*o = (struct outbox){.bus = b, .ops = ops, .peer = peer};
	atomic_init(&o->refs, 1);
	pthread_mutex_init(&o->lock, NULL);
	*out = o;
	return WHERRY_OK;
}

// --- feeds, under the lock ----------------------------------------------------------------------------------------------

static void hand_out(struct feed *f, struct segment *g, uint64_t lost)
{
	if (f->only != NULL) {
		outbox_add(f->only, g, lost);
		return;
	}
	const struct target *t = (const struct target *)(const void *)f;
	for (uint32_t i = 0; i < t->plain.count; i++)
		outbox_add(t->plain.row[i], g, lost);
}

static void empty_feed(struct feed *f)
{
	struct segment *g = f->open;
	uint64_t lost = f->lost;
	f->open = NULL;
	f->lost = 0;
	hand_out(f, g, lost);
	segment_drop(g);
}

// --- subscriptions, under the lock -------------------------------------------------------------------------------------

static struct target *target_make(struct bus *b, struct filter_place *place, wherry_span filter, bool wild)
{
	struct target *t = mem_zalloc(sizeof(*t) + filter.len);
	if (t == NULL)
		return NULL;
	t->place = place;
	t->wild = wild;
	t->len = filter.len;
	memcpy(t->filter, filter.ptr, filter.len);
	*filter_target(place) = t;
	b->targets++;
	b->wildcards += wild;
	return t;
}

static void unlist_feed(struct bus *b, struct feed *f)
{
	if (!f->listed)
		return;
	struct feed **at = &b->feeds;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->listed = false;
}

static void target_free_if_idle(struct bus *b, struct target *t)
{
	if (t->plain.count > 0 || t->groups != NULL)
		return;
	unlist_feed(b, &t->feed);
	*filter_target(t->place) = NULL;
	filters_forget(&b->filters, t->place);
	b->targets--;
	b->wildcards -= t->wild;
	mem_free(t);
}

static int find_target(struct bus *b, wherry_span filter, struct target **out, const char **why)
{
	struct filter_place *place;
	bool wild = filter_is_wild(filter);
	int status = filters_place(&b->filters, filter, &place);
	if (status == WHERRY_ELIMIT)
		*why = "a filter with a wildcard has at most 32 tokens";
	if (status != WHERRY_OK)
		return status;
	*out = *filter_target(place);
	if (*out != NULL)
		return WHERRY_OK;
	if (wild && b->wildcards >= (uint64_t)b->limits->wildcards) {
		*why = "there are max_wildcards different filters with a wildcard already";
		status = WHERRY_ELIMIT;
	} else {
		*out = target_make(b, place, filter, wild);
		status = *out != NULL ? WHERRY_OK : WHERRY_ENOMEM;
	}
	if (status != WHERRY_OK)
		filters_forget(&b->filters, place);
	return status;
}

static bool join(struct subscription *s, const struct subscribe *wanted)
{
	struct target *t = s->target;
	s->feed.only = s;
	if (wanted->group.len > 0) {
		s->group = group_join(t, s, wanted->group, wanted->sticky);
		return s->group != NULL;
	}
	if (t->feed.listed) // what is in its open segment was published before
		empty_feed(&t->feed);
	return members_add(&t->plain, s);
}

static uint64_t bound(int64_t wanted, int64_t preset, int64_t most)
{
	int64_t chosen = wanted > 0 ? wanted : preset;
	return (uint64_t)(chosen < most ? chosen : most);
}

static struct subscription *subscription_new(struct outbox *o, const struct subscribe *wanted)
{
	const struct bus_limits *l = o->bus->limits;
	struct subscription *s = mem_zalloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	*s = (struct subscription){.id = ++o->bus->next_id,
	    .outbox = o,
	    .overflow = wanted->overflow,
	    .max_messages = bound(wanted->messages, l->messages, l->messages_most),
	    .max_bytes = bound(wanted->bytes, l->bytes, l->bytes_most),
	    .next_seq = 1};
	return s;
}

static void list(struct outbox *o, struct subscription *s)
{
	pthread_mutex_lock(&o->lock);
	s->next = o->subscriptions;
	o->subscriptions = s;
	o->subscription_count++;
	pthread_mutex_unlock(&o->lock);
	o->bus->subscriptions++;
}

static int subscribe(struct outbox *o, const struct subscribe *wanted, uint64_t *id, const char **why)
{
	struct bus *b = o->bus;
	struct target *t;
	if (o->subscription_count >= (uint64_t)b->limits->subscriptions) {
		*why = "the session has max_subscriptions already: end one with pubsub.unsubscribe";
		return WHERRY_ELIMIT;
	}
	int status = find_target(b, wanted->filter, &t, why);
	if (status != WHERRY_OK)
		return status;
	struct subscription *s = subscription_new(o, wanted);
	if (s != NULL)
		s->target = t;
	if (s == NULL || !join(s, wanted)) {
		mem_free(s);
		target_free_if_idle(b, t);
		return WHERRY_ENOMEM;
	}
	list(o, s);
	*id = s->id;
	return WHERRY_OK;
}

int bus_subscribe(struct outbox *o, const struct subscribe *wanted, uint64_t *id, const char **why)
{
	*why = filter_fault(wanted->filter);
	if (*why == NULL && (wanted->group.len > NAME_MOST || wanted->sticky.len > NAME_MOST))
		*why = "a group's and a header's name are at most 128 bytes long";
	if (*why != NULL)
		return WHERRY_EARG;
	pthread_mutex_lock(&o->bus->lock);
	int status = subscribe(o, wanted, id, why);
	pthread_mutex_unlock(&o->bus->lock);
	return status;
}

// What waits for it is forgotten: nobody asks for it any more.
static void unsubscribe(struct bus *b, struct subscription *s)
{
	struct outbox *o = s->outbox;
	struct target *t = s->target;
	struct feed *f = s->group != NULL ? &s->feed : &t->feed;
	if (f->listed)
		empty_feed(f);
	outbox_forget(s);
	unlist_feed(b, &s->feed);
	if (s->group != NULL)
		group_leave(t, s);
	else
		members_remove(&t->plain, s);
	target_free_if_idle(b, t);
	pthread_mutex_lock(&o->lock);
	struct subscription **at = &o->subscriptions;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	o->subscription_count--;
	pthread_mutex_unlock(&o->lock);
	b->subscriptions--;
	mem_free(s);
}

bool bus_unsubscribe(struct outbox *o, uint64_t id)
{
	pthread_mutex_lock(&o->bus->lock);
	struct subscription *s = o->subscriptions;
	while (s != NULL && s->id != id)
		s = s->next;
	if (s != NULL)
		unsubscribe(o->bus, s);
	pthread_mutex_unlock(&o->bus->lock);
	return s != NULL;
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

// --- publishing ---------------------------------------------------------------------------------------------------------

struct publishing {
	struct bus *bus;
	wherry_span topic, payload, headers;
	uint64_t matched;
};

static void feed_add(struct publishing *p, struct feed *f)
{
	if (!f->listed) {
		f->listed = true;
		f->next = p->bus->feeds;
		p->bus->feeds = f;
	}
	if (f->open != NULL && (segment_full(f->open) || f->lost > 0))
		empty_feed(f);
	if (f->open == NULL)
		f->open = segment_new();
	if (f->open == NULL || !segment_add(f->open, p->topic, p->payload, p->headers))
		f->lost++;
}

static void to_target(void *arg, void *target)
{
	struct publishing *p = arg;
	struct target *t = target;
	if (t->plain.count > 0)
		feed_add(p, &t->feed);
	p->matched += t->plain.count;
	for (struct group *g = t->groups; g != NULL; g = g->next) {
		feed_add(p, &group_choose(p->bus, g, p->headers)->feed);
		p->matched++;
	}
}

uint64_t bus_publish(struct bus *b, wherry_span topic, wherry_span payload, wherry_span headers)
{
	struct publishing p = {b, topic, payload, headers, 0};
	pthread_mutex_lock(&b->lock);
	if (b->targets > 0)
		filters_match(&b->filters, topic, to_target, &p);
	atomic_store_explicit(&b->has_feeds, b->feeds != NULL, memory_order_relaxed);
	pthread_mutex_unlock(&b->lock);
	atomic_fetch_add_explicit(&b->published, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&b->matched, p.matched, memory_order_relaxed);
	return p.matched;
}

// Whoever is told may take at once, so nothing is locked meanwhile; the reference keeps the outbox, not its peer, so a
// closed one is left alone.
static void tell(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	bool over = o->overflowed;
	pthread_mutex_unlock(&o->lock);
	if (over)
		o->ops->overflow(o->peer);
	else
		o->ops->ready(o->peer);
}

void bus_flush(struct bus *b)
{
	if (!atomic_load_explicit(&b->has_feeds, memory_order_relaxed))
		return;
	pthread_mutex_lock(&b->lock);
	for (struct feed *f = b->feeds, *next; f != NULL; f = next) {
		next = f->next;
		f->listed = false;
		empty_feed(f);
	}
	b->feeds = NULL;
	atomic_store_explicit(&b->has_feeds, false, memory_order_relaxed);
	struct outbox *marked = b->marked;
	b->marked = NULL;
	pthread_mutex_unlock(&b->lock);
	for (struct outbox *next; marked != NULL; marked = next) {
		next = marked->next_marked;
		atomic_store(&marked->marked, false); // from here on it may be marked again, and told once more
		tell(marked);
		outbox_drop(marked);
	}
}

void bus_read_stats(struct bus *b, struct bus_stats *s)
{
	pthread_mutex_lock(&b->lock);
	*s = (struct bus_stats){
	    b->subscriptions, b->targets, b->published, b->matched, b->delivered, b->dropped, b->forgotten};
	pthread_mutex_unlock(&b->lock);
}
