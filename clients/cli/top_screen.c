// The terminal of `wherry top`: the alternate screen, keys as they are pressed, and everything as it was in the end.
// Threads: the main one.  What restores the terminal is safe in a signal handler.

#include "top.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "screen.h"

#define ENTER SCREEN_OTHER "\033[2J"

static struct termios before;
static volatile sig_atomic_t entered, has_keys, saved;

static void put(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);
		if (n < 0 && errno != EINTR)
			return;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

void top_screen_leave(void)
{
	if (!entered)
		return;
	entered = 0;
	put(SCREEN_BACK, sizeof(SCREEN_BACK) - 1);
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

static void crashed(int number)
{
	top_screen_leave();
	signal(number, SIG_DFL);
	raise(number);
}

static void mind_crashes(void)
{
	static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_NODEFER};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

void top_screen_enter(void)
{
	struct termios raw;
	if (!saved) // later they may be our own
		has_keys = tcgetattr(STDIN_FILENO, &before) == 0;
	saved = 1;
	mind_crashes();
	entered = 1;
	if (has_keys) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	put(ENTER, sizeof(ENTER) - 1);
}

void top_screen_show(const char *lines, int head, bool color)
{
	char *drawn = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&drawn, &len);
	if (f == NULL)
		return;
	struct screen screen = screen_size();
	int row = 0;
	for (; row < screen.rows && *lines != 0; row++) {
		size_t line = strcspn(lines, "\n");
		bool marked = color && (row == 0 || row == head);
		fprintf(f, "\033[%d;1H\033[K%s", row + 1, marked ? row == 0 ? "\033[1m" : "\033[7m" : "");
		text_draw(f, lines, line, screen.columns);
		fputs(marked ? "\033[0m" : "", f);
		lines += line + (lines[line] == '\n');
	}
	if (row < screen.rows)
		fprintf(f, "\033[%d;1H\033[J", row + 1);
	fclose(f);
	put(drawn, len);
	free(drawn);
}
