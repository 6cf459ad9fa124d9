#include "described.h"

#include <msgpack.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct described {
	wherry_reply reply;
	msgpack_unpacked answer;
	const msgpack_object *command; // its entry
};

// --- maps by name -------------------------------------------------------------------------------------------------------

static bool is_text(const msgpack_object *o, const char *text)
{
	return o != NULL && o->type == MSGPACK_OBJECT_STR && o->via.str.size == strlen(text) &&
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

static void put(const msgpack_object *o, const char *name, FILE *f)
{
	const msgpack_object *text = member(o, name);
	if (text != NULL && text->type == MSGPACK_OBJECT_STR)
		fwrite(text->via.str.ptr, 1, text->via.str.size, f);
}

// An option's name as it is written on the command line.
static void put_dashed(const msgpack_object *arg, FILE *f)
{
	const msgpack_object *name = member(arg, "name");
	fputs("--", f);
	for (uint32_t i = 0; name != NULL && name->type == MSGPACK_OBJECT_STR && i < name->via.str.size; i++)
		fputc(name->via.str.ptr[i] == '_' ? '-' : name->via.str.ptr[i], f);
}

// --- asking -------------------------------------------------------------------------------------------------------------

// sys.commands answers a list: of one command, or of all of a module's.
static bool find_command(struct described *d, const char *method)
{
	if (msgpack_unpack_next(&d->answer, d->reply.result, d->reply.result_len, NULL) != MSGPACK_UNPACK_SUCCESS ||
	    d->answer.data.type != MSGPACK_OBJECT_ARRAY)
		return false;
	const msgpack_object_array *all = &d->answer.data.via.array;
	for (uint32_t i = 0; i < all->size; i++)
		if (is_text(member(&all->ptr[i], "name"), method))
			d->command = &all->ptr[i];
	return true;
}

static int ask(struct described *d, wherry_client *client, const char *method)
{
	msgpack_sbuffer params;
	msgpack_packer p;
	msgpack_sbuffer_init(&params);
	msgpack_packer_init(&p, &params, msgpack_sbuffer_write);
	msgpack_pack_array(&p, 1);
	msgpack_pack_str(&p, strlen(method));
	msgpack_pack_str_body(&p, method, strlen(method));
	int status = wherry_client_call(client, "sys.commands", params.data, params.size, NULL, 0, &d->reply);
	msgpack_sbuffer_destroy(&params);
	return status;
}

static int __attribute__((format(printf, 3, 4))) not_described(wherry_error *e, int status, const char *format, ...)
{
	va_list args;
	*e = (wherry_error){.code = status, .local = 1};
	snprintf(e->name, sizeof(e->name), "%s", wherry_status_name(status));
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return status;
}

int describe(wherry_client *client, const char *method, struct described **out, wherry_error *error)
{
	struct described *d = calloc(1, sizeof(*d));
	*out = NULL;
	if (d == NULL)
		return not_described(error, WHERRY_ENOMEM, "out of memory");
	msgpack_unpacked_init(&d->answer);
	int status = ask(d, client, method);
	if (status != WHERRY_OK)
		*error = d->reply.error;
	else if (!find_command(d, method))
		status =
		    not_described(error, WHERRY_ECORRUPT, "the broker's description of its commands can't be read");
	else if (d->command == NULL)
		status = not_described(error, WHERRY_ENOCMD,
		    "%s is a module; 'wherry sys.commands %s' shows its commands", method, method);
	if (status == WHERRY_OK)
		*out = d;
	else
		described_free(d);
	return status;
}

void described_free(struct described *d)
{
	if (d == NULL)
		return;
	msgpack_unpacked_destroy(&d->answer);
	wherry_reply_free(&d->reply);
	free(d);
}

// --- reading it ---------------------------------------------------------------------------------------------------------

// The broker takes it with every command and so describes it with none.
#define NAMESPACE_OPTION "ns"

// Only a bool may stand alone.
static bool is_flag(const msgpack_object *arg)
{
	return list(arg, "kinds").size == 1 && has(arg, "kinds", "bool");
}

enum option_kind described_option(const struct described *d, const char *name)
{
	msgpack_object_array args = list(d->command, "args");
	for (uint32_t i = 0; i < args.size; i++)
		if (has(&args.ptr[i], "flags", "option") && is_text(member(&args.ptr[i], "name"), name))
			return is_flag(&args.ptr[i]) ? OPTION_FLAG : OPTION_VALUE;
	return strcmp(name, NAMESPACE_OPTION) == 0 ? OPTION_VALUE : OPTION_UNKNOWN;
}

void described_list_options(const struct described *d, FILE *f)
{
	msgpack_object_array args = list(d->command, "args");
	fputs("; it has ", f);
	for (uint32_t i = 0; i < args.size; i++) {
		if (!has(&args.ptr[i], "flags", "option"))
			continue;
		put_dashed(&args.ptr[i], f);
		fputs(", ", f);
	}
	fputs("--" NAMESPACE_OPTION, f);
}

static void put_name(const msgpack_object *arg, FILE *f)
{
	if (has(arg, "flags", "option"))
		put_dashed(arg, f);
	else
		put(arg, "name", f);
}

// The arguments from `first` on repeat: "key...", and "key value ..." where they do so together.
static void put_group(msgpack_object_array args, uint32_t first, FILE *f)
{
	bool optional = has(&args.ptr[first], "flags", "optional");
	fputs(optional ? " [" : " ", f);
	for (uint32_t i = first; i < args.size; i++) {
		fputs(i > first ? " " : "", f);
		put_name(&args.ptr[i], f);
	}
	fputs(args.size - first > 1 ? " ..." : "...", f);
	fputs(optional ? "]" : "", f);
}

static void put_synopsis(const msgpack_object *command, FILE *f)
{
	msgpack_object_array args = list(command, "args");
	uint32_t i = 0;
	put(command, "name", f);
	for (; i < args.size && !has(&args.ptr[i], "flags", "rest"); i++) {
		const msgpack_object *arg = &args.ptr[i];
		bool option = has(arg, "flags", "option"), optional = option || has(arg, "flags", "optional");
		fputs(optional ? " [" : " ", f);
		put_name(arg, f);
		fputs(option && !is_flag(arg) ? " VALUE" : "", f);
		fputs(optional ? "]" : "", f);
	}
	if (i < args.size)
		put_group(args, i, f);
	fputs(" [--" NAMESPACE_OPTION " VALUE]\n", f);
}

static void put_argument(const msgpack_object *arg, FILE *f)
{
	msgpack_object_array kinds = list(arg, "kinds");
	fputs("  ", f);
	put_name(arg, f);
	fputs(": ", f);
	put(arg, "help", f);
	for (uint32_t i = 0; i < kinds.size && kinds.size < 8; i++)
		if (kinds.ptr[i].type == MSGPACK_OBJECT_STR)
			fprintf(f, "%s%.*s", i == 0 ? " (" : ", ", (int)kinds.ptr[i].via.str.size,
			    kinds.ptr[i].via.str.ptr);
	fputs(kinds.size > 0 && kinds.size < 8 ? ")\n" : "\n", f);
}

void described_print(const struct described *d, FILE *f)
{
	msgpack_object_array args = list(d->command, "args");
	put_synopsis(d->command, f);
	fputs("\n", f);
	put(d->command, "help", f);
	fputs("\n\n", f);
	for (uint32_t i = 0; i < args.size; i++)
		put_argument(&args.ptr[i], f);
	fputs("  --" NAMESPACE_OPTION ": the namespace, instead of the session's own (str)\n", f);
}
