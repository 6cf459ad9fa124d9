// wherryd: the broker as a daemon in the foreground.  Flags, signals, and the one line that says it is ready; all else
// is the library's.

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker.h"
#include "config.h"

enum { EXIT_USAGE = 2, URLS_ROOM = 2048 };

#define DEFAULT_TCP "tcp://127.0.0.1:1973"

// --- help -------------------------------------------------------------------------------------------------------------

static const char help_head[] =
    "wherryd: a broker for messages, work and small state.\n"
    "\n"
    "Usage: wherryd [-c FILE] [-l URL]... [-d DIR] [-m MODULE]... [--set NAME=VALUE]...\n"
    "               [--insecure] [-q | -v]\n"
    "\n"
    "  -c, --config FILE     read this configuration first; flags win over it\n"
    "  -l, --listen URL      listen here, and not where the file or the default says; repeatable:\n"
    "                        tcp://HOST:PORT (port 0: any free one) or ipc:///PATH;\n"
    "                        tls+tcp:// needs a certificate, and so a listener in the file\n"
    "  -d, --data-dir DIR    the directory of this broker alone (as --set data_dir=DIR)\n"
    "  -m, --module MODULE   load this module too, by name or by path; repeatable\n"
    "      --set NAME=VALUE  set an option, or MODULE.OPTION; repeatable\n"
    "      --insecure        allow plain listeners on addresses other than this machine's own\n"
    "  -q, --quiet           log warnings and errors only\n"
    "  -v, --verbose         log everything\n"
    "  -V, --version         print the version\n"
    "  -h, --help            print this\n"
    "\n"
    "Without -l and without a listener in the file it listens on " DEFAULT_TCP " and on\n"
    "ipc:///run/user/UID/wherry.sock (root: ipc:///run/wherry/wherry.sock).\n"
    "SIGTERM and SIGINT let answers leave, then end it with status 0; a second one ends it at once.\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  wherryd\n"
    "  wherryd -l tcp://127.0.0.1:4000 -m ./hello.so --set max_memory=512MiB\n"
    "  wherryd -c wherry.conf -v\n"
    "\n"
    "Options for --set and for the file, with their defaults:\n";

static int printed(void)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return EXIT_SUCCESS;
	perror("wherryd: standard output");
	return EXIT_FAILURE;
}

static int print_help(void)
{
	fputs(help_head, stdout);
	for (uint32_t i = 0; i < broker_option_count; i++) {
		const struct option_spec *o = &broker_options[i];
		printf("  %-18s %-8s %s\n", o->name, o->preset[0] != 0 ? o->preset : "\"\"", o->help);
	}
	return printed();
}

static int print_version(void)
{
	printf("wherryd %s\n", wherry_version());
	return printed();
}

static int complain(int status, const char *what)
{
	fprintf(stderr, "wherryd: %s\n", what);
	if (status == EXIT_USAGE)
		fputs("Try 'wherryd --help'.\n", stderr);
	return status;
}

// --- flags ------------------------------------------------------------------------------------------------------------

enum { FLAG_SET = 256, FLAG_INSECURE };

static const char short_flags[] = "c:l:d:m:qvVh";
static const struct option long_flags[] = {
    {"config", required_argument, NULL, 'c'},
    {"listen", required_argument, NULL, 'l'},
    {"data-dir", required_argument, NULL, 'd'},
    {"module", required_argument, NULL, 'm'},
    {"set", required_argument, NULL, FLAG_SET},
    {"insecure", no_argument, NULL, FLAG_INSECURE},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

// What has to be known before anything is set.
struct first_look {
	const char *file;
	bool help, version, wrong, listens;
};

static struct first_look look_at(int argc, char **argv)
{
	struct first_look look = {.file = NULL};
	for (int flag; (flag = getopt_long(argc, argv, short_flags, long_flags, NULL)) != -1;) {
		if (flag == 'c')
			look.file = optarg;
		look.listens |= flag == 'l';
		look.help |= flag == 'h';
		look.version |= flag == 'V';
		look.wrong |= flag == '?';
	}
	if (optind < argc) {
		fprintf(stderr, "wherryd: \"%s\" is no flag: nothing stands by itself here\n", argv[optind]);
		look.wrong = true;
	}
	return look;
}

static int set_pair(wherry_config *c, const char *pair)
{
	const char *equals = strchr(pair, '=');
	char name[256];
	if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof(name))
		return config_fail(c, WHERRY_EARG, "--set takes NAME=VALUE, not \"%.100s\"", pair);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - pair), pair);
	return wherry_config_set(c, name, equals + 1);
}

static int apply_flag(wherry_config *c, int flag, const char *value)
{
	switch (flag) {
	case 'l':
		return wherry_config_listen(c, value);
	case 'd':
		return wherry_config_set(c, "data_dir", value);
	case 'm':
		return wherry_config_module(c, value);
	case 'q':
		return wherry_config_set(c, "log_level", "warn");
	case 'v':
		return wherry_config_set(c, "log_level", "debug");
	case FLAG_SET:
		return set_pair(c, value);
	case FLAG_INSECURE:
		return wherry_config_set(c, "insecure", "true");
	default:
		return WHERRY_OK;
	}
}

static int apply_flags(wherry_config *c, int argc, char **argv)
{
	int status = WHERRY_OK;
	optind = 1;
	for (int flag; status == WHERRY_OK && (flag = getopt_long(argc, argv, short_flags, long_flags, NULL)) != -1;)
		status = apply_flag(c, flag, optarg);
	return status;
}

// --- where to listen when nobody says ---------------------------------------------------------------------------------

static bool default_ipc(char *url, size_t room)
{
	char dir[64];
	if (geteuid() == 0) {
		// Readable by all: what a user may do with the socket is the socket's own mode.
		if (mkdir("/run/wherry", 0755) != 0 && errno != EEXIST)
			return false;
		snprintf(url, room, "ipc:///run/wherry/wherry.sock");
		return true;
	}
	snprintf(dir, sizeof(dir), "/run/user/%u", (unsigned)geteuid());
	snprintf(url, room, "ipc://%s/wherry.sock", dir);
	return access(dir, W_OK) == 0;
}

static int listen_by_default(wherry_config *c)
{
	char url[128];
	struct listen_options options = {.ipc_mode = CONFIG_IPC_MODE};
	int status = default_ipc(url, sizeof(url)) ? config_listen(c, url, &options, true) : WHERRY_OK;
	return status == WHERRY_OK ? wherry_config_listen(c, DEFAULT_TCP) : status;
}

// The exit status; EXIT_SUCCESS: go on.
static int configure(wherry_config *c, const struct first_look *look, int argc, char **argv)
{
	if (look->file != NULL && wherry_config_file(c, look->file) != WHERRY_OK)
		return complain(EXIT_FAILURE, wherry_config_why(c));
	if (look->listens)
		config_forget_listeners(c);
	if (apply_flags(c, argc, argv) != WHERRY_OK)
		return complain(EXIT_USAGE, wherry_config_why(c));
	if (c->listener_count == 0 && listen_by_default(c) != WHERRY_OK)
		return complain(EXIT_FAILURE, wherry_config_why(c));
	return EXIT_SUCCESS;
}

// --- signals ----------------------------------------------------------------------------------------------------------

// A terminal that closes, and whoever signals a process and then its group, sends the same wish twice: nobody's second
// thought comes so soon.
enum { ONE_WISH_NS = 200000000 };

// One thread takes the signals; every other has them blocked, NNG's and the modules' too.
struct watch {
	sigset_t signals;
	pthread_mutex_t lock;
	wherry_broker *broker; // under the lock; NULL: it is closing
};

static void stop_watched(struct watch *w)
{
	pthread_mutex_lock(&w->lock);
	if (w->broker != NULL)
		wherry_broker_stop(w->broker);
	pthread_mutex_unlock(&w->lock);
}

static void *watch_signals(void *arg)
{
	struct watch *w = arg;
	int signal;
	while (sigwait(&w->signals, &signal) != 0)
		;
	uint64_t first = clock_ticks_ns(&clock_system);
	stop_watched(w);
	for (;;)
		if (sigwait(&w->signals, &signal) == 0 && clock_ticks_ns(&clock_system) - first >= ONE_WISH_NS)
			_exit(complain(EXIT_FAILURE, "ended at once, answers may be lost"));
	return NULL;
}

// Else the first files and connections took the place of a closed standard error, and the log went into them.
static void fill_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_PATH);
}

static void block_signals(struct watch *w)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&w->signals);
	sigaddset(&w->signals, SIGINT);
	sigaddset(&w->signals, SIGTERM);
	// Under nohup a hangup is to be ignored, and sigwait() would take it all the same.
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
		signal(SIGHUP, SIG_IGN);
	else
		sigaddset(&w->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &w->signals, NULL);
}

static bool start_watch(struct watch *w, wherry_broker *b)
{
	pthread_t thread;
	w->broker = b;
	if (pthread_create(&thread, NULL, watch_signals, w) != 0)
		return false;
	pthread_detach(thread);
	return true;
}

static void close_watched(struct watch *w, wherry_broker *b)
{
	pthread_mutex_lock(&w->lock);
	w->broker = NULL;
	pthread_mutex_unlock(&w->lock);
	wherry_broker_close(b);
}

// --- the story --------------------------------------------------------------------------------------------------------

static void say_ready(const wherry_broker *b)
{
	char urls[URLS_ROOM] = "";
	size_t len = 0;
	for (unsigned i = 0; wherry_broker_url(b, i) != NULL && len < sizeof(urls); i++)
		len +=
		    (size_t)snprintf(urls + len, sizeof(urls) - len, "%s%s", i > 0 ? " " : "", wherry_broker_url(b, i));
	log_event(&b->log, WHERRY_LOG_WARN, "in memory only", "note", "nothing survives the end of this broker", NULL);
	log_event(&b->log, WHERRY_LOG_INFO, "ready", "version", wherry_version(), "pid", LOG_NUMBER(getpid()), "urls",
	    urls, NULL);
}

static int serve(const wherry_config *c, struct watch *w)
{
	wherry_broker *b;
	char *why;
	if (wherry_broker_open(c, &b, &why) != WHERRY_OK) {
		complain(EXIT_FAILURE, why != NULL ? why : "out of memory");
		free(why);
		return EXIT_FAILURE;
	}
	if (!start_watch(w, b)) {
		wherry_broker_close(b);
		return complain(EXIT_FAILURE, "no thread for signals");
	}
	say_ready(b);
	wherry_broker_wait(b, -1);
	log_event(&b->log, WHERRY_LOG_INFO, "stopping", NULL);
	close_watched(w, b);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct watch watch = {.lock = PTHREAD_MUTEX_INITIALIZER};
	fill_standard_streams();
	struct first_look look = look_at(argc, argv);
	if (look.wrong)
		return fputs("Try 'wherryd --help'.\n", stderr), EXIT_USAGE;
	if (look.help)
		return print_help();
	if (look.version)
		return print_version();
	wherry_config *c = wherry_config_new();
	if (c == NULL)
		return complain(EXIT_FAILURE, "out of memory");
	block_signals(&watch);
	int status = configure(c, &look, argc, argv);
	if (status == EXIT_SUCCESS)
		status = serve(c, &watch);
	wherry_config_free(c);
	return status;
}
