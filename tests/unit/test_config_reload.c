// Another configuration for a running broker: all of it or nothing, also without memory and without room.

#include "embed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "broker.h"
#include "config.h"

enum { TEXT_ROOM = 256 << 10 };

static wherry_config *parsed(const char *text)
{
	wherry_config *c = wherry_config_new();
	assert_non_null(c);
	if (config_parse_text(c, text, strlen(text), "text") != WHERRY_OK)
		fail_msg("%s", wherry_config_why(c));
	return c;
}

static wherry_config *with_module(const char *format, const char *module)
{
	static char text[8192] = "modules = kv\n"; // and nothing else that may run meanwhile
	size_t at = strlen("modules = kv\n");
	snprintf(text + at, sizeof(text) - at, format, embed_module_path(module));
	return parsed(text);
}

// On the control thread, the allocation number `fail_at` fails.
struct poverty {
	wherry_broker *b;
	const wherry_config *config;
	int status;
	char why[CONFIG_WHY_ROOM];
};

static _Thread_local bool poor;
static long fail_at;

static bool may_alloc(size_t size)
{
	(void)size;
	return !poor || fail_at-- != 0;
}

static void reload_poorly(void *arg)
{
	struct poverty *p = arg;
	poor = true;
	p->status = config_reload(p->b, p->config, p->why, sizeof(p->why));
	poor = false;
}

static struct poverty reload(struct embed *b, const wherry_config *config, long allocations)
{
	struct poverty p = {.b = embed_broker(b), .config = config};
	fail_at = allocations;
	mem_may_alloc = may_alloc;
	control_call(p.b->control, "test", reload_poorly, &p);
	mem_may_alloc = NULL;
	return p;
}

static void expect_reloaded(struct embed *b, wherry_config *config)
{
	struct poverty p = reload(b, config, -1);
	assert_string_equal(p.why, "");
	assert_int_equal(p.status, WHERRY_OK);
	wherry_config_free(config);
}

static void expect_refused(struct embed *b, wherry_config *config, int status, const char *why)
{
	struct poverty p = reload(b, config, -1);
	assert_string_equal(p.why, why);
	assert_int_equal(p.status, status);
	wherry_config_free(config);
}

static void expect_old(struct embed *b)
{
	expect(b, "sys.config max_parked", "1024");
	expect(b, "sys.config log_level", "\"error\"");
	expect(b, "sys.config kv.max_keys", "10000");
	expect_like(b, "counter.loads", "ENOCMD: *");
}

static void expect_new(struct embed *b)
{
	expect(b, "sys.config max_parked", "6");
	expect(b, "sys.config max_memory", "1073741824");
	expect(b, "sys.config log_level", "\"error\"");
	expect(b, "sys.config log_format", "\"json\"");
	expect(b, "sys.config kv.max_keys", "7");
	expect(b, "counter.loads", "1");
	expect(b, "kv.get a --ns=late", "null");
}

// Each allocation fails once, in a broker of its own.
static void without_memory_it_is_all_or_nothing(void **state)
{
	(void)state;
	wherry_config *config =
	    with_module("log_level = error\nlog_format = json\nmax_parked = 6\nmax_memory = 1GiB\n"
			"module \"kv\" { max_keys = 7 }\nmodule \"%s\" { }\nnamespace \"late\" { }\n",
		"counter");
	long tries = 0;
	for (fail_at = -1; fail_at < 0; tries++) {
		struct embed *b = embed_open("kv");
		struct poverty p = reload(b, config, tries);
		assert_true(
		    p.status == WHERRY_OK || (p.status == WHERRY_ENOMEM && strstr(p.why, "out of memory") != NULL));
		(p.status == WHERRY_OK ? expect_new : expect_old)(b);
		embed_close(b);
	}
	assert_true(tries > 50);
	wherry_config_free(config);
}

static wherry_config *namespaces(unsigned from, unsigned to)
{
	char *text = malloc(TEXT_ROOM);
	assert_non_null(text);
	size_t len = (size_t)snprintf(text, TEXT_ROOM, "modules = kv\nmax_parked = 6\n");
	for (unsigned i = from; i < to; i++)
		len += (size_t)snprintf(text + len, TEXT_ROOM - len, "namespace \"n%u\" { }\n", i);
	wherry_config *c = parsed(text);
	free(text);
	return c;
}

static void namespaces_are_all_made_or_none(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	expect_reloaded(b, namespaces(0, 3000));
	expect(b, "sys.config max_parked 9", "9");
	expect_refused(
	    b, namespaces(2000, 4097), WHERRY_ELIMIT, "4098 namespaces would be more than the 4096 that there can be");
	expect(b, "sys.config max_parked", "9");
	expect_like(b, "kv.get a --ns=n3000", "ENOKEY: *");
	expect_reloaded(b, namespaces(2000, 4095));
	expect(b, "kv.get a --ns=n4094", "null");
	embed_close(b);
}

static void a_module_that_fails_takes_those_before_it_along(void **state)
{
	(void)state;
	struct embed *b = embed_open("kv");
	char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text), "max_parked = 6\nnamespace \"late\" { }\nmodule \"%s\" { }\n",
	    embed_module_path("counter"));
	snprintf(text + len, sizeof(text) - len, "module \"%s\" { }\n", embed_module_path("failing"));
	expect_refused(b, parsed(text), WHERRY_EIO, "module \"failing\": load: there is no moon tonight");
	expect_like(b, "counter.loads", "ENOCMD: *");
	expect_like(b, "kv.get a --ns=late", "ENOKEY: *");
	expect(b, "sys.config max_parked", "1024");
	embed_close(b);
}

// broker_take_option() copies the pointer, so it must be one that is never freed.
static void hot_options_have_no_text_of_their_own(void **state)
{
	(void)state;
	wherry_config *a = parsed(""), *b = parsed("");
	for (uint32_t i = 0; i < broker_option_count; i++)
		if (broker_options[i].hot && broker_options[i].kind == WHERRY_OPTION_TEXT)
			assert_ptr_equal(a->options[i].text, b->options[i].text);
	wherry_config_free(a);
	wherry_config_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_memory_it_is_all_or_nothing),
	    cmocka_unit_test(namespaces_are_all_made_or_none),
	    cmocka_unit_test(a_module_that_fails_takes_those_before_it_along),
	    cmocka_unit_test(hot_options_have_no_text_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
