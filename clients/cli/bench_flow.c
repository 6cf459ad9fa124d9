#include "bench_flow.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "value.h"

enum { PATIENCE_S = 30, LOOK_NS = 200000, SECOND_NS = 1000000000 };

// --- messages -------------------------------------------------------------------------------------------------------------

static void put_u64(uint8_t *at, uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		at[i] = (uint8_t)number;
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

void flow_wrong(struct receiver *r, const char *format, ...)
{
	struct flow *f = r->flow;
	va_list args;
	atomic_fetch_add(&r->wrong, 1);
	pthread_mutex_lock(&f->lock);
	va_start(args, format);
	if (f->first_wrong[0] == 0)
		vsnprintf(f->first_wrong, sizeof(f->first_wrong), format, args);
	va_end(args);
	pthread_mutex_unlock(&f->lock);
}

bool flow_read(struct receiver *r, const void *payload, size_t len, uint64_t *number)
{
	static const size_t head = 5; // bin 32, as it was sent
	const uint8_t *at = payload;
	if (len < head + FLOW_STAMP || at[0] != 0xc6) {
		flow_wrong(r, "a message that nobody here sent");
		return false;
	}
	*number = get_u64(at + head);
	uint64_t sent_ns = get_u64(at + head + 8), now = bench_clock();
	histogram_add(&r->times, now > sent_ns ? now - sent_ns : 0);
	return true;
}

uint64_t flow_got(const struct flow *f)
{
	uint64_t got = 0;
	for (uint64_t i = 0; i < f->receiver_count; i++)
		got += atomic_load(&f->receivers[i].got) + atomic_load(&f->receivers[i].lost);
	return got;
}

// --- sending --------------------------------------------------------------------------------------------------------------

struct letter { // [name, message], as encoded
	uint8_t *params;
	size_t len, stamp; // where the number stands
};

static bool letter_make(struct letter *l, const struct flow *f)
{
	size_t name = strlen(f->name), size = f->bench->options.size;
	size = size < FLOW_STAMP ? FLOW_STAMP : size;
	l->stamp = 1 + 2 + name + 5;
	l->len = l->stamp + size;
	l->params = calloc(1, l->len);
	if (l->params == NULL)
		return false;
	uint8_t *at = l->params;
	*at++ = 0x92;
	*at++ = 0xd9; // str 8
	*at++ = (uint8_t)name;
	memcpy(at, f->name, name);
	at += name;
	*at++ = 0xc6; // bin 32
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(size >> shift);
	return true;
}

// On the client's thread.
static void answered(void *arg, const wherry_reply *reply)
{
	struct flow *f = arg;
	atomic_fetch_add(&f->answered, 1);
	if (reply->error.code == WHERRY_OK)
		return;
	atomic_fetch_add(&f->errors, 1);
	pthread_mutex_lock(&f->lock);
	if (f->first_error[0] == 0)
		copy_tame(f->first_error, sizeof(f->first_error), reply->error.text);
	pthread_mutex_unlock(&f->lock);
}

static void rest(void)
{
	nanosleep(&(struct timespec){0, LOOK_NS}, NULL);
}

static bool is_over(const struct flow *f)
{
	const struct bench_options *o = &f->bench->options;
	if (bench_interrupted())
		return true;
	return o->count > 0 ? f->sent >= o->count : bench_clock() - f->begun_ns >= (uint64_t)(o->seconds * SECOND_NS);
}

// At a fixed rate: whether the next one is due.
static bool is_due(const struct flow *f)
{
	double rate = f->bench->options.rate;
	return rate <= 0 || (double)f->sent / rate * SECOND_NS <= (double)(bench_clock() - f->begun_ns);
}

static bool has_room(const struct flow *f)
{
	return f->sent - atomic_load(&f->answered) < f->bench->options.in_flight &&
	       f->sent * f->each - flow_got(f) < f->ahead * f->each;
}

static int send_one(struct flow *f, struct letter *l)
{
	wherry_request request = {
	    .size = sizeof(request), .method = f->method, .params = l->params, .params_len = l->len};
	put_u64(l->params + l->stamp, f->sent + 1);
	put_u64(l->params + l->stamp + 8, bench_clock());
	int status = wherry_client_send(f->bench->control, &request, answered, f);
	f->sent += status == WHERRY_OK;
	return status;
}

static void tell(struct flow *f, uint64_t *told_ns)
{
	uint64_t now = bench_clock();
	if (!f->bench->terminal || now - *told_ns < SECOND_NS)
		return;
	*told_ns = now;
	fprintf(stderr, "\r\033[K%.0f s  %" PRIu64 " %s, %" PRIu64 " %s", (double)(now - f->begun_ns) / SECOND_NS,
	    f->sent, f->sent_word, flow_got(f), f->got_word);
}

static void send_all(struct flow *f, struct letter *l)
{
	uint64_t told_ns = f->begun_ns = bench_clock();
	while (!is_over(f)) {
		for (int i = 0; i < 64 && is_due(f) && has_room(f) && !is_over(f); i++)
			if (send_one(f, l) != WHERRY_OK)
				return;
		if (!is_due(f) || !has_room(f))
			rest();
		tell(f, &told_ns);
	}
}

// Until nothing more has come for a while.
static void await_all(struct flow *f)
{
	uint64_t last = 0, since = bench_clock();
	wherry_client_settle(f->bench->control, PATIENCE_S * 1000);
	while (flow_got(f) < (f->sent - atomic_load(&f->errors)) * f->each &&
	       bench_clock() - since < PATIENCE_S * (uint64_t)SECOND_NS) {
		uint64_t got = flow_got(f);
		since = got != last ? bench_clock() : since;
		last = got;
		rest();
	}
	f->ended_ns = bench_clock();
	bench_progress_end(f->bench);
}

// --- what is told in the end ----------------------------------------------------------------------------------------------

struct verdict {
	uint64_t due, got, lost, wrong, missing;
	double seconds, p50, p99, max_us;
	struct histogram times;
};

static void judge(const struct flow *f, struct verdict *v)
{
	memset(v, 0, sizeof(*v));
	for (uint64_t i = 0; i < f->receiver_count; i++) {
		const struct receiver *r = &f->receivers[i];
		v->got += atomic_load(&r->got);
		v->lost += atomic_load(&r->lost);
		v->wrong += atomic_load(&r->wrong);
		histogram_merge(&v->times, &r->times);
	}
	v->due = (f->sent - atomic_load(&f->errors)) * f->each;
	v->missing = v->due > v->got + v->lost ? v->due - v->got - v->lost : 0;
	v->seconds = (double)(f->ended_ns - f->begun_ns) / SECOND_NS;
	v->p50 = histogram_us(&v->times, 0.5);
	v->p99 = histogram_us(&v->times, 0.99);
	v->max_us = (double)v->times.max_ns / 1000;
}

static void print_json(const struct flow *f, const struct verdict *v)
{
	json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:{s:f, s:f, s:f}}",
	    "workload", f->method, "receivers", (json_int_t)f->receiver_count, f->sent_word, (json_int_t)f->sent,
	    "errors", (json_int_t)atomic_load(&f->errors), f->got_word, (json_int_t)v->got, "lost", (json_int_t)v->lost,
	    "missing", (json_int_t)v->missing, "wrong", (json_int_t)v->wrong, "seconds", v->seconds, "sent_per_second",
	    (double)f->sent / v->seconds, "got_per_second", (double)v->got / v->seconds, "latency_us", "p50", v->p50,
	    "p99", v->p99, "max", v->max_us);
	json_dumpf(all, stdout, JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

static void print_table(const struct flow *f, const struct verdict *v)
{
	printf("%s: %" PRIu64 " %s in %.2f s, %.0f a second; %" PRIu64 " receivers\n", f->method, f->sent, f->sent_word,
	    v->seconds, (double)f->sent / v->seconds, f->receiver_count);
	printf("%" PRIu64 " %s, %.0f a second; %" PRIu64 " lost, %" PRIu64 " missing, %" PRIu64 " wrong, %" PRIu64
	       " errors\n",
	    v->got, f->got_word, (double)v->got / v->seconds, v->lost, v->missing, v->wrong,
	    (uint64_t)atomic_load(&f->errors));
	printf("from sent to received: p50 %.0f us, p99 %.0f us, max %.0f us\n", v->p50, v->p99, v->max_us);
}

static int report(const struct flow *f)
{
	static struct verdict v;
	judge(f, &v);
	if (f->bench->settings.output == OUTPUT_JSON)
		print_json(f, &v);
	else
		print_table(f, &v);
	if (v.wrong > 0)
		return fail(EXIT_ERROR, "wrong: %s", f->first_wrong);
	if (f->errors > 0)
		return fail(EXIT_ERROR, "%" PRIu64 " were refused; the first: %s", (uint64_t)f->errors, f->first_error);
	if (v.missing > 0 || v.lost > 0)
		return fail(EXIT_ERROR, "%" PRIu64 " did not come", v.missing + v.lost);
	if (f->bench->settings.output != OUTPUT_JSON)
		puts("every message came where it should, once and in order");
	return finished(EXIT_SUCCESS);
}

// --- its life ---------------------------------------------------------------------------------------------------------------

static int begin_all(struct flow *f, int (*begin)(struct receiver *, wherry_error *))
{
	wherry_error error;
	for (uint64_t i = 0; i < f->receiver_count; i++) {
		struct receiver *r = &f->receivers[i];
		r->flow = f;
		if (cli_try(&f->bench->settings, NULL, &r->client, &error) != WHERRY_OK ||
		    begin(r, &error) != WHERRY_OK)
			return complain(&error);
	}
	return 0;
}

static void end_all(struct flow *f)
{
	for (uint64_t i = 0; i < f->receiver_count; i++) {
		wherry_feed_close(f->receivers[i].feed);
		wherry_consumer_close(f->receivers[i].consumer);
		wherry_client_close(f->receivers[i].client);
	}
	free(f->receivers);
}

int flow_run(struct flow *f, int (*begin)(struct receiver *, wherry_error *))
{
	struct letter letter = {0};
	snprintf(f->name, sizeof(f->name), "bench.%ld.%" PRIu64, (long)getpid(), bench_clock());
	pthread_mutex_init(&f->lock, NULL);
	f->receiver_count = f->bench->options.connections;
	f->receivers = calloc(f->receiver_count, sizeof(*f->receivers));
	if (f->receivers == NULL || !letter_make(&letter, f))
		return fail(EXIT_ERROR, "out of memory");
	int status = begin_all(f, begin);
	if (status == 0) {
		send_all(f, &letter);
		await_all(f);
		status = report(f);
	}
	end_all(f);
	free(letter.params);
	pthread_mutex_destroy(&f->lock);
	return status;
}
