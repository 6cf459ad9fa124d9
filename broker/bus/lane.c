// Lanes: the plain subscriptions of a target, by the encoding that they want.

#include "base/mem.h"
#include "bus/inside.h"

static struct lane *lane_find(struct target *t, enum encoding encoding)
{
	struct lane *l = &t->values;
	while (l != NULL && l->feed.encoding != encoding)
		l = l->next;
	return l;
}

static struct lane *lane_make(struct target *t, enum encoding encoding)
{
	struct lane *l = mem_zalloc(sizeof(*l));
	if (l == NULL)
		return NULL;
	l->feed.encoding = encoding;
	l->next = t->values.next;
	t->values.next = l;
	return l;
}

static void lane_free_if_idle(struct bus *b, struct target *t, struct lane *l)
{
	if (l == &t->values || l->members.count > 0)
		return;
	feed_unlist(b, &l->feed);
	struct lane *before = &t->values;
	while (before->next != l)
		before = before->next;
	before->next = l->next;
	mem_free(l);
}

bool lane_join(struct target *t, struct subscription *s, enum encoding encoding)
{
	struct lane *l = lane_find(t, encoding);
	if (l == NULL)
		l = lane_make(t, encoding);
	if (l == NULL)
		return false;
	if (l->feed.listed) // what is in its open segment was published before
		feed_empty(&l->feed);
	s->lane = l;
	if (members_add(&l->members, s))
		return true;
	lane_free_if_idle(s->outbox->bus, t, l);
	return false;
}

void lane_leave(struct bus *b, struct subscription *s)
{
	members_remove(&s->lane->members, s);
	lane_free_if_idle(b, s->target, s->lane);
}

uint64_t lane_members(const struct target *t)
{
	uint64_t count = 0;
	for (const struct lane *l = &t->values; l != NULL; l = l->next)
		count += l->members.count;
	return count;
}
