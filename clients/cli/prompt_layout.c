// How libedit lays out a line on the screen, computed anew since it does not say: for drawing around the cursor, and for
// finding the line's begin when the terminal has changed its size.

#include "prompt.h"

#include <string.h>

struct layout layout_of(const char *prompt_text, const LineInfo *line, int columns)
{
	int prompt = text_width(prompt_text, strlen(prompt_text), 0, columns);
	int before = prompt + text_width(line->buffer, (size_t)(line->cursor - line->buffer), prompt, columns);
	int all = before + text_width(line->cursor, (size_t)(line->lastchar - line->cursor), before, columns);
	return (struct layout){
	    .column = before % columns,
	    .cursor_row = before / columns,
	    .rows = all / columns + 1,
	    .at_end = line->cursor == line->lastchar,
	    .many = memchr(line->buffer, '\n', (size_t)(line->lastchar - line->buffer)) != NULL,
	};
}

int layout_rows_above(const char *prompt_text, const LineInfo *line, int columns, int settled, int now)
{
	const char *parts[] = {prompt_text, line->buffer};
	const size_t lens[] = {strlen(prompt_text), (size_t)(line->cursor - line->buffer)};
	int rows = 0, begin = 0, column = 0, inked = 0;
	for (size_t part = 0; part < 2; part++) {
		for (size_t i = 0, n; i < lens[part]; i += n) {
			const char *at = parts[part] + i;
			for (n = 1; i + n < lens[part] && ((unsigned char)at[n] & 0xc0) == 0x80;)
				n++;
			bool blank = *at == ' ' || *at == '\t' || *at == '\n';
			column += text_width(at, n, column, columns);
			inked = blank ? inked : column;
			if (!blank || column % columns != 0 || (column > settled && *at != '\n'))
				continue;
			rows += inked > begin ? (inked - begin + now - 1) / now : 1;
			begin = inked = column;
		}
	}
	return rows + (column - begin) / now;
}
