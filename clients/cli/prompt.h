// What the files of the prompt share.  prompt_wake.c waits, prompt_words.c splits, prompt_link.c talks to the broker,
// prompt_edit.c reads lines, prompt_layout.c and prompt_draw.c draw what comes and goes around the cursor,
// prompt_place.c knows what a half-typed command wants next, prompt_complete.c and prompt_hint.c say so,
// prompt_history.c keeps lines, prompt_run.c, prompt_own.c and prompt_watch.c do what they say.
// Threads: the main one; prompt_link.c says what runs on the client's.

#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include <histedit.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "ask.h"
#include "catalog.h"
#include "cli.h"
#include "prompt_words.h"
#include "screen.h"

enum { PROMPT_NAME = 128, PROMPT_URL = 256 };

struct prompt {
	struct settings settings; // ours to change
	wherry_client *client;
	struct reading reading; // its catalog is the prompt's; NULL: not known
	struct link *link;
	struct editor *editor;
	struct history_file *history;
	char url[PROMPT_URL];
	char ns[PROMPT_NAME], first_ns[PROMPT_NAME]; // where we are, and where sessions begin; empty: not known
	bool timing, ended;
	struct termios terminal; // as the shell left it
	bool on_other_screen;
};

// --- prompt.c -----------------------------------------------------------------------------------------------------------

void prompt_suspend(struct prompt *); // Ctrl-Z: the shell has the terminal until it continues us

// --- prompt_link.c: the broker ------------------------------------------------------------------------------------------

// Connects, or says why not and tries again until there is a broker or the terminal ends.  The exit status; 0: connected.
int link_open(struct prompt *);
void link_close(struct prompt *);
bool link_is_up(const struct link *);
void link_tell(struct prompt *);    // prints what became of the connection since it was last told
void link_refresh(struct prompt *); // asks anew what commands there are and where we are, if that may have changed
void link_outdated(struct prompt *);

// Asks and waits for the answer, Ctrl-C or what ends the prompt.  *reply is to link_free(); ASKED_LEFT: there is none.
enum { ASKED, ASKED_LEFT };
int link_ask(struct prompt *, const struct request *, wherry_reply *reply);
void link_free(wherry_reply *);
// The same for what must not take long; does not look at Ctrl-C.  words: method and params, all of them texts.
// false: no answer, or an error.  wherry_reply_free() in any case.
bool link_ask_quickly(struct prompt *, const wherry_request *, wherry_reply *reply);

// --- prompt_run.c, prompt_own.c, prompt_watch.c: what a line does -------------------------------------------------------

void run_statement(struct prompt *, const char *text, size_t len);
// A request of the broker; prints its answer, or why there is none.  false: it is not to be done again.
bool run_request(struct prompt *, int count, char **words, FILE *);
void run_own(struct prompt *, const struct words *); // \help ...
void run_repeat(struct prompt *, int count, char **words);
bool run_help_page(struct prompt *, const char *what); // false: no such command
void say_error(const struct prompt *, FILE *, const char *format, ...) __attribute__((format(printf, 3, 4)));

struct own_command {
	const char *name, *arguments, *help;
	void (*run)(struct prompt *, int count, char **words);
};
extern const struct own_command own_commands[];       // ends with a name of NULL
const struct own_command *own_find(const char *name); // NULL: none
extern const char *const own_keys;                    // what keys do, lines

// --- prompt_edit.c, prompt_layout.c, prompt_draw.c: the terminal -----------------------------------------

struct editor *editor_open(struct prompt *); // NULL: it said why not
void editor_close(struct editor *);
// A whole statement, of as many lines as it takes; lent until the next.  NULL: dropped by Ctrl-C, or prompt->ended.
const char *editor_read(struct editor *, size_t *len);
History *editor_history(struct editor *);

// Where a line lies on the screen.
struct layout {
	int column, cursor_row, rows; // of the cursor; rows of all
	bool at_end, many;            // the cursor is at the end; there are ends of line in it
};
struct layout layout_of(const char *prompt_text, const LineInfo *, int columns);
// Rows between the line's begin and the cursor once a terminal that was `columns` wide has laid out anew what it shows,
// `now` wide.  settled: columns of the line that were drawn in one go, and not key by key: where libedit ended a row of
// those in a blank it did not draw the blank, and so the next row does not flow into this one.
int layout_rows_above(const char *prompt_text, const LineInfo *, int columns, int settled, int now);

struct candidates;
struct drawn {
	bool hint, list;
};
// A hint behind the cursor and a list below the line; the cursor stays.  column: the cursor's.  line_rows: what is to
// stay on the screen.  Either may be NULL.
void draw(struct drawn *, const char *hint, const struct candidates *, int column, int line_rows);
void draw_erase(struct drawn *);
void draw_list_plain(const struct candidates *); // for a plain terminal, on lines of their own

// --- prompt_place.c, prompt_complete.c, prompt_hint.c -------------------------------------------------------------------

// What the word at the cursor is.
enum place_kind { PLACE_NOTHING, PLACE_OWN, PLACE_COMMAND, PLACE_HELP, PLACE_OPTION, PLACE_NAMESPACE, PLACE_VALUE };
struct place {
	enum place_kind kind;
	const struct described *command; // NULL: not there yet, or not known
	const struct argument *argument; // PLACE_VALUE, PLACE_NAMESPACE of an option: what it is for; NULL: nothing
	int first;                       // the word that is the command
	uint32_t values;                 // positional arguments that are finished
	bool in_option;                  // argument is an option's value
	const char *ns;                  // --ns of the words before
};
struct place place_of(const struct prompt *, const struct spot *);
bool place_is_given(const struct spot *, int first, const struct argument *option); // among the finished words

enum { CANDIDATES_MAX = 1000 };
struct candidate {
	char *text, *note; // what stands in the line; what is said of it, or NULL
};
struct candidates {
	struct candidate *at;
	size_t count, room;
	size_t replaced; // bytes before the cursor that they stand for
	bool more;       // there are others
};
// What may stand at the cursor; none: count 0.
void complete(struct prompt *, const char *text, size_t cursor, struct candidates *);
void candidates_free(struct candidates *);

// What comes next, for behind the cursor at the text's end; to free(), NULL: nothing.
char *hint_of(const struct prompt *, const char *text, size_t len);

// --- prompt_history.c ---------------------------------------------------------------------------------------------------

struct history_file *history_open(History *); // never NULL but without memory; fills the history
void history_close(struct history_file *);
void history_keep(struct prompt *, const char *text, size_t len); // for Up, and in the file if nothing secret is in it

#endif
