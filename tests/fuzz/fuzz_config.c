// Any bytes as a configuration file: refused with a sentence or taken, and nothing else.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(void *arg, const char *name)
{
	*(size_t *)arg += strlen(name);
	return WHERRY_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t seen = 0;
	wherry_config *c = wherry_config_new();
	if (c == NULL)
		return 0;
	int status = config_parse_text(c, (const char *)data, size, "fuzz");
	if (status != WHERRY_OK && wherry_config_why(c)[0] == 0)
		abort();
	config_each_module(c, visit, &seen);
	wherry_config *copy = config_copy(c);
	if (copy == NULL || copy->listener_count != c->listener_count)
		abort();
	wherry_config_free(copy);
	wherry_config_free(c);
	return 0;
}
