// Lines from a file, a pipe or a terminal, read in large pieces.

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipe.h"

enum { PIECE = 1 << 18 };

// Makes room for a piece behind what is there, and for the byte that a line may have more.
static bool make_room(struct lines *l)
{
	if (l->end > l->begin)
		memmove(l->memory, l->memory + l->begin, l->end - l->begin);
	l->scanned -= l->begin;
	l->end -= l->begin;
	l->begin = 0;
	if (l->room - l->end > PIECE)
		return true;
	char *grown = realloc(l->memory, 2 * l->room + 2 * PIECE);
	if (grown == NULL)
		return false;
	l->memory = grown;
	l->room = 2 * l->room + 2 * PIECE;
	return true;
}

// --- signals ------------------------------------------------------------------------------------------------------------

static volatile sig_atomic_t signalled;

static void note_signal(int number)
{
	static const char words[] = "\nwherry: ends when what was sent is answered; once more, and it ends at once\n";
	signalled = number;
	if (isatty(STDERR_FILENO) > 0 && write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		return;
}

void signals_of_lines(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

void lines_end_by_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM};
	struct sigaction before, action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}

int lines_signal(void)
{
	return signalled;
}

// --- lines --------------------------------------------------------------------------------------------------------------

// false: there is nothing to read.  A signal that comes before it waits is not slept through.
static bool await_input(int fd, bool wait)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	sigset_t blocked, before;
	signals_of_lines(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	bool there = signalled == 0 && ppoll(&p, 1, wait ? NULL : &(struct timespec){0}, &before) > 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return there;
}

// Windows's editors put one before the first line.
static void skip_byte_order_mark(struct lines *l)
{
	static const char mark[] = {(char)0xef, (char)0xbb, (char)0xbf};
	if (l->number == 0 && l->begin == 0 && l->end >= sizeof(mark) && memcmp(l->memory, mark, sizeof(mark)) == 0)
		l->begin = l->scanned = sizeof(mark);
}

static enum lines_status fill(struct lines *l, bool wait)
{
	if (!await_input(l->fd, wait))
		return LINES_WAIT;
	if (l->room - l->end <= PIECE && !make_room(l)) {
		l->error = ENOMEM;
		return LINES_FAILED;
	}
	ssize_t got;
	do
		got = read(l->fd, l->memory + l->end, PIECE);
	while (got < 0 && errno == EINTR);
	l->error = got < 0 ? errno : 0;
	l->ended = got == 0;
	l->end += got > 0 ? (size_t)got : 0;
	skip_byte_order_mark(l);
	return got < 0 ? LINES_FAILED : LINES_LINE;
}

// The line that ends at `end`; `next` is where the one behind it begins.
static enum lines_status tell(struct lines *l, size_t end, size_t next, char **line, size_t *len)
{
	bool too_long = l->skipping || end - l->begin > l->longest;
	*line = l->memory + l->begin;
	*len = end - l->begin;
	l->begin = l->scanned = next;
	l->skipping = false;
	l->number++;
	return too_long ? LINES_LONG : LINES_LINE;
}

enum lines_status lines_next(struct lines *l, bool wait, char **line, size_t *len)
{
	while (signalled == 0) {
		char *newline = l->end > l->scanned ? memchr(l->memory + l->scanned, '\n', l->end - l->scanned) : NULL;
		if (newline != NULL) {
			size_t end = (size_t)(newline - l->memory);
			return tell(l, end, end + 1, line, len);
		}
		l->scanned = l->end;
		if (l->ended)
			return l->end > l->begin || l->skipping ? tell(l, l->end, l->end, line, len) : LINES_END;
		if (l->end - l->begin > l->longest) {
			l->skipping = true;
			l->begin = l->scanned = l->end = 0;
		}
		enum lines_status status = fill(l, wait);
		if (status != LINES_LINE && !(status == LINES_WAIT && wait))
			return status;
	}
	return LINES_END;
}

void lines_free(struct lines *l)
{
	free(l->memory);
}
