// `wherry pub` and `wherry push`: one message, which is the broker's own command, or one a line of the standard input.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "command.h"
#include "value.h"

const char pub_help[] =
    "Publishes a message and prints how many subscriptions it went to. With --lines, each line of the\n"
    "standard input is one, as text; how many were published is printed in the end. The options are\n"
    "those of pubsub.publish ('wherry help pubsub.publish').\n"
    "\n"
    "      --retain            kept as the topic's last message, for those who come later\n"
    "      --ttl-ms N          kept for so long\n"
    "      --headers JSON      an object\n"
    "      --require N         an error, and nothing is sent, if fewer listen\n"
    "      --lines             one message a line of the standard input\n"
    "      --json              the same, and each line is JSON\n"
    "\n"
    "Examples:\n"
    "  wherry pub news.local 'the fair opens at ten'\n"
    "  wherry pub --retain lamp.kitchen '{\"on\": true}'\n"
    "  printf 'one\\ntwo\\n' | wherry pub news.local --lines\n";

const char push_help[] =
    "Pushes messages to a queue and prints their ids. With --lines, each line of the standard input is\n"
    "one, as text; how many were pushed is printed in the end. The options are those of queue.push\n"
    "('wherry help queue.push').\n"
    "\n"
    "      --priority N        9 comes first, 0 last (4)\n"
    "      --delay-ms N        not before\n"
    "      --ttl-ms N          not after\n"
    "      --dedup ID          one with the same id within the queue's window is the same message\n"
    "      --headers JSON      an object\n"
    "      --lines             one message a line of the standard input\n"
    "      --json              the same, and each line is JSON\n"
    "\n"
    "Examples:\n"
    "  wherry push mail '{\"to\": \"ada\"}' --priority 7\n"
    "  seq 3 | wherry push numbers --json\n";

enum { BATCH = 1000, BATCH_BYTES = 1 << 18, TELL_S = 1 };

struct sending {
	const struct settings *settings;
	wherry_client *client;
	const char *method, *done; // "published"
	bool json;
	struct request like; // each is like it, but for the value, which is nil here and stands last
	wherry_batch *batch;
	msgpack_sbuffer params;
	size_t bytes;
	uint64_t lines, batch_line; // read; before the batch's first one
	uint64_t sent, failed, first_failed;
	wherry_error first;
	time_t told;
};

static void note_failure(struct sending *s, uint64_t line, const wherry_error *error)
{
	if (s->failed++ > 0)
		return;
	s->first_failed = line;
	s->first = *error;
}

static void tell_progress(struct sending *s)
{
	time_t now = time(NULL);
	if (now - s->told < TELL_S || isatty(STDERR_FILENO) <= 0)
		return;
	s->told = now;
	fprintf(stderr, "\r\033[K%llu %s", (unsigned long long)s->sent, s->done);
}

// Answers the error that ends it all: the connection's.
static int run_batch(struct sending *s, wherry_error *error)
{
	size_t count = wherry_batch_count(s->batch);
	int status = count > 0 ? wherry_client_run(s->client, s->batch, error) : WHERRY_OK;
	for (size_t i = 0; i < count; i++) {
		wherry_reply reply;
		if (wherry_batch_answer(s->batch, i, &reply) == WHERRY_OK)
			s->sent++;
		else
			note_failure(s, s->batch_line + i + 1, &reply.error);
	}
	wherry_batch_clear(s->batch);
	s->batch_line = s->lines;
	s->bytes = 0;
	tell_progress(s);
	return status;
}

static bool pack_json(const char *line, size_t len, msgpack_packer *pack, char *why)
{
	json_error_t fault;
	json_t *value = json_loadb(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
	bool read = value != NULL && value_from_json(value, pack, why);
	if (value == NULL)
		snprintf(why, VALUE_WHY, "it is no JSON: %.100s", fault.text);
	json_decref(value);
	return read;
}

static bool pack_line(struct sending *s, const char *line, size_t len, char *why)
{
	msgpack_packer pack;
	msgpack_packer_init(&pack, &s->params, msgpack_sbuffer_write);
	msgpack_sbuffer_clear(&s->params);
	msgpack_sbuffer_write(&s->params, s->like.params.data, s->like.params.size - 1);
	if (s->json)
		return pack_json(line, len, &pack, why);
	msgpack_pack_str(&pack, len);
	msgpack_pack_str_body(&pack, line, len);
	return true;
}

static int own_error(wherry_error *error, int code, const char *text)
{
	*error = (wherry_error){.code = code, .local = 1};
	snprintf(error->name, sizeof(error->name), "%s", wherry_status_name(code));
	snprintf(error->text, sizeof(error->text), "%s", text);
	return code;
}

static int add_line(struct sending *s, const char *line, size_t len, wherry_error *error)
{
	char why[VALUE_WHY];
	s->lines++;
	if (!pack_line(s, line, len, why)) {
		wherry_error bad;
		own_error(&bad, WHERRY_EARG, why);
		int status = run_batch(s, error); // what stands before it
		note_failure(s, s->lines, &bad);
		return status;
	}
	int status = wherry_batch_add(
	    s->batch, s->method, s->params.data, s->params.size, s->like.options.data, s->like.options.size);
	if (status != WHERRY_OK)
		return own_error(error, status, wherry_status_text(status));
	s->bytes += s->params.size;
	return wherry_batch_count(s->batch) < BATCH && s->bytes < BATCH_BYTES ? WHERRY_OK : run_batch(s, error);
}

static int send_lines(struct sending *s, wherry_error *error)
{
	char *line = NULL;
	size_t room = 0;
	int status = WHERRY_OK;
	for (ssize_t len; status == WHERRY_OK && (len = getline(&line, &room, stdin)) >= 0;) {
		if (len > 0 && line[len - 1] == '\n')
			len--;
		status = add_line(s, line, (size_t)len, error);
	}
	free(line);
	return status == WHERRY_OK ? run_batch(s, error) : status;
}

static int report(struct sending *s, int status, const wherry_error *error)
{
	if (isatty(STDERR_FILENO) > 0)
		fputs("\r\033[K", stderr);
	printf(s->settings->output == OUTPUT_JSON ? "{\"%s\": %llu, \"failed\": %llu}\n" : "%s %llu, failed %llu\n",
	    s->done, (unsigned long long)s->sent, (unsigned long long)s->failed);
	if (status != WHERRY_OK)
		return complain_of_call(error);
	if (s->failed > 0)
		return fail(EXIT_ERROR, "%llu of %llu failed; first at line %llu: %s: %s",
		    (unsigned long long)s->failed, (unsigned long long)s->lines, (unsigned long long)s->first_failed,
		    s->first.name, s->first.text);
	return finished(ferror(stdin) ? fail(EXIT_ERROR, "standard input: %s", strerror(errno)) : EXIT_SUCCESS);
}

// What the words say of every message: read as a request of one, with nothing in the place of the value.
static int read_words(struct sending *s, int count, char **words)
{
	static char nothing[] = "null";
	struct reading r = {.client = s->client};
	wherry_error error;
	char **all = calloc((size_t)count + 2, sizeof(*all));
	if (all == NULL)
		return fail(EXIT_ERROR, "out of memory");
	memcpy(all, words, (size_t)count * sizeof(*all));
	all[count] = nothing;
	int status = request_read(&s->like, &r, count + 1, all, &error);
	if (status != ASK_OK)
		status = status == ASK_USAGE ? fail(EXIT_USAGE, "%s", r.why) : complain(&error);
	else if (r.value_count != 2)
		status = wrong("with --lines there is a name, and no value: those are the lines");
	reading_free(&r);
	free(all);
	return status;
}

static int run_lines(struct sending *s, int count, char **words)
{
	wherry_client_options more = {.once = 1};
	wherry_error error;
	int status = cli_connect(s->settings, &more, &s->client);
	if (status != 0)
		return status;
	status = read_words(s, count, words);
	s->batch = wherry_batch_new();
	if (status == 0 && s->batch == NULL)
		status = fail(EXIT_ERROR, "out of memory");
	if (status == 0) {
		int ended = send_lines(s, &error);
		status = report(s, ended, &error);
	}
	wherry_batch_free(s->batch);
	request_free(&s->like);
	wherry_client_close(s->client);
	return status;
}

// Takes a word out of them; false: it is not there.
static bool take_word(int *count, char **words, const char *word)
{
	int i = 1;
	while (i < *count && strcmp(words[i], word) != 0)
		i++;
	if (i == *count)
		return false;
	memmove(words + i, words + i + 1, (size_t)(*count - i - 1) * sizeof(*words));
	--*count;
	return true;
}

static int run(const struct settings *s, const char *method, const char *done, int argc, char **argv)
{
	static char buffer[32];
	struct sending sending = {.settings = s, .method = method, .done = done};
	snprintf(buffer, sizeof(buffer), "%s", method);
	argv[0] = buffer;
	sending.json = take_word(&argc, argv, "--json");
	if (!take_word(&argc, argv, "--lines") && !sending.json)
		return command_run(s, argc, argv);
	msgpack_sbuffer_init(&sending.params);
	int status = run_lines(&sending, argc, argv);
	msgpack_sbuffer_destroy(&sending.params);
	return status;
}

int run_pub(const struct settings *s, int argc, char **argv)
{
	return run(s, "pubsub.publish", "published", argc, argv);
}

int run_push(const struct settings *s, int argc, char **argv)
{
	return run(s, "queue.push", "pushed", argc, argv);
}
