// The queues of parked requests: each key has its own, oldest first; a request stands in the queues of all its keys
// from when it parks until it is answered, also while it is woken and runs, so that it keeps its place when it parks
// again.  Everything here: under the router's park_lock.

#include <string.h>

#include "base/mem.h"
#include "run/inside.h"

static struct park_key **key_bucket(struct router *r, uint32_t ns, uint64_t hash)
{
	return &r->park_keys[(hash ^ ns) % PARK_BUCKETS];
}

struct park_key *park_key_find(struct router *r, uint32_t ns, uint64_t hash, wherry_span name)
{
	struct park_key *k = *key_bucket(r, ns, hash);
	while (k != NULL && !(k->hash == hash && k->ns == ns && span_equal(k->name, name)))
		k = k->next;
	return k;
}

static struct park_key *key_make(struct router *r, uint32_t ns, uint64_t hash, wherry_span name)
{
	struct park_key *k = park_key_find(r, ns, hash, name);
	if (k != NULL)
		return k;
	k = mem_zalloc(sizeof(*k) + name.len);
	if (k == NULL)
		return NULL;
	memcpy(k + 1, name.ptr, name.len);
	*k = (struct park_key){.ns = ns, .hash = hash, .name = {k + 1, name.len}, .next = *key_bucket(r, ns, hash)};
	*key_bucket(r, ns, hash) = k;
	return k;
}

static void key_drop_if_empty(struct router *r, struct park_key *k)
{
	if (k->first != NULL)
		return;
	struct park_key **link = key_bucket(r, k->ns, k->hash);
	while (*link != k)
		link = &(*link)->next;
	*link = k->next;
	mem_free(k);
}

static void place_remove(struct router *r, struct park_place *place)
{
	struct park_key *k = place->key;
	if (k == NULL)
		return;
	*(place->prev != NULL ? &place->prev->next : &k->first) = place->next;
	*(place->next != NULL ? &place->next->prev : &k->last) = place->prev;
	place->key = NULL;
	key_drop_if_empty(r, k);
}

static bool place_append(struct parked *p, struct park_place *place, const struct key_ref *ref)
{
	struct park_key *k = key_make(p->router, p->ns, ref->hash, ref->key);
	if (k == NULL)
		return false;
	*place = (struct park_place){.who = p, .key = k, .prev = k->last};
	*(k->last != NULL ? &k->last->next : &k->first) = place;
	k->last = place;
	return true;
}

static void list_in(struct parked *p)
{
	struct parked **head = &p->router->parked[p->ticket % PARK_BUCKETS];
	p->ticket_next = *head;
	if (*head != NULL)
		(*head)->ticket_prev = p;
	*head = p;
	p->all_prev = p->router->parked_last;
	*(p->all_prev != NULL ? &p->all_prev->all_next : &p->router->parked_first) = p;
	p->router->parked_last = p;
	if (p->session == NULL)
		return;
	p->session_next = p->session->waiting;
	if (p->session->waiting != NULL)
		p->session->waiting->session_prev = p;
	p->session->waiting = p;
}

static void list_out(struct parked *p)
{
	struct parked **head = &p->router->parked[p->ticket % PARK_BUCKETS];
	*(p->ticket_prev != NULL ? &p->ticket_prev->ticket_next : head) = p->ticket_next;
	if (p->ticket_next != NULL)
		p->ticket_next->ticket_prev = p->ticket_prev;
	*(p->all_prev != NULL ? &p->all_prev->all_next : &p->router->parked_first) = p->all_next;
	*(p->all_next != NULL ? &p->all_next->all_prev : &p->router->parked_last) = p->all_prev;
	if (p->session == NULL)
		return;
	*(p->session_prev != NULL ? &p->session_prev->session_next : &p->session->waiting) = p->session_next;
	if (p->session_next != NULL)
		p->session_next->session_prev = p->session_prev;
}

bool parked_link(struct parked *p, const struct worker *w, const struct bound *b)
{
	list_in(p);
	atomic_fetch_add(&p->router->parked_count, 1);
	for (uint32_t i = 0; i < b->key_count; i++) {
		if (place_append(p, &p->places[i], &w->keys[b->keys + i]))
			continue;
		parked_unlink(p);
		return false;
	}
	return true;
}

void parked_unlink(struct parked *p)
{
	for (uint32_t i = 0; i < p->key_count; i++)
		place_remove(p->router, &p->places[i]);
	list_out(p);
	atomic_fetch_sub(&p->router->parked_count, 1);
}

struct parked *parked_by_ticket(struct router *r, uint64_t ticket)
{
	struct parked *p = r->parked[ticket % PARK_BUCKETS];
	while (p != NULL && p->ticket != ticket)
		p = p->ticket_next;
	return p;
}

void parked_make_ready(struct parked *p, uint32_t why)
{
	struct router *r = p->router;
	p->state = PARKED_READY;
	p->why = p->fresh ? WHERRY_WHY_FIRST : why;
	for (uint32_t i = 0; i < p->key_count; i++)
		p->places[i].key->ready++;
	p->ready_next = NULL;
	p->ready_prev = r->ready_last;
	*(r->ready_last != NULL ? &r->ready_last->ready_next : &r->ready_first) = p;
	r->ready_last = p;
}

void parked_unready(struct parked *p)
{
	struct router *r = p->router;
	*(p->ready_prev != NULL ? &p->ready_prev->ready_next : &r->ready_first) = p->ready_next;
	*(p->ready_next != NULL ? &p->ready_next->ready_prev : &r->ready_last) = p->ready_prev;
}

struct parked *parked_next_ready(struct router *r)
{
	struct parked *p = r->ready_first;
	if (p != NULL)
		parked_unready(p);
	return p;
}

static void wake_fresh(struct park_key *k)
{
	for (struct park_place *place = k->first; place != NULL; place = place->next)
		if (place->who->fresh && place->who->state == PARKED_WAITING)
			parked_make_ready(place->who, WHERRY_WHY_FIRST);
}

void parked_release(struct parked *p)
{
	for (uint32_t i = 0; i < p->key_count; i++) {
		struct park_key *k = p->places[i].key;
		if (--k->ready == 0)
			wake_fresh(k);
	}
}

void parked_pass_on(struct parked *p)
{
	for (uint32_t i = 0; i < p->key_count; i++) {
		struct park_place *place = p->places[i].key->first;
		while (place != NULL && place->who->state != PARKED_WAITING)
			place = place->next;
		if (place != NULL)
			parked_make_ready(place->who, WHERRY_WHY_SIGNAL);
	}
}
