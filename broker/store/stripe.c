// The stripes: locks and counters.

#include "store/inside.h"

enum { REPORT_BYTES = 1024 };

#ifndef NDEBUG
static _Thread_local unsigned held; // stripes that this thread holds
#endif

static void note_locked(void)
{
#ifndef NDEBUG
	held++;
#endif
}

static void open_one(struct store *s, struct stripe *stripe)
{
	pthread_mutex_init(&stripe->lock, NULL);
	stripe->store = s;
	atomic_init(&stripe->earliest, DUE_NONE);
}

int stripes_open(struct store *s)
{
	enum { ALIGN = _Alignof(struct stripe) };
	s->stripes_block = mem_zalloc(STORE_STRIPES * sizeof(struct stripe) + ALIGN);
	if (s->stripes_block == NULL)
		return WHERRY_ENOMEM;
	uintptr_t at = (uintptr_t)s->stripes_block + ALIGN - 1;
	s->stripes = (struct stripe *)(at & ~(uintptr_t)(ALIGN - 1));
	for (unsigned i = 0; i < STORE_STRIPES; i++)
		open_one(s, &s->stripes[i]);
	return WHERRY_OK;
}

void stripes_close(struct store *s)
{
	if (s->stripes == NULL)
		return;
	for (unsigned i = 0; i < STORE_STRIPES; i++) {
		pthread_mutex_destroy(&s->stripes[i].lock);
		mem_free(s->stripes[i].due.items);
	}
	mem_free(s->stripes_block);
}

void stripe_lock(struct stripe *stripe)
{
	pthread_mutex_lock(&stripe->lock);
	note_locked();
}

bool stripe_try(struct stripe *stripe)
{
	if (pthread_mutex_trylock(&stripe->lock) != 0)
		return false;
	note_locked();
	return true;
}

void stripe_unlock(struct stripe *stripe)
{
#ifndef NDEBUG
	held--;
#endif
	pthread_mutex_unlock(&stripe->lock);
}

void stripe_assert_none_held(void)
{
#ifndef NDEBUG
	assert(held == 0);
#endif
}

void stripe_memory(struct stripe *stripe, int64_t delta)
{
	int64_t memory = atomic_load_explicit(&stripe->memory, memory_order_relaxed);
	atomic_store_explicit(&stripe->memory, memory + delta, memory_order_relaxed);
	stripe->unreported += delta;
	if (stripe->unreported < REPORT_BYTES && stripe->unreported > -REPORT_BYTES)
		return;
	atomic_fetch_add_explicit(&stripe->store->memory, stripe->unreported, memory_order_relaxed);
	stripe->unreported = 0;
}

// Sequentially consistent, as is the expirer's way of asking: either it sees the stripe's earliest, or we see that it
// forgot what it knew, and tell it.
void store_wake_at(struct store *s, int64_t ms)
{
	int64_t known = atomic_load(&s->wake);
	do {
		if (known <= ms)
			return;
	} while (!atomic_compare_exchange_weak(&s->wake, &known, ms));
	if (s->config.next_due != NULL)
		s->config.next_due(s->config.arg, ms);
}
