// Modules that are checked while they run: what misuser does is named in the log, counted, and brings nothing down.

#include "embed.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker.h"

static int log_fd;

// The log of the broker goes to a file in memory from now on.
static struct embed *opened(const char *modules, const char *const *options)
{
	struct embed *b = embed_open_with(modules, options);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(log_fd >= 0);
	embed_broker(b)->log.fd = log_fd;
	return b;
}

static struct embed *opened_checked(const char *modules)
{
	return opened(modules, (const char *[]){"check_modules=true", "check_run_time=10ms", "log_level=info", NULL});
}

static void closed(struct embed *b)
{
	embed_close(b);
	close(log_fd);
}

static const char *log_text(void)
{
	static char text[1 << 16];
	ssize_t len = pread(log_fd, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = 0;
	return text;
}

static unsigned times_in_log(const char *wanted)
{
	unsigned count = 0;
	for (const char *at = log_text(); (at = strstr(at, wanted)) != NULL; at++)
		count++;
	return count;
}

static void assert_logged(const char *wanted)
{
	if (times_in_log(wanted) == 0)
		fail_msg("the log has no %s\n%s", wanted, log_text());
}

// misuser.do WHAT is answered like this, and the log says so.
static void wrong(struct embed *b, const char *what, const char *answer, const char *said)
{
	char line[100], wanted[300];
	assert_int_equal(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	snprintf(line, sizeof(line), "misuser.do a b %s", what);
	snprintf(wanted, sizeof(wanted), " module=misuser command=misuser.do what=\"%s\" times=1\n", said);
	expect_like(b, line, answer);
	assert_logged(wanted);
}

static void what_a_module_must_not_do_is_named(void **state)
{
	(void)state;
	struct embed *b = opened_checked("misuser");
	wrong(b, "other_thread", "null", "keys->open from another thread than the one that runs the command");
	wrong(b, "other_thread ; misuser.do a b fail_ok", "*", "run() called fail() and answers OK");
	expect(b, "misuser.do a b keep_call", "null");
	wrong(b, "old_call", "null", "keys->remove with a call that is over");
	wrong(b, "no_key", "0", "keys->open: argument \\\"what\\\" is no key");
	wrong(b, "no_argument", "0", "keys->open: there is no argument 7");
	wrong(b, "no_type", "0", "keys->open: the module has no type 5");
	wrong(b, "null_out", "0", "keys->open: out is NULL");
	wrong(b, "no_size", "0", "keys->open: wherry_key.size is 0: set it to sizeof");
	wrong(b, "write_read", "EINTERNAL: *", "keys->put_head writes argument \\\"seen\\\", which is declared READ");
	wrong(b, "null_span", "EARG: *", "keys->put_head: head is NULL");
	wrong(b, "zero_cursor", "ESTALE: *", "keys->next with a cursor that seek() did not make in this run");
	closed(b);
}

static void wrong_answers_do_not_reach_the_client(void **state)
{
	(void)state;
	struct embed *b = opened_checked("misuser,two_values,no_value");
	expect(b, "two_values.both", "EINTERNAL: the module did not write exactly one answer");
	assert_logged("command=two_values.both what=\"run() writes 2 values as its reply, not one\" times=1");
	expect(b, "no_value.silent", "EINTERNAL: the module did not write exactly one answer");
	wrong(b, "half", "EINTERNAL: the module did not write exactly one answer",
	    "the reply is no whole value: an array or map says more elements than the frame has bytes");
	closed(b);
}

static void answers_are_looked_at(void **state)
{
	(void)state;
	struct embed *b = opened_checked("misuser");
	wrong(b, "after_fail", "EARG: no", "write->nil after fail(): an error has no reply");
	wrong(b, "fail_ok", "null", "run() called fail() and answers OK");
	wrong(b, "strange_status", "EINTERNAL: *", "run() answers the unknown status 77");
	wrong(b, "parked", "EINTERNAL: *", "run() answers PARKED without park()");
	wrong(b, "parks_and_answers", "null", "run() called park() and answers OK");
	wrong(b, "swallows_restart", "null", "a keys function answered RESTART, and run() does not");
	wrong(b, "slow", "null", "run() takes longer than 10 ms (check_run_time)");
	expect_like(b, "module.show misuser", "*\"misuses\": 6, \"undone\": 0, \"slow\": 1, *");
	closed(b);
}

// Legal, since it is undone: it is told, not held against the module.
static void errors_after_changes_are_told(void **state)
{
	(void)state;
	struct embed *b = opened_checked("misuser");
	wrong(b, "undone", "ECONFLICT: after a change", "answers ECONFLICT after changes, which are undone");
	assert_logged(" info module undone ");
	expect_like(b, "module.show misuser", "*\"misuses\": 0, \"undone\": 1, \"slow\": 0, *");
	closed(b);
}

static void memory_is_watched(void **state)
{
	(void)state;
	struct embed *b = opened_checked("misuser");
	wrong(b, "release_twice", "null", "host->release takes memory that was released before");
	wrong(b, "release_foreign", "true", "host->resize takes memory that alloc() did not give it");
	assert_logged("host->release takes memory that alloc() did not give it");
	wrong(b, "give_twice", "-1", "bus->give_session takes a buffer that it gave or dropped before");
	wrong(b, "drop_foreign", "null", "bus->buf_drop takes what is no buffer");
	expect(b, "misuser.do a b reads_late", "221"); // 0xdd: what was lent until the change
	closed(b);
}

static void the_host_is_watched(void **state)
{
	(void)state;
	struct embed *b = opened_checked("misuser");
	wrong(b, "no_option", "-1", "host->option: there is no such option");
	wrong(b, "no_metric", "null", "host->metric_add: there is no such metric");
	wrong(b, "null_text", "null", "host->log: the text is NULL");
	assert_logged("host->log: the owner is NULL");
	expect(b, "misuser.do a b reads_late", "221");
	expect(b, "misuser.scan", "0");
	assert_logged("command=misuser.scan what=\"keys->count within each() of a scan\" times=1");
	assert_logged("command=misuser.scan what=\"a scan removes keys without WHERRY_CMD_WRITES\" times=1");
	closed(b);
}

static void too_early_and_too_late(void **state)
{
	(void)state;
	struct embed *b = opened_checked("");
	const char *path = embed_module_path("misuser");
	char line[4200];
	snprintf(line, sizeof(line), "module.load \"%s\"", path);
	expect(b, line, "true");
	void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD), *symbol = dlsym(handle, "misuser_late");
	void (*late)(void);
	memcpy(&late, &symbol, sizeof(late));
	expect(b, "module.unload misuser", "true");
	assert_logged("command=unload() what=\"host->submit after drain()\" times=1");
	late();
	assert_logged("command=\"a thread of its own\" what=\"host->alloc after unload()\" times=1");
	dlclose(handle);
	closed(b);
	b = opened("misuser", (const char *[]){"check_modules=true", "misuser.early=true", NULL});
	expect_like(b, "module.show misuser", "*\"misuses\": 1, *");
	closed(b);
}

static void the_same_again_is_logged_seldom(void **state)
{
	(void)state;
	struct embed *b = opened_checked("misuser");
	for (int i = 0; i < 100; i++)
		expect(b, "misuser.do a b no_metric", "null");
	assert_int_equal(times_in_log("there is no such metric"), 3);
	assert_logged("times=100");
	expect_like(b, "module.show misuser", "*\"misuses\": 100, *");
	closed(b);
}

// What is well written is not disturbed: values, waiting, reloads, listeners.
static void good_modules_are_left_alone(void **state)
{
	(void)state;
	struct embed *b = opened_checked("kv,counter,parker,hearer");
	expect(b, "kv.set a [1,2,3] --ttl-ms=60000 ; kv.get a ; kv.mset b 1 c x ; kv.scan 0 --match=c --limit=10000",
	    "1 ; [1, 2, 3] ; [2, 2] ; [0, [\"c\"]]");
	expect(b, "counter.add k f 5 ; counter.add k f ; counter.get k f", "5 ; 6 ; 6");
	struct embed_pending *p = embed_begin(b, "parker.wait k --timeout-ms=10000");
	embed_wait_parked(b, 1);
	expect(b, "parker.signal k", "true");
	expect_end(p, "\"signal\"");
	expect(b, "module.reload kv ; module.reload counter ; kv.get c ; counter.get k f", "true ; true ; \"x\" ; 6");
	expect_like(b, "module.show kv", "*\"misuses\": 0, *");
	expect_like(b, "module.show counter", "*\"misuses\": 0, *");
	expect_like(b, "module.show parker", "*\"misuses\": 0, *");
	closed(b);
}

static void off_unless_asked_for(void **state)
{
	(void)state;
	struct embed *b = opened("kv", NULL);
	char *shown = embed_call(b, "module.show kv");
	assert_null(strstr(shown, "misuses"));
	free(shown);
	closed(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_a_module_must_not_do_is_named),
	    cmocka_unit_test(wrong_answers_do_not_reach_the_client),
	    cmocka_unit_test(answers_are_looked_at),
	    cmocka_unit_test(errors_after_changes_are_told),
	    cmocka_unit_test(memory_is_watched),
	    cmocka_unit_test(the_host_is_watched),
	    cmocka_unit_test(too_early_and_too_late),
	    cmocka_unit_test(the_same_again_is_logged_seldom),
	    cmocka_unit_test(good_modules_are_left_alone),
	    cmocka_unit_test(off_unless_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
