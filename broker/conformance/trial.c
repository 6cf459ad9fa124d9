// A child for each check: trial.h.

#include "conformance/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "module/checked.h"

enum { POLL_NS = 2000000, WHOLE_MS = 120000, CRASHED = 99, STACK = 64 * 1024 };

static struct trial_shared *crashing; // in the child, for the signal handler

static int64_t now_ns(void)
{
	return (int64_t)clock_ticks_ns(&clock_system);
}

// How to do it again.
static void name_request(struct trial_shared *s)
{
	size_t len = strlen(s->sentence);
	int room = (int)(sizeof(s->sentence) - len - sizeof("; request: "));
	if (s->request[0] != 0 && room > 0)
		snprintf(s->sentence + len, sizeof(s->sentence) - len, "; request: %.*s", room, s->request);
}

// --- the child's end ----------------------------------------------------------------------------------------------------

// For those that give the sentence as they got it.
static void __attribute__((noreturn)) end(struct trial *t, enum verdict verdict, const char *format, va_list args)
{
	struct trial_shared *s = t->shared;
	vsnprintf(s->sentence, sizeof(s->sentence), format, args);
	if (verdict == VERDICT_FAIL)
		name_request(s);
	s->verdict = verdict;
	syscall(SYS_exit_group, 0); // not _exit(): a sanitizer would take a second for it
	__builtin_unreachable();
}

void trial_ok(struct trial *t, const char *format, ...)
{
	va_list args;
	trial_look_at_log(t);
	va_start(args, format);
	end(t, VERDICT_OK, format, args);
}

void trial_fail(struct trial *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	end(t, VERDICT_FAIL, format, args);
}

void trial_skip(struct trial *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	end(t, VERDICT_SKIP, format, args);
}

void trial_warn(struct trial *t, const char *format, ...)
{
	char sentence[SENTENCE_ROOM];
	struct trial_shared *s = t->shared;
	va_list args;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	for (unsigned i = 0; i < s->warning_count; i++)
		if (strcmp(s->warnings[i], sentence) == 0)
			return;
	if (s->warning_count < WARNINGS_MOST)
		memcpy(s->warnings[s->warning_count++], sentence, sizeof(sentence));
}

// --- what it is doing ---------------------------------------------------------------------------------------------------

void trial_doing(struct trial *t, const char *what)
{
	snprintf(t->shared->doing, sizeof(t->shared->doing), "%s", what);
}

void trial_limit(struct trial *t, int64_t ms, const char *late, ...)
{
	va_list args;
	va_start(args, late);
	vsnprintf(t->shared->late, sizeof(t->shared->late), late, args);
	va_end(args);
	atomic_store(&t->shared->deadline_ns, now_ns() + ms * 1000000);
}

void trial_no_limit(struct trial *t)
{
	atomic_store(&t->shared->deadline_ns, 0);
}

// --- the log ------------------------------------------------------------------------------------------------------------

// The value of ` name=` in a line of the log, without the quotes and their escapes; "" if there is none.
static const char *field(const char *line, const char *name, char *value, size_t room)
{
	char key[32];
	size_t len = 0;
	snprintf(key, sizeof(key), " %s=", name);
	const char *at = strstr(line, key);
	at = at != NULL ? at + strlen(key) : "";
	bool quoted = *at == '"';
	for (at += quoted; *at != 0 && *at != (quoted ? '"' : ' ') && len + 1 < room; at++) {
		if (quoted && *at == '\\' && at[1] != 0)
			at++;
		value[len++] = *at;
	}
	value[len] = 0;
	return value;
}

// The command under way is named by the line of the report already.
static void look_at_misuse(struct trial *t, const char *line)
{
	char command[256], what[256];
	field(line, "command", command, sizeof(command));
	field(line, "what", what, sizeof(what));
	if (strcmp(command, t->shared->asked) == 0)
		trial_fail(t, "%s", what);
	trial_fail(t, "%s: %s", command, what);
}

// Behind the time and the level.
static bool tells_of(const char *line, const char *event)
{
	const char *at = strchr(line, ' ');
	at = at != NULL ? strchr(at + 1, ' ') : NULL;
	return at != NULL && strncmp(at, event, strlen(event)) == 0;
}

static void look_at_line(struct trial *t, const char *line)
{
	char a[256], b[256];
	if (tells_of(line, " module misuse "))
		look_at_misuse(t, line);
	if (tells_of(line, " module slow "))
		trial_warn(t, "%s: %s", field(line, "command", a, sizeof(a)), field(line, "what", b, sizeof(b)));
	if (tells_of(line, " module fault "))
		trial_fail(t, "%s", field(line, "what", b, sizeof(b)));
	if (tells_of(line, " module leaked "))
		trial_fail(t, "unload() left allocations: %s (%s bytes)", field(line, "allocations", a, sizeof(a)),
		    field(line, "bytes", b, sizeof(b)));
	if (tells_of(line, " module left timers "))
		trial_fail(t, "unload() left timers: %s", field(line, "timers", a, sizeof(a)));
	if (tells_of(line, " module drained late "))
		trial_fail(t, "drain() took %s ms, and was given %s", field(line, "took_ms", a, sizeof(a)),
		    field(line, "deadline_ms", b, sizeof(b)));
}

void trial_look_at_log(struct trial *t)
{
	char text[8192];
	for (;;) {
		ssize_t got = pread(t->log, text, sizeof(text) - 1, t->log_at);
		if (got <= 0)
			return;
		text[got] = 0;
		char *end_of_line = strchr(text, '\n');
		if (end_of_line == NULL && got == sizeof(text) - 1)
			t->log_at += got; // no line of the broker's
		if (end_of_line == NULL)
			return; // it is still being written
		*end_of_line = 0;
		t->log_at += end_of_line + 1 - text;
		look_at_line(t, text);
	}
}

// --- crashing -----------------------------------------------------------------------------------------------------------

static void on_crash(int signal, siginfo_t *info, void *context)
{
	(void)context;
	struct trial_shared *s = crashing;
	const char *lent_to = checked_lent_to(info->si_addr);
	s->address = info->si_addr;
	if (lent_to != NULL)
		strncpy(s->lent_to, lent_to, sizeof(s->lent_to) - 1);
	atomic_store(&s->signal, signal);
	_exit(CRASHED);
}

static void watch_for_crashes(struct trial *t)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	static char stack[STACK];
	stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	crashing = t->shared;
	sigaltstack(&other, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static void __attribute__((noreturn)) be_child(struct trial *t, void (*body)(struct trial *))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); // nobody is left to end it when it hangs
	if (dup2(t->log, STDERR_FILENO) < 0 || dup2(t->log, STDOUT_FILENO) < 0)
		trial_fail(t, "no log: %s", strerror(errno));
	watch_for_crashes(t);
	body(t);
	trial_fail(t, "the check ended without a verdict");
}

// --- the parent ---------------------------------------------------------------------------------------------------------

// Fails it from outside.
static void __attribute__((format(printf, 2, 3))) say(struct trial_shared *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(s->sentence, sizeof(s->sentence), format, args);
	va_end(args);
	name_request(s);
	s->verdict = VERDICT_FAIL;
}

// The child's status once it has ended; a child that hangs is ended, and that is said.
static int wait_for(struct trial *t, pid_t child)
{
	struct trial_shared *s = t->shared;
	int64_t whole = now_ns() + WHOLE_MS * INT64_C(1000000) + t->options->seconds * INT64_C(1000000000);
	int status;
	while (waitpid(child, &status, WNOHANG) == 0) {
		int64_t now = now_ns(), deadline = atomic_load(&s->deadline_ns);
		bool late = deadline != 0 && now > deadline;
		if (late || now > whole) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			say(s, "%s", late ? s->late : "the check did not end");
			return 0;
		}
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	}
	return status;
}

static void say_crash(struct trial_shared *s, int signal)
{
	const char *name = sigabbrev_np(signal);
	if (s->lent_to[0] != 0)
		say(s, "crashed by SIG%s while %s: it used memory that had been lent to %s only until that returned",
		    name != NULL ? name : "?", s->doing, s->lent_to);
	else
		say(s, "crashed by SIG%s while %s", name != NULL ? name : "?", s->doing);
}

// What a sanitizer said, if any did.
static const char *sanitizer_said(const struct trial *t)
{
	static const char *const marks[] = {"runtime error: ", "SUMMARY: "};
	static char text[64 * 1024];
	ssize_t got = pread(t->log, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = 0;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		char *at = strstr(text, marks[i]);
		if (at == NULL)
			continue;
		at[strcspn(at, "\n")] = 0;
		return at + strlen(marks[i]);
	}
	return NULL;
}

static void judge(struct trial *t, int status)
{
	struct trial_shared *s = t->shared;
	const char *said = sanitizer_said(t);
	if (said != NULL)
		say(s, "while %s: %s", s->doing, said);
	else if (atomic_load(&s->signal) != 0)
		say_crash(s, atomic_load(&s->signal));
	else if (s->verdict == VERDICT_NONE && WIFSIGNALED(status))
		say_crash(s, WTERMSIG(status));
	else if (s->verdict == VERDICT_NONE)
		say(s, "it ended the process with status %d while %s", WEXITSTATUS(status), s->doing);
}

void trial_run(struct trial *t, void (*body)(struct trial *))
{
	struct trial_shared *s = t->shared;
	struct trial_module module = s->module;
	memset(s, 0, sizeof(*s));
	s->module = module;
	snprintf(s->doing, sizeof(s->doing), "starting");
	t->log_at = 0;
	t->log = memfd_create("log", MFD_CLOEXEC);
	pid_t child = t->log >= 0 ? fork() : -1;
	if (child == 0)
		be_child(t, body);
	if (child > 0)
		judge(t, wait_for(t, child));
	else
		say(s, "no process for the check: %s", strerror(errno));
	if (t->log >= 0)
		close(t->log);
}
