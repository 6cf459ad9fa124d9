// Groups: which member gets a message.  The one with the fewest that wait for it; of equals, each in turn.  With a sticky
// header the members are ranked anew for each value by a hash of both (highest random weight, Thaler and Ravishankar 1996),
// so that a value stays with its member as long as that one is there, and moves alone when it goes.

#include "base/mem.h"
#include "bus/inside.h"
#include "codec/cursor.h"

bool members_add(struct members *m, struct subscription *s)
{
	if (m->count == m->room) {
		uint32_t room = m->room > 0 ? 2 * m->room : 4;
		struct subscription **row = mem_resize(m->row, room * sizeof(struct subscription *));
		if (row == NULL)
			return false;
		m->row = row;
		m->room = room;
	}
	m->row[m->count++] = s;
	return true;
}

// The order of the others stays: who subscribed first is served first.
void members_remove(struct members *m, struct subscription *s)
{
	uint32_t i = 0;
	while (m->row[i] != s)
		i++;
	memmove(m->row + i, m->row + i + 1, (m->count - i - 1) * sizeof(struct subscription *));
	if (--m->count == 0) {
		mem_free(m->row);
		*m = (struct members){0};
	}
}

static struct group *group_find(const struct target *t, wherry_span name)
{
	struct group *g = t->groups;
	while (g != NULL && !span_equal(span_of(g->name, g->len), name))
		g = g->next;
	return g;
}

static struct group *group_new(struct target *t, wherry_span name, wherry_span sticky)
{
	struct group *g = mem_zalloc(sizeof(*g) + name.len + sticky.len);
	if (g == NULL)
		return NULL;
	g->len = name.len;
	memcpy(g->name, name.ptr, name.len);
	if (sticky.len > 0)
		memcpy(g->name + name.len, sticky.ptr, sticky.len);
	g->sticky = span_of(g->name + name.len, sticky.len);
	g->next = t->groups;
	t->groups = g;
	return g;
}

static void group_free(struct target *t, struct group *g)
{
	struct group **at = &t->groups;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	mem_free(g);
}

struct group *group_join(struct target *t, struct subscription *s, wherry_span name, wherry_span sticky)
{
	struct group *g = group_find(t, name);
	if (g == NULL)
		g = group_new(t, name, sticky);
	if (g == NULL)
		return NULL;
	if (members_add(&g->members, s))
		return g;
	if (g->members.count == 0)
		group_free(t, g);
	return NULL;
}

void group_leave(struct target *t, struct subscription *s)
{
	members_remove(&s->group->members, s);
	if (s->group->members.count == 0)
		group_free(t, s->group);
	s->group = NULL;
}

// What a member has not yet taken, and what is on its way to it.
static uint64_t in_flight(struct subscription *s)
{
	pthread_mutex_lock(&s->outbox->lock);
	uint64_t pending = s->pending;
	pthread_mutex_unlock(&s->outbox->lock);
	return pending + (s->feed.open != NULL ? s->feed.open->count : 0);
}

static struct subscription *least(struct group *g)
{
	struct subscription *chosen = NULL;
	uint64_t fewest = UINT64_MAX;
	uint32_t count = g->members.count, first = g->turn++ % count;
	for (uint32_t i = 0; i < count && fewest > 0; i++) {
		struct subscription *s = g->members.row[(first + i) % count];
		uint64_t has = in_flight(s);
		if (has < fewest) {
			fewest = has;
			chosen = s;
		}
	}
	return chosen;
}

static struct subscription *ranked(const struct bus *b, const struct group *g, wherry_span value)
{
	struct subscription *chosen = NULL;
	uint64_t best = 0, hash = hash_bytes(&b->key, value.ptr, value.len);
	for (uint32_t i = 0; i < g->members.count; i++) {
		uint64_t pair[2] = {hash, g->members.row[i]->id};
		uint64_t rank = hash_bytes(&b->key, pair, sizeof(pair));
		if (chosen == NULL || rank > best) {
			best = rank;
			chosen = g->members.row[i];
		}
	}
	return chosen;
}

// The encoded value of a header.  Keys other than text are passed over.
static bool header_find(wherry_span headers, wherry_span name, wherry_span *value)
{
	struct cursor c = cursor_of(headers);
	wherry_value key, found;
	uint32_t pairs;
	if (!cursor_map(&c, &pairs))
		return false;
	while (pairs-- > 0 && cursor_next(&c, &key) && cursor_next(&c, &found)) {
		*value = found.raw;
		if (key.kind == WHERRY_TEXT && span_equal(key.as.bytes, name))
			return true;
	}
	return false;
}

struct subscription *group_choose(struct bus *b, struct group *g, wherry_span headers)
{
	wherry_span value;
	if (g->sticky.len > 0 && header_find(headers, g->sticky, &value))
		return ranked(b, g, value);
	return least(g);
}
