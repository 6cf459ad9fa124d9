// What a client sent, quoted for an error's text: cut between characters, other bytes escaped.

#ifndef BUILTIN_QUOTE_H
#define BUILTIN_QUOTE_H

#include "base/text.h"

enum { QUOTE_ROOM = 96 };

static inline const char *quote(char text[static QUOTE_ROOM], wherry_span bytes)
{
	struct line l = line_of(text, QUOTE_ROOM);
	line_quote(&l, bytes);
	return line_end(&l);
}

#define QUOTED(bytes) quote((char[QUOTE_ROOM]){0}, (bytes))

#endif
