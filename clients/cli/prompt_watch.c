// \watch: a command again and again, in the terminal's other screen, so that what was there before comes back.

#include "prompt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "prompt_wake.h"

enum { SECONDS_MAX = 86400 };

static void put_head(FILE *f, double seconds, int count, char **words)
{
	char clock[16];
	time_t now = time(NULL);
	struct tm local;
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &local));
	fprintf(f, "%s  every %g s: ", clock, seconds);
	for (int i = 0; i < count; i++) {
		fputs(i > 0 ? " " : "", f);
		text_draw(f, words[i], strlen(words[i]), 200);
	}
	fputs("  (Ctrl-C ends)\n\n", f);
}

// As many lines of the text as the screen has, over what stood there.
static void redraw(const char *text, int rows)
{
	fputs("\033[H", stdout);
	for (int row = 0; row < rows && *text != 0; row++) {
		size_t len = strcspn(text, "\n");
		fwrite(text, 1, len, stdout);
		text += len + (text[len] == '\n');
		fputs(row + 1 < rows && *text != 0 ? "\033[K\r\n" : "\033[K", stdout);
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

// One round; to free().  *again: it was answered, if only by an error of the broker.
static char *one_round(struct prompt *p, double seconds, int count, char **words, bool *again)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	*again = false;
	if (f == NULL)
		return NULL;
	put_head(f, seconds, count, words);
	*again = run_request(p, count, words, f);
	fclose(f);
	return text;
}

// Until the next round; a new size of the terminal is drawn at once.  false: Ctrl-C, or the end of all.
static bool rest(struct prompt *p, const char *text, double seconds)
{
	enum { ENDS = WAKE_INTERRUPT | WAKE_END };
	int64_t end = now_ms() + (int64_t)(seconds * 1000);
	for (int64_t left; (left = end - now_ms()) > 0;) {
		wake_wait(ENDS | WAKE_RESIZE | WAKE_SUSPEND, -1, left);
		if (wake_take(ENDS) != 0)
			return false;
		unsigned happened = wake_take(WAKE_RESIZE | WAKE_SUSPEND);
		if ((happened & WAKE_SUSPEND) != 0)
			prompt_suspend(p);
		if (happened != 0 && p->on_other_screen)
			redraw(text, screen_size().rows);
	}
	return true;
}

static void watch(struct prompt *p, double seconds, int count, char **words)
{
	bool again = true;
	p->on_other_screen = !screen_is_plain();
	char *text = NULL, *next;
	fputs(p->on_other_screen ? SCREEN_OTHER : "", stdout);
	fflush(stdout);
	while (again) {
		next = one_round(p, seconds, count, words, &again);
		if (next == NULL || (!again && text != NULL)) {
			free(next);
			break;
		}
		free(text);
		text = next;
		if (p->on_other_screen)
			redraw(text, screen_size().rows);
		else
			fputs(text, stdout);
		fflush(stdout);
		again = again && rest(p, text, seconds);
	}
	fputs(p->on_other_screen ? SCREEN_BACK : "", stdout);
	if (p->on_other_screen && text != NULL)
		fputs(text, stdout);
	p->on_other_screen = false;
	free(text);
}

void run_repeat(struct prompt *p, int count, char **words)
{
	char *end = NULL;
	double seconds = count > 1 ? strtod(words[1], &end) : 0;
	bool read = end != NULL && end != words[1] && *end == 0 && isfinite(seconds);
	if (!read || seconds < 0.1 || seconds > SECONDS_MAX)
		say_error(p, stdout, "\\watch takes the seconds between rounds, 0.1 to 86400, and a command");
	else if (count < 3)
		say_error(p, stdout, "\\watch %s: what is to be repeated?", words[1]);
	else
		watch(p, seconds, count - 2, words + 2);
}
