// The table of commands: filled from the modules' descriptions, sorted once, then only read.

#include "run/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/grace.h"
#include "base/mem.h"
#include "base/options.h"

struct alarm_row {
	uint32_t type;
	const char *name;
	const struct command *command;
};

// A few slots, so that threads seldom share one; but the first they are made when a thread first needs them.
struct command_slot {
	_Alignas(64) atomic_uint_fast64_t errors, longest_ns;
	atomic_uint_fast64_t bucket[HISTOGRAM_BUCKETS];
};

struct command_table {
	struct command **rows;
	uint32_t count, room;
	uint32_t *slots; // open addressing: index + 1, 0 is free
	uint32_t mask;
	struct alarm_row *alarms;
	uint32_t alarm_count;
};

// FNV-1a: the names are the modules', not the clients', so nobody can make them collide.
static uint32_t name_hash(wherry_span name)
{
	const uint8_t *at = name.ptr;
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ at[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static void counts_drop(struct command_counts *counts)
{
	if (counts == NULL || --counts->tables > 0)
		return;
	for (int i = 0; i < COMMAND_SLOTS; i++)
		free(atomic_load(&counts->slot[i]));
	mem_free(counts);
}

static void command_free(struct command *c)
{
	if (c == NULL)
		return;
	mem_free(c->args);
	counts_drop(c->counts);
	mem_free(c);
}

struct command_table *command_table_new(void)
{
	return mem_zalloc(sizeof(struct command_table));
}

void command_table_free(struct command_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->count; i++)
		command_free(t->rows[i]);
	mem_free(t->rows);
	mem_free(t->slots);
	mem_free(t->alarms);
	mem_free(t);
}

static const wherry_arg *arg_at(const wherry_command *spec, uint32_t i)
{
	return (const wherry_arg *)(const void *)((const char *)spec->args + (size_t)spec->arg_stride * i);
}

static void count_arg(struct command *c, const wherry_arg *arg)
{
	bool optional = (arg->flags & WHERRY_ARG_OPTIONAL) != 0;
	if (arg->flags & (WHERRY_ARG_READ | WHERRY_ARG_WRITE))
		c->has_keys = true;
	if (arg->flags & WHERRY_ARG_OPTION) {
		c->options++;
	} else if (arg->flags & WHERRY_ARG_REST || c->rest > 0) {
		c->rest_required |= c->rest == 0 && !optional;
		c->rest++;
	} else {
		c->positional++;
		c->required += optional ? 0 : 1;
	}
}

// aligned_alloc, not mem_alloc: its counters share no cache line with others.
static struct command_slot *slot_new(void)
{
	struct command_slot *slot = aligned_alloc(_Alignof(struct command_slot), sizeof(*slot));
	if (slot != NULL)
		memset(slot, 0, sizeof(*slot));
	return slot;
}

static struct command_counts *counts_new(void)
{
	struct command_counts *counts = mem_zalloc(sizeof(*counts));
	struct command_slot *first = slot_new();
	if (counts == NULL || first == NULL) {
		mem_free(counts);
		free(first);
		return NULL;
	}
	counts->tables = 1;
	atomic_init(&counts->alone, COMMAND_ALONE_FIRST);
	atomic_init(&counts->slot[0], first);
	return counts;
}

static struct command *command_new(const wherry_command *spec, const struct command_owner *owner)
{
	struct command *c = mem_zalloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	c->name = spec->name;
	c->help = spec->help;
	c->verb = spec->verb;
	c->name_len = (uint32_t)strlen(spec->name);
	c->flags = spec->flags;
	c->run = spec->run;
	c->owner = owner;
	c->arg_count = spec->arg_count;
	c->args = mem_alloc(sizeof(c->args[0]) * spec->arg_count);
	c->counts = counts_new();
	if (c->args == NULL || c->counts == NULL) {
		command_free(c);
		return NULL;
	}
	for (uint32_t i = 0; i < spec->arg_count; i++) {
		c->args[i] = arg_at(spec, i);
		count_arg(c, c->args[i]);
	}
	return c;
}

static bool make_room(struct command_table *t)
{
	if (t->count < t->room)
		return true;
	uint32_t room = t->room == 0 ? 64 : t->room * 2;
	struct command **rows = mem_resize(t->rows, sizeof(rows[0]) * room);
	if (rows == NULL)
		return false;
	t->rows = rows;
	t->room = room;
	return true;
}

int command_table_add(struct command_table *t, const wherry_command *spec, const struct command_owner *owner)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (strcmp(t->rows[i]->name, spec->name) == 0)
			return WHERRY_EEXIST;
	struct command *c = make_room(t) ? command_new(spec, owner) : NULL;
	if (c == NULL)
		return WHERRY_ENOMEM;
	t->rows[t->count++] = c;
	return WHERRY_OK;
}

int command_table_alarm(struct command_table *t, uint32_t type, const char *command)
{
	struct alarm_row *rows = mem_resize(t->alarms, sizeof(rows[0]) * (t->alarm_count + 1));
	if (rows == NULL)
		return WHERRY_ENOMEM;
	t->alarms = rows;
	rows[t->alarm_count++] = (struct alarm_row){type, command, NULL};
	return WHERRY_OK;
}

static int by_name(const void *a, const void *b)
{
	const struct command *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

int command_table_seal(struct command_table *t)
{
	uint32_t size = 64;
	while (size < t->count * 2)
		size *= 2;
	t->slots = mem_zalloc(sizeof(t->slots[0]) * size);
	if (t->slots == NULL)
		return WHERRY_ENOMEM;
	t->mask = size - 1;
	if (t->count > 0)
		qsort(t->rows, t->count, sizeof(t->rows[0]), by_name);
	for (uint32_t i = 0; i < t->count; i++) {
		uint32_t at = name_hash(span_text(t->rows[i]->name)) & t->mask;
		while (t->slots[at] != 0)
			at = (at + 1) & t->mask;
		t->slots[at] = i + 1;
	}
	for (uint32_t i = 0; i < t->alarm_count; i++)
		t->alarms[i].command = command_find(t, span_text(t->alarms[i].name));
	return WHERRY_OK;
}

const struct command *command_find(const struct command_table *t, wherry_span name)
{
	for (uint32_t at = name_hash(name) & t->mask; t->slots[at] != 0; at = (at + 1) & t->mask) {
		const struct command *c = t->rows[t->slots[at] - 1];
		if (c->name_len == name.len && memcmp(c->name, name.ptr, name.len) == 0)
			return c;
	}
	return NULL;
}

const struct command *command_of_alarm(const struct command_table *t, uint32_t type)
{
	for (uint32_t i = 0; i < t->alarm_count; i++)
		if (t->alarms[i].type == type)
			return t->alarms[i].command;
	return NULL;
}

uint32_t command_count(const struct command_table *t)
{
	return t->count;
}

const struct command *command_at(const struct command_table *t, uint32_t index)
{
	return t->rows[index];
}

// --- counting ---------------------------------------------------------------------------------------------------------

static struct command_slot *slot_make(struct command_counts *counts, unsigned index)
{
	struct command_slot *fresh = slot_new(), *there = NULL;
	if (fresh == NULL)
		return atomic_load(&counts->slot[0]);
	if (atomic_compare_exchange_strong(&counts->slot[index], &there, fresh))
		return fresh;
	free(fresh);
	return there;
}

static struct command_slot *slot_of(const struct command *c)
{
	unsigned index = thread_number() % COMMAND_SLOTS;
	struct command_slot *slot = atomic_load_explicit(&c->counts->slot[index], memory_order_acquire);
	return slot != NULL ? slot : slot_make(c->counts, index);
}

static void raise_longest(struct command_slot *slot, uint64_t ns)
{
	uint64_t was = atomic_load_explicit(&slot->longest_ns, memory_order_relaxed);
	while (ns > was && !atomic_compare_exchange_weak_explicit(
			       &slot->longest_ns, &was, ns, memory_order_relaxed, memory_order_relaxed))
		;
}

void command_ran(const struct command *c, struct command_batch *b)
{
	struct command_slot *slot = slot_of(c);
	for (unsigned word = 0; word < HISTOGRAM_BUCKETS / 64; word++) {
		for (uint64_t left = b->touched[word]; left != 0; left &= left - 1) {
			unsigned i = word * 64 + (unsigned)__builtin_ctzll(left);
			atomic_fetch_add_explicit(&slot->bucket[i], b->bucket[i], memory_order_relaxed);
			b->bucket[i] = 0;
		}
		b->touched[word] = 0;
	}
	raise_longest(slot, b->longest_ns);
	b->longest_ns = 0;
}

void command_failed(const struct command *c)
{
	atomic_fetch_add_explicit(&slot_of(c)->errors, 1, memory_order_relaxed);
}

static void add_slot(struct command_times *out, const struct command_slot *slot)
{
	uint64_t longest = atomic_load_explicit(&slot->longest_ns, memory_order_relaxed);
	out->longest_ns = longest > out->longest_ns ? longest : out->longest_ns;
	out->errors += atomic_load_explicit(&slot->errors, memory_order_relaxed);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t count = atomic_load_explicit(&slot->bucket[i], memory_order_relaxed);
		out->bucket[i] += count;
		out->calls += count;
	}
}

void command_read(const struct command *c, struct command_times *out)
{
	*out = (struct command_times){0};
	for (int i = 0; i < COMMAND_SLOTS; i++) {
		const struct command_slot *slot = atomic_load_explicit(&c->counts->slot[i], memory_order_acquire);
		if (slot != NULL)
			add_slot(out, slot);
	}
}

void command_table_adopt(struct command_table *t, const struct command_table *old)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct command *was = command_find(old, span_text(t->rows[i]->name));
		if (was == NULL)
			continue;
		counts_drop(t->rows[i]->counts);
		t->rows[i]->counts = was->counts;
		was->counts->tables++;
	}
}

const char *command_nearest(const struct command_table *t, wherry_span name)
{
	char wanted[64];
	if (name.len >= sizeof(wanted) || t->count == 0)
		return NULL;
	memcpy(wanted, name.ptr, name.len);
	wanted[name.len] = 0;
	const char **names = mem_alloc(sizeof(names[0]) * t->count);
	if (names == NULL)
		return NULL;
	uint32_t count = 0;
	for (uint32_t i = 0; i < t->count; i++)
		if (!(t->rows[i]->flags & WHERRY_CMD_INTERNAL))
			names[count++] = t->rows[i]->name;
	const char *nearest = nearest_name(wanted, names, count);
	mem_free(names);
	return nearest;
}
