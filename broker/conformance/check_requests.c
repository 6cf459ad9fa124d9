// Requests of every kind; changes that fail; what replay makes of it all.

#include "conformance/checks.h"

#include "base/status.h"

enum { ROUNDS = 300, UNDO_ROUNDS = 60, CHANGES_MOST = 64, REPLAYED = 600, HOUR_MS = 3600000 };

// --- arguments ----------------------------------------------------------------------------------------------------------

static uint64_t ends_at(const struct trial *t)
{
	uint32_t count = t->shared->module.command_count;
	return clock_ticks_ns(&clock_system) + t->options->seconds * UINT64_C(1000000000) / (count > 0 ? count : 1);
}

void check_arguments(struct trial *t)
{
	static const enum make_how hows[] = {
	    MAKE_RIGHT, MAKE_RIGHT, MAKE_RIGHT, MAKE_EDGE, MAKE_EDGE, MAKE_WRONG, MAKE_FEW, MAKE_MANY};
	struct world w;
	struct maker m = maker_of(t->seed, t->command);
	uint64_t end = ends_at(t);
	world_open(&w, t);
	world_load(&w);
	for (unsigned i = 0; i < ROUNDS || (t->options->seconds > 0 && clock_ticks_ns(&clock_system) < end); i++) {
		enum make_how how = hows[make_number(&m, sizeof(hows) / sizeof(hows[0]))];
		wherry_span request;
		use_command(&w, &m, t->command, how, &request);
		struct reply r = world_ask(&w, request);
		if (r.kind == REPLY_PARKED && !(t->flags & WHERRY_CMD_PARKS))
			trial_fail(t, "%s does not answer", t->command);
		if (i % 3 == 0)
			use_some(&w, &m, 1);
	}
	trial_ok(t, "every request was answered, and nothing misused");
}

// --- undo ---------------------------------------------------------------------------------------------------------------

// The n-th change fails, for each n.
static void fail_each_change(struct world *w, wherry_span request)
{
	struct trial *t = w->trial;
	struct checked *checked = world_checked(w);
	for (unsigned n = 1; n <= CHANGES_MOST; n++) {
		struct digest digest = world_digest(w, NULL);
		checked_fail_change(checked, n);
		struct reply r = world_ask(w, request);
		bool failed = checked_has_failed(checked);
		checked_fail_change(checked, 0);
		if (failed && r.kind == REPLY_VALUE)
			trial_warn(t, "%s answers no error although its change %u failed", t->command, n);
		if (!failed || r.kind == REPLY_VALUE)
			return;
		const char *fault = store_fault(w->store);
		if (fault == NULL && digest_is(digest, world_digest(w, NULL)))
			continue;
		request_print(request, t->shared->request, sizeof(t->shared->request));
		trial_fail(t, "its change %u failed, it answered %s, and the keys are not as they were%s%s", n,
		    r.kind == REPLY_ERROR ? status_name(r.status) : "nothing", fault != NULL ? ": " : "",
		    fault != NULL ? fault : "");
	}
}

void check_undo(struct trial *t)
{
	struct world w;
	struct maker m = maker_of(t->seed, "undo");
	if (!(t->flags & WHERRY_CMD_WRITES))
		trial_skip(t, "it writes nothing");
	world_open(&w, t);
	world_load(&w);
	for (unsigned i = 0; i < UNDO_ROUNDS; i++) {
		wherry_span request;
		struct buffer copy = {0};
		use_some(&w, &m, 2);
		use_command(&w, &m, t->command, MAKE_RIGHT, &request);
		buffer_append(&copy, request.ptr, request.len);
		fail_each_change(&w, buffer_span(&copy));
		buffer_free(&copy);
	}
	trial_ok(t, "whatever change failed, all was undone");
}

// --- replay -------------------------------------------------------------------------------------------------------------

void check_replay(struct trial *t)
{
	struct world w;
	struct maker m = maker_of(t->seed, "replay");
	uint64_t keys;
	world_open_plain(&w, t);
	world_load(&w);
	use_some(&w, &m, REPLAYED);
	world_digest(&w, &keys);
	world_check_replay(&w, "after its requests");
	world_reload(&w);
	world_check_replay(&w, "after a reload");
	world_pass(&w, HOUR_MS);
	world_check_replay(&w, "after an hour");
	use_some(&w, &m, REPLAYED / 2);
	world_check_replay(&w, "after more requests");
	trial_ok(t, "what it wrote comes back by replay: %llu keys, also after a reload and an hour",
	    (unsigned long long)keys);
}
