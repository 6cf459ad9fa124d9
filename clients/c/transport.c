// Which transport a URL asks for; time; waiting.

#include "transport.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "wherry/status.h"

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t monotonic_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static int64_t later(int64_t now, int64_t timeout_ms)
{
	int64_t deadline;
	return timeout_ms < 0 || __builtin_add_overflow(now, timeout_ms, &deadline) ? NO_DEADLINE : deadline;
}

int64_t deadline_after(int64_t timeout_ms)
{
	return timeout_ms < 0 ? NO_DEADLINE : later(monotonic_ms(), timeout_ms);
}

// The coarse clock is that of the kernel's last tick.
int64_t deadline_about(int64_t timeout_ms)
{
	enum { TICK_MS = 10 };
	return timeout_ms < 0 ? NO_DEADLINE : later(clock_ms(CLOCK_MONOTONIC_COARSE) + TICK_MS, timeout_ms);
}

// --- waiting ----------------------------------------------------------------------------------------------------------

bool waits_open(struct waits *w)
{
	struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &w->wake_fd};
	struct epoll_event timer = {.events = EPOLLIN, .data.ptr = &w->timer_fd};
	w->armed = NO_DEADLINE;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->epoll_fd >= 0 && w->wake_fd >= 0 && w->timer_fd >= 0 &&
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &wake) == 0 &&
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->timer_fd, &timer) == 0)
		return true;
	waits_close(w);
	return false;
}

void waits_close(struct waits *w)
{
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	if (w->timer_fd >= 0)
		close(w->timer_fd);
}

void waits_wake(struct waits *w)
{
	eventfd_write(w->wake_fd, 1);
}

static void watch(struct waits *w, struct transport *t, uint32_t events)
{
	struct epoll_event wanted = {.events = events, .data.ptr = t};
	if (t->watched == events)
		return;
	epoll_ctl(w->epoll_fd, t->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, t->fd, &wanted);
	t->watched = events;
	t->waits = w;
}

void transport_unwatch(struct transport *t)
{
	if (t->watched != 0)
		epoll_ctl(t->waits->epoll_fd, EPOLL_CTL_DEL, t->fd, NULL);
	t->watched = 0;
}

// The timer is left alone until it is too late or has fired: mostly the answer comes long before.
static void arm(struct waits *w, int64_t deadline)
{
	struct itimerspec at = {.it_value = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000}};
	if (deadline >= w->armed)
		return;
	timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
	w->armed = deadline;
}

static unsigned fired(struct waits *w)
{
	uint64_t times;
	if (read(w->timer_fd, &times, sizeof(times)) > 0)
		w->armed = NO_DEADLINE;
	return 0;
}

static unsigned woken(struct waits *w)
{
	eventfd_t unused;
	eventfd_read(w->wake_fd, &unused);
	return READY_WAKE;
}

static unsigned moved(const struct transport *t, uint32_t events)
{
	eventfd_t unused;
	if (t->signalled) {
		eventfd_read(t->fd, &unused);
		return READY_IN | READY_OUT;
	}
	if (events & (EPOLLHUP | EPOLLERR))
		return READY_IN | READY_OUT;
	return (events & EPOLLIN ? READY_IN : 0) | (events & EPOLLOUT ? READY_OUT : 0);
}

unsigned transport_wait(struct transport *t, unsigned wanted, struct waits *w, int64_t deadline)
{
	enum { SOURCES = 3 };
	struct epoll_event came[SOURCES];
	unsigned ready = 0;
	uint32_t events = (wanted & READY_IN ? EPOLLIN : 0) | (wanted & READY_OUT ? EPOLLOUT : 0);
	if (t != NULL && t->fd >= 0)
		watch(w, t, t->signalled ? EPOLLIN : events);
	if (deadline != AT_ONCE)
		arm(w, deadline);
	int count = epoll_wait(w->epoll_fd, came, SOURCES, deadline == AT_ONCE ? 0 : -1);
	for (int i = 0; i < count; i++) {
		const void *source = came[i].data.ptr;
		ready |= source == &w->wake_fd    ? woken(w)
			 : source == &w->timer_fd ? fired(w)
						  : moved(source, came[i].events);
	}
	return ready;
}

// What follows `scheme` in the URL; NULL: it has another.
static const char *after(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);
	return strncmp(url, scheme, len) == 0 && url[len] != 0 ? url + len : NULL;
}

int transport_open(struct transport **t, const char *url, const struct transport_options *options, char *why)
{
	const char *rest;
	*t = NULL;
	if ((rest = after(url, "tcp://")) != NULL)
		return transport_open_tcp(t, rest, why);
	if ((rest = after(url, "ipc://")) != NULL)
		return transport_open_ipc(t, rest, why);
	if (after(url, "tls+tcp://") != NULL)
		return transport_open_tls(t, url, options, why);
	snprintf(why, TRANSPORT_WHY,
	    "\"%.100s\" is no URL of a broker; tcp://HOST:PORT, ipc:///PATH and tls+tcp://HOST:PORT are", url);
	return WHERRY_EARG;
}
