// Alarms from end to end: a due one runs its type's command under the key's lock, in the key's namespace, also when the
// module was reloaded meanwhile, or comes back later.

#include "embed_await.h"

#include <stdio.h>

static void an_alarm_rings_once(void **state)
{
	(void)state;
	struct embed *b = embed_open("bell");
	expect(b, "bell.set a 20", "true");
	embed_await(b, "bell.rung a", "1");
	expect(b, "bell.rung b", "ENOKEY: no such key");
	expect_like(b, "bell.ring a", "EDENIED: bell.ring is for the broker itself");
	embed_close(b);
}

static void an_alarm_may_set_the_next(void **state)
{
	(void)state;
	struct embed *b = embed_open("bell");
	expect(b, "bell.set a 5 --times=10 ; bell.set far 1000000", "true ; true");
	embed_await(b, "bell.rung a", "10");
	expect(b, "bell.rung far", "0");
	embed_close(b);
}

static void alarms_stay_in_their_namespace(void **state)
{
	(void)state;
	struct embed *b = embed_open("bell");
	expect(b, "ns.create other ; bell.set a 20 --ns=other ; bell.set a 1000000", "true ; true ; true");
	embed_await(b, "bell.rung a --ns=other", "1");
	expect(b, "bell.rung a", "0");
	embed_close(b);
}

static void many_alarms_all_ring(void **state)
{
	(void)state;
	struct embed *b = embed_open("bell");
	for (int i = 0; i < 2000; i++)
		expectf(b, "true", "bell.set key:%d %d", i, i % 100);
	for (int i = 0; i < 2000; i++) {
		char line[40];
		snprintf(line, sizeof(line), "bell.rung key:%d", i);
		embed_await(b, line, "1");
	}
	embed_close(b);
}

static void alarms_outlive_a_reload(void **state)
{
	(void)state;
	struct embed *b = embed_open("bell");
	expect(b, "bell.set a 100 --times=2", "true");
	expect_like(b, "module.reload bell", "*");
	embed_await(b, "bell.rung a", "2");
	embed_close(b);
}

// Nobody can run it while the module is away: it rings when the module is back.
static void alarms_wait_for_their_module(void **state)
{
	(void)state;
	struct embed *b = embed_open("bell,kv");
	expect(b, "bell.set a 30", "true");
	expect_like(b, "module.unload bell", "*");
	expect(b, "kv.set later 1 --ttl_ms=60", "2");
	embed_await(b, "kv.exists later", "[false]"); // by now it was due
	expect(b, "kv.type a", "\"bell.bell\"");
	char line[4096];
	snprintf(line, sizeof(line), "module.load \"%s\"", embed_module_path("bell"));
	expect_like(b, line, "*");
	embed_await(b, "bell.rung a", "1");
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_alarm_rings_once),
	    cmocka_unit_test(an_alarm_may_set_the_next),
	    cmocka_unit_test(alarms_stay_in_their_namespace),
	    cmocka_unit_test(many_alarms_all_ring),
	    cmocka_unit_test(alarms_outlive_a_reload),
	    cmocka_unit_test(alarms_wait_for_their_module),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
