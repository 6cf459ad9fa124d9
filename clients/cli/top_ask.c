// Asks the broker for samples, without ever waiting for it.

#include "top.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

enum { BACKOFF_MAX_MS = 1000 };

// One of the two answers.
struct answer {
	struct asker *asker;
	void *bytes;
	size_t len;
	uint64_t came_ns;
};

struct asker {
	wherry_client *client;
	int wake;
	pthread_mutex_t lock; // guards the rest
	struct answer stats, info;
	int64_t timeout_ms; // set while nothing is under way
	unsigned waiting;   // answers that are to come
	bool complete;      // nobody has taken what came
	bool no_buckets;    // the broker knows no such option
	bool lost;
	char failed[TOP_WHY], why[TOP_WHY]; // why the sample could not be had; why the connection was lost
};

static void ask_stats(struct asker *, bool buckets);

static void wake(const struct asker *a)
{
	uint64_t one = 1;
	if (write(a->wake, &one, sizeof(one)) < 0)
		return; // it is full: awake as it is
}

static void say(char to[TOP_WHY], const wherry_error *e)
{
	char text[TOP_WHY - 30];
	copy_tame(text, sizeof(text), e->text);
	snprintf(to, TOP_WHY, "%s: %s", e->name, text);
}

static bool keep(struct answer *answer, const wherry_reply *reply)
{
	answer->bytes = malloc(reply->result_len + 1);
	answer->len = reply->result_len;
	answer->came_ns = bench_clock();
	if (answer->bytes != NULL)
		memcpy(answer->bytes, reply->result, reply->result_len);
	return answer->bytes != NULL;
}

// An older broker has no such option: asks again, without.
static bool asked_again(struct asker *a, const struct answer *answer, const wherry_error *e)
{
	pthread_mutex_lock(&a->lock);
	bool again = answer == &a->stats && !a->no_buckets && e->code == WHERRY_EARG && !e->local;
	a->no_buckets |= again;
	pthread_mutex_unlock(&a->lock);
	if (again)
		ask_stats(a, false);
	return again;
}

static void answered(void *arg, const wherry_reply *reply)
{
	struct answer *answer = arg;
	struct asker *a = answer->asker;
	if (asked_again(a, answer, &reply->error))
		return;
	pthread_mutex_lock(&a->lock);
	if (reply->error.code != WHERRY_OK)
		say(a->failed, &reply->error);
	else if (!keep(answer, reply))
		snprintf(a->failed, sizeof(a->failed), "out of memory");
	a->complete = --a->waiting == 0;
	pthread_mutex_unlock(&a->lock);
	wake(a);
}

static void changed(void *arg, int connected, const wherry_error *why)
{
	struct asker *a = arg;
	pthread_mutex_lock(&a->lock);
	a->lost = !connected;
	if (!connected && why != NULL)
		say(a->why, why);
	pthread_mutex_unlock(&a->lock);
	wake(a);
}

static void send_one(struct asker *a, const wherry_request *q, struct answer *answer)
{
	int status = wherry_client_send(a->client, q, answered, answer);
	if (status == WHERRY_OK)
		return;
	wherry_reply failed = {.error = {.code = status, .local = 1}};
	snprintf(failed.error.name, sizeof(failed.error.name), "%s", wherry_status_name(status));
	snprintf(failed.error.text, sizeof(failed.error.text), "%s", wherry_status_text(status));
	answered(answer, &failed);
}

static void ask_stats(struct asker *a, bool buckets)
{
	static const char option[] = "\x81\xa7"
				     "buckets\xc3"; // {"buckets": true}
	wherry_request q = {
	    .size = sizeof(q), .flags = WHERRY_REPEATABLE, .method = "sys.stats", .timeout_ms = a->timeout_ms};
	q.options = buckets ? option : NULL;
	q.options_len = buckets ? sizeof(option) - 1 : 0;
	send_one(a, &q, &a->stats);
}

static void ask_info(struct asker *a)
{
	wherry_request q = {
	    .size = sizeof(q), .flags = WHERRY_REPEATABLE, .method = "sys.info", .timeout_ms = a->timeout_ms};
	send_one(a, &q, &a->info);
}

void asker_ask(struct asker *a, int64_t timeout_ms)
{
	pthread_mutex_lock(&a->lock);
	bool busy = a->waiting > 0 || a->complete, buckets = !a->no_buckets;
	if (!busy) {
		a->waiting = 2;
		a->timeout_ms = timeout_ms;
	}
	pthread_mutex_unlock(&a->lock);
	if (busy)
		return;
	ask_stats(a, buckets);
	ask_info(a);
}

static bool take(struct asker *a, struct sample *s, char why[TOP_WHY])
{
	bool whole = a->failed[0] == 0 && a->stats.bytes != NULL && a->info.bytes != NULL;
	snprintf(why, TOP_WHY, "%s", whole ? "" : a->failed);
	if (!whole) {
		free(a->stats.bytes);
		free(a->info.bytes);
	} else if (!sample_take(s, a->stats.came_ns, a->stats.bytes, a->stats.len, a->info.bytes, a->info.len)) {
		snprintf(why, TOP_WHY, "the broker's answer can't be read");
	}
	a->stats.bytes = a->info.bytes = NULL;
	a->failed[0] = 0;
	a->complete = false;
	return true;
}

bool asker_take(struct asker *a, struct sample *s, char why[TOP_WHY])
{
	uint64_t count;
	*s = (struct sample){0};
	if (read(a->wake, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&a->lock);
	bool took = a->complete && take(a, s, why);
	pthread_mutex_unlock(&a->lock);
	return took;
}

bool asker_lost(struct asker *a, char why[TOP_WHY])
{
	pthread_mutex_lock(&a->lock);
	bool lost = a->lost;
	memcpy(why, a->why, TOP_WHY);
	pthread_mutex_unlock(&a->lock);
	return lost;
}

int asker_wake(const struct asker *a)
{
	return a->wake;
}

struct asker *asker_open(const struct settings *s, int *status)
{
	wherry_client_options more = {.size = sizeof(more), .name = "wherry top", .backoff_max_ms = BACKOFF_MAX_MS};
	struct asker *a = calloc(1, sizeof(*a));
	*status = EXIT_ERROR;
	if (a == NULL)
		return NULL;
	a->stats.asker = a->info.asker = a;
	pthread_mutex_init(&a->lock, NULL);
	a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*status =
	    a->wake < 0 ? fail(EXIT_ERROR, "there are no more file descriptors") : cli_connect(s, &more, &a->client);
	if (*status == 0)
		return a;
	asker_close(a);
	return NULL;
}

void asker_watch(struct asker *a)
{
	wherry_client_on_change(a->client, changed, a);
}

void asker_close(struct asker *a)
{
	wherry_client_close(a->client); // answers what is under way
	pthread_mutex_destroy(&a->lock);
	if (a->wake >= 0)
		close(a->wake);
	free(a->stats.bytes);
	free(a->info.bytes);
	free(a);
}
