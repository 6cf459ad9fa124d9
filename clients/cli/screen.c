#include "screen.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { TAB = 8 };

struct screen screen_size(void)
{
	struct winsize w;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0 || w.ws_row == 0)
		return (struct screen){24, 80};
	return (struct screen){w.ws_row, w.ws_col};
}

bool screen_is_plain(void)
{
	const char *term = getenv("TERM");
	return term == NULL || term[0] == 0 || strcmp(term, "dumb") == 0;
}

void screen_suspend(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL}, before;
	sigset_t stop, mask;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	sigaction(SIGTSTP, &action, &before);
	raise(SIGTSTP);
	// Whoever takes signals otherwise blocks it: then it comes now.
	pthread_sigmask(SIG_UNBLOCK, &stop, &mask);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGTSTP, &before, NULL);
}

// One character: its bytes; *width < 0: it is not to be drawn.
static size_t next_char(const char *text, size_t len, mbstate_t *state, int *width)
{
	wchar_t c;
	size_t n = mbrtowc(&c, text, len, state);
	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		*state = (mbstate_t){0};
		*width = -1;
		return 1;
	}
	*width = wcwidth(c);
	return n;
}

int text_width(const char *text, size_t len, int column, int columns)
{
	mbstate_t state = {0};
	int begin = column, width;
	for (size_t i = 0; i < len;) {
		char c = text[i];
		i += next_char(text + i, len - i, &state, &width);
		if (c == '\t')
			column += TAB - column % TAB;
		else if (c == '\n')
			column += columns - column % columns;
		else
			column += width < 0 ? 2 : width; // ^X
	}
	return column - begin;
}

int text_draw(FILE *f, const char *text, size_t len, int columns)
{
	mbstate_t state = {0};
	int drawn = 0, width;
	for (size_t i = 0, n; i < len; i += n) {
		n = next_char(text + i, len - i, &state, &width);
		int takes = width < 0 ? 1 : width;
		if (drawn + takes > columns)
			break;
		if (width < 0)
			fputc('?', f);
		else
			fwrite(text + i, 1, n, f);
		drawn += takes;
	}
	return drawn;
}
