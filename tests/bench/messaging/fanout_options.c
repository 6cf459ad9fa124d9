// The command line of fanout.

#include "fanout.h"
#include "numbers.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { PEER = 1, SECONDS, ACKED, OTHERS = 3 };

static const struct number numbers[] = {
    {"port", offsetof(struct fanout_options, port), 1, 65535},
    {"publish-port", offsetof(struct fanout_options, publish_port), 1, 65535},
    {"subscribers", offsetof(struct fanout_options, readers), 0, 20000},
    {"window", offsetof(struct fanout_options, window), 1, 65536},
    {"payload", offsetof(struct fanout_options, spec.payload), 8, 1U << 20},
    {"stopped", offsetof(struct fanout_options, stopped), 0, 1000},
    {"bound", offsetof(struct fanout_options, spec.bound), 0, 1000000},
    {"exact", offsetof(struct fanout_options, exact), 0, 1000000},
    {"wildcards", offsetof(struct fanout_options, wildcards), 0, 1000000},
    {"warmup-ms", offsetof(struct fanout_options, warmup_ms), 0, 60000},
    {"count", offsetof(struct fanout_options, count), 1, UINT32_MAX},
};

enum { NUMBER_COUNT = sizeof numbers / sizeof numbers[0] };

static _Noreturn void usage(void)
{
	fputs(
	    "usage: fanout --peer wherry|wherry-sub|nng|redis|nats|mqtt --port N [--publish-port N] [--subscribers N]\n"
	    "              [--window N] [--payload N] [--stopped N] [--bound N] [--exact N] [--wildcards N] [--acked]\n"
	    "              [--warmup-ms N] (--seconds S | --count N)\n",
	    stderr);
	exit(2);
}

static void take_option(struct fanout_options *o, int name, const struct dialect **dialect)
{
	if (name >= NUMBERS) {
		if (!number_read(&numbers[name - NUMBERS], optarg, o))
			usage();
	} else if (name == PEER) {
		*dialect = dialect_find(optarg);
	} else if (name == SECONDS) {
		o->seconds = strtod(optarg, NULL);
	} else if (name == ACKED) {
		o->spec.acked = true;
	} else {
		usage();
	}
}

struct fanout_options fanout_options_read(int argc, char **argv, const struct dialect **dialect)
{
	struct option names[OTHERS + NUMBER_COUNT + 1] = {
	    {"peer", 1, NULL, PEER}, {"seconds", 1, NULL, SECONDS}, {"acked", 0, NULL, ACKED}};
	for (int i = 0; i < NUMBER_COUNT; i++)
		names[OTHERS + i] = (struct option){numbers[i].name, 1, NULL, NUMBERS + i};
	struct fanout_options o = {
	    .readers = 100, .window = 256, .warmup_ms = 100, .spec = {.topic = "bench.fan.of.all", .payload = 64}};
	for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;)
		take_option(&o, name, dialect);
	if (optind < argc || !*dialect || !o.port || (o.seconds > 0) == (o.count > 0))
		usage();
	o.spec.subscribers = o.readers + o.stopped;
	if (o.count)
		o.warmup_ms = 0;
	return o;
}
