// Which memory and buffers the checked modules of this process hold, by address; and which of the last ones are gone, so
// that giving back twice is told from giving back what never was.  Of the process: a buffer does not say whose it is.
// One lock.

#include "module/checked_inside.h"

#include "base/mem.h"

enum { GONE = 4096, ROWS_LEAST = 64 };

struct held {
	const void *at; // NULL: free
	struct checked *module;
	uint32_t refs;
	enum held_kind kind;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *rows; // open addressing, without tombstones
static size_t room, count;
static struct held gone[GONE];
static size_t next_gone;

static size_t place_of(const void *at)
{
	return (size_t)((uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);
}

static struct held *find(const void *at)
{
	for (size_t i = place_of(at); room > 0 && rows[i].at != NULL; i = (i + 1) & (room - 1))
		if (rows[i].at == at)
			return &rows[i];
	return NULL;
}

static void put(struct held h)
{
	size_t i = place_of(h.at);
	while (rows[i].at != NULL)
		i = (i + 1) & (room - 1);
	rows[i] = h;
	count++;
}

static bool make_room(void)
{
	if (count * 2 < room)
		return true;
	struct held *old = rows;
	size_t old_room = room, more = room == 0 ? ROWS_LEAST : room * 2;
	struct held *grown = mem_zalloc(more * sizeof(*grown));
	if (grown == NULL)
		return false;
	rows = grown;
	room = more;
	count = 0;
	for (size_t i = 0; i < old_room; i++)
		if (old[i].at != NULL)
			put(old[i]);
	mem_free(old);
	return true;
}

// Those behind it move up, so that they are found without it.
static void take_out(struct held *h)
{
	size_t i = (size_t)(h - rows);
	rows[i].at = NULL;
	count--;
	for (size_t j = (i + 1) & (room - 1); rows[j].at != NULL; j = (j + 1) & (room - 1)) {
		struct held moved = rows[j];
		rows[j].at = NULL;
		count--;
		put(moved);
	}
}

static void forget_gone(const void *at)
{
	for (size_t i = 0; i < GONE; i++)
		if (gone[i].at == at)
			gone[i].at = NULL;
}

bool held_add(struct checked *c, const void *at, enum held_kind kind)
{
	pthread_mutex_lock(&lock);
	bool ok = make_room();
	if (ok) {
		forget_gone(at);
		put((struct held){at, c, 1, kind});
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

static enum held_answer was(const void *at)
{
	for (size_t i = 0; i < GONE; i++)
		if (gone[i].at == at)
			return HELD_GONE;
	return HELD_NEVER;
}

enum held_answer held_change(const struct checked *c, const void *at, enum held_kind kind, int delta)
{
	pthread_mutex_lock(&lock);
	struct held *h = find(at);
	enum held_answer answer = HELD_HERE;
	if (h == NULL)
		answer = was(at);
	else if (h->kind != kind || (c != NULL && h->module != c))
		answer = HELD_NEVER;
	else if ((h->refs += (uint32_t)delta) == 0) {
		gone[next_gone++ % GONE] = *h;
		take_out(h);
	}
	pthread_mutex_unlock(&lock);
	return answer;
}

struct checked *held_by(const void *at)
{
	pthread_mutex_lock(&lock);
	const struct held *h = find(at);
	struct checked *module = h != NULL ? h->module : NULL;
	for (size_t i = 0; i < GONE && module == NULL; i++)
		if (gone[i].at == at)
			module = gone[i].module;
	pthread_mutex_unlock(&lock);
	return module;
}

void held_forget(const struct checked *c)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < GONE; i++)
		if (gone[i].module == c)
			gone[i] = (struct held){0};
	for (size_t i = 0; i < room;)
		if (rows[i].at != NULL && rows[i].module == c)
			take_out(&rows[i]); // another may stand here now
		else
			i++;
	if (count == 0) {
		mem_free(rows);
		rows = NULL;
		room = 0;
	}
	pthread_mutex_unlock(&lock);
}
