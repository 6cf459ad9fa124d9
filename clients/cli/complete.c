#include "complete.h"

#include <ctype.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "flags.h"

enum { CONNECT_MS = 400, CALL_MS = 400, NAME_ROOM = 128 };

struct completion {
	struct settings settings;
	int count; // of words in front of the last
	char **words;
	const char *last;
	wherry_client *client; // NULL: none
};

// --- what is offered ----------------------------------------------------------------------------------------------------

// What comes from a broker is put into a command line: only what no shell does anything with.
static bool is_tame(const char *text)
{
	for (; *text != 0; text++)
		if (!isalnum((unsigned char)*text) && strchr("._-", *text) == NULL)
			return false;
	return true;
}

static void offer(const struct completion *c, const char *word, const char *about)
{
	if (strncmp(word, c->last, strlen(c->last)) != 0 || !is_tame(word))
		return;
	int sentence = first_sentence(about), part = (int)strcspn(about, ";");
	printf("%s\t%.*s\n", word, part < sentence ? part : sentence, about);
}

static void offer_files(void)
{
	puts(":files");
}

static void offer_option(const struct completion *c, const char *name, const char *about)
{
	char word[NAME_ROOM + 2];
	snprintf(word, sizeof(word), "--%.*s", NAME_ROOM - 1, name);
	for (char *at = word; *at != 0; at++)
		*at = *at == '_' ? '-' : *at;
	offer(c, word, about);
}

// The words in lower case of "new NAME|check FILE", "bash|zsh|fish".
static void offer_choices(const struct completion *c, const char *synopsis)
{
	for (size_t len; *synopsis != 0; synopsis += len + (synopsis[len] != 0)) {
		char word[NAME_ROOM];
		len = strcspn(synopsis, " |[]");
		if (len == 0 || len >= sizeof(word) || !islower((unsigned char)*synopsis))
			continue;
		memcpy(word, synopsis, len);
		word[len] = 0;
		offer(c, word, "");
	}
}

// --- from the broker ----------------------------------------------------------------------------------------------------

static wherry_client *connected(struct completion *c)
{
	wherry_client_options more = {.connect_ms = CONNECT_MS, .once = 1};
	wherry_error error;
	c->settings.timeout_ms = CALL_MS;
	if (c->client == NULL && cli_try(&c->settings, &more, &c->client, &error) != WHERRY_OK)
		c->client = NULL;
	return c->client;
}

static struct catalog *load(struct completion *c, const char *what)
{
	struct catalog *catalog = NULL;
	wherry_error error;
	if (connected(c) != NULL)
		catalog_load(c->client, what, &catalog, &error);
	return catalog;
}

static void offer_commands(struct completion *c, bool modules)
{
	struct catalog *catalog = load(c, NULL);
	const char *module = "";
	for (uint32_t i = 0; catalog != NULL && i < catalog_count(catalog); i++) {
		const struct described *d = catalog_at(catalog, i);
		if (modules && strcmp(d->module, module) != 0)
			offer(c, d->module, "a module");
		offer(c, d->name, d->help);
		module = d->module;
	}
	catalog_free(catalog);
}

static const msgpack_object *name_of(const msgpack_object *o)
{
	for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
		const msgpack_object *key = &o->via.map.ptr[i].key;
		if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == 4 &&
		    memcmp(key->via.str.ptr, "name", 4) == 0)
			return &o->via.map.ptr[i].val;
	}
	return o;
}

static void offer_names(const struct completion *c, const msgpack_object *list)
{
	for (uint32_t i = 0; list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size; i++) {
		const msgpack_object *name = name_of(&list->via.array.ptr[i]);
		char word[NAME_ROOM];
		if (name->type != MSGPACK_OBJECT_STR || name->via.str.size >= sizeof(word))
			continue;
		memcpy(word, name->via.str.ptr, name->via.str.size);
		word[name->via.str.size] = 0;
		offer(c, word, "");
	}
}

static void offer_namespaces(struct completion *c)
{
	wherry_reply reply = {0};
	msgpack_unpacked u;
	c->settings.ns = NULL; // it is what is being typed
	if (connected(c) == NULL || wherry_client_call(c->client, "ns.list", NULL, 0, NULL, 0, &reply) != WHERRY_OK)
		return;
	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, reply.result, reply.result_len, NULL) == MSGPACK_UNPACK_SUCCESS)
		offer_names(c, &u.data);
	msgpack_unpacked_destroy(&u);
	wherry_reply_free(&reply);
}

// --- by where the word stands -------------------------------------------------------------------------------------------

// The option at the beginning of a line of help: "  -q, --quiet  ...", "      --rate N/s  ...".
static void offer_options_of(const struct completion *c, const char *help)
{
	for (const char *line = help; *line != 0; line += strcspn(line, "\n"), line += *line != 0) {
		const char *at = line + strspn(line, " ");
		if (at - line < 2 || *at != '-')
			continue;
		at += at[1] != '-' && at[2] == ',' ? 4 : 0;
		size_t len = strcspn(at, " =[\n,");
		char name[NAME_ROOM], about[NAME_ROOM];
		if (strncmp(at, "--", 2) != 0 || len <= 2 || len >= sizeof(name))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len - 2, at + 2);
		const char *text = at + len, *end = at + strcspn(at, "\n");
		const char *gap = strstr(text, "  ");
		text = gap != NULL && gap < end ? gap + strspn(gap, " ") : text + strspn(text, " ");
		snprintf(about, sizeof(about), "%.*s", (int)(end > text ? end - text : 0), text);
		offer_option(c, name, about);
	}
}

static void of_subcommand(struct completion *c, const struct subcommand *s, int behind)
{
	if (c->last[0] == '-')
		offer_options_of(c, s->help);
	else if (strcmp(s->name, "help") == 0 && behind == 0) {
		for (const struct subcommand *each = subcommands; each->name != NULL; each++)
			offer(c, each->name, each->summary);
		offer_commands(c, true);
	} else if (behind == 0 && strstr(s->synopsis, "[FILE]") == NULL) {
		offer_choices(c, s->synopsis);
	} else if (strstr(s->synopsis, "FILE") != NULL) {
		offer_files();
	}
}

static void of_method(struct completion *c, const char *method)
{
	const char *before = c->words[c->count - 1];
	if (strcmp(before, "--ns") == 0) {
		offer_namespaces(c);
		return;
	}
	if (c->last[0] != '-')
		return;
	struct catalog *catalog = load(c, method);
	const struct described *d = catalog != NULL ? catalog_find(catalog, method) : NULL;
	for (uint32_t i = 0; d != NULL && i < d->arg_count; i++)
		if (d->args[i].flags & ARGUMENT_OPTION)
			offer_option(c, d->args[i].name, d->args[i].help);
	if (d != NULL)
		offer_option(c, "ns", described_option(d, "ns")->help);
	catalog_free(catalog);
}

static void of_flag_argument(struct completion *c, const struct flag *f)
{
	static const char *const outputs[] = {"table", "json", "raw"};
	if (strcmp(f->name, "ns") == 0)
		offer_namespaces(c);
	else if (strcmp(f->argument, "FILE") == 0)
		offer_files();
	else if (f->letter == 'o')
		for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
			offer(c, outputs[i], "");
}

static void of_first(struct completion *c)
{
	if (c->last[0] == '-') {
		for (const struct flag *f = flags; f->name != NULL; f++)
			offer_option(c, f->name, f->help);
		return;
	}
	for (const struct subcommand *s = subcommands; s->name != NULL; s++)
		offer(c, s->name, s->summary);
	offer_commands(c, false);
}

// The flag that words[i] is, if the next word is its argument.
static const struct flag *awaits_argument(const char *word)
{
	for (const struct flag *f = flags; f->name != NULL; f++) {
		if (f->argument == NULL)
			continue;
		if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, f->name) == 0)
			return f;
		if (word[0] == '-' && word[1] == f->letter && word[2] == 0)
			return f;
	}
	return NULL;
}

static void offer_all(struct completion *c)
{
	int first = 0, next, wanted;
	const struct flag *open = NULL;
	for (; first < c->count && (open != NULL || c->words[first][0] == '-'); first++)
		open = open != NULL ? NULL : awaits_argument(c->words[first]);
	// A flag that lacks its argument is left out; the settings are as far as the others tell.
	flags_read(&c->settings, first - (open != NULL) + 1, c->words - 1, true, &next, &wanted);
	const struct subcommand *s = first < c->count ? subcommand_find(c->words[first]) : NULL;
	if (open != NULL)
		of_flag_argument(c, open);
	else if (first == c->count)
		of_first(c);
	else if (s != NULL)
		of_subcommand(c, s, c->count - first - 1);
	else if (strchr(c->words[first], '.') != NULL)
		of_method(c, c->words[first]);
}

int complete_run(int argc, char **argv)
{
	static char nothing[] = "";
	if (argc < 2 || strcmp(argv[1], "--") != 0)
		return EXIT_USAGE;
	struct completion c = {
	    .count = argc > 3 ? argc - 3 : 0, .words = argv + 2, .last = argc > 2 ? argv[argc - 1] : nothing};
	offer_all(&c);
	wherry_client_close(c.client);
	fflush(stdout);
	return EXIT_SUCCESS;
}
