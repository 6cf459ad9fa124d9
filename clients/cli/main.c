// wherry: any command of a broker, from the command line.

#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "described.h"
#include "value.h"
#include "where.h"

enum { EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_RETRY = 75 }; // 75: EX_TEMPFAIL

static const char help[] =
    "wherry: any command of a Wherry broker.\n"
    "\n"
    "Usage: wherry [-u URL] [-o table|json|raw] [-t SECONDS] METHOD [VALUE]... [--OPTION VALUE]...\n"
    "       wherry METHOD --help\n"
    "\n"
    "  -u, --url URL          tcp://HOST:PORT, ipc:///PATH or tls+tcp://HOST:PORT\n"
    "                         (WHERRY_URL; else the default socket, else tcp://127.0.0.1:1973)\n"
    "  -o, --output FORM      table: for people (the default); json: in one line, nothing lost;\n"
    "                         raw: strings and bytes as they are, anything else as msgpack\n"
    "  -t, --timeout SECONDS  for the answer; 0: for ever (60)\n"
    "      --tls-ca FILE      whom to trust, PEM\n"
    "      --tls-unverified   trust anybody\n"
    "  -V, --version          print the version\n"
    "  -h, --help             print this\n"
    "\n"
    "A VALUE is JSON where it parses as JSON, else it is the text itself: 12 is a number, \"12\" in\n"
    "quotes and twelve are text. @FILE and - are the bytes of a file and of the standard input; @@x is\n"
    "the text @x. What JSON has no form for:\n"
    "  {\"$bin\": BASE64}  {\"$tuple\": [...]}  {\"$time\": \"2026-01-31T12:00:00Z\"}\n"
    "  {\"$ext\": [TYPE, BASE64]}  {\"$map\": [[KEY, VALUE], ...]}  {\"$real\": \"nan\"}\n"
    "An OPTION that is yes or no stands alone: --nx. Every command takes --ns NAME, the namespace.\n"
    "After -- all is values.\n"
    "\n"
    "Examples:\n"
    "  wherry kv.set greeting hello\n"
    "  wherry kv.set session '{\"user\": 7}' --ttl-ms 60000\n"
    "  wherry kv.get greeting\n"
    "  wherry kv.set photo @photo.jpg; wherry -o raw kv.get photo >copy.jpg\n"
    "  wherry sys.commands\n"
    "\n"
    "Exit status: 0 done, 1 the broker answered an error or was lost meanwhile, 2 wrong usage,\n"
    "75 try again: no broker answers, EAGAIN or ETIMEOUT.\n";

enum output { TABLE, JSON, RAW };

struct settings {
	struct where where;
	enum output output;
	const char *method;
	int count; // of what follows it
	char **args;
};

// --- flags ------------------------------------------------------------------------------------------------------------

enum { FLAG_TLS_CA = 256, FLAG_TLS_UNVERIFIED };

static const struct option flags[] = {
    {"url", required_argument, NULL, 'u'},
    {"output", required_argument, NULL, 'o'},
    {"timeout", required_argument, NULL, 't'},
    {"tls-ca", required_argument, NULL, FLAG_TLS_CA},
    {"tls-unverified", no_argument, NULL, FLAG_TLS_UNVERIFIED},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int wrong(const char *what, const char *about)
{
	fprintf(stderr, "wherry: %s%s\nTry 'wherry --help'.\n", what, about);
	return EXIT_USAGE;
}

// Everything written to standard output has arrived, or it is an error.
static int finished(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	perror("wherry: standard output");
	return EXIT_ERROR;
}

static int read_output(const char *text, enum output *output)
{
	static const char *const names[] = {[TABLE] = "table", [JSON] = "json", [RAW] = "raw"};
	for (int i = TABLE; i <= RAW; i++) {
		if (strcmp(text, names[i]) == 0) {
			*output = (enum output)i;
			return -1;
		}
	}
	return wrong("-o takes table, json or raw, not ", text);
}

static int read_timeout(const char *text, int64_t *timeout_ms)
{
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end != 0 || !(seconds >= 0 && seconds <= 1e9))
		return wrong("-t takes seconds, not ", text);
	*timeout_ms = seconds == 0 ? -1 : seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
	return -1;
}

// Each of these answers an exit status, or -1: go on.
static int read_flag(struct settings *s, int flag)
{
	switch (flag) {
	case 'u':
		s->where.url = optarg;
		return -1;
	case 'o':
		return read_output(optarg, &s->output);
	case 't':
		return read_timeout(optarg, &s->where.timeout_ms);
	case FLAG_TLS_CA:
		s->where.tls_ca_file = optarg;
		return -1;
	case FLAG_TLS_UNVERIFIED:
		s->where.tls_unverified = 1;
		return -1;
	case 'V':
		printf("wherry %s\n", wherry_client_version());
		return finished(EXIT_SUCCESS);
	case 'h':
		fputs(help, stdout);
		return finished(EXIT_SUCCESS);
	default:
		fputs("Try 'wherry --help'.\n", stderr);
		return EXIT_USAGE;
	}
}

static int read_settings(struct settings *s, int argc, char **argv)
{
	*s = (struct settings){.where = {.timeout_ms = 60000}};
	for (int flag; (flag = getopt_long(argc, argv, "+u:o:t:Vh", flags, NULL)) != -1;) {
		int status = read_flag(s, flag);
		if (status != -1)
			return status;
	}
	if (optind == argc)
		return wrong("no method: what is to be done?", "");
	s->method = argv[optind];
	s->count = argc - optind - 1;
	s->args = argv + optind + 1;
	return -1;
}

// --- answers ----------------------------------------------------------------------------------------------------------

static int exit_status(const wherry_error *e)
{
	if (e->code == WHERRY_EAGAIN || e->code == WHERRY_ETIMEOUT)
		return EXIT_RETRY;
	return e->local && e->code == WHERRY_EARG ? EXIT_USAGE : EXIT_ERROR;
}

static int complain(const wherry_error *e, const char *more)
{
	fprintf(stderr, "wherry: %s: %s%s\n", e->name, e->text, more);
	return exit_status(e);
}

// Of a request that was sent.
static int complain_of_call(const wherry_error *e)
{
	bool unanswered =
	    e->local && (e->code == WHERRY_ESTALE || e->code == WHERRY_ECORRUPT || e->code == WHERRY_ETIMEOUT);
	return complain(e, unanswered ? "; whether the command ran is not known" : "");
}

static void write_answer(const struct settings *s, const msgpack_object *o)
{
	if (s->output == TABLE) {
		value_for_people(o, stdout, isatty(STDOUT_FILENO) != 0);
		return;
	}
	value_as_json(o, stdout);
	fputc('\n', stdout);
}

static int print_answer(const struct settings *s, const wherry_reply *r)
{
	msgpack_unpacked u;
	if (s->output == RAW) {
		value_raw(r->result, r->result_len, stdout);
		return finished(EXIT_SUCCESS);
	}
	msgpack_unpacked_init(&u);
	bool read = msgpack_unpack_next(&u, r->result, r->result_len, NULL) == MSGPACK_UNPACK_SUCCESS;
	if (read)
		write_answer(s, &u.data);
	msgpack_unpacked_destroy(&u);
	if (read)
		return finished(EXIT_SUCCESS);
	fputs("wherry: the answer nests too deeply to be shown; -o raw writes it as it is\n", stderr);
	return EXIT_ERROR;
}

// --- the story --------------------------------------------------------------------------------------------------------

static int call(const struct settings *s, wherry_client *client, struct request *q)
{
	wherry_reply reply = {0};
	int failed = wherry_client_call(
	    client, q->method, q->params.data, q->params.size, q->options.data, q->options.size, &reply);
	int status = failed == WHERRY_OK ? print_answer(s, &reply) : complain_of_call(&reply.error);
	wherry_reply_free(&reply);
	return status;
}

static int ask(const struct settings *s, wherry_client *client)
{
	struct request q;
	wherry_error error;
	int status = request_read(&q, client, s->method, s->count, s->args, &error);
	if (status == ASK_OK)
		status = call(s, client, &q);
	else
		status = status == ASK_USAGE ? EXIT_USAGE : complain(&error, "");
	request_free(&q);
	return status;
}

static int explain(const struct settings *s, wherry_client *client)
{
	struct described *d;
	wherry_error error;
	if (describe(client, s->method, &d, &error) != WHERRY_OK)
		return complain(&error, "");
	described_print(d, stdout);
	described_free(d);
	return finished(EXIT_SUCCESS);
}

static bool wants_help(const struct settings *s)
{
	for (int i = 0; i < s->count && strcmp(s->args[i], "--") != 0; i++)
		if (strcmp(s->args[i], "--help") == 0)
			return true;
	return false;
}

// Whoever starts a program with a standard stream closed would have the connection take its place, and what is printed
// go to the broker.  What takes it here fails every read and write.
static void fill_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_PATH);
}

int main(int argc, char **argv)
{
	struct settings s;
	wherry_client *client;
	fill_standard_streams();
	int status = read_settings(&s, argc, argv);
	if (status != -1)
		return status;
	status = where_connect(&s.where, &client);
	if (status != WHERRY_OK)
		return status == WHERRY_EARG ? EXIT_USAGE : EXIT_RETRY;
	status = wants_help(&s) ? explain(&s, client) : ask(&s, client);
	wherry_client_close(client);
	return status;
}
