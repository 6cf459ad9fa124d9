#include "flags.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLAG_TLS_CA = FLAG_NONE, FLAG_TLS_UNVERIFIED, FLAG_NS, FLAG_NO_COLOR, FLAG_MOST = 16 };

static const char *const outputs[] = {[OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_RAW] = "raw"};

static bool read_output(struct settings *s, const char *text)
{
	for (int i = OUTPUT_TABLE; i <= OUTPUT_RAW; i++) {
		if (strcmp(text, outputs[i]) != 0)
			continue;
		s->output = (enum output)i;
		s->output_told = true;
		return true;
	}
	return false;
}

static bool read_timeout(struct settings *s, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end != 0 || !(seconds >= 0 && seconds <= 1e9))
		return false;
	s->timeout_ms = seconds == 0 ? -1 : seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
	return true;
}

static int refuse(bool quiet, const char *what, const char *text)
{
	return quiet ? EXIT_USAGE : wrong("%s, not %.100s", what, text);
}

static int take(struct settings *s, int letter, bool quiet, int *wanted)
{
	switch (letter) {
	case 'u':
		s->url = optarg;
		break;
	case 'o':
		return read_output(s, optarg) ? FLAGS_GO_ON : refuse(quiet, "-o takes table, json or raw", optarg);
	case 't':
		return read_timeout(s, optarg) ? FLAGS_GO_ON : refuse(quiet, "-t takes seconds", optarg);
	case 'r':
		s->raw_values = true;
		break;
	case FLAG_NS:
		s->ns = optarg;
		break;
	case FLAG_TLS_CA:
		s->tls_ca_file = optarg;
		break;
	case FLAG_TLS_UNVERIFIED:
		s->tls_unverified = 1;
		break;
	case FLAG_NO_COLOR:
		s->color = false;
		break;
	case '?':
		if (!quiet)
			fputs("Try 'wherry --help'.\n", stderr);
		return EXIT_USAGE;
	default:
		*wanted = letter;
	}
	return FLAGS_GO_ON;
}

static bool wants_color(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(STDOUT_FILENO) > 0 && (no == NULL || no[0] == 0) && term != NULL && term[0] != 0 &&
	       strcmp(term, "dumb") != 0;
}

// What getopt_long() wants to know.
static void spell(char letters[2 * FLAG_MOST + 2], struct option names[FLAG_MOST + 1])
{
	*letters++ = '+';
	for (const struct flag *f = flags; f->name != NULL; f++) {
		*names++ = (struct option){f->name, f->argument != NULL, NULL, f->letter};
		if (f->letter >= FLAG_NONE)
			continue;
		*letters++ = (char)f->letter;
		if (f->argument != NULL)
			*letters++ = ':';
	}
	*letters = 0;
	*names = (struct option){0};
}

int flags_read(struct settings *s, int argc, char **argv, bool quiet, int *next, int *wanted)
{
	char letters[2 * FLAG_MOST + 2];
	struct option names[FLAG_MOST + 1];
	spell(letters, names);
	*s = (struct settings){.timeout_ms = 60000, .color = wants_color()};
	*wanted = 0;
	optind = 0;
	opterr = !quiet;
	int status = FLAGS_GO_ON;
	for (int letter; status == FLAGS_GO_ON && (letter = getopt_long(argc, argv, letters, names, NULL)) != -1;)
		status = take(s, letter, quiet, wanted);
	*next = optind;
	optind = 0; // for the subcommands' own
	opterr = 1;
	return status;
}

const struct flag flags[] = {
    {'u', "url", "URL",
	"tcp://HOST:PORT, ipc:///PATH or tls+tcp://HOST:PORT\n"
	"(WHERRY_URL; else the default socket, else tcp://127.0.0.1:1973)"},
    {'o', "output", "FORM",
	"table: for people (the default); json: in one line, nothing\n"
	"lost; raw: strings and bytes as they are, anything else as msgpack"},
    {'t', "timeout", "SECONDS", "for the answer; 0: for ever (60)"},
    {'r', "raw-values", NULL, "a VALUE is the text as it stands: no JSON, no @FILE, no -"},
    {FLAG_NS, "ns", "NAME", "the namespace to work in"},
    {FLAG_TLS_CA, "tls-ca", "FILE", "whom to trust, PEM"},
    {FLAG_TLS_UNVERIFIED, "tls-unverified", NULL, "trust anybody"},
    {FLAG_NO_COLOR, "no-color", NULL, "no colours on a terminal (also NO_COLOR, TERM=dumb)"},
    {FLAG_VERSION, "version", NULL, "print the version"},
    {FLAG_HELP, "help", NULL, "print this"},
    {FLAG_MAN, "man", NULL, "print this as a manual page, for man"},
    {0, NULL, NULL, NULL},
};
