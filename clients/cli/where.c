#include "where.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, URL_ROOM = 128 };

#define DEFAULT_TCP "tcp://127.0.0.1:1973"
#define SYSTEM_SOCKET "/run/wherry/wherry.sock"

static int try(const struct where *w, const char *url, wherry_client **client, wherry_error *error)
{
	wherry_client_options options = {.size = sizeof(options),
	    .tls_unverified = w->tls_unverified != 0,
	    .connect_ms = w->timeout_ms > 0 && w->timeout_ms < CONNECT_MS ? w->timeout_ms : CONNECT_MS,
	    .call_ms = w->timeout_ms,
	    .tls_ca_file = w->tls_ca_file};
	return wherry_client_open(url, &options, client, error);
}

static void explain(const char *url, const wherry_error *e)
{
	if (e->code == WHERRY_EARG) {
		fprintf(stderr, "wherry: %s\n", e->text);
		return;
	}
	fprintf(stderr,
	    "wherry: no broker answers at %s: %s\n"
	    "Start one with 'wherryd', or tell where it is, with -u URL or in WHERRY_URL.\n",
	    url, e->text);
}

// The user's own socket, then the system's, each if it is there.
static int try_sockets(const struct where *w, wherry_client **client, wherry_error *error)
{
	char own[URL_ROOM];
	snprintf(own, sizeof(own), "ipc:///run/user/%u/wherry.sock", (unsigned)geteuid());
	const char *const urls[] = {own, "ipc://" SYSTEM_SOCKET};
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (access(urls[i] + strlen("ipc://"), W_OK) == 0 && try(w, urls[i], client, error) == WHERRY_OK)
			return WHERRY_OK;
	return WHERRY_EAGAIN;
}

int where_connect(const struct where *w, wherry_client **client)
{
	wherry_error error;
	const char *told = w->url != NULL ? w->url : getenv("WHERRY_URL");
	bool told_so = told != NULL && told[0] != 0;
	if (!told_so && try_sockets(w, client, &error) == WHERRY_OK)
		return WHERRY_OK;
	const char *url = told_so ? told : DEFAULT_TCP;
	int status = try(w, url, client, &error);
	if (status != WHERRY_OK)
		explain(url, &error);
	return status;
}
