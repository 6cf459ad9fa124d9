// One run() of a checked module.  The module is given a call of its own, made of copies; what it answers is looked at
// before the broker acts on it.

#include "module/checked_inside.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/status.h"
#include "codec/cursor.h"

// The runs under way, of all threads: to tell a call of another thread from one that is over.
static pthread_mutex_t under_way_lock = PTHREAD_MUTEX_INITIALIZER;
static struct watched *under_way;

static void list_in(struct watched *k)
{
	pthread_mutex_lock(&under_way_lock);
	k->next = under_way;
	if (k->next != NULL)
		k->next->prev = k;
	under_way = k;
	pthread_mutex_unlock(&under_way_lock);
}

static void list_out(struct watched *k)
{
	pthread_mutex_lock(&under_way_lock);
	*(k->prev != NULL ? &k->prev->next : &under_way) = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
	pthread_mutex_unlock(&under_way_lock);
}

// Names the run that the call or the reply belongs to, or the module whose code this is.
void misuse_of_call(const void *face, const char *function)
{
	pthread_mutex_lock(&under_way_lock);
	const struct watched *k = under_way;
	while (k != NULL && k->face != face && k->reply != face)
		k = k->next;
	if (k != NULL)
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "%s from another thread than the one that runs the command", function);
	pthread_mutex_unlock(&under_way_lock);
	if (k == NULL)
		misuse_here("%s with %s", function, face == NULL ? "NULL" : "a call that is over");
}

struct watched *watched_here(const char *function)
{
	const struct checked_here *here = checked_here();
	struct watched *k = here != NULL ? here->run : NULL;
	if (k == NULL) {
		misuse_here("%s outside of run()", function);
		return NULL;
	}
	if (!k->in_each)
		return k;
	misuse_here("%s within each() of a scan", function);
	return NULL;
}

struct watched *watched_anywhere(const wherry_call *face, const char *function)
{
	const struct checked_here *here = checked_here();
	if (here != NULL && here->run != NULL && here->run->face == face)
		return here->run;
	misuse_of_call(face, function);
	return NULL;
}

struct watched *watched_of(const wherry_call *face, const char *function)
{
	return watched_anywhere(face, function) != NULL ? watched_here(function) : NULL;
}

// --- what goes in ---------------------------------------------------------------------------------------------------

// The content of an argument lies within its encoding, but for keys that were made canonical.
static wherry_value lend_value(struct lent *l, const wherry_value *original)
{
	wherry_value v = *original;
	v.raw = lent_copy(l, original->raw);
	if (!(v.kind & (WHERRY_TEXT | WHERRY_BYTES | WHERRY_LIST | WHERRY_MAP | WHERRY_TUPLE | WHERRY_EXT)))
		return v;
	uintptr_t raw = (uintptr_t)original->raw.ptr, at = (uintptr_t)original->as.bytes.ptr;
	if (at >= raw && at + v.as.bytes.len <= raw + original->raw.len)
		v.as.bytes.ptr = (const char *)v.raw.ptr + (at - raw);
	else
		v.as.bytes = lent_copy(l, original->as.bytes);
	return v;
}

static bool lend_call(struct watched *k)
{
	const wherry_call *real = &k->real->face;
	k->face = lent_room(&k->lent, sizeof(*k->face));
	k->reply = lent_room(&k->lent, 16);
	wherry_value *args = lent_room(&k->lent, sizeof(*args) * real->argc + 1);
	if (k->face == NULL || k->reply == NULL || args == NULL)
		return false;
	for (uint32_t i = 0; i < real->argc; i++)
		args[i] = lend_value(&k->lent, &real->args[i]);
	*k->face = *real;
	k->face->args = args;
	k->face->reply = k->reply;
	return true;
}

// --- what comes out ---------------------------------------------------------------------------------------------------

static void misuse(struct watched *k, const char *what)
{
	checked_find(k->module, FINDING_MISUSE, k->command, "%s", what);
}

// A reply that is not one value would break the frame that it is put into.
static int32_t check_reply(struct watched *k)
{
	const struct buffer *out = k->real->out.buffer;
	const struct command *command = k->real->command;
	if (out->failed)
		return WHERRY_OK; // no memory: the broker says so
	const char *why = "";
	int64_t values = 0;
	if (out->len > k->reply_at)
		values =
		    cursor_check(span_of(out->data + k->reply_at, out->len - k->reply_at), &module_limits, &why, NULL);
	if (values == 1)
		return WHERRY_OK;
	if (values == 0 && ((command->flags & WHERRY_CMD_INTERNAL) || k->real->session == NULL))
		return WHERRY_OK; // nobody asked
	if (values < 0)
		checked_find(k->module, FINDING_MISUSE, k->command, "the reply is no whole value: %s", why);
	else
		checked_find(k->module, FINDING_MISUSE, k->command,
		    "run() writes %" PRId64 " values as its reply, not one", values);
	return call_fail(&k->real->face, WHERRY_EINTERNAL, "the module did not write exactly one answer");
}

static int32_t check_status(struct watched *k, int32_t status)
{
	if (status < WHERRY_ETAKEN || status > WHERRY_RESTART)
		checked_find(
		    k->module, FINDING_MISUSE, k->command, "run() answers the unknown status %" PRId32, status);
	if (k->restart && status != WHERRY_RESTART)
		misuse(k, "a keys function answered RESTART, and run() does not");
	if (!k->restart && status == WHERRY_RESTART)
		misuse(k, "run() answers RESTART, and no keys function did");
	if (status == WHERRY_PARKED && !k->parked)
		misuse(k, "run() answers PARKED without park()");
	if (status == WHERRY_OK && k->parked)
		misuse(k, "run() called park() and answers OK");
	if (status == WHERRY_OK && k->failed)
		misuse(k, "run() called fail() and answers OK");
	if (status < 0 && txn_changes(k->real->txn) != k->changes)
		checked_find(k->module, FINDING_UNDONE, k->command, "answers %s after changes, which are undone",
		    status_name(status));
	return status == WHERRY_OK ? check_reply(k) : status;
}

// What a scan removes is committed as it goes.
static bool may_commit(const struct watched *k)
{
	return (k->real->command->flags & WHERRY_CMD_SCANS) || checked_may_change(k);
}

struct stopwatch {
	uint64_t ticks_ns, cpu_ns;
	long waits; // how often the thread slept
};

static struct stopwatch look_at_watch(const struct watched *k)
{
	struct rusage used;
	getrusage(RUSAGE_THREAD, &used);
	uint64_t us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
		      (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	return (struct stopwatch){clock_ticks_ns(k->module->owner->modules->config.clock), us * 1000, used.ru_nvcsw};
}

// A run that only waited for the processor is not the module's fault.
static void check_time(struct watched *k, const struct stopwatch *from)
{
	struct stopwatch to = look_at_watch(k);
	uint64_t most = (uint64_t)k->module->run_ns;
	bool own = to.waits > from->waits || to.cpu_ns - from->cpu_ns > most;
	if (own && to.ticks_ns - from->ticks_ns > most)
		checked_find(k->module, FINDING_SLOW, k->command,
		    "run() takes longer than %" PRId64 " ms (check_run_time)", k->module->run_ns / 1000000);
}

// --- the run ----------------------------------------------------------------------------------------------------------

static const struct checked_command *command_of(const struct checked *c, const struct command *command)
{
	const struct checked_command *own = c->commands;
	while (own->name != command->name)
		own++;
	return own;
}

static int32_t run_checked(struct watched *k, int32_t (*run)(void *, wherry_call *), void *self)
{
	list_in(k);
	checked_enter(&k->here, k->module, k->command);
	k->here.run = k;
	struct stopwatch began = look_at_watch(k);
	int32_t status = run(self, k->face);
	check_time(k, &began);
	checked_leave(&k->here);
	list_out(k);
	memcpy(k->real->face.cookie, k->face->cookie, sizeof(k->face->cookie));
	status = check_status(k, status);
	return status == WHERRY_OK && !may_commit(k) ? WHERRY_ENOMEM : status;
}

int32_t checked_run(void *self, wherry_call *face)
{
	struct call *real = call_of(face);
	struct checked *c = real->command->owner->owner->checked;
	const struct checked_command *own = command_of(c, real->command);
	struct watched k = {.module = c,
	    .real = real,
	    .command = own->name,
	    .reply_at = real->out.buffer->len,
	    .changes = txn_changes(real->txn)};
	int32_t status = WHERRY_ENOMEM;
	if (lend_call(&k))
		status = run_checked(&k, own->run, self);
	lent_end(&k.lent, own->name);
	return status;
}
