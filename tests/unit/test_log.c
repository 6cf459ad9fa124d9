// Log lines as an administrator reads them, from a pipe; and the text they are made of.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static int64_t noon(void *self)
{
	(void)self;
	return INT64_C(1700000000123);
}

static const struct clock stopped = {.unix_ms = noon};
static int ends[2];
static struct logger lg;

static int open_pipe(void **state)
{
	(void)state;
	lg = (struct logger){.level = WHERRY_LOG_INFO, .clock = &stopped};
	if (pipe(ends) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
		return -1;
	lg.fd = ends[1];
	return 0;
}

static int close_pipe(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static const char *said(void)
{
	static char text[70000];
	ssize_t len = read(ends[0], text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void writes_time_level_event_and_pairs(void **state)
{
	(void)state;
	log_event(&lg, WHERRY_LOG_INFO, "listening", "url", "tcp://127.0.0.1:1973", "limit", LOG_NUMBER(-5), NULL);
	assert_string_equal(said(), "2023-11-14T22:13:20.123Z info listening url=tcp://127.0.0.1:1973 limit=-5\n");
	log_event(&lg, WHERRY_LOG_ERROR, "stopped", NULL);
	assert_string_equal(said(), "2023-11-14T22:13:20.123Z error stopped\n");
}

static void leaves_out_what_is_above_its_level(void **state)
{
	(void)state;
	log_event(&lg, WHERRY_LOG_DEBUG, "detail", NULL);
	assert_string_equal(said(), "");
	lg.level = WHERRY_LOG_DEBUG;
	log_event(&lg, WHERRY_LOG_DEBUG, "detail", NULL);
	assert_string_equal(said(), "2023-11-14T22:13:20.123Z debug detail\n");
	lg.fd = -1;
	log_event(&lg, WHERRY_LOG_ERROR, "nowhere", NULL);
	log_event(NULL, WHERRY_LOG_ERROR, "nowhere", NULL);
	assert_string_equal(said(), "");
}

static void no_value_can_forge_a_line(void **state)
{
	(void)state;
	static const struct {
		const char *value, *shown;
	} cases[] = {
	    {"two words", "\"two words\""},
	    {"", "\"\""},
	    {NULL, "\"\""},
	    {"a\n2023 error", "\"a\\n2023 error\""},
	    {"say \"x\"", "\"say \\\"x\\\"\""},
	    {"back\\slash", "\"back\\\\slash\""},
	    {"a=b", "\"a=b\""},
	    {"\x1b[31m", "\"\\x1b[31m\""},
	    {"\x7f", "\"\\x7f\""},
	    {"\xc2\x9b", "\"\\xc2\\x9b\""}, // a control character in UTF-8
	    {"\xff\xc3", "\"\\xff\\xc3\""},
	    {"Gl\xc3\xbc"
	     "ck",
		"Gl\xc3\xbc"
		"ck"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_event(&lg, WHERRY_LOG_INFO, "e", "v", cases[i].value, NULL);
		const char *line = strstr(said(), " v=") + 3;
		assert_int_equal(strlen(line), strlen(cases[i].shown) + 1);
		assert_memory_equal(line, cases[i].shown, strlen(cases[i].shown));
	}
}

static void a_long_value_leaves_room_for_the_others(void **state)
{
	(void)state;
	char value[20000];
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_event(&lg, WHERRY_LOG_INFO, "e", "long", value, "short", "y", NULL);
	const char *line = said();
	assert_non_null(strstr(line, "xxx... short=y\n"));
	value[0] = ' ';
	log_event(&lg, WHERRY_LOG_INFO, "e", "long", value, "short", "y", NULL);
	assert_non_null(strstr(said(), "xxx...\" short=y\n"));
	value[0] = 'x';
	log_event(&lg, WHERRY_LOG_INFO, "e", "1", value, "2", value, "3", value, "4", value, "5", value, "6", value,
	    "7", value, "8", value, "9", value, NULL);
	line = said();
	assert_true(strlen(line) <= 4096);
	assert_string_equal(line + strlen(line) - 4, "...\n");
}

static void keeps_errno(void **state)
{
	(void)state;
	lg.fd = 1 << 20; // not open
	errno = ENOENT;
	log_event(&lg, WHERRY_LOG_INFO, "lost", NULL);
	assert_int_equal(errno, ENOENT);
}

enum { THREADS = 4, LINES = 100 };

static void *chatter(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_event(&lg, WHERRY_LOG_INFO, "said", "who", arg, "text", "the quick brown fox", NULL);
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	(void)state;
	static char *const names[THREADS] = {"a", "b", "c", "d"};
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, chatter, names[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	int lines = 0;
	static const char sample[] = "2023-11-14T22:13:20.123Z info said who=a text=\"the quick brown fox\"\n";
	for (const char *at = said(); *at != '\0'; at += sizeof(sample) - 1, lines++) {
		assert_memory_equal(at, sample, strlen("2023-11-14T22:13:20.123Z info said who="));
		assert_memory_equal(at + 40, sample + 40, sizeof(sample) - 1 - 40);
	}
	assert_int_equal(lines, THREADS * LINES);
}

// --- JSON --------------------------------------------------------------------------------------------------------------

static void a_line_may_be_json(void **state)
{
	(void)state;
	lg.format = LOG_JSON;
	log_event(&lg, WHERRY_LOG_INFO, "listening", "url", "tcp://127.0.0.1:1973", "limit", LOG_NUMBER(-5), "none",
	    NULL, NULL);
	assert_string_equal(said(), "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\",\"event\":\"listening\","
				    "\"url\":\"tcp://127.0.0.1:1973\",\"limit\":\"-5\",\"none\":\"\"}\n");
}

static void json_escapes_what_it_must(void **state)
{
	(void)state;
	static const struct {
		const char *value, *shown;
	} cases[] = {
	    {"say \"x\" \\", "say \\\"x\\\" \\\\"},
	    {"a\nb\t", "a\\nb\\u0009"},
	    {"\x1b[31m\x7f", "\\u001b[31m\\u007f"},
	    {"\xc2\x9b", "\\u009b"},
	    {"a\xff\xc3", "a\\ufffd\\ufffd"},
	    {"\xc3\xbc", "\xc3\xbc"},
	};
	lg.format = LOG_JSON;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[100];
		snprintf(want, sizeof(want), ",\"v\":\"%s\"}\n", cases[i].shown);
		log_event(&lg, WHERRY_LOG_INFO, "e", "v", cases[i].value, NULL);
		assert_string_equal(strstr(said(), ",\"v\""), want);
	}
}

static void long_json_is_whole_json(void **state)
{
	(void)state;
	char value[20000];
	memset(value, '\n', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	lg.format = LOG_JSON;
	log_event(&lg, WHERRY_LOG_INFO, "e", "long", value, "short", "y", NULL);
	assert_non_null(strstr(said(), "\\n...\",\"short\":\"y\"}\n"));
	log_event(&lg, WHERRY_LOG_INFO, "e", "1", value, "2", value, "3", value, "4", value, "5", value, "6", value,
	    "7", value, "8", value, "9", value, NULL);
	const char *line = said();
	assert_true(strlen(line) <= 4096);
	assert_string_equal(line + strlen(line) - 16, "\",\"cut\":\"true\"}\n");
}

// --- files -------------------------------------------------------------------------------------------------------------

static void a_line_behind_a_torn_one_begins_afresh(void **state)
{
	(void)state;
	static char text[70000];
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	lg.torn = true;
	log_event(&lg, WHERRY_LOG_INFO, "after", NULL);
	assert_false(lg.torn);
	assert_string_equal(said(), "\n2023-11-14T22:13:20.123Z info after\n");
	memset(text, 'x', sizeof(text) - 1);
	while (write(ends[1], text, 4096) > 0) // until it is full
		;
	log_event(&lg, WHERRY_LOG_INFO, "lost", NULL);
	assert_false(lg.torn); // nothing of it was written
	while (said()[0] != '\0')
		;
	log_event(&lg, WHERRY_LOG_INFO, "next", NULL);
	assert_string_equal(said(), "2023-11-14T22:13:20.123Z info next\n");
}

static char path[64], moved[80];

static size_t lines_of(const char *name)
{
	char line[4200];
	size_t count = 0;
	FILE *in = fopen(name, "r");
	assert_non_null(in);
	for (; fgets(line, sizeof(line), in) != NULL; count++)
		assert_string_equal(strchr(line, 'Z'), "Z info said who=x text=\"the quick brown fox\"\n");
	fclose(in);
	return count;
}

static void no_line_is_lost_when_a_file_is_opened_anew(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	size_t lines = 0;
	snprintf(path, sizeof(path), "/tmp/wherry-log-%d", (int)getpid());
	int was = lg.fd;
	lg.fd = log_open(path);
	assert_true(lg.fd >= 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, chatter, "x"), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(moved, sizeof(moved), "%s.%d", path, i);
		assert_int_equal(rename(path, moved), 0);
		assert_true(log_reopen(&lg, path));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 20; i++) {
		snprintf(moved, sizeof(moved), "%s.%d", path, i);
		lines += lines_of(moved);
		unlink(moved);
	}
	lines += lines_of(path);
	assert_int_equal(lines, THREADS * LINES);
	assert_false(log_reopen(&lg, "/nonexistent/log"));
	assert_int_equal(errno, ENOENT);
	log_event(&lg, WHERRY_LOG_INFO, "said", "who", "x", "text", "the quick brown fox", NULL);
	lines_of(path);
	unlink(path);
	close(lg.fd);
	lg.fd = was;
}

static void names_of_levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_of("error"), WHERRY_LOG_ERROR);
	assert_int_equal(log_level_of("warn"), WHERRY_LOG_WARN);
	assert_int_equal(log_level_of("info"), WHERRY_LOG_INFO);
	assert_int_equal(log_level_of("DEBUG"), WHERRY_LOG_DEBUG);
	assert_int_equal(log_level_of("loud"), -1);
}

static void tells_utf8_from_other_bytes(void **state)
{
	(void)state;
	static const char *const good[] = {"", "plain text of some length", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
	    "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "eight by\xc3\xbc"};
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80",
	    "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "eight by\xc3",
	    "1234567\xff", "\xe2\x28\xa1"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(text_is_utf8(span_text(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_is_utf8(span_text(bad[i])));
	assert_true(text_is_utf8((wherry_span){NULL, 0}));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)
	const struct CMUnitTest tests[] = {
	    TEST(writes_time_level_event_and_pairs),
	    TEST(leaves_out_what_is_above_its_level),
	    TEST(no_value_can_forge_a_line),
	    TEST(a_long_value_leaves_room_for_the_others),
	    TEST(keeps_errno),
	    TEST(lines_of_threads_do_not_mix),
	    TEST(a_line_may_be_json),
	    TEST(json_escapes_what_it_must),
	    TEST(long_json_is_whole_json),
	    TEST(a_line_behind_a_torn_one_begins_afresh),
	    TEST(no_line_is_lost_when_a_file_is_opened_anew),
	    cmocka_unit_test(names_of_levels),
	    cmocka_unit_test(tells_utf8_from_other_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
