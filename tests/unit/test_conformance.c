// The conformance runner: good modules pass, and each bad one is named for what is bad about it.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/conformance.h"
#include "embed.h"

struct report {
	char *text;
	size_t len;
	int status;
};

static struct report run_file(const char *file)
{
	struct report r = {0};
	struct conformance_options options = {.file = file, .seed = 7, .drain_ms = 300, .run_ms = 3000};
	FILE *f = open_memstream(&r.text, &r.len);
	assert_non_null(f);
	r.status = conformance_run(&options, f);
	fclose(f);
	return r;
}

static struct report run(const char *module)
{
	return run_file(embed_module_path(module));
}

// A line of the report is like this.
static void has_line(const struct report *r, const char *pattern)
{
	char *copy = strdup(r->text), *rest = copy, *line;
	bool found = false;
	while (!found && (line = strsep(&rest, "\n")) != NULL)
		found = fnmatch(pattern, line, 0) == 0;
	free(copy);
	if (!found)
		fail_msg("the report has no line like %s\n%s", pattern, r->text);
}

// It fails, with these lines among others; NULL ends.
static void __attribute__((sentinel)) names(const char *module, const char *pattern, ...)
{
	struct report r = run(module);
	va_list more;
	va_start(more, pattern);
	for (; pattern != NULL; pattern = va_arg(more, const char *))
		has_line(&r, pattern);
	va_end(more);
	assert_int_equal(r.status, 1);
	free(r.text);
}

// A sanitizer's build may be slow, and its modules export what the sanitizer needs: warnings do not count.
static void passes_file(const char *file, const char *last)
{
	struct report r = run_file(file);
	if (r.status != 0)
		fail_msg("%s does not pass:\n%s", file, r.text);
	has_line(&r, last);
	free(r.text);
}

static void our_own_modules_pass(void **state)
{
	(void)state;
	passes_file(embed_module_path("kv"), "10 ok, 0 failed, * warned, 1 skipped; seed 7");
	passes_file(embed_module_path("lock"), "11 ok, 0 failed, * warned, 0 skipped; seed 7");
	passes_file(embed_module_path("pubsub"), "10 ok, 0 failed, * warned, 1 skipped; seed 7");
	passes_file(embed_module_path("counter"), "10 ok, 0 failed, * warned, 1 skipped; seed 7");
	passes_file(embed_module_path("parker"), "11 ok, 0 failed, * warned, 0 skipped; seed 7");
	passes_file(embed_module_path("bell"), "10 ok, 0 failed, * warned, 1 skipped; seed 7");
	passes_file(embed_module_path("hearer"), "9 ok, 0 failed, * warned, 2 skipped; seed 7");
}

static void the_smallest_module_passes(void **state)
{
	(void)state;
	const char *source = getenv("WHERRY_SOURCE");
	char command[9000], file[4200], dir[4096];
	assert_non_null(source);
	snprintf(dir, sizeof(dir), "%s", embed_temp_dir());
	snprintf(file, sizeof(file), "%s/hello.so", dir);
	snprintf(command, sizeof(command),
	    "cc -shared -fPIC -fvisibility=hidden -I'%s/include' '%s/examples/hello/hello.c' -o '%s'", source, source,
	    file);
	assert_int_equal(system(command), 0);
	assert_int_equal(chmod(file, 0755), 0);
	passes_file(file, "9 ok, 0 failed, * warned, 2 skipped; seed 7");
	unlink(file);
	rmdir(dir);
}

static void what_is_no_module_is_refused(void **state)
{
	(void)state;
	names("nosymbol", "FAIL description: it is no module: it has no wherry_module_query()",
	    "skip load: it can't be loaded", "0 ok, 1 failed, 0 warned, 10 skipped; seed 7", NULL);
	names("refuses", "FAIL description: it does not serve this broker's ABI 0.2", NULL);
	names("failing", "FAIL load: it did not load: EIO: module \"failing\": load: there is no moon tonight", NULL);
	passes_file(embed_module_path("needy"), "* 0 failed, *"); // what it needs is found beside it
}

static void what_is_left_behind_is_named(void **state)
{
	(void)state;
	names("leaves_thread", "FAIL load: unload() left threads: 3", "FAIL reload: unload() left threads: 101", NULL);
	names("leaves_timer", "FAIL unload: unload() left timers: 1", NULL);
	names("leaves_value", "FAIL unload: unload() left allocations: 1 (1024 bytes)", NULL);
	names("loses_state", "FAIL load: unload() left open files: 3",
	    "warn reload: wherry loses_state.get answers * before a reload and -1 after it: what is not in keys is "
	    "lost",
	    NULL);
	names("leaky", "FAIL symbols: it exports leaky_late besides wherry_module_query: *", NULL);
}

static void what_does_not_end_is_named(void **state)
{
	(void)state;
	names("never_drains", "FAIL load: it did not drain within 300 ms", NULL);
	names("stubborn", "FAIL load: it was not unloaded: ETIMEOUT: module \"stubborn\" did not drain (ETIMEOUT): *",
	    NULL);
	names("holds_lock",
	    "FAIL arguments holds_lock.take: holds_lock.take did not return within 3000 ms; request: wherry "
	    "holds_lock.take *",
	    NULL);
}

static void crashes_are_named(void **state)
{
	(void)state;
	names("keeps_pointer",
	    "FAIL arguments keeps_pointer.last: crashed by SIGSEGV while running keeps_pointer.last: it used memory "
	    "that "
	    "had been lent to keeps_pointer.name only until that returned; request: wherry keeps_pointer.last",
	    NULL);
	names("crashes", "FAIL arguments crashes.read: *while running crashes.read*; request: wherry crashes.read *",
	    NULL);
}

static void wrong_answers_are_named(void **state)
{
	(void)state;
	names("writes_undeclared",
	    "FAIL arguments writes_undeclared.touch: keys->put_head writes argument \"key\", which is declared READ; "
	    "request: wherry writes_undeclared.touch *",
	    NULL);
	names("two_values",
	    "FAIL arguments two_values.both: run() writes 2 values as its reply, not one; request: wherry "
	    "two_values.both",
	    NULL);
	names("no_value",
	    "FAIL arguments no_value.silent: run() writes 0 values as its reply, not one; request: wherry "
	    "no_value.silent",
	    NULL);
}

// The log of a broker that lends its own memory, as it does when nothing is checked.
static void writing_into_what_was_lent_is_named(void **state)
{
	(void)state;
	names("scribbles",
	    "FAIL replay: after its requests, * keys are live and * come back by replay, but they differ", NULL);
}

static void changes_that_failed_unnoticed_are_told(void **state)
{
	(void)state;
	struct report r = run("swallows");
	has_line(&r, "warn undo: swallows.put answers no error although its change 1 failed");
	assert_int_equal(r.status, 0);
	free(r.text);
}

static void who_waits_must_be_answered(void **state)
{
	(void)state;
	names("drops_waiters", "FAIL waiting: drops_waiters.wait: run() writes 0 values as its reply, not one", NULL);
}

static void state_in_the_wrong_place_is_named(void **state)
{
	(void)state;
	names("global_state",
	    "FAIL two-brokers: wherry global_state.get answered null, and \"*\" once another broker of "
	    "the process was used: they share something",
	    NULL);
}

// Slow is a warning: the machine may have been busy.
static void slow_commands_are_told(void **state)
{
	(void)state;
	struct report r = run("slow");
	has_line(&r, "warn arguments: slow.think: run() takes longer than 10 ms (check_run_time)");
	assert_int_equal(r.status, 0);
	free(r.text);
}

static void the_same_seed_makes_the_same_requests(void **state)
{
	(void)state;
	struct report a = run("writes_undeclared"), b = run("writes_undeclared");
	assert_string_equal(a.text, b.text);
	free(a.text);
	free(b.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(our_own_modules_pass),
	    cmocka_unit_test(the_smallest_module_passes),
	    cmocka_unit_test(what_is_no_module_is_refused),
	    cmocka_unit_test(what_is_left_behind_is_named),
	    cmocka_unit_test(what_does_not_end_is_named),
	    cmocka_unit_test(crashes_are_named),
	    cmocka_unit_test(wrong_answers_are_named),
	    cmocka_unit_test(writing_into_what_was_lent_is_named),
	    cmocka_unit_test(changes_that_failed_unnoticed_are_told),
	    cmocka_unit_test(who_waits_must_be_answered),
	    cmocka_unit_test(state_in_the_wrong_place_is_named),
	    cmocka_unit_test(slow_commands_are_told),
	    cmocka_unit_test(the_same_seed_makes_the_same_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
