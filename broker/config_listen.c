// The options of a listener: their names, and what a text says of each.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

struct listen_option {
	struct option_spec spec; // kind 0: take() reads the text itself
	int (*take)(
	    const struct listen_option *, const char *text, struct listen_options *, char *why, size_t why_room);
	size_t at; // in struct listen_options
};

static void *place(const struct listen_option *option, struct listen_options *o)
{
	return (char *)o + option->at;
}

static int take_text(
    const struct listen_option *option, const char *text, struct listen_options *o, char *why, size_t why_room)
{
	(void)why, (void)why_room;
	*(const char **)place(option, o) = text;
	return WHERRY_OK;
}

static int take_bool(
    const struct listen_option *option, const char *text, struct listen_options *o, char *why, size_t why_room)
{
	struct option_value parsed = {.number = 0};
	int status = option_parse(&option->spec, text, &parsed, why, why_room);
	*(bool *)place(option, o) = parsed.number != 0;
	return status;
}

static int take_number(
    const struct listen_option *option, const char *text, struct listen_options *o, char *why, size_t why_room)
{
	struct option_value parsed = {.number = 0};
	int status = option_parse(&option->spec, text, &parsed, why, why_room);
	*(int64_t *)place(option, o) = parsed.number;
	return status;
}

static int take_mode(
    const struct listen_option *option, const char *text, struct listen_options *o, char *why, size_t why_room)
{
	char *end = NULL;
	long parsed = strtol(text, &end, 8);
	if (*text < '0' || *text > '7' || *end != 0 || parsed > 0777) {
		snprintf(why, why_room, "mode: \"%.64s\" is no file mode: it is octal, as in 0660", text);
		return WHERRY_EARG;
	}
	*(int *)place(option, o) = (int)parsed;
	return WHERRY_OK;
}

static int take_payload(
    const struct listen_option *option, const char *text, struct listen_options *o, char *why, size_t why_room)
{
	bool msgpack = strcmp(text, "msgpack") == 0;
	if (!msgpack && strcmp(text, "bin") != 0) {
		snprintf(why, why_room, "payload: \"%.64s\" is none of bin, msgpack", text);
		return WHERRY_EARG;
	}
	*(bool *)place(option, o) = msgpack;
	return WHERRY_OK;
}

#define AT(member) offsetof(struct listen_options, member)
#define MESSAGES_MOST INT64_C(1000000000)

static const struct listen_option table[] = {
    {{.name = "insecure", .kind = WHERRY_OPTION_BOOL}, take_bool, AT(insecure)},
    {{.name = "tls_cert"}, take_text, AT(tls_cert_file)},
    {{.name = "tls_key"}, take_text, AT(tls_key_file)},
    {{.name = "mode"}, take_mode, AT(ipc_mode)},
    {{.name = "tap"}, take_text, AT(tap)},
    {{.name = "max_messages", .kind = WHERRY_OPTION_INT, .min = 1, .max = MESSAGES_MOST}, take_number,
	AT(max_messages)},
    {{.name = "max_bytes", .kind = WHERRY_OPTION_SIZE, .min = 1, .max = INT64_MAX}, take_number, AT(max_bytes)},
    {{.name = "payload"}, take_payload, AT(payload_msgpack)},
    {{.name = "queue"}, take_text, AT(queue)},
    {{.name = "ns"}, take_text, AT(ns)},
};
_Static_assert(sizeof(table) / sizeof(table[0]) == CONFIG_LISTEN_OPTIONS, "each of them");

const char *config_listen_name(size_t index)
{
	return table[index].spec.name;
}

int config_listen_set(size_t index, const char *text, struct listen_options *o, char *why, size_t why_room)
{
	return table[index].take(&table[index], text, o, why, why_room);
}
