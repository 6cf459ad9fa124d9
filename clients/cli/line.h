// A line of text split into words, as a shell does: for the pipe and the prompt.
//
//   blank            between words: spaces, tabs, the carriage return of a line's end
//   'as it stands'   a newline may be inside
//   "..."            \" \\ \$ \` are the second character; any other \ stays, so that "{\"a\": \"x\ny\"}" is JSON
//   \c               c, whatever it is; a backslash before a newline: both are dropped
//   # ...            where a word might begin: a comment, to the end of the line
//
// No variables, no patterns, no operators.  Threads: any.

#ifndef CLI_LINE_H
#define CLI_LINE_H

#include <stddef.h>

enum {                            // negative answers of line_split()
	LINE_OPEN_QUOTE = -1,     // ' or " has no partner: a prompt asks for more
	LINE_OPEN_BACKSLASH = -2, // ends in a backslash: the same
	LINE_ZERO = -3,           // has a byte 0, which no word can have
	LINE_MANY = -4,           // more words than room
};

// Splits text[0..len) where it stands: text must have room for one more byte, and is changed.  words[i] are terminated and
// lie in text; at most `room`.  Answers how many there are (0: empty, or a comment), or LINE_...
int line_split(char *text, size_t len, char **words, int room);

const char *line_split_error(int status); // "a quote is not closed"

#endif
