#include "conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 256 * 1024, EVENTS = 128 };

void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "no");
	exit(2);
}

void wrong(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void *must_alloc(size_t count, size_t size)
{
	void *p = calloc(count, size);
	if (!p)
		die("memory");
	return p;
}

static void grow(uint8_t **bytes, size_t *room, size_t len)
{
	if (len <= *room)
		return;
	*room = 2 * len;
	*bytes = realloc(*bytes, *room);
	if (!*bytes)
		die("memory");
}

// --- sending ---

uint8_t *conn_put(struct conn *c, size_t len)
{
	grow(&c->out, &c->out_room, c->out_len + len);
	c->out_len += len;
	return c->out + c->out_len - len;
}

void conn_put_bytes(struct conn *c, const void *bytes, size_t len)
{
	memcpy(conn_put(c, len), bytes, len);
}

static void want_output(struct loop *l, struct conn *c, bool want)
{
	if (c->armed == want)
		return;
	c->armed = want;
	struct epoll_event event = {.events = EPOLLIN | (want ? EPOLLOUT : 0U), .data.ptr = c};
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
		die("epoll_ctl");
}

void conn_flush(struct loop *l, struct conn *c)
{
	while (c->sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->sent, c->out_len - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			die("send");
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	if (c->sent == c->out_len)
		c->sent = c->out_len = 0;
	want_output(l, c, c->out_len > 0);
}

// --- receiving ---

static void keep(struct conn *c, const uint8_t *rest, size_t len)
{
	grow(&c->kept, &c->kept_room, len);
	if (len > 0)
		memcpy(c->kept, rest, len);
	c->kept_len = len;
}

static void receive(struct loop *l, struct conn *c)
{
	if (c->kept_len >= l->room_len)
		wrong("a message that is longer than any that was sent");
	if (c->kept_len > 0)
		memcpy(l->room, c->kept, c->kept_len);
	ssize_t n = recv(c->fd, l->room + c->kept_len, l->room_len - c->kept_len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		wrong("the peer closed the connection: %s", n < 0 ? strerror(errno) : "end of stream");
	l->now = clock_ns();
	size_t len = c->kept_len + (size_t)n, used = c->take(c, l->room, len);
	keep(c, l->room + used, len - used);
}

bool loop_turn(struct loop *l, int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(l->epoll, events, EVENTS, wait_ms);
	if (n < 0 && errno != EINTR)
		die("epoll_wait");
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		if (events[i].events & EPOLLOUT)
			conn_flush(l, c);
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(l, c);
	}
	return n != 0;
}

// --- opening and closing ---

void loop_open(struct loop *l, size_t largest_message)
{
	*l = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .room_len = ROOM + largest_message};
	l->room = must_alloc(1, l->room_len);
	l->now = clock_ns();
}

void loop_close(struct loop *l)
{
	close(l->epoll);
	free(l->room);
}

static void add(struct loop *l, struct conn *c, int fd, uint32_t events)
{
	int no_wait = 1;
	struct epoll_event event = {.events = events, .data.ptr = c};
	c->fd = fd;
	if (ioctl(fd, FIONBIO, &no_wait) != 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

void loop_add(struct loop *l, struct conn *c, int fd)
{
	add(l, c, fd, EPOLLIN);
}

void loop_add_stopped(struct loop *l, struct conn *c, int fd)
{
	add(l, c, fd, 0);
}

void loop_resume(struct loop *l, struct conn *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
		die("epoll_ctl");
}

void conn_close(struct conn *c)
{
	close(c->fd);
	free(c->out);
	free(c->kept);
}
