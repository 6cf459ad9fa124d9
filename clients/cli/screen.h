// A terminal's size, what fits on it, and giving it back for a while.  Threads: the main one.

#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SCREEN_OTHER "\033[?1049h\033[?7l\033[?25l" // the other screen, without wrapping and cursor
#define SCREEN_BACK "\033[?25h\033[?7h\033[?1049l"

struct screen {
	int rows, columns;
};
struct screen screen_size(void);
bool screen_is_plain(void); // a terminal without cursor movement

// Ctrl-Z: stops this process until it is continued; not where no shell could do that.  The terminal is the caller's.
void screen_suspend(void);

// Columns that it takes from `column` on, on a screen that is `columns` wide.
int text_width(const char *text, size_t len, int column, int columns);
// As much of a text as fits; what would act on the terminal becomes '?'.  Answers the columns.
int text_draw(FILE *, const char *text, size_t len, int columns);

#endif
