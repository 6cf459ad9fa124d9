// place.h: a directory, and a broker in it.

#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "embed.h"

void place_make(struct place *p)
{
	*p = (struct place){.dir = "/tmp/wherry-client-XXXXXX"};
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->url, sizeof(p->url), "ipc://%s/s", p->dir);
}

void place_leave(struct place *p)
{
	place_end(p);
	unlink(p->url + strlen("ipc://"));
	assert_int_equal(rmdir(p->dir), 0);
}

static void add_modules(wherry_config *config, const char *modules)
{
	char names[128], *rest = names, *name;
	snprintf(names, sizeof(names), "%s", modules);
	while (*modules != 0 && (name = strsep(&rest, ",")) != NULL)
		assert_int_equal(wherry_config_module(config, embed_module_path(name)), WHERRY_OK);
}

void place_begin(struct place *p)
{
	char *why;
	wherry_config *config = wherry_config_new();
	assert_non_null(config);
	assert_int_equal(wherry_config_set(config, "log_level", "error"), WHERRY_OK);
	assert_int_equal(wherry_config_listen(config, p->url), WHERRY_OK);
	assert_int_equal(wherry_config_listen(config, "tcp://127.0.0.1:0"), WHERRY_OK);
	add_modules(config, p->modules);
	if (wherry_broker_open(config, &p->broker, &why) != WHERRY_OK)
		fail_msg("%s", why);
	wherry_config_free(config);
}

void place_end(struct place *p)
{
	if (p->broker != NULL)
		wherry_broker_close(p->broker);
	p->broker = NULL;
}

void place_open(struct place *p, const char *modules)
{
	place_make(p);
	p->modules = modules;
	place_begin(p);
}

const char *place_tcp(const struct place *p)
{
	return wherry_broker_url(p->broker, 1);
}
