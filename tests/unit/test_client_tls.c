// The C client over tls+tcp: another transport, the same promises.

#include <stdatomic.h>

#include "client_expect.h"
#include "wired.h"

static wherry_client *connect_tls(struct wired *w)
{
	char ca[80], url[160];
	snprintf(ca, sizeof(ca), "%s/cert.pem", w->dir);
	// The certificate is made out to localhost.
	snprintf(url, sizeof(url), "tls+tcp://localhost%s", strrchr(w->url[WIRED_TLS], ':'));
	const wherry_client_options options = {
	    .size = sizeof(options), .tls_ca_file = ca, .backoff_ms = 5, .backoff_max_ms = 20, .connect_ms = 20000};
	return connect_with(url, &options);
}

static void calls_are_answered(void **state)
{
	wherry_client *c = connect_tls(*state);
	wherry_reply r = {0};
	for (int i = 0; i < 300; i++) {
		ask(c, "t.set key value", 0, 0, &r);
		assert_int_equal(r.error.code, WHERRY_OK);
		expect_ask(c, "t.get key", "\"value\"");
	}
	ask(c, "t.big key 900000", 0, 0, &r);
	if (r.error.code != WHERRY_OK)
		fail_msg("%s", r.error.text);
	assert_true(r.result_len > 900000);
	wherry_reply_free(&r);
	wherry_client_close(c);
}

static void count(void *arg, const wherry_reply *r)
{
	assert_int_equal(r->error.code, WHERRY_OK);
	atomic_fetch_add((atomic_uint *)arg, 1);
}

// Far more in both directions than buffers hold.
static void many_go_both_ways(void **state)
{
	wherry_client *c = connect_tls(*state);
	atomic_uint answered = 0;
	static char line[40000];
	memcpy(line, "t.set key ", 10);
	memset(line + 10, 'v', sizeof(line) - 11);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(send_line(c, line, 0, 0, count, &answered), WHERRY_OK);
		assert_int_equal(send_line(c, "t.get key", 0, 0, count, &answered), WHERRY_OK);
	}
	assert_int_equal(wherry_client_settle(c, 60000), WHERRY_OK);
	assert_int_equal(answered, 400);
	wherry_client_close(c);
}

static void times_run_out(void **state)
{
	wherry_client *c = connect_tls(*state);
	wherry_reply r = {0};
	ask(c, "t.pop nothing --wait_ms=60000", 0, 30, &r);
	expect_error(&r, WHERRY_ETIMEOUT, 1);
	ask(c, "t.get nothing", 0, 0, &r);
	expect_result(&r, "null");
	wherry_reply_free(&r);
	wherry_client_close(c);
}

static void a_lost_connection_is_made_anew(void **state)
{
	wherry_client *c = connect_tls(*state);
	wherry_reply r = {0};
	ask(c, "t.set key again", WHERRY_REPEATABLE, 0, &r);
	for (int i = 0; i < 3; i++) {
		ask(c, "t.leave", 0, 0, &r); // the broker closes the connection; with or without an answer
		ask(c, "t.get key", WHERRY_REPEATABLE, 0, &r);
		expect_result(&r, "\"again\"");
	}
	assert_true(counts_of(c).connections >= 4);
	wherry_reply_free(&r);
	wherry_client_close(c);
}

static void who_is_not_trusted_is_not_spoken_to(void **state)
{
	struct wired *w = *state;
	wherry_client *c;
	wherry_error error;
	char key[80];
	snprintf(key, sizeof(key), "%s/none.pem", w->dir);
	wherry_client_options options = {.size = sizeof(options), .tls_ca_file = key, .connect_ms = 5000};
	assert_int_equal(wherry_client_open(w->url[WIRED_TLS], &options, &c, &error), WHERRY_EARG);
	assert_non_null(strstr(error.text, "none.pem"));
	options.tls_ca_file = NULL;
	assert_int_equal(wherry_client_open(w->url[WIRED_TLS], &options, &c, &error), WHERRY_EARG);
	assert_non_null(strstr(error.text, "tls_ca_file"));
	options.tls_unverified = 1;
	c = connect_with(w->url[WIRED_TLS], &options);
	expect_ask(c, "t.get nothing", "null");
	wherry_client_close(c);
	assert_int_equal(wherry_client_open("tls+tcp://127.0.0.1:1", &options, &c, &error), WHERRY_EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calls_are_answered),
	    cmocka_unit_test(many_go_both_ways),
	    cmocka_unit_test(times_run_out),
	    cmocka_unit_test(a_lost_connection_is_made_anew),
	    cmocka_unit_test(who_is_not_trusted_is_not_spoken_to),
	};
	return cmocka_run_group_tests(tests, wired_setup, wired_teardown);
}
