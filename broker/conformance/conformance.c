// Which checks there are, in order, and what becomes of their verdicts: conformance.h.

#include "conformance/conformance.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "conformance/checks.h"

enum { PRESET_MS = 5000, WARNED_MOST = 64 };

enum about { ABOUT_MODULE, ABOUT_COMMAND };

static const struct check {
	const char *name;
	void (*body)(struct trial *);
	enum about about;
} checks[] = {
    {"description", check_description, ABOUT_MODULE},
    {"symbols", check_symbols, ABOUT_MODULE},
    {"load", check_load, ABOUT_MODULE},
    {"no-memory", check_no_memory, ABOUT_MODULE},
    {"arguments", check_arguments, ABOUT_COMMAND},
    {"undo", check_undo, ABOUT_COMMAND},
    {"replay", check_replay, ABOUT_MODULE},
    {"reload", check_reload, ABOUT_MODULE},
    {"waiting", check_waiting, ABOUT_MODULE},
    {"two-brokers", check_two_brokers, ABOUT_MODULE},
    {"unload", check_unload, ABOUT_MODULE},
};

struct running {
	struct trial trial;
	FILE *report;
	unsigned counts[VERDICT_SKIP + 1], warnings;
	char warned[WARNED_MOST][SENTENCE_ROOM]; // a slow command is met by every check
};

// --- lines --------------------------------------------------------------------------------------------------------------

static void line(struct running *r, const char *word, const char *name, const char *command, const char *sentence)
{
	fprintf(r->report, "%-4s %s%s%s: %s\n", word, name, command[0] != 0 ? " " : "", command, sentence);
	fflush(r->report);
}

static void warn(struct running *r, const char *name)
{
	const struct trial_shared *s = r->trial.shared;
	for (unsigned i = 0; i < s->warning_count; i++) {
		unsigned k = 0;
		while (k < r->warnings && k < WARNED_MOST && strcmp(r->warned[k], s->warnings[i]) != 0)
			k++;
		if (k < r->warnings)
			continue;
		if (k < WARNED_MOST)
			memcpy(r->warned[k], s->warnings[i], SENTENCE_ROOM);
		r->warnings++;
		line(r, "warn", name, "", s->warnings[i]);
	}
}

static void verdict(struct running *r, const char *name, const char *command)
{
	static const char *const words[] = {
	    [VERDICT_NONE] = "FAIL", [VERDICT_OK] = "ok", [VERDICT_FAIL] = "FAIL", [VERDICT_SKIP] = "skip"};
	const struct trial_shared *s = r->trial.shared;
	r->counts[s->verdict]++;
	line(r, words[s->verdict], name, command, s->sentence);
}

// --- one check ----------------------------------------------------------------------------------------------------------

static struct trial_command *named(struct running *r, const char *name)
{
	struct trial_module *m = &r->trial.shared->module;
	for (uint32_t i = 0; i < m->command_count; i++)
		if (strcmp(m->commands[i].name, name) == 0)
			return &m->commands[i];
	return NULL;
}

// Another command may be at fault than the one that the trial is about: it gets the line and is sent no more, and the
// trial goes on without it.  Each round takes a command out, so this ends.
static void run_for_command(struct running *r, const struct check *check, const struct trial_command *about)
{
	struct trial_command *guilty;
	do {
		guilty = NULL;
		r->trial.command = about->name;
		r->trial.flags = about->flags;
		trial_run(&r->trial, check->body);
		warn(r, check->name);
		if (r->trial.shared->verdict != VERDICT_FAIL)
			return;
		guilty = named(r, r->trial.shared->asked);
		verdict(r, check->name, guilty != NULL ? guilty->name : about->name);
		if (guilty != NULL)
			guilty->failed = true;
	} while (guilty != NULL && guilty != about && !about->failed);
}

static void run_for_commands(struct running *r, const struct check *check)
{
	const struct trial_module *m = &r->trial.shared->module;
	unsigned passed = 0, failed = r->counts[VERDICT_FAIL];
	uint64_t requests = 0;
	for (uint32_t i = 0; i < m->command_count; i++) {
		if (!may_be_sent(&r->trial, &m->commands[i]))
			continue;
		run_for_command(r, check, &m->commands[i]);
		passed += r->trial.shared->verdict == VERDICT_OK;
		requests += r->trial.shared->requests;
	}
	char sentence[SENTENCE_ROOM];
	bool all = r->counts[VERDICT_FAIL] == failed;
	if (!all)
		return; // each that failed has its line
	snprintf(sentence, sizeof(sentence), "%s; %u commands, %" PRIu64 " requests",
	    check->body == check_undo ? "whatever change failed, all was undone"
				      : "each request was answered once, and nothing was misused",
	    passed, requests);
	r->counts[passed > 0 ? VERDICT_OK : VERDICT_SKIP]++;
	line(r, passed > 0 ? "ok" : "skip", check->name, "", passed > 0 ? sentence : "no command to send");
}

static void run_check(struct running *r, const struct check *check)
{
	if (check->about == ABOUT_COMMAND) {
		run_for_commands(r, check);
		return;
	}
	r->trial.command = NULL;
	trial_run(&r->trial, check->body);
	warn(r, check->name);
	verdict(r, check->name, "");
}

// Behind a description that is refused, or a file that does not load, nothing can be learned.
static void run_all(struct running *r)
{
	bool go_on = true;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		const struct check *check = &checks[i];
		if (go_on)
			run_check(r, check);
		else
			line(r, "skip", check->name, "", "it can't be loaded");
		r->counts[VERDICT_SKIP] += !go_on;
		if (check->body == check_description)
			go_on = r->trial.shared->verdict == VERDICT_OK;
		else if (check->body == check_load)
			go_on = go_on && r->trial.shared->module.loads;
	}
}

static bool fill(struct conformance_options *o)
{
	o->drain_ms = o->drain_ms > 0 ? o->drain_ms : PRESET_MS;
	o->run_ms = o->run_ms > 0 ? o->run_ms : PRESET_MS;
	while (o->seed == 0) {
		random_bytes(&o->seed, sizeof(o->seed));
		o->seed >>= 40; // easily typed again
	}
	return o->file != NULL;
}

int conformance_run(const struct conformance_options *given, FILE *report)
{
	struct conformance_options options = *given;
	static struct running r;
	r = (struct running){.report = report};
	if (!fill(&options))
		return 1;
	r.trial.options = &options;
	r.trial.seed = options.seed;
	r.trial.shared = mmap(NULL, sizeof(*r.trial.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r.trial.shared == MAP_FAILED) {
		line(&r, "FAIL", "memory", "", "there is none to share with the checks");
		return 1;
	}
	run_all(&r);
	unsigned failed = r.counts[VERDICT_FAIL] + r.counts[VERDICT_NONE];
	fprintf(report, "%u ok, %u failed, %u warned, %u skipped; seed %" PRIu64 "\n", r.counts[VERDICT_OK], failed,
	    r.warnings, r.counts[VERDICT_SKIP], options.seed);
	fflush(report);
	munmap(r.trial.shared, sizeof(*r.trial.shared));
	return failed > 0 ? 1 : 0;
}
