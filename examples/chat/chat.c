// A chat, as chat.py: those who use one hear those who use the other.
//
//     chat ROOM NAME          the broker: WHERRY_URL, or tcp://127.0.0.1:1973
//
// What is said is published on room.ROOM.say as {"from": NAME, "text": line}.  Who is there is a retained message on
// room.ROOM.here.NAME, so that whoever comes later is told; a will takes it away when a connection ends without a word.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wherry/messaging.h>

enum { LINE = 1000, TOPIC = 500 };

struct chat {
	wherry_client *client;
	char say[TOPIC], here[TOPIC], everybody[TOPIC];
	const char *name;
};

// --- MessagePack, the little that is needed: short texts --------------------------------------------------------------

static size_t put_text(char *to, const char *text)
{
	size_t len = strlen(text), head = len < 32 ? 1 : 3;
	to[0] = (char)(len < 32 ? 0xa0 | len : 0xda);
	if (head == 3) {
		to[1] = (char)(len >> 8);
		to[2] = (char)len;
	}
	memcpy(to + head, text, len);
	return head + len;
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

// {"from": name, "text": line}, in any order.
static void show_line(const unsigned char *at, const unsigned char *end)
{
	const char *name = "?", *text = "";
	int name_len = 1, text_len = 0;
	if (at == end || *at++ != 0x82)
		return;
	for (int i = 0; i < 2; i++) {
		int key_len, value_len;
		const char *key = take_text(&at, end, &key_len), *value = take_text(&at, end, &value_len);
		if (key == NULL || value == NULL)
			return;
		bool from = key_len == 4 && memcmp(key, "from", 4) == 0;
		*(from ? &name : &text) = value;
		*(from ? &name_len : &text_len) = value_len;
	}
	printf("%.*s: %.*s\n", name_len, name, text_len, text);
}

static void on_message(void *arg, const wherry_delivery *m)
{
	const struct chat *chat = arg;
	const unsigned char *payload = m->payload;
	size_t say = strlen(chat->say), before = strlen(chat->everybody) - 1;
	if (m->lost > 0)
		printf("* %llu were dropped: you read too slowly\n", (unsigned long long)m->lost);
	if (m->topic_len == say && memcmp(m->topic, chat->say, say) == 0)
		show_line(payload, payload + m->payload_len);
	else
		printf("* %.*s is %s\n", (int)(m->topic_len - before), m->topic + before,
		    payload[0] == 0xa0 ? "gone" : "here");
}

static void ignore(void *arg, const wherry_reply *reply)
{
	(void)arg;
	(void)reply;
}

// ["topic", "text"] {"retain": true}, sent without waiting: callbacks may do that, too.
static void send_here(struct chat *chat, const char *method, const char *text)
{
	char params[2 * TOPIC + 8] = {(char)0x92};
	size_t len = 1 + put_text(params + 1, chat->here);
	len += put_text(params + len, text);
	const wherry_request request = {.size = sizeof(request),
	    .method = method,
	    .params = params,
	    .params_len = len,
	    .options = "\x81\xa6retain\xc3",
	    .options_len = 9};
	wherry_client_send(chat->client, &request, ignore, NULL);
}

static void enter(struct chat *chat)
{
	send_here(chat, "session.will", "");
	send_here(chat, "pubsub.publish", "here");
}

// The session of before has ended, and its will was carried out.
static void on_gap(void *arg, int ended, const wherry_error *why)
{
	printf("* %s (%s)\n", ended ? "the room is closed" : "you may have missed something", why->text);
	if (!ended)
		enter(arg);
}

// --- saying -----------------------------------------------------------------------------------------------------------

static void say(struct chat *chat, const char *line)
{
	char params[2 * TOPIC + LINE + 64] = {(char)0x92};
	wherry_reply reply = {0};
	size_t len = 1 + put_text(params + 1, chat->say);
	params[len++] = (char)0x82;
	len += put_text(params + len, "from");
	len += put_text(params + len, chat->name);
	len += put_text(params + len, "text");
	len += put_text(params + len, line);
	if (wherry_client_call(chat->client, "pubsub.publish", params, len, NULL, 0, &reply) != WHERRY_OK)
		printf("* not said: %s\n", reply.error.text);
	wherry_reply_free(&reply);
}

static int listen_to(struct chat *chat, wherry_error *error)
{
	const char *const filters[] = {chat->say, chat->everybody};
	const wherry_subscribe_options options = {.size = sizeof(options),
	    .flags = WHERRY_RETAINED,
	    .filters = filters,
	    .filter_count = 2,
	    .on_message = on_message,
	    .on_gap = on_gap,
	    .arg = chat};
	wherry_feed *feed;
	return wherry_client_subscribe(chat->client, &options, &feed, error);
}

static int open_chat(struct chat *chat, const char *room, const char *name)
{
	const char *url = getenv("WHERRY_URL");
	wherry_error error;
	chat->name = name;
	snprintf(chat->say, TOPIC, "room.%s.say", room);
	snprintf(chat->everybody, TOPIC, "room.%s.here.*", room);
	snprintf(chat->here, TOPIC, "room.%s.here.%s", room, name);
	int status = wherry_client_open(url != NULL ? url : "tcp://127.0.0.1:1973", NULL, &chat->client, &error);
	if (status == WHERRY_OK)
		status = listen_to(chat, &error);
	if (status != WHERRY_OK)
		fprintf(stderr, "chat: %s\n", error.text);
	return status;
}

int main(int argc, char **argv)
{
	static struct chat chat;
	char line[LINE];
	if (argc != 3 || strlen(argv[1]) > 200 || strlen(argv[2]) > 200) {
		fprintf(stderr, "usage: chat ROOM NAME\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (open_chat(&chat, argv[1], argv[2]) != WHERRY_OK)
		return 1;
	enter(&chat);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		say(&chat, line);
	}
	send_here(&chat, "pubsub.publish", "");
	wherry_client_settle(chat.client, 5000);
	wherry_client_close(chat.client); // and the subscription with it
	return 0;
}
