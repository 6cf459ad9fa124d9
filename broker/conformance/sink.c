// A log in memory: keeps the units of a store, durable at once.  Threads: any.

#include "conformance/world.h"

static int reserve(void *self, size_t bytes)
{
	(void)self, (void)bytes;
	return WHERRY_OK;
}

static void append(void *self, uint64_t lsn, wherry_span unit)
{
	struct world_sink *s = self;
	pthread_mutex_lock(&s->lock);
	if (s->units.len == 0)
		s->first = lsn;
	struct unit_kept kept = {s->bytes.len, unit.len};
	buffer_append(&s->units, &kept, sizeof(kept));
	buffer_append(&s->bytes, unit.ptr, unit.len);
	pthread_mutex_unlock(&s->lock);
	store_durable(s->store, lsn);
}

static void flush(void *self, uint64_t lsn)
{
	(void)self, (void)lsn;
}

void sink_open(struct world_sink *s)
{
	*s = (struct world_sink){.face = {s, reserve, append, flush}};
	pthread_mutex_init(&s->lock, NULL);
}

void sink_attach(struct world_sink *s, struct store *store)
{
	s->store = store;
}

void sink_close(struct world_sink *s)
{
	buffer_free(&s->units);
	buffer_free(&s->bytes);
	pthread_mutex_destroy(&s->lock);
}
