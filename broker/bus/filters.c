#include "bus/filters.h"

#include "base/mem.h"
#include "wherry/status.h"

struct filter_place {
	void *target;
	struct filter_node *node; // of a filter with a wildcard; NULL: it is an exact one's
};

// Of a filter without a wildcard.
struct exact {
	struct link link;
	struct filter_place place;
	size_t len;
	char text[];
};

// A prefix of filters with a wildcard: reached from its parent by one token.  '*' and '>' have a place of their own.
struct filter_node {
	struct link link; // in edges, unless it is the root or somebody's star
	struct filter_node *parent, *star;
	struct filter_place here, rest; // filters that end here; that end here with '>'
	uint32_t children;              // star counts, too
	uint32_t len;
	char token[];
};

static bool is_token(wherry_span token, char only)
{
	return token.len == 1 && *(const char *)token.ptr == only;
}

static unsigned token_count(wherry_span filter)
{
	unsigned count = 0;
	struct topic_tokens t = topic_tokens(filter);
	for (wherry_span token; topic_token(&t, &token);)
		count++;
	return count;
}

int filters_open(struct filters *f)
{
	*f = (struct filters){0};
	hash_key_random(&f->key);
	f->root = mem_zalloc(sizeof(*f->root));
	return f->root != NULL ? WHERRY_OK : WHERRY_ENOMEM;
}

// --- exact ones -----------------------------------------------------------------------------------------------------

static struct exact *exact_find(const struct filters *f, wherry_span text, uint64_t hash)
{
	for (struct link *at = links_first(&f->exact, hash); at != NULL; at = at->next) {
		struct exact *e = (struct exact *)at;
		if (at->hash == hash && span_equal(span_of(e->text, e->len), text))
			return e;
	}
	return NULL;
}

static struct exact *exact_make(struct filters *f, wherry_span text, uint64_t hash)
{
	struct exact *e = mem_zalloc(sizeof(*e) + text.len);
	if (e == NULL)
		return NULL;
	e->link.hash = hash;
	e->len = text.len;
	memcpy(e->text, text.ptr, text.len);
	if (links_add(&f->exact, &e->link))
		return e;
	mem_free(e);
	return NULL;
}

static int exact_place(struct filters *f, wherry_span filter, struct filter_place **out)
{
	uint64_t hash = hash_bytes(&f->key, filter.ptr, filter.len);
	struct exact *e = exact_find(f, filter, hash);
	if (e == NULL)
		e = exact_make(f, filter, hash);
	*out = e != NULL ? &e->place : NULL;
	return e != NULL ? WHERRY_OK : WHERRY_ENOMEM;
}

// --- the trie -------------------------------------------------------------------------------------------------------

static uint64_t edge_hash(const struct filters *f, const struct filter_node *parent, wherry_span token)
{
	return hash_bytes(&f->key, token.ptr, token.len) ^ ((uint64_t)(uintptr_t)parent >> 4) * 0x9e3779b97f4a7c15u;
}

static struct filter_node *child(const struct filters *f, const struct filter_node *parent, wherry_span token)
{
	uint64_t hash = edge_hash(f, parent, token);
	for (struct link *at = links_first(&f->edges, hash); at != NULL; at = at->next) {
		struct filter_node *n = (struct filter_node *)at;
		if (at->hash == hash && n->parent == parent && span_equal(span_of(n->token, n->len), token))
			return n;
	}
	return NULL;
}

static struct filter_node *child_make(struct filters *f, struct filter_node *parent, wherry_span token)
{
	bool star = is_token(token, '*');
	struct filter_node *n = star ? parent->star : child(f, parent, token);
	if (n != NULL)
		return n;
	n = mem_zalloc(sizeof(*n) + token.len);
	if (n == NULL)
		return NULL;
	n->parent = parent;
	n->len = (uint32_t)token.len;
	memcpy(n->token, token.ptr, token.len);
	n->link.hash = edge_hash(f, parent, token);
	if (!star && !links_add(&f->edges, &n->link)) {
		mem_free(n);
		return NULL;
	}
	if (star)
		parent->star = n;
	parent->children++;
	f->nodes++;
	return n;
}

// Frees it and whatever of its ancestors leads nowhere any more.
static void prune(struct filters *f, struct filter_node *n)
{
	while (n != f->root && n->children == 0 && n->here.target == NULL && n->rest.target == NULL) {
		struct filter_node *parent = n->parent;
		if (parent->star == n)
			parent->star = NULL;
		else
			links_remove(&f->edges, &n->link);
		parent->children--;
		f->nodes--;
		mem_free(n);
		n = parent;
	}
}

static int wild_place(struct filters *f, wherry_span filter, struct filter_place **out)
{
	struct filter_node *n = f->root;
	struct topic_tokens t = topic_tokens(filter);
	bool rest = false;
	for (wherry_span token; !rest && topic_token(&t, &token);) {
		rest = is_token(token, '>');
		struct filter_node *next = rest ? n : child_make(f, n, token);
		if (next == NULL) {
			prune(f, n);
			return WHERRY_ENOMEM;
		}
		n = next;
	}
	*out = rest ? &n->rest : &n->here;
	(*out)->node = n;
	return WHERRY_OK;
}

int filters_place(struct filters *f, wherry_span filter, struct filter_place **out)
{
	*out = NULL;
	if (!filter_is_wild(filter))
		return exact_place(f, filter, out);
	return token_count(filter) <= FILTERS_WILD_TOKENS ? wild_place(f, filter, out) : WHERRY_ELIMIT;
}

static void *wild_find(const struct filters *f, wherry_span filter)
{
	const struct filter_node *n = f->root;
	struct topic_tokens t = topic_tokens(filter);
	for (wherry_span token; n != NULL && topic_token(&t, &token);) {
		if (is_token(token, '>'))
			return n->rest.target;
		n = is_token(token, '*') ? n->star : child(f, n, token);
	}
	return n != NULL ? n->here.target : NULL;
}

void *filters_find(const struct filters *f, wherry_span filter)
{
	if (filter_is_wild(filter))
		return wild_find(f, filter);
	const struct exact *e = exact_find(f, filter, hash_bytes(&f->key, filter.ptr, filter.len));
	return e != NULL ? e->place.target : NULL;
}

void **filter_target(struct filter_place *p)
{
	return &p->target;
}

void filters_forget(struct filters *f, struct filter_place *p)
{
	if (p->node != NULL) {
		prune(f, p->node);
		return;
	}
	struct exact *e = (struct exact *)(void *)((char *)p - offsetof(struct exact, place));
	links_remove(&f->exact, &e->link);
	mem_free(e);
}

// --- matching -------------------------------------------------------------------------------------------------------

struct walk {
	const struct filters *filters;
	void (*found)(void *arg, void *target);
	void *arg;
	bool own; // a topic of the broker's own: no wildcard in front
};

static void meet(const struct walk *w, const struct filter_place *p)
{
	if (p->target != NULL)
		w->found(w->arg, p->target);
}

// Depth: a filter's tokens, of which there are at most FILTERS_WILD_TOKENS.
static void descend(const struct walk *w, const struct filter_node *n, struct topic_tokens t)
{
	wherry_span token;
	bool wild = !w->own || n != w->filters->root;
	if (!topic_token(&t, &token)) {
		meet(w, &n->here);
		return;
	}
	if (wild)
		meet(w, &n->rest);
	if (n->children == 0)
		return;
	const struct filter_node *next = child(w->filters, n, token);
	if (next != NULL)
		descend(w, next, t);
	if (n->star != NULL && wild)
		descend(w, n->star, t);
}

void filters_match(const struct filters *f, wherry_span topic, void (*found)(void *arg, void *target), void *arg)
{
	struct walk w = {f, found, arg, *(const char *)topic.ptr == '$'};
	const struct exact *e =
	    f->exact.count > 0 ? exact_find(f, topic, hash_bytes(&f->key, topic.ptr, topic.len)) : NULL;
	if (e != NULL)
		meet(&w, &e->place);
	if (f->nodes > 0 || f->root->rest.target != NULL)
		descend(&w, f->root, topic_tokens(topic));
}

void filters_each(const struct filters *f, void (*each)(void *arg, void *target), void *arg)
{
	struct walk w = {f, each, arg, false};
	for (size_t i = 0; i < f->exact.room; i++)
		for (struct link *at = f->exact.heads[i]; at != NULL; at = at->next)
			meet(&w, &((struct exact *)at)->place);
	for (size_t i = 0; i < f->edges.room; i++)
		for (struct link *at = f->edges.heads[i]; at != NULL; at = at->next)
			for (struct filter_node *n = (struct filter_node *)at; n != NULL; n = n->star) {
				meet(&w, &n->here);
				meet(&w, &n->rest);
			}
	for (struct filter_node *n = f->root; n != NULL; n = n->star) {
		meet(&w, &n->here);
		meet(&w, &n->rest);
	}
}

// --- the end --------------------------------------------------------------------------------------------------------

static void stars_free(struct filter_node *n)
{
	for (struct filter_node *next; n != NULL; n = next) {
		next = n->star;
		mem_free(n);
	}
}

void filters_close(struct filters *f)
{
	for (size_t i = 0; i < f->exact.room; i++)
		for (struct link *at = f->exact.heads[i], *next; at != NULL; at = next) {
			next = at->next;
			mem_free(at);
		}
	for (size_t i = 0; i < f->edges.room; i++)
		for (struct link *at = f->edges.heads[i], *next; at != NULL; at = next) {
			next = at->next;
			stars_free((struct filter_node *)at);
		}
	stars_free(f->root);
	links_free(&f->exact);
	links_free(&f->edges);
}
