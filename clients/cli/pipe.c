#include "pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line.h"

enum { WORDS = 65536, ANSWER_BUFFER = 1 << 18 };
static const size_t LONGEST = 64 << 20, FRAME = 1 << 10, MOST = 1 << 30;

#define SIZE_WANTED "--%s takes a size from 1 to 1024MiB, such as 64KiB, not %.100s"

struct pipe {
	const struct settings *settings;
	bool quiet;
	const char *file; // NULL: the standard input
	size_t frame_bytes;
	struct lines lines;
	char **words;
	char *method; // of the line before, and whether its answers may be long
	bool heavy;
	struct reading reading;
	struct request request;
	struct runner *runner;
};

// --- a line into the job ------------------------------------------------------------------------------------------------

static void refuse(struct pipe *p, const wherry_error *e)
{
	struct job *j = runner_job(p->runner);
	j->bad[j->bad_count++] = (struct bad_line){.what = {p->lines.number, *e}, .before = j->count};
}

static void refuse_text(struct pipe *p, int code, const char *text)
{
	wherry_error e = {.code = code, .local = 1};
	snprintf(e.name, sizeof(e.name), "%s", wherry_status_name(code));
	snprintf(e.text, sizeof(e.text), "%s", text);
	refuse(p, &e);
}

// Those of commands that only write don't.  Lines often have the method of the line before.
static bool may_answer_much(struct pipe *p, const struct request *q)
{
	if (p->method != NULL && strcmp(p->method, q->method) == 0)
		return p->heavy || q->options.size > 0;
	const struct described *d = p->reading.catalog != NULL ? catalog_find(p->reading.catalog, q->method) : NULL;
	free(p->method);
	p->method = strdup(q->method);
	p->heavy = d == NULL || !d->writes || d->parks;
	return p->heavy || q->options.size > 0;
}

static void add_request(struct pipe *p)
{
	struct job *j = runner_job(p->runner);
	const struct request *q = &p->request;
	int status =
	    wherry_batch_add(j->batch, q->method, q->params.data, q->params.size, q->options.data, q->options.size);
	if (status != WHERRY_OK) {
		refuse_text(p, status, wherry_status_text(status));
		return;
	}
	j->lines[j->count++] = p->lines.number;
	j->bytes += q->params.size + q->options.size;
	j->heavy += may_answer_much(p, q);
}

// A command that is not known may be one that an earlier line's module brings: that has to run first.
static int read_request(struct pipe *p, int count, wherry_error *error)
{
	int status = request_read(&p->request, &p->reading, count, p->words, error);
	if (status != ASK_FAILED || error->code != WHERRY_ENOCMD || !runner_give(p->runner))
		return status;
	runner_drain(p->runner);
	return request_read(&p->request, &p->reading, count, p->words, error);
}

static void read_line(struct pipe *p, char *line, size_t len)
{
	wherry_error error;
	int count = line_split(line, len, p->words, WORDS);
	if (count == 0)
		return;
	if (count < 0) {
		refuse_text(p, WHERRY_EARG, line_split_error(count));
		return;
	}
	switch (read_request(p, count, &error)) {
	case ASK_OK:
		add_request(p);
		break;
	case ASK_USAGE:
		refuse_text(p, WHERRY_EARG, p->reading.why);
		break;
	default:
		refuse(p, &error);
	}
}

// --- all lines ----------------------------------------------------------------------------------------------------------

static bool is_empty(const struct job *j)
{
	return j->count == 0 && j->bad_count == 0;
}

// Whoever writes a line and waits for its answer gets it: nothing waits for lines that are not there yet.
static int read_all(struct pipe *p)
{
	for (;;) {
		char *line;
		size_t len;
		struct job *j = runner_job(p->runner);
		switch (lines_next(&p->lines, is_empty(j), &line, &len)) {
		case LINES_LINE:
			read_line(p, line, len);
			if (!runner_job_full(p->runner))
				continue;
			break;
		case LINES_LONG:
			refuse_text(
			    p, WHERRY_EARG, "it is longer than --max-line allows; @FILE takes a value from a file");
			if (!runner_job_full(p->runner))
				continue;
			break;
		case LINES_WAIT:
			break;
		case LINES_END:
			runner_give(p->runner);
			return EXIT_SUCCESS;
		default:
			runner_give(p->runner);
			return fail(EXIT_USAGE, "%s: %s", p->file != NULL ? p->file : "the standard input",
			    strerror(p->lines.error));
		}
		if (!runner_give(p->runner))
			return EXIT_SUCCESS;
	}
}

// --- the end ------------------------------------------------------------------------------------------------------------

static const char *with_commas(uint64_t number, char text[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *out = text;
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = 0;
	return text;
}

static void report_lost(const struct tally *t)
{
	char count[32], line[32], last[32];
	const struct mishap *first = &t->first_unanswered;
	with_commas(first->line, line);
	with_commas(t->last_line, last);
	fail(EXIT_RETRY,
	    "gave up at line %s: %s: %s. There is no answer to %s of lines %s to %s: they may have run or not. "
	    "None behind line %s was sent.",
	    line, first->error.name, first->error.text, with_commas(t->unanswered, count), line, last, last);
}

static void report_failed(const struct tally *t)
{
	char failed[32], all[32], line[32];
	const struct mishap *first = &t->first_failed;
	fail(EXIT_ERROR, "%s of %s failed; first at line %s: %s: %s", with_commas(t->failed, failed),
	    with_commas(t->done + t->failed + t->unanswered, all), with_commas(first->line, line), first->error.name,
	    first->error.text);
}

static void report_interrupted(const struct pipe *p)
{
	char line[32];
	fail(EXIT_ERROR, "interrupted: none behind line %s was sent", with_commas(p->lines.number, line));
}

static int report(const struct pipe *p, const struct tally *t)
{
	char all[32];
	if (t->failed > 0)
		report_failed(t);
	if (t->unanswered > 0)
		report_lost(t);
	else if (lines_signal() != 0)
		report_interrupted(p);
	else if (t->failed == 0 && isatty(STDERR_FILENO) > 0)
		fprintf(stderr, "wherry: %s done in %.1f s\n", with_commas(t->done, all), (double)t->ms / 1000);
	if (t->unanswered > 0)
		return EXIT_RETRY;
	return t->unreadable > 0 ? EXIT_USAGE : t->failed > 0 ? EXIT_ERROR : EXIT_SUCCESS;
}

// Whoever started the program is to know that it was ended, and not by itself.
static int end_by_signal(int status)
{
	if (lines_signal() != 0) {
		signal(lines_signal(), SIG_DFL);
		raise(lines_signal());
	}
	return status;
}

// Nothing was sent yet.
static int complain_of_start(const wherry_error *e)
{
	int status = complain(e);
	return e->code == WHERRY_ESTALE ? EXIT_RETRY : status;
}

static int run_all(struct pipe *p, wherry_client *client)
{
	wherry_error error;
	p->reading = (struct reading){
	    .client = client, .whole_catalog = true, .raw_values = p->settings->raw_values, .no_stdin = true};
	if (catalog_load(client, NULL, &p->reading.catalog, &error) != WHERRY_OK && error.local)
		return complain_of_start(&error);
	p->words = malloc(WORDS * sizeof(*p->words));
	p->runner = p->words != NULL ? runner_start(p->settings, client, p->quiet) : NULL;
	if (p->runner == NULL)
		return fail(EXIT_ERROR, "out of memory");
	lines_end_by_signals();
	int status = read_all(p);
	struct tally tally = runner_end(p->runner);
	if (tally.unwritten != 0)
		return fail(EXIT_ERROR, "standard output: %s", strerror(tally.unwritten));
	int told = report(p, &tally);
	return told == EXIT_RETRY || status == EXIT_SUCCESS ? told : status;
}

// --- options ------------------------------------------------------------------------------------------------------------

static bool read_size(const char *text, size_t *size)
{
	char *end;
	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	unsigned shift = strcmp(end, "KiB") == 0 ? 10 : strcmp(end, "MiB") == 0 ? 20 : 0;
	if (end == text || text[0] == '-' || errno != 0 || (shift == 0 && *end != 0))
		return false;
	*size = number << shift;
	return number > 0 && number <= MOST >> shift;
}

static int read_option(struct pipe *p, int letter, const char *word)
{
	switch (letter) {
	case 'q':
		p->quiet = true;
		return EXIT_SUCCESS;
	case 'm':
		return read_size(optarg, &p->lines.longest) ? EXIT_SUCCESS : wrong(SIZE_WANTED, "max-line", optarg);
	case 'f':
		return read_size(optarg, &p->frame_bytes) ? EXIT_SUCCESS : wrong(SIZE_WANTED, "frame", optarg);
	case ':':
		return wrong("pipe: %s takes a value", word);
	default:
		return wrong("pipe has no option %s", word);
	}
}

// EXIT_SUCCESS: go on.
static int read_options(struct pipe *p, int argc, char **argv)
{
	static const struct option names[] = {{"quiet", no_argument, NULL, 'q'},
	    {"max-line", required_argument, NULL, 'm'}, {"frame", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
	int status = EXIT_SUCCESS;
	p->lines.longest = LONGEST;
	p->frame_bytes = FRAME;
	opterr = 0;
	for (int letter; status == EXIT_SUCCESS && (letter = getopt_long(argc, argv, ":q", names, NULL)) != -1;)
		status = read_option(p, letter, argv[optind - 1]);
	if (status == EXIT_SUCCESS && argc - optind > 1)
		return wrong("pipe reads one file, not %d", argc - optind);
	p->file = optind < argc && strcmp(argv[optind], "-") != 0 ? argv[optind] : NULL;
	return status;
}

static void pipe_free(struct pipe *p)
{
	request_free(&p->request);
	reading_free(&p->reading);
	lines_free(&p->lines);
	free(p->words);
	free(p->method);
	if (p->file != NULL)
		close(p->lines.fd);
}

int run_pipe(const struct settings *s, int argc, char **argv)
{
	struct settings settings = *s;
	struct pipe p = {.settings = &settings};
	wherry_client *client = NULL;
	if (!s->output_told)
		settings.output = OUTPUT_JSON;
	int status = read_options(&p, argc, argv);
	if (status != EXIT_SUCCESS)
		return status;
	p.lines.fd = p.file != NULL ? open(p.file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (p.lines.fd < 0)
		return fail(EXIT_USAGE, "%s: %s", p.file, strerror(errno));
	setvbuf(stdout, NULL, _IOFBF, ANSWER_BUFFER);
	wherry_client_options more = {.once = 1, .frame_bytes = p.frame_bytes};
	status = cli_connect(s, &more, &client);
	if (status == 0)
		status = run_all(&p, client);
	wherry_client_close(client);
	pipe_free(&p);
	return end_by_signal(status);
}

const char pipe_help[] =
    "Caveats first: the lines are no transaction, and one that fails does not stop those behind it. Where\n"
    "there are many, thousands are sent before the first is answered. When the broker is lost, what was not\n"
    "answered may have run or not; nothing is sent again, and nothing more is sent.\n"
    "\n"
    "Reads commands from FILE or the standard input ('wherry < FILE' is the same), one a line, and answers each\n"
    "with a line, in the same order. Words are split as a shell splits them: '...', \"...\" and \\ quote, #\n"
    "begins a comment; there are no variables and no patterns. Empty lines and comments have no answer. Values\n"
    "and options are as on the command line, but for -, since the commands come from there.\n"
    "\n"
    "An answer is JSON, unless -o says otherwise; with -o raw, ends of line in a value stand as they are. A\n"
    "line that fails is answered by 'error: NAME: why'. If any did, the last words on standard error are how\n"
    "many, and which was the first.\n"
    "\n"
    "  -q, --quiet          no answers; errors go to standard error, with their lines' numbers\n"
    "      --max-line SIZE  longer lines are refused; at most 1024MiB (64MiB)\n"
    "      --frame SIZE     so many bytes of requests travel together (1KiB); less where answers grow so\n"
    "                       suddenly that the broker refuses them: its max_answer counts for a frame's\n"
    "\n"
    "Ctrl-C (or SIGTERM) once: what was sent is answered, and the last words say up to which line that was.\n"
    "\n"
    "Exit status: 0 all were done, 1 some failed, 2 some could not be read (the others were sent),\n"
    "75 the broker was lost, or there is none.\n"
    "\n"
    "Examples:\n"
    "  printf '%s\\n' 'kv.set a 1' 'kv.incr a 41' 'kv.get a' | wherry\n"
    "  seq -f 'kv.set key:%06g hello' 100000 | wherry pipe --quiet\n"
    "  echo \"kv.set user '{\\\"name\\\": \\\"Ada\\\"}' --ttl-ms 60000\" | wherry -o table pipe\n";
