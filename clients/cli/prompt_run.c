// What a statement does: asks the broker and prints what it answers.

#include "prompt.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "prompt_wake.h"
#include "value.h"

enum { SENTENCE = 2048, SLOW_US = 1000000 };

void say_error(const struct prompt *p, FILE *f, const char *format, ...)
{
	char text[SENTENCE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fputs(p->settings.color ? "\033[31m" : "", f);
	put_tame(text, strlen(text), false, f);
	fputs(p->settings.color ? "\033[0m\n" : "\n", f);
}

static void say_call_error(const struct prompt *p, FILE *f, const wherry_error *e)
{
	bool unknown =
	    e->local && (e->code == WHERRY_ESTALE || e->code == WHERRY_ECORRUPT || e->code == WHERRY_ETIMEOUT);
	say_error(p, f, "%s: %s%s", e->name, e->text, unknown ? "; whether the command ran is not known" : "");
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void say_time(const struct prompt *p, FILE *f, int64_t us)
{
	if (us >= SLOW_US)
		fprintf(f, "(%.2f s)\n", (double)us / 1e6);
	else if (p->timing)
		fprintf(f, "(%.2f ms)\n", (double)us / 1e3);
}

// print_answer() takes a file that is no terminal for a reader that is none; this is read on one all the same.
static void show(const struct prompt *p, const wherry_reply *r, FILE *f)
{
	msgpack_unpacked u;
	if (p->settings.output != OUTPUT_TABLE) {
		print_answer(&p->settings, r, f);
		return;
	}
	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, r->result, r->result_len, NULL) == MSGPACK_UNPACK_SUCCESS)
		value_for_people(&u.data, f, true);
	else
		say_error(p, f, "the answer nests too deeply to be shown; \\raw writes it as it is");
	msgpack_unpacked_destroy(&u);
}

// Raw answers have no end of line of their own: the prompt must not stand behind them.
static void end_raw(const struct prompt *p, const wherry_reply *r, FILE *f)
{
	const char *bytes = r->result;
	if (p->settings.output == OUTPUT_RAW && (r->result_len == 0 || bytes[r->result_len - 1] != '\n'))
		fputc('\n', f);
}

static bool show_outcome(struct prompt *p, const struct request *q, const wherry_reply *r, FILE *f)
{
	if (r->error.code != 0) {
		say_call_error(p, f, &r->error);
		if (r->error.code == WHERRY_ENOCMD)
			link_outdated(p);
		return true;
	}
	show(p, r, f);
	end_raw(p, r, f);
	if (strcmp(q->method, "session.use") == 0 || strncmp(q->method, "module.", strlen("module.")) == 0)
		link_outdated(p);
	return true;
}

static bool ask(struct prompt *p, const struct request *q, FILE *f)
{
	wherry_reply reply;
	int64_t begun = now_us();
	if (link_ask(p, q, &reply) == ASKED_LEFT) {
		fprintf(stdout, "^C\n%s is no longer waited for; it may still run.\n", q->method);
		return false;
	}
	bool again = show_outcome(p, q, &reply, f);
	say_time(p, f, now_us() - begun);
	link_free(&reply);
	return again;
}

bool run_request(struct prompt *p, int count, char **words, FILE *f)
{
	struct request q = {0};
	wherry_error error;
	bool again = false;
	switch (request_read(&q, &p->reading, count, words, &error)) {
	case ASK_OK:
		again = ask(p, &q, f);
		break;
	case ASK_USAGE:
		say_error(p, f, "%s", p->reading.why);
		break;
	default:
		say_call_error(p, f, &error);
	}
	request_free(&q);
	return again;
}

bool run_help_page(struct prompt *p, const char *what)
{
	const struct described *d = p->reading.catalog != NULL ? catalog_find(p->reading.catalog, what) : NULL;
	if (d != NULL)
		described_page(d, stdout, p->settings.color);
	return d != NULL;
}

const struct own_command *own_find(const char *name)
{
	for (const struct own_command *c = own_commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

void run_own(struct prompt *p, const struct words *w)
{
	const struct own_command *c = w->count > 0 ? own_find(w->at[0]) : NULL;
	if (c != NULL)
		c->run(p, w->count, w->at);
	else
		say_error(
		    p, stdout, "\\%s is no command of this prompt; \\help lists them", w->count > 0 ? w->at[0] : "");
}

// Words that people try: the name of our own command, NULL: none.
static const char *as_own(const struct words *w)
{
	static const char *const names[][2] = {{"?", "help"}, {"help", "help"}, {"quit", "quit"}, {"exit", "quit"}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(w->at[0], names[i][0]) == 0 && (w->count == 1 || i == 1))
			return names[i][1];
	return NULL;
}

static bool wants_help(const struct words *w)
{
	return w->count == 2 && (strcmp(w->at[1], "--help") == 0 || strcmp(w->at[1], "?") == 0);
}

static void run_words(struct prompt *p, const struct words *w)
{
	const char *own = as_own(w);
	if (own != NULL)
		own_find(own)->run(p, w->count, w->at);
	else if (wants_help(w) && run_help_page(p, w->at[0]))
		;
	else if (strchr(w->at[0], '.') == NULL && subcommand_find(w->at[0]) != NULL)
		say_error(p, stdout, "'wherry %s' is for the shell; here are the commands of the broker", w->at[0]);
	else
		run_request(p, w->count, w->at, stdout);
}

void run_statement(struct prompt *p, const char *text, size_t len)
{
	struct words words;
	size_t skipped = 0;
	while (skipped < len && strchr(" \t\n", text[skipped]) != NULL)
		skipped++;
	bool own = skipped < len && text[skipped] == '\\';
	skipped += own;
	const char *why = words_split(text + skipped, len - skipped, &words);
	if (why != NULL)
		say_error(p, stdout, "This can't be read: %s", why);
	else if (own)
		run_own(p, &words);
	else if (words.count > 0)
		run_words(p, &words);
	words_free(&words);
	fflush(stdout);
}
