// Opening, closing, counting.

#include <errno.h>
#include <stdio.h>

#include "consumer.h"
#include "feed.h"

enum { CONNECT_MS = 5000, CALL_MS = 60000, BACKOFF_MS = 50, BACKOFF_MAX_MS = 5000 };
enum { NOTES = 64 << 20, FRAME = 1 << 30, PENDING_MOST = 256 << 20, FRAME_BYTES = 256 << 10 };

// Whether the caller's structure, of `size` bytes, has the member.
#define HAS(options, member) ((options)->size >= offsetof(wherry_client_options, member) + sizeof((options)->member))
#define OPTION(options, member, preset) \
	((options) != NULL && HAS(options, member) && (options)->member != 0 ? (options)->member : (preset))

static bool keep(char **to, const char *text)
{
	*to = text == NULL ? NULL : strdup(text);
	return text == NULL || *to != NULL;
}

static int take_options(struct wherry_client *c, const char *url, const wherry_client_options *o)
{
	const char *ns = OPTION(o, ns, NULL), *name = OPTION(o, name, NULL);
	c->call_ms = OPTION(o, call_ms, CALL_MS);
	c->connect_ms = OPTION(o, connect_ms, CONNECT_MS);
	c->max_notes = OPTION(o, max_notes, NOTES);
	c->max_frame = OPTION(o, max_frame, FRAME);
	c->max_pending = OPTION(o, max_pending, PENDING_MOST);
	c->frame_bytes = OPTION(o, frame_bytes, FRAME_BYTES);
	c->backoff_ms = OPTION(o, backoff_ms, BACKOFF_MS);
	c->backoff_max_ms = OPTION(o, backoff_max_ms, BACKOFF_MAX_MS);
	c->once = OPTION(o, once, 0) != 0;
	c->tls_unverified = OPTION(o, tls_unverified, 0) != 0;
	if (url == NULL || (o != NULL && o->size == 0) || c->backoff_ms < 0 || c->backoff_max_ms < 0 ||
	    (ns != NULL && strlen(ns) >= NS_ROOM) || (name != NULL && strlen(name) >= NS_ROOM))
		return WHERRY_EARG;
	snprintf(c->ns, sizeof(c->ns), "%s", ns != NULL ? ns : "");
	bool kept = keep(&c->url, url) && keep(&c->name, name) && keep(&c->tls_ca_file, OPTION(o, tls_ca_file, NULL));
	return kept ? WHERRY_OK : WHERRY_ENOMEM;
}

// NULL: errno says why.
static struct wherry_client *client_new(void)
{
	struct wherry_client *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	if (!waits_open(&c->waits)) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->roles, NULL);
	pthread_cond_init(&c->settled, NULL);
	c->bound = c->alarm = NO_DEADLINE;
	c->last_note = &c->first_note;
	c->feeds.last_early = &c->feeds.first_early;
	c->last_done = &c->done;
	c->link.random = ((uint64_t)monotonic_ms() ^ (uint64_t)(uintptr_t)c) | 1;
	return c;
}

// The first connection: one attempt, and why it failed.
static int connect_first(struct wherry_client *c, wherry_error *error)
{
	struct link *l = &c->link;
	pthread_mutex_lock(&c->lock);
	drive_begin(c);
	do
		drive(c, NO_DEADLINE);
	while (l->state != LINK_UP && l->state != LINK_DOWN);
	c->driven = false;
	int status = l->state == LINK_UP ? WHERRY_OK : l->status;
	if (l->refusal.code != WHERRY_OK && error != NULL)
		*error = l->refusal;
	else if (status != WHERRY_OK)
		error_local(error, status, l->why);
	pthread_mutex_unlock(&c->lock);
	return status;
}

int wherry_client_open(const char *url, const wherry_client_options *o, wherry_client **client, wherry_error *error)
{
	*client = NULL;
	error_clear(error);
	struct wherry_client *c = client_new();
	if (c == NULL)
		return errno == ENOMEM ? error_local(error, WHERRY_ENOMEM, NULL)
				       : error_local(error, WHERRY_EAGAIN, strerror(errno));
	int status = take_options(c, url, o);
	if (status == WHERRY_OK)
		status = connect_first(c, error);
	else
		error_local(error, status,
		    status == WHERRY_EARG
			? "no url, no size of the options, or one is out of range (ns and name take 255 bytes)"
			: NULL);
	if (status == WHERRY_OK)
		*client = c;
	else
		wherry_client_close(c);
	return status;
}

void wherry_client_close(wherry_client *c)
{
	if (c == NULL || on_own_thread(c))
		return;
	thread_end(c);
	pthread_mutex_lock(&c->lock);
	link_close(c);
	while (c->sent.first != NULL)
		request_fail(c, c->sent.first, WHERRY_ESHUTDOWN, NULL); // fences
	feeds_free(c);
	consumers_free(c);
	pthread_mutex_unlock(&c->lock);
	note_free_all(c);
	async_free_all(c);
	table_clear(&c->table);
	bytes_free(&c->link.in);
	bytes_free(&c->link.out);
	bytes_free(&c->verbs);
	pthread_cond_destroy(&c->roles);
	pthread_cond_destroy(&c->settled);
	pthread_mutex_destroy(&c->lock);
	waits_close(&c->waits);
	free(c->url);
	free(c->name);
	free(c->tls_ca_file);
	free(c);
}

void wherry_client_set_timeout(wherry_client *c, int64_t call_ms)
{
	pthread_mutex_lock(&c->lock);
	c->call_ms = call_ms == 0 ? CALL_MS : call_ms;
	pthread_mutex_unlock(&c->lock);
}

void wherry_client_count(wherry_client *c, wherry_client_counts *counts)
{
	uint32_t size = counts->size < sizeof(*counts) ? counts->size : (uint32_t)sizeof(*counts);
	pthread_mutex_lock(&c->lock);
	wherry_client_counts now = c->counts;
	pthread_mutex_unlock(&c->lock);
	now.size = size;
	if (size >= sizeof(now.size))
		memcpy(counts, &now, size);
}
