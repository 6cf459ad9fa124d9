// `wherry worker`: runs a command for each message of a queue.  Each of the --parallel slots is a thread that asks for a
// message, runs the command and ends the message; the main thread waits for signals.

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "follow.h"
#include "worker_child.h"

const char worker_help[] =
    "Runs a command for each message of the queues, the value on its standard input: a string or bytes as\n"
    "they are, anything else as JSON. WHERRY_QUEUE, WHERRY_ID, WHERRY_ATTEMPT and WHERRY_HEADER_NAME are in\n"
    "its environment. What the command ends with decides:\n"
    "\n"
    "  0          the message is done (ack)\n"
    "  75         not now: it comes again after --delay-ms (nack)\n"
    "  another    it failed: it comes again as the queue says, or goes to the dead letters (nack); the\n"
    "             status and the end of what the command wrote on its standard error stay with it\n"
    "\n"
    "While a command runs its message stays reserved. If this ends, or loses its connection, the message is\n"
    "given to somebody else; a command that runs on then works in vain, and that is told. Ctrl-C or SIGTERM\n"
    "takes nothing new and waits for the commands that run; a second one, or --drain-seconds, kills them,\n"
    "and their messages come again, with this attempt not counted.\n"
    "\n"
    "      --exec CMD ARG...   the command; all words from there on are its own\n"
    "  -p, --parallel N        so many at once (1; at most 1,000)\n"
    "      --delay-ms N        after status 75 (5000)\n"
    "      --visible-ms N      how long a message stays reserved if this is killed (30000)\n"
    "      --drain-seconds N   how long to wait for commands that run (60)\n"
    "  -n, --count N           ends after so many\n"
    "  -q, --quiet             tells only what goes wrong\n"
    "\n"
    "Exit status: 0 it was told to end, or did --count; 1 the broker ended it; 2 wrong usage; 75 no broker\n"
    "answers.\n"
    "\n"
    "Examples:\n"
    "  wherry push mails ada grace\n"
    "  wherry worker mails --count 2 --exec sh -c 'cat; echo \" as $WHERRY_ID\"'\n";

enum { PARALLEL_MOST = 1000, TICK_MS = 200, EXIT_NOT_NOW = 75 };

struct worker;

struct slot {
	struct worker *worker;
	pthread_t thread;
	bool runs;
	struct child child;
};

struct worker {
	const struct settings *settings;
	const char *const *queues;
	size_t queue_count;
	char **command;
	uint64_t parallel, delay_ms, visible_ms, drain_s, most;
	bool quiet;

	wherry_client *client;
	wherry_consumer *consumer;
	struct slot *slots;
	pthread_mutex_t lock; // all below
	uint64_t begun, done, failed, later, lost;
	bool ended;  // by the broker
	bool killed; // what runs is not to blame
	wherry_error why;
};

// --- one message ------------------------------------------------------------------------------------------------------------

static void count(struct worker *w, uint64_t *what)
{
	pthread_mutex_lock(&w->lock);
	++*what;
	pthread_mutex_unlock(&w->lock);
}

static bool is_killed(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	bool killed = w->killed;
	pthread_mutex_unlock(&w->lock);
	return killed;
}

static void describe(const struct child *c, char *reason, size_t room)
{
	if (WIFSIGNALED(c->status))
		snprintf(reason, room, "signal %d%s%s", WTERMSIG(c->status), c->said[0] != 0 ? ": " : "", c->said);
	else
		snprintf(
		    reason, room, "exit status %d%s%s", WEXITSTATUS(c->status), c->said[0] != 0 ? ": " : "", c->said);
}

static void end_failed(struct worker *w, wherry_job *job, const struct child *c)
{
	char reason[CHILD_SAID + 64];
	bool later = WIFEXITED(c->status) && WEXITSTATUS(c->status) == EXIT_NOT_NOW, killed = is_killed(w);
	describe(c, reason, sizeof(reason));
	if (!w->quiet || !later)
		fail(0, "message %llu of %.*s, attempt %llu: %s", (unsigned long long)job->id, (int)job->queue_len,
		    job->queue, (unsigned long long)job->attempt, reason);
	count(w, later ? &w->later : &w->failed);
	wherry_job_nack(job, killed ? WHERRY_UNCOUNTED : 0, later ? (int64_t)w->delay_ms : killed ? 0 : -1, reason);
}

static void work_on(struct slot *slot, wherry_job *job)
{
	struct worker *w = slot->worker;
	int failed = child_run(&slot->child, w->command, job);
	if (failed != 0) {
		fail(0, "%s can't be run: %s", w->command[0], strerror(failed));
		wherry_job_nack(job, WHERRY_UNCOUNTED, (int64_t)w->delay_ms, "the worker could not run its command");
	} else if (WIFEXITED(slot->child.status) && WEXITSTATUS(slot->child.status) == 0) {
		count(w, &w->done);
		wherry_job_ack(job);
	} else {
		end_failed(w, job, &slot->child);
	}
}

// Whether one more may be begun.
static bool take_turn(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	bool may = w->most == 0 || w->begun < w->most;
	w->begun += may;
	pthread_mutex_unlock(&w->lock);
	return may;
}

static void give_turn_back(struct worker *w, int status, const wherry_error *error)
{
	pthread_mutex_lock(&w->lock);
	w->begun--;
	if (status != WHERRY_ESHUTDOWN && !w->ended) {
		w->ended = true;
		w->why = *error;
	}
	pthread_mutex_unlock(&w->lock);
}

static void *run_slot(void *arg)
{
	struct slot *slot = arg;
	struct worker *w = slot->worker;
	while (take_turn(w)) {
		wherry_job *job;
		wherry_error error;
		int status = wherry_consumer_next(w->consumer, -1, &job, &error);
		if (status != WHERRY_OK) {
			give_turn_back(w, status, &error);
			break;
		}
		work_on(slot, job);
	}
	kill(getpid(), SIGUSR1); // the main thread looks whether it was the last
	return NULL;
}

// On the client's thread.
static void settled(void *arg, const wherry_job *job, const wherry_error *error)
{
	struct worker *w = arg;
	if (error->code == WHERRY_OK)
		return;
	count(w, &w->lost);
	fail(0, "message %llu of %.*s was not ours any more, and may be worked on again: %s",
	    (unsigned long long)job->id, (int)job->queue_len, job->queue, error->text);
}

static void gap(void *arg, int ended, const wherry_error *why)
{
	(void)arg;
	if (!ended)
		fail(0, "the connection was lost (%s), and there is another", why->text);
}

// --- its end ----------------------------------------------------------------------------------------------------------------

static void kill_all(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->killed = true;
	pthread_mutex_unlock(&w->lock);
	for (uint64_t i = 0; i < w->parallel; i++) {
		pid_t pid = w->slots[i].child.pid;
		if (pid > 0)
			kill(-pid, SIGKILL);
	}
}

static void *drain(void *arg)
{
	wherry_consumer_stop(((struct worker *)arg)->consumer, -1);
	kill(getpid(), SIGUSR1);
	return NULL;
}

static bool all_ended(struct worker *w)
{
	bool all = true;
	for (uint64_t i = 0; i < w->parallel; i++) {
		struct slot *slot = &w->slots[i];
		slot->runs = slot->runs && pthread_tryjoin_np(slot->thread, NULL) != 0;
		all &= !slot->runs;
	}
	return all;
}

// As many as the system lets it; at least one, or it is told.
static int start_slots(struct worker *w)
{
	for (uint64_t i = 0; i < w->parallel; i++) {
		struct slot *slot = &w->slots[i];
		slot->worker = w;
		int failed = pthread_create(&slot->thread, NULL, run_slot, slot);
		slot->runs = failed == 0;
		if (failed != 0 && i == 0)
			return fail(EXIT_ERROR, "no thread can be begun: %s", strerror(failed));
	}
	return 0;
}

// SIGUSR1 is our own: a thread has ended.
static void wait_for_end(struct worker *w, const sigset_t *signals)
{
	pthread_t drainer;
	bool drains = false;
	time_t until = 0;
	while (!all_ended(w)) {
		struct timespec tick = {TICK_MS / 1000, TICK_MS % 1000 * 1000000};
		int caught = sigtimedwait(signals, NULL, &tick);
		bool asked = caught > 0 && caught != SIGUSR1;
		if (asked && !drains) {
			until = time(NULL) + (time_t)w->drain_s;
			drains = pthread_create(&drainer, NULL, drain, w) == 0;
		} else if (asked || (drains && time(NULL) >= until)) {
			kill_all(w);
		}
	}
	if (drains)
		pthread_join(drainer, NULL);
	else
		wherry_consumer_stop(w->consumer, -1);
}

static int report(struct worker *w)
{
	if (!w->quiet)
		fail(0, "%llu done, %llu failed, %llu put off, %llu lost", (unsigned long long)w->done,
		    (unsigned long long)w->failed, (unsigned long long)w->later, (unsigned long long)w->lost);
	return w->ended ? complain(&w->why) : finished(EXIT_SUCCESS);
}

// Blocked before there are other threads, so that only the main one takes them.
static void block(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN); // a command that does not read
}

static int work(struct worker *w)
{
	wherry_error error;
	sigset_t signals;
	wherry_consume_options wanted = {.size = sizeof(wanted),
	    .queues = w->queues,
	    .queue_count = w->queue_count,
	    .prefetch = (uint32_t)w->parallel,
	    .visible_ms = (int64_t)w->visible_ms,
	    .settled = settled,
	    .on_gap = gap,
	    .arg = w};
	block(&signals);
	int status = cli_connect(w->settings, NULL, &w->client);
	if (status != 0)
		return status;
	if (wherry_client_consume(w->client, &wanted, &w->consumer, &error) == WHERRY_OK) {
		status = start_slots(w);
		if (status == 0)
			wait_for_end(w, &signals);
		wherry_consumer_close(w->consumer);
		status = status == 0 ? report(w) : status;
	} else {
		status = complain(&error);
	}
	wherry_client_close(w->client);
	return status;
}

// --- options ----------------------------------------------------------------------------------------------------------------

static int read_flag(struct worker *w, int flag, const char *word)
{
	int status = -1;
	switch (flag) {
	case 'p':
		w->parallel = follow_number("--parallel", optarg, &status);
		break;
	case 'd':
		w->delay_ms = follow_number("--delay-ms", optarg, &status);
		break;
	case 'v':
		w->visible_ms = follow_number("--visible-ms", optarg, &status);
		break;
	case 's':
		w->drain_s = follow_number("--drain-seconds", optarg, &status);
		break;
	case 'n':
		w->most = follow_number("--count", optarg, &status);
		break;
	case 'q':
		w->quiet = true;
		break;
	case ':':
		return wrong("worker: %s takes a value", word);
	default:
		return wrong("worker has no option %s", word);
	}
	return status;
}

static int read_options(struct worker *w, int argc, char **argv)
{
	static const struct option flags[] = {
	    {"parallel", required_argument, NULL, 'p'},
	    {"delay-ms", required_argument, NULL, 'd'},
	    {"visible-ms", required_argument, NULL, 'v'},
	    {"drain-seconds", required_argument, NULL, 's'},
	    {"count", required_argument, NULL, 'n'},
	    {"quiet", no_argument, NULL, 'q'},
	    {NULL, 0, NULL, 0},
	};
	int status = -1;
	optind = 0; // glibc: begins anew
	opterr = 0;
	for (int flag; status == -1 && (flag = getopt_long(argc, argv, ":p:n:q", flags, NULL)) != -1;)
		status = read_flag(w, flag, argv[optind - 1]);
	if (status == -1 && w->parallel > PARALLEL_MOST)
		return wrong("--parallel is at most %d", PARALLEL_MOST);
	if (status == -1 && optind == argc)
		return wrong("worker takes the names of queues, and --exec CMD");
	w->queues = (const char *const *)(argv + optind);
	w->queue_count = (size_t)(argc - optind);
	return status;
}

// From --exec on the words are the command's; answers how many stand before it.
static int find_command(struct worker *w, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--exec") != 0)
			continue;
		w->command = argv + i + 1;
		return i;
	}
	return argc;
}

int run_worker(const struct settings *s, int argc, char **argv)
{
	struct worker w = {.settings = s, .parallel = 1, .delay_ms = 5000, .drain_s = 60};
	int own = find_command(&w, argc, argv);
	if (w.command == NULL || w.command[0] == NULL)
		return wrong("worker takes --exec and the command to run for each message");
	char *stop = argv[own];
	argv[own] = NULL;
	int status = read_options(&w, own, argv);
	argv[own] = stop;
	if (status != -1)
		return status;
	w.slots = calloc(w.parallel, sizeof(*w.slots));
	if (w.slots == NULL)
		return fail(EXIT_ERROR, "out of memory");
	pthread_mutex_init(&w.lock, NULL);
	status = work(&w);
	pthread_mutex_destroy(&w.lock);
	free(w.slots);
	return status;
}
