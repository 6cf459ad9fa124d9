// What `wherry bench` is asked for.

#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECTIONS_MAX = 1000,
	IN_FLIGHT_MAX = 1 << 20,
	PLACES_MAX = 1 << 22,
	KEYS_MAX = 100000000,
	SIZE_MAX_ = 16 << 20
};

enum {
	RATE = 256,
	CONNECTIONS,
	IN_FLIGHT,
	SECONDS,
	COUNT,
	KEYS,
	SIZE,
	PREFIX,
	NAMESPACE,
	WARMUP,
	READ_SHARE,
	VERIFY,
	KEEP,
	FORCE,
};

static const struct option flags[] = {
    {"rate", required_argument, NULL, RATE},
    {"connections", required_argument, NULL, CONNECTIONS},
    {"in-flight", required_argument, NULL, IN_FLIGHT},
    {"seconds", required_argument, NULL, SECONDS},
    {"count", required_argument, NULL, COUNT},
    {"keys", required_argument, NULL, KEYS},
    {"size", required_argument, NULL, SIZE},
    {"prefix", required_argument, NULL, PREFIX},
    {"ns", required_argument, NULL, NAMESPACE},
    {"warmup", required_argument, NULL, WARMUP},
    {"read-share", required_argument, NULL, READ_SHARE},
    {"verify", no_argument, NULL, VERIFY},
    {"keep", no_argument, NULL, KEEP},
    {"force", no_argument, NULL, FORCE},
    {NULL, 0, NULL, 0},
};

static const char *const kinds[] = {[BENCH_GET] = "get",
    [BENCH_SET] = "set",
    [BENCH_INCR] = "incr",
    [BENCH_MIXED] = "mixed",
    [BENCH_PUBSUB] = "pubsub",
    [BENCH_QUEUE] = "queue"};

const char *bench_name(const struct bench_options *o)
{
	return o->kind == BENCH_METHOD ? o->words[0] : kinds[o->kind];
}

// What may stand behind a number, and what it is worth.
static bool read_unit(const char *unit, double *number)
{
	static const struct {
		const char *name;
		double worth;
	} units[] = {
	    {"", 1}, {"/s", 1}, {"k", 1e3}, {"k/s", 1e3}, {"M", 1e6}, {"M/s", 1e6}, {"KiB", 1024}, {"MiB", 1 << 20}};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name) == 0) {
			*number *= units[i].worth;
			return true;
		}
	}
	return false;
}

static int read_number(const char *option, const char *text, double least, double most, double *number)
{
	char *end;
	errno = 0;
	*number = strtod(text, &end);
	if (end == text || errno != 0 || !read_unit(end, number) || !(*number >= least && *number <= most))
		return wrong("--%s takes a number from %.10g to %.10g, not %s", option, least, most, text);
	return -1;
}

static int read_whole(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *whole)
{
	double number;
	int status = read_number(option, text, (double)least, (double)most, &number);
	if (status == -1 && number != (double)(uint64_t)number)
		return wrong("--%s takes a whole number, not %s", option, text);
	*whole = status == -1 ? (uint64_t)number : 0;
	return status;
}

static int read_text(const char *option, const char *text, size_t most, const char **to)
{
	if (strlen(text) > most)
		return wrong("--%s is at most %zu bytes long", option, most);
	*to = text;
	return -1;
}

static int read_flag(struct bench_options *o, int flag, const char *word)
{
	switch (flag) {
	case RATE:
		return read_number("rate", optarg, 0.01, 1e9, &o->rate);
	case CONNECTIONS:
		return read_whole("connections", optarg, 1, CONNECTIONS_MAX, &o->connections);
	case IN_FLIGHT:
		return read_whole("in-flight", optarg, 1, IN_FLIGHT_MAX, &o->in_flight);
	case SECONDS:
		return read_number("seconds", optarg, 0.01, 1e7, &o->seconds);
	case COUNT:
		return read_whole("count", optarg, 1, UINT64_C(1000000000000), &o->count);
	case KEYS:
		return read_whole("keys", optarg, 1, KEYS_MAX, &o->keys);
	case SIZE:
		return read_whole("size", optarg, 0, SIZE_MAX_, &o->size);
	case PREFIX:
		return read_text("prefix", optarg, BENCH_PREFIX_MAX, &o->prefix);
	case NAMESPACE:
		return read_text("ns", optarg, BENCH_WHAT, &o->ns);
	case WARMUP:
		return read_number("warmup", optarg, 0, 1e6, &o->warmup);
	case READ_SHARE:
		return read_number("read-share", optarg, 0, 1, &o->read_share);
	case VERIFY:
		o->verify = true;
		return -1;
	case KEEP:
		o->keep = true;
		return -1;
	case FORCE:
		o->force = true;
		return -1;
	case ':':
		return wrong("bench: %s takes a value", word);
	default:
		return wrong("bench has no option %s", word);
	}
}

// Up to the first word that is none.
static int read_flags(struct bench_options *o, int argc, char **argv)
{
	int status = -1;
	opterr = 0;
	for (int flag; status == -1 && (flag = getopt_long(argc, argv, "+:", flags, NULL)) != -1;)
		status = read_flag(o, flag, argv[optind - 1]);
	return status;
}

// Behind a workload's name options may follow; behind a method all is the request's.
static int read_workload(struct bench_options *o, int argc, char **argv)
{
	int kind = BENCH_GET;
	while (kind < BENCH_METHOD && strcmp(argv[0], kinds[kind]) != 0)
		kind++;
	o->kind = (enum bench_kind)kind;
	o->words = argv;
	o->word_count = argc;
	if (kind == BENCH_METHOD)
		return strchr(argv[0], '.') != NULL
			   ? -1
			   : wrong("bench knows get, set, incr, mixed, pubsub, queue and methods, not %s", argv[0]);
	optind = 0;
	int status = read_flags(o, argc, argv);
	return status == -1 && optind < argc ? wrong("one workload at a time: %s is too much", argv[optind]) : status;
}

static int check(const struct bench_options *o)
{
	if (o->count > 0 && o->warmup > 0)
		return wrong("--warmup goes with --seconds, not with --count");
	if (o->connections * o->in_flight > PLACES_MAX)
		return wrong("--connections times --in-flight is at most %d", PLACES_MAX);
	bool flows = o->kind == BENCH_PUBSUB || o->kind == BENCH_QUEUE;
	if (flows && (o->warmup > 0 || o->keep || o->force))
		return wrong("--warmup, --keep and --force do not go with %s", bench_name(o));
	if (o->verify && o->kind == BENCH_METHOD)
		return wrong(
		    "--verify goes with get, set, incr and mixed: what %s must answer is not known", o->words[0]);
	return -1;
}

int bench_options_read(struct bench_options *o, int argc, char **argv)
{
	static char get[] = "get", *no_words[] = {get, NULL};
	*o = (struct bench_options){.connections = 8,
	    .in_flight = 64,
	    .seconds = 10,
	    .keys = 100000,
	    .size = 64,
	    .prefix = "bench:",
	    .read_share = 0.9,
	    .words = no_words};
	optind = 0; // glibc: begins anew
	int status = read_flags(o, argc, argv);
	if (status == -1 && optind < argc)
		status = read_workload(o, argc - optind, argv + optind);
	return status == -1 ? check(o) : status;
}
