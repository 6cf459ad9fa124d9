// A client of the SP protocols on a bare socket: sp_client.h.

#include "sp_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PAIR1 = 0x11, REQ = 0x30, HELLO = 8, PATIENCE_MS = 5000 };

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int connect_ipc(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_tcp(const char *host_port)
{
	char host[64];
	unsigned port;
	struct sockaddr_in to = {.sin_family = AF_INET};
	if (sscanf(host_port, "%63[0-9.]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &to.sin_addr) != 1)
		return -1;
	to.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

bool sp_connect(struct sp_client *c, const char *url)
{
	*c = (struct sp_client){.marked = strncmp(url, "ipc://", 6) == 0};
	c->fd = c->marked ? connect_ipc(url + 6) : connect_tcp(url + strlen("tcp://"));
	return c->fd >= 0;
}

void sp_disconnect(struct sp_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->bytes);
	*c = (struct sp_client){.fd = -1};
}

bool sp_write(struct sp_client *c, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	while (len > 0) {
		ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

// Waits until `want` bytes are there.
static enum sp_got fill(struct sp_client *c, size_t want, int64_t until)
{
	if (c->room < want) {
		c->bytes = realloc(c->bytes, want);
		c->room = want;
	}
	while (c->len < want) {
		int64_t left = until - now_ms();
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		if (left < 0 || poll(&p, 1, (int)left) == 0)
			return SP_TIMEOUT;
		ssize_t n = recv(c->fd, c->bytes + c->len, want - c->len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return SP_CLOSED;
		c->len += (size_t)n;
	}
	return SP_GOT;
}

int sp_hear(struct sp_client *c, uint16_t protocol, int timeout_ms)
{
	c->protocol = protocol;
	if (fill(c, HELLO, now_ms() + timeout_ms) != SP_GOT)
		return -1;
	int theirs = c->bytes[4] << 8 | c->bytes[5];
	bool sp = memcmp(c->bytes, "\0SP\0", 4) == 0 && c->bytes[6] == 0 && c->bytes[7] == 0;
	c->len = 0;
	return sp ? theirs : -1;
}

int sp_greet(struct sp_client *c, uint16_t protocol, int timeout_ms)
{
	uint8_t hello[HELLO] = {0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0};
	return sp_write(c, hello, HELLO) ? sp_hear(c, protocol, timeout_ms) : -1;
}

int sp_open(struct sp_client *c, const char *url, uint16_t protocol)
{
	return sp_connect(c, url) ? sp_greet(c, protocol, PATIENCE_MS) : -1;
}

static size_t word_len(const struct sp_client *c)
{
	return c->protocol == REQ || c->protocol == PAIR1 ? 4 : 0;
}

size_t sp_encode(const struct sp_client *c, uint32_t word, const void *body, size_t len, uint8_t *into)
{
	uint8_t *at = into;
	uint64_t length = word_len(c) + len;
	if (c->marked)
		*at++ = 1;
	for (int shift = 56; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(length >> shift);
	uint32_t header = htonl(c->protocol == REQ ? word | 0x80000000u : word);
	memcpy(at, &header, word_len(c));
	at += word_len(c);
	if (len > 0)
		memcpy(at, body, len);
	return (size_t)(at - into) + len;
}

bool sp_send(struct sp_client *c, uint32_t word, const void *body, size_t len)
{
	uint8_t *frame = malloc(len + 16);
	bool sent = frame != NULL && sp_write(c, frame, sp_encode(c, word, body, len, frame));
	free(frame);
	return sent;
}

enum sp_got sp_recv(struct sp_client *c, struct sp_message *m, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	size_t prefix = c->marked ? 9 : 8;
	c->len = c->len < prefix ? c->len : 0; // the last message was looked at
	enum sp_got got = fill(c, prefix, until);
	if (got != SP_GOT)
		return got;
	uint64_t length = 0;
	for (size_t i = prefix - 8; i < prefix; i++)
		length = length << 8 | c->bytes[i];
	got = fill(c, prefix + (size_t)length, until);
	if (got != SP_GOT)
		return got;
	uint32_t word = 0;
	memcpy(&word, c->bytes + prefix, word_len(c));
	m->word = ntohl(word) & 0x7fffffffu;
	m->body = c->bytes + prefix + word_len(c);
	m->len = (size_t)length - word_len(c);
	return SP_GOT;
}

enum sp_got sp_read_closed(struct sp_client *c, int timeout_ms)
{
	c->len = 0;
	return fill(c, 1, now_ms() + timeout_ms);
}
