// Transactions from many threads at once, over the same keys in any order: nobody sees half of one, none waits for another
// for ever, and what was moved is neither lost nor there twice; while the commands are swapped, and with a log that is
// late.

#include "embed.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 8, KEYS = 6, RUN_MS = 700, COINS = 10 };

struct stress {
	struct harness h;
	atomic_bool end;
	atomic_uint_fast64_t writes, reads, moves, failures;
	atomic_uint halves;
};

struct client {
	struct stress *s;
	struct peer *peer;
	unsigned number;
	uint64_t seed;
	pthread_t thread;
};

static unsigned roll(struct client *c, unsigned sides)
{
	c->seed = c->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)((c->seed >> 33) % sides);
}

static void shuffle(struct client *c, unsigned keys[KEYS])
{
	for (unsigned i = 0; i < KEYS; i++)
		keys[i] = i;
	for (unsigned i = KEYS - 1; i > 0; i--) {
		unsigned j = roll(c, i + 1), kept = keys[i];
		keys[i] = keys[j];
		keys[j] = kept;
	}
}

// Answers at once, or later where a flush is waited for.
static char *ask(struct client *c, const char *line)
{
	char *answer = peer_send(c->peer, line);
	if (*answer != 0)
		return answer;
	free(answer);
	return peer_late(c->peer);
}

// The same to all keys; every third time the last command fails.
static void write_all(struct client *c)
{
	char line[1024] = "tx.exec [";
	unsigned keys[KEYS], value = roll(c, 1000000);
	bool fails = roll(c, 3) == 0;
	shuffle(c, keys);
	for (unsigned i = 0; i < KEYS; i++)
		sprintf(line + strlen(line), "[t.set, [k%u, v%u]], ", keys[i], value);
	strcat(line, fails ? "[t.fail, [k0, -2]]]" : "]");
	char *answer = ask(c, line);
	if ((*answer == 'E') != fails)
		atomic_fetch_add(&c->s->halves, 1);
	atomic_fetch_add(fails ? &c->s->failures : &c->s->writes, 1);
	free(answer);
}

static void read_all(struct client *c)
{
	char line[1024] = "tx.exec [", first[32];
	unsigned keys[KEYS];
	shuffle(c, keys);
	for (unsigned i = 0; i < KEYS; i++)
		sprintf(line + strlen(line), "[t.get, [k%u]], ", keys[i]);
	char *answer = ask(c, strcat(line, "]"));
	size_t len = strcspn(answer + 1, ",]");
	snprintf(first, sizeof(first), "%.*s", (int)len, answer + 1);
	char want[512] = "[";
	for (unsigned i = 0; i < KEYS; i++)
		sprintf(want + strlen(want), "%s%s", i > 0 ? ", " : "", first);
	if (strcmp(strcat(want, "]"), answer) != 0)
		atomic_fetch_add(&c->s->halves, 1);
	atomic_fetch_add(&c->s->reads, 1);
	free(answer);
}

// A coin from one purse to another, or none at all: an empty purse fails, and so do some of those that push first.
static void move_coin(struct client *c)
{
	char line[256];
	unsigned from = roll(c, KEYS), to = roll(c, KEYS);
	if (roll(c, 2))
		snprintf(line, sizeof(line), "tx.exec [[t.stash, [p%u, coin]], [t.coin, [p%u]]]", to, from);
	else
		snprintf(line, sizeof(line), "tx.exec [[t.coin, [p%u]], [t.push, [p%u, coin]]]", from, to);
	free(ask(c, line));
	atomic_fetch_add(&c->s->moves, 1);
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	while (!atomic_load(&c->s->end)) {
		unsigned what = roll(c, 4);
		if (what == 0)
			write_all(c);
		else if (what == 1)
			read_all(c);
		else
			move_coin(c);
	}
	return NULL;
}

static void count_coins(struct stress *s)
{
	struct peer *p = peer_open(&s->h, true);
	unsigned coins = 0;
	char line[32];
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(line, sizeof(line), "t.pop p%u", i);
		for (char *answer = peer_send(p, line);; answer = peer_send(p, line)) {
			bool is_coin = strcmp(answer, "\"coin\"") == 0;
			free(answer);
			if (!is_coin)
				break;
			coins++;
		}
	}
	assert_int_equal(coins, COINS * KEYS);
	peer_close(p);
}

static void fill(struct stress *s)
{
	struct peer *p = peer_open(&s->h, true);
	for (unsigned i = 0; i < KEYS; i++) {
		char line[64], *answer;
		snprintf(line, sizeof(line), "t.set k%u v0", i);
		free(peer_send(p, line));
		snprintf(line, sizeof(line), "t.stash p%u coin", i);
		for (unsigned k = 0; k < COINS; k++) {
			answer = peer_send(p, line);
			free(answer);
		}
	}
	peer_close(p);
}

static void swap_owners(struct stress *s)
{
	struct command_owner other = s->h.owner;
	struct timespec pause = {0, 20000000};
	for (int i = 0; i < RUN_MS / 20; i++) {
		router_publish(s->h.router, harness_table(&s->h, i % 2 == 0 ? &other : &s->h.owner));
		nanosleep(&pause, NULL);
	}
	router_publish(s->h.router, harness_table(&s->h, &s->h.owner));
}

static void run(bool late_log)
{
	static struct stress s;
	memset(&s, 0, sizeof(s));
	harness_open(&s.h, true);
	fill(&s);
	if (late_log)
		test_sink_thread(s.h.sink);
	struct client client[CLIENTS];
	for (unsigned i = 0; i < CLIENTS; i++) {
		client[i] = (struct client){.s = &s, .peer = peer_open(&s.h, true), .number = i, .seed = i + 1};
		assert_int_equal(pthread_create(&client[i].thread, NULL, client_main, &client[i]), 0);
	}
	swap_owners(&s);
	atomic_store(&s.end, true);
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(client[i].thread, NULL);
		peer_close(client[i].peer);
	}
	test_sink_flow(s.h.sink);
	assert_int_equal(s.halves, 0);
	assert_true(s.writes > 0 && s.reads > 0 && s.moves > 0 && s.failures > 0);
	assert_null(store_fault(s.h.store));
	count_coins(&s);
	harness_close(&s.h);
}

static void nobody_sees_half_of_one(void **state)
{
	(void)state;
	run(false);
}

static void nor_when_the_log_is_late(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_sees_half_of_one),
	    cmocka_unit_test(nor_when_the_log_is_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
