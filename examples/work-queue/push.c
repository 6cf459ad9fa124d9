// Puts each line that it reads into the queue "lines".
//
//     push < FILE             the broker: WHERRY_URL, or tcp://127.0.0.1:1973

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wherry/client.h>

enum { LINE = 4096, TOGETHER = 1000 };

static wherry_client *client;

// ["lines", line]
static void add(wherry_batch *batch, const char *line)
{
	static const char head[] = "\x92\xa5lines\xda";
	char params[sizeof(head) + 2 + LINE];
	size_t len = strlen(line);
	memcpy(params, head, sizeof(head) - 1);
	params[8] = (char)(len >> 8);
	params[9] = (char)len;
	memcpy(params + 10, line, len);
	wherry_batch_add(batch, "queue.push", params, 10 + len, NULL, 0);
}

// A full queue, a broker that is away: which of them were pushed, each answer says.
static int send_all(wherry_batch *batch)
{
	wherry_error error;
	wherry_reply reply = {0};
	int failed = 0;
	wherry_client_run(client, batch, &error);
	for (size_t i = 0; i < wherry_batch_count(batch); i++)
		failed += wherry_batch_answer(batch, i, &reply) != WHERRY_OK;
	if (failed > 0)
		fprintf(stderr, "push: %d failed; the last one: %s\n", failed, reply.error.text);
	wherry_batch_clear(batch);
	return failed;
}

int main(void)
{
	const char *url = getenv("WHERRY_URL");
	char line[LINE];
	int count = 0, failed = 0;
	wherry_error error;
	if (wherry_client_open(url != NULL ? url : "tcp://127.0.0.1:1973", NULL, &client, &error) != WHERRY_OK) {
		fprintf(stderr, "push: %s\n", error.text);
		return 1;
	}
	wherry_batch *batch = wherry_batch_new();
	for (; fgets(line, sizeof(line), stdin) != NULL; count++) {
		line[strcspn(line, "\n")] = 0;
		add(batch, line);
		if (wherry_batch_count(batch) == TOGETHER)
			failed += send_all(batch);
	}
	failed += send_all(batch);
	printf("pushed %d lines\n", count - failed);
	wherry_batch_free(batch);
	wherry_client_close(client);
	return failed > 0;
}
