#include "bus/bus.h"

#include "base/mem.h"
#include "bus/inside.h"
#include "wherry/status.h"

// --- opening and closing ----------------------------------------------------------------------------------------------

int bus_open(struct bus **out, const struct bus_limits *limits)
{
	struct bus *b = mem_zalloc(sizeof(*b));
	if (b == NULL || filters_open(&b->filters) != WHERRY_OK) {
		mem_free(b);
		return WHERRY_ENOMEM;
	}
	if (retained_open(&b->retained) != WHERRY_OK) {
		filters_close(&b->filters);
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
	links_free(&b->sets);
	links_free(&b->watched_keys);
	retained_close(&b->retained);
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
	const struct members *m = &((const struct lane *)(const void *)f)->members;
	for (uint32_t i = 0; i < m->count; i++)
		outbox_add(m->row[i], g, lost);
}

void feed_empty(struct feed *f)
{
	struct segment *g = f->open;
	uint64_t lost = f->lost;
	f->open = NULL;
	f->lost = 0;
	hand_out(f, g, lost);
	segment_drop(g);
}

void feed_unlist(struct bus *b, struct feed *f)
{
	if (!f->listed)
		return;
	struct feed **at = &b->feeds;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->listed = false;
}

// --- publishing ---------------------------------------------------------------------------------------------------------

void bus_note_work(struct bus *b)
{
	bool has = b->feeds != NULL || b->marked != NULL;
	atomic_store_explicit(&b->has_work, has, memory_order_relaxed);
}

struct publishing {
	struct bus *bus;
	const wherry_message *message;
	wherry_span body; // of a PUB client's, all that it sent; else empty
	uint64_t matched;
};

static bool encode(const struct publishing *p, const struct feed *f)
{
	const wherry_message *m = p->message;
	if (f->encoding == ENCODED_VALUES)
		return segment_add(f->open, m->topic, m->payload, m->headers);
	return segment_add_frame(f->open, f->encoding == ENCODED_MARKED_FRAMES, m->topic, m->payload, p->body);
}

static void feed_add(struct publishing *p, struct feed *f)
{
	if (!f->listed) {
		f->listed = true;
		f->next = p->bus->feeds;
		p->bus->feeds = f;
	}
	if (f->open != NULL && (segment_full(f->open) || f->lost > 0))
		feed_empty(f);
	if (f->open == NULL)
		f->open = segment_new();
	if (f->open == NULL || !encode(p, f))
		f->lost++;
}

static void to_target(struct publishing *p, struct target *t)
{
	for (struct lane *l = &t->values; l != NULL; l = l->next)
		if (l->members.count > 0)
			feed_add(p, &l->feed);
	p->matched += lane_members(t);
	for (struct group *g = t->groups; g != NULL; g = g->next) {
		feed_add(p, &group_choose(p->bus, g, p->message->headers)->feed);
		p->matched++;
	}
}

static bool met_before(const struct bus *b, struct target *t)
{
	bool before = t->met == b->look;
	t->met = b->look;
	return before;
}

static void to_place(void *arg, void *leaves)
{
	struct publishing *p = arg;
	for (struct leaf *at = leaves; at != NULL; at = at->next)
		if (!met_before(p->bus, at->target))
			to_target(p, at->target);
}

static void count_place(void *arg, void *leaves)
{
	struct publishing *p = arg;
	for (struct leaf *at = leaves; at != NULL; at = at->next) {
		if (met_before(p->bus, at->target))
			continue;
		p->matched += lane_members(at->target);
		for (const struct group *g = at->target->groups; g != NULL; g = g->next)
			p->matched++;
	}
}

// Under the lock.
static uint64_t matches(struct bus *b, wherry_span topic)
{
	struct publishing p = {.bus = b};
	b->look++;
	if (b->targets > 0)
		filters_match(&b->filters, topic, count_place, &p);
	return p.matched;
}

static int publish(struct publishing *p)
{
	struct bus *b = p->bus;
	const wherry_message *m = p->message;
	if (m->require > 0 && matches(b, m->topic) < m->require)
		return WHERRY_ENORESP;
	if (m->flags & WHERRY_MESSAGE_RETAIN && retained_put(&b->retained, m) != WHERRY_OK)
		return WHERRY_ENOMEM;
	if (m->flags & WHERRY_MESSAGE_SILENT)
		return WHERRY_OK;
	b->look++;
	if (b->targets > 0)
		filters_match(&b->filters, m->topic, to_place, p);
	bus_note_work(b);
	b->published++;
	b->matched += p->matched;
	return WHERRY_OK;
}

int bus_send(struct bus *b, const wherry_message *m, uint64_t *receivers)
{
	struct publishing p = {.bus = b, .message = m};
	pthread_mutex_lock(&b->lock);
	int status = publish(&p);
	pthread_mutex_unlock(&b->lock);
	*receivers = p.matched;
	return status;
}

uint64_t bus_publish(struct bus *b, wherry_span topic, wherry_span payload, wherry_span headers)
{
	uint64_t receivers;
	wherry_message m = {.size = sizeof(m), .topic = topic, .payload = payload, .headers = headers};
	bus_send(b, &m, &receivers);
	return receivers;
}

uint64_t bus_publish_plain(struct bus *b, wherry_span topic, wherry_span payload, wherry_span body)
{
	wherry_message m = {.size = sizeof(m), .topic = topic, .payload = payload};
	struct publishing p = {.bus = b, .message = &m, .body = body};
	pthread_mutex_lock(&b->lock);
	publish(&p);
	pthread_mutex_unlock(&b->lock);
	return p.matched;
}

uint64_t bus_matches(struct bus *b, wherry_span topic)
{
	pthread_mutex_lock(&b->lock);
	uint64_t matched = matches(b, topic);
	pthread_mutex_unlock(&b->lock);
	return matched;
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
	if (!atomic_load_explicit(&b->has_work, memory_order_relaxed))
		return;
	pthread_mutex_lock(&b->lock);
	for (struct feed *f = b->feeds, *next; f != NULL; f = next) {
		next = f->next;
		f->listed = false;
		feed_empty(f);
	}
	b->feeds = NULL;
	atomic_store_explicit(&b->has_work, false, memory_order_relaxed);
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

// --- what there is ------------------------------------------------------------------------------------------------------

void bus_read_stats(struct bus *b, struct bus_stats *s)
{
	pthread_mutex_lock(&b->lock);
	*s = (struct bus_stats){.subscriptions = b->subscriptions,
	    .filters = b->targets,
	    .published = b->published,
	    .retained = b->retained.count,
	    .retained_bytes = b->retained.bytes,
	    .matched = b->matched,
	    .delivered = b->delivered,
	    .dropped = b->dropped,
	    .forgotten = b->forgotten};
	pthread_mutex_unlock(&b->lock);
}

bool bus_may_retain(struct bus *b, const wherry_message *m)
{
	uint64_t count, bytes;
	pthread_mutex_lock(&b->lock);
	retained_would_be(&b->retained, m, &count, &bytes);
	bool fewer = count <= b->retained.count && bytes <= b->retained.bytes; // after the limits were lowered
	pthread_mutex_unlock(&b->lock);
	return fewer || (count <= (uint64_t)b->limits->retained && bytes <= (uint64_t)b->limits->retained_bytes);
}

struct showing {
	int64_t now_ms;
	int32_t (*each)(void *arg, const wherry_message *);
	void *arg;
};

static int32_t show_kept(void *arg, struct kept *k)
{
	const struct showing *s = arg;
	if (k->expires_ms != 0 && k->expires_ms <= s->now_ms)
		return 0;
	wherry_message m = {.size = sizeof(m),
	    .flags = WHERRY_MESSAGE_RETAIN,
	    .topic = k->topic,
	    .payload = k->payload,
	    .headers = k->headers,
	    .expires_ms = k->expires_ms};
	return s->each(s->arg, &m);
}

void bus_each_retained(
    struct bus *b, wherry_span filter, int64_t now_ms, int32_t (*each)(void *arg, const wherry_message *), void *arg)
{
	struct showing s = {now_ms, each, arg};
	pthread_mutex_lock(&b->lock);
	retained_each(&b->retained, filter, show_kept, &s);
	pthread_mutex_unlock(&b->lock);
}

struct naming {
	wherry_span match;
	int32_t (*each)(void *arg, const wherry_topic *);
	void *arg;
	bool over;
};

static void add_counts(wherry_topic *t, const struct target *of)
{
	t->subscriptions += lane_members(of);
	for (const struct group *g = of->groups; g != NULL; g = g->next) {
		t->subscriptions += g->members.count;
		t->groups++;
	}
}

static void name_place(void *arg, void *leaves)
{
	struct naming *n = arg;
	const struct leaf *first = leaves;
	wherry_topic t = {.size = sizeof(t), .filter = first->target->filters[first - first->target->leaf]};
	if (n->over || (n->match.len > 0 && !filter_matches(n->match, t.filter)))
		return;
	for (const struct leaf *at = first; at != NULL; at = at->next)
		add_counts(&t, at->target);
	n->over = n->each(n->arg, &t) != 0;
}

void bus_each_topic(struct bus *b, wherry_span match, int32_t (*each)(void *arg, const wherry_topic *), void *arg)
{
	struct naming n = {match, each, arg, false};
	pthread_mutex_lock(&b->lock);
	filters_each(&b->filters, name_place, &n);
	pthread_mutex_unlock(&b->lock);
}
