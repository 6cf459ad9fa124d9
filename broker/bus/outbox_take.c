// Deliveries as they go over the wire, out of an outbox: what follows one another of one subscription is one of them.

#include "base/mem.h"
#include "bus/inside.h"
#include "codec/pack.h"

enum { LOST_BYTES = 9 };

struct taking {
	struct outbox *outbox;
	enum outbox_form form;
	struct buffer *out;
	struct parcel *parcel; // NULL: everything is copied to `out`; else that is the parcel's own
	struct wherry_out pack;
	uint32_t messages_left;
	size_t bytes_left;
	struct outbox_taken taken;
};

// What can be one delivery, from the first entry on.
struct run {
	uint32_t count;
	uint64_t bytes;
	uint64_t copied; // of them
	unsigned lent;   // runs of segments
};

// A gap has to be told, so it ends a delivery; so does another subscription's entry.
static bool goes_on(const struct entry *e)
{
	const struct entry *next = e->next;
	return next != NULL && next->subscription == e->subscription && !e->subscription->watches && next->lost == 0 &&
	       next->seq == e->seq + (e->to - e->from);
}

static bool may_take(const struct taking *t, const struct run *r, uint64_t messages, uint64_t bytes)
{
	return r->count + messages <= t->messages_left && r->bytes + bytes <= t->bytes_left;
}

// How many messages of the entry can go with the run; the very first always can.
static uint32_t fitting(const struct taking *t, const struct run *r, const struct entry *e)
{
	uint32_t count = e->to - e->from;
	if (may_take(t, r, count, segment_bytes(e->segment, e->from, e->to)))
		return count;
	count = t->taken.messages + r->count == 0 ? 1 : 0;
	while (count < e->to - e->from &&
	       may_take(t, r, count + 1, segment_bytes(e->segment, e->from, e->from + count + 1)))
		count++;
	return count;
}

static bool is_lent(const struct taking *t, uint64_t bytes)
{
	return t->parcel != NULL && bytes >= PARCEL_RUN_LEAST;
}

// false: there is no place for it.
static bool run_add(const struct taking *t, struct run *r, const struct entry *e, uint32_t count)
{
	uint64_t bytes = segment_bytes(e->segment, e->from, e->from + count);
	bool lent = is_lent(t, bytes);
	if (lent && t->parcel->run_count + r->lent == PARCEL_RUNS)
		return false;
	r->count += count;
	r->bytes += bytes;
	r->copied += lent ? 0 : bytes;
	r->lent += lent;
	return true;
}

static struct run measure(const struct taking *t)
{
	struct run r = {0};
	for (const struct entry *e = t->outbox->first;; e = e->next) {
		uint32_t count = fitting(t, &r, e);
		if (count == 0 || !run_add(t, &r, e, count) || count < e->to - e->from || !goes_on(e))
			return r;
	}
}

// A watch's event is a delivery of its own: its entries have one message each.
static void pack_head(struct taking *t, const struct entry *e, uint32_t count)
{
	const struct subscription *s = e->subscription;
	wherry_out *pack = &t->pack;
	if (t->form == OUTBOX_FRAMES)
		return;
	if (t->form == OUTBOX_PUSHED) {
		pack_array(pack, 3);
		pack_int(pack, 2);
	} else {
		pack_array(pack, 2);
	}
	pack_cstring(pack, s->watches ? "watch" : "messages");
	pack_array(pack, s->watches ? 6 : 4);
	pack_uint(pack, s->id);
	if (s->watches)
		return;
	pack_uint(pack, e->seq);
	pack_uint(pack, e->lost);
	pack_array(pack, count);
}

// The first `count` messages of the entry go; it goes itself when nothing of it is left.
static void consume(struct taking *t, struct entry *e, uint32_t count)
{
	struct subscription *s = e->subscription;
	uint64_t begin = segment_begin(e->segment, e->from),
		 bytes = segment_bytes(e->segment, e->from, e->from + count);
	if (is_lent(t, bytes))
		parcel_lend(t->parcel, e->segment, begin, bytes);
	else
		buffer_append(t->out, e->segment->bytes.data + begin, bytes);
	s->pending -= count;
	s->bytes -= bytes;
	s->delivered += count;
	e->from += count;
	e->seq += count;
	e->lost = 0;
	if (e->from == e->to)
		outbox_remove_first(s);
}

static void count_taken(struct taking *t, const struct run *r, size_t head)
{
	size_t bytes = head + r->bytes;
	t->taken.deliveries++;
	t->taken.messages += r->count;
	t->messages_left -= r->count < t->messages_left ? r->count : t->messages_left;
	t->bytes_left -= bytes < t->bytes_left ? bytes : t->bytes_left;
}

static bool take_one(struct taking *t)
{
	struct entry *e = t->outbox->first;
	if (e == NULL || (t->taken.messages > 0 && t->messages_left == 0))
		return false;
	struct run r = measure(t);
	if (r.count == 0)
		return false;
	bool watches = e->subscription->watches;
	uint64_t lost = e->lost;
	size_t begin = t->out->len;
	pack_head(t, e, r.count);
	if (!buffer_reserve(t->out, r.copied + LOST_BYTES)) {
		t->out->len = begin;
		return false;
	}
	count_taken(t, &r, t->out->len - begin);
	for (uint32_t left = r.count; left > 0;) {
		e = t->outbox->first;
		uint32_t some = e->to - e->from < left ? e->to - e->from : left;
		left -= some;
		consume(t, e, some);
	}
	if (watches)
		pack_uint(&t->pack, lost);
	return true;
}

static struct outbox_taken take(struct taking *t)
{
	struct outbox *o = t->outbox;
	t->pack = (struct wherry_out){t->out, NULL};
	pthread_mutex_lock(&o->lock);
	while (take_one(t))
		;
	t->taken.more = o->first != NULL;
	o->told &= t->taken.more;
	pthread_mutex_unlock(&o->lock);
	atomic_fetch_add_explicit(&o->bus->delivered, t->taken.messages, memory_order_relaxed);
	return t->taken;
}

struct outbox_taken outbox_take(
    struct outbox *o, enum outbox_form form, uint32_t messages, size_t bytes, struct buffer *out)
{
	return take(
	    &(struct taking){.outbox = o, .form = form, .out = out, .messages_left = messages, .bytes_left = bytes});
}

struct outbox_taken outbox_lend(struct outbox *o, enum outbox_form form, size_t bytes, struct parcel *p)
{
	return take(&(struct taking){
	    .outbox = o, .form = form, .out = &p->own, .parcel = p, .messages_left = UINT32_MAX, .bytes_left = bytes});
}

bool outbox_subscribes(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	bool has = o->subscriptions != NULL;
	pthread_mutex_unlock(&o->lock);
	return has;
}

static wherry_subscription view_of(const struct subscription *s)
{
	const struct group *g = s->group;
	return (wherry_subscription){.size = sizeof(wherry_subscription),
	    .overflow = (uint32_t)s->overflow,
	    .filter_count = s->target->filter_count,
	    .id = s->id,
	    .filters = s->target->filters,
	    .group = g != NULL ? span_of(g->name, g->len) : (wherry_span){0},
	    .sticky = g != NULL ? g->sticky : (wherry_span){0},
	    .max_messages = s->max_messages,
	    .max_bytes = s->max_bytes,
	    .pending = s->pending,
	    .bytes = s->bytes,
	    .delivered = s->delivered,
	    .dropped = s->dropped};
}

void outbox_each(struct outbox *o, int32_t (*each)(void *arg, const wherry_subscription *), void *arg)
{
	bool over = false;
	pthread_mutex_lock(&o->lock);
	for (const struct subscription *s = o->subscriptions; s != NULL && !over; s = s->next) {
		if (s->watches)
			continue;
		wherry_subscription view = view_of(s);
		over = each(arg, &view) != 0;
	}
	pthread_mutex_unlock(&o->lock);
}
