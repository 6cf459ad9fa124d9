// Copies of what is lent to a run(), in pages of their own.  When the run is over the pages stay reserved but can't be
// read: a pointer that was kept crashes at once, in tests, and not a week later.  What is lent only until a key changes
// is overwritten then.

#include "module/checked_inside.h"

#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { CHUNK = 64 * 1024, PAGE = 4096, GRAVES = 1024, SPOILED = 0xdd };

// At the beginning of its pages.
struct lent_chunk {
	struct lent_chunk *next;
	size_t size, used;
	_Alignas(16) unsigned char bytes[];
};

// Pages that were taken back, the oldest unmapped by the newest.  Of the process: a module may keep a pointer for as
// long as it is mapped.
static struct grave {
	_Atomic(void *) at;
	_Atomic size_t size;
	_Atomic(const char *) command;
} graves[GRAVES];
static atomic_uint next_grave;

static struct lent_chunk *chunk_new(struct lent *l, size_t size)
{
	size_t whole = (sizeof(struct lent_chunk) + size + PAGE - 1) / PAGE * PAGE;
	if (whole < CHUNK)
		whole = CHUNK;
	if (l->bytes + whole > LENT_MOST)
		return NULL;
	struct lent_chunk *c = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return NULL;
	c->size = whole - sizeof(*c);
	c->next = l->chunks;
	l->chunks = c;
	l->bytes += whole;
	return c;
}

void *lent_room(struct lent *l, size_t size)
{
	struct lent_chunk *c = l->chunks;
	size = (size + 15) & ~(size_t)15;
	if (c == NULL || c->size - c->used < size)
		c = chunk_new(l, size);
	if (c == NULL)
		return NULL;
	void *at = c->bytes + c->used;
	c->used += size;
	return at;
}

wherry_span lent_copy(struct lent *l, wherry_span original)
{
	void *copy = original.ptr != NULL ? lent_room(l, original.len + 1) : NULL;
	if (copy == NULL)
		return original;
	memcpy(copy, original.ptr, original.len);
	return (wherry_span){copy, original.len};
}

static struct lent_piece *piece_new(struct lent *l)
{
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 16 : l->room * 2;
		struct lent_piece *grown = mem_resize(l->pieces, room * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		l->pieces = grown;
		l->room = room;
	}
	return &l->pieces[l->count++];
}

wherry_span lent_record(struct lent *l, wherry_span original, wherry_span key)
{
	wherry_span copy = lent_copy(l, original);
	struct lent_piece *p = copy.ptr != original.ptr ? piece_new(l) : NULL;
	if (p != NULL)
		*p = (struct lent_piece){(unsigned char *)(uintptr_t)copy.ptr, copy.len, key};
	return copy;
}

void lent_change(struct lent *l, wherry_span key)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->count; i++) {
		struct lent_piece *p = &l->pieces[i];
		if (key.len == 0 || p->key.len == 0 || span_equal(p->key, key))
			memset(p->at, SPOILED, p->len);
		else
			l->pieces[kept++] = *p;
	}
	l->count = kept;
}

size_t lent_mark(const struct lent *l)
{
	return l->chunks != NULL ? l->chunks->used : 0;
}

// Within the newest chunk alone; what needed a new one meanwhile is taken back with the run.
void lent_back_to(struct lent *l, size_t mark)
{
	struct lent_chunk *c = l->chunks;
	if (c == NULL || mark > c->used || c->next != NULL)
		return;
	memset(c->bytes + mark, SPOILED, c->used - mark);
	c->used = mark;
}

static void bury(struct lent_chunk *c, const char *command)
{
	size_t size = c->size + sizeof(*c);
	struct grave *g = &graves[atomic_fetch_add(&next_grave, 1) % GRAVES];
	madvise(c, size, MADV_DONTNEED);
	mprotect(c, size, PROT_NONE);
	void *old = atomic_exchange(&g->at, NULL);
	size_t old_size = atomic_exchange(&g->size, size);
	if (old != NULL)
		munmap(old, old_size);
	atomic_store(&g->command, command);
	atomic_store(&g->at, c);
}

void lent_end(struct lent *l, const char *command)
{
	while (l->chunks != NULL) {
		struct lent_chunk *c = l->chunks;
		l->chunks = c->next;
		bury(c, command);
	}
	mem_free(l->pieces);
	*l = (struct lent){0};
}

const char *checked_lent_to(const void *at)
{
	for (int i = 0; i < GRAVES; i++) {
		uintptr_t begin = (uintptr_t)atomic_load(&graves[i].at), address = (uintptr_t)at;
		if (begin != 0 && address >= begin && address - begin < atomic_load(&graves[i].size))
			return atomic_load(&graves[i].command);
	}
	return NULL;
}
