// Completion: what may stand at the cursor.

#include "prompt.h"

#include <stdlib.h>
#include <string.h>

#include "prompt_wake.h"
#include "value.h"

enum { KEYS_MAX = 50, KEYS_MS = 200, KEYS_LOOKED_AT = 1000, NOTE_ROOM = 300 };

// What is being looked for.
struct search {
	struct prompt *prompt;
	const struct spot *spot;
	const struct place *place;
	struct candidates *found;
};

void candidates_free(struct candidates *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->at[i].text);
		free(c->at[i].note);
	}
	free(c->at);
	*c = (struct candidates){0};
}

static void add(struct candidates *c, const char *text, const char *note)
{
	if (c->count == CANDIDATES_MAX) {
		c->more = true;
		return;
	}
	if (c->count == c->room) {
		size_t room = c->room > 0 ? 2 * c->room : 32;
		struct candidate *at = realloc(c->at, room * sizeof(*at));
		if (at == NULL)
			return;
		c->at = at;
		c->room = room;
	}
	char *copy = strdup(text);
	if (copy != NULL)
		c->at[c->count++] = (struct candidate){copy, note != NULL ? strdup(note) : NULL};
}

static void add_if(const struct search *s, const char *text, const char *note)
{
	if (strncmp(text, s->spot->at, s->spot->len) == 0)
		add(s->found, text, note);
}

static void find_commands(const struct search *s, bool modules)
{
	const struct catalog *c = s->prompt->reading.catalog;
	const char *last = "";
	for (uint32_t i = 0; c != NULL && i < catalog_count(c); i++) {
		const struct described *d = catalog_at(c, i);
		if (modules && strcmp(d->module, last) != 0)
			add_if(s, d->module, NULL);
		last = d->module;
		add_if(s, d->name, NULL);
	}
}

static void find_own(const struct search *s)
{
	for (const struct own_command *c = own_commands; c->name != NULL; c++) {
		char name[PROMPT_NAME];
		snprintf(name, sizeof(name), "\\%s", c->name);
		add_if(s, name, c->help);
	}
}

static void add_option(const struct search *s, const struct argument *a)
{
	char name[PROMPT_NAME], note[NOTE_ROOM];
	int len = snprintf(name, sizeof(name), "--%s", a->name);
	for (int i = 0; i < len && name[i] != 0; i++)
		name[i] = name[i] == '_' ? '-' : name[i];
	snprintf(note, sizeof(note), "%s: %s", a->kinds, a->help);
	add_if(s, name, note);
}

static void find_options(const struct search *s)
{
	const struct described *d = s->place->command;
	for (uint32_t i = 0; i < d->arg_count; i++)
		if ((d->args[i].flags & ARGUMENT_OPTION) != 0 && !place_is_given(s->spot, s->place->first, &d->args[i]))
			add_option(s, &d->args[i]);
	const struct argument *ns = described_option(d, "ns");
	if (ns != NULL && !place_is_given(s->spot, s->place->first, ns))
		add_option(s, ns);
}

// --- what the broker has ------------------------------------------------------------------------------------------------

static bool is_tame(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;
	for (size_t taken; at < end; at += taken)
		if (*at == '\'' || *at == '\n' || *at == '\t' || (taken = tame_length(at, end)) == 0)
			return false;
	return len > 0 && len <= PROMPT_NAME;
}

// Whether it would be taken for JSON, a file or an option.
static bool reads_otherwise(const char *text, size_t len)
{
	json_t *json = json_loadb(text, len, JSON_DECODE_ANY, NULL);
	bool otherwise = json != NULL || text[0] == '@' || text[0] == '-';
	json_decref(json);
	return otherwise;
}

static bool needs_quotes(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \"\\#", text[i]) != NULL)
			return true;
	return text[0] == '{' || text[0] == '[';
}

// A text of the broker's as a word that stands for just this text; NULL: no word that people would type does, or it
// could drive the terminal.
static char *as_word(const char *text, size_t len, bool raw_values)
{
	char *word = NULL;
	int printed;
	if (!is_tame(text, len))
		return NULL;
	if (!raw_values && reads_otherwise(text, len)) {
		if (memchr(text, '"', len) != NULL || memchr(text, '\\', len) != NULL)
			return NULL;
		printed = asprintf(&word, "'\"%.*s\"'", (int)len, text);
	} else {
		const char *quote = needs_quotes(text, len) ? "'" : "";
		printed = asprintf(&word, "%s%.*s%s", quote, (int)len, text, quote);
	}
	return printed < 0 ? NULL : word;
}

static void add_text(const struct search *s, const msgpack_object *o)
{
	const struct spot *spot = s->spot;
	if (o->type != MSGPACK_OBJECT_STR || o->via.str.size < spot->len ||
	    memcmp(o->via.str.ptr, spot->at, spot->len) != 0)
		return;
	char *word = as_word(o->via.str.ptr, o->via.str.size, s->prompt->settings.raw_values);
	if (word != NULL)
		add(s->found, word, NULL);
	free(word);
}

static bool unpack(const wherry_reply *r, msgpack_unpacked *u)
{
	return msgpack_unpack_next(u, r->result, r->result_len, NULL) == MSGPACK_UNPACK_SUCCESS &&
	       u->data.type == MSGPACK_OBJECT_ARRAY;
}

static void add_namespaces(const struct search *s, const msgpack_object_array *list)
{
	for (uint32_t i = 0; i < list->size; i++) {
		const msgpack_object *one = &list->ptr[i];
		for (uint32_t k = 0; one->type == MSGPACK_OBJECT_MAP && k < one->via.map.size; k++) {
			const msgpack_object *name = &one->via.map.ptr[k].key;
			if (name->type == MSGPACK_OBJECT_STR && name->via.str.size == 4 &&
			    memcmp(name->via.str.ptr, "name", 4) == 0)
				add_text(s, &one->via.map.ptr[k].val);
		}
	}
}

static void find_namespaces(const struct search *s)
{
	wherry_request request = {.size = sizeof(request), .method = "ns.list", .timeout_ms = KEYS_MS};
	wherry_reply reply = {0};
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	if (link_ask_quickly(s->prompt, &request, &reply) && unpack(&reply, &u))
		add_namespaces(s, &u.data.via.array);
	msgpack_unpacked_destroy(&u);
	wherry_reply_free(&reply);
}

static void pack_text(msgpack_packer *p, const char *text, size_t len)
{
	msgpack_pack_str(p, len);
	msgpack_pack_str_body(p, text, len);
}

// The typed part as a pattern that it matches literally, and anything behind it.
static void pack_pattern(msgpack_packer *p, const char *text, size_t len)
{
	char pattern[2 * PROMPT_NAME + 1];
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (strchr("*?[]\\", text[i]) != NULL)
			pattern[n++] = '\\';
		pattern[n++] = text[i];
	}
	pattern[n++] = '*';
	pack_text(p, pattern, n);
}

static void pack_options(const struct search *s, msgpack_packer *p)
{
	msgpack_pack_map(p, s->place->ns != NULL ? 3 : 2);
	pack_text(p, "match", 5);
	pack_pattern(p, s->spot->at, s->spot->len);
	pack_text(p, "limit", 5);
	msgpack_pack_int(p, KEYS_LOOKED_AT);
	if (s->place->ns != NULL) {
		pack_text(p, "ns", 2);
		pack_text(p, s->place->ns, strlen(s->place->ns));
	}
}

// Adds the keys of an answer, [next cursor, keys]; the cursor, 0: that was all.
static uint64_t add_keys(const struct search *s, const wherry_reply *r)
{
	msgpack_unpacked u;
	uint64_t cursor = 0;
	msgpack_unpacked_init(&u);
	if (unpack(r, &u) && u.data.via.array.size == 2 &&
	    u.data.via.array.ptr[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
	    u.data.via.array.ptr[1].type == MSGPACK_OBJECT_ARRAY) {
		const msgpack_object_array *keys = &u.data.via.array.ptr[1].via.array;
		cursor = u.data.via.array.ptr[0].via.u64;
		for (uint32_t i = 0; i < keys->size && s->found->count < KEYS_MAX; i++)
			add_text(s, &keys->ptr[i]);
	}
	msgpack_unpacked_destroy(&u);
	return cursor;
}

static uint64_t scan(const struct search *s, uint64_t cursor, int64_t left_ms, const msgpack_sbuffer *options)
{
	msgpack_sbuffer params;
	msgpack_packer p;
	wherry_reply reply = {0};
	msgpack_sbuffer_init(&params);
	msgpack_packer_init(&p, &params, msgpack_sbuffer_write);
	msgpack_pack_array(&p, 1);
	msgpack_pack_uint64(&p, cursor);
	wherry_request request = {.size = sizeof(request),
	    .method = "kv.scan",
	    .params = params.data,
	    .params_len = params.size,
	    .options = options->data,
	    .options_len = options->size,
	    .timeout_ms = left_ms};
	cursor = link_ask_quickly(s->prompt, &request, &reply) ? add_keys(s, &reply) : 0;
	msgpack_sbuffer_destroy(&params);
	wherry_reply_free(&reply);
	return cursor;
}

static void find_keys(const struct search *s)
{
	msgpack_sbuffer options;
	msgpack_packer p;
	uint64_t cursor = 0;
	int64_t end = now_ms() + KEYS_MS, left;
	if (s->spot->len > PROMPT_NAME)
		return;
	msgpack_sbuffer_init(&options);
	msgpack_packer_init(&p, &options, msgpack_sbuffer_write);
	pack_options(s, &p);
	do {
		left = end - now_ms();
		cursor = left > 0 ? scan(s, cursor, left, &options) : cursor;
	} while (left > 0 && cursor != 0 && s->found->count < KEYS_MAX);
	s->found->more = cursor != 0;
	msgpack_sbuffer_destroy(&options);
}

// --- all ----------------------------------------------------------------------------------------------------------------

static void find(const struct search *s)
{
	switch (s->place->kind) {
	case PLACE_NOTHING:
		break;
	case PLACE_OWN:
		find_own(s);
		break;
	case PLACE_COMMAND:
	case PLACE_HELP:
		find_commands(s, s->place->kind == PLACE_HELP);
		break;
	case PLACE_OPTION:
		find_options(s);
		break;
	case PLACE_NAMESPACE:
		find_namespaces(s);
		break;
	case PLACE_VALUE:
		if (s->place->argument != NULL && (s->place->argument->flags & ARGUMENT_KEY) != 0)
			find_keys(s);
		break;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct candidate *)a)->text, ((const struct candidate *)b)->text);
}

void complete(struct prompt *p, const char *text, size_t cursor, struct candidates *found)
{
	struct spot spot;
	*found = (struct candidates){0};
	if (!spot_find(text, cursor, &spot))
		return;
	struct place place = place_of(p, &spot);
	found->replaced = spot.len + (spot.quote != 0);
	find(&(struct search){p, &spot, &place, found});
	if (found->count > 1 && place.kind != PLACE_OPTION && place.kind != PLACE_OWN)
		qsort(found->at, found->count, sizeof(*found->at), by_text);
	spot_free(&spot);
}
