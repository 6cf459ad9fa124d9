// What tests of the client's messaging expect of it, as text.  In a header, because only they link the client.

#ifndef SUPPORT_CLIENT_MESSAGES_H
#define SUPPORT_CLIENT_MESSAGES_H

#include <stdatomic.h>

#include "client_expect.h"
#include "fake.h"
#include "wherry/messaging.h"

enum { SHOWN = 256 };

// "3 a.b 1 {"h": 2} lost 5 gap": number, topic, payload, headers, and what is to be said.
static inline void show_message(const wherry_delivery *m, char shown[SHOWN])
{
	char *payload = embed_show(span_of(m->payload, m->payload_len));
	char *headers = m->headers == NULL ? strdup("") : embed_show(span_of(m->headers, m->headers_len));
	int at = snprintf(shown, SHOWN, "%lu %.*s %s%s%s", m->seq, (int)m->topic_len, m->topic, payload,
	    headers[0] != 0 ? " " : "", headers);
	if (m->lost > 0)
		at += snprintf(shown + at, (size_t)(SHOWN - at), " lost %lu", m->lost);
	if (m->flags & WHERRY_AFTER_GAP)
		snprintf(shown + at, (size_t)(SHOWN - at), " gap");
	free(payload);
	free(headers);
}

static inline void show_event(const wherry_event *e, char shown[SHOWN])
{
	char *key = embed_show(span_of(e->key, e->key_len));
	char *value = embed_show(span_of(e->value, e->value_len));
	int at = snprintf(shown, SHOWN, "%s %s %s %lu", e->event, key, value, e->revision);
	if (e->lost > 0)
		at += snprintf(shown + at, (size_t)(SHOWN - at), " lost %lu", e->lost);
	if (e->flags & WHERRY_AFTER_GAP)
		snprintf(shown + at, (size_t)(SHOWN - at), " gap");
	free(key);
	free(value);
}

// What next() says within 10 s; anything but a message as its code.
static inline void expect_next(wherry_feed *s, const char *want)
{
	char shown[SHOWN];
	wherry_delivery m = {0};
	wherry_error error;
	if (wherry_feed_next(s, 10000, &m, &error) == WHERRY_OK)
		show_message(&m, shown);
	else
		snprintf(shown, sizeof(shown), "%s", error.name);
	assert_string_equal(shown, want);
	wherry_delivery_free(&m);
}

static inline void expect_nothing(wherry_feed *s)
{
	wherry_delivery m = {0};
	wherry_error error;
	assert_int_equal(wherry_feed_next(s, 0, &m, &error), WHERRY_ETIMEOUT);
	assert_string_equal(error.name, "ETIMEOUT");
	wherry_delivery_free(&m);
}

static inline void expect_next_event(wherry_feed *s, const char *want)
{
	char shown[SHOWN];
	wherry_event e = {0};
	wherry_error error;
	if (wherry_feed_next_event(s, 10000, &e, &error) == WHERRY_OK)
		show_event(&e, shown);
	else
		snprintf(shown, sizeof(shown), "%s", error.name);
	assert_string_equal(shown, want);
	wherry_event_free(&e);
}

static inline void ignore_answer(void *arg, const wherry_reply *r)
{
	(void)arg;
	(void)r;
}

// Something to say, so that a connection may be cut on its way to the broker, too.
static inline void chatter(wherry_client *c)
{
	send_line(c, "sys.ping", WHERRY_REPEATABLE, 0, ignore_answer, NULL);
}

// What callbacks said, one after another.
struct heard {
	pthread_mutex_t lock;
	unsigned count;
	char said[64][SHOWN];
};

#define HEARD                                      \
	{                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, \
	}

static inline void hear(struct heard *h, const char *text)
{
	pthread_mutex_lock(&h->lock);
	assert_true(h->count < sizeof(h->said) / sizeof(h->said[0]));
	snprintf(h->said[h->count++], SHOWN, "%s", text);
	pthread_mutex_unlock(&h->lock);
}

static inline void hear_message(void *arg, const wherry_delivery *m)
{
	char shown[SHOWN];
	show_message(m, shown);
	hear(arg, shown);
}

static inline void hear_event(void *arg, const wherry_event *e)
{
	char shown[SHOWN];
	show_event(e, shown);
	hear(arg, shown);
}

static inline void hear_gap(void *arg, int ended, const wherry_error *why)
{
	char shown[SHOWN];
	snprintf(shown, sizeof(shown), "%s: %s", ended ? "ended" : "gap", why->name);
	hear(arg, shown);
}

static inline unsigned heard_count(struct heard *h)
{
	pthread_mutex_lock(&h->lock);
	unsigned count = h->count;
	pthread_mutex_unlock(&h->lock);
	return count;
}

// The next thing that was said is this, within 20 s; *at counts.
static inline void expect_heard(struct heard *h, unsigned *at, const char *want)
{
	AWAIT(heard_count(h) > *at);
	assert_string_equal(h->said[(*at)++], want);
}

static inline wherry_feed *subscribe_with(wherry_client *c, const char *filter, wherry_subscribe_options w)
{
	const char *const filters[] = {filter};
	wherry_feed *s;
	wherry_error error;
	w.size = sizeof(w);
	w.filters = filters;
	w.filter_count = 1;
	if (wherry_client_subscribe(c, &w, &s, &error) != WHERRY_OK)
		fail_msg("%s: %s", error.name, error.text);
	return s;
}

static inline wherry_feed *subscribe(wherry_client *c, const char *filter)
{
	return subscribe_with(c, filter, (wherry_subscribe_options){.flags = 0});
}

#endif
