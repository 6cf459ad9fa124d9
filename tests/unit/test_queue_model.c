// queue against a simple model: random commands, and after each the same answer from both.  Times do not pass in the
// model: what is delayed or reserved becomes ready by commands alone.

#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4000, STEPS = 6000, ATTEMPTS = 3 };
enum where { NOWHERE, READY, DELAYED, RESERVED, DEAD };

struct item {
	enum where where;
	int priority, deliveries, attempts;
	int value; // what was pushed: a kicked one keeps it under another id
};

struct model {
	struct item item[MOST]; // by id
	int next_id;
	unsigned long long seed;
};

static unsigned chance(struct model *m, unsigned below)
{
	m->seed = m->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(m->seed >> 33) % below;
}

static int count(const struct model *m, enum where where)
{
	int n = 0;
	for (int id = 1; id < m->next_id; id++)
		n += m->item[id].where == where;
	return n;
}

// The id of the most urgent, oldest ready one; 0: none.
static int best(const struct model *m)
{
	int found = 0;
	for (int id = 1; id < m->next_id; id++)
		if (m->item[id].where == READY && (!found || m->item[id].priority > m->item[found].priority))
			found = id;
	return found;
}

static int any(struct model *m, enum where where)
{
	int nth = (int)chance(m, (unsigned)count(m, where) + 1);
	for (int id = 1; id < m->next_id; id++)
		if (m->item[id].where == where && nth-- == 0)
			return id;
	return 0;
}

static int add(struct model *m, int priority, enum where where, int value)
{
	m->item[m->next_id] = (struct item){where, priority, 0, 0, value};
	return m->next_id++;
}

static void push(struct embed *b, struct model *m)
{
	int priority = (int)chance(m, 10), delayed = chance(m, 5) == 0;
	char want[32];
	int value = m->next_id;
	snprintf(want, sizeof want, "[%d]", add(m, priority, delayed ? DELAYED : READY, value));
	expectf(b, want, "queue.push q %d --priority=%d --delay_ms=%d", value, priority, delayed ? 10000000 : 0);
}

static void pop(struct embed *b, struct model *m)
{
	int id = best(m), keep = chance(m, 8) != 0;
	char want[160];
	struct item *i = &m->item[id];
	if (!id) {
		expect(b, "queue.pop q", "[]");
		return;
	}
	i->deliveries++;
	i->attempts++;
	if (keep)
		snprintf(want, sizeof want,
		    "[{\"queue\": \"q\", \"token\": [%d, %d], \"attempt\": %d, \"value\": %d, *}]", id, i->deliveries,
		    i->attempts, i->value);
	else
		snprintf(want, sizeof want, "[{\"queue\": \"q\", \"token\": null, \"attempt\": %d, \"value\": %d, *}]",
		    i->attempts, i->value);
	i->where = keep ? RESERVED : NOWHERE;
	expect_stars(b, keep ? "queue.pop q" : "queue.pop q --ack=false", want);
}

static void settle(struct embed *b, struct model *m)
{
	int id = any(m, RESERVED);
	struct item *i = &m->item[id];
	if (!id)
		return;
	if (i->deliveries > 1) {
		char line[64];
		snprintf(line, sizeof line, "queue.ack q [%d, %d]", id, i->deliveries - 1);
		expect_like(b, line, "ESTALE: *");
	}
	switch (chance(m, 6)) {
	case 0:
		expectf(b, "true", "queue.nack q [%d, %d] --count=false", id, i->deliveries);
		i->attempts--;
		i->where = READY;
		break;
	case 1:
		expectf(b, "true", "queue.nack q [%d, %d] --delay_ms=10000000", id, i->deliveries);
		i->where = i->attempts >= ATTEMPTS ? DEAD : DELAYED;
		break;
	case 2:
		expectf(b, "true", "queue.nack q [%d, %d]", id, i->deliveries);
		i->where = i->attempts >= ATTEMPTS ? DEAD : READY;
		break;
	case 3:
		expectf(b, "true", "queue.term q [%d, %d]", id, i->deliveries);
		i->where = DEAD;
		break;
	default:
		expectf(b, "1", "queue.ack q [%d, %d]", id, i->deliveries);
		i->where = NOWHERE;
	}
}

// Of several dead ones the order in which they died is not in the model.
static void kick(struct embed *b, struct model *m)
{
	int dead = count(m, DEAD), delayed = count(m, DELAYED);
	char want[32];
	snprintf(want, sizeof want, "%d", dead + delayed);
	if (dead > 1)
		return;
	expect(b, "queue.kick q", want);
	for (int id = 1, end = m->next_id; id < end; id++) {
		struct item *i = &m->item[id];
		if (i->where == DEAD)
			add(m, i->priority, READY, i->value);
		if (i->where == DELAYED)
			i->where = READY;
		else if (i->where == DEAD)
			i->where = NOWHERE;
	}
}

// By hand, as their worker would: what is left is in the order of their death.
static void bury(struct embed *b, struct model *m)
{
	char want[32];
	snprintf(want, sizeof want, "%d", count(m, DEAD));
	expect(b, "queue.purge q.dlq", want);
	for (int id = 1; id < m->next_id; id++)
		if (m->item[id].where == DEAD)
			m->item[id].where = NOWHERE;
}

static void look(struct embed *b, struct model *m)
{
	char want[160];
	snprintf(want, sizeof want,
	    "{\"ready\": %d, \"delayed\": %d, \"reserved\": %d, *\"pushed\": %d, *\"dead\": %d, *", count(m, READY),
	    count(m, DELAYED), count(m, RESERVED), m->next_id - 1, count(m, DEAD));
	expect_stars(b, "queue.stats q", want);
}

static void step(struct embed *b, struct model *m)
{
	unsigned what = chance(m, 100);
	if (what < 35)
		push(b, m);
	else if (what < 65)
		pop(b, m);
	else if (what < 97)
		settle(b, m);
	else if (what < 99)
		kick(b, m);
	else
		bury(b, m);
}

static void random_commands(unsigned long long seed)
{
	struct embed *b = embed_open("queue");
	struct model *m = calloc(1, sizeof *m);
	assert_non_null(m);
	m->next_id = 1;
	m->seed = seed;
	expect(b, "queue.create q --max_attempts=3", "true");
	for (int i = 0; i < STEPS && m->next_id < MOST - 2; i++) {
		step(b, m);
		if (i % 50 == 0)
			look(b, m);
	}
	look(b, m);
	free(m);
	embed_close(b);
}

static void answers_are_the_models(void **state)
{
	(void)state;
	for (unsigned long long seed = 1; seed <= 5; seed++)
		random_commands(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_the_models)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
