// sys.commands read into tables.  All texts are copied into one piece of memory, each a line, and what would drive a
// terminal replaced.

#include "catalog.h"

#include <msgpack.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

struct catalog {
	struct described *commands;
	uint32_t count;
	struct argument *args; // of all commands
	char *text, *next;     // `next` is where the next text goes
};

// --- maps by name -------------------------------------------------------------------------------------------------------

static bool is_text(const msgpack_object *o, const char *text)
{
	return o->type == MSGPACK_OBJECT_STR && o->via.str.size == strlen(text) &&
	       memcmp(o->via.str.ptr, text, o->via.str.size) == 0;
}

static const msgpack_object *member(const msgpack_object *o, const char *name)
{
	for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++)
		if (is_text(&o->via.map.ptr[i].key, name))
			return &o->via.map.ptr[i].val;
	return NULL;
}

static msgpack_object_array list(const msgpack_object *o, const char *name)
{
	const msgpack_object *found = member(o, name);
	if (found != NULL && found->type == MSGPACK_OBJECT_ARRAY)
		return found->via.array;
	return (msgpack_object_array){0};
}

static bool has(const msgpack_object *o, const char *list_name, const char *word)
{
	msgpack_object_array words = list(o, list_name);
	for (uint32_t i = 0; i < words.size; i++)
		if (is_text(&words.ptr[i], word))
			return true;
	return false;
}

// --- texts --------------------------------------------------------------------------------------------------------------

static void put(struct catalog *c, const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;
	for (size_t taken; at<end; at += taken> 0 ? taken : 1) {
		taken = tame_length(at, end);
		if (*at == '\n' || *at == '\t')
			*c->next++ = ' ';
		else
			c->next = mempcpy(c->next, taken > 0 ? (const char *)at : "?", taken > 0 ? taken : 1);
	}
}

static const char *copy(struct catalog *c, const msgpack_object *o)
{
	const char *begin = c->next;
	if (o != NULL && o->type == MSGPACK_OBJECT_STR)
		put(c, o->via.str.ptr, o->via.str.size);
	*c->next++ = 0;
	return begin;
}

enum { ALL_KINDS = 8 }; // so many are not told one by one

static const char *copy_kinds(struct catalog *c, msgpack_object_array kinds)
{
	const char *begin = c->next;
	bool any = kinds.size == 0 || kinds.size >= ALL_KINDS;
	if (any)
		return "any";
	for (uint32_t i = 0; i < kinds.size; i++) {
		if (kinds.ptr[i].type != MSGPACK_OBJECT_STR)
			continue;
		if (c->next > begin)
			put(c, ", ", 2);
		put(c, kinds.ptr[i].via.str.ptr, kinds.ptr[i].via.str.size);
	}
	*c->next++ = 0;
	return begin;
}

// --- one command --------------------------------------------------------------------------------------------------------

static unsigned argument_flags(const msgpack_object *o)
{
	unsigned flags = 0;
	if (has(o, "flags", "read") || has(o, "flags", "write"))
		flags |= ARGUMENT_KEY;
	if (has(o, "flags", "optional"))
		flags |= ARGUMENT_OPTIONAL;
	if (has(o, "flags", "secret"))
		flags |= ARGUMENT_SECRET;
	if (has(o, "flags", "option"))
		flags |= ARGUMENT_OPTION;
	if (flags & ARGUMENT_OPTION && list(o, "kinds").size == 1 && has(o, "kinds", "bool"))
		flags |= ARGUMENT_FLAG;
	return flags;
}

static void read_argument(struct catalog *c, const msgpack_object *o, unsigned flags, struct argument *a)
{
	*a = (struct argument){
	    .name = copy(c, member(o, "name")),
	    .kinds = copy_kinds(c, list(o, "kinds")),
	    .help = copy(c, member(o, "help")),
	    .flags = flags,
	};
}

enum { POSITIONAL, OPTIONS, REST, KINDS_OF_ARGUMENT };

// Answers how many there are: those of one kind after those of the other.
static uint32_t read_arguments(struct catalog *c, msgpack_object_array all, struct argument *args)
{
	uint32_t count = 0;
	for (int wanted = POSITIONAL; wanted < KINDS_OF_ARGUMENT; wanted++) {
		bool rest = false;
		for (uint32_t i = 0; i < all.size; i++) {
			unsigned flags = argument_flags(&all.ptr[i]);
			bool option = (flags & ARGUMENT_OPTION) != 0;
			rest = rest || has(&all.ptr[i], "flags", "rest");
			if ((option ? OPTIONS : rest ? REST : POSITIONAL) == wanted)
				read_argument(
				    c, &all.ptr[i], flags | (wanted == REST ? ARGUMENT_REST : 0), &args[count++]);
		}
	}
	return count;
}

static void read_command(struct catalog *c, const msgpack_object *o, struct argument *args, struct described *d)
{
	*d = (struct described){
	    .name = copy(c, member(o, "name")),
	    .module = copy(c, member(o, "module")),
	    .help = copy(c, member(o, "help")),
	    .verb = copy(c, member(o, "verb")),
	    .writes = has(o, "flags", "writes"),
	    .admin = has(o, "flags", "admin"),
	    .parks = has(o, "flags", "parks"),
	    .args = args,
	    .arg_count = read_arguments(c, list(o, "args"), args),
	};
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct described *)a)->name, ((const struct described *)b)->name);
}

// encoded_len bounds the texts: each, with its end, is at most as long as it was encoded, and kinds at most twice that.
static bool read_commands(struct catalog *c, msgpack_object_array all, size_t encoded_len)
{
	size_t arg_count = 0;
	for (uint32_t i = 0; i < all.size; i++)
		arg_count += list(&all.ptr[i], "args").size;
	c->commands = calloc((size_t)all.size + 1, sizeof(*c->commands));
	c->args = calloc(arg_count + 1, sizeof(*c->args));
	// What a damaged description leaves out costs an end of text for each name, module, help, verb; name, help.
	c->text = c->next = malloc(2 * encoded_len + 4 * (size_t)all.size + 2 * arg_count + 1);
	if (c->commands == NULL || c->args == NULL || c->text == NULL)
		return false;
	struct argument *args = c->args;
	for (; c->count < all.size; c->count++) {
		read_command(c, &all.ptr[c->count], args, &c->commands[c->count]);
		args += c->commands[c->count].arg_count;
	}
	qsort(c->commands, c->count, sizeof(*c->commands), by_name);
	return true;
}

// --- asking -------------------------------------------------------------------------------------------------------------

static int ask(wherry_client *client, const char *what, wherry_reply *reply)
{
	msgpack_sbuffer params;
	msgpack_packer p;
	msgpack_sbuffer_init(&params);
	msgpack_packer_init(&p, &params, msgpack_sbuffer_write);
	msgpack_pack_array(&p, what != NULL);
	if (what != NULL) {
		msgpack_pack_str(&p, strlen(what));
		msgpack_pack_str_body(&p, what, strlen(what));
	}
	int status = wherry_client_call(client, "sys.commands", params.data, params.size, NULL, 0, reply);
	msgpack_sbuffer_destroy(&params);
	return status;
}

static int failed(wherry_error *e, int status, const char *text)
{
	*e = (wherry_error){.code = status, .local = 1};
	snprintf(e->name, sizeof(e->name), "%s", wherry_status_name(status));
	snprintf(e->text, sizeof(e->text), "%s", text);
	return status;
}

static int read_reply(const wherry_reply *reply, struct catalog *c, wherry_error *error)
{
	msgpack_unpacked answer;
	int status = WHERRY_OK;
	msgpack_unpacked_init(&answer);
	if (msgpack_unpack_next(&answer, reply->result, reply->result_len, NULL) != MSGPACK_UNPACK_SUCCESS ||
	    answer.data.type != MSGPACK_OBJECT_ARRAY)
		status = failed(error, WHERRY_ECORRUPT, "the broker's description of its commands can't be read");
	else if (!read_commands(c, answer.data.via.array, reply->result_len))
		status = failed(error, WHERRY_ENOMEM, "out of memory");
	msgpack_unpacked_destroy(&answer);
	return status;
}

int catalog_load(wherry_client *client, const char *what, struct catalog **catalog, wherry_error *error)
{
	wherry_reply reply = {0};
	*catalog = NULL;
	struct catalog *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return failed(error, WHERRY_ENOMEM, "out of memory");
	int status = ask(client, what, &reply);
	if (status != WHERRY_OK)
		*error = reply.error;
	else
		status = read_reply(&reply, c, error);
	wherry_reply_free(&reply);
	if (status == WHERRY_OK)
		*catalog = c;
	else
		catalog_free(c);
	return status;
}

void catalog_free(struct catalog *c)
{
	if (c == NULL)
		return;
	free(c->commands);
	free(c->args);
	free(c->text);
	free(c);
}

uint32_t catalog_count(const struct catalog *c)
{
	return c->count;
}

const struct described *catalog_at(const struct catalog *c, uint32_t index)
{
	return index < c->count ? &c->commands[index] : NULL;
}

const struct described *catalog_find(const struct catalog *c, const char *name)
{
	struct described wanted = {.name = name};
	return c->count == 0 ? NULL : bsearch(&wanted, c->commands, c->count, sizeof(*c->commands), by_name);
}
