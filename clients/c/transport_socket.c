// tcp and ipc on plain non-blocking sockets: one send or one poll and recv is all that a step costs.

#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wherry/status.h"

struct socket_transport {
	struct transport base;
	int fd;
};

static struct socket_transport *of(struct transport *t)
{
	return (struct socket_transport *)(void *)t;
}

// OK with a count; OK with 0: not now; ESTALE.
static int try_send(int fd, const void *out, size_t len, size_t *sent)
{
	ssize_t n = send(fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	*sent = n > 0 ? (size_t)n : 0;
	return n >= 0 || errno == EAGAIN || errno == EINTR ? WHERRY_OK : WHERRY_ESTALE;
}

static int try_recv(int fd, void *in, size_t room, size_t *received)
{
	ssize_t n = recv(fd, in, room, MSG_DONTWAIT);
	*received = n > 0 ? (size_t)n : 0;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return WHERRY_OK;
	return WHERRY_ESTALE;
}

static int socket_move(struct transport *t, const void *out, size_t out_len, size_t *sent, void *in, size_t in_room,
    size_t *received, int64_t deadline)
{
	int fd = of(t)->fd;
	int status = WHERRY_OK;
	*sent = *received = 0;
	// A failed send is no reason to stop: what the peer said before it closed is still to be read.
	if (out_len > 0)
		try_send(fd, out, out_len, sent);
	while (status == WHERRY_OK && *sent + *received == 0) {
		struct pollfd ready = {.fd = fd, .events = (short)(POLLIN | (out_len > 0 ? POLLOUT : 0))};
		int n = poll(&ready, 1, poll_ms(deadline));
		if (n == 0)
			return WHERRY_ETIMEOUT;
		if (n < 0)
			continue;
		if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			status = try_recv(fd, in, in_room, received);
		else if ((ready.revents & POLLOUT) != 0)
			status = try_send(fd, out, out_len, sent);
		else
			status = WHERRY_ESTALE;
	}
	return status;
}

static void socket_close(struct transport *t)
{
	close(of(t)->fd);
	free(t);
}

static const struct transport_ops socket_ops = {.move = socket_move, .close = socket_close};

// Takes the socket, also when it fails.
static int wrap(struct transport **t, int fd, bool ipc, char *why)
{
	struct socket_transport *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		close(fd);
		snprintf(why, TRANSPORT_WHY, "out of memory");
		return WHERRY_ENOMEM;
	}
	*s = (struct socket_transport){.base = {.ops = &socket_ops, .ipc = ipc}, .fd = fd};
	*t = &s->base;
	return WHERRY_OK;
}

static int finish_connect(int fd, int64_t deadline)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int n;
	do
		n = poll(&ready, 1, poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return ETIMEDOUT;
	int error = 0;
	socklen_t len = sizeof(error);
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return errno;
	return error;
}

// Answers the connected socket, or -1 with *error, an errno.
static int connect_to(const struct sockaddr *address, socklen_t len, int64_t deadline, int *error)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		*error = errno;
		return -1;
	}
	*error = connect(fd, address, len) == 0 ? 0 : errno;
	if (*error == EINPROGRESS || *error == EINTR)
		*error = finish_connect(fd, deadline);
	if (*error == 0)
		return fd;
	close(fd);
	return -1;
}

static int refuse(int error, char *why)
{
	snprintf(why, TRANSPORT_WHY, "%s", strerror(error));
	return error == ETIMEDOUT ? WHERRY_ETIMEOUT : error == ENOMEM ? WHERRY_ENOMEM : WHERRY_EAGAIN;
}

int transport_open_ipc(struct transport **t, const char *path, int64_t deadline, char *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error;
	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(why, TRANSPORT_WHY, "an ipc path is at most %zu bytes long", sizeof(address.sun_path) - 1);
		return WHERRY_EARG;
	}
	strcpy(address.sun_path, path);
	int fd = connect_to((struct sockaddr *)&address, sizeof(address), deadline, &error);
	return fd < 0 ? refuse(error, why) : wrap(t, fd, true, why);
}

// getaddrinfo() would take 99999 for 34463.
static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits <= 5 && text[digits] == 0 && atoi(text) <= UINT16_MAX;
}

// HOST:PORT or [HOST]:PORT.
static int split_address(const char *address, char *host, size_t host_room, char *port, size_t port_room)
{
	const char *colon = strrchr(address, ':');
	if (colon == NULL || colon == address || !is_port(colon + 1))
		return WHERRY_EARG;
	size_t len = (size_t)(colon - address);
	if (address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	if (len == 0 || len >= host_room || strlen(colon + 1) >= port_room)
		return WHERRY_EARG;
	snprintf(host, host_room, "%.*s", (int)len, address);
	snprintf(port, port_room, "%s", colon + 1);
	return WHERRY_OK;
}

static int connect_first(const struct addrinfo *found, int64_t deadline, int *error)
{
	int fd = -1;
	*error = EADDRNOTAVAIL;
	for (; found != NULL && fd < 0; found = found->ai_next)
		fd = connect_to(found->ai_addr, found->ai_addrlen, deadline, error);
	return fd;
}

int transport_open_tcp(struct transport **t, const char *address, int64_t deadline, char *why)
{
	char host[256], port[16];
	if (split_address(address, host, sizeof(host), port, sizeof(port)) != WHERRY_OK) {
		snprintf(why, TRANSPORT_WHY, "\"%.100s\" is not HOST:PORT, as in 127.0.0.1:1973", address);
		return WHERRY_EARG;
	}
	struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	int failed = getaddrinfo(host, port, &hints, &found);
	if (failed != 0) {
		snprintf(why, TRANSPORT_WHY, "%s", gai_strerror(failed));
		return failed == EAI_MEMORY ? WHERRY_ENOMEM : failed == EAI_SERVICE ? WHERRY_EARG : WHERRY_EAGAIN;
	}
	int error, one = 1;
	int fd = connect_first(found, deadline, &error);
	freeaddrinfo(found);
	if (fd < 0)
		return refuse(error, why);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return wrap(t, fd, false, why);
}
