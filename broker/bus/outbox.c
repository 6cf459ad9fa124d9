// What waits for one session.  Entries stand in the order in which their messages were published, and each subscription's
// own are linked among them, so the oldest of one can be dropped without a look at the others.  What was dropped is told
// with the next delivery of that subscription: entry.lost, or subscription.lost while nothing stands behind the gap.

#include "base/mem.h"
#include "bus/inside.h"
#include "codec/pack.h"
#include "wherry/status.h"

// --- entries, under the lock ----------------------------------------------------------------------------------------

static void unlink_entry(struct outbox *o, struct entry *e)
{
	*(e->prev != NULL ? &e->prev->next : &o->first) = e->next;
	*(e->next != NULL ? &e->next->prev : &o->last) = e->prev;
}

static void entry_free(struct entry *e)
{
	if (e->subscription->overflow == OVERFLOW_CONFLATE)
		links_remove(&e->subscription->topics, &e->link);
	segment_drop(e->segment);
	mem_free(e);
}

// The subscription's oldest.
void outbox_remove_first(struct subscription *s)
{
	struct entry *e = s->first;
	s->first = e->later;
	*(s->first != NULL ? &s->first->earlier : &s->last) = NULL;
	unlink_entry(s->outbox, e);
	entry_free(e);
}

static void count_dropped(struct subscription *s, uint64_t count)
{
	s->dropped += count;
	atomic_fetch_add_explicit(&s->outbox->bus->dropped, count, memory_order_relaxed);
}

// Told with whatever comes behind the gap.
static void tell_lost(struct subscription *s, struct entry *behind, uint64_t count)
{
	*(behind != NULL ? &behind->lost : &s->lost) += count;
}

// So many of the oldest messages go; the first that is left says so.
static void drop_oldest(struct subscription *s, uint64_t count)
{
	while (count > 0 && s->first != NULL) {
		struct entry *e = s->first;
		uint64_t has = e->to - e->from, some = count < has ? count : has, before = e->lost;
		s->pending -= some;
		s->bytes -= segment_bytes(e->segment, e->from, e->from + (uint32_t)some);
		count_dropped(s, some);
		count -= some;
		e->from += (uint32_t)some;
		e->seq += some;
		if (e->from < e->to) {
			e->lost += some;
			return;
		}
		outbox_remove_first(s);
		tell_lost(s, s->first, before + some);
	}
}

static struct entry *append_entry(struct subscription *s, struct segment *g, uint32_t from, uint32_t to)
{
	struct outbox *o = s->outbox;
	struct entry *e = mem_zalloc(sizeof(*e));
	if (e == NULL)
		return NULL;
	*e = (struct entry){.prev = o->last,
	    .subscription = s,
	    .segment = g,
	    .from = from,
	    .to = to,
	    .seq = s->next_seq,
	    .lost = s->lost};
	segment_hold(g, 1);
	s->lost = 0;
	*(o->last != NULL ? &o->last->next : &o->first) = e;
	o->last = e;
	e->earlier = s->last;
	*(s->last != NULL ? &s->last->later : &s->first) = e;
	s->last = e;
	s->pending += to - from;
	s->bytes += segment_bytes(g, from, to);
	return e;
}

static void lose(struct subscription *s, uint64_t count)
{
	s->next_seq += count;
	s->lost += count;
	count_dropped(s, count);
}

// --- bounds and policies, under the lock ------------------------------------------------------------------------------

// Whether one more fits behind `before` of them, `bytes` with it.  One alone always does, however large: it could never come.
static bool fits(const struct subscription *s, uint64_t before, uint64_t bytes)
{
	return before == 0 || (before < s->max_messages && bytes <= s->max_bytes);
}

// How many messages from `from` on fit behind what is pending.
static uint32_t fitting(const struct subscription *s, const struct segment *g, uint32_t from)
{
	uint32_t to = from;
	while (to < g->count && fits(s, s->pending + (to - from), s->bytes + segment_bytes(g, from, to + 1)))
		to++;
	return to;
}

static void add_run(struct subscription *s, struct segment *g, uint32_t from, uint32_t to)
{
	if (from == to)
		return;
	if (append_entry(s, g, from, to) == NULL)
		lose(s, to - from);
	else
		s->next_seq += to - from;
}

// Where the newest messages that fit alone begin.
static uint32_t newest(const struct subscription *s, const struct segment *g)
{
	uint32_t from = g->count;
	if (from <= s->max_messages && segment_bytes(g, 0, from) <= s->max_bytes)
		return 0;
	while (from > 0 && fits(s, g->count - from, segment_bytes(g, from - 1, g->count)))
		from--;
	return from;
}

static void add_dropping_oldest(struct subscription *s, struct segment *g)
{
	uint32_t from = newest(s, g);
	if (from > 0) { // nothing of what waits can stay
		drop_oldest(s, s->pending);
		lose(s, from);
	}
	uint64_t count = g->count - from, bytes = segment_bytes(g, from, g->count);
	while (s->first != NULL && (s->pending + count > s->max_messages || s->bytes + bytes > s->max_bytes))
		drop_oldest(s, s->pending + count > s->max_messages ? s->pending + count - s->max_messages : 1);
	add_run(s, g, from, g->count);
}

static void add_dropping_newest(struct subscription *s, struct segment *g)
{
	uint32_t to = fitting(s, g, 0);
	add_run(s, g, 0, to);
	if (to < g->count)
		lose(s, g->count - to);
}

static struct entry *same_topic(const struct subscription *s, wherry_span topic, uint64_t hash)
{
	for (struct link *at = links_first(&s->topics, hash); at != NULL; at = at->next) {
		struct entry *e = (struct entry *)at;
		if (at->hash == hash && span_equal(segment_topic(e->segment, e->from), topic))
			return e;
	}
	return NULL;
}

// The older one of its topic goes; whoever stood behind it says so.
static void replace_older(struct subscription *s, struct entry *e)
{
	*(e->earlier != NULL ? &e->earlier->later : &s->first) = e->later;
	*(e->later != NULL ? &e->later->earlier : &s->last) = e->earlier;
	tell_lost(s, e->later, e->lost + 1);
	s->pending--;
	s->bytes -= segment_bytes(e->segment, e->from, e->to);
	count_dropped(s, 1);
	unlink_entry(s->outbox, e);
	entry_free(e);
}

static void add_conflating(struct subscription *s, struct segment *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		wherry_span topic = segment_topic(g, i);
		uint64_t hash = hash_bytes(&s->outbox->bus->key, topic.ptr, topic.len);
		struct entry *older = same_topic(s, topic, hash);
		if (older != NULL)
			replace_older(s, older);
		while (s->first != NULL && fitting(s, g, i) == i)
			drop_oldest(s, 1);
		struct entry *e = fitting(s, g, i) > i ? append_entry(s, g, i, i + 1) : NULL;
		if (e == NULL) {
			lose(s, 1);
			continue;
		}
		s->next_seq++;
		e->link.hash = hash;
		if (!links_add(&s->topics, &e->link)) // the very first: no memory for the table
			s->overflow = OVERFLOW_DROP_OLDEST;
	}
}

static void add_or_end(struct subscription *s, struct segment *g)
{
	uint32_t to = fitting(s, g, 0);
	if (to == g->count) {
		add_run(s, g, 0, to);
		return;
	}
	lose(s, g->count);
	s->outbox->overflowed = true;
}

static void add_segment(struct subscription *s, struct segment *g)
{
	switch (s->overflow) {
	case OVERFLOW_DROP_OLDEST:
		add_dropping_oldest(s, g);
		break;
	case OVERFLOW_DROP_NEWEST:
		add_dropping_newest(s, g);
		break;
	case OVERFLOW_CONFLATE:
		add_conflating(s, g);
		break;
	case OVERFLOW_DISCONNECT:
		add_or_end(s, g);
		break;
	}
}

// --- between bus and session ------------------------------------------------------------------------------------------

// Under bus.lock.
static void mark(struct outbox *o)
{
	if (atomic_exchange(&o->marked, true))
		return;
	atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	o->next_marked = o->bus->marked;
	o->bus->marked = o;
	atomic_store_explicit(&o->bus->has_work, true, memory_order_relaxed);
}

void outbox_add(struct subscription *s, struct segment *g, uint64_t lost)
{
	struct outbox *o = s->outbox;
	pthread_mutex_lock(&o->lock);
	if (g != NULL)
		add_segment(s, g);
	if (lost > 0)
		lose(s, lost);
	bool tell = (o->first != NULL && !o->told) || o->overflowed;
	o->told |= o->first != NULL;
	pthread_mutex_unlock(&o->lock);
	if (tell)
		mark(o);
}

// Under bus.lock.
void outbox_forget(struct subscription *s)
{
	pthread_mutex_lock(&s->outbox->lock);
	atomic_fetch_add_explicit(&s->outbox->bus->forgotten, s->pending, memory_order_relaxed);
	while (s->first != NULL)
		outbox_remove_first(s);
	links_free(&s->topics);
	pthread_mutex_unlock(&s->outbox->lock);
}

void outbox_drop(struct outbox *o)
{
	if (atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
		return;
	void (*gone)(void *) = o->ops->gone;
	void *peer = o->peer;
	pthread_mutex_destroy(&o->lock);
	mem_free(o);
	gone(peer);
}
