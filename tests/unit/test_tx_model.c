// Properties of tx.exec, with commands at random: one that fails anywhere leaves nothing behind; and a transaction answers
// and leaves what its commands would one by one.

#include "embed.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { ROUNDS = 300, COMMANDS_MOST = 12, KEYS = 4, LINE = 64 };

static uint64_t seed;

static unsigned roll(unsigned sides)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)((seed >> 33) % sides);
}

// None answers a revision, which would tell one by one from all at once.
static void make_command(char line[LINE], bool may_fail)
{
	static const char *const forms[] = {"t.push k%u k%u", "t.stash k%u k%u", "t.pop k%u", "t.take k%u",
	    "t.move k%u", "t.emit k%u topic v%u", "t.get k%u", "t.nudge k%u %u", "t.fail k%u -%u"};
	unsigned form = roll(may_fail ? 9 : 8);
	unsigned second = form == 8 ? 2 + roll(5) : roll(KEYS);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(line, LINE, forms[form], roll(KEYS), second);
#pragma GCC diagnostic pop
}

struct script {
	unsigned count;
	char line[COMMANDS_MOST][LINE];
};

static void make_script(struct script *s, bool may_fail)
{
	s->count = roll(COMMANDS_MOST + 1);
	for (unsigned i = 0; i < s->count; i++)
		make_command(s->line[i], may_fail);
}

// "t.push a b" as [t.push, [a, b]].
static void add_part(char *text, const char *line)
{
	char copy[LINE], *rest = copy;
	strcpy(copy, line);
	sprintf(text + strlen(text), "[%s, [", strsep(&rest, " "));
	for (char *word; (word = strsep(&rest, " ")) != NULL;)
		sprintf(text + strlen(text), "%s,", word);
	strcat(text, "]], ");
}

// With `failing` in front of the command at that index.
static char *as_transaction(const struct script *s, unsigned at, const char *failing, const char *options)
{
	char *text = calloc(1, (size_t)(s->count + 1) * (LINE + 32) + 64);
	strcpy(text, "tx.exec [");
	for (unsigned i = 0; i <= s->count; i++) {
		if (i == at && failing != NULL)
			add_part(text, failing);
		if (i < s->count)
			add_part(text, s->line[i]);
	}
	strcat(text, "]");
	strcat(text, options);
	return text;
}

// --- one that fails leaves nothing ------------------------------------------------------------------------------------

struct world {
	struct digest digest;
	uint64_t keys, published, units;
};

static struct world look(struct harness *h)
{
	struct world w = {.published = h->published, .units = test_sink_units(h->sink)};
	w.digest = store_digest(h->store, &w.keys);
	assert_null(store_fault(h->store));
	return w;
}

static void fail_at(struct harness *h, struct peer *p, const struct script *s, unsigned at)
{
	struct world before = look(h);
	char *line = as_transaction(s, at, "t.fail k0 -2", ""), *answer = peer_send(p, line);
	struct world after = look(h);
	if (answer[0] != 'E' || memcmp(&before, &after, sizeof(before)) != 0)
		fail_msg("%s\nanswered %s, and left something", line, answer);
	free(answer);
	free(line);
}

static void one_that_fails_anywhere_leaves_nothing(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true), *waiter = peer_open(&h, true);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		struct script s;
		seed = round;
		make_script(&s, false);
		EXPECT(waiter, "t.pop waiting --wait-ms=60000", "");
		for (unsigned at = 0; at <= s.count; at++)
			fail_at(&h, p, &s, at);
		assert_false(peer_has_late(waiter));
		char *line = as_transaction(&s, 0, "t.push waiting up", " --on-error=continue");
		free(peer_send(p, line)); // the next round begins with what this one leaves
		EXPECT_LATE(waiter, "\"up\"");
		free(line);
	}
	peer_close(p);
	peer_close(waiter);
	harness_close(&h);
}

// --- as one by one ------------------------------------------------------------------------------------------------------

static int status_of(const char *name, size_t len)
{
	for (int status = -1; status >= WHERRY_ETAKEN; status--)
		if (strlen(status_name(status)) == len && strncmp(status_name(status), name, len) == 0)
			return status;
	return WHERRY_OK;
}

// What a command answered by itself, as a transaction answers it that goes on.
static void add_answer(char *text, const char *answer)
{
	const char *colon = strchr(answer, ':');
	int status = answer[0] == 'E' && colon != NULL ? status_of(answer, (size_t)(colon - answer)) : WHERRY_OK;
	if (status == WHERRY_OK)
		sprintf(text + strlen(text), "[null, %s]", answer);
	else
		sprintf(
		    text + strlen(text), "[[%d, \"%s\", \"%s\", null], null]", status, status_name(status), colon + 2);
}

static char *one_by_one(struct peer *p, const struct script *s)
{
	char *text = calloc(1, (size_t)s->count * 200 + 3);
	strcpy(text, "[");
	for (unsigned i = 0; i < s->count; i++) {
		char *answer = peer_send(p, s->line[i]);
		if (i > 0)
			strcat(text, ", ");
		add_answer(text, answer);
		free(answer);
	}
	strcat(text, "]");
	return text;
}

static void assert_same_keys(struct peer *a, struct peer *b)
{
	char line[LINE];
	for (unsigned k = 0; k < KEYS; k++) {
		snprintf(line, sizeof(line), "t.get k%u ; t.pop k%u ; t.pop k%u", k, k, k);
		char *one = peer_send(a, line), *other = peer_send(b, line);
		assert_string_equal(one, other);
		free(one);
		free(other);
	}
}

static void it_does_what_its_commands_do_one_by_one(void **state)
{
	(void)state;
	struct harness one, all;
	harness_open(&one, true);
	harness_open(&all, true);
	struct peer *a = peer_open(&one, true), *b = peer_open(&all, true);
	seed = 7;
	for (int round = 0; round < ROUNDS; round++) {
		struct script s;
		make_script(&s, true);
		char *line = as_transaction(&s, 0, NULL, " --on-error=continue");
		char *want = one_by_one(a, &s), *got = peer_send(b, line);
		if (strcmp(want, got) != 0)
			fail_msg("%s\nanswered %s\none by one %s", line, got, want);
		assert_int_equal(one.published, all.published);
		if (round % 5 == 4)
			assert_same_keys(a, b);
		free(line);
		free(want);
		free(got);
	}
	assert_null(store_fault(all.store));
	peer_close(a);
	peer_close(b);
	harness_close(&one);
	harness_close(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_that_fails_anywhere_leaves_nothing),
	    cmocka_unit_test(it_does_what_its_commands_do_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
