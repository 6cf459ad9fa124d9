// An owner's life, its memory and its requests: see owner.h.  Timers: owner_timer.c; options:
// owner_options.c.

#include "module/owner.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "codec/request.h"
#include "module/checked.h"
#include "module/instance.h"

// In front of each allocation.  The tag is the owner's address turned by a constant: what was not given by
// this owner, or was given back already, is seldom taken for one of its own.
struct block {
	_Alignas(16) size_t size;
	uint64_t tag;
};

#define BLOCK_SEED UINT64_C(0x9e3779b97f4a7c15)

static uint64_t tag_of(const wherry_owner *o)
{
	return (uint64_t)(uintptr_t)o ^ BLOCK_SEED;
}

wherry_owner *owner_new(struct modules *modules, const wherry_module *m)
{
	wherry_owner *o = mem_zalloc(sizeof(*o));
	if (o == NULL)
		return NULL;
	o->modules = modules;
	snprintf(o->version, sizeof(o->version), "%s", modules->config.version);
	host_fill(&o->host, o->version);
	snprintf(o->name, sizeof(o->name), "%s", m->name);
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->settings_lock, NULL);
	bool checks = modules->config.check.on;
	o->checked = checks ? checked_new(o) : NULL;
	if (o->checked != NULL)
		checked_fill(&o->host);
	o->metrics = mem_zalloc(sizeof(o->metrics[0]) * m->metric_count);
	o->settings = mem_zalloc(sizeof(o->settings[0]) * m->option_count);
	if (o->metrics == NULL || o->settings == NULL || (checks && o->checked == NULL)) {
		owner_free(o);
		return NULL;
	}
	o->metric_count = m->metric_count;
	o->setting_count = m->option_count;
	for (uint32_t i = 0; i < m->option_count; i++) {
		const wherry_option *option = MODULE_AT(m->options, m->option_stride, i);
		o->settings[i].spec = (struct option_spec){
		    .name = option->name,
		    .kind = option->kind,
		    .hot = (option->flags & WHERRY_OPTION_HOT) != 0,
		    .preset = option->preset,
		    .min = option->min,
		    .max = option->max,
		    .help = option->help,
		};
	}
	return o;
}

void owner_free(wherry_owner *o)
{
	if (o == NULL)
		return;
	for (uint32_t i = 0; i < o->setting_count; i++)
		mem_free(o->settings[i].value.text);
	for (uint32_t i = 0; i < o->old_text_count; i++)
		mem_free(o->old_texts[i]);
	checked_free(o->checked);
	mem_free(o->settings);
	mem_free(o->old_texts);
	mem_free(o->metrics);
	mem_free(o->timers);
	buffer_free(&o->waiting);
	pthread_mutex_destroy(&o->settings_lock);
	pthread_mutex_destroy(&o->lock);
	mem_free(o);
}

// --- memory
// -------------------------------------------------------------------------------------------------------

void owner_count(wherry_owner *o, int64_t allocations, int64_t bytes)
{
	atomic_fetch_add_explicit(&o->allocations, (uint64_t)allocations, memory_order_relaxed);
	atomic_fetch_add_explicit(&o->bytes, (uint64_t)bytes, memory_order_relaxed);
}

static int64_t block_cost(size_t size)
{
	return (int64_t)mem_cost(size + sizeof(struct block));
}

static struct block *block_of(wherry_owner *o, void *ptr)
{
	struct block *b = (struct block *)ptr - 1;
	if (b->tag == tag_of(o))
		return b;
	if (atomic_load(&o->dead))
		return NULL;
	log_event(o->modules->config.log, WHERRY_LOG_ERROR, "module fault", "module", o->name, "what",
	    "released memory that it was not given, or twice", NULL);
	return NULL;
}

void *owner_alloc(wherry_owner *o, size_t size)
{
	if (atomic_load(&o->dead) || size > SIZE_MAX / 2)
		return NULL;
	struct block *b = mem_alloc(sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	*b = (struct block){size, tag_of(o)};
	owner_count(o, 1, block_cost(size));
	return b + 1;
}

void *owner_resize(wherry_owner *o, void *ptr, size_t size)
{
	if (ptr == NULL)
		return owner_alloc(o, size);
	struct block *b = block_of(o, ptr);
	if (b == NULL || atomic_load(&o->dead) || size > SIZE_MAX / 2)
		return NULL;
	int64_t before = block_cost(b->size);
	b = mem_resize(b, sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	b->size = size;
	owner_count(o, 0, block_cost(size) - before);
	return b + 1;
}

void owner_release(wherry_owner *o, void *ptr)
{
	struct block *b = ptr != NULL ? block_of(o, ptr) : NULL;
	if (b == NULL)
		return;
	owner_count(o, -1, -block_cost(b->size));
	b->tag = 0;
	mem_free(b);
}

size_t owner_block_size(const void *ptr)
{
	return ((const struct block *)ptr - 1)->size;
}

// --- requests
// -----------------------------------------------------------------------------------------------------

bool owner_is_request(wherry_span request)
{
	const char *why;
	size_t at;
	if (cursor_check(request, &module_limits, &why, &at) != 1)
		return false;
	struct cursor c = cursor_of(request);
	struct request sliced;
	return request_slice(&c, &sliced, &why) == WHERRY_OK && sliced.kind == REQUEST_NOTIFY;
}

int owner_submit(wherry_owner *o, wherry_span request)
{
	if (!owner_is_request(request))
		return WHERRY_EARG;
	int status = WHERRY_OK;
	pthread_mutex_lock(&o->lock);
	bool serving = o->serving;
	if (atomic_load(&o->dead)) {
		status = WHERRY_ESHUTDOWN;
	} else if (!serving) {
		buffer_append(&o->waiting, request.ptr, request.len);
		status = o->waiting.failed ? WHERRY_ENOMEM : WHERRY_OK;
		o->waiting.failed = false;
	}
	pthread_mutex_unlock(&o->lock);
	return status == WHERRY_OK && serving ? router_submit(o->modules->config.router, request) : status;
}

static void submit_waiting(wherry_owner *o, wherry_span requests)
{
	struct cursor c = cursor_of(requests);
	wherry_value request;
	while (cursor_next(&c, &request))
		if (router_submit(o->modules->config.router, request.raw) != WHERRY_OK)
			log_event(o->modules->config.log, WHERRY_LOG_WARN, "request lost", "module", o->name, NULL);
}

void owner_serve(wherry_owner *o, bool serving)
{
	pthread_mutex_lock(&o->lock);
	o->serving = serving;
	struct buffer waiting = {0};
	if (serving) {
		waiting = o->waiting;
		o->waiting = (struct buffer){0};
	}
	pthread_mutex_unlock(&o->lock);
	submit_waiting(o, buffer_span(&waiting));
	buffer_free(&waiting);
}
