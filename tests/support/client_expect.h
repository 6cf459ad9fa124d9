// What tests of the C client expect of it.  In a header, because only they link the client.

#ifndef SUPPORT_CLIENT_EXPECT_H
#define SUPPORT_CLIENT_EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/request.h"
#include "embed.h"
#include "place.h"
#include "wherry/client.h"

#define BYTES(literal) (literal), sizeof(literal) - 1

static inline wherry_client *connect_with(const char *url, const wherry_client_options *options)
{
	wherry_client *client;
	wherry_error error;
	if (wherry_client_open(url, options, &client, &error) != WHERRY_OK)
		fail_msg("%s: %s", error.name, error.text);
	return client;
}

static inline wherry_client *connect_to(const char *url)
{
	return connect_with(url, NULL);
}

static inline void expect_result(const wherry_reply *r, const char *want)
{
	if (r->error.code != WHERRY_OK)
		fail_msg("%s: %s, not %s", r->error.name, r->error.text, want);
	char *got = embed_show(span_of(r->result, r->result_len));
	assert_string_equal(got, want);
	free(got);
}

static inline void expect_error(const wherry_reply *r, int code, int local)
{
	if (r->error.code != code)
		fail_msg("%s (%s), not %s", wherry_status_name(r->error.code), r->error.text, wherry_status_name(code));
	assert_int_equal(r->error.local, local);
	assert_string_equal(r->error.name, wherry_status_name(code));
	assert_true(r->error.text[0] != 0);
	assert_null(r->result);
}

// A request as embed.h writes it: "kv.set a 1 --ttl_ms=5".
struct worded {
	struct buffer frame, params, options;
	char method[64];
	wherry_request request;
};

static inline void worded_wrap(struct buffer *to, int head, uint32_t count, wherry_span from)
{
	const uint8_t bytes[5] = {
	    (uint8_t)head, (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count};
	buffer_append(to, bytes, sizeof(bytes));
	buffer_append(to, from.ptr, from.len);
}

static inline void worded_read(struct worded *l, const char *text)
{
	struct request r;
	const char *why;
	*l = (struct worded){.request = {.size = sizeof(l->request)}};
	embed_encode(text, &l->frame);
	struct cursor at = cursor_of(span_of(l->frame.data, l->frame.len));
	assert_int_equal(request_slice(&at, &r, &why), WHERRY_OK);
	snprintf(l->method, sizeof(l->method), "%.*s", (int)r.method.len, (const char *)r.method.ptr);
	l->request.method = l->method;
	worded_wrap(&l->params, 0xdd, r.param_count, r.params);
	l->request.params = l->params.data;
	l->request.params_len = l->params.len;
	if (r.option_count == 0)
		return;
	worded_wrap(&l->options, 0xdf, r.option_count, r.options);
	l->request.options = l->options.data;
	l->request.options_len = l->options.len;
}

static inline void worded_free(struct worded *l)
{
	buffer_free(&l->frame);
	buffer_free(&l->params);
	buffer_free(&l->options);
}

// Runs it, with flags and a time of its own; answers the code.
static inline int ask(wherry_client *c, const char *text, uint32_t flags, int64_t timeout_ms, wherry_reply *r)
{
	struct worded l;
	worded_read(&l, text);
	l.request.flags = flags;
	l.request.timeout_ms = timeout_ms;
	int status = wherry_client_ask(c, &l.request, r);
	worded_free(&l);
	return status;
}

static inline int send_line(
    wherry_client *c, const char *text, uint32_t flags, int64_t timeout_ms, wherry_answered answered, void *arg)
{
	struct worded l;
	worded_read(&l, text);
	l.request.flags = flags;
	l.request.timeout_ms = timeout_ms;
	int status = wherry_client_send(c, &l.request, answered, arg);
	worded_free(&l);
	return status;
}

static inline void expect_ask(wherry_client *c, const char *text, const char *want)
{
	wherry_reply r = {0};
	ask(c, text, 0, 0, &r);
	expect_result(&r, want);
	wherry_reply_free(&r);
}

static inline void expect_ask_fails(wherry_client *c, const char *text, int code, int local)
{
	wherry_reply r = {0};
	ask(c, text, 0, 0, &r);
	expect_error(&r, code, local);
	wherry_reply_free(&r);
}

static inline wherry_client_counts counts_of(wherry_client *c)
{
	wherry_client_counts counts = {.size = sizeof(counts)};
	wherry_client_count(c, &counts);
	return counts;
}

static inline void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

// The broker goes and comes back while its clients are silent, for longer than they trust a silent connection.
static inline void restart_idle(struct place *p)
{
	place_end(p);
	place_begin(p);
	pause_ms(150);
}

// Waits until it holds; 20 s at most: fails the test.
#define AWAIT(condition)                                      \
	do {                                                  \
		bool held_ = false;                           \
		for (int i_ = 0; i_ < 4000 && !held_; i_++) { \
			held_ = (condition);                  \
			if (!held_)                           \
				pause_ms(5);                  \
		}                                             \
		if (!held_)                                   \
			fail_msg("never: %s", #condition);    \
	} while (0)

#endif
