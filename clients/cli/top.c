// `wherry top`: the story.  Live on a terminal, else plain snapshots or JSON.

#include "top.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench.h"
#include "screen.h"

const char top_help[] =
    "Shows what a broker does, from two samples of sys.stats and sys.info an interval apart; its own\n"
    "requests are among them. On a terminal it goes on until q is pressed; elsewhere, and with --once, it\n"
    "waits one interval and prints once. -o json prints one object a line for each interval, times in\n"
    "microseconds, null for what is not known.\n"
    "\n"
    "Percentiles are of the time a command ran in the broker, in the last interval, without the network\n"
    "and without waiting; they are upper bounds of the broker's classes, up to a quarter too high. What\n"
    "the broker does not tell, or what needs a second sample, is -. If the connection is lost, the last\n"
    "figures stay, it says so, and goes on when the broker is back.\n"
    "\n"
    "      --interval SECONDS  between two samples (1; 0.1 to 3600)\n"
    "      --once              prints one interval, without taking the terminal\n"
    "  -n, --iterations N      ends after so many intervals\n"
    "\n"
    "What stands there: requests and errors, of all commands; parked, requests that wait for something;\n"
    "slow ones, which took slowlog_us or longer; bytes and frames on the wire; changes, which write;\n"
    "calls and errors, in the last columns, since the broker began.\n"
    "\n"
    "Keys: q quits, s sorts by the next column, p pauses, + and - change the interval.\n"
    "\n"
    "Examples:\n"
    "  wherry top --once\n"
    "  wherry -o json top --interval 0.5 -n 2\n";

enum { ITERATIONS_MAX = 1000000000, ANSWER_MS = 5000, LINE = 1024 };
static const double interval_least = 0.1, interval_most = 3600;

struct top {
	struct settings settings;
	double interval;
	uint64_t left;                        // intervals to show; 0: no end
	bool live, once, paused, quit, stale; // stale: what is on the screen
	enum sorting sorting;
	struct asker *asker;
	int signals; // signalfd
	int ended_by;
	struct sample now, before;
	uint64_t next_ns;
	char failed[TOP_WHY]; // why the last sample could not be had
};

// --- options ----------------------------------------------------------------------------------------------------------

static int read_interval(struct top *t, const char *text)
{
	char *end;
	t->interval = strtod(text, &end);
	if (end == text || *end != 0 || !(t->interval >= interval_least && t->interval <= interval_most))
		return wrong("--interval takes seconds from 0.1 to 3600, not %s", text);
	return -1;
}

static int read_iterations(struct top *t, const char *text)
{
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (end == text || *end != 0 || errno != 0 || number < 1 || number > ITERATIONS_MAX)
		return wrong("-n takes a number from 1 to %d, not %s", ITERATIONS_MAX, text);
	t->left = (uint64_t)number;
	return -1;
}

static int read_flag(struct top *t, int flag, const char *word)
{
	switch (flag) {
	case 'i':
		return read_interval(t, optarg);
	case 'n':
		return read_iterations(t, optarg);
	case '1':
		t->once = true;
		return -1;
	case ':':
		return wrong("top: %s takes a value", word);
	default:
		return wrong("top has no option %s", word);
	}
}

static int read_options(struct top *t, int argc, char **argv)
{
	static const struct option flags[] = {
	    {"interval", required_argument, NULL, 'i'},
	    {"iterations", required_argument, NULL, 'n'},
	    {"once", no_argument, NULL, '1'},
	    {NULL, 0, NULL, 0},
	};
	int status = -1;
	optind = 0; // glibc: begins anew
	opterr = 0;
	for (int flag; status == -1 && (flag = getopt_long(argc, argv, "+:n:", flags, NULL)) != -1;)
		status = read_flag(t, flag, argv[optind - 1]);
	if (status == -1 && optind < argc)
		return wrong("top takes options only, not %s", argv[optind]);
	if (status == -1 && t->once && t->left > 1)
		return wrong("--once is one interval: -n says otherwise");
	return status;
}

static bool is_terminal(void)
{
	return isatty(STDOUT_FILENO) > 0 && !screen_is_plain();
}

static void decide(struct top *t)
{
	bool json = t->settings.output == OUTPUT_JSON;
	t->live = !t->once && !json && is_terminal();
	if (t->left == 0 && (t->once || (!t->live && !json)))
		t->left = 1;
}

// --- showing ----------------------------------------------------------------------------------------------------------

static void draw_empty(const struct banner *b)
{
	char lines[2 * LINE];
	snprintf(lines, sizeof(lines), "%.*s\n%s\n", LINE / 2, b->url, b->state[0] != 0 ? b->state : "asking");
	top_screen_show(lines, -1, false);
}

static void draw_view(const struct top *t, const struct view *v, const struct banner *b)
{
	char *lines = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&lines, &len);
	if (f == NULL)
		return;
	int head = view_print(v, b, screen_size().rows, f);
	fclose(f);
	top_screen_show(lines, head, t->settings.color);
	free(lines);
}

static void describe_state(struct top *t, char state[LINE])
{
	char why[TOP_WHY];
	state[0] = 0;
	if (asker_lost(t->asker, why))
		snprintf(state, LINE, "LOST, trying again: %s", why);
	else if (t->failed[0] != 0)
		snprintf(state, LINE, "NO ANSWER, trying again: %s", t->failed);
	else if (t->paused)
		snprintf(state, LINE, "PAUSED");
}

static void draw(struct top *t)
{
	char state[LINE];
	struct view v;
	describe_state(t, state);
	struct banner b = {cli_url(), state, t->sorting, t->interval, true};
	t->stale = false;
	if (t->now.taken_ns == 0) {
		draw_empty(&b);
		return;
	}
	if (view_make(&v, &t->now, &t->before, t->sorting))
		draw_view(t, &v, &b);
	view_free(&v);
}

static int print(struct top *t)
{
	struct banner b = {cli_url(), "", t->sorting, t->interval, false};
	struct view v;
	bool made = view_make(&v, &t->now, &t->before, t->sorting);
	if (made && t->settings.output == OUTPUT_JSON)
		view_print_json(&v, stdout);
	else if (made)
		view_print(&v, &b, 0, stdout);
	view_free(&v);
	return made ? finished(-1) : fail(EXIT_ERROR, "out of memory");
}

// --- what happens -----------------------------------------------------------------------------------------------------

static void press(struct top *t, char key)
{
	static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600};
	const int last = (int)(sizeof(steps) / sizeof(steps[0])) - 1;
	int i = 0;
	t->stale = true;
	if (key == 'q' || key == 'Q' || key == 4) // Ctrl-D
		t->quit = true;
	if (key == 's')
		t->sorting = (enum sorting)((t->sorting + 1) % SORTINGS);
	if (key == 'p' || key == ' ')
		t->paused = !t->paused;
	if (key == '+') {
		while (i < last && steps[i] <= t->interval)
			i++;
		t->interval = steps[i];
	}
	if (key == '-') {
		for (i = last; i > 0 && steps[i] >= t->interval;)
			i--;
		t->interval = steps[i];
	}
	uint64_t soonest = bench_clock() + (uint64_t)(t->interval * 1e9);
	t->next_ns = t->next_ns < soonest ? t->next_ns : soonest;
}

// false: there will be no more keys.
static bool read_keys(struct top *t)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n > 0 && keys[0] == '\033') // an arrow, say
		return true;
	for (ssize_t i = 0; i < n; i++)
		press(t, keys[i]);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static void stop_for_a_while(void)
{
	top_screen_leave();
	screen_suspend();
	top_screen_enter();
}

static void take_signals(struct top *t)
{
	struct signalfd_siginfo info;
	while (read(t->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		t->stale = true; // SIGWINCH
		if (info.ssi_signo == SIGWINCH)
			continue;
		if (info.ssi_signo == SIGCONT && t->live)
			top_screen_enter(); // whoever stopped it may have changed the terminal
		else if (info.ssi_signo == SIGTSTP && t->live)
			stop_for_a_while();
		else if (info.ssi_signo == SIGTSTP)
			screen_suspend();
		else if (info.ssi_signo != SIGCONT)
			t->ended_by = (int)info.ssi_signo;
	}
}

// Answers an exit status, or -1: go on.
static int take_sample(struct top *t)
{
	struct sample s;
	char why[TOP_WHY];
	if (!asker_take(t->asker, &s, why))
		return -1;
	t->stale = true;
	memcpy(t->failed, why, TOP_WHY);
	if (s.taken_ns == 0)
		return t->live ? -1 : fail(EXIT_RETRY, "%s", why);
	sample_free(&t->before);
	t->before = t->now;
	t->now = s;
	if (t->before.taken_ns == 0)
		return -1;
	int status = t->live ? -1 : print(t);
	if (status == -1 && t->left > 0 && --t->left == 0)
		t->quit = true;
	return status;
}

static void ask(struct top *t)
{
	uint64_t now = bench_clock(), step = (uint64_t)(t->interval * 1e9);
	if (t->paused || now < t->next_ns)
		return;
	t->next_ns = t->next_ns + step > now ? t->next_ns + step : now + step;
	asker_ask(t->asker, ANSWER_MS);
}

static int wait_ms(const struct top *t)
{
	uint64_t now = bench_clock();
	if (t->paused)
		return -1;
	return t->next_ns > now ? (int)((t->next_ns - now + 999999) / 1000000) : 0;
}

static int watch(struct top *t)
{
	int status = -1;
	struct pollfd fds[] = {{.fd = asker_wake(t->asker), .events = POLLIN}, {.fd = t->signals, .events = POLLIN},
	    {.fd = t->live ? STDIN_FILENO : -1, .events = POLLIN}};
	t->next_ns = bench_clock();
	while (status == -1 && !t->quit && t->ended_by == 0) {
		ask(t);
		if (t->live && t->stale)
			draw(t);
		if (poll(fds, 3, wait_ms(t)) < 0 && errno != EINTR)
			return fail(EXIT_ERROR, "poll: %s", strerror(errno));
		take_signals(t);
		if (fds[2].revents != 0 && !read_keys(t))
			fds[2].fd = -1;
		t->stale |= fds[0].revents != 0;
		status = take_sample(t);
	}
	return status == -1 ? 0 : status;
}

// --- from beginning to end --------------------------------------------------------------------------------------------

// Before the library starts its thread, which so takes none of them.
static int take_over_signals(struct top *t)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
	sigset_t all;
	sigemptyset(&all);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&all, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	t->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signals >= 0 ? 0 : fail(EXIT_ERROR, "signalfd: %s", strerror(errno));
}

// Whoever started it shall see which signal ended it; on the live screen Ctrl-C is a way to quit.
static int pass_on_signal(const struct top *t, int status)
{
	sigset_t one;
	if (t->ended_by == 0 || (t->live && t->ended_by == SIGINT))
		return status;
	sigemptyset(&one);
	sigaddset(&one, t->ended_by);
	signal(t->ended_by, SIG_DFL);
	raise(t->ended_by);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	return status;
}

static int run(struct top *t)
{
	int status = take_over_signals(t);
	if (status != 0)
		return status;
	asker_watch(t->asker);
	if (t->live)
		top_screen_enter();
	status = watch(t);
	top_screen_leave();
	sample_free(&t->now);
	sample_free(&t->before);
	close(t->signals);
	return status;
}

int run_top(const struct settings *s, int argc, char **argv)
{
	struct top t = {.settings = *s, .interval = 1, .stale = true};
	int status = read_options(&t, argc, argv);
	if (status != -1)
		return status;
	setlocale(LC_CTYPE, "");
	decide(&t);
	t.asker = asker_open(s, &status);
	if (t.asker == NULL)
		return status;
	status = run(&t);
	asker_close(t.asker);
	return pass_on_signal(&t, status);
}
