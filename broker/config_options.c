// The broker's own options: their table, their values, and the one place that carries them into what reads
// them.

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "broker.h"
#include "config.h"

static char *const level_names[] = {"error", "warn", "info", "debug"};

// log_level may be set while another thread prints it, so its text is always one of level_names, never freed.
static bool is_shared(const char *text)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (text == level_names[i])
			return true;
	return false;
}

static void free_text(char *text)
{
	if (!is_shared(text))
		mem_free(text);
}

static void move_value(struct option_value *to, struct option_value *from)
{
	atomic_store_explicit(
	    &to->number, atomic_load_explicit(&from->number, memory_order_relaxed), memory_order_relaxed);
	char *old = to->text;
	__atomic_store_n(&to->text, from->text, __ATOMIC_RELEASE);
	free_text(old);
}

static int parse_level(const char *text, struct option_value *value, char *why, size_t why_room)
{
	int level = log_level_of(text);
	if (level < 0) {
		snprintf(why, why_room, "log_level: \"%.64s\" is none of error, warn, info, debug", text);
		return WHERRY_EARG;
	}
	*value = (struct option_value){.number = level, .text = level_names[level]};
	return WHERRY_OK;
}

int option_value_set(
    struct option_value *value, const struct option_spec *spec, const char *text, char *why, size_t why_room)
{
	struct option_value parsed = {.text = NULL};
	int status = strcmp(spec->name, "log_level") == 0 ? parse_level(text, &parsed, why, why_room)
							  : option_parse(spec, text, &parsed, why, why_room);
	if (status == WHERRY_OK)
		move_value(value, &parsed);
	return status;
}

void option_values_free(struct option_value *values)
{
	for (uint32_t i = 0; values != NULL && i < broker_option_count; i++)
		free_text(values[i].text);
	mem_free(values);
}

struct option_value *option_values_new(void)
{
	char why[256];
	struct option_value *values = mem_zalloc(broker_option_count * sizeof(*values));
	for (uint32_t i = 0; values != NULL && i < broker_option_count; i++) {
		const struct option_spec *spec = &broker_options[i];
		if (option_value_set(&values[i], spec, spec->preset, why, sizeof(why)) != WHERRY_OK) {
			option_values_free(values);
			return NULL;
		}
	}
	return values;
}

struct option_value *option_values_copy(const struct option_value *from)
{
	struct option_value *values = mem_zalloc(broker_option_count * sizeof(*values));
	for (uint32_t i = 0; values != NULL && i < broker_option_count; i++) {
		values[i].number = from[i].number;
		values[i].text = from[i].text;
		if (from[i].text == NULL || is_shared(from[i].text))
			continue;
		values[i].text = mem_strdup(from[i].text);
		if (values[i].text == NULL) {
			option_values_free(values);
			return NULL;
		}
	}
	return values;
}

int broker_option_unknown(const char *name, char *why, size_t why_room)
{
	const char *names[BROKER_OPTIONS_MOST];
	for (uint32_t i = 0; i < broker_option_count; i++)
		names[i] = broker_options[i].name;
	const char *near = nearest_name(name, names, broker_option_count);
	if (near != NULL)
		snprintf(why, why_room, "there is no option \"%.64s\"; did you mean \"%s\"?", name, near);
	else
		snprintf(why, why_room, "there is no option \"%.64s\"", name);
	return WHERRY_EARG;
}

uint32_t broker_option_index(const char *name)
{
	uint32_t i = 0;
	while (i < broker_option_count && strcmp(broker_options[i].name, name) != 0)
		i++;
	return i;
}

int64_t config_number(const wherry_config *c, const char *name)
{
	return c->options[broker_option_index(name)].number;
}

const char *config_text(const wherry_config *c, const char *name)
{
	const char *text = c->options[broker_option_index(name)].text;
	return text == NULL ? "" : text;
}

// --- into force ------------------------------------------------------------------------------------------------------

static const struct {
	const char *name;
	size_t at;
} limits[] = {
    {"max_frame", offsetof(struct wherry_broker, wire_limits.max_frame)},
    {"max_connections", offsetof(struct wherry_broker, wire_limits.max_connections)},
    {"handshake_timeout", offsetof(struct wherry_broker, wire_limits.handshake_ms)},
    {"idle_timeout", offsetof(struct wherry_broker, wire_limits.idle_ms)},
    {"outbox_bytes", offsetof(struct wherry_broker, wire_limits.outbox_bytes)},
    {"send_bytes", offsetof(struct wherry_broker, wire_limits.send_bytes)},
    {"stall_timeout", offsetof(struct wherry_broker, wire_limits.stall_ms)},
    {"resend_bytes", offsetof(struct wherry_broker, wire_limits.resend_bytes)},
    {"max_depth", offsetof(struct wherry_broker, router_limits.depth)},
    {"max_elements", offsetof(struct wherry_broker, router_limits.elements)},
    {"max_args", offsetof(struct wherry_broker, router_limits.args)},
    {"max_key", offsetof(struct wherry_broker, router_limits.key_bytes)},
    {"max_answer", offsetof(struct wherry_broker, router_limits.answer_bytes)},
    {"max_parked", offsetof(struct wherry_broker, router_limits.parked_per_session)},
    {"park_timeout", offsetof(struct wherry_broker, router_limits.park_ms)},
};

static int64_t number_of(const struct wherry_broker *b, const char *name)
{
	return b->options[broker_option_index(name)].number;
}

void config_apply(struct wherry_broker *b)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		_Atomic int64_t *limit = (void *)((char *)b + limits[i].at);
		atomic_store_explicit(limit, number_of(b, limits[i].name), memory_order_relaxed);
	}
	atomic_store_explicit(&b->log.level, (int)number_of(b, "log_level"), memory_order_relaxed);
	store_set_memory_limit(b->store, (uint64_t)number_of(b, "max_memory"));
}

int broker_set_option(struct wherry_broker *b, const char *name, const char *text, char *why, size_t why_room)
{
	uint32_t i = broker_option_index(name);
	if (i == broker_option_count)
		return broker_option_unknown(name, why, why_room);
	if (!broker_options[i].hot) {
		snprintf(why, why_room,
		    "%s can't change while the broker runs: set it in the configuration and restart", name);
		return WHERRY_EARG;
	}
	int status = option_value_set(&b->options[i], &broker_options[i], text, why, why_room);
	if (status == WHERRY_OK)
		config_apply(b);
	return status;
}

// --- the table -------------------------------------------------------------------------------------------------------

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECONDS INT64_C(1000)
#define HOURS (3600 * SECONDS)
#define DAYS (24 * HOURS)

const struct option_spec broker_options[] = {
    {"data_dir", WHERRY_OPTION_TEXT, false, "", 0, 4096, "directory of this broker alone; empty: none"},
    {"module_dir", WHERRY_OPTION_TEXT, false, "", 0, 4096,
	"where modules are looked for by name; empty: beside the program, then where they are installed"},
    {"modules", WHERRY_OPTION_TEXT, false, "kv", 0, 4096,
	"modules to load at start, separated by spaces; sections and flags add to them"},
    {"insecure", WHERRY_OPTION_BOOL, false, "false", 0, 0,
	"listeners may be plain on any address, not only on this machine's own"},
    {"log_level", WHERRY_OPTION_TEXT, true, "info", 0, 16, "what is logged: error, warn, info or debug"},
    {"max_memory", WHERRY_OPTION_SIZE, true, "0", 0, INT64_MAX,
	"keys may use so much memory; above it, commands that grow are refused; 0: no limit"},
    {"max_frame", WHERRY_OPTION_SIZE, true, "16MiB", KIB, GIB, "longest frame a client may send"},
    {"max_connections", WHERRY_OPTION_INT, true, "10000", 1, 1000000, "connections at once"},
    {"handshake_timeout", WHERRY_OPTION_DURATION, true, "10s", 100, HOURS,
	"a connection that has not said what it speaks by then is closed"},
    {"idle_timeout", WHERRY_OPTION_DURATION, true, "0s", 0, 365 * DAYS,
	"a connection without a byte from its peer for so long is closed; 0: never"},
    {"outbox_bytes", WHERRY_OPTION_SIZE, true, "8MiB", 64 * KIB, 16 * GIB,
	"answers that a peer has not read; above it, the peer is not read from"},
    {"send_bytes", WHERRY_OPTION_SIZE, true, "256KiB", 4 * KIB, 64 * MIB, "one coalesced send"},
    {"stall_timeout", WHERRY_OPTION_DURATION, true, "30s", SECONDS, DAYS,
	"a peer that takes nothing of what waits for it for so long is closed"},
    {"resend_bytes", WHERRY_OPTION_SIZE, true, "64MiB", 0, 16 * GIB,
	"answers kept, of all connections, for REQ requests that come again"},
    {"max_depth", WHERRY_OPTION_INT, true, "24", 4, 100, "how deep a value may nest"},
    {"max_elements", WHERRY_OPTION_INT, true, "1048576", 1024, INT32_MAX,
	"elements of all arrays, maps and tuples of a frame together"},
    {"max_args", WHERRY_OPTION_INT, true, "65536", 16, INT32_MAX, "arguments of one request"},
    {"max_key", WHERRY_OPTION_SIZE, true, "4KiB", 64, 64 * KIB, "longest key or subkey"},
    {"max_answer", WHERRY_OPTION_SIZE, true, "16MiB", 64 * KIB, GIB, "longest answer"},
    {"max_parked", WHERRY_OPTION_INT, true, "1024", 0, 1000000, "requests of a session that wait at once"},
    {"park_timeout", WHERRY_OPTION_DURATION, true, "50s", SECONDS, HOURS,
	"a request of a REQ client waits at most so long: its socket asks again after 60 s"},
    {"drain_timeout", WHERRY_OPTION_DURATION, false, "5s", 0, HOURS, "at shutdown, how long answers may take to leave"},
};

const uint32_t broker_option_count = sizeof(broker_options) / sizeof(broker_options[0]);
_Static_assert(sizeof(broker_options) / sizeof(broker_options[0]) <= BROKER_OPTIONS_MOST, "room for their names");
