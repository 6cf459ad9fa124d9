// Finding the broker and connecting to it.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum { CONNECT_MS = 5000, URL_ROOM = 128 };

#define DEFAULT_TCP "tcp://127.0.0.1:1973"
#define SYSTEM_SOCKET "/run/wherry/wherry.sock"

static char last_url[2 * URL_ROOM];

const char *cli_url(void)
{
	return last_url;
}

static int open_url(const char *url, const wherry_client_options *o, wherry_client **client, wherry_error *error)
{
	snprintf(last_url, sizeof(last_url), "%s", url);
	return wherry_client_open(url, o, client, error);
}

static const char *told_url(const struct settings *s)
{
	const char *url = s->url != NULL ? s->url : getenv("WHERRY_URL");
	return url != NULL && url[0] != 0 ? url : NULL;
}

static wherry_client_options with_settings(const struct settings *s, const wherry_client_options *more)
{
	wherry_client_options o = more != NULL ? *more : (wherry_client_options){0};
	o.size = sizeof(o);
	o.tls_unverified = s->tls_unverified != 0;
	o.tls_ca_file = s->tls_ca_file;
	o.call_ms = s->timeout_ms;
	o.ns = s->ns;
	if (o.connect_ms == 0)
		o.connect_ms = s->timeout_ms > 0 && s->timeout_ms < CONNECT_MS ? s->timeout_ms : CONNECT_MS;
	return o;
}

// The user's own socket, then the system's, each if it is there.
static int try_sockets(const wherry_client_options *o, wherry_client **client, wherry_error *error)
{
	char own[URL_ROOM];
	snprintf(own, sizeof(own), "ipc:///run/user/%u/wherry.sock", (unsigned)geteuid());
	const char *const urls[] = {own, "ipc://" SYSTEM_SOCKET};
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		if (access(urls[i] + strlen("ipc://"), W_OK) != 0)
			continue;
		int status = open_url(urls[i], o, client, error);
		if (status == WHERRY_OK || !error->local)
			return status;
	}
	return WHERRY_EAGAIN;
}

int cli_try(const struct settings *s, const wherry_client_options *more, wherry_client **client, wherry_error *error)
{
	wherry_client_options o = with_settings(s, more);
	const char *url = told_url(s);
	*error = (wherry_error){.local = 1};
	if (url == NULL) {
		int status = try_sockets(&o, client, error);
		if (status == WHERRY_OK || !error->local)
			return status;
	}
	return open_url(url != NULL ? url : DEFAULT_TCP, &o, client, error);
}

int cli_connect(const struct settings *s, const wherry_client_options *more, wherry_client **client)
{
	wherry_error error;
	const char *url = told_url(s);
	int status = cli_try(s, more, client, &error);
	if (status == WHERRY_OK)
		return 0;
	if (!error.local)
		return complain(&error);
	if (status == WHERRY_EARG)
		return fail(EXIT_USAGE, "%s", error.text);
	fail(EXIT_RETRY, "no broker answers at %s: %s", url != NULL ? url : DEFAULT_TCP, error.text);
	fputs("Start one with 'wherryd', or tell where it is, with -u URL or in WHERRY_URL.\n", stderr);
	return EXIT_RETRY;
}
