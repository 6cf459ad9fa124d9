// The client library measured as its users call it: libwherry, the keys and values that load.c put there.
//
//   caller --url URL --mode call|send [--in-flight 64] [--keys 100000] [--op get|set] [--seconds S]
//   caller --url URL --mode reload --module kv --count N      one client asks without a pause, another reloads
//
// call: one blocking call after another.  send: so many asynchronous requests in flight, each callback sends the next.
// reload: of each reload, the longest that any request took meanwhile.  Every answer is checked.  Prints JSON.

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "histogram.h"
#include "wherry/client.h"

enum { KEY_LEN = 16, VALUE_LEN = 64, PARAMS_ROOM = 128, PAUSE_NS = 2000000 };

struct caller {
	const char *url, *mode, *module, *method;
	bool set;
	uint64_t keys, count;
	unsigned in_flight;
	double seconds;
	wherry_client *client;
	uint64_t random, begin, end;
	uint64_t answers;
	bool over;
	struct histogram times;
};

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "caller: %s: %s\n", what, why);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static wherry_client *open_client(const char *url)
{
	wherry_client *client;
	wherry_error error;
	if (wherry_client_open(url, NULL, &client, &error) != WHERRY_OK)
		die(url, error.text);
	return client;
}

// --- requests -----------------------------------------------------------------------------------------------------------

// [key] or [key, value], made once; only the key's digits change.
static size_t make_params(const struct caller *c, uint8_t *params)
{
	size_t len = 0;
	params[len++] = c->set ? 0x92 : 0x91;
	params[len++] = 0xa0 | KEY_LEN;
	len += (size_t)sprintf((char *)params + len, "bench:%010u", 0U);
	if (!c->set)
		return len;
	params[len++] = 0xc4;
	params[len++] = VALUE_LEN;
	memset(params + len, 'v', VALUE_LEN);
	return len + VALUE_LEN;
}

static void put_number(uint8_t *digits, uint64_t number)
{
	for (int i = 9; i >= 0; i--, number /= 10)
		digits[i] = (uint8_t)('0' + number % 10);
}

static void put_key(struct caller *c, uint8_t *params)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	uint64_t number = (c->random >> 32) * c->keys >> 32;
	put_number(params + 2 + 6, number);
	if (c->set)
		memcpy(params + 2 + KEY_LEN + 2, params + 2, KEY_LEN);
}

static void check(const struct caller *c, const uint8_t *params, const wherry_reply *reply)
{
	if (reply->error.code != WHERRY_OK)
		die(c->method, reply->error.text);
	const uint8_t *result = reply->result;
	if (!c->set && (reply->result_len != 2 + VALUE_LEN || memcmp(result + 2, params + 2, KEY_LEN) != 0))
		die(c->method, "a wrong answer");
}

static int ask(struct caller *c, wherry_client *client, uint8_t *params, size_t len, wherry_reply *reply)
{
	put_key(c, params);
	int status = wherry_client_call(client, c->method, params, len, NULL, 0, reply);
	check(c, params, reply);
	return status;
}

static void print_times(const struct caller *c, uint64_t began)
{
	double seconds = (double)(now_ns() - began) / 1e9;
	uint64_t count = c->answers > 0 ? c->answers : c->times.count;
	printf("{\"requests\": %llu, \"per_second\": %.0f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f}\n",
	    (unsigned long long)count, (double)count / seconds, histogram_us(&c->times, 0.5),
	    histogram_us(&c->times, 0.99), (double)c->times.max / 1000);
}

// --- one call after another ---------------------------------------------------------------------------------------------

static void call_on_and_on(struct caller *c)
{
	uint8_t params[PARAMS_ROOM];
	size_t len = make_params(c, params);
	wherry_reply reply = {0};
	uint64_t at = c->begin;
	while (at < c->end) {
		ask(c, c->client, params, len, &reply);
		uint64_t then = now_ns();
		histogram_add(&c->times, then - at);
		at = then;
	}
	wherry_reply_free(&reply);
	print_times(c, c->begin);
}

// --- many in flight -----------------------------------------------------------------------------------------------------

// One of a fleet looks at the clock, as load.c does once a frame; a look each would be a tenth of the work.
struct flight {
	struct caller *caller;
	bool timed;
	uint64_t sent_at;
	uint8_t params[PARAMS_ROOM];
	size_t len;
};

static void answered(void *arg, const wherry_reply *reply);

static void send_one(struct flight *f)
{
	struct caller *c = f->caller;
	put_key(c, f->params);
	if (f->timed)
		f->sent_at = now_ns();
	wherry_request request = {
	    .size = sizeof(request), .method = c->method, .params = f->params, .params_len = f->len};
	int status = wherry_client_send(c->client, &request, answered, f);
	if (status != WHERRY_OK)
		die(c->method, wherry_status_text(status));
}

static void answered(void *arg, const wherry_reply *reply)
{
	struct flight *f = arg;
	struct caller *c = f->caller;
	check(c, f->params, reply);
	c->answers++;
	if (f->timed) {
		uint64_t now = now_ns();
		histogram_add(&c->times, now - f->sent_at);
		c->over = now >= c->end;
	}
	if (!c->over)
		send_one(f);
}

struct fleet {
	struct caller *caller;
	struct flight *flights;
};

static void send_all(void *arg, const wherry_reply *reply)
{
	struct fleet *fleet = arg;
	struct caller *c = fleet->caller;
	check(c, fleet->flights[0].params, reply);
	for (unsigned i = 0; i < c->in_flight; i++)
		send_one(&fleet->flights[i]);
}

// The callback of the first request sends all others, so that one thread alone has to do with them.
static void send_on_and_on(struct caller *c)
{
	struct fleet fleet = {c, calloc(c->in_flight, sizeof(*fleet.flights))};
	for (unsigned i = 0; i < c->in_flight; i++) {
		fleet.flights[i].caller = c;
		fleet.flights[i].timed = i == 0;
		fleet.flights[i].len = make_params(c, fleet.flights[i].params);
	}
	struct flight *first = &fleet.flights[0];
	wherry_request request = {
	    .size = sizeof(request), .method = c->method, .params = first->params, .params_len = first->len};
	int status = wherry_client_send(c->client, &request, send_all, &fleet);
	if (status == WHERRY_OK)
		status = wherry_client_settle(c->client, 60000 + (int64_t)(c->seconds * 1000));
	if (status != WHERRY_OK)
		die("send", wherry_status_text(status));
	free(fleet.flights);
	print_times(c, c->begin);
}

// --- reloads ------------------------------------------------------------------------------------------------------------

struct probe {
	struct caller *caller;
	atomic_bool stop;
	_Atomic uint64_t since;   // when the request that is under way was sent
	_Atomic uint64_t longest; // of those that ended since it was last asked for
};

static void *probe(void *arg)
{
	struct probe *p = arg;
	uint8_t params[PARAMS_ROOM];
	size_t len = make_params(p->caller, params);
	wherry_reply reply = {0};
	wherry_client *client = open_client(p->caller->url);
	while (!atomic_load(&p->stop)) {
		uint64_t at = now_ns();
		atomic_store(&p->since, at);
		ask(p->caller, client, params, len, &reply);
		uint64_t took = now_ns() - at, longest = atomic_load(&p->longest);
		while (took > longest && !atomic_compare_exchange_weak(&p->longest, &longest, took))
			;
	}
	wherry_reply_free(&reply);
	wherry_client_close(client);
	return NULL;
}

// Until a request that was sent after `moment` is under way: all that were sent before have been counted.
static void wait_for_later(struct probe *p, uint64_t moment)
{
	while (atomic_load(&p->since) <= moment)
		nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
}

static uint64_t reload(struct caller *c, struct probe *p, const char *params, size_t len, wherry_reply *reply)
{
	wait_for_later(p, now_ns());
	atomic_store(&p->longest, 0);
	if (c->module[0] != '-' &&
	    wherry_client_call(c->client, "module.reload", params, len, NULL, 0, reply) != WHERRY_OK)
		die("module.reload", reply->error.text);
	wait_for_later(p, now_ns());
	nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	return atomic_load(&p->longest);
}

static void reload_on_and_on(struct caller *c)
{
	struct probe p = {.caller = c};
	pthread_t thread;
	char params[PARAMS_ROOM];
	wherry_reply reply = {0};
	int len = snprintf(params, sizeof(params), "\x91%c%s", (int)(0xa0 | strlen(c->module)), c->module);
	pthread_create(&thread, NULL, probe, &p);
	for (uint64_t i = 0; i < c->count; i++)
		histogram_add(&c->times, reload(c, &p, params, (size_t)len, &reply));
	atomic_store(&p.stop, true);
	pthread_join(thread, NULL);
	wherry_reply_free(&reply);
	print_times(c, c->begin);
}

// --- options ------------------------------------------------------------------------------------------------------------

static void read_options(struct caller *c, int argc, char **argv)
{
	static const struct option flags[] = {{"url", 1, NULL, 'u'}, {"mode", 1, NULL, 'm'},
	    {"in-flight", 1, NULL, 'f'}, {"keys", 1, NULL, 'k'}, {"op", 1, NULL, 'o'}, {"seconds", 1, NULL, 's'},
	    {"module", 1, NULL, 'M'}, {"count", 1, NULL, 'c'}, {NULL, 0, NULL, 0}};
	for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
		switch (flag) {
		case 'u':
			c->url = optarg;
			break;
		case 'm':
			c->mode = optarg;
			break;
		case 'f':
			c->in_flight = (unsigned)atoi(optarg);
			break;
		case 'k':
			c->keys = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			c->set = strcmp(optarg, "set") == 0;
			break;
		case 's':
			c->seconds = atof(optarg);
			break;
		case 'M':
			c->module = optarg;
			break;
		case 'c':
			c->count = strtoull(optarg, NULL, 10);
			break;
		default:
			exit(2);
		}
	}
	c->method = c->set ? "kv.set" : "kv.get";
	if (c->url == NULL || c->keys == 0 || c->in_flight == 0 || strlen(c->module) > 31)
		die("usage", "see the top of caller.c");
}

int main(int argc, char **argv)
{
	static struct caller c = {
	    .mode = "call", .module = "kv", .keys = 100000, .count = 100, .in_flight = 64, .seconds = 1};
	read_options(&c, argc, argv);
	c.client = open_client(c.url);
	c.random = 88172645463325252U;
	c.begin = now_ns();
	c.end = c.begin + (uint64_t)(c.seconds * 1e9);
	if (strcmp(c.mode, "send") == 0)
		send_on_and_on(&c);
	else if (strcmp(c.mode, "reload") == 0)
		reload_on_and_on(&c);
	else
		call_on_and_on(&c);
	wherry_client_close(c.client);
}
