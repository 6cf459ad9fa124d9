// Random operations on a few locks, one after another, against a model that is a list of tokens for each.

#include "embed_await.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 3, PERMITS_MOST = 4, STEPS = 1500 };

struct model_lock {
	uint32_t permits, held;
	uint64_t token[PERMITS_MOST]; // oldest first
};

struct program {
	struct embed *broker;
	struct model_lock lock[NAMES];
	uint64_t random, last_token, stale;
};

static unsigned roll(struct program *p, unsigned below)
{
	p->random = p->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(p->random >> 33) % below;
}

static void forget(struct program *p, unsigned name, unsigned at)
{
	struct model_lock *l = &p->lock[name];
	p->stale = l->token[at];
	memmove(&l->token[at], &l->token[at + 1], sizeof l->token[0] * (l->held - at - 1));
	if (--l->held == 0)
		l->permits = 0;
}

static void granted(struct program *p, unsigned name, uint32_t permits, const char *answer)
{
	struct model_lock *l = &p->lock[name];
	uint64_t token = strtoull(answer, NULL, 10);
	if (token <= p->last_token)
		fail_msg("after token %" PRIu64 " came %s", p->last_token, answer);
	l->permits = permits;
	l->token[l->held++] = p->last_token = token;
}

static void expect_start(char *answer, const char *start)
{
	if (strncmp(answer, start, strlen(start)) != 0)
		fail_msg("%s, not %s", answer, start);
	free(answer);
}

static void acquire(struct program *p, unsigned name)
{
	struct model_lock *l = &p->lock[name];
	uint32_t permits = l->permits && roll(p, 8) ? l->permits : 1 + roll(p, PERMITS_MOST);
	char *answer = embed_callf(p->broker, "lock.acquire %u --ttl_ms=3600000 --permits=%u --session=%s", name,
	    permits, roll(p, 2) ? "true" : "false");
	if (l->permits && l->permits != permits)
		expect_start(answer, "ECONFLICT");
	else if (l->held == permits)
		expect_start(answer, "null");
	else {
		granted(p, name, permits, answer);
		free(answer);
	}
}

static void release(struct program *p, unsigned name)
{
	struct model_lock *l = &p->lock[name];
	if (!l->held)
		return;
	unsigned at = roll(p, l->held);
	expectf(p->broker, "true", "lock.release %u %" PRIu64, name, l->token[at]);
	forget(p, name, at);
}

static void extend(struct program *p, unsigned name)
{
	struct model_lock *l = &p->lock[name];
	if (l->held)
		expectf(p->broker, "true", "lock.extend %u %" PRIu64 " --ttl_ms=%u", name, l->token[roll(p, l->held)],
		    1000000 + roll(p, 1000000));
}

static void try_stale(struct program *p, unsigned name)
{
	const char *what = roll(p, 2) ? "release" : "extend";
	if (p->stale)
		expect_start(embed_callf(p->broker, "lock.%s %u %" PRIu64, what, name, p->stale), "ESTALE");
}

static void run_out(struct program *p, unsigned name)
{
	struct model_lock *l = &p->lock[name];
	char line[64];
	if (!l->held)
		return;
	unsigned at = roll(p, l->held);
	expectf(p->broker, "true", "lock.extend %u %" PRIu64 " --ttl_ms=1", name, l->token[at]);
	snprintf(line, sizeof line, "lock.release %u %" PRIu64, name, l->token[at]); // may still be in time
	char *answer = embed_call(p->broker, line);
	if (strcmp(answer, "true") != 0)
		expect_start(answer, "ESTALE");
	else
		free(answer);
	forget(p, name, at);
}

static void delete (struct program *p, unsigned name)
{
	expectf(p->broker, p->lock[name].held ? "1" : "0", "kv.del %u", name);
	while (p->lock[name].held)
		forget(p, name, 0);
}

// A hold that has run out is shown until its alarm has run.
static void check(struct program *p, unsigned name)
{
	const struct model_lock *l = &p->lock[name];
	char line[64], want[256], *at = want;
	snprintf(line, sizeof line, "lock.show %u", name);
	if (!l->held) {
		embed_await(p->broker, line, "null");
		return;
	}
	at += snprintf(at, 64, "{\"permits\": %u, \"holders\": [[]", l->permits);
	for (unsigned i = 0; i < l->held; i++)
		at += snprintf(at, 48, "%s{\"token\": %" PRIu64 ", *}", i ? ", " : "", l->token[i]);
	snprintf(at, 8, "[]]}");
	embed_await_like(p->broker, line, want);
	snprintf(line, sizeof line, "lock.list");
	snprintf(want, sizeof want, "*[[]%u, %u, %u[]]*", name, l->permits, l->held);
	embed_await_like(p->broker, line, want);
}

static void whatever_is_done_it_is_as_it_should_be(void **state)
{
	(void)state;
	static void (*const steps[])(struct program *, unsigned) = {
	    acquire, acquire, acquire, release, extend, try_stale, run_out, delete};
	struct program p = {.broker = embed_open("lock,kv"), .random = 20261201};
	for (int i = 0; i < STEPS; i++) {
		unsigned name = roll(&p, NAMES), step = roll(&p, sizeof steps / sizeof *steps);
		if (steps[step] != delete || roll(&p, 4) == 0)
			steps[step](&p, name);
		check(&p, name);
	}
	for (unsigned name = 0; name < NAMES; name++)
		while (p.lock[name].held)
			release(&p, name);
	expect(p.broker, "kv.count", "0");
	embed_close(p.broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_is_done_it_is_as_it_should_be)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
