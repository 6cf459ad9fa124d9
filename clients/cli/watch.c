// `wherry watch`: what becomes of keys.

#include <getopt.h>
#include <string.h>

#include "follow.h"
#include "value.h"

const char watch_help[] =
    "Prints what becomes of keys, as it happens, until Ctrl-C: put, del, cas (a swap that was done),\n"
    "expire; and with --initial first state, for what there is. A KEY is read as any value is (JSON, else\n"
    "text); text with one of * ? [ \\ is a pattern over keys. Quote it.\n"
    "\n"
    "For people a line is the event, the key, its value and its revision; with -o json it is an object\n"
    "with event, key, value, revision and lost (how many went missing just before it); with -o raw it is\n"
    "the value. What is lost is told on standard error; the connection is made anew by itself.\n"
    "\n"
    "      --initial           first what there is\n"
    "  -n, --count N           ends after so many\n"
    "  -q, --quiet             prints no events but, each second, their rate\n"
    "\n"
    "Exit status: 0 so many came, or it was interrupted; 1 the broker ended it; 2 wrong usage; 75 no\n"
    "broker answers.\n"
    "\n"
    "Examples:\n"
    "  wherry kv.set door open\n"
    "  wherry watch door --initial --count 1\n";

static void print_json(const wherry_event *e, const struct settings *s)
{
	printf("{\"event\": \"%s\", \"key\": ", e->event);
	follow_value(s, e->key, e->key_len, stdout);
	fputs(", \"value\": ", stdout);
	follow_value(s, e->value, e->value_len, stdout);
	printf(", \"revision\": %llu, \"lost\": %llu}\n", (unsigned long long)e->revision, (unsigned long long)e->lost);
}

static void print_event(const wherry_event *e, const struct settings *s)
{
	if (s->output == OUTPUT_JSON) {
		print_json(e, s);
		return;
	}
	if (s->output == OUTPUT_RAW) {
		value_raw(e->value, e->value_len, stdout);
		putchar('\n');
		return;
	}
	put_tame(e->event, strlen(e->event), true, stdout);
	putchar(' ');
	follow_value(s, e->key, e->key_len, stdout);
	putchar(' ');
	follow_value(s, e->value, e->value_len, stdout);
	printf(" @%llu\n", (unsigned long long)e->revision);
}

static int next(struct follow *f, int64_t timeout_ms, wherry_error *error)
{
	static wherry_event e;
	int status = wherry_feed_next_event(f->feed, timeout_ms, &e, error);
	if (status != WHERRY_OK)
		return status;
	follow_lost(f, e.lost);
	if (!f->quiet)
		print_event(&e, f->settings);
	return WHERRY_OK;
}

static int read_flag(struct follow *f, wherry_watch_options *wanted, int flag, const char *word)
{
	int status = -1;
	switch (flag) {
	case 'i':
		wanted->flags |= WHERRY_INITIAL;
		break;
	case 'n':
		f->most = follow_number("--count", optarg, &status);
		break;
	case 'q':
		f->quiet = true;
		break;
	case ':':
		return wrong("watch: %s takes a value", word);
	default:
		return wrong("watch has no option %s", word);
	}
	return status;
}

static int read_options(struct follow *f, wherry_watch_options *wanted, int argc, char **argv)
{
	static const struct option flags[] = {
	    {"initial", no_argument, NULL, 'i'},
	    {"count", required_argument, NULL, 'n'},
	    {"quiet", no_argument, NULL, 'q'},
	    {NULL, 0, NULL, 0},
	};
	int status = -1;
	optind = 0; // glibc: begins anew
	opterr = 0;
	for (int flag; status == -1 && (flag = getopt_long(argc, argv, ":n:q", flags, NULL)) != -1;)
		status = read_flag(f, wanted, flag, argv[optind - 1]);
	if (status == -1 && optind == argc)
		return wrong("watch takes keys, or patterns such as 'user:*'");
	return status;
}

static int read_keys(const struct settings *s, msgpack_sbuffer *keys, int count, char **words)
{
	msgpack_packer pack;
	char why[VALUE_WHY];
	msgpack_packer_init(&pack, keys, msgpack_sbuffer_write);
	msgpack_pack_array(&pack, (size_t)count);
	for (int i = 0; i < count; i++) {
		if (s->raw_values ? value_read_raw(words[i], &pack, why) : value_read(words[i], &pack, why))
			continue;
		return fail(EXIT_USAGE, "%s", why);
	}
	return 0;
}

static int watch(struct follow *f, wherry_watch_options *wanted, const msgpack_sbuffer *keys)
{
	wherry_client *client;
	wherry_error error;
	int status = cli_connect(f->settings, NULL, &client);
	if (status != 0)
		return status;
	wanted->keys = keys->data;
	wanted->keys_len = keys->size;
	if (wherry_client_watch(client, wanted, &f->feed, &error) == WHERRY_OK)
		status = follow_run(f);
	else
		status = complain(&error);
	wherry_client_close(client);
	return status;
}

int run_watch(const struct settings *s, int argc, char **argv)
{
	struct follow f = {
	    .settings = s, .thing = "event", .missed = "what happened in between was missed", .next = next};
	wherry_watch_options wanted = {.size = sizeof(wanted)};
	msgpack_sbuffer keys;
	msgpack_sbuffer_init(&keys);
	int status = read_options(&f, &wanted, argc, argv);
	if (status == -1)
		status = read_keys(s, &keys, argc - optind, argv + optind);
	if (status == 0)
		status = watch(&f, &wanted, &keys);
	msgpack_sbuffer_destroy(&keys);
	return status;
}
