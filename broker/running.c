// What changes in a broker that runs: its configuration as a whole, the file of its log.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "config.h"

struct reloading {
	wherry_broker *b;
	const wherry_config *config;
	int status;
	char why[CONFIG_WHY_ROOM];
};

static void reload(void *arg)
{
	struct reloading *r = arg;
	r->status = config_reload(r->b, r->config, r->why, sizeof(r->why));
}

static int tell(char **why, int status, const char *text)
{
	if (why != NULL)
		*why = status != WHERRY_OK ? strdup(text) : NULL;
	return status;
}

int wherry_broker_reload(wherry_broker *b, const wherry_config *config, char **why)
{
	struct reloading r = {.b = b, .config = config};
	control_call(b->control, "reload", reload, &r);
	return tell(why, r.status, r.why);
}

int wherry_broker_reopen_log(wherry_broker *b, char **why)
{
	char text[CONFIG_WHY_ROOM];
	const char *path = b->options[broker_option_index("log_file")].text; // not hot: it stays
	if (b->log_fd < 0 || log_reopen(&b->log, path))
		return tell(why, WHERRY_OK, "");
	snprintf(text, sizeof(text), "log_file: can't open %.400s: %s", path, strerror(errno));
	return tell(why, WHERRY_EIO, text);
}
