// What comes and goes around the cursor: a hint behind it and a list below the line, both drawn when the prompt begins
// to wait for a key and erased before that key is looked at, so that the editor never learns of them and nothing is left
// behind.  All that is drawn goes through text_draw().

#include "prompt.h"

#include <stdlib.h>
#include <string.h>

enum { NOTE_GAP = 2, NAME_COLUMNS = 32 };

#define SAVE "\0337"
#define RESTORE "\0338"
#define NO_WRAP "\033[?7l"
#define WRAP "\033[?7h"
#define DIM "\033[2m"
#define PLAIN "\033[0m"
#define DOWN "\033D" // scrolls at the bottom, and keeps the column

static int draw_text(const char *text, int columns)
{
	return text_draw(stdout, text, strlen(text), columns);
}

// --- lists --------------------------------------------------------------------------------------------------------------

// How a list is laid out: with notes one candidate a row, else as many as fit side by side.
struct table {
	int rows, across, width; // width of a candidate, gap included
	size_t shown;            // candidates
	bool cut;                // the last row says how many there are besides
};

static int widest(const struct candidates *c)
{
	int width = 0;
	for (size_t i = 0; i < c->count; i++) {
		int w = text_width(c->at[i].text, strlen(c->at[i].text), 0, 1);
		width = w > width ? w : width;
	}
	return width;
}

static bool has_notes(const struct candidates *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->at[i].note != NULL)
			return true;
	return false;
}

static struct table lay_out(const struct candidates *c, int columns, int room)
{
	bool notes = has_notes(c);
	int width = widest(c) + NOTE_GAP;
	if (notes && width > NAME_COLUMNS)
		width = NAME_COLUMNS;
	if (width > columns)
		width = columns;
	struct table l = {.across = notes ? 1 : columns / width, .width = width};
	int needed = (int)((c->count + (size_t)l.across - 1) / (size_t)l.across);
	l.cut = needed > room || c->more;
	l.rows = needed + c->more < room ? needed + c->more : room;
	l.shown = (size_t)(l.rows - l.cut) * (size_t)l.across;
	if (l.shown > c->count)
		l.shown = c->count;
	return l;
}

static void draw_row(const struct candidates *c, const struct table *l, int row, int columns)
{
	int filled = l->rows - l->cut, left = columns;
	for (int i = 0; i < l->across; i++) {
		// Down the columns, as ls does.
		size_t at = (size_t)(i * filled + row);
		if (at >= l->shown)
			break;
		const struct candidate *one = &c->at[at];
		int width = l->width < left ? l->width : left;
		int drawn = draw_text(one->text, width - (one->note != NULL ? NOTE_GAP : 0));
		if (one->note == NULL && i + 1 == l->across)
			break;
		printf("%*s", width - drawn, "");
		left -= width;
		if (one->note != NULL)
			draw_text(one->note, left);
	}
}

static void draw_cut(const struct candidates *c, const struct table *l, int columns)
{
	char text[64];
	if (c->more)
		snprintf(text, sizeof(text), "... and more");
	else
		snprintf(text, sizeof(text), "... and %zu more", c->count - l->shown);
	draw_text(text, columns);
}

static void draw_list(const struct candidates *c, const struct table *l, int columns)
{
	for (int i = 0; i < l->rows; i++)
		fputs(DOWN, stdout);
	printf("\033[%dA" SAVE, l->rows);
	for (int row = 0; row < l->rows; row++) {
		fputs("\r\n\033[K", stdout);
		if (row + 1 == l->rows && l->cut)
			draw_cut(c, l, columns);
		else
			draw_row(c, l, row, columns);
	}
	fputs(RESTORE, stdout);
}

void draw_list_plain(const struct candidates *c)
{
	int columns = screen_size().columns - 1;
	struct table l = lay_out(c, columns, CANDIDATES_MAX + 1);
	for (int row = 0; row < l.rows; row++) {
		fputs("\r\n", stdout);
		if (row + 1 == l.rows && l.cut)
			draw_cut(c, &l, columns);
		else
			draw_row(c, &l, row, columns);
	}
	fputs("\r\n", stdout);
}

// --- both ---------------------------------------------------------------------------------------------------------------

void draw(struct drawn *d, const char *hint, const struct candidates *list, int column, int line_rows)
{
	struct screen s = screen_size();
	int room = s.columns - 1 - column;
	fputs(NO_WRAP, stdout);
	if (hint != NULL && room >= 4) {
		fputs(SAVE DIM, stdout);
		draw_text(hint, room);
		fputs(PLAIN RESTORE, stdout);
		d->hint = true;
	}
	if (list != NULL && list->count > 0 && s.rows > line_rows && s.columns > NOTE_GAP) {
		struct table l = lay_out(list, s.columns - 1, s.rows - line_rows);
		draw_list(list, &l, s.columns - 1);
		d->list = true;
	}
	fputs(WRAP, stdout);
	fflush(stdout);
}

void draw_erase(struct drawn *d)
{
	if (d->hint)
		fputs("\033[K", stdout);
	if (d->list)
		fputs(SAVE "\r\n\033[J" RESTORE, stdout);
	if (d->hint || d->list)
		fflush(stdout);
	*d = (struct drawn){0};
}
