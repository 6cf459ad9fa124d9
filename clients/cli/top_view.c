// Two samples made into rates and percentiles.

#include "top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

bool sample_take(struct sample *s, uint64_t taken_ns, void *stats, size_t stats_len, void *info, size_t info_len)
{
	*s = (struct sample){.taken_ns = taken_ns, .stats_bytes = stats, .info_bytes = info};
	msgpack_unpacked_init(&s->stats);
	msgpack_unpacked_init(&s->info);
	bool read = msgpack_unpack_next(&s->stats, stats, stats_len, NULL) == MSGPACK_UNPACK_SUCCESS &&
		    msgpack_unpack_next(&s->info, info, info_len, NULL) == MSGPACK_UNPACK_SUCCESS;
	if (!read)
		sample_free(s);
	return read;
}

void sample_free(struct sample *s)
{
	msgpack_unpacked_destroy(&s->stats);
	msgpack_unpacked_destroy(&s->info);
	free(s->stats_bytes);
	free(s->info_bytes);
	*s = (struct sample){0};
}

// --- finding ----------------------------------------------------------------------------------------------------------

static const msgpack_object *find(const msgpack_object *map, const char *name, size_t len)
{
	if (map == NULL || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object *key = &map->via.map.ptr[i].key;
		if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == len &&
		    memcmp(key->via.str.ptr, name, len) == 0)
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

static double number_of(const msgpack_object *o)
{
	if (o == NULL)
		return NAN;
	switch (o->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return (double)o->via.u64;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return (double)o->via.i64;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return o->via.f64;
	default:
		return NAN;
	}
}

// "router.requests", or one name alone.
static double number_at(const msgpack_object *map, const char *path)
{
	size_t len = strcspn(path, ".");
	const msgpack_object *found = find(map, path, len);
	return path[len] == '.' ? number_of(find(found, path + len + 1, strlen(path + len + 1))) : number_of(found);
}

static double first_known(double a, double b)
{
	return isnan(a) ? b : a;
}

// --- rates ------------------------------------------------------------------------------------------------------------

struct pair {
	const msgpack_object *now, *before; // before: NULL where there is none, or the broker is another
	double seconds;
};

// What was not there before counts from 0.
static double rate_of(const struct pair *p, double now, double before)
{
	double came = now - first_known(before, 0);
	return p->before != NULL && came >= 0 ? came / p->seconds : NAN;
}

static double rate_at(const struct pair *p, const char *path)
{
	return rate_of(p, number_at(p->now, path), number_at(p->before, path));
}

// nil: the last one, without a bound.
static bool bucket_at(const msgpack_object *list, uint32_t at, double *upper_ns, double *count)
{
	if (list == NULL || list->type != MSGPACK_OBJECT_ARRAY || at >= list->via.array.size)
		return false;
	const msgpack_object *o = &list->via.array.ptr[at];
	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 2)
		return false;
	bool bounded = o->via.array.ptr[0].type != MSGPACK_OBJECT_NIL;
	*upper_ns = bounded ? number_of(&o->via.array.ptr[0]) : INFINITY;
	*count = number_of(&o->via.array.ptr[1]);
	return !isnan(*upper_ns) && !isnan(*count);
}

// How many a bucket had before; *at goes on, both lists rise.
static double count_before(const msgpack_object *before, uint32_t *at, double upper_ns)
{
	double upper, count;
	while (bucket_at(before, *at, &upper, &count) && upper <= upper_ns) {
		++*at;
		if (upper == upper_ns)
			return count;
	}
	return 0;
}

// The time that `fraction` of all that came in between did not exceed.
static double percentile_us(const msgpack_object *now, const msgpack_object *before, double fraction)
{
	double all = 0, seen = 0, upper, count;
	for (uint32_t i = 0, at = 0; bucket_at(now, i, &upper, &count); i++)
		all += count - count_before(before, &at, upper);
	for (uint32_t i = 0, at = 0; all > 0 && bucket_at(now, i, &upper, &count); i++) {
		double came = count - count_before(before, &at, upper);
		seen += came;
		if (came > 0 && seen >= all * fraction)
			return upper / 1000;
	}
	return NAN;
}

// --- rows -------------------------------------------------------------------------------------------------------------

static void name_row(struct row *r, const msgpack_object *key)
{
	char name[TOP_NAME] = "?";
	if (key->type == MSGPACK_OBJECT_STR)
		snprintf(name, sizeof(name), "%.*s",
		    (int)(key->via.str.size < TOP_NAME ? key->via.str.size : TOP_NAME - 1),
		    key->via.str.size > 0 ? key->via.str.ptr : "");
	copy_tame(r->name, sizeof(r->name), name);
}

static const msgpack_object *same_in(const msgpack_object *map, const msgpack_object *key)
{
	return key->type == MSGPACK_OBJECT_STR ? find(map, key->via.str.ptr, key->via.str.size) : NULL;
}

// NAN where it is not known, or has no bound.
static double at_most(double us, double most)
{
	double least = us < most ? us : most;
	return isnan(us) || isinf(least) ? NAN : least;
}

static void fill_command(struct row *r, const struct pair *p, const msgpack_object *now, const msgpack_object *before)
{
	const msgpack_object *buckets = find(now, "buckets", 7), *earlier = find(before, "buckets", 7);
	r->calls = number_at(now, "calls");
	r->errors = number_at(now, "errors");
	r->calls_s = rate_of(p, r->calls, number_at(before, "calls"));
	r->errors_s = rate_of(p, r->errors, number_at(before, "errors"));
	double most = first_known(number_at(now, "max_us"), INFINITY);
	bool interval = p->before != NULL;
	r->p50_us = interval ? at_most(percentile_us(buckets, earlier, 0.5), most) : NAN;
	r->p99_us = interval ? at_most(percentile_us(buckets, earlier, 0.99), most) : NAN;
	r->p999_us = interval ? at_most(percentile_us(buckets, earlier, 0.999), most) : NAN;
}

static struct row *make_rows(const msgpack_object *map, size_t *count)
{
	size_t size = map != NULL && map->type == MSGPACK_OBJECT_MAP ? map->via.map.size : 0;
	*count = size < TOP_ROWS ? size : TOP_ROWS;
	struct row *rows = calloc(*count + 1, sizeof(*rows));
	for (size_t i = 0; rows != NULL && i < *count; i++)
		name_row(&rows[i], &map->via.map.ptr[i].key);
	return rows;
}

static bool add_commands(struct view *v, const struct pair *p)
{
	const msgpack_object *now = find(p->now, "commands", 8), *before = find(p->before, "commands", 8);
	v->commands = make_rows(now, &v->command_count);
	for (size_t i = 0; v->commands != NULL && i < v->command_count; i++) {
		const msgpack_object_kv *kv = &now->via.map.ptr[i];
		fill_command(&v->commands[i], p, &kv->val, same_in(before, &kv->key));
	}
	return v->commands != NULL;
}

static bool add_namespaces(struct view *v, const msgpack_object *stats)
{
	const msgpack_object *all = find(stats, "namespaces", 10);
	v->namespaces = make_rows(all, &v->namespace_count);
	for (size_t i = 0; v->namespaces != NULL && i < v->namespace_count; i++) {
		const msgpack_object *one = &all->via.map.ptr[i].val;
		v->namespaces[i].calls = first_known(number_at(one, "keys"), number_of(one));
	}
	return v->namespaces != NULL;
}

// --- the view ---------------------------------------------------------------------------------------------------------

static void add_rates(struct view *v, const struct pair *p)
{
	v->requests_s = rate_at(p, "router.requests");
	v->errors_s = rate_at(p, "router.errors");
	v->frames_in_s = rate_at(p, "wire.frames_in");
	v->frames_out_s = rate_at(p, "wire.frames_out");
	v->bytes_in_s = rate_at(p, "wire.bytes_in");
	v->bytes_out_s = rate_at(p, "wire.bytes_out");
	v->accepted_s = rate_at(p, "wire.accepted");
	v->commits_s = rate_at(p, "store.commits");
	v->slow_s = rate_at(p, "router.slow");
	v->expired_s = rate_at(p, "store.expired");
}

static void add_levels(struct view *v, const msgpack_object *stats, const msgpack_object *info)
{
	const msgpack_object *version = find(info, "version", 7);
	struct row named = {.name = "?"};
	if (version != NULL)
		name_row(&named, version);
	memcpy(v->version, named.name, sizeof(v->version));
	v->pid = number_at(info, "pid");
	v->uptime_ms = number_at(info, "uptime_ms");
	v->connections = first_known(number_at(stats, "wire.connections"), number_at(info, "connections"));
	v->sessions = first_known(number_at(stats, "router.sessions"), number_at(info, "sessions"));
	v->parked = first_known(number_at(stats, "router.parked"), number_at(info, "parked"));
	v->keys = first_known(number_at(info, "keys"), number_at(stats, "store.keys"));
	v->memory = first_known(number_at(info, "memory"), number_at(stats, "store.memory"));
	v->memory_limit = number_at(stats, "memory.limit");
	v->resident = number_at(stats, "memory.resident");
}

// What neither tells is the same.
static bool is_same(const msgpack_object *a, const msgpack_object *b, const char *name)
{
	return first_known(number_at(a, name), -1) == first_known(number_at(b, name), -1);
}

static bool is_same_broker(const msgpack_object *a, const msgpack_object *b)
{
	return is_same(a, b, "pid") && is_same(a, b, "started_ms");
}

bool view_make(struct view *v, const struct sample *now, const struct sample *before, enum sorting sorting)
{
	*v = (struct view){.seconds = NAN};
	struct pair p = {.now = &now->stats.data};
	bool rates = before != NULL && before->taken_ns != 0 && is_same_broker(&now->info.data, &before->info.data);
	if (rates) {
		p.before = &before->stats.data;
		v->seconds = p.seconds = (double)(now->taken_ns - before->taken_ns) / 1e9;
	}
	add_rates(v, &p);
	add_levels(v, p.now, &now->info.data);
	bool made = add_commands(v, &p) && add_namespaces(v, p.now);
	view_sort(v, sorting);
	return made;
}

void view_free(struct view *v)
{
	free(v->commands);
	free(v->namespaces);
	*v = (struct view){0};
}

static double sort_value(const struct row *r, enum sorting sorting)
{
	double value = sorting == SORT_RATE     ? r->calls_s
		       : sorting == SORT_ERRORS ? r->errors_s
		       : sorting == SORT_P50    ? r->p50_us
		       : sorting == SORT_P99    ? r->p99_us
						: r->calls;
	return isnan(value) ? -1 : value;
}

// The largest first; then by calls, then by name.
static int compare(const void *a, const void *b, void *arg)
{
	const struct row *x = a, *y = b;
	enum sorting sorting = *(const enum sorting *)arg;
	double first = sort_value(x, sorting), second = sort_value(y, sorting);
	if (sorting != SORT_NAME && first != second)
		return first > second ? -1 : 1;
	first = sort_value(x, SORT_CALLS), second = sort_value(y, SORT_CALLS);
	if (sorting != SORT_NAME && first != second)
		return first > second ? -1 : 1;
	return strcmp(x->name, y->name);
}

void view_sort(struct view *v, enum sorting sorting)
{
	if (v->commands != NULL)
		qsort_r(v->commands, v->command_count, sizeof(*v->commands), compare, &sorting);
}
