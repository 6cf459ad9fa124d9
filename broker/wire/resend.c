// REQ requests that come again: resend.h.  Answers stand in a ring; requests whose answer comes late stand in a list
// until it does.

#include "wire/resend.h"

#include "base/mem.h"

enum { FIRST_ROOM = 8 };

// What a request is told by.  `id` is the last word of its header; most headers are nothing but that.
struct mark {
	uint64_t hops, body; // hashes
	size_t body_len;
	uint32_t id;
	bool shared; // another one with this header waits too: whose answer comes first is not known
};

struct kept {
	struct mark mark;
	uint8_t *bytes;
	uint32_t len, room;
	bool lost; // answered, but too long or no room
};

struct resend {
	struct resend_budget *budget;
	struct mark current;
	uint32_t ids[RESEND_ANSWERS]; // of the ring's marks: what a look goes through
	struct kept *ring;
	unsigned count, room, oldest;
	struct mark *late;
	size_t late_count, late_room;
};

// --- hashing --------------------------------------------------------------------------------------------------------

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word(const uint8_t *at)
{
	uint64_t w;
	memcpy(&w, at, sizeof(w));
	return w;
}

static uint64_t fold_block(uint64_t hash, const uint8_t *at)
{
	return fold(word(at) ^ 0x9e3779b97f4a7c15u, word(at + 8) ^ hash);
}

// Two lanes, so that the multiplications overlap.
static uint64_t hash_of(wherry_span bytes)
{
	const uint8_t *at = bytes.ptr;
	size_t left = bytes.len;
	uint64_t a = 0xd1b54a32d192ed03u ^ left, b = 0x8cb92ba72f3d8dd7u;
	for (; left >= 32; at += 32, left -= 32) {
		a = fold_block(a, at);
		b = fold_block(b, at + 16);
	}
	uint8_t tail[32] = {0};
	if (left > 0)
		memcpy(tail, at, left);
	return fold(fold_block(a, tail) ^ 0xa0761d6478bd642fu, fold_block(b, tail + 16) ^ 0xe7037ed1a0b428dbu);
}

static struct mark mark_header(wherry_span header)
{
	const uint8_t *last = (const uint8_t *)header.ptr + header.len - 4;
	struct mark m = {0};
	memcpy(&m.id, last, 4);
	if (header.len > 4)
		m.hops = hash_of(span_of(header.ptr, header.len - 4));
	return m;
}

static bool same_header(const struct mark *a, const struct mark *b)
{
	return a->id == b->id && a->hops == b->hops;
}

static bool same_request(const struct mark *a, const struct mark *b)
{
	return same_header(a, b) && a->body_len == b->body_len && a->body == b->body;
}

// --- the ring -------------------------------------------------------------------------------------------------------

static bool ring_grow(struct resend *r)
{
	unsigned room = r->room == 0 ? FIRST_ROOM : r->room * 2;
	struct kept *ring = mem_resize(r->ring, room * sizeof(*ring));
	if (ring == NULL)
		return false;
	memset(ring + r->room, 0, (room - r->room) * sizeof(*ring));
	r->ring = ring;
	r->room = room;
	return true;
}

// A place for one more answer: a fresh one, or the oldest.  NULL: none, and no memory for the first.
static struct kept *ring_next(struct resend *r)
{
	if (r->count < RESEND_ANSWERS && (r->count < r->room || ring_grow(r)))
		return &r->ring[r->count++];
	if (r->count == 0)
		return NULL;
	struct kept *k = &r->ring[r->oldest];
	r->oldest = (r->oldest + 1) % r->count;
	return k;
}

static void kept_clear(struct resend *r, struct kept *k)
{
	mem_free(k->bytes);
	resend_budget_give(r->budget, k->room);
	k->bytes = NULL;
	k->room = k->len = 0;
}

// A room that is too small or far too large is changed for a fitting one, if there is one.
static bool kept_fit(struct resend *r, struct kept *k, size_t len)
{
	if (len <= k->room && len >= k->room / 4)
		return true;
	kept_clear(r, k);
	if (len == 0)
		return true;
	if (!resend_budget_take(r->budget, len))
		return false;
	k->bytes = mem_alloc(len);
	if (k->bytes == NULL) {
		resend_budget_give(r->budget, len);
		return false;
	}
	k->room = (uint32_t)len;
	return true;
}

static void keep(struct resend *r, const struct mark *mark, wherry_span answer, bool kept)
{
	struct kept *k = ring_next(r);
	if (k == NULL)
		return;
	k->mark = *mark;
	r->ids[k - r->ring] = mark->id;
	kept = kept && answer.len <= RESEND_ANSWER_MOST && !mark->shared;
	k->lost = !kept_fit(r, k, kept ? answer.len : 0) || !kept;
	k->len = k->lost ? 0 : (uint32_t)answer.len;
	if (k->len > 0)
		memcpy(k->bytes, answer.ptr, k->len);
}

static const struct kept *ring_find(const struct resend *r, const struct mark *mark)
{
	for (unsigned i = 0; i < r->count; i++)
		if (r->ids[i] == mark->id && same_request(&r->ring[i].mark, mark))
			return &r->ring[i];
	return NULL;
}

static struct mark *late_find(
    const struct resend *r, const struct mark *mark, bool (*same)(const struct mark *, const struct mark *))
{
	for (size_t i = 0; i < r->late_count; i++)
		if (same(&r->late[i], mark))
			return &r->late[i];
	return NULL;
}

// --- the budget -----------------------------------------------------------------------------------------------------

bool resend_budget_take(struct resend_budget *budget, size_t bytes)
{
	int64_t used = atomic_fetch_add_explicit(&budget->used, (int64_t)bytes, memory_order_relaxed);
	if (used + (int64_t)bytes <= atomic_load_explicit(budget->most, memory_order_relaxed))
		return true;
	resend_budget_give(budget, bytes);
	return false;
}

void resend_budget_give(struct resend_budget *budget, size_t bytes)
{
	if (bytes > 0)
		atomic_fetch_sub_explicit(&budget->used, (int64_t)bytes, memory_order_relaxed);
}

// --- what the connection calls --------------------------------------------------------------------------------------

struct resend *resend_new(struct resend_budget *budget)
{
	struct resend *r = mem_zalloc(sizeof(*r));
	if (r != NULL)
		r->budget = budget;
	return r;
}

void resend_free(struct resend *r)
{
	if (r == NULL)
		return;
	for (unsigned i = 0; i < r->count; i++)
		kept_clear(r, &r->ring[i]);
	mem_free(r->ring);
	mem_free(r->late);
	mem_free(r);
}

enum resend_seen resend_look(struct resend *r, wherry_span header, wherry_span body, wherry_span *answer)
{
	struct mark m = mark_header(header);
	m.body_len = body.len;
	m.body = hash_of(body);
	if (late_find(r, &m, same_request) != NULL)
		return RESEND_WAITING;
	const struct kept *k = ring_find(r, &m);
	if (k != NULL) {
		*answer = span_of(k->bytes, k->len);
		return k->lost ? RESEND_LOST : RESEND_ANSWERED;
	}
	struct mark *late = late_find(r, &m, same_header);
	if (late != NULL)
		late->shared = m.shared = true;
	r->current = m;
	return RESEND_NEW;
}

void resend_answered(struct resend *r, wherry_span answer)
{
	keep(r, &r->current, answer, true);
}

bool resend_late(struct resend *r)
{
	if (r->late_count == r->late_room) {
		size_t room = r->late_room == 0 ? FIRST_ROOM : r->late_room * 2;
		struct mark *late = mem_resize(r->late, room * sizeof(*late));
		if (late == NULL)
			return false;
		r->late = late;
		r->late_room = room;
	}
	r->late[r->late_count++] = r->current;
	return true;
}

void resend_late_answered(struct resend *r, wherry_span header, wherry_span answer, bool kept)
{
	struct mark header_mark = mark_header(header);
	struct mark *late = late_find(r, &header_mark, same_header);
	if (late == NULL)
		return;
	keep(r, late, answer, kept);
	*late = r->late[--r->late_count];
}

size_t resend_waiting(const struct resend *r)
{
	return r->late_count;
}
