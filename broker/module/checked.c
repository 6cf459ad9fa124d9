// A checked module and its findings: see checked.h.

#include "module/checked_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static _Thread_local struct checked_here *innermost;

struct checked *checked_new(wherry_owner *o)
{
	struct checked *c = mem_zalloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	c->owner = o;
	c->run_ns = o->modules->config.check.run_ms * 1000000;
	c->findings = mem_zalloc(sizeof(c->findings[0]) * FINDINGS_MOST);
	if (c->findings == NULL) {
		mem_free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void checked_free(struct checked *c)
{
	if (c == NULL)
		return;
	held_forget(c);
	pthread_mutex_destroy(&c->lock);
	mem_free(c->findings);
	mem_free(c->commands);
	mem_free(c->wrapped);
	mem_free(c);
}

bool checked_commands(struct checked *c, wherry_module *is)
{
	c->commands = mem_alloc(sizeof(c->commands[0]) * is->command_count);
	c->wrapped = mem_zalloc(sizeof(c->wrapped[0]) * is->command_count);
	if (c->commands == NULL || c->wrapped == NULL)
		return false;
	c->command_count = is->command_count;
	for (uint32_t i = 0; i < is->command_count; i++) {
		const wherry_command *own = MODULE_AT(is->commands, is->command_stride, i);
		c->commands[i] = (struct checked_command){own->name, own->run};
		c->wrapped[i] = *own; // checked before: at least as large as this
		c->wrapped[i].run = checked_run;
	}
	is->commands = c->wrapped;
	is->command_stride = sizeof(c->wrapped[0]);
	return true;
}

struct checked_tally checked_tally(struct checked *c)
{
	pthread_mutex_lock(&c->lock);
	struct checked_tally tally = c->tally;
	pthread_mutex_unlock(&c->lock);
	return tally;
}

void checked_reach(struct checked *c, enum checked_phase phase)
{
	if (c != NULL)
		atomic_store(&c->phase, (int)phase);
}

void checked_mute(struct checked *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->mute = true;
	pthread_mutex_unlock(&c->lock);
}

void checked_fail_change(struct checked *c, unsigned n)
{
	atomic_store(&c->has_failed, false);
	atomic_store(&c->fail_in, n);
}

bool checked_has_failed(struct checked *c)
{
	return atomic_load(&c->has_failed);
}

// --- findings -------------------------------------------------------------------------------------------------------

// Under the lock.  When the table is full, the last row stands for all others.
static struct finding *row_of(struct checked *c, const char *command, const char *what)
{
	for (uint32_t i = 0; i < c->finding_count; i++)
		if (strcmp(c->findings[i].command, command) == 0 && strcmp(c->findings[i].what, what) == 0)
			return &c->findings[i];
	if (c->finding_count == FINDINGS_MOST)
		return &c->findings[FINDINGS_MOST - 1];
	struct finding *f = &c->findings[c->finding_count++];
	f->command = command;
	snprintf(f->what, sizeof(f->what), "%s", what);
	return f;
}

// The first, the tenth, the hundredth ... is logged.
static bool is_told(uint64_t times)
{
	while (times >= 10 && times % 10 == 0)
		times /= 10;
	return times == 1;
}

static void count(struct checked_tally *t, enum finding_kind kind)
{
	if (kind == FINDING_MISUSE)
		t->misuses++;
	else if (kind == FINDING_UNDONE)
		t->undone++;
	else
		t->slow++;
}

// Logged under the lock: checked_mute() waits for it.
void checked_find(struct checked *c, enum finding_kind kind, const char *command, const char *format, ...)
{
	static const char *const events[] = {"module misuse", "module undone", "module slow"};
	static const int levels[] = {WHERRY_LOG_WARN, WHERRY_LOG_INFO, WHERRY_LOG_WARN};
	char what[WHAT_ROOM];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	pthread_mutex_lock(&c->lock);
	count(&c->tally, kind);
	struct finding *f = row_of(c, command, what);
	if (is_told(++f->times) && !c->mute)
		log_event(c->owner->modules->config.log, levels[kind], events[kind], "module", c->owner->name,
		    "command", command, "what", what, "times", LOG_NUMBER(f->times), NULL);
	pthread_mutex_unlock(&c->lock);
}

// --- where its code runs ----------------------------------------------------------------------------------------------

struct checked_here *checked_here(void)
{
	return innermost;
}

void misuse_here(const char *format, ...)
{
	char what[WHAT_ROOM];
	if (innermost == NULL)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	checked_find(innermost->module, FINDING_MISUSE, innermost->what, "%s", what);
}

void checked_enter(struct checked_here *here, struct checked *c, const char *what)
{
	*here = (struct checked_here){.module = c, .what = what, .outer = innermost};
	if (c != NULL)
		innermost = here;
}

void checked_leave(struct checked_here *here)
{
	if (here->module != NULL)
		innermost = here->outer;
}

void checked_heard(struct checked *c, const wherry_listener *listener, void *self, wherry_span topic,
    wherry_span payload, wherry_span headers)
{
	struct checked_here here;
	struct lent lent = {0};
	checked_enter(&here, c, "heard()");
	listener->heard(self, lent_copy(&lent, topic), lent_copy(&lent, payload), lent_copy(&lent, headers));
	checked_leave(&here);
	lent_end(&lent, "heard()");
}
