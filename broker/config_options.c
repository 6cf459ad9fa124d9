// The broker's own options: their table, their values, and the one place that carries them into what reads
// them.

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "broker.h"
#include "config.h"

// Options whose value is one of a few words.  They may be set while another thread prints them, so their text is always
// one of these and never freed.
static const struct word_option {
	const char *name;
	char *words[5]; // in the order of their numbers
} word_options[] = {
    {"log_level", {"error", "warn", "info", "debug"}},
    {"log_format", {"text", "json"}},
};
enum { WORD_OPTIONS = sizeof(word_options) / sizeof(word_options[0]) };

static bool is_shared(const char *text)
{
	for (size_t i = 0; i < WORD_OPTIONS; i++)
		for (char *const *word = word_options[i].words; *word != NULL; word++)
			if (text == *word)
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

static const struct word_option *words_of(const char *name)
{
	for (size_t i = 0; i < WORD_OPTIONS; i++)
		if (strcmp(word_options[i].name, name) == 0)
			return &word_options[i];
	return NULL;
}

static int parse_word(
    const struct word_option *o, const char *text, struct option_value *value, char *why, size_t why_room)
{
	struct line l = line_of(why, why_room);
	for (int i = 0; o->words[i] != NULL; i++) {
		if (strcasecmp(text, o->words[i]) == 0) {
			*value = (struct option_value){.number = i, .text = o->words[i]};
			return WHERRY_OK;
		}
	}
	char shown[128];
	struct line quoted = line_of(shown, sizeof(shown));
	line_quote(&quoted, span_text(text));
	line_add(&l, o->name);
	line_add(&l, ": ");
	line_add(&l, line_end(&quoted));
	line_add(&l, " is none of ");
	for (int i = 0; o->words[i] != NULL; i++) {
		line_add(&l, i > 0 ? ", " : "");
		line_add(&l, o->words[i]);
	}
	line_end(&l);
	return WHERRY_EARG;
}

int option_value_set(
    struct option_value *value, const struct option_spec *spec, const char *text, char *why, size_t why_room)
{
	const struct word_option *words = words_of(spec->name);
	struct option_value parsed = {.text = NULL};
	int status = words != NULL ? parse_word(words, text, &parsed, why, why_room)
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
    {"max_tx_commands", offsetof(struct wherry_broker, router_limits.tx_commands)},
    {"max_answer", offsetof(struct wherry_broker, router_limits.answer_bytes)},
    {"max_parked", offsetof(struct wherry_broker, router_limits.parked_per_session)},
    {"park_timeout", offsetof(struct wherry_broker, router_limits.park_ms)},
    {"max_subscriptions", offsetof(struct wherry_broker, bus_limits.subscriptions)},
    {"max_wildcards", offsetof(struct wherry_broker, bus_limits.wildcards)},
    {"subscription_messages", offsetof(struct wherry_broker, bus_limits.messages)},
    {"subscription_bytes", offsetof(struct wherry_broker, bus_limits.bytes)},
    {"max_subscription_messages", offsetof(struct wherry_broker, bus_limits.messages_most)},
    {"max_subscription_bytes", offsetof(struct wherry_broker, bus_limits.bytes_most)},
    {"max_retained", offsetof(struct wherry_broker, bus_limits.retained)},
    {"max_retained_bytes", offsetof(struct wherry_broker, bus_limits.retained_bytes)},
    {"max_watched_keys", offsetof(struct wherry_broker, bus_limits.watched_keys)},
    {"max_watch_patterns", offsetof(struct wherry_broker, bus_limits.watch_patterns)},
    {"slowlog_us", offsetof(struct wherry_broker, router_limits.slow_us)},
    {"slowlog_entries", offsetof(struct wherry_broker, router_limits.slow_entries)},
    {"slowlog_arg_bytes", offsetof(struct wherry_broker, router_limits.slow_arg_bytes)},
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
	atomic_store_explicit(&b->log.format, (int)number_of(b, "log_format"), memory_order_relaxed);
	store_set_memory_limit(b->store, (uint64_t)number_of(b, "max_memory"));
}

void broker_take_option(struct wherry_broker *b, uint32_t index, const struct option_value *value)
{
	struct option_value taken = {.number = atomic_load(&value->number), .text = value->text};
	move_value(&b->options[index], &taken);
	config_apply(b);
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
    {"modules", WHERRY_OPTION_TEXT, false, "kv lock queue pubsub", 0, 4096,
	"modules to load at start, separated by spaces; sections and flags add to them"},
    {"check_modules", WHERRY_OPTION_BOOL, false, "false", 0, 0,
	"check what modules do while they run, and log what they must not; slow: for tests of modules"},
    {"check_run_time", WHERRY_OPTION_DURATION, false, "10ms", 1, HOURS,
	"with check_modules: a command that runs longer is logged"},
    {"insecure", WHERRY_OPTION_BOOL, false, "false", 0, 0,
	"listeners may be plain on any address, not only on this machine's own"},
    {"log_level", WHERRY_OPTION_TEXT, true, "info", 0, 16, "what is logged: error, warn, info or debug"},
    {"log_format", WHERRY_OPTION_TEXT, true, "text", 0, 16, "how a log line is written: text or json"},
    {"log_file", WHERRY_OPTION_TEXT, false, "", 0, 4096,
	"where log lines go; opened anew at SIGUSR1; empty: standard error"},
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
    {"max_tx_commands", WHERRY_OPTION_INT, true, "4096", 1, 1000000, "commands of one tx.exec"},
    {"max_answer", WHERRY_OPTION_SIZE, true, "16MiB", 64 * KIB, GIB, "longest answer"},
    {"max_parked", WHERRY_OPTION_INT, true, "1024", 0, 1000000, "requests of a session that wait at once"},
    {"park_timeout", WHERRY_OPTION_DURATION, true, "50s", SECONDS, HOURS,
	"a request of a REQ client waits at most so long: its socket asks again after 60 s"},
    {"max_subscriptions", WHERRY_OPTION_INT, true, "4096", 0, 1000000, "subscriptions and watches of a session"},
    {"max_wildcards", WHERRY_OPTION_INT, true, "100000", 0, 10000000,
	"different filters with a wildcard, of all sessions together: they bound what a message may cost"},
    {"subscription_messages", WHERRY_OPTION_INT, true, "1000", 1, INT32_MAX,
	"messages that wait for a subscriber that does not say how many may"},
    {"subscription_bytes", WHERRY_OPTION_SIZE, true, "1MiB", KIB, 16 * GIB, "their bytes"},
    {"max_subscription_messages", WHERRY_OPTION_INT, true, "1000000", 1, INT32_MAX,
	"messages that a subscriber may let wait"},
    {"max_subscription_bytes", WHERRY_OPTION_SIZE, true, "64MiB", KIB, 16 * GIB, "their bytes"},
    {"max_retained", WHERRY_OPTION_INT, true, "100000", 0, 100000000, "topics whose last message is kept"},
    {"max_retained_bytes", WHERRY_OPTION_SIZE, true, "64MiB", 0, 1024 * GIB, "memory of what is kept"},
    {"max_watched_keys", WHERRY_OPTION_INT, true, "65536", 0, 10000000, "keys and patterns that a session watches"},
    {"max_watch_patterns", WHERRY_OPTION_INT, true, "1024", 0, 1000000,
	"patterns over keys that are watched, of all sessions together: each costs a look at every change"},
    {"slowlog_us", WHERRY_OPTION_INT, true, "10000", -1, INT32_MAX,
	"requests that run for so many microseconds or longer come into the slow log; 0: all; -1: none"},
    {"slowlog_entries", WHERRY_OPTION_INT, true, "128", 0, 4096, "requests that the slow log keeps, the last ones"},
    {"slowlog_arg_bytes", WHERRY_OPTION_INT, true, "128", 8, 4096,
	"how much of each argument the slow log shows; of all together it is at most 8 KiB"},
    {"sys_interval", WHERRY_OPTION_DURATION, true, "10s", 0, HOURS,
	"how often the broker publishes its numbers under $sys.broker, if somebody listens; 0: never"},
    {"drain_timeout", WHERRY_OPTION_DURATION, true, "5s", 0, HOURS, "at shutdown, how long answers may take to leave"},
};

const uint32_t broker_option_count = sizeof(broker_options) / sizeof(broker_options[0]);
_Static_assert(sizeof(broker_options) / sizeof(broker_options[0]) <= BROKER_OPTIONS_MOST, "room for their names");
