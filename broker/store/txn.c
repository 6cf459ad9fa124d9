// Transactions: their slots and locks, and reading keys.

#include "store/inside.h"

// What a transaction keeps for the next one.
enum { SLOTS_LEAST = 16, SLOTS_KEEP = 1024, KEEP_BYTES = 64 * 1024 };

int txn_new(struct txn **out, struct store *s)
{
	struct txn *t = mem_zalloc(sizeof(*t));
	if (t == NULL)
		return WHERRY_ENOMEM;
	t->store = s;
	t->shape = 1;
	pthread_mutex_lock(&s->txns_lock);
	t->next = s->txns;
	if (t->next != NULL)
		t->next->prev = t;
	s->txns = t;
	pthread_mutex_unlock(&s->txns_lock);
	*out = t;
	return WHERRY_OK;
}

static void unlink_txn(struct store *s, struct txn *t)
{
	pthread_mutex_lock(&s->txns_lock);
	if (t->prev != NULL)
		t->prev->next = t->next;
	else
		s->txns = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	s->past_commits += t->commits;
	s->past_rollbacks += t->rollbacks;
	s->past_restarts += t->restarts;
	pthread_mutex_unlock(&s->txns_lock);
}

void txn_free(struct txn *t)
{
	if (t == NULL)
		return;
	assert(!t->locked);
	unlink_txn(t->store, t);
	mem_free(t->slots);
	buffer_free(&t->undo);
	buffer_free(&t->redo);
	mem_free(t);
}

void txn_begin(struct txn *t, uint32_t ns, int64_t now_ms)
{
	(void)ns; // keys name their own
	assert(!t->locked && t->undo.len == 0);
	t->now_ms = now_ms;
	t->gate = 0;
	t->shape++;
	t->serial++;
	t->slot_count = 0;
	t->logging = t->store->config.sink != NULL;
	t->replay_lsn = 0;
	t->swaps = false;
	memset(t->stripes, 0, sizeof(t->stripes));
}

static bool slots_grow(struct txn *t)
{
	uint32_t room = t->slot_room < SLOTS_LEAST ? SLOTS_LEAST : t->slot_room * 2;
	struct slot *slots = mem_resize(t->slots, room * sizeof(*slots));
	if (slots == NULL)
		return false;
	t->slots = slots;
	t->slot_room = room;
	return true;
}

static int add_slot(struct txn *t, uint32_t ns, wherry_span key, uint64_t hash, enum txn_mode mode, uint32_t *slot)
{
	if (ns >= STORE_NAMESPACES || store_space(t->store, ns) == NULL)
		return WHERRY_EARG;
	if (key.len > STORE_KEY_BYTES)
		return WHERRY_ELIMIT;
	if (t->slot_count == t->slot_room && !slots_grow(t))
		return WHERRY_ENOMEM;
	*slot = t->slot_count++;
	t->slots[*slot] = (struct slot){.key = key, .hash = hash, .ns = ns, .mode = mode};
	return WHERRY_OK;
}

int txn_key(struct txn *t, uint32_t ns, wherry_span key, uint64_t hash, enum txn_mode mode, uint32_t *slot)
{
	assert(!t->locked);
	int status = add_slot(t, ns, key, hash, mode, slot);
	if (status == WHERRY_OK) {
		uint32_t stripe = hash_stripe(hash);
		t->stripes[stripe / 64] |= UINT64_C(1) << stripe % 64;
	}
	return status;
}

int txn_need(struct txn *t, uint32_t ns, wherry_span key, uint64_t hash, enum txn_mode mode, uint32_t *slot)
{
	uint32_t stripe = hash_stripe(hash);
	if (t->locked && (t->stripes[stripe / 64] >> stripe % 64 & 1) != 0)
		return add_slot(t, ns, key, hash, mode, slot);
	txn_count(&t->restarts);
	return WHERRY_RESTART;
}

void txn_each_stripe(const struct txn *t, void (*each)(struct stripe *))
{
	for (unsigned word = 0; word < STORE_STRIPES / 64; word++) {
		for (uint64_t bits = t->stripes[word]; bits != 0; bits &= bits - 1)
			each(&t->store->stripes[word * 64 + (unsigned)__builtin_ctzll(bits)]);
	}
}

void txn_lock(struct txn *t)
{
	assert(!t->locked);
	stripe_assert_none_held();
	txn_each_stripe(t, stripe_lock);
	t->locked = true;
}

void txn_lock_stripe(struct txn *t, uint32_t stripe)
{
	t->stripes[stripe / 64] |= UINT64_C(1) << stripe % 64;
	txn_lock(t);
}

void txn_unlock(struct txn *t)
{
	assert(t->locked && t->undo.len == 0);
	txn_each_stripe(t, stripe_unlock);
	t->locked = false;
	buffer_trim(&t->undo, KEEP_BYTES);
	buffer_trim(&t->redo, KEEP_BYTES);
	if (t->slot_room <= SLOTS_KEEP)
		return;
	mem_free(t->slots);
	t->slots = NULL;
	t->slot_count = t->slot_room = 0;
}

uint64_t txn_gate(const struct txn *t)
{
	if (t->store->config.sink == NULL)
		return 0;
	return t->gate > store_durable_lsn(t->store) ? t->gate : 0;
}

struct slot *txn_slot(struct txn *t, uint32_t slot)
{
	assert(t->locked);
	return slot < t->slot_count ? &t->slots[slot] : NULL;
}

static struct entry *look_up(struct txn *t, struct slot *s)
{
	struct entry *e = table_find(txn_table(t, s->ns, s->hash), s->hash, s->key);
	s->expired = NULL;
	if (e != NULL && entry_expired(e, t->now_ms)) {
		s->expired = e;
		e = NULL;
	}
	uint64_t read = e != NULL ? e->revision : txn_stripe(t, s->hash)->last_lsn;
	if (read > t->gate)
		t->gate = read;
	s->entry = e;
	s->seen = t->shape;
	return e;
}

struct entry *slot_entry(struct txn *t, struct slot *s)
{
	return s->seen == t->shape ? s->entry : look_up(t, s);
}

int slot_write(struct txn *t, uint32_t slot, struct slot **s, struct entry **e)
{
	*s = txn_slot(t, slot);
	if (*s == NULL)
		return WHERRY_EARG;
	if ((*s)->mode != TXN_WRITE)
		return WHERRY_EINTERNAL;
	*e = slot_entry(t, *s);
	return *e == NULL ? WHERRY_ENOKEY : WHERRY_OK;
}

wherry_span txn_slot_key(const struct txn *t, uint32_t slot)
{
	return slot < t->slot_count ? t->slots[slot].key : (wherry_span){0};
}

uint32_t txn_slot_ns(const struct txn *t, uint32_t slot)
{
	return slot < t->slot_count ? t->slots[slot].ns : STORE_NS_DEFAULT;
}

bool txn_holds_keys(const struct txn *t)
{
	return t->slot_count > 0;
}

int txn_open(struct txn *t, uint32_t slot, uint32_t type, struct txn_view *view)
{
	struct slot *s = txn_slot(t, slot);
	if (s == NULL)
		return WHERRY_EARG;
	const struct entry *e = slot_entry(t, s);
	if (e == NULL)
		return WHERRY_ENOKEY;
	*view = entry_view(e);
	return type == TXN_ANY_TYPE || type == e->type ? WHERRY_OK : WHERRY_ETYPE;
}
