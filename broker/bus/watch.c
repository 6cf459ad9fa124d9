// Watches: subscriptions to what becomes of keys.  A watch stands at points, one for each key and pattern that it names;
// whoever stands at a point is told.  An event is encoded once for all who get it, and goes straight into their outboxes.

#include "base/glob.h"
#include "base/mem.h"
#include "bus/inside.h"
#include "codec/cursor.h"
#include "codec/pack.h"
#include "wherry/status.h"

// A key, or a pattern over the str and bin keys of a namespace.
struct watch_point {
	struct link link;         // of a key: in bus.watched_keys
	struct watch_point *next; // of a pattern: in bus.patterns
	struct members members;
	uint32_t ns;
	bool pattern;
	size_t len;
	unsigned char text[];
};

static uint64_t hash_of(const struct bus *b, uint32_t ns, wherry_span key)
{
	return hash_bytes(&b->key, key.ptr, key.len) ^ ns;
}

static bool is_point(const struct watch_point *p, uint32_t ns, wherry_span text)
{
	return p->ns == ns && span_equal(span_of(p->text, p->len), text);
}

// --- points, under the lock -------------------------------------------------------------------------------------------

static struct watch_point *find_key(const struct bus *b, uint32_t ns, wherry_span key)
{
	uint64_t hash = hash_of(b, ns, key);
	for (struct link *at = links_first(&b->watched_keys, hash); at != NULL; at = at->next) {
		struct watch_point *p = (struct watch_point *)(void *)at;
		if (at->hash == hash && is_point(p, ns, key))
			return p;
	}
	return NULL;
}

static struct watch_point *find_pattern(const struct bus *b, uint32_t ns, wherry_span pattern)
{
	struct watch_point *p = b->patterns;
	while (p != NULL && !is_point(p, ns, pattern))
		p = p->next;
	return p;
}

static bool list_point(struct bus *b, struct watch_point *p)
{
	if (!p->pattern) {
		p->link.hash = hash_of(b, p->ns, span_of(p->text, p->len));
		return links_add(&b->watched_keys, &p->link);
	}
	p->next = b->patterns;
	b->patterns = p;
	b->pattern_count++;
	return true;
}

static struct watch_point *make_point(struct bus *b, uint32_t ns, wherry_span text, bool pattern)
{
	struct watch_point *p = mem_zalloc(sizeof(*p) + text.len);
	if (p == NULL)
		return NULL;
	p->ns = ns;
	p->pattern = pattern;
	p->len = text.len;
	memcpy(p->text, text.ptr, text.len);
	if (list_point(b, p))
		return p;
	mem_free(p);
	return NULL;
}

static void free_point_if_idle(struct bus *b, struct watch_point *p)
{
	if (p->members.count > 0)
		return;
	if (!p->pattern) {
		links_remove(&b->watched_keys, &p->link);
	} else {
		struct watch_point **at = &b->patterns;
		while (*at != p)
			at = &(*at)->next;
		*at = p->next;
		b->pattern_count--;
	}
	mem_free(p);
}

// --- watching ---------------------------------------------------------------------------------------------------------

// Once at each point, or it would be told twice.
static int stand_at(struct bus *b, struct subscription *s, uint32_t ns, wherry_span text, bool pattern)
{
	struct watch_point *p = pattern ? find_pattern(b, ns, text) : find_key(b, ns, text);
	for (uint32_t i = 0; p != NULL && i < s->point_count; i++)
		if (s->points[i] == p)
			return WHERRY_OK;
	if (p == NULL)
		p = make_point(b, ns, text, pattern);
	if (p == NULL)
		return WHERRY_ENOMEM;
	if (!members_add(&p->members, s)) {
		free_point_if_idle(b, p);
		return WHERRY_ENOMEM;
	}
	s->points[s->point_count++] = p;
	atomic_fetch_add_explicit(&b->watched, 1, memory_order_relaxed);
	return WHERRY_OK;
}

// Under the bus's lock.
void watch_leave(struct bus *b, struct subscription *s)
{
	for (uint32_t i = 0; i < s->point_count; i++) {
		members_remove(&s->points[i]->members, s);
		free_point_if_idle(b, s->points[i]);
		atomic_fetch_sub_explicit(&b->watched, 1, memory_order_relaxed);
	}
	s->outbox->point_count -= s->point_count;
	mem_free(s->points);
}

static int stand_at_all(struct bus *b, struct subscription *s, const struct watch *w)
{
	int status = WHERRY_OK;
	for (uint32_t i = 0; i < w->key_count && status == WHERRY_OK; i++)
		status = stand_at(b, s, w->ns, w->keys[i], false);
	for (uint32_t i = 0; i < w->pattern_count && status == WHERRY_OK; i++)
		status = stand_at(b, s, w->ns, w->patterns[i], true);
	s->outbox->point_count += s->point_count;
	return status;
}

static const char *lacks_room(const struct outbox *o, const struct watch *w)
{
	const struct bus_limits *l = o->bus->limits;
	int64_t points = (int64_t)w->key_count + w->pattern_count;
	if ((int64_t)o->subscription_count >= l->subscriptions)
		return "the session has max_subscriptions already: end one";
	if ((int64_t)o->point_count + points > l->watched_keys)
		return "the session watches max_watched_keys keys and patterns already: watch a pattern instead of "
		       "many keys";
	if (w->pattern_count > 0 && (int64_t)(o->bus->pattern_count + w->pattern_count) > l->watch_patterns)
		return "there are max_watch_patterns patterns already";
	return NULL;
}

static int watch(struct outbox *o, const struct watch *w, uint64_t *id, const char **why)
{
	*why = lacks_room(o, w);
	if (*why != NULL)
		return WHERRY_ELIMIT;
	struct subscription *s = subscription_new(o, w->overflow, w->messages, w->bytes);
	size_t points = (size_t)w->key_count + w->pattern_count;
	if (s == NULL)
		return WHERRY_ENOMEM;
	s->watches = true;
	s->points = mem_alloc(points * sizeof(struct watch_point *));
	int status = s->points != NULL ? stand_at_all(o->bus, s, w) : WHERRY_ENOMEM;
	if (status != WHERRY_OK) {
		watch_leave(o->bus, s);
		mem_free(s);
		return status;
	}
	subscription_list(o, s);
	*id = s->id;
	return WHERRY_OK;
}

static const char *fault_of(const struct watch *w)
{
	if (w->key_count + w->pattern_count == 0)
		return "nothing is to be watched";
	if (w->overflow == OVERFLOW_CONFLATE)
		return "a watch can't conflate";
	for (uint32_t i = 0; i < w->pattern_count; i++) {
		const char *fault = glob_fault(w->patterns[i]);
		if (fault != NULL)
			return fault;
		if (w->patterns[i].len > WATCH_PATTERN_MOST)
			return "a pattern to watch is at most 256 bytes long";
	}
	return NULL;
}

int bus_watch(struct outbox *o, const struct watch *w, uint64_t *id, const char **why)
{
	*why = fault_of(w);
	if (*why != NULL)
		return WHERRY_EARG;
	pthread_mutex_lock(&o->bus->lock);
	int status = watch(o, w, id, why);
	pthread_mutex_unlock(&o->bus->lock);
	return status;
}

bool bus_has_key_filters(const struct bus *b)
{
	return atomic_load_explicit(&b->key_filters, memory_order_relaxed) > 0;
}

const atomic_uint *bus_watched(const struct bus *b)
{
	return &b->watched;
}

// --- telling ----------------------------------------------------------------------------------------------------------

// event, key, value, revision: what stands between the watch's id and what it lost.
static struct segment *encode(const struct key_event *e)
{
	struct segment *g = segment_new();
	if (g == NULL)
		return NULL;
	wherry_out out = {&g->bytes, NULL};
	pack_cstring(&out, e->event);
	pack_raw(&out, e->key);
	if (e->value.len > 0)
		pack_raw(&out, e->value);
	else
		pack_nil(&out);
	pack_uint(&out, e->revision);
	if (g->bytes.failed) {
		segment_drop(g);
		return NULL;
	}
	g->end[g->count++] = (uint32_t)g->bytes.len;
	return g;
}

// What can't be encoded for lack of memory is told as lost.
static void tell(struct subscription *s, struct segment *g, uint64_t serial)
{
	if (s->told == serial)
		return;
	s->told = serial;
	outbox_add(s, g, g == NULL ? 1 : 0);
	s->outbox->bus->matched++;
}

static void tell_members(const struct members *m, struct segment *g, uint64_t serial)
{
	for (uint32_t i = 0; i < m->count; i++)
		tell(m->row[i], g, serial);
}

// One that would take long counts as a match: rather told too much than too little.
static bool pattern_matches(const struct watch_point *p, uint32_t ns, wherry_span name)
{
	return p->ns == ns && name.ptr != NULL && glob_match(span_of(p->text, p->len), name) != GLOB_NO;
}

// The bytes of a str or bin key; ptr NULL: it is another.
static wherry_span name_of(wherry_span key)
{
	struct cursor c = cursor_of(key);
	wherry_value value;
	if (!cursor_next(&c, &value) || !(value.kind & (WHERRY_TEXT | WHERRY_BYTES)))
		return (wherry_span){0};
	return value.as.bytes.len > 0 ? value.as.bytes : span_of("", 0);
}

static void tell_all(struct bus *b, const struct key_event *e)
{
	const struct watch_point *here = find_key(b, e->ns, e->key);
	wherry_span name = b->patterns != NULL ? name_of(e->key) : (wherry_span){0};
	struct segment *g = NULL;
	uint64_t serial = ++b->told;
	if (here != NULL) {
		g = encode(e);
		tell_members(&here->members, g, serial);
	}
	for (const struct watch_point *p = b->patterns; p != NULL; p = p->next) {
		if (!pattern_matches(p, e->ns, name))
			continue;
		g = g != NULL ? g : encode(e);
		tell_members(&p->members, g, serial);
	}
	segment_drop(g);
	bus_note_work(b);
}

void bus_tell(struct bus *b, const struct key_event *e)
{
	pthread_mutex_lock(&b->lock);
	tell_all(b, e);
	pthread_mutex_unlock(&b->lock);
}

void bus_tell_one(struct outbox *o, uint64_t watch, const struct key_event *e)
{
	struct bus *b = o->bus;
	pthread_mutex_lock(&b->lock);
	struct subscription *s = o->subscriptions;
	while (s != NULL && !(s->id == watch && s->watches))
		s = s->next;
	if (s != NULL) {
		struct segment *g = encode(e);
		tell(s, g, ++b->told);
		segment_drop(g);
		bus_note_work(b);
	}
	pthread_mutex_unlock(&b->lock);
}
