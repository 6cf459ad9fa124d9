// Types and namespaces: small ids that are found without a lock and never go.

#include <stdio.h>

#include "store/inside.h"

enum { NAME_MOST = 64, TYPE_NAME_MOST = 255, DEFINE_NS = 0, DEFINE_TYPE = 1 };

static bool name_is_valid(wherry_span name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	if (name.len == 0 || name.len > NAME_MOST)
		return false;
	const char *text = name.ptr;
	for (size_t i = 0; i < name.len; i++) {
		if (text[i] == 0 || strchr(allowed, text[i]) == NULL)
			return false;
	}
	return true;
}

static bool is_own(wherry_span name)
{
	return store_ns_is_own(name) && name_is_valid(span_of((const char *)name.ptr + 1, name.len - 1));
}

static int log_name(struct store *s, uint32_t kind, uint32_t id, wherry_span name)
{
	if (s->config.sink == NULL)
		return WHERRY_OK;
	struct buffer unit = {0};
	unit_write(&unit, &(struct unit_op){.kind = UNIT_DEFINE, .type = kind, .ns = id, .key = name});
	uint64_t lsn;
	int status = unit.failed ? WHERRY_ENOMEM : store_log(s, buffer_span(&unit), &lsn);
	buffer_free(&unit);
	return status;
}

static bool find_type(const struct store *s, const char *name, uint32_t *type)
{
	uint32_t count = atomic_load_explicit(&s->type_count, memory_order_acquire);
	for (*type = 0; *type < count; ++*type) {
		if (strcmp(atomic_load_explicit(&s->types[*type], memory_order_relaxed), name) == 0)
			return true;
	}
	return false;
}

// Under the names' lock.  Logged before anybody can use it.
static int make_type(struct store *s, const char *name, bool log, uint32_t *type)
{
	uint32_t id = atomic_load_explicit(&s->type_count, memory_order_relaxed);
	if (id == STORE_TYPES)
		return WHERRY_ELIMIT;
	char *copy = mem_strdup(name);
	if (copy == NULL)
		return WHERRY_ENOMEM;
	int status = log ? log_name(s, DEFINE_TYPE, id, span_text(name)) : WHERRY_OK;
	if (status != WHERRY_OK) {
		mem_free(copy);
		return status;
	}
	atomic_store_explicit(&s->types[id], copy, memory_order_relaxed);
	atomic_store_explicit(&s->type_count, id + 1, memory_order_release);
	*type = id;
	return WHERRY_OK;
}

static int intern_type(struct store *s, const char *name, bool log, uint32_t *type)
{
	if (find_type(s, name, type))
		return WHERRY_OK;
	if (strlen(name) > TYPE_NAME_MOST)
		return WHERRY_ELIMIT;
	pthread_mutex_lock(&s->names_lock);
	int status = find_type(s, name, type) ? WHERRY_OK : make_type(s, name, log, type);
	pthread_mutex_unlock(&s->names_lock);
	return status;
}

// Where the name is in the index, or the empty place where it would be.
static uint32_t index_place(const struct store *s, wherry_span name)
{
	uint32_t at = (uint32_t)(hash_bytes(&s->hash_key, name.ptr, name.len) % SPACE_INDEX);
	for (uint16_t id; (id = atomic_load_explicit(&s->space_index[at], memory_order_acquire)) != 0;) {
		if (span_equal(span_text(store_space(s, id - 1u)->name), name))
			break;
		at = (at + 1) % SPACE_INDEX;
	}
	return at;
}

// Under the names' lock.
static int make_space(struct store *s, wherry_span name, bool log, uint32_t *ns)
{
	uint32_t id = atomic_load_explicit(&s->space_count, memory_order_relaxed);
	if (id == STORE_NAMESPACES)
		return WHERRY_ELIMIT;
	struct space *space = mem_zalloc(sizeof(*space));
	if (space == NULL)
		return WHERRY_ENOMEM;
	memcpy(space->name, name.ptr, name.len);
	int status = log ? log_name(s, DEFINE_NS, id, name) : WHERRY_OK;
	if (status != WHERRY_OK) {
		mem_free(space);
		return status;
	}
	atomic_store_explicit(&s->spaces[id], space, memory_order_release);
	atomic_store_explicit(&s->space_count, id + 1, memory_order_release);
	atomic_store_explicit(&s->space_index[index_place(s, name)], (uint16_t)(id + 1), memory_order_release);
	*ns = id;
	return WHERRY_OK;
}

static int create_space(struct store *s, wherry_span name, bool log, uint32_t *ns)
{
	pthread_mutex_lock(&s->names_lock);
	int status = WHERRY_EEXIST;
	if (store_ns_find(s, name, ns) != WHERRY_OK)
		status = make_space(s, name, log, ns);
	pthread_mutex_unlock(&s->names_lock);
	return status;
}

int store_type(struct store *s, const char *name, uint32_t *type)
{
	return intern_type(s, name, true, type);
}

const char *store_type_name(const struct store *s, uint32_t type)
{
	if (type >= atomic_load_explicit(&s->type_count, memory_order_acquire))
		return NULL;
	return atomic_load_explicit(&s->types[type], memory_order_relaxed);
}

int store_ns_create(struct store *s, wherry_span name, uint32_t *ns)
{
	return name_is_valid(name) ? create_space(s, name, true, ns) : WHERRY_EARG;
}

int store_ns_own(struct store *s, const char *module, uint32_t *ns)
{
	char name[NAME_MOST + 1];
	wherry_span span = span_of(name, (size_t)snprintf(name, sizeof(name), "$%s", module));
	if (store_ns_find(s, span, ns) == WHERRY_OK)
		return WHERRY_OK;
	int status = create_space(s, span, true, ns);
	return status == WHERRY_EEXIST ? WHERRY_OK : status;
}

int store_ns_find(const struct store *s, wherry_span name, uint32_t *ns)
{
	uint16_t id = atomic_load_explicit(&s->space_index[index_place(s, name)], memory_order_acquire);
	if (id == 0)
		return WHERRY_ENOKEY;
	*ns = id - 1u;
	return WHERRY_OK;
}

const char *store_ns_name(const struct store *s, uint32_t ns)
{
	return ns < store_ns_count(s) ? store_space(s, ns)->name : NULL;
}

uint32_t store_ns_count(const struct store *s)
{
	return atomic_load_explicit(&s->space_count, memory_order_acquire);
}

int names_open(struct store *s)
{
	uint32_t ns;
	return create_space(s, span_text("default"), false, &ns);
}

int names_replay(struct store *s, const struct unit_op *define, uint32_t *id)
{
	char name[TYPE_NAME_MOST + 1];
	if (define->type == DEFINE_NS) {
		if (!name_is_valid(define->key) && !is_own(define->key))
			return WHERRY_ECORRUPT;
		int status = create_space(s, define->key, false, id);
		return status == WHERRY_EEXIST ? WHERRY_OK : status;
	}
	if (define->key.len >= sizeof(name) || memchr(define->key.ptr, 0, define->key.len) != NULL)
		return WHERRY_ECORRUPT;
	memcpy(name, define->key.ptr, define->key.len);
	name[define->key.len] = 0;
	return intern_type(s, name, false, id);
}

int store_describe(struct store *s)
{
	int status = WHERRY_OK;
	pthread_mutex_lock(&s->names_lock);
	for (uint32_t i = 0; i < store_ns_count(s) && status == WHERRY_OK; i++)
		status = log_name(s, DEFINE_NS, i, span_text(store_ns_name(s, i)));
	for (uint32_t i = 0; store_type_name(s, i) != NULL && status == WHERRY_OK; i++)
		status = log_name(s, DEFINE_TYPE, i, span_text(store_type_name(s, i)));
	pthread_mutex_unlock(&s->names_lock);
	return status;
}

void names_close(struct store *s)
{
	for (uint32_t i = 0; i < STORE_NAMESPACES; i++)
		mem_free(store_space(s, i));
	for (uint32_t i = 0; i < STORE_TYPES; i++)
		mem_free(atomic_load(&s->types[i]));
}
