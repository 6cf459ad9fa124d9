#include "cli.h"

#include <msgpack.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "value.h"

enum { SENTENCE = 2048 };

// What a broker says must be able neither to drive the reader's terminal nor to pass for a line of ours.
static void say(const char *format, va_list args)
{
	char text[SENTENCE] = "";
	vsnprintf(text, sizeof(text), format, args);
	fputs("wherry: ", stderr);
	put_tame(text, strlen(text), true, stderr);
	fputc('\n', stderr);
}

int wrong(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	fputs("Try 'wherry --help'.\n", stderr);
	return EXIT_USAGE;
}

int fail(int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	return status;
}

int exit_status_of(const wherry_error *e)
{
	if (e->code == WHERRY_EAGAIN || e->code == WHERRY_ETIMEOUT)
		return EXIT_RETRY;
	return e->local && e->code == WHERRY_EARG ? EXIT_USAGE : EXIT_ERROR;
}

int complain(const wherry_error *e)
{
	return fail(exit_status_of(e), "%s: %s", e->name, e->text);
}

int complain_of_call(const wherry_error *e)
{
	bool unanswered =
	    e->local && (e->code == WHERRY_ESTALE || e->code == WHERRY_ECORRUPT || e->code == WHERRY_ETIMEOUT);
	if (!unanswered || strstr(e->text, "not known") != NULL)
		return complain(e);
	return fail(exit_status_of(e), "%s: %s; whether the command ran is not known", e->name, e->text);
}

int finished(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	perror("wherry: standard output");
	return EXIT_ERROR;
}

int print_answer(const struct settings *s, const wherry_reply *r, FILE *f)
{
	msgpack_unpacked u;
	if (s->output == OUTPUT_RAW) {
		value_raw(r->result, r->result_len, f);
		return EXIT_SUCCESS;
	}
	msgpack_unpacked_init(&u);
	bool read = msgpack_unpack_next(&u, r->result, r->result_len, NULL) == MSGPACK_UNPACK_SUCCESS;
	if (read && s->output == OUTPUT_TABLE) {
		value_for_people(&u.data, f, isatty(fileno(f)) > 0);
	} else if (read) {
		value_as_json(&u.data, f);
		fputc('\n', f);
	}
	msgpack_unpacked_destroy(&u);
	if (read)
		return EXIT_SUCCESS;
	return fail(EXIT_ERROR, "the answer nests too deeply to be shown; -o raw writes it as it is");
}
