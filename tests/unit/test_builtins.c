// The built-in modules sys, session and ns, as a client meets them.

#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_broker(void **state)
{
	*state = embed_open("counter,parker");
	return 0;
}

static int close_broker(void **state)
{
	embed_close(*state);
	return 0;
}

static void ping(void **state)
{
	expect(*state, "sys.ping", "\"PONG\"");
}

static void info_tells_what_it_is(void **state)
{
	struct embed *b = *state;
	char want[512];
	expect(b, "counter.add a x ; counter.add b x", "1 ; 1");
	snprintf(want, sizeof(want),
	    "{\"version\": \"%s\", \"abi\": \"0.2\", \"pid\": %d, \"started_ms\": *, \"uptime_ms\": *, "
	    "\"listeners\": [[][]], "
	    "\"modules\": [[]\"sys\", \"session\", \"module\", \"ns\", \"tx\", \"counter\", \"parker\"], "
	    "\"memory\": [1-9]*, "
	    "\"keys\": 2, \"namespaces\": 1, \"connections\": 0, \"sessions\": 1, \"parked\": 0, "
	    "\"requests\": *, "
	    "\"lsn\": 2, \"durable_lsn\": 2, \"read_only\": false}",
	    wherry_version(), (int)getpid());
	expect_like(b, "sys.info", want);
}

static void stats_count(void **state)
{
	struct embed *b = *state;
	expect(b, "counter.add a x", "1");
	expect_like(b, "counter.get", "EARG: *");
	expect_like(b, "counter.get [1] x", "EARG: *");
	expect(b, "counter.get a x", "1");
	expect_like(b, "sys.stats",
	    "{\"router\": {\"requests\": *\"slow\": 0}, \"wire\": {\"connections\": 0, *}, \"store\": {\"keys\": 1, "
	    "*}, \"messages\": {\"subscriptions\": 0, *}, \"memory\": {\"used\": [1-9]*, \"limit\": 0, \"table\": "
	    "[1-9]*, \"resident\": [1-9]*, \"modules\": "
	    "{\"counter\": *, \"parker\": 0}}, \"namespaces\": {\"*\": {\"keys\": 1}}, "
	    "\"modules\": {\"counter.adds\": 1}, \"commands\": {\"counter.add\": {\"calls\": 1, "
	    "\"errors\": 0, \"p50_us\": *, \"p99_us\": *, \"p999_us\": *, \"max_us\": *}, "
	    "\"counter.get\": {\"calls\": *}*}");
}

static void commands_describe_themselves(void **state)
{
	struct embed *b = *state;
	expect(b, "sys.commands parker.signal",
	    "[{\"name\": \"parker.signal\", \"module\": \"parker\", \"help\": \"a command\", \"verb\": "
	    "\"write\", \"flags\": "
	    "[\"writes\"], \"args\": [{\"name\": \"key\", \"kinds\": [\"int\", \"float\", \"str\", "
	    "\"bin\", \"tuple\"], "
	    "\"flags\": [\"write\"], \"help\": \"an argument\"}, {\"name\": \"count\", \"kinds\": "
	    "[\"int\"], \"flags\": "
	    "[\"optional\"], \"help\": \"an argument\"}]}]");
	expect_like(b, "sys.commands sys.config",
	    "[[]{\"name\": \"sys.config\", \"module\": \"sys\", \"help\": \"*\", \"verb\": "
	    "\"admin\", \"flags\": "
	    "[[]\"parks\", \"admin\"], *}]");
	expect_like(b, "sys.commands counter", "*counter.add*counter.get*counter.loads*");
	expect_like(b, "sys.commands", "*counter.add*module.list*ns.list*parker.wait*session.hello*sys.ping*");
	expect(
	    b, "sys.commands counter.ad", "ENOCMD: no command or module \"counter.ad\"; did you mean \"counter.add\"?");
	expect(b, "sys.commands zzzzzzzzzzzzzzz", "ENOCMD: no command or module \"zzzzzzzzzzzzzzz\"");
}

// Every command of the built-ins says what it takes and what it answers.
static void every_help_is_a_text(void **state)
{
	struct embed *b = *state;
	static const char *const modules[] = {"sys", "session", "module", "ns"};
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		char *text = embed_callf(b, "sys.commands %s", modules[i]);
		assert_null(strstr(text, "\"help\": \"\""));
		assert_non_null(strstr(text, "\"help\": \""));
		free(text);
	}
}

static void config_shows_and_sets(void **state)
{
	struct embed *b = *state;
	expect_like(b, "sys.config",
	    "{\"data_dir\": \"\", *\"max_frame\": 16777216, *\"counter.step\": 1, \"counter.label\": "
	    "\"none\", *}");
	expect(b, "sys.config max_frame", "16777216");
	expect(b, "sys.config max_frame 32MiB", "33554432");
	expect(b, "sys.config max_frame 1048576", "1048576");
	expect(b, "sys.config log_level", "\"error\"");
	expect(b, "sys.config log_level warn", "\"warn\"");
	expect(b, "sys.config log_level error", "\"error\"");
	expect(b, "sys.config insecure", "false");
	expect(b, "sys.config insecure true",
	    "EARG: insecure can't change while the broker runs: set it in the configuration and restart");
	expect(b, "sys.config max_fame", "EARG: there is no option \"max_fame\"; did you mean \"max_frame\"?");
	expect(b, "sys.config max_fame 1", "EARG: there is no option \"max_fame\"; did you mean \"max_frame\"?");
	expect(b, "sys.config counter.nothing",
	    "EARG: there is no option \"counter.nothing\": see sys.config, and module.list");
	expect(b, "sys.config counter.lable",
	    "EARG: there is no option \"counter.lable\"; did you mean \"counter.label\"?");
	expect_like(b, "sys.config max_frame much", "EARG: max_frame: \"much\" is not a size: *");
	expect_like(b, "sys.config max_frame 1.5", "EARG: argument \"value\" must be *");
	expect(b, "sys.config \"a=b\" 1", "EARG: argument \"name\" is no option's name: see sys.config");
	expect(b, "sys.config max_frame", "1048576");
}

static void inspect_shows_how_a_key_is_kept(void **state)
{
	struct embed *b = *state;
	expect(b, "counter.add k x ; counter.add k y", "1 ; 1");
	expect_like(b, "sys.inspect k",
	    "{\"type\": \"counter.counter\", \"head\": b\"c\", \"records\": 2, \"revision\": 2, "
	    "\"memory\": [1-9]*, \"deadline_ms\": null, \"alarm_ms\": null}");
	expect(b, "sys.inspect nothing", "ENOKEY: no key \"nothing\"");
	expect_like(b, "sys.inspect", "EARG: *");
}

static void digest_tells_keyspaces_apart(void **state)
{
	struct embed *b = *state;
	char *empty = embed_call(b, "sys.digest");
	assert_int_equal(strlen(empty), 64 + 7); // ["...", 0]
	expect(b, "counter.add k x", "1");
	char *one = embed_call(b, "sys.digest"), *again = embed_call(b, "sys.digest");
	assert_string_not_equal(empty, one);
	assert_string_equal(one, again);
	assert_non_null(strstr(one, "\", 1]"));
	free(empty);
	free(one);
	free(again);
}

static void jobs_are_listed(void **state)
{
	embed_await(*state, "sys.jobs", "[]"); // once the last one is done
}

static void shutdown_ends_the_wait(void **state)
{
	struct embed *b = *state;
	assert_int_equal(wherry_broker_wait(embed_broker(b), 0), WHERRY_ETIMEOUT);
	expect(b, "sys.shutdown", "true");
	assert_int_equal(wherry_broker_wait(embed_broker(b), 10000), WHERRY_OK);
}

static void hello(void **state)
{
	struct embed *b = *state;
	char want[256];
	snprintf(want, sizeof(want),
	    "{\"session\": *, \"server\": \"wherry\", \"version\": \"%s\", \"protocol\": 1, \"limits\": "
	    "{\"frame\": 16777216, *}}",
	    wherry_version());
	expect_like(b, "session.hello", want);
	expect_like(b, "session.hello --client=tester --version=1", want);
	expect_like(b, "session.info",
	    "{\"session\": *, \"remote\": \"embedded\", \"client\": \"tester\", \"ns\": \"*\", "
	    "\"duplex\": false, \"since_ms\": [1-9]*, \"parked\": 0}");
	expect(b, "session.hello --client=\"a\\x80\"", "EARG: option \"client\" must be UTF-8 of at most 63 bytes");
	expect(b, "session.hello --version=2", "EUNSUPPORTED: this broker speaks version 1 of the protocol");
}

static void namespaces_are_keyspaces(void **state)
{
	struct embed *b = *state;
	expect_like(b, "ns.list", "[[]{\"name\": \"*\", \"keys\": 0}]");
	expect(b, "ns.create jobs", "true");
	expect(b, "ns.create jobs", "EEXIST: namespace \"jobs\" exists already");
	expect(b, "ns.create \"a b\"", "EARG: namespace \"a b\": a name is 1 to 64 of A-Z a-z 0-9 _ . -");
	expect(b, "counter.add k x 5 ; counter.add k x 7 --ns=jobs", "5 ; 7");
	expect(b, "session.use jobs", "true");
	expect(b, "counter.get k x", "7");
	expect_like(b, "session.info", "*\"ns\": \"jobs\"*");
	expect_like(b, "ns.list", "[[]{\"name\": \"*\", \"keys\": 1}, {\"name\": \"jobs\", \"keys\": 1}]");
	expect(b, "session.use \"\\xff\"", "ENOKEY: no namespace \"\\xff\"; see ns.list");
	expect(b, "session.use nowhere", "ENOKEY: no namespace \"nowhere\"; see ns.list");
	expect(b, "counter.get k x", "7"); // still there
	struct embed_session *other = embed_session_open(b);
	embed_expect_text(embed_session_call(other, "counter.get k x"), "5", 0, __FILE__, __LINE__);
	embed_session_close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_broker, close_broker)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(ping),
	    TEST(info_tells_what_it_is),
	    TEST(stats_count),
	    TEST(commands_describe_themselves),
	    TEST(every_help_is_a_text),
	    TEST(config_shows_and_sets),
	    TEST(inspect_shows_how_a_key_is_kept),
	    TEST(digest_tells_keyspaces_apart),
	    TEST(jobs_are_listed),
	    TEST(shutdown_ends_the_wait),
	    TEST(hello),
	    TEST(namespaces_are_keyspaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
