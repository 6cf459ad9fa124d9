// Files that include files, options from the environment, and that all that is wrong is said at once.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker.h"
#include "config.h"
#include "embed.h"

static char dir[4096];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s", embed_temp_dir());
	return 0;
}

static int remove_dir(void **state)
{
	char command[4200];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static const char *path_of(const char *name)
{
	static char path[4][5000];
	static int next;
	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static const char *file(const char *name, const char *text)
{
	const char *path = path_of(name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	return path;
}

static wherry_config *fresh(void)
{
	wherry_config *c = wherry_config_new();
	assert_non_null(c);
	return c;
}

// Reads the file, which must be refused with these sentences, behind the directory.
static void expect_faults(const char *path, const char *const *faults)
{
	wherry_config *c = fresh();
	assert_int_not_equal(wherry_config_file(c, path), WHERRY_OK);
	size_t count = 0;
	for (; faults[count] != NULL; count++) {
		assert_true(count < c->faults.count);
		const char *text = c->faults.text[count];
		if (strncmp(text, dir, strlen(dir)) == 0)
			text += strlen(dir) + 1;
		assert_memory_equal(text, faults[count], strlen(faults[count]));
	}
	assert_int_equal(c->faults.count, count);
	assert_string_equal(wherry_config_why(c), c->faults.text[0]);
	wherry_config_free(c);
}

#define FAULTS(...) ((const char *const[]){__VA_ARGS__, NULL})

// --- include -----------------------------------------------------------------------------------------------------------

static void an_include_stands_for_its_file(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	file("in.conf", "max_parked = 2\nmax_key = 100\nmodule \"kv\" { max_value = 2MiB }\n");
	const char *path = file("w.conf", "max_parked = 1\n"
					  "include \"in.conf\" # theirs wins\n"
					  "max_key = 200 /* ours: include \"nothing\" */\n"
					  "namespace \"a\" { }\n");
	assert_int_equal(wherry_config_file(c, path), WHERRY_OK);
	assert_int_equal(config_number(c, "max_parked"), 2);
	assert_int_equal(config_number(c, "max_key"), 200);
	assert_string_equal(config_module_option(c, "kv", "max_value"), "2MiB");
	assert_int_equal(c->namespace_count, 1);
	wherry_config_free(c);
}

static void a_pattern_includes_all_that_match_in_order(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(mkdir(path_of("d"), 0755), 0);
	file("d/20.conf", "max_parked = 20\n");
	file("d/10.conf", "max_parked = 10\nmax_key = 110\n");
	file("d/30.other", "max_parked = 30\n");
	assert_int_equal(
	    wherry_config_file(c, file("w.conf", "include \"d/*.conf\"\n include 'none/*.conf'")), WHERRY_OK);
	assert_int_equal(config_number(c, "max_parked"), 20);
	assert_int_equal(config_number(c, "max_key"), 110);
	wherry_config_free(c);
}

static void what_only_looks_like_an_include_is_none(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	const char *path = file("w.conf", "# include \"a\"\n// include \"a\"\n/*\ninclude \"a\"\n*/\n"
					  "data_dir = \"\ninclude \\\"a\\\"\n\"\n"
					  "module_dir = 'x\ninclude \"a\"'\n"
					  "log_file =\n  include\n");
	assert_int_equal(wherry_config_file(c, path), WHERRY_OK);
	assert_string_equal(config_text(c, "data_dir"), "\ninclude \"a\"\n");
	assert_string_equal(config_text(c, "log_file"), "include");
	wherry_config_free(c);
}

static void a_wrong_include_is_refused_where_it_stands(void **state)
{
	(void)state;
	expect_faults(file("w.conf", "\n\ninclude \"none.conf\"\n"), FAULTS("w.conf:3: include "));
	expect_faults(file("w.conf", "include none.conf\n"), FAULTS("w.conf:1: it is written include \"FILE\""));
	expect_faults(
	    file("w.conf", "\ninclude \"a\" max_key = 1\n"), FAULTS("w.conf:2: it is written include \"FILE\""));
	expect_faults(file("w.conf", "listen \"tcp://[::1]:1\" {\n  include \"a\"\n}"),
	    FAULTS("w.conf:2: include \"FILE\" stands outside of sections"));
	wherry_config *c = fresh();
	assert_int_equal(config_parse_text(c, "include \"a\"", 11, "text"), WHERRY_EARG);
	assert_string_equal(wherry_config_why(c), "text:1: include \"a\": only a file may include others");
	wherry_config_free(c);
}

static void circles_and_depths_end(void **state)
{
	(void)state;
	char name[16], text[64];
	expect_faults(file("self.conf", "include \"self.conf\"\n"), FAULTS("self.conf:1: include "));
	file("a.conf", "include \"b.conf\"\n");
	file("b.conf", "\ninclude \"a.conf\"\n");
	expect_faults(path_of("a.conf"), FAULTS("b.conf:2: include "));
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(text, sizeof(text), "include \"n%d\"\n", i + 1);
		file(name, text);
	}
	expect_faults(path_of("n0"), FAULTS("n8:1: include \"n9\": files include files 8 deep at most"));
	file("twice.conf", "max_parked = 3\n");
	wherry_config *c = fresh();
	assert_int_equal(
	    wherry_config_file(c, file("w.conf", "include \"twice.conf\"\ninclude \"twice.conf\"\n")), WHERRY_OK);
	wherry_config_free(c);
}

static void no_file_is_read_endlessly(void **state)
{
	(void)state;
	char text[400 * 20] = "";
	file("small", "");
	for (int i = 0; i < 300; i++)
		strcat(text, "include \"small\"\n");
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_file(c, file("w.conf", text)), WHERRY_EARG);
	assert_non_null(strstr(wherry_config_why(c), "256 files are the most"));
	wherry_config_free(c);
}

// libconfuse looks through all that it has for each that comes.
static void settings_are_bounded(void **state)
{
	(void)state;
	static char text[5001 * 20];
	size_t len = 0;
	for (int i = 0; i < 5001; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "max_parked = 3\n");
	file("half.conf", text);
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_file(c, path_of("half.conf")), WHERRY_OK);
	assert_int_equal(
	    wherry_config_file(c, file("w.conf", "include \"half.conf\"\ninclude \"half.conf\"\n")), WHERRY_EARG);
	assert_non_null(strstr(wherry_config_why(c), "half.conf: 10000 settings are the most"));
	wherry_config_free(c);
}

static void a_file_that_anybody_may_write_is_refused(void **state)
{
	(void)state;
	const char *path = file("w.conf", "max_parked = 3\n");
	assert_int_equal(chmod(path, 0646), 0);
	expect_faults(path, FAULTS("w.conf: anybody may write it: chmod o-w it"));
	file("outer.conf", "\ninclude \"w.conf\"\n");
	expect_faults(path_of("outer.conf"), FAULTS("outer.conf:2: include "));
	if (geteuid() != 0)
		return;
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	expect_faults(path, FAULTS("w.conf: it is not root's"));
}

// --- all at once -------------------------------------------------------------------------------------------------------

static void every_wrong_value_is_said(void **state)
{
	(void)state;
	file("in.conf", "\nmax_parked = some\n");
	expect_faults(file("w.conf", "max_frame = soon\n"
				     "max_key = 1\n"
				     "include \"in.conf\"\n"
				     "namespace \"a b\" { }\n"
				     "log_level = loud\n"
				     "listen \"tcp://[::1]:1\" { mode = 9 }\n"
				     "max_args = 100\n"
				     "frobnicate = 1\n"),
	    FAULTS("w.conf:1: max_frame: ", "w.conf:2: max_key: ", "in.conf:2: max_parked: ", "w.conf:4: \"a b\" can't",
		"w.conf:5: log_level: ", "w.conf:6: mode: ", "w.conf:8: there is no option \"frobnicate\""));
}

static void faults_are_bounded(void **state)
{
	(void)state;
	char text[4000] = "";
	for (int i = 0; i < 100; i++)
		sprintf(text + strlen(text), "max_frame = x%d\n", i);
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_file(c, file("w.conf", text)), WHERRY_EARG);
	assert_int_equal(c->faults.count, CONFIG_FAULTS_MOST);
	wherry_config_free(c);
}

// --- the environment ---------------------------------------------------------------------------------------------------

static int read_environment(wherry_config *c, char *const *names)
{
	const char *listen;
	return config_environment(c, names, &listen);
}

#define NAMES(...) ((char *const[]){__VA_ARGS__, NULL})

static void the_environment_wins_over_what_was_set(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	const char *listen;
	assert_int_equal(wherry_config_set(c, "max_key", "100"), WHERRY_OK);
	assert_int_equal(
	    config_environment(c,
		NAMES("PATH=/bin", "WHERRY_MAX_KEY=1KiB", "WHERRY_LISTEN=tcp://[::1]:1 ipc:///a", "WHERRY_URL=x"),
		&listen),
	    WHERRY_OK);
	assert_int_equal(config_number(c, "max_key"), 1024);
	assert_string_equal(listen, "tcp://[::1]:1 ipc:///a");
	assert_int_equal(c->warnings.count, 0);
	wherry_config_free(c);
}

static void a_name_is_the_broker_s_then_the_longest_module_s(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(
	    read_environment(c, NAMES("WHERRY_KV_MAX_VALUE=2MiB", "WHERRY_MAX_FRAME=1MiB", "WHERRY_MAX_IT=5",
				    "WHERRY_MAX_DEEP_IT=6", "WHERRY_MODULES=kv max max_deep")),
	    WHERRY_OK);
	assert_string_equal(config_module_option(c, "kv", "max_value"), "2MiB");
	assert_int_equal(config_number(c, "max_frame"), 1 << 20);
	assert_null(config_module_option(c, "max", "frame"));
	assert_string_equal(config_module_option(c, "max", "it"), "5");
	assert_string_equal(config_module_option(c, "max_deep", "it"), "6");
	wherry_config_free(c);
}

static void a_strange_name_is_a_warning_a_wrong_value_an_error(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(read_environment(c, NAMES("WHERRY_MAX_FRAM=1MiB", "WHERRY_FROBNICATE=1")), WHERRY_OK);
	assert_int_equal(c->warnings.count, 2);
	assert_string_equal(c->warnings.text[0],
	    "environment: WHERRY_MAX_FRAM is no option of wherryd; did you mean WHERRY_MAX_FRAME?");
	assert_string_equal(c->warnings.text[1],
	    "environment: WHERRY_FROBNICATE is no option of wherryd, nor of a module that is configured");
	assert_int_equal(read_environment(c, NAMES("WHERRY_MAX_FRAME=soon", "WHERRY_LOG_LEVEL=loud")), WHERRY_EARG);
	assert_int_equal(c->faults.count, 2);
	assert_memory_equal(c->faults.text[0], "environment, WHERRY_MAX_FRAME: max_frame: \"soon\" is not a size", 62);
	assert_string_equal(c->faults.text[1],
	    "environment, WHERRY_LOG_LEVEL: log_level: \"loud\" is none of error, warn, info, debug");
	wherry_config_free(c);
}

static void words_are_taken_in_any_case(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_set(c, "log_format", "JSON"), WHERRY_OK);
	assert_string_equal(config_text(c, "log_format"), "json");
	assert_int_equal(wherry_config_set(c, "log_format", "xml"), WHERRY_EARG);
	assert_string_equal(wherry_config_why(c), "log_format: \"xml\" is none of text, json");
	wherry_config_free(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
	    TEST(an_include_stands_for_its_file),
	    TEST(a_pattern_includes_all_that_match_in_order),
	    TEST(what_only_looks_like_an_include_is_none),
	    TEST(a_wrong_include_is_refused_where_it_stands),
	    TEST(circles_and_depths_end),
	    TEST(no_file_is_read_endlessly),
	    TEST(settings_are_bounded),
	    TEST(a_file_that_anybody_may_write_is_refused),
	    TEST(every_wrong_value_is_said),
	    TEST(faults_are_bounded),
	    cmocka_unit_test(the_environment_wins_over_what_was_set),
	    cmocka_unit_test(a_name_is_the_broker_s_then_the_longest_module_s),
	    cmocka_unit_test(a_strange_name_is_a_warning_a_wrong_value_an_error),
	    cmocka_unit_test(words_are_taken_in_any_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
