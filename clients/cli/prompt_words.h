// A statement of the prompt, whole or half typed, as words.  They are those of line.h, and one more: a word that begins
// with { or [ and ends with its partner is taken as it stands, so that JSON can be typed and pasted without quotes.
// Threads: any.

#ifndef CLI_PROMPT_WORDS_H
#define CLI_PROMPT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

// Whether it goes on in the next line: a quote, a bracket or a backslash is open at its end.
bool words_open(const char *text, size_t len);

struct words {
	char **at; // count of them; to words_free()
	int count;
	char *memory;
};

// NULL, or why it can't be split: a phrase.
const char *words_split(const char *text, size_t len, struct words *);
void words_free(struct words *);

// What stands before a cursor: the words that are finished, and the one that the cursor is at, from `start`.
struct spot {
	struct words done;
	size_t start;
	char quote;     // ' or ", if that word begins with it; start is behind it
	const char *at; // text + start
	size_t len;     // to the cursor
	bool own;       // the statement begins with a backslash, which the finished words have no more
	bool odd;       // in a comment, or in a word that is no plain text: nothing to complete
};
bool spot_find(const char *text, size_t cursor, struct spot *); // false: no memory, or it can't be split
void spot_free(struct spot *);

#endif
