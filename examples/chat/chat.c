// A chat room.  What is typed is published on chat.ROOM as [NAME, line]; whoever is there hears it, in one order.
//
//     chat ROOM NAME          the broker: WHERRY_URL, or tcp://127.0.0.1:1973

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wherry/messaging.h>

enum { LINE = 1000 };

// --- MessagePack, the little that is needed: short texts --------------------------------------------------------------

static size_t put_text(char *to, const char *text)
{
	size_t len = strlen(text);
	to[0] = (char)0xda; // str 16
	to[1] = (char)(len >> 8);
	to[2] = (char)len;
	memcpy(to + 3, text, len);
	return 3 + len;
}

// The text at *at, and steps behind it; NULL: there is none.
static const char *take_text(const unsigned char **at, const unsigned char *end, int *len)
{
	const unsigned char *p = *at;
	size_t left = (size_t)(end - p), head = 0, size = 0;
	if (left >= 1 && (p[0] & 0xe0) == 0xa0) {
		head = 1;
		size = p[0] & 0x1f;
	} else if (left >= 2 && p[0] == 0xd9) {
		head = 2;
		size = p[1];
	} else if (left >= 3 && p[0] == 0xda) {
		head = 3;
		size = (size_t)p[1] << 8 | p[2];
	}
	if (head == 0 || left - head < size)
		return NULL;
	*at = p + head + size;
	*len = (int)size;
	return (const char *)p + head;
}

// --- hearing, on the client's thread ----------------------------------------------------------------------------------

static void on_message(void *me, const wherry_delivery *m)
{
	const unsigned char *at = m->payload, *end = at + m->payload_len;
	int name_len = 0, line_len = 0;
	if (m->lost > 0)
		printf("(%llu lines were dropped: you read too slowly)\n", (unsigned long long)m->lost);
	if (*at++ != 0x92) // an array of two
		return;
	const char *name = take_text(&at, end, &name_len), *line = take_text(&at, end, &line_len);
	if (name == NULL || line == NULL)
		return;
	if (name_len != (int)strlen(me) || memcmp(name, me, (size_t)name_len) != 0)
		printf("%.*s: %.*s\n", name_len, name, line_len, line);
}

static void on_gap(void *me, int ended, const wherry_error *why)
{
	(void)me;
	if (ended)
		printf("(the broker sent you out: %s)\n", why->text);
	else
		printf("(you were away; what was said meanwhile is missing)\n");
}

// --- saying -----------------------------------------------------------------------------------------------------------

static int say(wherry_client *client, const char *topic, const char *name, const char *line)
{
	char params[3 * LINE];
	size_t len = 0;
	wherry_reply reply = {0};
	params[len++] = (char)0x92; // [topic, [name, line]]
	len += put_text(params + len, topic);
	params[len++] = (char)0x92;
	len += put_text(params + len, name);
	len += put_text(params + len, line);
	int status = wherry_client_call(client, "pubsub.publish", params, len, NULL, 0, &reply);
	if (status != WHERRY_OK)
		printf("(not said: %s)\n", reply.error.text);
	wherry_reply_free(&reply);
	return status;
}

static int enter(wherry_client *client, const char *topic, const char *name)
{
	const char *const filters[] = {topic};
	const wherry_subscribe_options options = {.size = sizeof(options),
	    .filters = filters,
	    .filter_count = 1,
	    .on_message = on_message,
	    .on_gap = on_gap,
	    .arg = (void *)name};
	wherry_feed *feed;
	wherry_error error;
	int status = wherry_client_subscribe(client, &options, &feed, &error);
	if (status != WHERRY_OK)
		fprintf(stderr, "chat: %s: %s\n", error.name, error.text);
	return status;
}

int main(int argc, char **argv)
{
	const char *url = getenv("WHERRY_URL");
	char topic[LINE], line[LINE];
	wherry_client *client;
	wherry_error error;
	if (argc != 3 || strlen(argv[1]) > 200 || strlen(argv[2]) > 200) {
		fprintf(stderr, "usage: chat ROOM NAME\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (wherry_client_open(url != NULL ? url : "tcp://127.0.0.1:1973", NULL, &client, &error) != WHERRY_OK) {
		fprintf(stderr, "chat: %s\n", error.text);
		return 1;
	}
	snprintf(topic, sizeof(topic), "chat.%s", argv[1]);
	if (enter(client, topic, argv[2]) != WHERRY_OK)
		return 1;
	printf("you are in %s\n", argv[1]);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		say(client, topic, argv[2], line);
	}
	wherry_client_close(client); // and the subscription with it
	return 0;
}
