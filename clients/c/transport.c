// Which transport a URL asks for; time.

#include "transport.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "wherry/status.h"

int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_after(int64_t timeout_ms)
{
	int64_t deadline;
	if (timeout_ms < 0 || __builtin_add_overflow(monotonic_ms(), timeout_ms, &deadline))
		return NO_DEADLINE;
	return deadline;
}

int poll_ms(int64_t deadline)
{
	if (deadline == NO_DEADLINE)
		return -1;
	int64_t left = deadline - monotonic_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

// What follows `scheme` in the URL; NULL: it has another.
static const char *after(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);
	return strncmp(url, scheme, len) == 0 && url[len] != 0 ? url + len : NULL;
}

int transport_open(
    struct transport **t, const char *url, const struct transport_options *options, int64_t deadline, char *why)
{
	const char *rest;
	*t = NULL;
	if ((rest = after(url, "tcp://")) != NULL)
		return transport_open_tcp(t, rest, deadline, why);
	if ((rest = after(url, "ipc://")) != NULL)
		return transport_open_ipc(t, rest, deadline, why);
	if (after(url, "tls+tcp://") != NULL)
		return transport_open_tls(t, url, options, deadline, why);
	snprintf(why, TRANSPORT_WHY,
	    "\"%.100s\" is no URL of a broker; tcp://HOST:PORT, ipc:///PATH and tls+tcp://HOST:PORT are", url);
	return WHERRY_EARG;
}
