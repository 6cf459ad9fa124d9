// What the checks share: sending requests, counting what the process has.  See checks.h.

#include "conformance/checks.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENDING_MS = 1000, NAP_NS = 1000000, RESTLESS_NS = 100000000 };

bool may_be_sent(const struct trial *t, const struct trial_command *c)
{
	return !c->failed && !(c->flags & WHERRY_CMD_INTERNAL) && (!(c->flags & WHERRY_CMD_ADMIN) || t->options->admin);
}

// Between requests nothing swaps the table.
void use_command(struct world *w, struct maker *m, const char *name, enum make_how how, wherry_span *request)
{
	const struct command *c = command_find(router_commands(w->router), span_text(name));
	if (c == NULL)
		trial_fail(w->trial, "%s is not in force", name);
	make_request(m, c, how, ++w->next_id, &w->request);
	*request = buffer_span(&w->request);
}

static bool is_wanted(const struct trial *t, const struct trial_command *c, uint32_t with, uint32_t without)
{
	return may_be_sent(t, c) && (c->flags & with) == with && (c->flags & without) == 0;
}

bool use_make(
    struct world *w, struct maker *m, uint32_t with, uint32_t without, enum make_how how, wherry_span *request)
{
	const struct trial_module *is = &w->trial->shared->module;
	uint32_t count = 0;
	for (uint32_t i = 0; i < is->command_count; i++)
		count += is_wanted(w->trial, &is->commands[i], with, without);
	if (count == 0)
		return false;
	uint64_t skip = make_number(m, count);
	for (uint32_t i = 0;; i++)
		if (is_wanted(w->trial, &is->commands[i], with, without) && skip-- == 0) {
			use_command(w, m, is->commands[i].name, how, request);
			return true;
		}
}

void use_some(struct world *w, struct maker *m, unsigned requests)
{
	wherry_span request;
	for (unsigned i = 0; i < requests; i++) {
		enum make_how how = make_number(m, 5) == 0 ? MAKE_EDGE : MAKE_RIGHT;
		uint32_t with = make_number(m, 2) == 0 ? WHERRY_CMD_WRITES : 0;
		uint32_t without = with == 0 ? WHERRY_CMD_WRITES : 0;
		if (with != 0 && make_number(m, 8) != 0)
			without = WHERRY_CMD_SCANS; // those may remove everything
		if (use_make(w, m, with, without, how, &request) || use_make(w, m, 0, 0, how, &request))
			world_ask(w, request);
	}
}

// --- what the process has -----------------------------------------------------------------------------------------------

static unsigned list(const char *path, long *numbers)
{
	unsigned count = 0;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL && count < THINGS_MOST;)
		if (e->d_name[0] != '.' && strtol(e->d_name, NULL, 10) != dirfd(dir))
			numbers[count++] = strtol(e->d_name, NULL, 10);
	closedir(dir);
	return count;
}

void things_count(struct things *t)
{
	t->thread_count = list("/proc/self/task", t->threads);
	t->file_count = list("/proc/self/fd", t->files);
}

static unsigned more(const long *now, unsigned count, const long *before, unsigned before_count)
{
	unsigned fresh = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned k = 0;
		while (k < before_count && before[k] != now[i])
			k++;
		fresh += k == before_count;
	}
	return fresh;
}

void things_compare(struct trial *t, const struct things *before)
{
	static struct things now;
	unsigned threads = 0, files = 0;
	trial_doing(t, "counting threads and files");
	for (int waited = 0; waited < ENDING_MS; waited++) {
		things_count(&now);
		threads = more(now.threads, now.thread_count, before->threads, before->thread_count);
		files = more(now.files, now.file_count, before->files, before->file_count);
		if (threads == 0 && files == 0)
			return;
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
	if (threads > 0)
		trial_fail(t, "unload() left threads: %u", threads);
	trial_fail(t, "unload() left open files: %u", files);
}

// --- answers that stay --------------------------------------------------------------------------------------------------

// What changes by itself, by the module's own timers, is taken out.
static void drop_restless(struct world *w, struct steady *s)
{
	unsigned kept = 0;
	nanosleep(&(struct timespec){.tv_nsec = RESTLESS_NS}, NULL);
	for (unsigned i = 0; i < s->count; i++) {
		char now[STEADY_ROOM];
		struct buffer request = s->requests[i];
		struct reply r = world_ask(w, buffer_span(&request));
		if (strcmp(reply_show(&r, now, sizeof(now)), s->answers[i]) != 0) {
			buffer_free(&request);
			continue;
		}
		s->requests[kept] = request;
		memmove(s->answers[kept++], now, sizeof(now));
	}
	s->count = kept;
}

static void find_twice_the_same(struct world *w, struct maker *m, struct steady *s)
{
	for (unsigned i = 0; i < 4 * STEADY_MOST && s->count < STEADY_MOST; i++) {
		char first[STEADY_ROOM], *second = s->answers[s->count];
		wherry_span request;
		struct reply r;
		if (!use_make(w, m, 0, WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, MAKE_RIGHT, &request))
			return;
		r = world_ask(w, request);
		reply_show(&r, first, sizeof(first));
		r = world_ask(w, request);
		if (strcmp(reply_show(&r, second, STEADY_ROOM), first) == 0)
			buffer_append(&s->requests[s->count++], request.ptr, request.len);
	}
}

void steady_find(struct world *w, struct maker *m, struct steady *s)
{
	*s = (struct steady){.count = 0};
	find_twice_the_same(w, m, s);
	drop_restless(w, s);
}

const char *steady_differs(struct world *w, const struct steady *s, char now[static STEADY_ROOM], const char **before)
{
	static char line[REQUEST_ROOM];
	for (unsigned i = 0; i < s->count; i++) {
		struct reply r = world_ask(w, buffer_span(&s->requests[i]));
		*before = s->answers[i];
		if (strcmp(reply_show(&r, now, STEADY_ROOM), *before) != 0)
			return request_print(buffer_span(&s->requests[i]), line, sizeof(line));
	}
	return NULL;
}

void steady_free(struct steady *s)
{
	for (unsigned i = 0; i < s->count; i++)
		buffer_free(&s->requests[i]);
}
