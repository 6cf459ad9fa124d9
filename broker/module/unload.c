// A module's end: out of force, drained, unloaded, and what it still holds taken back.
//
// The order matters.  Once its commands are out of the table and the grace periods are over, nothing of it runs but what
// it started itself; drain() ends that; unload() frees its own; only then its timers and counts are looked at.
//
// Its code stays mapped and its owner allocated for a while, so that a late pointer into either is not a crash: until
// BURIED_KEPT others have followed it.  One that left something behind stays until the broker closes, and so does one that
// has a drain(): it may have had threads.

#include <stdio.h>

#include "base/mem.h"
#include "base/status.h"
#include "module/checked.h"
#include "module/instance.h"
#include "module/roster.h"

enum { BURIED_KEPT = 128 };

static void set_state(struct modules *ms, struct module *m, const char *state)
{
	pthread_mutex_lock(&ms->lock);
	m->state = state;
	pthread_mutex_unlock(&ms->lock);
}

static int call_drain(struct module *m, int64_t deadline_ms)
{
	struct checked_here here;
	checked_enter(&here, m->owner->checked, "drain()");
	int status = m->is.drain(m->self, deadline_ms);
	checked_leave(&here);
	return status;
}

static int drain(struct modules *ms, struct module *m, int64_t deadline_ms, struct why why)
{
	if (m->is.drain == NULL)
		return WHERRY_OK;
	set_state(ms, m, "draining");
	int64_t began = timers_now(ms->config.timers);
	int status = call_drain(m, deadline_ms);
	int64_t took = timers_now(ms->config.timers) - began;
	if (took > deadline_ms)
		log_event(ms->config.log, WHERRY_LOG_WARN, "module drained late", "module", m->is.name, "took_ms",
		    LOG_NUMBER(took), "deadline_ms", LOG_NUMBER(deadline_ms), NULL);
	if (status == WHERRY_OK)
		return status;
	set_state(ms, m, "running");
	return module_say(why, status >= 0 || status < WHERRY_ETAKEN ? WHERRY_EINTERNAL : status,
	    "module \"%s\" did not drain (%s): it stays loaded", m->is.name, status_name(status));
}

static void log_left(struct modules *ms, const struct module *m, const struct owner_tally *left)
{
	atomic_fetch_add(&ms->leaks, left->allocations);
	if (left->allocations > 0)
		log_event(ms->config.log, WHERRY_LOG_WARN, "module leaked", "module", m->is.name, "allocations",
		    LOG_NUMBER(left->allocations), "bytes", LOG_NUMBER(left->bytes), NULL);
	if (left->timers > 0)
		log_event(ms->config.log, WHERRY_LOG_WARN, "module left timers", "module", m->is.name, "timers",
		    LOG_NUMBER(left->timers), NULL);
	if (left->requests > 0)
		log_event(ms->config.log, WHERRY_LOG_WARN, "requests lost", "module", m->is.name, "requests",
		    LOG_NUMBER(left->requests), NULL);
}

static bool left_nothing(const struct owner_tally *left)
{
	return left->allocations == 0 && left->timers == 0 && left->requests == 0;
}

static void bury(struct modules *ms, struct module *m)
{
	struct module **at = &ms->buried;
	m->next = ms->buried;
	ms->buried = m;
	for (unsigned kept = 0; *at != NULL;) {
		struct module *old = *at;
		if (kept++ < BURIED_KEPT || !old->clean) {
			at = &old->next;
			continue;
		}
		*at = old->next;
		module_free(old);
	}
}

void module_bury(struct modules *ms, struct module *m)
{
	struct checked *checked = m->owner != NULL ? m->owner->checked : NULL;
	struct checked_here here;
	checked_reach(checked, CHECKED_DRAINED);
	checked_enter(&here, checked, "unload()");
	if (m->is.unload != NULL)
		m->is.unload(m->self);
	checked_leave(&here);
	checked_reach(checked, CHECKED_UNLOADED);
	roster_unloaded(m);
	if (m->owner != NULL) {
		struct owner_tally left = owner_bury(m->owner);
		log_left(ms, m, &left);
		m->clean = left_nothing(&left) && m->is.drain == NULL;
	}
	bury(ms, m);
}

static void replace(struct modules *ms, struct module *old, struct module *replacement)
{
	pthread_mutex_lock(&ms->lock);
	struct module **link = &ms->first;
	while (*link != old)
		link = &(*link)->next;
	if (replacement != NULL)
		replacement->next = old->next;
	*link = replacement != NULL ? replacement : old->next;
	pthread_mutex_unlock(&ms->lock);
	old->next = NULL;
}

static void serve(struct module *m, bool serving)
{
	if (m != NULL && m->owner != NULL)
		owner_serve(m->owner, serving);
}

// What the old copy submits meanwhile goes to the new one's commands; without a new one it waits, in case this one stays.
// The way back is made ready before the first step, so that a module that does not drain goes on for certain.
int module_retire(
    struct modules *ms, struct module *old, struct module *replacement, int64_t deadline_ms, struct why why)
{
	struct publication forth = {0}, back = {0};
	int status = publication_make(ms, old, replacement, &forth);
	if (status == WHERRY_OK)
		status = publication_make(ms, NULL, NULL, &back);
	if (status != WHERRY_OK) {
		publication_free(&forth);
		return module_say(why, status, "the command table can't be made: %s", status_text(status));
	}
	if (replacement == NULL)
		serve(old, false);
	publication_go(ms, &forth);
	serve(replacement, true);
	status = drain(ms, old, deadline_ms, why);
	if (status != WHERRY_OK) {
		serve(replacement, false);
		publication_go(ms, &back);
		serve(old, true);
		return status;
	}
	publication_free(&back);
	replace(ms, old, replacement);
	module_bury(ms, old);
	return WHERRY_OK;
}

void module_end(struct modules *ms, struct module *m, int64_t deadline_ms)
{
	char text[WHY_ROOM];
	struct why why = {text, sizeof(text)};
	if (m->owner == NULL)
		return;
	if (drain(ms, m, deadline_ms, why) == WHERRY_OK) {
		module_bury(ms, m);
		return;
	}
	log_event(ms->config.log, WHERRY_LOG_ERROR, "module abandoned", "module", m->is.name, "why", text, NULL);
	checked_mute(m->owner->checked);
	owner_bury(m->owner);
	m->abandoned = true;
	bury(ms, m);
}
