#include "crash_text.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

enum { PATIENCE_MS = 500 };

// What steers terminals, or ends lines, is shown as '?'.
void crash_add(struct crash_text *t, const char *text)
{
	for (; text != NULL && *text != 0 && t->len < CRASH_LINE - 1; text++)
		t->line[t->len++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
}

static void add_in(struct crash_text *t, uint64_t number, unsigned base)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;
	digits[at] = 0;
	do {
		digits[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number > 0);
	crash_add(t, digits + at);
}

void crash_number(struct crash_text *t, uint64_t number)
{
	add_in(t, number, 10);
}

void crash_hex(struct crash_text *t, uint64_t number)
{
	crash_add(t, "0x");
	add_in(t, number, 16);
}

// A pipe that has room for anything has it for a line.
static bool has_room(int fd)
{
	struct pollfd wanted = {.fd = fd, .events = POLLOUT};
	return poll(&wanted, 1, PATIENCE_MS) > 0 && (wanted.revents & POLLOUT);
}

static bool write_all(int fd, const char *at, size_t left)
{
	while (left > 0) {
		ssize_t n = has_room(fd) ? write(fd, at, left) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		left -= (size_t)n;
	}
	return true;
}

void crash_end(struct crash_text *t)
{
	t->line[t->len++] = '\n';
	for (int i = 0; i < 2; i++)
		if (t->fds[i] >= 0 && !write_all(t->fds[i], t->line, t->len))
			t->fds[i] = -1;
	t->len = 0;
}
