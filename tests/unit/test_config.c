// The configuration as an administrator meets it: what a file or a flag sets, and what is said about a wrong
// one.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "broker.h"
#include "config.h"

#define PRESET_OTHERS "lock;queue;pubsub;" // modules that are loaded without a word, but kv

static wherry_config *fresh(void)
{
	wherry_config *c = wherry_config_new();
	assert_non_null(c);
	return c;
}

static int parse(wherry_config *c, const char *text)
{
	return config_parse_text(c, text, strlen(text), "wherry.conf");
}

// Parses `text`, which must be refused with exactly this sentence.
static void expect_refused(const char *text, const char *why)
{
	wherry_config *c = fresh();
	assert_int_equal(parse(c, text), WHERRY_EARG);
	assert_string_equal(wherry_config_why(c), why);
	wherry_config_free(c);
}

static int collect(void *arg, const char *name)
{
	strcat(arg, name);
	strcat(arg, ";");
	return WHERRY_OK;
}

static void expect_modules(const wherry_config *c, const char *names)
{
	char all[256] = "";
	assert_int_equal(config_each_module(c, collect, all), WHERRY_OK);
	assert_string_equal(all, names);
}

static void presets_are_the_documented_ones(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(config_number(c, "max_frame"), 16 << 20);
	assert_int_equal(config_number(c, "max_connections"), 10000);
	assert_int_equal(config_number(c, "handshake_timeout"), 10000);
	assert_int_equal(config_number(c, "idle_timeout"), 0);
	assert_int_equal(config_number(c, "outbox_bytes"), 8 << 20);
	assert_int_equal(config_number(c, "send_bytes"), 256 << 10);
	assert_int_equal(config_number(c, "stall_timeout"), 30000);
	assert_int_equal(config_number(c, "max_depth"), 24);
	assert_int_equal(config_number(c, "max_elements"), 1 << 20);
	assert_int_equal(config_number(c, "max_args"), 65536);
	assert_int_equal(config_number(c, "resend_bytes"), 64 << 20);
	assert_int_equal(config_number(c, "max_key"), 4096);
	assert_int_equal(config_number(c, "max_answer"), 16 << 20);
	assert_int_equal(config_number(c, "max_parked"), 1024);
	assert_int_equal(config_number(c, "park_timeout"), 50000);
	assert_int_equal(config_number(c, "drain_timeout"), 5000);
	assert_int_equal(config_number(c, "max_memory"), 0);
	assert_string_equal(config_text(c, "log_level"), "info");
	assert_string_equal(config_text(c, "data_dir"), "");
	assert_int_equal(c->listener_count, 0);
	expect_modules(c, "kv;" PRESET_OTHERS);
	wherry_config_free(c);
}

static void a_file_sets_everything(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(parse(c, "# a broker for two services\n"
				  "data_dir = \"/var/lib/wherry\"\n"
				  "max_frame = 32MiB\n"
				  "max_key = 512\n"
				  "idle_timeout = 5m\n"
				  "log_level = debug\n"
				  "listen \"tcp://0.0.0.0:1973\" { insecure = true }\n"
				  "listen \"tls+tcp://[::]:1974\" {\n"
				  "    tls_cert = \"cert.pem\"\n"
				  "    tls_key = \"key.pem\"\n"
				  "}\n"
				  "listen \"ipc:///run/w.sock\" { mode = 0600 }\n"
				  "module \"kv\" { max_value = 1MiB }\n"
				  "module \"/opt/hello.so\" { greeting = \"good day\" }\n"
				  "namespace \"orders\" { }\n"
				  "namespace \"audit\" { }\n"),
	    WHERRY_OK);
	assert_string_equal(config_text(c, "data_dir"), "/var/lib/wherry");
	assert_int_equal(config_number(c, "max_frame"), 32 << 20);
	assert_int_equal(config_number(c, "max_key"), 512);
	assert_int_equal(config_number(c, "idle_timeout"), 300000);
	assert_string_equal(config_text(c, "log_level"), "debug");

	assert_int_equal(c->listener_count, 3);
	assert_string_equal(c->listeners[0].url, "tcp://0.0.0.0:1973");
	assert_true(c->listeners[0].options.insecure);
	assert_null(c->listeners[0].options.tls_cert_file);
	assert_int_equal(c->listeners[0].options.ipc_mode, 0660);
	assert_string_equal(c->listeners[1].options.tls_cert_file, "cert.pem");
	assert_string_equal(c->listeners[1].options.tls_key_file, "key.pem");
	assert_false(c->listeners[1].options.insecure);
	assert_int_equal(c->listeners[2].options.ipc_mode, 0600);

	expect_modules(c, PRESET_OTHERS "kv;/opt/hello.so;");
	assert_string_equal(config_module_option(c, "kv", "max_value"), "1MiB");
	assert_string_equal(config_module_option(c, "hello", "greeting"), "good day");
	assert_null(config_module_option(c, "kv", "greeting"));
	assert_int_equal(c->namespace_count, 2);
	assert_string_equal(c->namespaces[1], "audit");
	wherry_config_free(c);
}

static void a_listener_says_what_plain_sockets_get(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(
	    parse(c, "listen \"tcp://127.0.0.1:1\" { tap = \"sensors.>\" max_messages = 10 max_bytes = 2KiB\n"
		     "  payload = msgpack queue = \"jobs\" ns = \"orders\" }\n"
		     "listen \"tcp://127.0.0.1:2\" { payload = bin }\n"),
	    WHERRY_OK);
	const struct listen_options *o = &c->listeners[0].options;
	assert_string_equal(o->tap, "sensors.>");
	assert_int_equal(o->max_messages, 10);
	assert_int_equal(o->max_bytes, 2048);
	assert_true(o->payload_msgpack);
	assert_string_equal(o->queue, "jobs");
	assert_string_equal(o->ns, "orders");
	wherry_config *copy = config_copy(c);
	assert_true(listen_options_equal(o, &copy->listeners[0].options));
	assert_false(listen_options_equal(o, &copy->listeners[1].options));
	wherry_config_free(copy);
	assert_null(c->listeners[1].options.tap);
	assert_null(c->listeners[1].options.queue);
	assert_int_equal(c->listeners[1].options.max_messages, 0);
	assert_false(c->listeners[1].options.payload_msgpack);
	wherry_config_free(c);
}

static void later_sets_win(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(parse(c, "max_connections = 5\nmax_connections = 6\nmodule \"kv\" { a = 1 }"), WHERRY_OK);
	assert_int_equal(config_number(c, "max_connections"), 6);
	assert_int_equal(wherry_config_set(c, "max_connections", "7"), WHERRY_OK);
	assert_int_equal(config_number(c, "max_connections"), 7);
	assert_int_equal(wherry_config_set(c, "kv.a", "2"), WHERRY_OK);
	assert_string_equal(config_module_option(c, "kv", "a"), "2");
	assert_int_equal(c->setting_count, 1);
	wherry_config_free(c);
}

static void an_empty_file_changes_nothing(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(parse(c, ""), WHERRY_OK);
	assert_int_equal(parse(c, "\n\n# nothing\n"), WHERRY_OK);
	assert_int_equal(config_parse_text(c, NULL, 0, "wherry.conf"), WHERRY_OK);
	expect_modules(c, "kv;" PRESET_OTHERS);
	wherry_config_free(c);
}

static void unknown_names_come_with_line_and_suggestion(void **state)
{
	(void)state;
	expect_refused("max_frame = 1MiB\n\nmax_conections = 10\n",
	    "wherry.conf:3: there is no option \"max_conections\"; did you mean \"max_connections\"?");
	expect_refused("frobnicate = 1", "wherry.conf:1: there is no option \"frobnicate\"");
	expect_refused("listen \"tcp://127.0.0.1:1\" {\n  insecur = true\n}",
	    "wherry.conf:2: a listener has no option \"insecur\"; did you mean \"insecure\"?");
	expect_refused(
	    "listen \"tcp://127.0.0.1:1\" {\n  colour = blue\n}", "wherry.conf:2: a listener has no option \"colour\"");
}

static void wrong_values_come_with_their_line(void **state)
{
	(void)state;
	const struct {
		const char *text, *begin;
	} cases[] = {
	    {"\nmax_frame = soon", "wherry.conf:2: max_frame: "},
	    {"max_frame = 1", "wherry.conf:1: max_frame: "},
	    {"log_level = loud", "wherry.conf:1: log_level: \"loud\" is none of error, warn, info, debug"},
	    {"listen \"nonsense\" { }", "wherry.conf:1: \"nonsense\" is no URL to listen on"},
	    {"listen \"tcp://[::1]:1\" { insecure = perhaps }", "wherry.conf:1: insecure: "},
	    {"listen \"ipc:///a\" {\n mode = 999 }", "wherry.conf:2: mode: \"999\" is no file mode"},
	    {"listen \"tcp://[::1]:1\" { tap = \"a..b\" }",
		"wherry.conf:1: tap: \"a..b\" is no filter of topics: it has an"},
	    {"listen \"tcp://[::1]:1\" { max_messages = 0 }", "wherry.conf:1: max_messages: "},
	    {"listen \"tcp://[::1]:1\" { payload = json }", "wherry.conf:1: payload: \"json\" is none of bin, msgpack"},
	    {"listen \"tcp://[::1]:1\" { queue = \"\" }", "wherry.conf:1: queue: a queue's name is not empty"},
	    {"listen \"tcp://[::1]:1\" { ns = \"a\" }", "wherry.conf:1: ns: it is the namespace of a listener's queue"},
	    {"namespace \"a b\" { }", "wherry.conf:1: \"a b\" can't name a namespace"},
	    {"namespace \"a\" { }\nnamespace \"a\" { }", "wherry.conf:2: found duplicate title 'a'"},
	    {"module \"\" { }", "wherry.conf:1: a module is named by"},
	    {"max_frame", "wherry.conf:2: missing equal sign after option 'max_frame'"},
	    {"max_frame = \"1MiB", "wherry.conf:3: premature end of file"},
	    {"max_frame = 1MiB\n\"", "wherry.conf: a section, a text or a comment is not closed"},
	    {"/* max_frame = 1MiB\n", "wherry.conf: a section, a text or a comment is not closed"},
	    {"listen \"tcp://127.0.0.1:0\" {\n", "wherry.conf:3: the section listen is not closed: a } is missing"},
	    {"namespace \"a\" {", "wherry.conf:2: the section namespace is not closed"},
	    {"module \"kv\" {", "wherry.conf: a section, a text or a comment is not closed"},
	    {"namespace \"a\" { x = 1 }", "wherry.conf:1: a namespace has no options"},
	    {"listn \"tcp://[::1]:1\" { }",
		"wherry.conf:1: there is no option \"listn\"; did you mean listen \"...\" { }?"},
	    {"kv.max_value = 1MiB", "wherry.conf:1: there is no option \"kv.max_value\"; a module's is "
				    "written module \"kv\" { max_value = ... }"},
	    {"listen \"tls+tcp://[::1]:1\" { tls_cert = c }",
		"wherry.conf:1: tls+tcp://[::1]:1 needs a certificate and its key"},
	    {"max_frame = 1MiB\n}", "wherry.conf:2: unexpected closing brace"},
	    {"module \"kv\" { a\n }", "wherry.conf:2: missing equal sign after option 'a'"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wherry_config *c = fresh();
		assert_int_equal(parse(c, cases[i].text), WHERRY_EARG);
		if (strncmp(wherry_config_why(c), cases[i].begin, strlen(cases[i].begin)) != 0)
			fail_msg("\"%s\" was refused with: %s", cases[i].text, wherry_config_why(c));
		wherry_config_free(c);
	}
}

static void binary_files_are_refused(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(config_parse_text(c, "a\0b", 3, "x"), WHERRY_EARG);
	assert_string_equal(wherry_config_why(c), "x: not a text file");
	wherry_config_free(c);
}

static void a_fault_in_one_file_leaves_no_trace_in_the_next(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(parse(c, "max_frame = 'half"), WHERRY_EARG);
	assert_int_equal(parse(c, "max_frame = 2MiB"), WHERRY_OK);
	assert_int_equal(config_number(c, "max_frame"), 2 << 20);
	wherry_config_free(c);
}

static void files_are_read_from_disk(void **state)
{
	(void)state;
	char path[] = "/tmp/wherry-config-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "max_parked = 9\nbad\n", 19), 19);
	close(fd);
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_file(c, path), WHERRY_EARG);
	assert_int_equal(config_number(c, "max_parked"), 9);
	assert_non_null(strstr(wherry_config_why(c), ":2: there is no option \"bad\""));
	unlink(path);
	assert_int_equal(wherry_config_file(c, path), WHERRY_EIO);
	assert_non_null(strstr(wherry_config_why(c), "No such file"));
	assert_int_equal(wherry_config_file(c, "/"), WHERRY_EIO);
	wherry_config_free(c);
}

static void the_public_calls_say_what_is_wrong(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_set(c, "max_fram", "1"), WHERRY_EARG);
	assert_string_equal(wherry_config_why(c), "there is no option \"max_fram\"; did you mean \"max_frame\"?");
	assert_int_equal(wherry_config_set(c, ".a", "1"), WHERRY_EARG);
	assert_int_equal(wherry_config_set(c, "kv.", "1"), WHERRY_EARG);
	assert_int_equal(wherry_config_listen(c, "localhost:1973"), WHERRY_EARG);
	assert_int_equal(wherry_config_listen(c, "tls+tcp://127.0.0.1:0"), WHERRY_EARG);
	assert_int_equal(wherry_config_module(c, ""), WHERRY_EARG);
	assert_int_equal(c->listener_count + c->module_count + c->setting_count, 0);
	wherry_config_free(c);
}

static void modules_are_listed_once_and_in_order(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_module(c, "./hello.so"), WHERRY_OK);
	assert_int_equal(wherry_config_module(c, "kv"), WHERRY_OK);
	assert_int_equal(wherry_config_module(c, "./hello.so"), WHERRY_OK);
	expect_modules(c, PRESET_OTHERS "./hello.so;kv;");
	assert_int_equal(wherry_config_set(c, "modules", ""), WHERRY_OK);
	expect_modules(c, "./hello.so;kv;");
	assert_int_equal(wherry_config_set(c, "modules", "  ttl, queue "), WHERRY_OK);
	expect_modules(c, "ttl;queue;./hello.so;kv;");
	assert_int_equal(wherry_config_module(c, "/elsewhere/ttl.so"), WHERRY_OK);
	expect_modules(c, "queue;./hello.so;kv;/elsewhere/ttl.so;");
	wherry_config_free(c);
}

static void the_broker_wide_insecure_reaches_every_listener(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_listen(c, "tcp://0.0.0.0:0"), WHERRY_OK);
	assert_false(config_listen_options(c, 0).insecure);
	assert_int_equal(wherry_config_set(c, "insecure", "yes"), WHERRY_OK);
	assert_true(config_listen_options(c, 0).insecure);
	config_forget_listeners(c);
	assert_int_equal(c->listener_count, 0);
	wherry_config_free(c);
}

static void a_listener_is_given_once_a_free_port_often(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(wherry_config_listen(c, "tcp://127.0.0.1:0"), WHERRY_OK);
	assert_int_equal(wherry_config_listen(c, "tcp://127.0.0.1:0"), WHERRY_OK);
	assert_int_equal(wherry_config_listen(c, "tcp://127.0.0.1:1"), WHERRY_OK);
	assert_int_equal(wherry_config_listen(c, "tcp://127.0.0.1:1"), WHERRY_EARG);
	assert_string_equal(wherry_config_why(c), "tcp://127.0.0.1:1 is given twice");
	assert_int_equal(c->listener_count, 3);
	wherry_config_free(c);
}

static void a_file_may_name_the_environment(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	setenv("WHERRY_TEST_DIR", "/srv/a", 1);
	assert_int_equal(parse(c, "data_dir = \"${WHERRY_TEST_DIR}/b\""), WHERRY_OK);
	assert_string_equal(config_text(c, "data_dir"), "/srv/a/b");
	assert_int_equal(parse(c, "data_dir = '${WHERRY_TEST_DIR}'"), WHERRY_OK);
	assert_string_equal(config_text(c, "data_dir"), "${WHERRY_TEST_DIR}");
	unsetenv("WHERRY_TEST_DIR");
	wherry_config_free(c);
}

static void a_copy_shares_nothing(void **state)
{
	(void)state;
	wherry_config *c = fresh();
	assert_int_equal(parse(c, "max_parked = 3\ndata_dir = \"/a\"\nmodule \"m\" { x = 1 }\nnamespace \"n\" { }\n"
				  "listen \"tls+tcp://127.0.0.1:1\" { tls_cert = c tls_key = k }"),
	    WHERRY_OK);
	wherry_config *copy = config_copy(c);
	wherry_config_free(c);
	assert_non_null(copy);
	assert_int_equal(config_number(copy, "max_parked"), 3);
	assert_string_equal(config_text(copy, "data_dir"), "/a");
	assert_string_equal(config_module_option(copy, "m", "x"), "1");
	assert_string_equal(copy->namespaces[0], "n");
	assert_string_equal(copy->listeners[0].options.tls_key_file, "k");
	expect_modules(copy, "kv;" PRESET_OTHERS "m;");
	wherry_config_free(copy);
}

static int countdown;

static bool fail_at_zero(size_t size)
{
	(void)size;
	return countdown-- != 0;
}

static void every_failed_allocation_is_reported(void **state)
{
	(void)state;
	int status = WHERRY_ENOMEM;
	for (int n = 0; status != WHERRY_OK; n++) {
		assert_true(n < 1000);
		countdown = n;
		mem_may_alloc = fail_at_zero;
		wherry_config *c = wherry_config_new();
		wherry_config *copy = NULL;
		status = WHERRY_ENOMEM;
		if (c != NULL)
			status = parse(c, "data_dir = \"/a\"\nmodule \"m\" { x = 1 }\nnamespace \"n\" { }\n"
					  "listen \"tls+tcp://127.0.0.1:1\" { tls_cert = c tls_key = k }");
		if (status == WHERRY_OK && (copy = config_copy(c)) == NULL)
			status = WHERRY_ENOMEM;
		mem_may_alloc = NULL;
		wherry_config_free(c);
		wherry_config_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(presets_are_the_documented_ones),
	    cmocka_unit_test(a_file_sets_everything),
	    cmocka_unit_test(a_listener_says_what_plain_sockets_get),
	    cmocka_unit_test(later_sets_win),
	    cmocka_unit_test(an_empty_file_changes_nothing),
	    cmocka_unit_test(unknown_names_come_with_line_and_suggestion),
	    cmocka_unit_test(wrong_values_come_with_their_line),
	    cmocka_unit_test(binary_files_are_refused),
	    cmocka_unit_test(a_fault_in_one_file_leaves_no_trace_in_the_next),
	    cmocka_unit_test(files_are_read_from_disk),
	    cmocka_unit_test(the_public_calls_say_what_is_wrong),
	    cmocka_unit_test(modules_are_listed_once_and_in_order),
	    cmocka_unit_test(the_broker_wide_insecure_reaches_every_listener),
	    cmocka_unit_test(a_listener_is_given_once_a_free_port_often),
	    cmocka_unit_test(a_file_may_name_the_environment),
	    cmocka_unit_test(a_copy_shares_nothing),
	    cmocka_unit_test(every_failed_allocation_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
