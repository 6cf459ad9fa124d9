// Log lines: log.h.  A line is put together on the stack and leaves in one write(2), so lines of several
// threads never mix.  A value is cut on its own, so that a long one can't push the others out of the line.

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log_json.h"
#include "base/text.h"

enum { LINE_ROOM = 4096, VALUE_ROOM = 512 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};
enum { LEVELS = sizeof(level_names) / sizeof(level_names[0]) };

static void add_time(struct line *l, int64_t unix_ms)
{
	char text[40];
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;
	if (unix_ms < 0 || gmtime_r(&seconds, &utc) == NULL) {
		line_number(l, unix_ms);
		return;
	}
	size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + len, sizeof(text) - len, ".%03dZ", (int)(unix_ms % 1000));
	line_add(l, text);
}

static void add_value(struct line *l, const char *value)
{
	char text[VALUE_ROOM];
	struct line cut = line_of(text, sizeof(text));
	bool bare = text_is_bare(span_text(value));
	if (bare)
		line_add(&cut, value);
	else
		line_quote(&cut, span_text(value));
	line_add(l, line_end(&cut));
	line_add(l, cut.cut && !bare ? "\"" : "");
}

static void add_pairs(struct line *l, va_list pairs)
{
	for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
		const char *value = va_arg(pairs, const char *);
		line_add(l, " ");
		line_add(l, key);
		line_add(l, "=");
		add_value(l, value != NULL ? value : "");
	}
}

static size_t text_line(char *out, size_t room, const char *time, const char *level, const char *event, va_list pairs)
{
	struct line l = line_of(out, room);
	line_add(&l, time);
	line_add(&l, " ");
	line_add(&l, level);
	line_add(&l, " ");
	line_add(&l, event);
	add_pairs(&l, pairs);
	line_end(&l);
	return l.len;
}

// How much of it could be written.
static size_t write_all(int fd, const char *text, size_t len)
{
	size_t done = 0;
	while (done < len) {
		ssize_t written = write(fd, text + done, len - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		done += (size_t)written;
	}
	return done;
}

// A log that can't be written to must not stop the broker: what fails is lost.  text[0] is a new line, for a line
// behind one that was written in part.
static void write_line(const struct logger *lg, const char *text, size_t len)
{
	int before = errno;
	_Atomic bool *torn = (_Atomic bool *)(uintptr_t)&lg->torn;
	bool mend = atomic_load_explicit(torn, memory_order_relaxed) && atomic_exchange(torn, false);
	size_t skip = mend ? 0 : 1, done = write_all(lg->fd, text + skip, len - skip);
	if (done < len - skip && (done > 0 || mend))
		atomic_store_explicit(torn, true, memory_order_relaxed);
	errno = before;
}

void log_event(const struct logger *lg, int level, const char *event, ...)
{
	if (lg == NULL || lg->fd < 0 || level > lg->level)
		return;
	char text[LINE_ROOM], time[40];
	struct line at = line_of(time, sizeof(time));
	add_time(&at, clock_unix_ms(lg->clock != NULL ? lg->clock : &clock_system));
	const char *name = level >= 0 && level < LEVELS ? level_names[level] : level_names[0];
	va_list pairs;
	va_start(pairs, event);
	bool json = atomic_load_explicit(&lg->format, memory_order_relaxed) == LOG_JSON;
	size_t len = (json ? log_json : text_line)(text + 1, sizeof(text) - 2, line_end(&at), name, event, pairs);
	va_end(pairs);
	text[0] = text[len + 1] = '\n';
	write_line(lg, text, len + 2);
}

int log_open(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

bool log_reopen(const struct logger *lg, const char *path)
{
	int fresh = log_open(path);
	if (fresh < 0)
		return false;
	bool done = dup3(fresh, lg->fd, O_CLOEXEC) >= 0;
	int why = errno;
	close(fresh);
	errno = why;
	return done;
}

const char *log_number(char buffer[static 24], int64_t number)
{
	snprintf(buffer, 24, "%" PRId64, number);
	return buffer;
}

int log_level_of(const char *name)
{
	for (int i = 0; i < LEVELS; i++)
		if (strcasecmp(name, level_names[i]) == 0)
			return i;
	return -1;
}
