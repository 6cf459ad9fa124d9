// Log lines: log.h.  A line is put together on the stack and leaves in one write(2), so lines of several
// threads never mix.  A value is cut on its own, so that a long one can't push the others out of the line.

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
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
	if (text_is_bare(span_text(value)))
		line_add(&cut, value);
	else
		line_quote(&cut, span_text(value));
	line_add(l, line_end(&cut));
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

// A log that can't be written to must not stop the broker: what fails is lost.
static void write_line(int fd, const char *text, size_t len)
{
	int before = errno;
	ssize_t written;
	do
		written = write(fd, text, len);
	while (written < 0 && errno == EINTR);
	errno = before;
}

void log_event(const struct logger *lg, int level, const char *event, ...)
{
	if (lg == NULL || lg->fd < 0 || level > lg->level)
		return;
	char text[LINE_ROOM];
	struct line l = line_of(text, sizeof(text) - 1);
	add_time(&l, clock_unix_ms(lg->clock != NULL ? lg->clock : &clock_system));
	line_add(&l, " ");
	line_add(&l, level >= 0 && level < LEVELS ? level_names[level] : level_names[0]);
	line_add(&l, " ");
	line_add(&l, event);
	va_list pairs;
	va_start(pairs, event);
	add_pairs(&l, pairs);
	va_end(pairs);
	line_end(&l);
	text[l.len] = '\n';
	write_line(lg->fd, text, l.len + 1);
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
