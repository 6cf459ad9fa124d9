#include "follow.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "value.h"

enum { TICK_MS = 100, RATE_MS = 1000 };

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
	caught = number;
}

// The second one ends the program at once.
static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = catch_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction before;
		sigaction(numbers[i], NULL, &before);
		if (before.sa_handler != SIG_IGN) // nohup
			sigaction(numbers[i], &action, NULL);
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
	return (double)(to_ns - from_ns) / 1e9;
}

// --- what is told of it -----------------------------------------------------------------------------------------------

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

void follow_lost(struct follow *f, uint64_t lost)
{
	if (lost == 0)
		return;
	f->lost += lost;
	fflush(stdout);
	fail(0, "%llu %s%s lost just before this: they came faster than they were read", (unsigned long long)lost,
	    f->thing, plural(lost));
}

static void tell_gap(struct follow *f, const wherry_error *error)
{
	f->gaps++;
	fflush(stdout);
	fail(0, "the connection was lost (%s), and there is another: %s", error->text, f->missed);
}

static void tell_rate(struct follow *f)
{
	uint64_t now = now_ns();
	bool terminal = isatty(STDERR_FILENO) > 0;
	if (!f->quiet || now - f->told_ns < (uint64_t)RATE_MS * 1000000)
		return;
	fprintf(stderr,
	    terminal ? "\r\033[K%.0f %ss a second, %llu in all, %llu lost"
		     : "%.0f %ss a second, %llu in all, %llu lost\n",
	    (double)(f->count - f->told) / seconds(f->told_ns, now), f->thing, (unsigned long long)f->count,
	    (unsigned long long)f->lost);
	f->told = f->count;
	f->told_ns = now;
}

static void tell_all(const struct follow *f)
{
	if (!f->quiet && !caught)
		return;
	if (isatty(STDERR_FILENO) > 0)
		fputs("\r\033[K", stderr);
	fprintf(stderr, "%llu %s%s in %.1f s, %llu lost", (unsigned long long)f->count, f->thing, plural(f->count),
	    seconds(f->began_ns, now_ns()), (unsigned long long)f->lost);
	if (f->gaps > 0)
		fprintf(stderr, ", %llu time%s without a connection", (unsigned long long)f->gaps, plural(f->gaps));
	fputc('\n', stderr);
}

// --- following --------------------------------------------------------------------------------------------------------

// What is there is printed before it waits: whoever reads a pipe has it then.
static int next(struct follow *f, wherry_error *error)
{
	int status = f->next(f, 0, error);
	if (status != WHERRY_ETIMEOUT)
		return status;
	fflush(stdout);
	return ferror(stdout) ? WHERRY_EIO : f->next(f, TICK_MS, error);
}

int follow_run(struct follow *f)
{
	wherry_error error;
	int status = WHERRY_OK;
	catch_signals();
	f->began_ns = f->told_ns = now_ns();
	while (!caught && (f->most == 0 || f->count < f->most)) {
		status = next(f, &error);
		if (status == WHERRY_OK)
			f->count++;
		else if (status == WHERRY_ESTALE)
			tell_gap(f, &error);
		else if (status != WHERRY_ETIMEOUT)
			break;
		status = WHERRY_OK;
		tell_rate(f);
	}
	fflush(stdout);
	tell_all(f);
	wherry_feed_close(f->feed);
	return finished(status == WHERRY_OK || status == WHERRY_EIO ? EXIT_SUCCESS : complain(&error));
}

uint64_t follow_number(const char *option, const char *text, int *status)
{
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (end != text && *end == 0 && errno == 0 && number > 0 && text[0] != '-')
		return number;
	*status = wrong("%s takes a number from 1 on, not %.100s", option, text);
	return 0;
}

// --- values in a line ---------------------------------------------------------------------------------------------------

void follow_value(const struct settings *s, const void *encoded, size_t len, FILE *f)
{
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	bool read = msgpack_unpack_next(&u, encoded, len, NULL) == MSGPACK_UNPACK_SUCCESS;
	if (!read)
		fputs("?", f);
	else if (s->output == OUTPUT_TABLE && u.data.type == MSGPACK_OBJECT_STR)
		put_tame(u.data.via.str.ptr, u.data.via.str.size, true, f);
	else
		value_as_json(&u.data, f);
	msgpack_unpacked_destroy(&u);
}

void follow_text_as_json(const char *text, size_t len, FILE *f)
{
	msgpack_object o = {.type = MSGPACK_OBJECT_STR};
	o.via.str.ptr = text;
	o.via.str.size = (uint32_t)len;
	value_as_json(&o, f);
}
