// The rows: roster.h.

#include "module/roster.h"

#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct roster_row rows[ROSTER_MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t orders; // under the lock

struct mapping {
	uintptr_t inside, from, to;
};

static int look(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct mapping *m = arg;
	uintptr_t from = UINTPTR_MAX, to = 0;
	(void)size;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t begin = object->dlpi_addr + part->p_vaddr, end = begin + part->p_memsz;
		if (part->p_type != PT_LOAD)
			continue;
		from = begin < from ? begin : from;
		to = end > to ? end : to;
	}
	if (m->inside < from || m->inside >= to)
		return 0;
	m->from = from;
	m->to = to;
	return 1;
}

// Under the lock; NULL: there is no room.
static struct roster_row *room(void)
{
	struct roster_row *oldest = NULL;
	for (unsigned i = 0; i < ROSTER_MOST; i++) {
		unsigned state = atomic_load(&rows[i].state);
		if (state == ROSTER_FREE)
			return &rows[i];
		if (state == ROSTER_UNLOADED && (oldest == NULL || rows[i].order < oldest->order))
			oldest = &rows[i];
	}
	return oldest;
}

static struct roster_row *row_of(const void *who)
{
	for (unsigned i = 0; i < ROSTER_MOST; i++)
		if (atomic_load(&rows[i].state) != ROSTER_FREE && rows[i].who == who)
			return &rows[i];
	return NULL;
}

void roster_add(
    const void *who, const char *name, const char *version, const char *path, const void *inside, uint32_t reloads)
{
	struct mapping m = {.inside = (uintptr_t)inside};
	dl_iterate_phdr(look, &m);
	pthread_mutex_lock(&lock);
	struct roster_row *row = room();
	if (row != NULL) {
		atomic_store(&row->state, ROSTER_FREE);
		row->who = who;
		row->order = ++orders;
		row->from = m.from;
		row->to = m.to;
		row->reloads = reloads;
		snprintf(row->name, sizeof(row->name), "%s", name);
		snprintf(row->version, sizeof(row->version), "%s", version != NULL ? version : "?");
		snprintf(row->path, sizeof(row->path), "%s", path != NULL ? path : "?");
		atomic_store(&row->state, ROSTER_LOADED);
	}
	pthread_mutex_unlock(&lock);
}

void roster_unloaded(const void *who)
{
	pthread_mutex_lock(&lock);
	struct roster_row *row = row_of(who);
	if (row != NULL)
		atomic_store(&row->state, ROSTER_UNLOADED);
	pthread_mutex_unlock(&lock);
}

void roster_forget(const void *who, bool mapped)
{
	pthread_mutex_lock(&lock);
	struct roster_row *row = row_of(who);
	if (row != NULL) {
		row->who = NULL;
		atomic_store(&row->state, mapped ? ROSTER_UNLOADED : ROSTER_FREE);
	}
	pthread_mutex_unlock(&lock);
}

const struct roster_row *roster_at(unsigned index)
{
	return atomic_load(&rows[index].state) != ROSTER_FREE ? &rows[index] : NULL;
}

const struct roster_row *roster_of(const void *code_or_data)
{
	uintptr_t at = (uintptr_t)code_or_data;
	for (unsigned i = 0; i < ROSTER_MOST; i++)
		if (atomic_load(&rows[i].state) != ROSTER_FREE && at >= rows[i].from && at < rows[i].to)
			return &rows[i];
	return NULL;
}
