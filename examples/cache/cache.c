// A cache in this process of keys in the broker.  A key is asked for once; from then on a watch keeps it right, so a look
// costs no round trip and is never older than what the watch has told.
//
//     cache PATTERN           the broker: WHERRY_URL, or tcp://127.0.0.1:1973
//
// It reads a key a line and says its value, and tells of changes as they come.
//
// Two things make it right.  An answer and an event may overtake one another: the higher revision wins.  And after a lost
// connection nothing that was known can be trusted: it is forgotten, answers that were under way along with it.

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wherry/messaging.h>

enum { KEYS = 1024, KEY = 128, VALUE = 1024 };

static struct entry {
	char key[KEY], value[VALUE]; // value "": it is not there
	uint64_t revision;
	bool known; // else it is being asked for
} entries[KEYS];
static size_t count;
static uint64_t generation; // how often all was forgotten
static bool watched = true;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// --- the cache, under the lock ----------------------------------------------------------------------------------------

static struct entry *find(const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(entries[i].key, key) == 0)
			return &entries[i];
	return NULL;
}

// A place for it before it is asked for, so that no event is passed over meanwhile.
static void place(const char *key)
{
	if (!watched || count == KEYS || find(key) != NULL)
		return; // it is asked for each time
	entries[count] = (struct entry){.known = false};
	snprintf(entries[count++].key, KEY, "%s", key);
}

static void learn(struct entry *e, const char *value, uint64_t revision)
{
	if (e == NULL || revision < e->revision)
		return;
	snprintf(e->value, sizeof(e->value), "%s", value);
	e->revision = revision;
	e->known = true;
}

// --- MessagePack, the little that is needed: texts --------------------------------------------------------------------

// Into room[size]; "" of nil.  Answers how many bytes it took; 0: it is no text.
static size_t read_text(const unsigned char *p, char *room, size_t size)
{
	size_t head = p[0] == 0xd9 ? 2 : p[0] == 0xda ? 3 : 1;
	size_t text = p[0] == 0xd9 ? p[1] : p[0] == 0xda ? (size_t)p[1] << 8 | p[2] : p[0] & 0x1fu;
	bool nil = p[0] == 0xc0, is = p[0] == 0xd9 || p[0] == 0xda || (p[0] & 0xe0) == 0xa0;
	snprintf(room, size, "%.*s", is ? (int)text : nil ? 0 : 10, is ? (const char *)p + head : "(not text)");
	return nil ? 1 : is ? head + text : 0;
}

static uint64_t read_number(const unsigned char *p)
{
	unsigned width = p[0] >= 0xcc && p[0] <= 0xcf ? 1u << (p[0] - 0xcc) : 0;
	uint64_t number = width == 0 ? p[0] : 0;
	for (unsigned i = 1; i <= width; i++)
		number = number << 8 | p[i];
	return number;
}

// --- what the watch tells, on the client's thread ---------------------------------------------------------------------

static void on_event(void *arg, const wherry_event *e)
{
	char key[KEY], value[VALUE];
	(void)arg;
	read_text(e->key, key, sizeof(key));
	read_text(e->value, value, sizeof(value));
	pthread_mutex_lock(&lock);
	struct entry *kept = find(key);
	bool known = kept != NULL && kept->known;
	learn(kept, value, e->revision);
	pthread_mutex_unlock(&lock);
	if (known)
		printf("%s %s\n", key, value[0] != 0 ? "changed" : "went");
}

static void on_gap(void *arg, int ended, const wherry_error *why)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	count = 0;
	generation++;
	watched = !ended;
	pthread_mutex_unlock(&lock);
	printf("(forgot everything: %s)\n", why->text);
}

// --- looking ----------------------------------------------------------------------------------------------------------

// Asks the broker: [value, revision, ...], or nil.
static bool ask(wherry_client *client, const char *key, char *value)
{
	char params[KEY + 8] = {(char)0x91, (char)0xd9, (char)strlen(key)};
	wherry_reply reply = {0};
	uint64_t revision = 0, before;
	pthread_mutex_lock(&lock);
	before = generation;
	place(key);
	pthread_mutex_unlock(&lock);
	memcpy(params + 3, key, strlen(key));
	bool asked = wherry_client_call(client, "kv.entry", params, 3 + strlen(key), NULL, 0, &reply) == WHERRY_OK;
	const unsigned char *at = reply.result;
	size_t took = asked ? read_text(at[0] == 0x93 ? at + 1 : at, value, VALUE) : 0;
	if (asked && at[0] == 0x93 && took > 0)
		revision = read_number(at + 1 + took);
	pthread_mutex_lock(&lock);
	if (took > 0 && before == generation)
		learn(find(key), value, revision);
	pthread_mutex_unlock(&lock);
	if (!asked)
		printf("%s: %s\n", key, reply.error.text);
	wherry_reply_free(&reply);
	return asked;
}

static void look(wherry_client *client, const char *key)
{
	char value[VALUE] = "";
	pthread_mutex_lock(&lock);
	struct entry *e = find(key);
	bool here = e != NULL && e->known;
	if (here)
		memcpy(value, e->value, sizeof(value));
	pthread_mutex_unlock(&lock);
	if (here || ask(client, key, value))
		printf("%s = %s (%s)\n", key, value[0] != 0 ? value : "nothing", here ? "cached" : "asked");
}

static int watch(wherry_client *client, const char *pattern, wherry_error *error)
{
	char keys[KEY + 8] = {(char)0x91, (char)0xd9, (char)strlen(pattern)};
	memcpy(keys + 3, pattern, strlen(pattern));
	const wherry_watch_options options = {.size = sizeof(options),
	    .keys = keys,
	    .keys_len = 3 + strlen(pattern),
	    .on_event = on_event,
	    .on_gap = on_gap};
	wherry_feed *feed;
	return wherry_client_watch(client, &options, &feed, error);
}

int main(int argc, char **argv)
{
	const char *url = getenv("WHERRY_URL");
	char key[KEY];
	wherry_client *client;
	wherry_error error;
	if (argc != 2 || strlen(argv[1]) >= KEY) {
		fprintf(stderr, "usage: cache PATTERN\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (wherry_client_open(url != NULL ? url : "tcp://127.0.0.1:1973", NULL, &client, &error) != WHERRY_OK ||
	    watch(client, argv[1], &error) != WHERRY_OK) {
		fprintf(stderr, "cache: %s\n", error.text);
		return 1;
	}
	while (fgets(key, sizeof(key), stdin) != NULL) {
		key[strcspn(key, "\n")] = 0;
		look(client, key);
	}
	wherry_client_close(client); // and the watch with it
	return 0;
}
