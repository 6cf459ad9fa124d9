// wherry: any command of a broker, from the command line.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "complete.h"
#include "flags.h"
#include "help.h"
#include "roff.h"

// Whoever starts a program with a standard stream closed would have the connection take its place, and what is printed
// go to the broker.  What takes it here fails every read and write.
static void fill_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_PATH);
}

const struct subcommand *subcommand_find(const char *name)
{
	for (const struct subcommand *c = subcommands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int print_version(void)
{
	printf("wherry %s\n", wherry_client_version());
	return finished(EXIT_SUCCESS);
}

static int run_alone(const struct settings *s)
{
	static char prompt[] = "prompt", pipe_[] = "pipe";
	char *argv[] = {isatty(STDIN_FILENO) > 0 ? prompt : pipe_, NULL};
	return argv[0] == prompt ? run_prompt(s, 1, argv) : run_pipe(s, 1, argv);
}

// `wherry bench --help` is `wherry help bench`.
static int run_subcommand(const struct settings *s, const struct subcommand *c, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return help_of_subcommand(s, c);
	return c->run(s, argc, argv);
}

static int run(const struct settings *s, int argc, char **argv)
{
	const struct subcommand *c;
	if (argc == 0)
		return run_alone(s);
	if (strchr(argv[0], '.') != NULL)
		return command_run(s, argc, argv);
	if (strcmp(argv[0], COMPLETE_WORD) == 0)
		return complete_run(argc, argv);
	c = subcommand_find(argv[0]);
	return c != NULL ? run_subcommand(s, c, argc, argv) : help_unknown(s, argc, argv);
}

int main(int argc, char **argv)
{
	struct settings s;
	int next, wanted;
	fill_standard_streams();
	int status = flags_read(&s, argc, argv, false, &next, &wanted);
	if (status != FLAGS_GO_ON)
		return status;
	switch (wanted) {
	case FLAG_VERSION:
		return print_version();
	case FLAG_HELP:
		return help_usage();
	case FLAG_MAN:
		return roff_print();
	default:
		return run(&s, argc - next, argv + next);
	}
}

const struct subcommand subcommands[] = {
    {"help", "[METHOD|MODULE|SUBCOMMAND]", "explains one, or lists all", help_help, run_help},
    {"prompt", "", "commands at a prompt, with history and completion", prompt_help, run_prompt},
    {"pipe", "[--quiet] [FILE]", "one command a line, one answer a line", pipe_help, run_pipe},
    {"sub", "[OPTIONS] FILTER...", "messages of topics, as they come", sub_help, run_sub},
    {"pub", "TOPIC [PAYLOAD] [OPTIONS]", "publishes a message, or one a line", pub_help, run_pub},
    {"watch", "[OPTIONS] KEY...", "what becomes of keys, as it happens", watch_help, run_watch},
    {"push", "QUEUE [VALUE...] [OPTIONS]", "pushes messages to a queue, or one a line", push_help, run_push},
    {"pop", "[OPTIONS] QUEUE...", "takes messages from queues, and acknowledges what is printed", pop_help, run_pop},
    {"worker", "[OPTIONS] QUEUE... --exec CMD [ARG...]", "runs a command for each message of queues", worker_help,
	run_worker},
    {"bench", "[OPTIONS] [WORKLOAD]", "measures a broker: rates, latencies, verified counts", bench_help, run_bench},
    {"top", "[OPTIONS]", "a broker at work, live", top_help, run_top},
    {"module", "new NAME|check FILE", "begins a module, and checks one", module_help, run_module},
    {"completion", "bash|zsh|fish", "prints a script that completes words in a shell", completion_help, run_completion},
    {NULL, NULL, NULL, NULL, NULL},
};
