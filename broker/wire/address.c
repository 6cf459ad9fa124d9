// URLs of listeners: address.h.

#include "wire/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wherry/status.h"

static_assert(sizeof(((struct address *)0)->path) == sizeof(((struct sockaddr_un *)0)->sun_path), "a socket's path");

static const char *after(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);
	return strncmp(url, scheme, len) == 0 ? url + len : NULL;
}

static bool host_is_local(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (strcmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool port_parse(const char *text, uint16_t *port)
{
	char *end;
	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || number > UINT16_MAX)
		return false;
	*port = (uint16_t)number;
	return true;
}

// host:port, [v6]:port.  A colon inside a bare host would be an IPv6 address without brackets.
static bool host_port_parse(const char *rest, struct address *a)
{
	const char *colon = strrchr(rest, ':');
	if (colon == NULL || !port_parse(colon + 1, &a->port))
		return false;
	size_t len = (size_t)(colon - rest);
	bool bracketed = len >= 2 && rest[0] == '[' && rest[len - 1] == ']';
	if (bracketed) {
		rest++;
		len -= 2;
	}
	if (len >= sizeof(a->host) || memchr(rest, '*', len) != NULL || memchr(rest, '/', len) != NULL ||
	    (!bracketed && memchr(rest, ':', len) != NULL))
		return false;
	memcpy(a->host, rest, len);
	a->host[len] = 0;
	a->local = host_is_local(a->host);
	return true;
}

static int path_parse(const char *url, const char *path, struct address *a, char *why, size_t why_room)
{
	if (path[0] != '/') {
		snprintf(why, why_room, "%s: the path of an ipc socket is absolute: ipc:///run/wherry.sock", url);
		return WHERRY_EARG;
	}
	if (strlen(path) >= sizeof(a->path)) {
		snprintf(why, why_room, "%s: the path of a socket has at most %zu bytes", url, sizeof(a->path) - 1);
		return WHERRY_EARG;
	}
	memcpy(a->path, path, strlen(path) + 1);
	a->local = true;
	return WHERRY_OK;
}

int address_parse(const char *url, struct address *a, char *why, size_t why_room)
{
	*a = (struct address){0};
	const char *rest;
	if ((rest = after(url, "ipc://")) != NULL) {
		a->transport = TRANSPORT_IPC;
		return path_parse(url, rest, a, why, why_room);
	}
	if ((rest = after(url, "tcp://")) != NULL)
		a->transport = TRANSPORT_TCP;
	else if ((rest = after(url, "tls+tcp://")) != NULL)
		a->transport = TRANSPORT_TLS;
	if (rest != NULL && host_port_parse(rest, a))
		return WHERRY_OK;
	snprintf(why, why_room,
	    "%s is no address to listen on: write tcp://127.0.0.1:1973, tls+tcp://127.0.0.1:1974 or "
	    "ipc:///run/wherry.sock (0.0.0.0 stands for all addresses)",
	    url);
	return WHERRY_EARG;
}

static int check_directory(const char *path, char *why, size_t why_room)
{
	char directory[sizeof(((struct address *)0)->path)];
	size_t len = (size_t)(strrchr(path, '/') - path);
	memcpy(directory, path, len);
	directory[len] = 0;
	struct stat st;
	if (len == 0 || (stat(directory, &st) == 0 && S_ISDIR(st.st_mode)))
		return WHERRY_OK;
	snprintf(why, why_room, "ipc://%s: the directory %s does not exist: create it, or choose another path", path,
	    directory);
	return WHERRY_EARG;
}

static int try_connect(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	memcpy(to.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	int failed = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : errno;
	close(fd);
	return failed;
}

int address_clear_path(const struct address *a, char *why, size_t why_room)
{
	int status = check_directory(a->path, why, why_room);
	struct stat st;
	if (status != WHERRY_OK || lstat(a->path, &st) != 0)
		return status;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, why_room,
		    "ipc://%s: something that is no socket stands at this path: remove it, or choose "
		    "another path",
		    a->path);
		return WHERRY_EEXIST;
	}
	int failed = try_connect(a->path);
	if (failed == ENOENT || (failed == ECONNREFUSED && (unlink(a->path) == 0 || errno == ENOENT)))
		return WHERRY_OK;
	snprintf(why, why_room,
	    failed == ECONNREFUSED ? "ipc://%s is a stale socket that can't be removed: %s"
				   : "ipc://%s is in use by another process (%s)",
	    a->path, failed == 0 ? "it answers" : strerror(failed));
	return WHERRY_EEXIST;
}
