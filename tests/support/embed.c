// A broker inside the test: see embed.h.

#include "embed.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "broker.h"
#include "control.h"

struct embed_session {
	struct embed *embed;
	wherry_session *session;
	struct embed_session *next;
};

struct embed {
	wherry_broker *broker;
	struct embed_session *sessions; // newest first; the first one opened is `first`
	struct embed_session *first;
	pthread_mutex_t lock; // of the list
	uint64_t leaked;      // not looked at by embed_close_leaky
};

struct embed_pending {
	struct embed_session *session;
	pthread_t thread;
	char *line, *answer;
};

enum { WAIT_MS = 10000 };

const char *embed_module_path(const char *name)
{
	static _Thread_local char path[4096];
	const char *build = getenv("WHERRY_BUILD");
	if (strchr(name, '/') != NULL) {
		snprintf(path, sizeof path, "%s", name);
		return path;
	}
	if (build == NULL)
		fail_msg("WHERRY_BUILD must name the build directory");
	snprintf(path, sizeof path, "%s/lib/wherry/modules/%s.so", build, name);
	if (access(path, R_OK) != 0)
		snprintf(path, sizeof path, "%s/tests/modules/%s.so", build, name);
	return path;
}

const char *embed_temp_dir(void)
{
	static _Thread_local char dir[4096];
	const char *build = getenv("WHERRY_BUILD");
	if (build == NULL)
		fail_msg("WHERRY_BUILD must name the build directory");
	snprintf(dir, sizeof dir, "%s/tests/temp-XXXXXX", build);
	assert_non_null(mkdtemp(dir));
	return dir;
}

static void set_option(wherry_config *config, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	assert_non_null(equals);
	char *name = strndup(assignment, (size_t)(equals - assignment));
	assert_non_null(name);
	if (wherry_config_set(config, name, equals + 1) != WHERRY_OK)
		fail_msg("%s", wherry_config_why(config));
	free(name);
}

static void add_modules(wherry_config *config, const char *csv)
{
	char *names = strdup(csv), *rest = names, *name;
	assert_non_null(names);
	while ((name = strsep(&rest, ", ")) != NULL) {
		if (*name != 0 && wherry_config_module(config, embed_module_path(name)) != WHERRY_OK)
			fail_msg("%s", wherry_config_why(config));
	}
	free(names);
}

struct embed *embed_open_with(const char *modules_csv, const char *const *options)
{
	struct embed *b = calloc(1, sizeof *b);
	assert_non_null(b);
	pthread_mutex_init(&b->lock, NULL);
	wherry_config *config = wherry_config_new();
	assert_non_null(config);
	set_option(config, "modules="); // those that the test names, and no others
	set_option(config, "log_level=error");
	for (; options != NULL && *options != NULL; options++)
		set_option(config, *options);
	add_modules(config, modules_csv);
	char *why = NULL;
	if (wherry_broker_open(config, &b->broker, &why) != WHERRY_OK)
		fail_msg("the broker does not open: %s", why ? why : "no reason given");
	wherry_config_free(config);
	b->first = embed_session_open(b);
	return b;
}

struct embed *embed_open(const char *modules_csv)
{
	return embed_open_with(modules_csv, NULL);
}

wherry_broker *embed_broker(struct embed *b)
{
	return b->broker;
}

struct embed_session *embed_first(struct embed *b)
{
	return b->first;
}

struct embed_session *embed_session_open(struct embed *b)
{
	struct embed_session *s = calloc(1, sizeof *s);
	assert_non_null(s);
	s->embed = b;
	assert_int_equal(wherry_session_open(b->broker, &s->session), WHERRY_OK);
	pthread_mutex_lock(&b->lock);
	s->next = b->sessions;
	b->sessions = s;
	pthread_mutex_unlock(&b->lock);
	return s;
}

void embed_session_close(struct embed_session *s)
{
	struct embed *b = s->embed;
	pthread_mutex_lock(&b->lock);
	struct embed_session **link = &b->sessions;
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	pthread_mutex_unlock(&b->lock);
	wherry_session_close(s->session);
	free(s);
}

static struct router_stats stats(const struct embed *b)
{
	struct router_stats now;
	router_read_stats(b->broker->router, &now);
	return now;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void embed_wait_parked(struct embed *b, unsigned count)
{
	for (int waited = 0; stats(b).parked != count; waited++) {
		if (waited == WAIT_MS)
			fail_msg("%u requests should be parked, %u are", count, (unsigned)stats(b).parked);
		nap();
	}
}

// A session's end is finished by whoever drops its last reference, so it may take a moment.
static void check_world(struct embed *b)
{
	for (int waited = 0; stats(b).sessions != 0 || stats(b).parked != 0; waited++) {
		if (waited == WAIT_MS)
			fail_msg("left behind: %u sessions, %u parked requests", (unsigned)stats(b).sessions,
			    (unsigned)stats(b).parked);
		nap();
	}
}

struct unloading {
	struct embed *embed;
	char name[64];
};

static void pick(void *arg, const struct module_info *info)
{
	struct unloading *u = arg;
	if (!info->builtin)
		snprintf(u->name, sizeof u->name, "%s", info->name);
}

// Later ones may need earlier ones, so the last of the list goes first.
static void unload_all(void *arg)
{
	struct embed *b = arg;
	struct modules *modules = b->broker->modules;
	for (;;) {
		struct unloading u = {.embed = b};
		char why[512];
		modules_each(modules, pick, &u);
		if (u.name[0] == 0 || modules_unload(modules, u.name, WAIT_MS, why, sizeof why) != WHERRY_OK)
			break;
	}
	b->leaked = modules_leaks(modules);
}

static void finish(struct embed *b, bool leaks_matter)
{
	while (b->sessions != NULL)
		embed_session_close(b->sessions);
	check_world(b);
	control_call(b->broker->control, "unload for the test", unload_all, b);
	if (leaks_matter && b->leaked != 0)
		fail_msg("the modules left %llu allocations behind", (unsigned long long)b->leaked);
	wherry_broker_close(b->broker);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void embed_close(struct embed *b)
{
	finish(b, true);
}

void embed_close_leaky(struct embed *b)
{
	finish(b, false);
}

char *embed_session_call(struct embed_session *s, const char *line)
{
	struct buffer frame = {0};
	const void *answer = NULL;
	size_t len = 0;
	embed_encode(line, &frame);
	int status = wherry_session_call(s->session, frame.data, frame.len, &answer, &len);
	buffer_free(&frame);
	if (status != WHERRY_OK)
		fail_msg("wherry_session_call(%s): %s", line, status_name(status));
	return embed_decode(span_of(answer, len));
}

char *embed_call(struct embed *b, const char *line)
{
	return embed_session_call(b->first, line);
}

char *embed_callf(struct embed *b, const char *format, ...)
{
	char *line = NULL;
	va_list args;
	va_start(args, format);
	assert_true(vasprintf(&line, format, args) >= 0);
	va_end(args);
	char *answer = embed_call(b, line);
	free(line);
	return answer;
}

static void *pending_main(void *arg)
{
	struct embed_pending *p = arg;
	p->answer = embed_session_call(p->session, p->line);
	return NULL;
}

struct embed_pending *embed_begin(struct embed *b, const char *line)
{
	struct embed_pending *p = calloc(1, sizeof *p);
	assert_non_null(p);
	p->session = embed_session_open(b);
	p->line = strdup(line);
	assert_non_null(p->line);
	assert_int_equal(pthread_create(&p->thread, NULL, pending_main, p), 0);
	return p;
}

char *embed_end(struct embed_pending *p)
{
	pthread_join(p->thread, NULL);
	char *answer = p->answer;
	embed_session_close(p->session);
	free(p->line);
	free(p);
	return answer;
}

static void compare(const char *line, char *got, const char *want, int is_pattern, const char *file, int at)
{
	bool same = is_pattern ? fnmatch(want, got, 0) == 0 : strcmp(want, got) == 0;
	if (!same) {
		print_error("%s:%d: %s\n  answered %s\n  expected %s\n", file, at, line, got, want);
		free(got);
		_fail(file, at);
	}
	free(got);
}

void embed_expect(struct embed *b, const char *line, const char *want, int is_pattern, const char *file, int at)
{
	compare(line, embed_call(b, line), want, is_pattern, file, at);
}

void embed_expect_text(char *got, const char *want, int is_pattern, const char *file, int at)
{
	compare("the answer", got, want, is_pattern, file, at);
}

void embed_await_like(struct embed *b, const char *line, const char *pattern)
{
	for (int waited = 0; waited < WAIT_MS; waited++) {
		char *answer = embed_call(b, line);
		bool there = fnmatch(pattern, answer, 0) == 0;
		free(answer);
		if (there)
			return;
		nap();
	}
	fail_msg("%s does not become like %s", line, pattern);
}
