// Reading a statement with libedit.  Every key comes through read_key(), which waits for signals and news as well, and
// before it waits draws what prompt_draw.c knows how to take away again.

#include "prompt.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "prompt_wake.h"

// libedit writes past what it has for a line that takes more rows than the screen: it is told of a taller one.  A line is
// no longer than fits there, even if what was cut from it is put back twice.
#define TALL "4000"
enum { LINE_LETTERS = 32768 };

enum { STATEMENT_MAX = 1 << 20, SHOWN_ROOM = PROMPT_URL + PROMPT_NAME + 32, DROPS_MAX = 8 };

struct editor {
	struct prompt *prompt;
	EditLine *el;
	History *history;
	bool plain;    // no cursor movement: nothing is drawn
	int drops;     // Ctrl-C: keys that were made up since
	bool overlong; // letters were thrown away
	bool listing;
	struct candidates list;
	struct drawn drawn;
	mbstate_t state;
	int columns;            // of the screen that the line was laid out for
	int settled;            // columns of it that were drawn in one go, not key by key
	char shown[SHOWN_ROOM]; // the prompt
	char *text;             // the lines of the statement so far, each with its end
	size_t len, room;
};

static struct editor *editor_of(EditLine *el)
{
	struct editor *e = NULL;
	el_get(el, EL_CLIENTDATA, &e);
	return e;
}

static char *shown_prompt(EditLine *el)
{
	return editor_of(el)->shown;
}

// --- the statement ------------------------------------------------------------------------------------------------------

static bool append(struct editor *e, const char *text, size_t len)
{
	if (e->len + len + 1 > e->room) {
		size_t room = 2 * (e->len + len + 1);
		char *grown = realloc(e->text, room);
		if (grown == NULL)
			return false;
		e->text = grown;
		e->room = room;
	}
	memcpy(e->text + e->len, text, len);
	e->len += len;
	e->text[e->len] = 0;
	return true;
}

// The statement up to the cursor, for a look at it: to cut back to *len_before.  NULL: no memory.
static const char *up_to_cursor(struct editor *e, const LineInfo *line, size_t *len_before)
{
	*len_before = e->len;
	return append(e, line->buffer, (size_t)(line->cursor - line->buffer)) ? e->text : NULL;
}

static void cut_back(struct editor *e, size_t len)
{
	e->len = len;
	if (e->text != NULL)
		e->text[len] = 0;
}

// --- what is drawn ------------------------------------------------------------------------------------------------------

static char *hint_now(struct editor *e, const LineInfo *line)
{
	size_t before;
	if (!e->prompt->settings.color)
		return NULL;
	if (!link_is_up(e->prompt->link))
		return strdup(" (no connection to the broker; it is tried again)");
	const char *text = up_to_cursor(e, line, &before);
	char *hint = text != NULL ? hint_of(e->prompt, text, e->len) : NULL;
	cut_back(e, before);
	return hint;
}

static bool key_waits(void)
{
	struct pollfd look = {.fd = STDIN_FILENO, .events = POLLIN};
	return poll(&look, 1, 0) > 0;
}

static void draw_now(struct editor *e)
{
	if (e->plain || key_waits())
		return;
	const LineInfo *line = el_line(e->el);
	struct layout lies = layout_of(e->shown, line, screen_size().columns);
	// Not while libedit searches: it shows what is searched for in a row of the line's own.
	char *hint = lies.at_end && !lies.many ? hint_now(e, line) : NULL;
	bool list = e->listing && lies.cursor_row + 1 == lies.rows;
	draw(&e->drawn, hint, list ? &e->list : NULL, lies.column, lies.rows);
	free(hint);
}

static void forget_list(struct editor *e)
{
	e->listing = false;
	candidates_free(&e->list);
}

static void take_size(struct editor *e)
{
	el_resize(e->el);
	el_set(e->el, EL_SETTC, "li", TALL, NULL);
}

static void lay_out(struct editor *e)
{
	struct layout lies = layout_of(e->shown, el_line(e->el), e->columns = screen_size().columns);
	e->settled = lies.rows * e->columns;
}

// Draws the line where it began before the terminal changed its size.
static void redraw(struct editor *e)
{
	int above = layout_rows_above(e->shown, el_line(e->el), e->columns, e->settled, screen_size().columns);
	if (!e->plain) {
		fputc('\r', stdout);
		if (above > 0)
			printf("\033[%dA", above);
		fputs("\033[J", stdout);
		fflush(stdout);
	}
	take_size(e);
	el_set(e->el, EL_REFRESH);
	lay_out(e);
}

static void suspend(struct editor *e)
{
	prompt_suspend(e->prompt);
	el_set(e->el, EL_REFRESH);
}

// --- keys ---------------------------------------------------------------------------------------------------------------

// One character of the terminal; 0: it has ended; -1: not whole yet, or none.
static int read_char(struct editor *e, wchar_t *key)
{
	char byte;
	ssize_t n = read(STDIN_FILENO, &byte, 1);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return -1;
	if (n <= 0)
		return 0;
	size_t used = mbrtowc(key, &byte, 1, &e->state);
	if (used == (size_t)-1) {
		// What was begun never became a character: this byte may begin one.
		e->state = (mbstate_t){0};
		used = mbrtowc(key, &byte, 1, &e->state);
	}
	if (used == (size_t)-1)
		e->state = (mbstate_t){0};
	return used == (size_t)-1 || used == (size_t)-2 ? -1 : 1;
}

// As if Enter had been pressed: libedit then leaves the line in order, and editor_read() throws it away.  What it has
// begun (Escape, a quoted key) may take one, and so there are as many as it takes; keys that are bound to something else
// end it.
static int drop_line(struct editor *e, wchar_t *key)
{
	e->drops++;
	forget_list(e);
	*key = e->drops % 2 != 0 ? L'\n' : L'\r';
	return 1;
}

// Whether a key would make the line longer than it may be.
static bool is_too_much(struct editor *e, wchar_t key)
{
	enum { YANK = 25 };
	const LineInfoW *line = el_wline(e->el);
	bool full = line->lastchar - line->buffer >= LINE_LETTERS;
	bool grows = (key >= L' ' && key != 127) || key == L'\t' || key == YANK;
	e->overlong = e->overlong || (full && grows);
	return full && grows;
}

static int read_key(EditLine *el, wchar_t *key)
{
	enum { SIGNALS = WAKE_INTERRUPT | WAKE_RESIZE | WAKE_SUSPEND | WAKE_END };
	struct editor *e = editor_of(el);
	if (e->drops > 0 && e->drops < DROPS_MAX)
		return drop_line(e, key);
	e->drops = 0;
	for (;;) {
		draw_now(e);
		bool typed = wake_wait(SIGNALS | WAKE_NEWS, STDIN_FILENO, -1);
		unsigned happened = wake_take(SIGNALS | WAKE_NEWS);
		draw_erase(&e->drawn);
		if ((happened & WAKE_END) != 0)
			return 0;
		if ((happened & WAKE_RESIZE) != 0)
			redraw(e);
		if ((happened & WAKE_SUSPEND) != 0)
			suspend(e);
		if ((happened & WAKE_INTERRUPT) != 0)
			return drop_line(e, key);
		int got = typed ? read_char(e, key) : -1;
		if (got < 0 || (got > 0 && is_too_much(e, *key)))
			continue;
		forget_list(e);
		return got;
	}
}

// --- completion ---------------------------------------------------------------------------------------------------------

static const char *without_quote(const struct candidate *c)
{
	return c->text + (c->text[0] == '\'');
}

// The beginning that all have in common, as it stands in the line.  Quotes count only where all have them.
static const char *common_text(const struct candidates *c, size_t *common)
{
	bool quoted = true;
	for (size_t i = 0; i < c->count; i++)
		quoted = quoted && c->at[i].text[0] == '\'';
	const char *text = quoted ? c->at[0].text : without_quote(&c->at[0]);
	size_t len = strlen(text);
	for (size_t i = 1; i < c->count; i++) {
		const char *other = quoted ? c->at[i].text : without_quote(&c->at[i]);
		for (size_t k = 0; k < len; k++)
			if (other[k] != text[k])
				len = k;
	}
	// Not in the middle of a character.
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	*common = len;
	return text;
}

static int characters(const char *text, size_t len)
{
	int count = 0;
	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static void replace(struct editor *e, const char *before_cursor, size_t replaced, const char *text, size_t len)
{
	char *copy = NULL;
	el_deletestr(e->el, characters(before_cursor - replaced, replaced));
	if (asprintf(&copy, "%.*s", (int)len, text) >= 0)
		el_insertstr(e->el, copy);
	free(copy);
}

static unsigned char list_candidates(struct editor *e)
{
	if (!e->plain) {
		e->listing = true;
		return CC_REFRESH;
	}
	draw_list_plain(&e->list);
	return CC_REDISPLAY;
}

static unsigned char take_candidates(struct editor *e)
{
	const struct candidates *c = &e->list;
	const LineInfo *line = el_line(e->el);
	if (c->count == 0 || c->replaced > (size_t)(line->cursor - line->buffer))
		return CC_REFRESH_BEEP;
	if (c->count == 1 && !c->more) {
		replace(e, line->cursor, c->replaced, c->at[0].text, strlen(c->at[0].text));
		el_insertstr(e->el, " ");
		return CC_REFRESH;
	}
	size_t common;
	const char *text = common_text(c, &common);
	if (common > c->replaced)
		replace(e, line->cursor, c->replaced, text, common);
	return list_candidates(e);
}

// Tab.  In what is pasted it is a blank like others.
static unsigned char on_tab(EditLine *el, wint_t key)
{
	struct editor *e = editor_of(el);
	size_t before;
	(void)key;
	if (key_waits())
		return el_insertstr(el, " ") == 0 ? CC_REFRESH : CC_ERROR;
	forget_list(e);
	const char *text = up_to_cursor(e, el_line(el), &before);
	if (text != NULL)
		complete(e->prompt, text, e->len, &e->list);
	cut_back(e, before);
	return take_candidates(e);
}

// --- the whole ----------------------------------------------------------------------------------------------------------

History *editor_history(struct editor *e)
{
	return e->history;
}

// Characters of more than one byte need a locale that has them; without one, that of C with UTF-8.
static void set_locale(void)
{
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

static void bind_keys(struct editor *e)
{
	el_set(e->el, EL_EDITOR, "emacs");
	// el_set() would copy the two texts and forget the copies.
	el_wset(e->el, EL_ADDFN, L"wherry-complete", L"complete commands, options, namespaces and keys", on_tab);
	el_set(e->el, EL_BIND, "\t", "wherry-complete", NULL);
	el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_set(e->el, EL_BIND, "\033[1;5D", "ed-prev-word", NULL);
	el_set(e->el, EL_BIND, "\033[1;5C", "em-next-word", NULL);
	el_set(e->el, EL_BIND, "\033[3~", "ed-delete-next-char", NULL);
	el_source(e->el, NULL);
	// What is typed while a command runs shows when its time has come, not in the midst of the answer.
	el_set(e->el, EL_SETTY, "-x", "-echo", "-icanon", NULL);
}

struct editor *editor_open(struct prompt *p)
{
	struct editor *e = calloc(1, sizeof(*e));
	set_locale();
	if (e != NULL) {
		e->prompt = p;
		e->plain = screen_is_plain();
		e->history = history_init();
		e->el = el_init("wherry", stdin, stdout, stderr);
	}
	if (e == NULL || e->history == NULL || e->el == NULL) {
		fail(EXIT_ERROR, "out of memory");
		editor_close(e);
		return NULL;
	}
	el_set(e->el, EL_CLIENTDATA, e);
	el_set(e->el, EL_PROMPT, shown_prompt);
	el_set(e->el, EL_SIGNAL, 0);
	el_set(e->el, EL_GETCFN, read_key);
	el_set(e->el, EL_HIST, history, e->history);
	bind_keys(e);
	take_size(e);
	return e;
}

void editor_close(struct editor *e)
{
	if (e == NULL)
		return;
	forget_list(e);
	if (e->el != NULL)
		el_end(e->el);
	if (e->history != NULL)
		history_end(e->history);
	free(e->text);
	free(e);
}

static void show_place(struct editor *e)
{
	const struct prompt *p = e->prompt;
	bool elsewhere = p->ns[0] != 0 && strcmp(p->ns, p->first_ns) != 0;
	FILE *f = fmemopen(e->shown, sizeof(e->shown), "w");
	if (f == NULL)
		return;
	fputs("wherry ", f);
	text_draw(f, p->url, strlen(p->url), PROMPT_URL);
	if (elsewhere) {
		fputc('[', f);
		text_draw(f, p->ns, strlen(p->ns), PROMPT_NAME);
		fputc(']', f);
	}
	fputs("> ", f);
	fclose(f);
}

// false: Ctrl-C, or there are no more.
static bool read_line(struct editor *e)
{
	int len = 0;
	e->columns = screen_size().columns;
	e->settled = text_width(e->shown, strlen(e->shown), 0, e->columns);
	e->drops = 0;
	e->state = (mbstate_t){0};
	e->overlong = false;
	const char *line = el_gets(e->el, &len);
	e->prompt->ended = e->prompt->ended || line == NULL || wake_ending_signal() != 0;
	if (e->prompt->ended)
		fputs("\n", stdout);
	return !e->prompt->ended && e->drops == 0 && append(e, line, (size_t)len);
}

const char *editor_read(struct editor *e, size_t *len)
{
	cut_back(e, 0);
	show_place(e);
	do {
		if (!read_line(e))
			return NULL;
		snprintf(e->shown, sizeof(e->shown), "... ");
		if (e->overlong || e->len > STATEMENT_MAX) {
			say_error(e->prompt, stdout,
			    "Too long: at most %d characters a line, 1 MiB in all. @FILE takes a value from a file.",
			    LINE_LETTERS);
			return NULL;
		}
	} while (words_open(e->text, e->len - 1) && e->text[e->len - 1] == '\n');
	e->len -= e->text[e->len - 1] == '\n';
	e->text[e->len] = 0;
	*len = e->len;
	return e->text;
}
