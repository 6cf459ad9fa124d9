#include "prompt_wake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static atomic_uint happened;
static atomic_int ending_signal;
static int event = -1;

void wake_up(unsigned what)
{
	int saved = errno;
	uint64_t one = 1;
	atomic_fetch_or(&happened, what);
	// Full (never in practice) or there already: whoever waits is woken in any case.
	if (write(event, &one, sizeof(one)) < 0)
		errno = saved;
}

unsigned wake_take(unsigned what)
{
	return atomic_fetch_and(&happened, ~what) & what;
}

static void on_signal(int number)
{
	switch (number) {
	case SIGINT:
		wake_up(WAKE_INTERRUPT);
		break;
	case SIGWINCH:
		wake_up(WAKE_RESIZE);
		break;
	case SIGTSTP:
		wake_up(WAKE_SUSPEND);
		break;
	default:
		atomic_store(&ending_signal, number);
		wake_up(WAKE_END);
	}
}

int wake_ending_signal(void)
{
	return atomic_load(&ending_signal);
}

static const int numbers[] = {SIGINT, SIGWINCH, SIGTERM, SIGHUP, SIGTSTP};
enum { SIGNALS = sizeof(numbers) / sizeof(numbers[0]) };
static struct sigaction before[SIGNALS];

bool wake_open(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return false;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(numbers[i], &action, &before[i]);
	return true;
}

void wake_close(void)
{
	if (event < 0)
		return;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(numbers[i], &before[i], NULL);
	close(event);
	event = -1;
}

int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// For poll(): what is left until `end`, rounded so that it never spins.
static int left_ms(int64_t end)
{
	int64_t left = end < 0 ? -1 : end - now_ms();
	if (end < 0)
		return -1;
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

bool wake_wait(unsigned what, int fd, int64_t timeout_ms)
{
	struct pollfd fds[] = {{.fd = event, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int64_t end = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	uint64_t count;
	for (;;) {
		// Emptied before the look at `happened`: what comes after that look fills it again.
		if (fds[0].revents != 0 && read(event, &count, sizeof(count)) < 0 && errno != EAGAIN)
			return false;
		if ((atomic_load(&happened) & what) != 0)
			return false;
		fds[0].revents = fds[1].revents = 0;
		int ready = poll(fds, 2, left_ms(end));
		if (ready > 0 && fds[1].revents != 0)
			return true;
		if (ready == 0 && end >= 0 && now_ms() >= end)
			return false;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}
