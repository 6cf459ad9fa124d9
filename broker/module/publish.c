// What is in force: the table of all modules' commands and who hears, made whole and swapped in one step each.

#include <string.h>

#include "base/mem.h"
#include "bus/topic.h"
#include "module/checked.h"
#include "module/instance.h"

static int add_alarms(struct command_table *table, const struct module *m)
{
	int status = WHERRY_OK;
	for (uint32_t i = 0; i < m->is.type_count && status == WHERRY_OK; i++) {
		const wherry_type *type = MODULE_AT(m->is.types, m->is.type_stride, i);
		if (type->alarm != NULL)
			status = command_table_alarm(table, m->types[i], type->alarm);
	}
	return status;
}

static int add_commands(struct command_table *table, const struct module *m)
{
	int status = WHERRY_OK;
	for (uint32_t i = 0; i < m->is.command_count && status == WHERRY_OK; i++)
		status = command_table_add(table, MODULE_AT(m->is.commands, m->is.command_stride, i), &m->facing);
	return status == WHERRY_OK ? add_alarms(table, m) : status;
}

// The modules as they would be: each of the list, `with` in the place of `without`, or at the end.
struct walk {
	const struct module *without, *with, *next;
};

static struct walk walk_of(struct modules *ms, const struct module *without, const struct module *with)
{
	return (struct walk){without, with, ms->first};
}

static const struct module *step(struct walk *w)
{
	const struct module *m = w->next;
	if (m == NULL || m == w->without) {
		m = w->with;
		w->with = NULL;
		if (w->next != NULL)
			w->next = w->next->next;
		return m != NULL || w->next == NULL ? m : step(w);
	}
	w->next = m->next;
	return m;
}

static int make_table(struct walk walk, struct command_table **out)
{
	struct command_table *table = command_table_new();
	if (table == NULL)
		return WHERRY_ENOMEM;
	int status = WHERRY_OK;
	for (const struct module *m = step(&walk); m != NULL && status == WHERRY_OK; m = step(&walk))
		status = add_commands(table, m);
	if (status == WHERRY_OK)
		status = command_table_seal(table);
	if (status == WHERRY_OK)
		*out = table;
	else
		command_table_free(table);
	return status;
}

static struct hears listener_row(const struct module *m, const wherry_listener *listener)
{
	char first = listener->filter[0];
	return (struct hears){m, listener, first == '*' || first == '>' ? 0 : first};
}

// Pure: counts when `rows` is NULL.
static uint32_t list_hears(struct walk walk, struct hears *rows)
{
	uint32_t count = 0;
	for (const struct module *m = step(&walk); m != NULL; m = step(&walk)) {
		if (m->is.session_ended != NULL) {
			if (rows != NULL)
				rows[count] = (struct hears){m, NULL, 0};
			count++;
		}
		for (uint32_t i = 0; i < m->is.listener_count; i++, count++)
			if (rows != NULL)
				rows[count] = listener_row(m, MODULE_AT(m->is.listeners, m->is.listener_stride, i));
	}
	return count;
}

static struct hearing *make_hearing(struct walk walk)
{
	uint32_t count = list_hears(walk, NULL);
	struct hearing *h = mem_alloc(sizeof(*h) + sizeof(h->row[0]) * count);
	if (h == NULL)
		return NULL;
	h->count = count;
	list_hears(walk, h->row);
	return h;
}

int publication_make(struct modules *ms, const struct module *without, struct module *with, struct publication *out)
{
	struct walk walk = walk_of(ms, without, with);
	out->hearing = make_hearing(walk);
	int status = out->hearing != NULL ? make_table(walk, &out->table) : WHERRY_ENOMEM;
	if (status != WHERRY_OK)
		publication_free(out);
	return status;
}

void publication_free(struct publication *p)
{
	if (p->table != NULL)
		command_table_free(p->table);
	mem_free(p->hearing);
	*p = (struct publication){0};
}

void publication_go(struct modules *ms, struct publication *p)
{
	router_publish(ms->config.router, p->table);
	struct hearing *old = atomic_exchange(&ms->hearing, p->hearing);
	grace_wait(&ms->grace);
	mem_free(old);
	*p = (struct publication){0};
}

// --- hearing --------------------------------------------------------------------------------------------------------

static struct checked *checked_of(const struct module *m)
{
	return m->owner != NULL ? m->owner->checked : NULL;
}

static void tell_ended(const struct module *m, uint64_t session)
{
	struct checked_here here;
	checked_enter(&here, checked_of(m), "session_ended()");
	m->is.session_ended(m->self, session);
	checked_leave(&here);
}

static void hear(const struct hears *row, wherry_span topic, wherry_span payload, wherry_span headers)
{
	struct checked *checked = checked_of(row->module);
	if (checked != NULL)
		checked_heard(checked, row->listener, row->module->self, topic, payload, headers);
	else
		row->listener->heard(row->module->self, topic, payload, headers);
}

void modules_session_ended(struct modules *ms, uint64_t session)
{
	jobs_session_ended(ms->jobs, session);
	unsigned token = grace_enter(&ms->grace);
	const struct hearing *h = atomic_load(&ms->hearing);
	for (uint32_t i = 0; h != NULL && i < h->count; i++)
		if (h->row[i].listener == NULL)
			tell_ended(h->row[i].module, session);
	grace_leave(&ms->grace, token);
}

static bool would_hear(const struct hears *row, wherry_span topic)
{
	if (row->listener == NULL || (row->first != 0 && row->first != *(const char *)topic.ptr))
		return false;
	return filter_matches(span_text(row->listener->filter), topic);
}

uint64_t modules_hear(struct modules *ms, wherry_span topic)
{
	uint64_t count = 0;
	unsigned token = grace_enter(&ms->grace);
	const struct hearing *h = atomic_load(&ms->hearing);
	for (uint32_t i = 0; h != NULL && i < h->count; i++)
		count += would_hear(&h->row[i], topic);
	grace_leave(&ms->grace, token);
	return count;
}

// A listener may publish to listeners, itself among them: what would go on for ever ends at HEARD_DEEPEST.
uint64_t modules_heard(struct modules *ms, wherry_span topic, wherry_span payload, wherry_span headers)
{
	static _Thread_local unsigned depth;
	uint64_t reached = 0;
	if (depth == HEARD_DEEPEST) {
		log_event(ms->config.log, WHERRY_LOG_WARN, "message not heard", "reason",
		    "listeners publish to each other; the message was not heard", NULL);
		return 0;
	}
	depth++;
	unsigned token = grace_enter(&ms->grace);
	const struct hearing *h = atomic_load(&ms->hearing);
	for (uint32_t i = 0; h != NULL && i < h->count; i++) {
		const struct hears *row = &h->row[i];
		if (!would_hear(row, topic))
			continue;
		hear(row, topic, payload, headers);
		reached++;
	}
	grace_leave(&ms->grace, token);
	depth--;
	return reached;
}
