// tcp and ipc on plain non-blocking sockets: a step costs one send, or one poll and one recv.

#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wherry/status.h"

struct socket_transport {
	struct transport base;
	int error; // an errno: why there is no socket under way; 0: there is one
	bool ready;
	struct addrinfo *found, *next; // of tcp: where else it may be
};

static struct socket_transport *of(struct transport *t)
{
	return (struct socket_transport *)(void *)t;
}

static int socket_send(struct transport *t, const void *out, size_t len, size_t *sent)
{
	ssize_t n = send(t->fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	*sent = n > 0 ? (size_t)n : 0;
	return n >= 0 || errno == EAGAIN || errno == EINTR ? WHERRY_OK : WHERRY_ESTALE;
}

static int socket_recv(struct transport *t, void *in, size_t room, size_t *received)
{
	ssize_t n = recv(t->fd, in, room, MSG_DONTWAIT);
	*received = n > 0 ? (size_t)n : 0;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? WHERRY_OK : WHERRY_ESTALE;
}

static void drop(struct transport *t)
{
	transport_unwatch(t);
	if (t->fd >= 0)
		close(t->fd);
}

static void socket_close(struct transport *t)
{
	drop(t);
	if (of(t)->found != NULL)
		freeaddrinfo(of(t)->found);
	free(t);
}

// --- connecting -------------------------------------------------------------------------------------------------------

static void begin(struct socket_transport *s, const struct sockaddr *address, socklen_t len)
{
	int one = 1;
	drop(&s->base);
	s->base.fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->error = s->base.fd < 0 ? errno : 0;
	if (s->error != 0)
		return;
	if (!s->base.ipc)
		setsockopt(s->base.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(s->base.fd, address, len) == 0)
		s->ready = true;
	else if (errno != EINPROGRESS && errno != EINTR)
		s->error = errno;
}

// The next address, until one of them may be connected to.
static void begin_next(struct socket_transport *s)
{
	do {
		struct addrinfo *a = s->next;
		if (a == NULL)
			return;
		s->next = a->ai_next;
		begin(s, a->ai_addr, a->ai_addrlen);
	} while (s->error != 0);
}

static int connect_error(int fd)
{
	struct sockaddr_storage peer;
	int error = 0;
	socklen_t len = sizeof(error), peer_len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return errno;
	if (error != 0)
		return error;
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0)
		return 0;
	return errno == ENOTCONN ? EINPROGRESS : errno;
}

static int socket_connected(struct transport *t, char *why)
{
	struct socket_transport *s = of(t);
	if (!s->ready && s->error == 0) {
		int error = connect_error(t->fd);
		s->ready = error == 0;
		if (error != 0 && error != EINPROGRESS) {
			s->error = error;
			begin_next(s);
		}
	}
	if (s->ready)
		return WHERRY_OK;
	if (s->error == 0)
		return WHERRY_EAGAIN;
	snprintf(why, TRANSPORT_WHY, "%s", strerror(s->error));
	return s->error == ENOMEM ? WHERRY_ENOMEM : WHERRY_ENORESP;
}

static const struct transport_ops socket_ops = {
    .connected = socket_connected,
    .send = socket_send,
    .recv = socket_recv,
    .close = socket_close,
};

static struct socket_transport *make(bool ipc, char *why)
{
	struct socket_transport *s = calloc(1, sizeof(*s));
	if (s == NULL)
		snprintf(why, TRANSPORT_WHY, "out of memory");
	else
		s->base = (struct transport){.ops = &socket_ops, .fd = -1, .ipc = ipc};
	return s;
}

// Whatever failed at once is told by connected().
static int made(struct transport **t, struct socket_transport *s)
{
	*t = &s->base;
	return WHERRY_OK;
}

int transport_open_ipc(struct transport **t, const char *path, char *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(why, TRANSPORT_WHY, "an ipc path is at most %zu bytes long", sizeof(address.sun_path) - 1);
		return WHERRY_EARG;
	}
	strcpy(address.sun_path, path);
	struct socket_transport *s = make(true, why);
	if (s == NULL)
		return WHERRY_ENOMEM;
	begin(s, (struct sockaddr *)&address, sizeof(address));
	return made(t, s);
}

// --- tcp's addresses --------------------------------------------------------------------------------------------------

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

static int find(const char *host, const char *port, struct addrinfo **found, char *why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	int failed = getaddrinfo(host, port, &hints, found);
	if (failed == 0)
		return WHERRY_OK;
	*found = NULL;
	snprintf(why, TRANSPORT_WHY, "%s", gai_strerror(failed));
	return failed == EAI_MEMORY ? WHERRY_ENOMEM : failed == EAI_SERVICE ? WHERRY_EARG : WHERRY_EAGAIN;
}

int transport_open_tcp(struct transport **t, const char *address, char *why)
{
	char host[256], port[16];
	if (split_address(address, host, sizeof(host), port, sizeof(port)) != WHERRY_OK) {
		snprintf(why, TRANSPORT_WHY, "\"%.100s\" is not HOST:PORT, as in 127.0.0.1:1973", address);
		return WHERRY_EARG;
	}
	struct socket_transport *s = make(false, why);
	if (s == NULL)
		return WHERRY_ENOMEM;
	int status = find(host, port, &s->found, why);
	if (status != WHERRY_OK) {
		socket_close(&s->base);
		return status;
	}
	s->error = EADDRNOTAVAIL;
	s->next = s->found;
	begin_next(s);
	return made(t, s);
}
