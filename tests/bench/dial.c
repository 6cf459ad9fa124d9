// Connections to the peers: a socket, and SP's handshake or Redis's SELECT.

#include "dial.h"

#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

void dial_say(int fd, const void *bytes, size_t len)
{
	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("load: send");
}

void dial_hear(int fd, void *into, size_t len)
{
	ssize_t n = recv(fd, into, len, MSG_WAITALL);
	if (n < 0)
		die("load: handshake");
	if (n != (ssize_t)len) {
		fputs("load: handshake: the peer closed the connection\n", stderr);
		exit(2);
	}
}

void dial_expect(int fd, const void *wanted, size_t len)
{
	uint8_t got[64] = {0};
	dial_hear(fd, got, len);
	if (memcmp(got, wanted, len) != 0) {
		fputs("load: handshake: not the peer that was named\n", stderr);
		exit(2);
	}
}

static void sp_header(uint8_t out[SP_HANDSHAKE], unsigned protocol)
{
	memcpy(out, "\0SP\0\0\0\0\0", SP_HANDSHAKE);
	out[5] = (uint8_t)protocol;
}

void dial_sp(int fd, unsigned mine, unsigned theirs)
{
	uint8_t say[SP_HANDSHAKE], hear[SP_HANDSHAKE];
	sp_header(say, mine);
	sp_header(hear, theirs);
	dial_say(fd, say, sizeof say);
	dial_expect(fd, hear, sizeof hear);
}

static void select_redis_db(int fd, uint32_t db)
{
	char text[32];
	int len = snprintf(text, sizeof text, "SELECT %u\r\n", db);
	dial_say(fd, text, (size_t)len);
	dial_expect(fd, "+OK\r\n", 5);
}

int dial(const char *host, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("load: connect");
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0)
		die("load: TCP_NODELAY");
	return fd;
}

int peer_dial(enum peer_kind kind, const char *host, uint16_t port, uint32_t db)
{
	int fd = dial(host, port);
	if (kind == PEER_REDIS)
		select_redis_db(fd, db);
	else if (kind == PEER_WHERRY_REQ)
		dial_sp(fd, SP_REQ, SP_REP);
	else
		dial_sp(fd, SP_PAIR1, SP_PAIR1);
	return fd;
}
