#include "ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

enum { NAME_ROOM = 128 };

static int __attribute__((format(printf, 2, 3))) usage(struct reading *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
	return ASK_USAGE;
}

static int add_value(struct reading *r, const char *text, msgpack_sbuffer *to)
{
	msgpack_packer p;
	msgpack_packer_init(&p, to, msgpack_sbuffer_write);
	if (r->no_stdin && strcmp(text, "-") == 0)
		return usage(r, "- would be the standard input, where the commands come from; @FILE is a file");
	return value_read(text, &p, r->why) ? ASK_OK : ASK_USAGE;
}

static int add_positional(struct reading *r, const char *text)
{
	msgpack_packer p;
	r->value_count++;
	if (!r->raw_values)
		return add_value(r, text, &r->values);
	msgpack_packer_init(&p, &r->values, msgpack_sbuffer_write);
	return value_read_raw(text, &p, r->why) ? ASK_OK : ASK_USAGE;
}

// --- options ------------------------------------------------------------------------------------------------------------

static int no_such_option(struct reading *r, const struct described *d, const char *word)
{
	usage(r, "%s has no option %.*s; it has ", d->name, (int)strcspn(word, "="), word);
	size_t len = strlen(r->why);
	FILE *f = len + 1 < sizeof(r->why) ? fmemopen(r->why + len, sizeof(r->why) - len, "w") : NULL;
	if (f == NULL)
		return ASK_USAGE;
	described_list_options(d, f);
	fclose(f);
	r->why[sizeof(r->why) - 1] = 0;
	return ASK_USAGE;
}

// Asks the broker, whose answer to an unknown name is the best one; of all commands, where others will come.
static int learn(struct reading *r, const char *method, wherry_error *error)
{
	struct catalog *loaded, *all;
	int status = catalog_load(r->client, method, &loaded, error);
	if (status == WHERRY_OK && r->whole_catalog && catalog_load(r->client, NULL, &all, error) == WHERRY_OK) {
		catalog_free(loaded);
		loaded = all;
	}
	if (status != WHERRY_OK)
		return status;
	catalog_free(r->catalog);
	r->catalog = loaded;
	return WHERRY_OK;
}

static const struct described *describe(struct reading *r, const char *method, wherry_error *error)
{
	const struct described *d = r->catalog != NULL ? catalog_find(r->catalog, method) : NULL;
	if (d != NULL || learn(r, method, error) != WHERRY_OK)
		return d;
	d = catalog_find(r->catalog, method);
	if (d == NULL) { // it is a module's name
		*error = (wherry_error){.code = WHERRY_ENOCMD, .local = 1, .name = "ENOCMD"};
		snprintf(error->text, sizeof(error->text), "unknown command \"%.100s\"", method);
	}
	return d;
}

static int remember_option(struct reading *r, const struct argument *option)
{
	for (uint32_t i = 0; i < r->option_count; i++)
		if (r->options[i] == option)
			return usage(r, "given twice: --%s", option->name);
	if (r->option_count == r->option_room) {
		uint32_t room = 2 * r->option_room + 8;
		const struct argument **grown = realloc(r->options, room * sizeof(*grown));
		if (grown == NULL)
			return usage(r, "out of memory");
		r->options = grown;
		r->option_room = room;
	}
	r->options[r->option_count++] = option;
	return ASK_OK;
}

static int find_option(
    struct reading *r, const char *method, const char *word, const struct argument **option, wherry_error *error)
{
	char name[NAME_ROOM];
	size_t len = strcspn(word + 2, "=");
	if (len == 0 || len >= NAME_ROOM)
		return usage(r, "no option has such a name: %.100s", word);
	memcpy(name, word + 2, len);
	name[len] = 0;
	const struct described *d = describe(r, method, error);
	if (d == NULL)
		return ASK_FAILED;
	*option = described_option(d, name);
	return *option != NULL ? remember_option(r, *option) : no_such_option(r, d, word);
}

// Reads the option at words[0]; *taken is how many of the words it used.
static int add_option(struct reading *r, const char *method, int count, char **words, int *taken, wherry_error *error)
{
	const struct argument *option = NULL;
	const char *equals = strchr(words[0], '=');
	int status = find_option(r, method, words[0], &option, error);
	if (status != ASK_OK)
		return status;
	msgpack_packer p;
	msgpack_packer_init(&p, &r->pairs, msgpack_sbuffer_write);
	msgpack_pack_str(&p, strlen(option->name));
	msgpack_pack_str_body(&p, option->name, strlen(option->name));
	if (equals != NULL)
		return add_value(r, equals + 1, &r->pairs);
	if (option->flags & ARGUMENT_FLAG) {
		msgpack_pack_true(&p);
		return ASK_OK;
	}
	if (count < 2)
		return usage(r, "%s takes a value", words[0]);
	*taken = 2;
	return add_value(r, words[1], &r->pairs);
}

// --- all of it ----------------------------------------------------------------------------------------------------------

static int read_all(struct reading *r, const char *method, int count, char **words, wherry_error *error)
{
	bool values_only = false;
	int status = ASK_OK;
	for (int i = 0, taken; i < count && status == ASK_OK; i += taken) {
		taken = 1;
		bool dashes = !values_only && words[i][0] == '-' && words[i][1] == '-';
		if (dashes && words[i][2] == 0)
			values_only = true;
		else if (dashes)
			status = add_option(r, method, count - i, words + i, &taken, error);
		else
			status = add_positional(r, words[i]);
	}
	return status;
}

static void finish(struct request *q, const struct reading *r)
{
	msgpack_packer p;
	msgpack_packer_init(&p, &q->params, msgpack_sbuffer_write);
	msgpack_pack_array(&p, r->value_count);
	msgpack_sbuffer_write(&q->params, r->values.data, r->values.size);
	if (r->option_count == 0)
		return;
	msgpack_packer_init(&p, &q->options, msgpack_sbuffer_write);
	msgpack_pack_map(&p, r->option_count);
	msgpack_sbuffer_write(&q->options, r->pairs.data, r->pairs.size);
}

int request_read(struct request *q, struct reading *r, int count, char **words, wherry_error *error)
{
	q->method = words[0];
	q->params.size = q->options.size = r->values.size = r->pairs.size = 0;
	r->value_count = r->option_count = 0;
	int status = read_all(r, words[0], count - 1, words + 1, error);
	if (status == ASK_OK)
		finish(q, r);
	return status;
}

void request_free(struct request *q)
{
	msgpack_sbuffer_destroy(&q->params);
	msgpack_sbuffer_destroy(&q->options);
}

void reading_free(struct reading *r)
{
	catalog_free(r->catalog);
	free(r->options);
	msgpack_sbuffer_destroy(&r->values);
	msgpack_sbuffer_destroy(&r->pairs);
}
