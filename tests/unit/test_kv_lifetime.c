// kv: keys that expire: transcripts.  The marks (T1, K10 ...) name the cases of earlier
// stores whose semantics are covered.

#include "embed_await.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"

static int open_broker(void **state)
{
	*state = embed_open("kv,other");
	return 0;
}

static int close_broker(void **state)
{
	embed_close(*state);
	return 0;
}

static void keys_expire(void **state) // E1 E3 E5
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set veni vidi --ttl_ms=1000000 ; kv.set soon 1 --ttl-ms=10 ; kv.set stays 1"));
	expect_like(b, "kv.get veni ; kv.entry veni", "\"vidi\" ; [[]\"vidi\", [0-9]*, [0-9]*]");
	embed_await(b, "kv.count", "2"); // nobody reads it
	expect(b, "kv.get soon ; kv.exists soon ; kv.entry soon ; kv.type soon ; kv.mget soon stays",
	    "null ; [false] ; null ; null ; [null, 1]");
	expect_like(b, "kv.set soon 2 --xx ; kv.set soon 2 --nx", "null ; [0-9]*"); // E5: created
	expect_like(b, "kv.entry soon", "[[]2, [0-9]*, null]");
}

static void absolute_deadlines(void **state) // E1 E4
{
	struct embed *b = *state;
	int64_t now = clock_unix_ms(&clock_system);
	free(embed_callf(b, "kv.set far 1 --at_ms=%" PRId64, now + 1000000));
	expect_like(b, "kv.entry far", "[[]1, [0-9]*, [19]?????*]");
	free(embed_callf(b, "kv.set near 1 --at_ms=%" PRId64, now + 30));
	embed_await(b, "kv.exists near", "[false]");
	char *answer = embed_callf(b, "kv.set far 2 --at_ms=%" PRId64 " ; kv.exists far", now - 1);
	embed_expect_text(answer, "[1-9]* ; [[]false]", 1, __FILE__, __LINE__);
	expect_like(b, "kv.set never 2 --at_ms=0 ; kv.exists never", "[1-9]* ; [[]false]");
	expect_like(b, "kv.set never 2 --at_ms=-5 ; kv.exists never", "[1-9]* ; [[]false]");
	expect(b, "kv.count", "0");
}

static void plain_set_clears_the_lifetime(void **state) // E4
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set a 1 --ttl_ms=1000000 ; kv.set a 2"));
	expect_like(b, "kv.entry a", "[[]2, [0-9]*, null]");
	free(embed_call(b, "kv.set a 1 --ttl_ms=1000000 ; kv.mset a 3"));
	expect_like(b, "kv.entry a", "[[]3, [0-9]*, null]");
	free(embed_call(b, "kv.set a 1 --ttl_ms=1000000 ; kv.set a 4 --keep-ttl"));
	expect_like(b, "kv.entry a", "[[]4, [0-9]*, [1-9]*]");
	expect_like(b, "kv.set a 5 --get ; kv.entry a", "[[]*, 4] ; [[]5, [0-9]*, null]");
	free(embed_call(b, "kv.set once 1 --ttl_ms=20 ; kv.set later 1 --ttl_ms=60"));
	free(embed_call(b, "kv.del once ; kv.set once 2"));
	embed_await(b, "kv.exists later", "[false]");
	expect(b, "kv.get once", "2"); // outlives the deadline of the first
	expect_like(b, "kv.set fresh 1 --keep-ttl ; kv.entry fresh", "[0-9]* ; [[]1, [0-9]*, null]");
}

static void wrong_lifetimes_store_nothing(void **state) // E4
{
	struct embed *b = *state;
	expect(b, "kv.set a 1 --ttl_ms=0", "EARG: ttl_ms must be positive");
	expect(b, "kv.set a 1 --ttl_ms=-5", "EARG: ttl_ms must be positive");
	expect_like(b, "kv.set a 1 --ttl_ms=9223372036854775807", "EARG: ttl_ms is too large*");
	expect_like(b, "kv.set a 1 --ttl_ms=5 --at_ms=5", "EARG: ttl_ms, at_ms and keep_ttl exclude each other; *");
	expect_like(b, "kv.set a 1 --ttl_ms=5 --keep_ttl", "EARG: ttl_ms, at_ms and keep_ttl *");
	expect(b, "kv.exists a", "[false]");
}

static void changes_inside_keep_the_lifetime(void **state)
{
	struct embed *b = *state;
	free(embed_call(b, "kv.set n 1 --ttl_ms=1000000 ; kv.incr n"));
	expect_like(b, "kv.entry n", "[[]2, [0-9]*, [0-9]*]");
	free(embed_call(b, "kv.set s a --ttl_ms=1000000 ; kv.append s b ; kv.patch s 0 c"));
	expect_like(b, "kv.entry s", "[[]\"cb\", [0-9]*, [0-9]*]");
}

static void many_expire_together(void **state) // E2
{
	struct embed *b = *state;
	enum { KEYS = 320 };
	for (int i = 0; i < KEYS; i++)
		free(embed_callf(b, "kv.set key:%d %d --ttl_ms=%d", i, i, 1000000));
	assert_int_equal(embed_number(b, "kv.count"), KEYS);
	for (int i = 0; i < KEYS; i++)
		free(embed_callf(b, "kv.set key:%d %d --ttl_ms=%d", i, i, 1 + i % 40));
	embed_await(b, "kv.count", "0");
	expect(b, "kv.scan 0 --limit=1000 ; kv.getall", "[0, []] ; []");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_broker, close_broker)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    CASE(keys_expire),
	    CASE(absolute_deadlines),
	    CASE(plain_set_clears_the_lifetime),
	    CASE(wrong_lifetimes_store_nothing),
	    CASE(changes_inside_keep_the_lifetime),
	    CASE(many_expire_together),
	};
	return cmocka_run_group_tests_name("kv_lifetime", tests, NULL, NULL);
}
