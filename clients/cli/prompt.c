// `wherry prompt`: commands typed on a terminal, one after another.

#include "prompt.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "prompt_wake.h"

const char prompt_help[] =
    "Reads commands from a terminal and prints what they answer; 'wherry' alone does the same. Type\n"
    "\\help there. Commands, options, namespaces and keys are completed with Tab; what a command takes\n"
    "stands dim behind the cursor, unless --no-color, NO_COLOR or TERM say otherwise.\n"
    "\n"
    "Lines are kept in $XDG_STATE_HOME/wherry/history (~/.local/state/wherry/history), for you alone,\n"
    "at most 1000; not those of a command that takes a secret, nor those of an unknown one.\n"
    "WHERRY_HISTORY names another file, empty: none; WHERRY_HISTORY_SIZE another number of lines.\n"
    "Commands longer than 16 KiB or 1000 lines are not kept. A line has at most 32768 characters, a\n"
    "command of several lines 1 MiB.\n"
    "\n"
    "While there is no broker it tries again, and ends with status 75 if the terminal ends first.\n";

static void converse(struct prompt *p)
{
	size_t len;
	while (!p->ended) {
		link_tell(p);
		link_refresh(p);
		const char *text = editor_read(p->editor, &len);
		if (text == NULL)
			continue;
		history_keep(p, text, len);
		wake_take(WAKE_INTERRUPT);
		run_statement(p, text, len);
	}
}

static void greet(const struct prompt *p)
{
	fputs("wherry ", stdout);
	text_draw(stdout, wherry_client_version(), strlen(wherry_client_version()), PROMPT_NAME);
	fputs("; \\help shows what can be typed, Ctrl-D ends\n", stdout);
	if (p->reading.catalog == NULL)
		say_error(p, stdout, "The broker does not say what commands there are: no completion, no hints.");
}

void prompt_suspend(struct prompt *p)
{
	struct termios ours;
	bool known = tcgetattr(STDIN_FILENO, &ours) == 0;
	fputs(p->on_other_screen ? SCREEN_BACK : "\r\n", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &p->terminal);
	screen_suspend();
	if (known)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &ours);
	fputs(p->on_other_screen ? SCREEN_OTHER : "", stdout);
	fflush(stdout);
}

static int open_and_converse(struct prompt *p)
{
	int status = link_open(p);
	if (status != 0)
		return status;
	tcgetattr(STDIN_FILENO, &p->terminal);
	p->editor = editor_open(p);
	if (p->editor == NULL)
		return EXIT_ERROR;
	p->history = history_open(editor_history(p->editor));
	link_refresh(p);
	greet(p);
	converse(p);
	return 0;
}

int run_prompt(const struct settings *s, int argc, char **argv)
{
	struct prompt p = {.settings = *s};
	if (argc > 1)
		return wrong("prompt takes no arguments: %s", argv[1]);
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return fail(EXIT_USAGE, "prompt needs a terminal; 'wherry pipe' reads commands from anywhere");
	int status = open_and_converse(&p);
	history_close(p.history);
	editor_close(p.editor);
	link_close(&p);
	wake_close();
	if (wake_ending_signal() != 0)
		raise(wake_ending_signal());
	return finished(status);
}
