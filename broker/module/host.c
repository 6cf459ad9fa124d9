// The host table of the ABI: what the broker offers to modules.  Each function answers for its owner; the owners of
// unloaded modules are dead, and are answered ESHUTDOWN, NULL or nothing.

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "module/instance.h"
#include "run/call.h"

static void host_log(wherry_owner *o, uint32_t level, const char *text)
{
	if (!atomic_load(&o->dead) && text != NULL)
		log_event(o->modules->config.log, level > WHERRY_LOG_DEBUG ? WHERRY_LOG_DEBUG : (int)level,
		    "module says", "module", o->name, "text", text, NULL);
}

static void host_metric_add(wherry_owner *o, uint32_t metric, int64_t delta)
{
	if (metric < o->metric_count)
		atomic_fetch_add_explicit(&o->metrics[metric], delta, memory_order_relaxed);
}

// A dead owner's broker may be gone, but time goes on.
static const struct clock *clock_of(wherry_owner *o)
{
	return atomic_load(&o->dead) ? &clock_system : o->modules->config.clock;
}

static int64_t host_unix_ms(wherry_owner *o)
{
	return clock_unix_ms(clock_of(o));
}

static uint64_t host_ticks_ns(wherry_owner *o)
{
	return clock_ticks_ns(clock_of(o));
}

static void host_random(wherry_owner *o, void *into, size_t len)
{
	(void)o;
	random_bytes(into, len);
}

static int32_t host_option(wherry_owner *o, uint32_t option, wherry_value *out)
{
	return owner_option(o, option, out);
}

static int32_t host_submit(wherry_owner *o, wherry_span request)
{
	return owner_submit(o, request);
}

static int32_t host_wake(wherry_owner *o, uint64_t ticket)
{
	return atomic_load(&o->dead) ? WHERRY_ESHUTDOWN : router_wake(o->modules->config.router, ticket);
}

static int32_t host_timer_start(
    wherry_owner *o, int64_t delay_ms, int64_t period_ms, wherry_span request, uint64_t *timer)
{
	return owner_timer_start(o, delay_ms, period_ms, request, timer);
}

static int32_t host_timer_stop(wherry_owner *o, uint64_t timer)
{
	return owner_timer_stop(o, timer);
}

static int32_t host_session_client(wherry_owner *o, uint64_t session, void *buffer, size_t room, size_t *len)
{
	char client[sizeof(((struct session *)0)->client)];
	if (atomic_load(&o->dead) || !session_client(o->modules->config.router, session, client))
		return WHERRY_ESTALE;
	*len = strlen(client);
	if (*len > room)
		return WHERRY_ELIMIT;
	if (*len > 0)
		memcpy(buffer, client, *len);
	return WHERRY_OK;
}

// The broker offers no interface by id yet.
static const void *host_extension(wherry_owner *o, const char *id)
{
	(void)o;
	(void)id;
	return NULL;
}

static void host_each_ns(wherry_owner *o, void (*each)(void *arg, wherry_span name), void *arg)
{
	if (atomic_load(&o->dead))
		return;
	const struct store *store = router_store(o->modules->config.router);
	for (uint32_t ns = 0; ns < store_ns_count(store); ns++) {
		wherry_span name = span_text(store_ns_name(store, ns));
		if (*(const char *)name.ptr != '$') // a module's own
			each(arg, name);
	}
}

void host_fill(wherry_host *host, const char *version)
{
	*host = (wherry_host){
	    .size = sizeof(*host),
	    .abi = WHERRY_ABI,
	    .version = version,
	    .keys = &call_keys,
	    .write = &pack_table,
	    .read = &host_read,
	    .bus = &host_bus,
	    .fail = call_fail,
	    .alloc = owner_alloc,
	    .resize = owner_resize,
	    .release = owner_release,
	    .log = host_log,
	    .metric_add = host_metric_add,
	    .unix_ms = host_unix_ms,
	    .ticks_ns = host_ticks_ns,
	    .random = host_random,
	    .option = host_option,
	    .submit = host_submit,
	    .wake = host_wake,
	    .timer_start = host_timer_start,
	    .timer_stop = host_timer_stop,
	    .extension = host_extension,
	    .session_client = host_session_client,
	    .each_ns = host_each_ns,
	};
}
