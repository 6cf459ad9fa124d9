// The threads of signals: signals.h.

#include "daemon/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

// Whoever signals a process and then its group sends the same wish twice, as does a terminal that closes: nobody's second
// thought comes so soon.
enum { ONE_WISH_NS = 200000000 };

enum wish { NOTHING, RELOAD = 1, REOPEN_LOG = 2 };

// Signals are the process's, so this is, too.
static struct {
	sigset_t set;
	struct signals actions;
	bool had_terminal;
	pthread_mutex_t lock; // all below
	pthread_cond_t changed;
	enum { STARTING, SERVING, CLOSING } state;
	wherry_broker *broker; // SERVING
	unsigned wishes;
	bool acting;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

// A terminal that has closed is no longer the process's: then HUP is not about the configuration.
static bool means_reload(int signal)
{
	return signal == SIGHUP && watch.actions.reload != NULL && (!watch.had_terminal || has_terminal());
}

static int next_signal(void)
{
	int signal = 0;
	while (sigwait(&watch.set, &signal) != 0)
		;
	return signal;
}

// --- what takes time ---------------------------------------------------------------------------------------------------

static void wish_for(enum wish wish)
{
	pthread_mutex_lock(&watch.lock);
	watch.wishes |= wish;
	pthread_cond_broadcast(&watch.changed);
	pthread_mutex_unlock(&watch.lock);
}

static void act(unsigned wishes, wherry_broker *b)
{
	if (wishes & REOPEN_LOG)
		watch.actions.reopen_log(watch.actions.arg, b);
	if (wishes & RELOAD)
		watch.actions.reload(watch.actions.arg, b);
}

static void *act_on_wishes(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "wherry:wishes");
	pthread_mutex_lock(&watch.lock);
	while (watch.state != CLOSING) {
		unsigned wishes = watch.state == SERVING ? watch.wishes : NOTHING;
		if (wishes == NOTHING) {
			pthread_cond_wait(&watch.changed, &watch.lock);
			continue;
		}
		watch.wishes = NOTHING;
		watch.acting = true;
		pthread_mutex_unlock(&watch.lock);
		act(wishes, watch.broker);
		pthread_mutex_lock(&watch.lock);
		watch.acting = false;
		pthread_cond_broadcast(&watch.changed);
	}
	pthread_mutex_unlock(&watch.lock);
	return NULL;
}

// --- what ends it ------------------------------------------------------------------------------------------------------

static void die_of(int signal_number)
{
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, signal_number);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	_exit(128 + signal_number); // the first process of a container survives it
}

static void stop(int signal_number)
{
	pthread_mutex_lock(&watch.lock);
	if (watch.state == STARTING)
		die_of(signal_number);
	if (watch.state == SERVING)
		wherry_broker_stop(watch.broker);
	pthread_mutex_unlock(&watch.lock);
}

// Nobody may be reading standard error any more: that must not keep it.
static void end_at_once(void)
{
	struct pollfd errors = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&errors, 1, 0) > 0 && (errors.revents & POLLOUT))
		fputs("wherryd: ended at once, answers may be lost\n", stderr);
	_exit(EXIT_FAILURE);
}

static void *watch_signals(void *arg)
{
	int signal;
	(void)arg;
	pthread_setname_np(pthread_self(), "wherry:signals");
	while ((signal = next_signal()) == SIGUSR1 || means_reload(signal))
		wish_for(signal == SIGUSR1 ? REOPEN_LOG : RELOAD);
	uint64_t first = clock_ticks_ns(&clock_system);
	stop(signal);
	for (;;) {
		signal = next_signal();
		if (signal != SIGUSR1 && !means_reload(signal) && clock_ticks_ns(&clock_system) - first >= ONE_WISH_NS)
			end_at_once();
	}
	return NULL;
}

void signals_block(void)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&watch.set);
	sigaddset(&watch.set, SIGINT);
	sigaddset(&watch.set, SIGTERM);
	sigaddset(&watch.set, SIGUSR1);
	// Under nohup a hangup is to be ignored, and sigwait() would take it all the same.
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
		signal(SIGHUP, SIG_IGN);
	else
		sigaddset(&watch.set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &watch.set, NULL);
}

bool signals_start(const struct signals *actions)
{
	static void *(*const bodies[])(void *) = {watch_signals, act_on_wishes};
	watch.actions = *actions;
	watch.had_terminal = has_terminal();
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		pthread_t thread;
		if (!thread_start(&thread, bodies[i], NULL))
			return false;
		pthread_detach(thread);
	}
	return true;
}

void signals_serve(wherry_broker *b)
{
	pthread_mutex_lock(&watch.lock);
	watch.state = SERVING;
	watch.broker = b;
	pthread_cond_broadcast(&watch.changed);
	pthread_mutex_unlock(&watch.lock);
}

void signals_close(wherry_broker *b)
{
	pthread_mutex_lock(&watch.lock);
	watch.state = CLOSING;
	pthread_cond_broadcast(&watch.changed);
	while (watch.acting)
		pthread_cond_wait(&watch.changed, &watch.lock);
	pthread_mutex_unlock(&watch.lock);
	wherry_broker_close(b);
}
