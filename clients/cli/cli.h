// What the subcommands of `wherry` share: the settings that stand before them, exit statuses, complaints, answers.
// Threads: the main one, unless a file says otherwise.

#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "wherry/client.h"

enum { EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_RETRY = 75 }; // 75: EX_TEMPFAIL

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_RAW };

struct settings {
	const char *url; // NULL: WHERRY_URL, else the default socket, else the default port
	const char *tls_ca_file, *ns;
	int tls_unverified;
	int64_t timeout_ms; // for an answer; < 0: for ever
	enum output output;
	bool output_told; // -o was given
	bool raw_values;  // -r: a value is the text as it stands
	bool color;       // standard output is a terminal, and neither NO_COLOR nor --no-color says otherwise
};

// `wherry NAME ...`: argv[0] is the name.  Answers the exit status.
struct subcommand {
	const char *name, *synopsis, *summary; // "bench", "[OPTIONS]", one line
	const char *help;                      // what `wherry help NAME` says behind them; see below
	int (*run)(const struct settings *, int argc, char **argv);
};

// One table (main.c), in the order of the help; ends with a name of NULL.  Help, man page and completion come from it.
extern const struct subcommand subcommands[];
const struct subcommand *subcommand_find(const char *name); // NULL: none

// Paragraphs; options, each on a line "  -q, --quiet         what it does" or "      --rate N/s      ..."; and at the end the line
// "Examples:" with lines "  wherry ...", each of which a test runs against an empty broker.  Defined where run_NAME is.
extern const char prompt_help[], pipe_help[], help_help[], bench_help[], top_help[], completion_help[], module_help[],
    sub_help[], pub_help[], watch_help[], push_help[], pop_help[], worker_help[];

// Each stands in a file of its name.
int run_prompt(const struct settings *, int argc, char **argv);     // prompt.c; also `wherry` alone on a terminal
int run_pipe(const struct settings *, int argc, char **argv);       // pipe.c; also `wherry` alone with input
int run_help(const struct settings *, int argc, char **argv);       // help.c
int run_bench(const struct settings *, int argc, char **argv);      // bench.c
int run_top(const struct settings *, int argc, char **argv);        // top.c
int run_completion(const struct settings *, int argc, char **argv); // completion.c
int run_module(const struct settings *, int argc, char **argv);     // module.c: new, check
int run_sub(const struct settings *, int argc, char **argv);        // sub.c
int run_watch(const struct settings *, int argc, char **argv);      // watch.c
int run_pub(const struct settings *, int argc, char **argv);        // send.c
int run_push(const struct settings *, int argc, char **argv);       // send.c
int run_pop(const struct settings *, int argc, char **argv);        // pop.c
int run_worker(const struct settings *, int argc, char **argv);     // worker.c

// A sentence on standard error, "wherry: ..."; `wrong` adds where help is.  Answer the exit status.
int wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
int complain(const wherry_error *);         // "wherry: ETYPE: ..."
int complain_of_call(const wherry_error *); // of a request that was sent: says so if it may have run
int exit_status_of(const wherry_error *);
int finished(int status); // all of standard output has arrived, or it is an error

// Connects; explains on standard error if it can't and answers an exit status; 0: *client is there, to be closed.
// more: NULL, or options beyond what the settings say (url, tls, call_ms, ns are filled in).
int cli_connect(const struct settings *, const wherry_client_options *more, wherry_client **client);

// The same without a word: OK, or a code and *error.  For completion, and for what can do without a broker.
int cli_try(const struct settings *, const wherry_client_options *more, wherry_client **client, wherry_error *error);

// Where the last of them connected to, or tried to at last; empty: nowhere yet.
const char *cli_url(void);

// Prints an answer (no error) in the form that the settings ask for, with its end of line.
int print_answer(const struct settings *, const wherry_reply *, FILE *);

#endif
