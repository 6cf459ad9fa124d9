// sd_notify without its library: notify.h.

#include "daemon/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_ROOM = 2048, MOST_S = 1 };

// A path, or with '@' the name of an abstract socket; 0: neither.
static socklen_t address_of(const char *path, struct sockaddr_un *to)
{
	size_t len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(to->sun_path))
		return 0;
	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(to->sun_path, path, len);
	if (path[0] == '@')
		to->sun_path[0] = 0;
	// Of an abstract name every byte counts, so no zero behind it.
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
}

// A manager that does not listen is no reason to do anything else; one whose queue is full is waited for, but not for ever.
void notify(const char *format, ...)
{
	struct sockaddr_un to;
	char text[MESSAGE_ROOM];
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t to_len = path != NULL ? address_of(path, &to) : 0;
	if (to_len == 0)
		return;
	va_list args;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || len < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = MOST_S}, sizeof(struct timeval));
	size_t size = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
	while (sendto(fd, text, size, MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len) < 0 && errno == EINTR)
		;
	close(fd);
}

void notify_reloading(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	notify("RELOADING=1\nMONOTONIC_USEC=%" PRId64, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

int64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
		return -1;
	int64_t half_ms = strtoll(usec, NULL, 10) / 2000;
	return half_ms > 0 ? half_ms : -1;
}
