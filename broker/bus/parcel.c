#include "bus/parcel.h"

void parcel_lend(struct parcel *p, struct segment *g, size_t begin, size_t len)
{
	segment_hold(g, 1);
	p->runs[p->run_count++] = (struct parcel_run){g, begin, len, p->own.len};
	p->lent += len;
}

void parcel_clear(struct parcel *p)
{
	while (p->run_count > 0)
		segment_drop(p->runs[--p->run_count].segment);
	p->lent = 0;
}

// --- in parts -----------------------------------------------------------------------------------------------------------

struct parting {
	size_t from, most;
	wherry_span *next, *end;
};

static void add_part(struct parting *t, const uint8_t *bytes, size_t len)
{
	if (t->from >= len) {
		t->from -= len;
		return;
	}
	size_t some = len - t->from < t->most ? len - t->from : t->most;
	if (some > 0 && t->next < t->end)
		*t->next++ = span_of(bytes + t->from, some);
	t->from = 0;
	t->most -= some;
}

unsigned parcel_parts(const struct parcel *p, size_t from, size_t most, wherry_span *parts, unsigned room)
{
	struct parting t = {from, most, parts, parts + room};
	size_t own = 0;
	for (unsigned i = 0; i < p->run_count; i++) {
		const struct parcel_run *r = &p->runs[i];
		add_part(&t, p->own.data + own, r->at - own);
		add_part(&t, r->segment->bytes.data + r->begin, r->len);
		own = r->at;
	}
	add_part(&t, p->own.data + own, p->own.len - own);
	return (unsigned)(t.next - parts);
}
