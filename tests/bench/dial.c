// Connections to the peers: a socket, and SP's handshake or Redis's SELECT.

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

static void must_write(int fd, const void *bytes, size_t len)
{
	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("load: send");
}

static void must_read(int fd, const void *wanted, size_t len)
{
	uint8_t got[64] = {0};
	ssize_t n = recv(fd, got, len, MSG_WAITALL);
	if (n < 0)
		die("load: handshake");
	if (n != (ssize_t)len || memcmp(got, wanted, len) != 0) {
		fputs("load: handshake: not the peer that was named\n", stderr);
		exit(2);
	}
}

static void sp_header(uint8_t out[SP_HANDSHAKE], unsigned protocol)
{
	memcpy(out, "\0SP\0\0\0\0\0", SP_HANDSHAKE);
	out[5] = (uint8_t)protocol;
}

static void greet_wherry(int fd, bool req)
{
	uint8_t mine[SP_HANDSHAKE], theirs[SP_HANDSHAKE];
	sp_header(mine, req ? SP_REQ : SP_PAIR1);
	sp_header(theirs, req ? SP_REP : SP_PAIR1);
	must_write(fd, mine, sizeof mine);
	must_read(fd, theirs, sizeof theirs);
}

static void select_redis_db(int fd, uint32_t db)
{
	char text[32];
	int len = snprintf(text, sizeof text, "SELECT %u\r\n", db);
	must_write(fd, text, (size_t)len);
	must_read(fd, "+OK\r\n", 5);
}

int peer_dial(enum peer_kind kind, const char *host, uint16_t port, uint32_t db)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("load: connect");
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0)
		die("load: TCP_NODELAY");
	if (kind == PEER_REDIS)
		select_redis_db(fd, db);
	else
		greet_wherry(fd, kind == PEER_WHERRY_REQ);
	return fd;
}
