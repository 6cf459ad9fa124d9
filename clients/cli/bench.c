// `wherry bench`: the story, and its signals.

#include "bench_flow.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char bench_help[] =
    "Sends requests and checks every answer, then tells rates, latencies and counts. WORKLOAD is get\n"
    "(the default), set, incr, mixed (get and set), pubsub, queue, or a method with its arguments: then\n"
    "options come before the method, and what is checked is only that the answer is no error.\n"
    "\n"
    "pubsub and queue: one connection sends, with --in-flight under way, and --connections receive.\n"
    "Each message has a number: every subscriber must get all of them in order; of a queue each must come\n"
    "to one worker, once, be acknowledged, and to each worker in order. Told is how long a message takes\n"
    "from being sent to being received, too. Topic and queue are of this run alone, and removed.\n"
    "\n"
    "It loads the broker as much as it can, and needs processors itself: on the same machine the two\n"
    "take them from each other. get, set, incr and mixed work on keys PREFIX000000000 and on; a run is\n"
    "refused if one of them is there already, and removes all of them in the end, also after Ctrl-C (a\n"
    "second Ctrl-C ends at once and leaves them). get and mixed fill them first; that is not measured.\n"
    "\n"
    "Without --rate each connection keeps --in-flight requests under way and sends the next when an\n"
    "answer comes. A broker that stalls is then asked less, and latencies look better than they are. With\n"
    "--rate each request is due at a fixed time, and its response time counts from then, also while it\n"
    "waits for the connection; service time counts from when it was sent.\n"
    "\n"
    "      --rate N/s         requests a second, of all connections together; else as fast as it goes\n"
    "      --connections N    connections; each has a thread here (8, at most 1,000)\n"
    "      --in-flight N      requests under way on each connection at most (64)\n"
    "      --seconds N        for how long requests are sent (10)\n"
    "      --count N          so many requests, instead of --seconds\n"
    "      --warmup SECONDS   sends for so long before it begins to measure (0)\n"
    "      --keys N           keys to choose from, at random (100,000; at most 100 M)\n"
    "      --size N           bytes of a value (64; at most 16MiB)\n"
    "      --prefix TEXT      what the keys begin with (bench:)\n"
    "      --ns NAME          in this namespace\n"
    "      --read-share N     mixed: the share of get (0.9)\n"
    "      --verify           reads all keys back in the end; incr does so anyway\n"
    "      --keep             leaves the keys there\n"
    "      --force            overwrites and removes keys that are there already\n"
    "\n"
    "Numbers may end with k (thousands), M (millions), KiB or MiB.\n"
    "\n"
    "What is told: sent = answered + errors + lost. Errors are the broker's, by name; a request is lost\n"
    "if its time ran out or the connection did, and whether it ran is not known. A percentile, p99 say, is\n"
    "the time that 99 % of the requests did not exceed, to within 1 %; max is exact. A value is right if it\n"
    "is what that key was set to; with incr each counter holds what was acknowledged in the end. With\n"
    "-o json all of it is one JSON object, times in microseconds, null where nothing was measured.\n"
    "\n"
    "Exit status: 0 all was answered, and rightly; 1 something was lost, an error or wrong, or keys were\n"
    "there already; 2 wrong usage; 75 no broker answers. A rate that was not kept is told and no error.\n"
    "\n"
    "Examples:\n"
    "  wherry bench --seconds 1\n"
    "  wherry bench mixed --rate 1000/s --seconds 1 --keys 1000\n"
    "  wherry bench incr --count 10000 --connections 2\n"
    "  wherry -o json bench set --size 1KiB --seconds 1 --verify\n"
    "  wherry bench pubsub --connections 10 --count 10000\n"
    "  wherry bench queue --count 10000 --size 100\n"
    "  wherry bench --seconds 1 kv.exists a b c\n";

static volatile sig_atomic_t caught;
static int wake_fd = -1;

bool bench_interrupted(void)
{
	return caught != 0;
}

static void catch_signal(int number)
{
	uint64_t one = 1;
	int saved = errno;
	caught = number;
	if (write(wake_fd, &one, sizeof(one)) < 0)
		caught = number; // the main thread is awake as it is
	errno = saved;
}

// The second one ends the program at once.
static int catch_signals(struct bench *b)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = catch_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
	b->wake = wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->wake < 0)
		return fail(EXIT_ERROR, "eventfd: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction before;
		sigaction(numbers[i], NULL, &before);
		if (before.sa_handler != SIG_IGN) // nohup
			sigaction(numbers[i], &action, NULL);
	}
	return 0;
}

static int read_method(struct bench *b)
{
	struct reading reading = {.client = b->control};
	wherry_error error;
	int status = request_read(&b->work.fixed, &reading, b->options.word_count, b->options.words, &error);
	status = status == ASK_OK ? 0 : status == ASK_USAGE ? fail(EXIT_USAGE, "%s", reading.why) : complain(&error);
	reading_free(&reading);
	return status;
}

static int prepare(struct bench *b)
{
	enum bench_kind kind = b->options.kind;
	int status = kind == BENCH_METHOD ? read_method(b) : bench_take_keys(b);
	if (status == 0 && (kind == BENCH_GET || kind == BENCH_MIXED))
		status = bench_fill_keys(b);
	return status == 0 ? bench_open_lanes(b) : status;
}

static int measure(struct bench *b)
{
	bench_run(b);
	bench_close_lanes(b);
	bool compare = b->options.kind != BENCH_METHOD && (b->options.verify || b->options.kind == BENCH_INCR);
	return compare && !bench_interrupted() ? bench_compare_keys(b) : 0;
}

static int run_with(struct bench *b)
{
	int status = prepare(b);
	bool ran = status == 0 && !bench_interrupted();
	if (ran)
		status = measure(b);
	bench_close_lanes(b);
	if (b->owns_keys && (!b->options.keep || !ran))
		bench_remove_keys(b);
	if (!ran)
		return status;
	int verdict = bench_report(b);
	return status != 0 ? status : verdict;
}

static int run(struct bench *b)
{
	if (!work_begin(&b->work, &b->options) || !maker_begin(&b->maker, &b->work, 0))
		return fail(EXIT_ERROR, "out of memory");
	int status = cli_connect(&b->settings, NULL, &b->control);
	if (status == 0)
		status = catch_signals(b); // before, there is nothing to remove
	if (status == 0 && b->options.kind == BENCH_PUBSUB)
		status = bench_pubsub(b);
	else if (status == 0 && b->options.kind == BENCH_QUEUE)
		status = bench_queue(b);
	else if (status == 0)
		status = run_with(b);
	wherry_client_close(b->control);
	return status;
}

static void begin(struct bench *b, const struct settings *s)
{
	const char *term = getenv("TERM");
	b->settings = *s;
	b->wake = -1;
	if (b->options.ns != NULL)
		b->settings.ns = b->options.ns;
	b->terminal = isatty(STDERR_FILENO) > 0;
	b->dumb = term == NULL || strcmp(term, "dumb") == 0;
}

// Whoever started it shall see that a signal ended it.
static void pass_on_signal(void)
{
	if (!bench_interrupted())
		return;
	fflush(NULL);
	signal(caught, SIG_DFL);
	raise(caught);
}

int run_bench(const struct settings *s, int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof(*b));
	if (b == NULL)
		return fail(EXIT_ERROR, "out of memory");
	int status = bench_options_read(&b->options, argc, argv);
	if (status == -1) {
		begin(b, s);
		status = run(b);
		if (b->wake >= 0)
			close(b->wake);
	}
	maker_end(&b->maker);
	work_end(&b->work);
	free(b);
	pass_on_signal();
	return status;
}
