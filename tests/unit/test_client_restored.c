// What the client brings back with a new connection, and whom it tells: never does anything run where it was not meant to.

#include <stdatomic.h>

#include "client_expect.h"
#include "liar.h"
#include "proxy.h"

struct cut {
	struct place place;
	struct proxy *proxy;
};

static void cut_open(struct cut *x, const char *modules)
{
	place_open(&x->place, modules);
	x->proxy = proxy_open(x->place.dir, x->place.url);
}

static void cut_close(struct cut *x)
{
	proxy_close(x->proxy);
	place_leave(&x->place);
}

static void make_ns(struct place *p, const char *name)
{
	char line[64];
	wherry_client *c = connect_to(p->url);
	snprintf(line, sizeof(line), "ns.create %s", name);
	expect_ask(c, line, "true");
	wherry_client_close(c);
}

static void expect_session(wherry_client *c, const char *what)
{
	wherry_reply r = {0};
	ask(c, "session.info", WHERRY_REPEATABLE, 0, &r);
	char *shown = embed_show(span_of(r.result, r.result_len));
	if (strstr(shown, what) == NULL)
		fail_msg("no %s in %s", what, shown);
	free(shown);
	wherry_reply_free(&r);
}

static void the_namespace_and_the_name_come_back(void **state)
{
	(void)state;
	struct cut x;
	cut_open(&x, "kv");
	make_ns(&x.place, "blue");
	make_ns(&x.place, "red");
	const wherry_client_options options = {.size = sizeof(options), .ns = "blue", .name = "painter"};
	proxy_cut_next(x.proxy, PROXY_TO_CLIENT, 700);
	wherry_client *c = connect_with(proxy_url(x.proxy), &options);
	for (int i = 0; i < 5; i++) {
		expect_session(c, "\"ns\": \"blue\"");
		expect_session(c, "\"client\": \"painter\"");
	}
	assert_int_equal(counts_of(c).connections, 2);
	wherry_client_close(c);
	// One that a caller chose later is as good.
	proxy_cut_next(x.proxy, PROXY_TO_CLIENT, 1000);
	c = connect_with(proxy_url(x.proxy), &options);
	expect_ask(c, "session.use red", "true");
	for (int i = 0; i < 10; i++)
		expect_session(c, "\"ns\": \"red\"");
	assert_int_equal(counts_of(c).connections, 2);
	wherry_client_close(c);
	cut_close(&x);
}

static void nothing_runs_in_another_namespace(void **state)
{
	(void)state;
	struct place p;
	wherry_client *c;
	wherry_error error;
	place_open(&p, "kv");
	wherry_client_options options = {.size = sizeof(options), .ns = "gone", .backoff_ms = 1, .backoff_max_ms = 1};
	assert_int_equal(wherry_client_open(p.url, &options, &c, &error), WHERRY_ENOKEY);
	assert_int_equal(error.local, 0);
	assert_non_null(strstr(error.text, "\"gone\""));
	make_ns(&p, "gone");
	c = connect_with(p.url, &options);
	expect_ask(c, "kv.incr n", "1");
	restart_idle(&p); // without it
	wherry_reply r = {0};
	ask(c, "kv.incr n", 0, 0, &r);
	expect_error(&r, WHERRY_ENOKEY, 1);
	assert_non_null(strstr(r.error.text, "its namespace"));
	make_ns(&p, "gone");
	AWAIT(ask(c, "kv.incr n", 0, 0, &r) == WHERRY_OK); // it goes on once it is there
	expect_result(&r, "1");
	wherry_reply_free(&r);
	wherry_client_close(c);
	place_leave(&p);
}

// Where the session works is not known, then: the next request finds a new connection, in the namespace of before.
static void leave_use_unanswered(struct liar *l, int fd, unsigned connection)
{
	(void)l;
	if (connection > 0)
		liar_serve(fd);
	else
		liar_await_end(fd);
}

static void a_namespace_that_is_not_known_ends_the_connection(void **state)
{
	(void)state;
	struct liar l;
	wherry_reply r = {0};
	liar_start(&l, liar_greeting, leave_use_unanswered);
	wherry_client *c = connect_to(l.place.url);
	ask(c, "session.use elsewhere", 0, 30, &r);
	expect_error(&r, WHERRY_ETIMEOUT, 1);
	expect_ask(c, "a.b", "true");
	assert_int_equal(counts_of(c).connections, 2);
	wherry_reply_free(&r);
	wherry_client_close(c);
	liar_stop(&l);
}

// Answers session.use and nothing else, and goes after so many requests.
static void only_use(struct liar *l, int fd, unsigned connection)
{
	struct liar_request requests[LIAR_REQUESTS];
	int left = *(int *)l->arg;
	if (connection > 0)
		liar_serve(fd);
	for (size_t count; left > 0 && (count = liar_receive(fd, requests)) > 0; left -= (int)count)
		for (size_t i = 0; i < count; i++)
			if (strcmp(requests[i].method, "session.use") == 0)
				liar_answer(fd, requests[i].id, BYTES("\xc3"));
}

static void remember(void *arg, const wherry_reply *r)
{
	atomic_store((atomic_int *)arg, r->error.code);
}

// What was sent for the namespace of before may not be sent again in this one, marked or not.
static void nothing_is_repeated_in_another_namespace(void **state)
{
	(void)state;
	struct liar l;
	int requests = 3;
	atomic_int before = 1, after = 1;
	l.arg = &requests;
	liar_start(&l, liar_greeting, only_use);
	wherry_client *c = connect_to(l.place.url);
	assert_int_equal(send_line(c, "wait.one", WHERRY_REPEATABLE, 0, remember, &before), WHERRY_OK);
	expect_ask(c, "session.use red", "true");
	assert_int_equal(send_line(c, "wait.two", WHERRY_REPEATABLE, 0, remember, &after), WHERRY_OK);
	assert_int_equal(wherry_client_settle(c, 20000), WHERRY_OK);
	assert_int_equal(before, WHERRY_ESTALE);
	assert_int_equal(after, WHERRY_OK);
	wherry_client_close(c);
	liar_stop(&l);
}

static void a_name_that_is_refused(void **state)
{
	(void)state;
	struct place p;
	wherry_client *c;
	wherry_error error;
	place_open(&p, "");
	char name[100] = "";
	memset(name, 'n', sizeof(name) - 1);
	wherry_client_options options = {.size = sizeof(options), .name = name};
	assert_int_equal(wherry_client_open(p.url, &options, &c, &error), WHERRY_EARG);
	assert_int_equal(error.local, 0);
	assert_null(c);
	place_leave(&p);
}

// --- who is told -------------------------------------------------------------------------------------------------------

struct changes {
	wherry_client *client;
	atomic_uint lost, found;
	char why[600];
	atomic_uint first; // answers to what was sent from within
	bool others_before;
	atomic_uint others;
};

static void of_first(void *arg, const wherry_reply *r)
{
	struct changes *ch = arg;
	if (r->error.code == WHERRY_OK)
		atomic_fetch_add(&ch->first, 1);
	ch->others_before |= atomic_load(&ch->others) > 0;
}

static void of_others(void *arg, const wherry_reply *r)
{
	struct changes *ch = arg;
	assert_int_equal(r->error.code, WHERRY_OK);
	atomic_fetch_add(&ch->others, 1);
}

static void changed(void *arg, int connected, const wherry_error *why)
{
	struct changes *ch = arg;
	if (connected) {
		assert_null(why);
		send_line(ch->client, "kv.set first 1", 0, 0, of_first, ch);
		atomic_fetch_add(&ch->found, 1);
		return;
	}
	snprintf(ch->why, sizeof(ch->why), "%s: %s", why->name, why->text);
	atomic_fetch_add(&ch->lost, 1);
}

static void what_is_sent_on_a_change_comes_first(void **state)
{
	(void)state;
	struct place p;
	struct changes ch = {0};
	place_open(&p, "kv");
	const wherry_client_options options = {.size = sizeof(options), .backoff_ms = 5, .backoff_max_ms = 10};
	wherry_client *c = ch.client = connect_with(p.url, &options);
	assert_int_equal(wherry_client_on_change(c, changed, &ch), WHERRY_OK);
	expect_ask(c, "sys.ping", "\"PONG\"");
	place_end(&p);
	AWAIT(atomic_load(&ch.lost) == 1);
	assert_string_equal(ch.why, "ESTALE: the broker closed the connection");
	for (int i = 0; i < 10; i++)
		assert_int_equal(send_line(c, "kv.get first", 0, 0, of_others, &ch), WHERRY_OK);
	place_begin(&p);
	assert_int_equal(wherry_client_settle(c, 20000), WHERRY_OK);
	assert_int_equal(ch.found, 1);
	assert_int_equal(ch.first, 1);
	assert_int_equal(ch.others, 10);
	assert_false(ch.others_before);
	assert_int_equal(wherry_client_on_change(c, NULL, NULL), WHERRY_OK);
	place_end(&p);
	place_begin(&p);
	expect_ask(c, "kv.get first", "null");
	assert_int_equal(ch.found, 1);
	wherry_client_close(c);
	place_leave(&p);
}

// Whoever waits for notifications learns that what the session had has ended: once for each lost connection.
static void who_waits_for_notifications_is_told(void **state)
{
	(void)state;
	struct place p;
	wherry_note note = {0};
	wherry_error error;
	place_open(&p, "");
	wherry_client *c = connect_to(p.url);
	expect_ask(c, "sys.ping", "\"PONG\"");
	place_end(&p);
	place_begin(&p);
	assert_int_equal(wherry_client_poll(c, 20000, &note, &error), WHERRY_OK); // goodbye
	assert_int_equal(wherry_client_poll(c, 20000, &note, &error), WHERRY_ESTALE);
	assert_string_equal(error.text, "the broker closed the connection");
	assert_int_equal(wherry_client_poll(c, 20, &note, &error), WHERRY_ETIMEOUT);
	expect_ask(c, "sys.ping", "\"PONG\"");
	wherry_note_free(&note);
	wherry_client_close(c);
	place_leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_namespace_and_the_name_come_back),
	    cmocka_unit_test(nothing_runs_in_another_namespace),
	    cmocka_unit_test(a_namespace_that_is_not_known_ends_the_connection),
	    cmocka_unit_test(nothing_is_repeated_in_another_namespace),
	    cmocka_unit_test(a_name_that_is_refused),
	    cmocka_unit_test(what_is_sent_on_a_change_comes_first),
	    cmocka_unit_test(who_waits_for_notifications_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
