// What tests of the C client expect of it.  In a header, because only they link the client.

#ifndef SUPPORT_CLIENT_EXPECT_H
#define SUPPORT_CLIENT_EXPECT_H

#include <stdlib.h>

#include "embed.h"
#include "wherry/client.h"

static inline wherry_client *connect_to(const char *url)
{
	wherry_client *client;
	wherry_error error;
	if (wherry_client_open(url, NULL, &client, &error) != WHERRY_OK)
		fail_msg("%s: %s", error.name, error.text);
	return client;
}

static inline void expect_result(const wherry_reply *r, const char *want)
{
	assert_int_equal(r->error.code, WHERRY_OK);
	char *got = embed_show(span_of(r->result, r->result_len));
	assert_string_equal(got, want);
	free(got);
}

static inline void expect_error(const wherry_reply *r, int code, int local)
{
	assert_int_equal(r->error.code, code);
	assert_int_equal(r->error.local, local);
	assert_string_equal(r->error.name, wherry_status_name(code));
	assert_null(r->result);
}

#endif
