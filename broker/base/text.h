// Text for people: UTF-8 looked at, foreign bytes quoted, sentences put together in a fixed room.  What does
// not fit is cut between characters and ends in "...".  Threads: any.

#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

// Length of the well-formed UTF-8 character that begins at `at`, 1 to 4; 0: none does (overlong forms and
// surrogates included).  left > 0.
size_t utf8_length(const uint8_t *at, size_t left);
bool text_is_utf8(wherry_span text);

struct line {
	char *text;
	size_t len, room;
	size_t safe; // where "..." can stand without splitting a character
	bool cut;
};

struct line line_of(char *text, size_t room); // room counts the zero at the end
void line_add(struct line *, const char *text);
void line_quote(struct line *, wherry_span bytes); // in "", with \xNN for what is no printable UTF-8
void line_show(struct line *, const char *text);   // the same without quotes: for sentences that hold foreign words
void line_number(struct line *, int64_t number);
const char *line_end(struct line *); // terminated; "..." if it was cut

// Whether line_quote() would change nothing but add the quotes, and no space or '=' is inside: fit to stand
// bare.
bool text_is_bare(wherry_span text);

#endif
