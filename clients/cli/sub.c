// `wherry sub`: messages as they come.

#include <getopt.h>
#include <string.h>

#include "follow.h"
#include "value.h"

const char sub_help[] =
    "Prints the messages of all topics that match one of the filters, as they come, until Ctrl-C. In a\n"
    "filter * stands for one token, and > for all the rest: 'sensor.*.temp', 'log.>'. Quote them.\n"
    "\n"
    "For people a line is the topic and the payload; with -o json it is an object with topic, payload,\n"
    "headers, seq (its number in this subscription) and lost (how many went missing just before it);\n"
    "with -o raw it is the payload. What is lost, because it came faster than it was read or while there\n"
    "was no connection, is told on standard error; the connection is made anew by itself.\n"
    "\n"
    "      --retained          first the retained messages\n"
    "      --group NAME        each message goes to one subscription of the group\n"
    "      --sticky HEADER     in a group: messages with the same value of this header go to the same one\n"
    "      --overflow POLICY   what goes when too many wait: drop_oldest, drop_newest, conflate, disconnect\n"
    "      --max-messages N    how many may wait at the broker\n"
    "  -n, --count N           ends after so many\n"
    "  -q, --quiet             prints no messages but, each second, their rate\n"
    "\n"
    "Exit status: 0 so many came, or it was interrupted; 1 the broker ended it; 2 wrong usage; 75 no\n"
    "broker answers.\n"
    "\n"
    "Examples:\n"
    "  wherry pub --retain lamp.kitchen on\n"
    "  wherry sub 'lamp.*' --retained --count 1\n";

static void print_json(const wherry_delivery *m, const struct settings *s)
{
	fputs("{\"topic\": ", stdout);
	follow_text_as_json(m->topic, m->topic_len, stdout);
	fputs(", \"payload\": ", stdout);
	follow_value(s, m->payload, m->payload_len, stdout);
	fputs(", \"headers\": ", stdout);
	if (m->headers != NULL)
		follow_value(s, m->headers, m->headers_len, stdout);
	else
		fputs("null", stdout);
	printf(", \"seq\": %llu, \"lost\": %llu}\n", (unsigned long long)m->seq, (unsigned long long)m->lost);
}

static void print_message(const wherry_delivery *m, const struct settings *s)
{
	if (s->output == OUTPUT_JSON) {
		print_json(m, s);
		return;
	}
	if (s->output == OUTPUT_RAW) {
		value_raw(m->payload, m->payload_len, stdout);
	} else {
		put_tame(m->topic, m->topic_len, true, stdout);
		putchar(' ');
		follow_value(s, m->payload, m->payload_len, stdout);
	}
	putchar('\n');
}

static int next(struct follow *f, int64_t timeout_ms, wherry_error *error)
{
	static wherry_delivery m;
	int status = wherry_feed_next(f->feed, timeout_ms, &m, error);
	if (status != WHERRY_OK)
		return status;
	follow_lost(f, m.lost);
	if (!f->quiet)
		print_message(&m, f->settings);
	return WHERRY_OK;
}

static int read_flag(struct follow *f, wherry_subscribe_options *wanted, int flag, const char *word)
{
	int status = -1;
	switch (flag) {
	case 'r':
		wanted->flags |= WHERRY_RETAINED;
		break;
	case 'g':
		wanted->group = optarg;
		break;
	case 's':
		wanted->sticky = optarg;
		break;
	case 'o':
		wanted->overflow = optarg;
		break;
	case 'm':
		wanted->max_messages = follow_number("--max-messages", optarg, &status);
		break;
	case 'n':
		f->most = follow_number("--count", optarg, &status);
		break;
	case 'q':
		f->quiet = true;
		break;
	case ':':
		return wrong("sub: %s takes a value", word);
	default:
		return wrong("sub has no option %s", word);
	}
	return status;
}

// Options may stand among the filters.
static int read_options(struct follow *f, wherry_subscribe_options *wanted, int argc, char **argv)
{
	static const struct option flags[] = {
	    {"retained", no_argument, NULL, 'r'},
	    {"group", required_argument, NULL, 'g'},
	    {"sticky", required_argument, NULL, 's'},
	    {"overflow", required_argument, NULL, 'o'},
	    {"max-messages", required_argument, NULL, 'm'},
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
		return wrong("sub takes filters, such as 'log.>'");
	wanted->filters = (const char *const *)(argv + optind);
	wanted->filter_count = (size_t)(argc - optind);
	return status;
}

int run_sub(const struct settings *s, int argc, char **argv)
{
	struct follow f = {
	    .settings = s, .thing = "message", .missed = "what was published in between was missed", .next = next};
	wherry_subscribe_options wanted = {.size = sizeof(wanted)};
	wherry_client *client;
	wherry_error error;
	int status = read_options(&f, &wanted, argc, argv);
	if (status == -1)
		status = cli_connect(s, NULL, &client);
	if (status != 0)
		return status;
	if (wherry_client_subscribe(client, &wanted, &f.feed, &error) == WHERRY_OK)
		status = follow_run(&f);
	else
		status = complain(&error);
	wherry_client_close(client);
	return status;
}
