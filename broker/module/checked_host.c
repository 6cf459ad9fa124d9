// wherry_host of checked modules: what an owner may call when, and memory.

#include "module/checked_inside.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

enum { FRESH = 0xaa, RELEASED = 0xdd };

static void misuse(wherry_owner *o, const char *rest, const char *function)
{
	const struct checked_here *here = checked_here();
	const char *where = here != NULL && here->module == o->checked ? here->what : "a thread of its own";
	checked_find(o->checked, FINDING_MISUSE, where, "%s%s", function, rest);
}

bool checked_owner(wherry_owner *o, const char *function, bool early)
{
	if (o == NULL) {
		misuse_here("%s: the owner is NULL", function);
		return false;
	}
	enum checked_phase phase = (enum checked_phase)atomic_load(&o->checked->phase);
	if (phase == CHECKED_UNLOADED)
		misuse(o, " after unload()", function);
	else if (phase == CHECKED_LOADING && early)
		misuse(o, " before start()", function);
	else if (phase == CHECKED_DRAINED && early)
		misuse(o, " after drain()", function);
	return true;
}

static bool is_there(wherry_owner *o, const void *pointer, const char *function, const char *is_null)
{
	if (pointer == NULL)
		misuse(o, is_null, function);
	return pointer != NULL;
}

static int32_t fail(wherry_call *call, int32_t status, const char *text)
{
	const struct checked_here *here = checked_here();
	struct watched *k = here != NULL ? here->run : NULL;
	if (k == NULL || k->face != call) {
		k = watched_of(call, "host->fail");
		return k == NULL ? WHERRY_EINTERNAL : status;
	}
	if (status >= 0 || status < WHERRY_ETAKEN)
		misuse_here("host->fail with %" PRId32 ", which is no error", status);
	if (text == NULL)
		misuse_here("host->fail: the text is NULL");
	k->failed |= status < 0;
	return call_fail(&k->real->face, status, text != NULL ? text : "");
}

// --- memory -----------------------------------------------------------------------------------------------------------

static bool may_release(wherry_owner *o, const void *block, const char *function, int delta)
{
	enum held_answer answer = held_change(o->checked, block, HELD_MEMORY, delta);
	if (answer == HELD_GONE)
		misuse(o, " takes memory that was released before", function);
	else if (answer == HELD_NEVER)
		misuse(o, " takes memory that alloc() did not give it", function);
	return answer == HELD_HERE;
}

static void *alloc(wherry_owner *o, size_t size)
{
	void *block = checked_owner(o, "host->alloc", false) ? owner_alloc(o, size) : NULL;
	if (block == NULL)
		return NULL;
	if (!held_add(o->checked, block, HELD_MEMORY)) {
		owner_release(o, block);
		return NULL;
	}
	return memset(block, FRESH, size);
}

static void release(wherry_owner *o, void *block)
{
	if (!checked_owner(o, "host->release", false) || block == NULL || !may_release(o, block, "host->release", -1))
		return;
	memset(block, RELEASED, owner_block_size(block));
	owner_release(o, block);
}

// Always moves, so that a pointer into the old block is found out.
static void *resize(wherry_owner *o, void *block, size_t size)
{
	if (block == NULL)
		return alloc(o, size);
	if (!checked_owner(o, "host->resize", false) || !may_release(o, block, "host->resize", 0))
		return NULL;
	void *moved = alloc(o, size);
	if (moved == NULL)
		return NULL;
	size_t old = owner_block_size(block);
	memcpy(moved, block, old < size ? old : size);
	release(o, block);
	return moved;
}

// --- the rest ---------------------------------------------------------------------------------------------------------

static wherry_host plain; // the broker's own functions; every host has the same
static pthread_once_t plain_once = PTHREAD_ONCE_INIT;

static void fill_plain(void)
{
	host_fill(&plain, "");
}

static void host_log(wherry_owner *o, uint32_t level, const char *text)
{
	if (!checked_owner(o, "host->log", false) || !is_there(o, text, "host->log", ": the text is NULL"))
		return;
	if (level > WHERRY_LOG_DEBUG)
		misuse(o, ": there is no such level", "host->log");
	plain.log(o, level, text);
}

static void metric_add(wherry_owner *o, uint32_t metric, int64_t delta)
{
	if (!checked_owner(o, "host->metric_add", false))
		return;
	if (metric >= o->metric_count)
		misuse(o, ": there is no such metric", "host->metric_add");
	plain.metric_add(o, metric, delta);
}

static int64_t unix_ms(wherry_owner *o)
{
	return checked_owner(o, "host->unix_ms", false) ? plain.unix_ms(o) : 0;
}

static uint64_t ticks_ns(wherry_owner *o)
{
	return checked_owner(o, "host->ticks_ns", false) ? plain.ticks_ns(o) : 0;
}

static void fill_random(wherry_owner *o, void *into, size_t len)
{
	if (checked_owner(o, "host->random", false) &&
	    (len == 0 || is_there(o, into, "host->random", ": the buffer is NULL")))
		plain.random(o, into, len);
}

static int32_t option(wherry_owner *o, uint32_t index, wherry_value *out)
{
	if (!checked_owner(o, "host->option", false) || !is_there(o, out, "host->option", ": out is NULL"))
		return WHERRY_EARG;
	if (index >= o->setting_count)
		misuse(o, ": there is no such option", "host->option");
	return plain.option(o, index, out);
}

static int32_t submit(wherry_owner *o, wherry_span request)
{
	if (!checked_owner(o, "host->submit", true) ||
	    !is_there(o, request.ptr, "host->submit", ": the request is NULL"))
		return WHERRY_EARG;
	return plain.submit(o, request);
}

static int32_t wake(wherry_owner *o, uint64_t ticket)
{
	return checked_owner(o, "host->wake", true) ? plain.wake(o, ticket) : WHERRY_EARG;
}

static int32_t start_timer(wherry_owner *o, int64_t delay_ms, int64_t period_ms, wherry_span request, uint64_t *timer)
{
	if (!checked_owner(o, "host->timer_start", true) ||
	    !is_there(o, request.ptr, "host->timer_start", ": the request is NULL"))
		return WHERRY_EARG;
	return plain.timer_start(o, delay_ms, period_ms, request, timer);
}

static int32_t stop_timer(wherry_owner *o, uint64_t timer)
{
	return checked_owner(o, "host->timer_stop", false) ? plain.timer_stop(o, timer) : WHERRY_EARG;
}

static int32_t session_client_of(wherry_owner *o, uint64_t session, void *buffer, size_t room, size_t *len)
{
	if (!checked_owner(o, "host->session_client", false) ||
	    !is_there(o, len, "host->session_client", ": len is NULL") ||
	    (room > 0 && !is_there(o, buffer, "host->session_client", ": the buffer is NULL")))
		return WHERRY_EARG;
	return plain.session_client(o, session, buffer, room, len);
}

static const void *extension(wherry_owner *o, const char *id)
{
	if (!checked_owner(o, "host->extension", false) || !is_there(o, id, "host->extension", ": the id is NULL"))
		return NULL;
	return plain.extension(o, id);
}

static void each_ns(wherry_owner *o, void (*each)(void *arg, wherry_span name), void *arg)
{
	if (checked_owner(o, "host->each_ns", false) && each != NULL)
		plain.each_ns(o, each, arg);
}

void checked_fill(wherry_host *host)
{
	pthread_once(&plain_once, fill_plain);
	host->keys = &checked_keys;
	host->write = &checked_write;
	host->read = &checked_read;
	host->bus = &checked_bus;
	host->fail = fail;
	host->alloc = alloc;
	host->resize = resize;
	host->release = release;
	host->log = host_log;
	host->metric_add = metric_add;
	host->unix_ms = unix_ms;
	host->ticks_ns = ticks_ns;
	host->random = fill_random;
	host->option = option;
	host->submit = submit;
	host->wake = wake;
	host->timer_start = start_timer;
	host->timer_stop = stop_timer;
	host->extension = extension;
	host->session_client = session_client_of;
	host->each_ns = each_ns;
}
