// The C client against what no broker would do: a false one greets, and then does what the test says.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client_expect.h"
#include "embed.h"
#include "wherry/client.h"

#define BYTES(literal) (literal), sizeof(literal) - 1

struct place {
	char dir[64], url[128];
};

static void make_place(struct place *p)
{
	*p = (struct place){.dir = "/tmp/wherry-client-XXXXXX"};
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->url, sizeof(p->url), "ipc://%s/s", p->dir);
}

static void leave_place(struct place *p)
{
	unlink(p->url + strlen("ipc://"));
	assert_int_equal(rmdir(p->dir), 0);
}

struct liar {
	struct place place;
	int listener;
	pthread_t thread;
	const char *greeting; // NULL: none
	void (*script)(int fd);
};

static void send_all(int fd, const void *bytes, size_t len)
{
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		sent += (size_t)n;
	}
}

// A frame in ipc's form; its body begins with the hop count.
static void send_frame(int fd, const char *body, size_t len)
{
	unsigned char head[13] = {1, [12] = 1};
	for (unsigned i = 0; i < 8; i++)
		head[1 + i] = (unsigned char)((uint64_t)(len + 4) >> (56 - 8 * i));
	send_all(fd, head, sizeof(head));
	send_all(fd, body, len);
}

static void receive_some(int fd)
{
	char buffer[4096];
	assert_true(recv(fd, buffer, sizeof(buffer), 0) > 0);
}

static void *lie(void *arg)
{
	struct liar *l = arg;
	int fd = accept(l->listener, NULL, NULL);
	if (l->greeting != NULL)
		send_all(fd, l->greeting, 8);
	char greeting[8];
	recv(fd, greeting, sizeof(greeting), MSG_WAITALL);
	if (l->script != NULL)
		l->script(fd);
	close(fd);
	return NULL;
}

static void start_liar(struct liar *l, const char *greeting, void (*script)(int fd))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	*l = (struct liar){.greeting = greeting, .script = script};
	make_place(&l->place);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", l->place.dir);
	l->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(l->listener, 1), 0);
	assert_int_equal(pthread_create(&l->thread, NULL, lie, l), 0);
}

static void stop_liar(struct liar *l)
{
	pthread_join(l->thread, NULL);
	close(l->listener);
	leave_place(&l->place);
}

static const char greeting[] = "\0SP\0\0\x11\0\0";

static void wait_for_end(int fd)
{
	char byte;
	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static void expect_no_connection(const char *greets, void (*script)(int), int status)
{
	struct liar l;
	wherry_error error;
	wherry_client *c;
	wherry_client_options options = {.size = sizeof(options), .connect_ms = 200};
	start_liar(&l, greets, script);
	assert_int_equal(wherry_client_open(l.place.url, &options, &c, &error), status);
	assert_null(c);
	assert_true(error.local && error.text[0] != 0);
	stop_liar(&l);
}

static void who_does_not_greet_is_no_broker(void **state)
{
	(void)state;
	expect_no_connection("HTTP/1.1", NULL, WHERRY_EAGAIN);
	expect_no_connection("\0SP\0\0\x31\0\0", NULL, WHERRY_EAGAIN);
	expect_no_connection(NULL, NULL, WHERRY_EAGAIN); // hangs up
	expect_no_connection(NULL, wait_for_end, WHERRY_ETIMEOUT);
}

static void nobody_is_there(void **state)
{
	(void)state;
	wherry_client *c;
	wherry_error error;
	assert_int_equal(wherry_client_open("ipc:///tmp/wherry-no-such-socket", NULL, &c, &error), WHERRY_EAGAIN);
	assert_string_equal(error.text, "No such file or directory");
	assert_int_equal(wherry_client_open("tcp://127.0.0.1:1", NULL, &c, &error), WHERRY_EAGAIN);
	assert_string_equal(error.name, "EAGAIN");
	const char *const wrong[] = {"", "tcp://", "localhost", "http://localhost:80", "tcp://localhost", "tcp://:5",
	    "tcp://localhost:http", "tls+tcp://localhost:1"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(wherry_client_open(wrong[i], NULL, &c, NULL), WHERRY_EARG);
}

static void hang_up(int fd)
{
	receive_some(fd);
}

static void send_garbage(int fd)
{
	receive_some(fd);
	send_all(fd, "garbage that is no frame", 24);
	wait_for_end(fd);
}

static void send_malformed(int fd)
{
	receive_some(fd);
	send_frame(fd, BYTES("\x94\x01\x00\xc0"));
	wait_for_end(fd);
}

static void send_huge(int fd)
{
	receive_some(fd);
	send_all(fd, "\x01\x7f\xff\xff\xff\xff\xff\xff\xff", 9);
	wait_for_end(fd);
}

static void send_bad_error(int fd)
{
	receive_some(fd);
	send_frame(fd, BYTES("\x94\x01\x00\x91\x05\xc0"));
	wait_for_end(fd);
}

static void answers_that_are_none_end_the_connection(void **state)
{
	(void)state;
	const struct {
		void (*script)(int);
		int status, afterwards;
	} cases[] = {
	    {hang_up, WHERRY_ESTALE, WHERRY_ESTALE},
	    {send_garbage, WHERRY_ECORRUPT, WHERRY_ECORRUPT},
	    {send_malformed, WHERRY_ECORRUPT, WHERRY_ECORRUPT},
	    {send_huge, WHERRY_ECORRUPT, WHERRY_ECORRUPT},
	    {send_bad_error, WHERRY_ECORRUPT, WHERRY_ETIMEOUT},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct liar l;
		wherry_reply r = {0};
		start_liar(&l, greeting, cases[i].script);
		wherry_client *c = connect_to(l.place.url);
		wherry_client_call(c, "a.b", NULL, 0, NULL, 0, &r);
		expect_error(&r, cases[i].status, 1);
		wherry_client_set_timeout(c, 50);
		wherry_client_call(c, "a.b", NULL, 0, NULL, 0, &r);
		expect_error(&r, cases[i].afterwards, 1);
		wherry_reply_free(&r);
		wherry_client_close(c);
		stop_liar(&l);
	}
}

// The first request is answered together with the second.
static void answer_late(int fd)
{
	receive_some(fd);
	receive_some(fd);
	send_frame(fd, BYTES("\x94\x01\x00\xc0\xa5"
			     "first\x94\x01\x01\xc0\xa6"
			     "second"));
	wait_for_end(fd);
}

static void a_late_answer_is_thrown_away(void **state)
{
	(void)state;
	struct liar l;
	wherry_reply r = {0};
	start_liar(&l, greeting, answer_late);
	wherry_client *c = connect_to(l.place.url);
	wherry_client_set_timeout(c, 30);
	wherry_client_call(c, "a.b", NULL, 0, NULL, 0, &r);
	expect_error(&r, WHERRY_ETIMEOUT, 1);
	wherry_client_set_timeout(c, -1);
	wherry_client_call(c, "a.b", NULL, 0, NULL, 0, &r);
	expect_result(&r, "\"second\"");
	wherry_reply_free(&r);
	wherry_client_close(c);
	stop_liar(&l);
}

static void notify_and_answer(int fd)
{
	receive_some(fd);
	send_frame(fd, BYTES("\x93\x02\xa1"
			     "x\x91\x01\x93\x02\xa1"
			     "x\x91\x02\x93\x02\xa1"
			     "x\x91\x03"));
	send_frame(fd, BYTES("\x94\x01\x00\xc0\xc3\x93\x02\xa1"
			     "x\x91\x04"));
	wait_for_end(fd);
}

static void expect_note(wherry_client *c, const char *params, uint64_t lost)
{
	wherry_note note = {0};
	assert_int_equal(wherry_client_poll(c, 1000, &note, NULL), WHERRY_OK);
	assert_int_equal(note.method_len, 1);
	char *got = embed_show(span_of(note.params, note.params_len));
	assert_string_equal(got, params);
	assert_int_equal(note.lost, lost);
	free(got);
	wherry_note_free(&note);
}

static void notifications_are_kept_for_later(void **state)
{
	(void)state;
	struct liar l;
	wherry_reply r = {0};
	start_liar(&l, greeting, notify_and_answer);
	wherry_client *c = connect_to(l.place.url);
	assert_int_equal(wherry_client_call(c, "a.b", NULL, 0, NULL, 0, &r), WHERRY_OK);
	expect_note(c, "[1]", 0);
	expect_note(c, "[2]", 0);
	expect_note(c, "[3]", 0);
	expect_note(c, "[4]", 0);
	wherry_reply_free(&r);
	wherry_client_close(c);
	stop_liar(&l);
}

static void notifications_that_are_lost_are_counted(void **state)
{
	(void)state;
	struct liar l;
	wherry_reply r = {0};
	wherry_client *c;
	wherry_client_options options = {.size = sizeof(options), .max_notes = 7}; // two of three bytes
	start_liar(&l, greeting, notify_and_answer);
	assert_int_equal(wherry_client_open(l.place.url, &options, &c, NULL), WHERRY_OK);
	assert_int_equal(wherry_client_call(c, "a.b", NULL, 0, NULL, 0, &r), WHERRY_OK);
	expect_note(c, "[3]", 2);
	expect_note(c, "[4]", 0);
	wherry_reply_free(&r);
	wherry_client_close(c);
	stop_liar(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_does_not_greet_is_no_broker),
	    cmocka_unit_test(nobody_is_there),
	    cmocka_unit_test(answers_that_are_none_end_the_connection),
	    cmocka_unit_test(a_late_answer_is_thrown_away),
	    cmocka_unit_test(notifications_are_kept_for_later),
	    cmocka_unit_test(notifications_that_are_lost_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
