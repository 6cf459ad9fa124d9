#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "described.h"
#include "value.h"

enum { NAME_ROOM = 128 };

struct asking {
	struct request *request;
	wherry_client *client;
	wherry_error *error;
	struct described *described; // asked for with the first option
	msgpack_sbuffer values, pairs;
	msgpack_packer value, pair;
	uint32_t value_count, pair_count;
	const char **given; // names of options so far, as they stood on the command line
};

static int usage(const char *what, const char *about)
{
	fprintf(stderr, "wherry: %s%s\n", what, about);
	return ASK_USAGE;
}

static int add_value(const char *text, msgpack_packer *p)
{
	char why[VALUE_WHY];
	return value_read(text, p, why) ? ASK_OK : usage(why, "");
}

// "--ttl-ms=5" and "--ttl-ms" are the option ttl_ms.
static bool option_name(const char *arg, char name[NAME_ROOM])
{
	size_t len = strcspn(arg + 2, "=");
	if (len == 0 || len >= NAME_ROOM)
		return false;
	memcpy(name, arg + 2, len);
	name[len] = 0;
	for (char *c = name; *c != 0; c++)
		*c = *c == '-' ? '_' : *c;
	return true;
}

static int no_such_option(const struct asking *a, const char *arg)
{
	fprintf(stderr, "wherry: %s has no option %.*s", a->request->method, (int)strcspn(arg, "="), arg);
	described_list_options(a->described, stderr);
	fputc('\n', stderr);
	return ASK_USAGE;
}

static int once_only(const struct asking *a, const char *name)
{
	char earlier[NAME_ROOM];
	for (uint32_t i = 0; i + 1 < a->pair_count; i++)
		if (option_name(a->given[i], earlier) && strcmp(earlier, name) == 0)
			return usage("given twice: --", name);
	return ASK_OK;
}

// Reads the option at args[0]; *taken is how many of args it used.
static int add_option(struct asking *a, int count, char **args, int *taken)
{
	char name[NAME_ROOM];
	const char *equals = strchr(args[0], '=');
	if (!option_name(args[0], name))
		return usage("no option has such a name: ", args[0]);
	if (a->described == NULL && describe(a->client, a->request->method, &a->described, a->error) != WHERRY_OK)
		return ASK_FAILED;
	enum option_kind kind = described_option(a->described, name);
	if (kind == OPTION_UNKNOWN)
		return no_such_option(a, args[0]);
	a->given[a->pair_count++] = args[0];
	if (once_only(a, name) != ASK_OK)
		return ASK_USAGE;
	msgpack_pack_str(&a->pair, strlen(name));
	msgpack_pack_str_body(&a->pair, name, strlen(name));
	if (equals != NULL)
		return add_value(equals + 1, &a->pair);
	if (kind == OPTION_FLAG) {
		msgpack_pack_true(&a->pair);
		return ASK_OK;
	}
	if (count < 2)
		return usage(args[0], " takes a value");
	*taken = 2;
	return add_value(args[1], &a->pair);
}

static int read_all(struct asking *a, int count, char **args)
{
	bool values_only = false;
	int status = ASK_OK;
	for (int i = 0, taken; i < count && status == ASK_OK; i += taken) {
		taken = 1;
		if (!values_only && strcmp(args[i], "--") == 0) {
			values_only = true;
		} else if (!values_only && strncmp(args[i], "--", 2) == 0) {
			status = add_option(a, count - i, args + i, &taken);
		} else {
			status = add_value(args[i], &a->value);
			a->value_count++;
		}
	}
	return status;
}

static void finish(struct asking *a)
{
	msgpack_packer p;
	msgpack_packer_init(&p, &a->request->params, msgpack_sbuffer_write);
	msgpack_pack_array(&p, a->value_count);
	msgpack_sbuffer_write(&a->request->params, a->values.data, a->values.size);
	if (a->pair_count == 0)
		return;
	msgpack_packer_init(&p, &a->request->options, msgpack_sbuffer_write);
	msgpack_pack_map(&p, a->pair_count);
	msgpack_sbuffer_write(&a->request->options, a->pairs.data, a->pairs.size);
}

int request_read(
    struct request *r, wherry_client *client, const char *method, int count, char **args, wherry_error *error)
{
	struct asking a = {.request = r, .client = client, .error = error};
	*r = (struct request){.method = method};
	a.given = calloc((size_t)count + 1, sizeof(*a.given));
	if (a.given == NULL)
		return usage("out of memory", "");
	msgpack_sbuffer_init(&a.values);
	msgpack_sbuffer_init(&a.pairs);
	msgpack_packer_init(&a.value, &a.values, msgpack_sbuffer_write);
	msgpack_packer_init(&a.pair, &a.pairs, msgpack_sbuffer_write);
	int status = read_all(&a, count, args);
	if (status == ASK_OK)
		finish(&a);
	msgpack_sbuffer_destroy(&a.values);
	msgpack_sbuffer_destroy(&a.pairs);
	described_free(a.described);
	free(a.given);
	return status;
}

void request_free(struct request *r)
{
	msgpack_sbuffer_destroy(&r->params);
	msgpack_sbuffer_destroy(&r->options);
}
