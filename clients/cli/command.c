#include "command.h"

#include <stdlib.h>
#include <string.h>

#include "ask.h"

static int call(const struct settings *s, wherry_client *client, const struct request *q)
{
	wherry_reply reply = {0};
	int failed = wherry_client_call(
	    client, q->method, q->params.data, q->params.size, q->options.data, q->options.size, &reply);
	int status = failed == WHERRY_OK ? finished(print_answer(s, &reply, stdout)) : complain_of_call(&reply.error);
	wherry_reply_free(&reply);
	return status;
}

static int ask(const struct settings *s, wherry_client *client, int count, char **words)
{
	struct reading r = {.client = client, .raw_values = s->raw_values};
	struct request q = {0};
	wherry_error error;
	int status = request_read(&q, &r, count, words, &error);
	if (status == ASK_OK)
		status = call(s, client, &q);
	else
		status = status == ASK_USAGE ? fail(EXIT_USAGE, "%s", r.why) : complain(&error);
	request_free(&q);
	reading_free(&r);
	return status;
}

static int explain(wherry_client *client, const char *method)
{
	struct catalog *c;
	wherry_error error;
	if (catalog_load(client, method, &c, &error) != WHERRY_OK)
		return complain(&error);
	const struct described *d = catalog_find(c, method);
	if (d != NULL)
		described_brief(d, stdout);
	catalog_free(c);
	return d != NULL ? finished(EXIT_SUCCESS) : fail(EXIT_ERROR, "%s is no command", method);
}

static bool wants_help(int count, char **words)
{
	for (int i = 1; i < count && strcmp(words[i], "--") != 0; i++)
		if (strcmp(words[i], "--help") == 0)
			return true;
	return false;
}

int command_run(const struct settings *s, int count, char **words)
{
	wherry_client *client;
	wherry_client_options more = {.once = 1}; // a lost broker is told, not waited for
	int status = cli_connect(s, &more, &client);
	if (status != 0)
		return status;
	status = wants_help(count, words) ? explain(client, words[0]) : ask(s, client, count, words);
	wherry_client_close(client);
	return status;
}
