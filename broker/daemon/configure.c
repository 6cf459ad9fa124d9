// Layers of configuration: configure.h.

#include "daemon/configure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "daemon/texts.h"

enum { EXIT_USAGE = 2, URL_ROOM = 1100 };

static void say_all(wherry_config *c, void (*say)(void *arg, const char *why), void *arg)
{
	for (size_t i = 0; i < c->faults.count; i++)
		say(arg, c->faults.text[i]);
	if (c->faults.count == 0)
		say(arg, wherry_config_why(c));
	if (c->faults.count == CONFIG_FAULTS_MOST)
		say(arg, "there may be more");
	config_no_faults(c);
}

// --- where to listen ---------------------------------------------------------------------------------------------------

// "tcp://127.0.0.1:1973 ipc:///run/w.sock"
static int listen_to(wherry_config *c, const char *urls)
{
	int status = WHERRY_OK;
	config_forget_listeners(c);
	while (status == WHERRY_OK && *(urls += strspn(urls, " \t")) != 0) {
		char url[URL_ROOM];
		size_t len = strcspn(urls, " \t");
		snprintf(url, sizeof(url), "%.*s", (int)len, urls);
		status = wherry_config_listen(c, url);
		urls += len;
	}
	return status == WHERRY_EARG ? config_fault(c, "environment, WHERRY_LISTEN: %.400s", c->why) : status;
}

static bool default_ipc(char *url, size_t room)
{
	char dir[64];
	const char *given = getenv("RUNTIME_DIRECTORY"); // of a service; one, or several with ':' between
	if (given != NULL && given[0] == '/' && strcspn(given, ":") < 80) {
		snprintf(url, room, "ipc://%.*s/wherry.sock", (int)strcspn(given, ":"), given);
		return true;
	}
	if (geteuid() == 0) {
		// Readable by all: what a user may do with the socket is the socket's own mode.
		if (mkdir("/run/wherry", 0755) != 0 && errno != EEXIST)
			return false;
		snprintf(url, room, "ipc:///run/wherry/wherry.sock");
		return true;
	}
	snprintf(dir, sizeof(dir), "/run/user/%u", (unsigned)geteuid());
	snprintf(url, room, "ipc://%s/wherry.sock", dir);
	return access(dir, W_OK) == 0;
}

int configure_listeners(wherry_config *c, void (*say)(void *arg, const char *why), void *arg)
{
	char url[128];
	struct listen_options options = {.ipc_mode = CONFIG_IPC_MODE};
	if (c->listener_count > 0)
		return EXIT_SUCCESS;
	int status = default_ipc(url, sizeof(url)) ? config_listen(c, url, &options, true) : WHERRY_OK;
	if (status == WHERRY_OK)
		status = wherry_config_listen(c, DEFAULT_TCP);
	if (status != WHERRY_OK)
		say_all(c, say, arg);
	return status == WHERRY_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

// --- the layers --------------------------------------------------------------------------------------------------------

const char *configure_file(const struct wish *w)
{
	const char *path = w->file != NULL ? w->file : getenv("WHERRY_CONFIG");
	return path != NULL && (path[0] != 0 || w->file != NULL) ? path : NULL;
}

int configure(wherry_config *c, const struct wish *w, void (*say)(void *arg, const char *why), void *arg)
{
	const char *file = configure_file(w), *listen = NULL;
	int status = EXIT_SUCCESS;
	if (file != NULL && wherry_config_file(c, file) != WHERRY_OK) {
		say_all(c, say, arg);
		status = EXIT_FAILURE;
	}
	int read = config_environment(c, environ, &listen);
	if (listen != NULL && listen[0] != 0 && !w->listens && read != WHERRY_ENOMEM) {
		int heard = listen_to(c, listen);
		read = heard != WHERRY_OK ? heard : read;
	}
	if (read != WHERRY_OK) {
		say_all(c, say, arg);
		status = EXIT_FAILURE;
	}
	if (w->listens)
		config_forget_listeners(c);
	if (flags_apply(c, w) == WHERRY_OK)
		return status;
	say(arg, wherry_config_why(c));
	return EXIT_USAGE;
}
