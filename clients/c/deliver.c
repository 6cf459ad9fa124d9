// Deliveries: whose they are, whether they are what they should be, and what is kept of them.
//
// An id means nothing before the answer that gives it, and a delivery may come ahead of that answer.  So while anything is
// asked for, deliveries for ids that nobody has are held: they are claimed when the answer comes, or handed to whoever
// hears notes when no answer is awaited any more.

#include "feed.h"

uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

// --- parcels ----------------------------------------------------------------------------------------------------------

static size_t cost(size_t len)
{
	return sizeof(struct parcel) + len;
}

// What was to be told before it is told before whatever comes behind it.
static void pass_on(struct wherry_feed *s, const struct parcel *p, uint64_t lost)
{
	bool *gap = s->first != NULL ? &s->first->gap : &s->gap;
	bool *after = s->first != NULL ? &s->first->after_gap : &s->after_gap;
	uint64_t *sum = s->first != NULL ? &s->first->lost : &s->lost;
	*gap |= p->gap;
	*after |= p->after_gap;
	*sum = add_capped(*sum, lost);
}

struct parcel *parcel_take(struct wherry_feed *s)
{
	struct parcel *p = s->first;
	s->first = p->next;
	if (s->first == NULL)
		s->last = NULL;
	s->kept -= cost(p->len);
	return p;
}

static void drop_oldest(struct wherry_feed *s)
{
	struct parcel *p = parcel_take(s);
	pass_on(s, p, add_capped(p->lost, p->count));
	free(p);
}

void parcels_free(struct wherry_feed *s)
{
	while (s->first != NULL)
		free(parcel_take(s));
}

// Callbacks take everything before more is received: only what is pulled piles up.
static bool make_room(struct wherry_feed *s, size_t len)
{
	while (feed_is_pulled(s) && s->first != NULL && s->kept + cost(len) > s->keep_bytes) {
		if (s->drops_newest)
			return false;
		drop_oldest(s);
	}
	return true;
}

static void keep(struct wherry_feed *s, struct run what, uint64_t count, uint64_t lost)
{
	struct parcel *p = make_room(s, what.len) ? malloc(sizeof(*p) + what.len) : NULL;
	s->lost = add_capped(s->lost, lost);
	if (p == NULL) {
		s->lost = add_capped(s->lost, count);
		return;
	}
	*p =
	    (struct parcel){.lost = s->lost, .count = count, .len = what.len, .gap = s->gap, .after_gap = s->after_gap};
	s->lost = 0;
	s->gap = s->after_gap = false;
	memcpy(p->bytes, what.at, what.len);
	*(s->last != NULL ? &s->last->next : &s->first) = p;
	s->last = p;
	s->kept += cost(p->len);
	feed_came(s);
}

struct delivery {
	bool watches;
	uint64_t id, parts; // parts: behind the id
	struct run rest;
};

static bool read_delivery(struct run method, struct run params, struct delivery *d)
{
	d->watches = wire_is_text(method, "watch");
	d->rest = params;
	bool is = (d->watches || wire_is_text(method, "messages")) && wire_take_array(&d->rest, &d->parts) &&
		  d->parts > 0 && wire_take_uint(&d->rest, &d->id);
	d->parts--;
	return is;
}

// --- what came --------------------------------------------------------------------------------------------------------

static bool is_message(struct run *r)
{
	uint64_t parts;
	struct run topic, headers;
	if (!wire_take_array(r, &parts) || parts < 2 || !wire_take_text(r, &topic))
		return false;
	wire_take_value(r);
	for (uint64_t part = 2; part < parts; part++) {
		headers = wire_take_value(r);
		if (part == 2 && !wire_is_map(headers) && !wire_is_nil(headers))
			return false;
	}
	return true;
}

static const char *accept_messages(struct wherry_feed *s, const struct delivery *d)
{
	struct run r = d->rest;
	uint64_t seq, lost, count;
	if (d->parts < 3 || !wire_take_uint(&r, &seq) || !wire_take_uint(&r, &lost) || !wire_take_array(&r, &count))
		return "the broker sent messages that can't be read";
	struct run all = r;
	for (uint64_t i = 0; i < count; i++)
		if (!is_message(&r))
			return "the broker sent a message that can't be read";
	// A number that was passed over without a word is a loss, too.
	if (s->next_seq > 0 && seq > s->next_seq && seq - s->next_seq > lost)
		lost = seq - s->next_seq;
	s->next_seq = add_capped(seq, count);
	if (count > 0)
		keep(s, (struct run){all.at, (size_t)(r.at - all.at)}, count, lost);
	else
		s->lost = add_capped(s->lost, lost);
	return NULL;
}

static const char *accept_event(struct wherry_feed *s, const struct delivery *d)
{
	struct run r = d->rest, event;
	uint64_t revision, lost;
	if (d->parts < 5 || !wire_take_text(&r, &event) || event.len >= sizeof(((wherry_event *)NULL)->event))
		return "the broker sent an event that can't be read";
	wire_take_value(&r);
	wire_take_value(&r);
	if (!wire_take_uint(&r, &revision))
		return "the broker sent an event without a revision";
	struct run what = {d->rest.at, (size_t)(r.at - d->rest.at)};
	if (!wire_take_uint(&r, &lost))
		return "the broker sent an event that can't be read";
	keep(s, what, 1, lost);
	return NULL;
}

static const char *accept_delivery(struct wherry_feed *s, const struct delivery *d)
{
	if (s->stopped)
		return NULL;
	return s->watches ? accept_event(s, d) : accept_messages(s, d);
}

// --- those that came early --------------------------------------------------------------------------------------------

static const char *early_keep(struct wherry_client *c, struct note *n)
{
	struct feeds *all = &c->feeds;
	*all->last_early = n;
	all->last_early = &n->next;
	all->early_bytes += note_cost(n);
	return all->early_bytes <= c->max_notes ? NULL : "the broker sent too much for ids that it never told";
}

static void early_claim(struct wherry_feed *s)
{
	struct feeds *all = &s->client->feeds;
	struct note **at = &all->first_early, *n;
	while ((n = *at) != NULL) {
		struct delivery d;
		const struct run method = {n->bytes, n->method_len}, params = {n->bytes + n->method_len, n->params_len};
		if (!read_delivery(method, params, &d) || d.id != s->id || d.watches != s->watches) {
			at = &n->next;
			continue;
		}
		const char *why = accept_delivery(s, &d);
		if (why != NULL)
			link_doom(s->client, why);
		*at = n->next;
		all->early_bytes -= note_cost(n);
		free(n);
	}
	all->last_early = at;
}

void early_release(struct wherry_client *c)
{
	struct feeds *all = &c->feeds;
	struct note *n = all->first_early, *next;
	all->first_early = NULL;
	all->last_early = &all->first_early;
	all->early_bytes = 0;
	for (; n != NULL; n = next) {
		next = n->next;
		n->next = NULL;
		note_keep(c, n);
	}
}

// --- whose it is ------------------------------------------------------------------------------------------------------

static struct wherry_feed **bucket_of(struct wherry_client *c, uint64_t id)
{
	return &c->feeds.by_id[id % FEED_BUCKETS];
}

static struct wherry_feed *find(struct wherry_client *c, const struct delivery *d)
{
	struct wherry_feed *s = *bucket_of(c, d->id);
	while (s != NULL && (s->id != d->id || s->watches != d->watches))
		s = s->next_of_bucket;
	return s;
}

void feed_known(struct wherry_feed *s)
{
	struct wherry_feed **bucket = bucket_of(s->client, s->id);
	s->next_of_bucket = *bucket;
	*bucket = s;
	early_claim(s);
}

void feed_unknown(struct wherry_feed *s)
{
	struct wherry_feed **at = bucket_of(s->client, s->id);
	while (*at != NULL && *at != s)
		at = &(*at)->next_of_bucket;
	if (*at == s)
		*at = s->next_of_bucket;
}

const char *deliver(struct wherry_client *c, const struct wire_object *o)
{
	struct delivery d;
	struct wherry_feed *s = NULL;
	bool is = read_delivery(o->method, o->params, &d);
	if (is)
		s = find(c, &d);
	if (s != NULL)
		return accept_delivery(s, &d);
	struct note *n = note_new(o);
	if (is && n != NULL && c->feeds.asked > 0)
		return early_keep(c, n);
	note_keep(c, n);
	return NULL;
}
