// The command line of load: numbers by a table, names by hand.

#include "load_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEER = 1, HOST, OP, PREFIX, SECONDS, SEQUENTIAL, NUMBERS }; // NUMBERS + i: numbers[i]

static const struct {
	const char *name;
	size_t at;
	uint32_t least, most;
} numbers[] = {
    {"port", offsetof(struct load_options, port), 1, 65535},
    {"conns", offsetof(struct load_options, conns), 1, 20000},
    {"frames", offsetof(struct load_options, frames), 1, 65536},
    {"requests", offsetof(struct load_options, frame.requests), 1, 65536},
    {"keys", offsetof(struct load_options, keys), 1, 999999999},
    {"size", offsetof(struct load_options, frame.value_size), 0, 1U << 26},
    {"warmup-ms", offsetof(struct load_options, warmup_ms), 0, 60000},
    {"db", offsetof(struct load_options, db), 0, 15},
    {"count", offsetof(struct load_options, count), 1, UINT32_MAX},
};

enum { NUMBER_COUNT = sizeof numbers / sizeof numbers[0], OTHERS = 6 };

static _Noreturn void usage(void)
{
	fputs("usage: load --peer wherry|wherry-req|redis --port N [--host A] [--conns N] [--frames N]\n"
	      "            [--requests N] [--op get|set] [--keys N] [--size N] [--prefix P] [--sequential]\n"
	      "            [--warmup-ms N] [--db N] (--seconds S | --count N)\n",
	    stderr);
	exit(2);
}

// Which of the words it is.
static unsigned one_of(const char *word, const char *const *words, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	usage();
}

static void take_number(struct load_options *o, unsigned index, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*end || end == text || n < numbers[index].least || n > numbers[index].most)
		usage();
	*(uint32_t *)(void *)((char *)o + numbers[index].at) = (uint32_t)n;
}

static void take_option(struct load_options *o, int name)
{
	static const char *const peers[] = {"wherry", "wherry-req", "redis"}, *const ops[] = {"get", "set"};
	if (name >= NUMBERS)
		take_number(o, (unsigned)(name - NUMBERS), optarg);
	else if (name == PEER)
		o->frame.peer = (enum peer_kind)one_of(optarg, peers, 3);
	else if (name == OP)
		o->frame.set = one_of(optarg, ops, 2) == 1;
	else if (name == HOST)
		o->host = optarg;
	else if (name == PREFIX)
		o->frame.prefix = optarg;
	else if (name == SECONDS)
		o->seconds = strtod(optarg, NULL);
	else if (name == SEQUENTIAL)
		o->sequential = true;
	else
		usage();
}

struct load_options load_options_read(int argc, char **argv)
{
	struct option names[NUMBER_COUNT + OTHERS + 1] = {{"peer", 1, NULL, PEER}, {"host", 1, NULL, HOST},
	    {"op", 1, NULL, OP}, {"prefix", 1, NULL, PREFIX}, {"seconds", 1, NULL, SECONDS},
	    {"sequential", 0, NULL, SEQUENTIAL}};
	for (int i = 0; i < NUMBER_COUNT; i++)
		names[OTHERS + i] = (struct option){numbers[i].name, 1, NULL, NUMBERS + i};
	struct load_options o = {.host = "127.0.0.1",
	    .conns = 1,
	    .frames = 1,
	    .keys = 100000,
	    .warmup_ms = 100,
	    .frame = {.requests = 1, .value_size = 64, .prefix = "bench:"}};
	for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;)
		take_option(&o, name);
	if (optind < argc || !o.port || (o.seconds > 0) == (o.count > 0) ||
	    strlen(o.frame.prefix) > KEY_LEN - KEY_DIGITS)
		usage();
	if (o.count)
		o.warmup_ms = 0;
	return o;
}
