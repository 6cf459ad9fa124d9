#include "bus/retained.h"

#include "base/mem.h"
#include "codec/cursor.h"
#include "wherry/status.h"

// A prefix of topics, reached from its parent by one token.
struct kept_node {
	struct link link; // in edges, but the root
	struct kept_node *parent, *children, *next, *prev;
	struct kept *kept; // NULL: none of this topic itself
	uint32_t len;
	char token[];
};

static bool is_token(wherry_span token, char only)
{
	return token.len == 1 && *(const char *)token.ptr == only;
}

static wherry_span node_token(const struct kept_node *n)
{
	return span_of(n->token, n->len);
}

int retained_open(struct retained *r)
{
	*r = (struct retained){0};
	hash_key_random(&r->key);
	r->root = mem_zalloc(sizeof(*r->root));
	return r->root != NULL ? WHERRY_OK : WHERRY_ENOMEM;
}

// --- the trie -----------------------------------------------------------------------------------------------------------

static uint64_t edge_hash(const struct retained *r, const struct kept_node *parent, wherry_span token)
{
	return hash_bytes(&r->key, token.ptr, token.len) ^ ((uint64_t)(uintptr_t)parent >> 4) * 0x9e3779b97f4a7c15u;
}

static struct kept_node *child(const struct retained *r, const struct kept_node *parent, wherry_span token)
{
	uint64_t hash = edge_hash(r, parent, token);
	for (struct link *at = links_first(&r->edges, hash); at != NULL; at = at->next) {
		struct kept_node *n = (struct kept_node *)at;
		if (at->hash == hash && n->parent == parent && span_equal(node_token(n), token))
			return n;
	}
	return NULL;
}

static struct kept_node *child_make(struct retained *r, struct kept_node *parent, wherry_span token)
{
	struct kept_node *n = child(r, parent, token);
	if (n != NULL)
		return n;
	n = mem_zalloc(sizeof(*n) + token.len);
	if (n == NULL)
		return NULL;
	n->parent = parent;
	n->len = (uint32_t)token.len;
	memcpy(n->token, token.ptr, token.len);
	n->link.hash = edge_hash(r, parent, token);
	if (!links_add(&r->edges, &n->link)) {
		mem_free(n);
		return NULL;
	}
	n->next = parent->children;
	if (n->next != NULL)
		n->next->prev = n;
	parent->children = n;
	return n;
}

// Frees it and whatever of its ancestors leads nowhere any more.
static void prune(struct retained *r, struct kept_node *n)
{
	while (n != r->root && n->kept == NULL && n->children == NULL) {
		struct kept_node *parent = n->parent;
		*(n->prev != NULL ? &n->prev->next : &parent->children) = n->next;
		if (n->next != NULL)
			n->next->prev = n->prev;
		links_remove(&r->edges, &n->link);
		mem_free(n);
		n = parent;
	}
}

static struct kept_node *find(const struct retained *r, wherry_span topic)
{
	struct kept_node *n = r->root;
	struct topic_tokens t = topic_tokens(topic);
	for (wherry_span token; n != NULL && topic_token(&t, &token);)
		n = child(r, n, token);
	return n;
}

static struct kept_node *place(struct retained *r, wherry_span topic)
{
	struct kept_node *n = r->root;
	struct topic_tokens t = topic_tokens(topic);
	for (wherry_span token; topic_token(&t, &token);) {
		struct kept_node *next = child_make(r, n, token);
		if (next == NULL) {
			prune(r, n);
			return NULL;
		}
		n = next;
	}
	return n;
}

// --- keeping ------------------------------------------------------------------------------------------------------------

bool retained_clears(wherry_span payload)
{
	struct cursor c = cursor_of(payload);
	wherry_value v;
	return !cursor_next(&c, &v) || v.kind == WHERRY_NIL ||
	       (v.kind & (WHERRY_TEXT | WHERRY_BYTES) && v.as.bytes.len == 0);
}

static size_t size_of(const wherry_message *m)
{
	return sizeof(struct kept) + m->topic.len + m->payload.len + m->headers.len;
}

static size_t kept_size(const struct kept *k)
{
	return sizeof(*k) + k->topic.len + k->payload.len + k->headers.len;
}

static wherry_span copy(uint8_t **at, wherry_span from)
{
	wherry_span to = span_of(*at, from.len);
	if (from.len > 0)
		memcpy(*at, from.ptr, from.len);
	*at += from.len;
	return to;
}

static struct kept *kept_new(const wherry_message *m)
{
	struct kept *k = mem_alloc(size_of(m));
	if (k == NULL)
		return NULL;
	uint8_t *at = (uint8_t *)(k + 1);
	k->expires_ms = m->expires_ms;
	k->met = 0;
	k->topic = copy(&at, m->topic);
	k->payload = copy(&at, m->payload);
	k->headers = copy(&at, m->headers);
	return k;
}

static void swap_kept(struct retained *r, struct kept_node *n, struct kept *now)
{
	struct kept *old = n->kept;
	n->kept = now;
	if (old != NULL) {
		r->count--;
		r->bytes -= mem_cost(kept_size(old));
	}
	if (now != NULL) {
		r->count++;
		r->bytes += mem_cost(kept_size(now));
	}
	mem_free(old);
}

static void forget(struct retained *r, wherry_span topic)
{
	struct kept_node *n = find(r, topic);
	if (n == NULL)
		return;
	swap_kept(r, n, NULL);
	prune(r, n);
}

int retained_put(struct retained *r, const wherry_message *m)
{
	if (retained_clears(m->payload)) {
		forget(r, m->topic);
		return WHERRY_OK;
	}
	struct kept *now = kept_new(m);
	struct kept_node *n = now != NULL ? place(r, m->topic) : NULL;
	if (n == NULL) {
		mem_free(now);
		return WHERRY_ENOMEM;
	}
	swap_kept(r, n, now);
	return WHERRY_OK;
}

void retained_would_be(const struct retained *r, const wherry_message *m, uint64_t *count, uint64_t *bytes)
{
	const struct kept_node *n = find(r, m->topic);
	const struct kept *old = n != NULL ? n->kept : NULL;
	bool adds = !retained_clears(m->payload);
	*count = r->count + adds - (old != NULL);
	*bytes = r->bytes + (adds ? mem_cost(size_of(m)) : 0) - (old != NULL ? mem_cost(kept_size(old)) : 0);
}

// --- finding ------------------------------------------------------------------------------------------------------------

struct walk {
	const struct retained *retained;
	int32_t (*each)(void *arg, struct kept *);
	void *arg;
};

static bool meet(const struct walk *w, const struct kept_node *n)
{
	return n->kept == NULL || w->each(w->arg, n->kept) == 0;
}

// The next one of everything below `top`, in front of it its ancestors; NULL: that was the last.
static const struct kept_node *next_below(const struct kept_node *top, const struct kept_node *n)
{
	if (n->children != NULL)
		return n->children;
	while (n != top && n->next == NULL)
		n = n->parent;
	return n != top ? n->next : NULL;
}

static bool meet_all(const struct walk *w, const struct kept_node *top)
{
	for (const struct kept_node *n = top; n != NULL; n = next_below(top, n))
		if (!meet(w, n))
			return false;
	return true;
}

static bool descend(const struct walk *w, const struct kept_node *n, struct topic_tokens filter);

// What a wildcard stands for; in front it is none of the broker's own.
static bool branch(const struct walk *w, const struct kept_node *n, struct topic_tokens filter, bool rest)
{
	bool own = n == w->retained->root;
	for (const struct kept_node *at = n->children; at != NULL; at = at->next) {
		if (own && at->token[0] == '$')
			continue;
		if (!(rest ? meet_all(w, at) : descend(w, at, filter)))
			return false;
	}
	return true;
}

// Depth: the filter's tokens.
static bool descend(const struct walk *w, const struct kept_node *n, struct topic_tokens filter)
{
	wherry_span token;
	if (!topic_token(&filter, &token))
		return meet(w, n);
	if (is_token(token, '>') || is_token(token, '*'))
		return branch(w, n, filter, is_token(token, '>'));
	const struct kept_node *next = child(w->retained, n, token);
	return next == NULL || descend(w, next, filter);
}

bool retained_each(const struct retained *r, wherry_span filter, int32_t (*each)(void *arg, struct kept *), void *arg)
{
	struct walk w = {r, each, arg};
	return descend(&w, r->root, topic_tokens(filter));
}

// --- the end ------------------------------------------------------------------------------------------------------------

void retained_close(struct retained *r)
{
	for (size_t i = 0; i < r->edges.room; i++)
		for (struct link *at = r->edges.heads[i], *next; at != NULL; at = next) {
			next = at->next;
			mem_free(((struct kept_node *)at)->kept);
			mem_free(at);
		}
	links_free(&r->edges);
	mem_free(r->root);
}
