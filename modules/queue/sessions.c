// The hint: sessions and their queues, in buckets of lists, the last used one first.

#include "sessions.h"

#include <pthread.h>
#include <string.h>

enum { BUCKETS = 256, PLACES_MOST = 256 };

struct place {
	struct place *next;
	wherry_span ns; // lent as long as the broker runs
	size_t len;
	uint8_t key[];
};

struct holder {
	struct holder *next;
	uint64_t session;
	uint32_t count;
	bool anywhere; // too many queues to name
	struct place *places;
};

struct bucket {
	pthread_mutex_t lock;
	struct holder *first;
};

struct sessions {
	struct bucket buckets[BUCKETS];
	pthread_mutex_t lock;  // of pending
	struct place *pending; // queues whose queue.reclaim is on its way
};

int32_t sessions_open(struct queues *all)
{
	struct sessions *s = all->host->alloc(all->owner, sizeof *s);
	if (!s)
		return WHERRY_ENOMEM;
	memset(s, 0, sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	for (unsigned i = 0; i < BUCKETS; i++)
		pthread_mutex_init(&s->buckets[i].lock, NULL);
	all->sessions = s;
	return WHERRY_OK;
}

static void free_places(const struct queues *all, struct place *list)
{
	while (list) {
		struct place *p = list;
		list = p->next;
		all->host->release(all->owner, p);
	}
}

static void free_holder(const struct queues *all, struct holder *h)
{
	free_places(all, h->places);
	all->host->release(all->owner, h);
}

void sessions_close(struct queues *all)
{
	struct sessions *s = all->sessions;
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (s->buckets[i].first) {
			struct holder *h = s->buckets[i].first;
			s->buckets[i].first = h->next;
			free_holder(all, h);
		}
		pthread_mutex_destroy(&s->buckets[i].lock);
	}
	free_places(all, s->pending);
	pthread_mutex_destroy(&s->lock);
	all->host->release(all->owner, s);
}

// --- lists ------------------------------------------------------------------------------------------------------------

static bool is_place(const struct place *p, wherry_span ns, wherry_span key)
{
	return p->len == key.len && p->ns.len == ns.len && memcmp(p->key, key.ptr, key.len) == 0 &&
	       memcmp(p->ns.ptr, ns.ptr, ns.len) == 0;
}

// Out of the list, or NULL.
static struct place *take_place(struct place **list, wherry_span ns, wherry_span key)
{
	while (*list && !is_place(*list, ns, key))
		list = &(*list)->next;
	struct place *p = *list;
	if (p)
		*list = p->next;
	return p;
}

static void give_place(struct place **list, struct place *p)
{
	p->next = *list;
	*list = p;
}

static struct place *new_place(const struct queues *all, wherry_span ns, wherry_span key)
{
	struct place *p = all->host->alloc(all->owner, sizeof *p + key.len);
	if (!p)
		return NULL;
	p->ns = ns;
	p->len = key.len;
	memcpy(p->key, key.ptr, key.len);
	return p;
}

static struct holder *take_holder(struct bucket *b, uint64_t session)
{
	struct holder **at = &b->first;
	while (*at && (*at)->session != session)
		at = &(*at)->next;
	struct holder *h = *at;
	if (h)
		*at = h->next;
	return h;
}

static struct holder *holder_of(const struct queues *all, struct bucket *b, uint64_t session)
{
	struct holder *h = take_holder(b, session);
	if (!h && (h = all->host->alloc(all->owner, sizeof *h)))
		*h = (struct holder){.session = session};
	if (!h)
		return NULL;
	h->next = b->first;
	b->first = h;
	return h;
}

// --- noting -----------------------------------------------------------------------------------------------------------

static int32_t note(const struct queues *all, struct holder *h, wherry_span ns, wherry_span key)
{
	if (h->anywhere)
		return WHERRY_OK;
	struct place *p = take_place(&h->places, ns, key);
	if (!p && h->count == PLACES_MOST) {
		free_places(all, h->places);
		h->places = NULL;
		h->anywhere = true;
		return WHERRY_OK;
	}
	if (!p) {
		p = new_place(all, ns, key);
		h->count += p != NULL;
	}
	if (p)
		give_place(&h->places, p);
	return p ? WHERRY_OK : WHERRY_ENOMEM;
}

static struct bucket *bucket_of(const struct queues *all, uint64_t session)
{
	return &all->sessions->buckets[session % BUCKETS];
}

int32_t sessions_note_of(const struct queues *all, wherry_call *call, uint64_t session, wherry_span key)
{
	struct bucket *b = bucket_of(all, session);
	wherry_span ns = all->keys->ns(call);
	pthread_mutex_lock(&b->lock);
	struct holder *h = holder_of(all, b, session);
	int32_t status = h ? note(all, h, ns, key) : WHERRY_ENOMEM;
	pthread_mutex_unlock(&b->lock);
	return status;
}

int32_t sessions_note(const struct queues *all, wherry_call *call, wherry_span key)
{
	return sessions_note_of(all, call, call->session, key);
}

void sessions_end(const struct queues *all, uint64_t session)
{
	struct bucket *b = bucket_of(all, session);
	pthread_mutex_lock(&b->lock);
	struct holder *h = take_holder(b, session);
	pthread_mutex_unlock(&b->lock);
	if (!h)
		return;
	for (const struct place *p = h->places; p; p = p->next)
		reclaim_submit(all, p->ns, (wherry_span){p->key, p->len});
	if (h->anywhere)
		recover_all(all);
	free_holder(all, h);
}

// --- asking for queue.reclaim -----------------------------------------------------------------------------------------

void reclaim_begins(const struct queues *all, wherry_span ns, wherry_span key)
{
	struct sessions *s = all->sessions;
	pthread_mutex_lock(&s->lock);
	struct place *p = take_place(&s->pending, ns, key);
	pthread_mutex_unlock(&s->lock);
	if (p)
		all->host->release(all->owner, p);
}

// True: it has to be asked for.  Without memory to remember, it is asked for once more.
static bool is_first(const struct queues *all, wherry_span ns, wherry_span key)
{
	struct sessions *s = all->sessions;
	pthread_mutex_lock(&s->lock);
	struct place *p = take_place(&s->pending, ns, key);
	bool first = !p;
	if (!p)
		p = new_place(all, ns, key);
	if (p)
		give_place(&s->pending, p);
	pthread_mutex_unlock(&s->lock);
	return first;
}

void reclaim_submit(const struct queues *all, wherry_span ns, wherry_span key)
{
	struct bytes b;
	if (!is_first(all, ns, key))
		return;
	bytes_open(&b, all);
	BYTES_LITERAL(&b, "\x94\x02");
	BYTES_CSTRING(&b, "queue.reclaim");
	bytes_array(&b, 1);
	bytes_add(&b, key.ptr, key.len);
	bytes_map(&b, 1);
	BYTES_CSTRING(&b, "ns");
	bytes_text(&b, ns);
	if (b.failed || all->host->submit(all->owner, bytes_span(&b)))
		reclaim_begins(all, ns, key); // it never will: what is held returns at its visibility time
	bytes_free(&b);
}

void recover_submit(const struct queues *all, wherry_span ns, uint64_t cursor)
{
	struct bytes b;
	bytes_open(&b, all);
	BYTES_LITERAL(&b, "\x94\x02");
	BYTES_CSTRING(&b, "queue.recover");
	bytes_array(&b, 1);
	bytes_uint(&b, cursor);
	bytes_map(&b, 1);
	BYTES_CSTRING(&b, "ns");
	bytes_text(&b, ns);
	if (b.failed || all->host->submit(all->owner, bytes_span(&b)))
		all->host->log(all->owner, WHERRY_LOG_WARN,
		    "reservations of ended sessions are not looked for: they return at their visibility time");
	bytes_free(&b);
}

static void recover_ns(void *arg, wherry_span ns)
{
	recover_submit(arg, ns, 0);
}

void recover_all(const struct queues *all)
{
	struct queues *passed = (struct queues *)(uintptr_t)all; // back as it was in recover_ns()
	all->host->each_ns(all->owner, recover_ns, passed);
}
