// What a run of `wherry bench` tells: progress on a terminal, then a table or one JSON object.  Threads: the main one.

#include "bench.h"

#include <jansson.h>

enum { SECOND_NS = 1000000000, TEXT = 40 };

// "1,234,567"
static const char *grouped(uint64_t number, char text[TEXT])
{
	char digits[TEXT];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number), to = 0;
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[to++] = ',';
		text[to++] = digits[i];
	}
	text[to] = 0;
	return text;
}

static const char *span(double us, char text[TEXT])
{
	const char *unit = us < 1000 ? "us" : us < 1e6 ? "ms" : "s";
	double number = us < 1000 ? us : us < 1e6 ? us / 1000 : us / 1e6;
	snprintf(text, TEXT, "%.*f %s", number < 10 ? 2 : number < 100 ? 1 : 0, number, unit);
	return text;
}

// --- progress ---------------------------------------------------------------------------------------------------------

static const char *line_begin(const struct bench *b)
{
	return b->dumb ? "" : "\r\033[K";
}

static const char *line_end(const struct bench *b)
{
	return b->dumb ? "\n" : "";
}

void bench_progress_end(const struct bench *b)
{
	if (b->terminal && !b->dumb)
		fputs("\r\033[K", stderr);
}

void bench_doing(const struct bench *b, const char *what, uint64_t done, uint64_t of)
{
	if (b->terminal && !b->dumb && of > 0)
		fprintf(stderr, "\r\033[K%s: %d %%", what, (int)((double)done / (double)of * 100));
}

// Seconds until the end, as far as can be told; < 0: not.
static double left_s(const struct bench *b, const struct tally *t, double rate, uint64_t now)
{
	if (b->options.count == 0)
		return now < b->end_ns ? (double)(b->end_ns - now) / SECOND_NS : 0;
	return rate > 0 ? (double)(b->options.count - t->sent) / rate : -1;
}

void bench_progress(struct bench *b, uint64_t now)
{
	struct progress *p = &b->progress;
	char rate_text[TEXT], p99[TEXT], errors[TEXT], eta[TEXT] = "";
	uint64_t since = p->told_ns > 0 ? p->told_ns : b->start_ns;
	if (!b->terminal || now < since + SECOND_NS)
		return;
	bench_tally(b, &p->now);
	bool open_loop = b->options.rate > 0;
	histogram_since(&p->since, open_loop ? &p->now.response : &p->now.service,
	    open_loop ? &p->before.response : &p->before.service);
	uint64_t came = p->now.answered + p->now.errors - p->before.answered - p->before.errors;
	double rate = (double)came * SECOND_NS / (double)(now - since), left = left_s(b, &p->now, rate, now);
	if (b->stopped_ns != 0)
		snprintf(eta, sizeof(eta), "waiting for the last answers");
	else if (left >= 0)
		snprintf(eta, sizeof(eta), "%.0f s left", left);
	fprintf(stderr, "%s%4.0f s  %s/s  p99 %s  %s errors%s  %s%s", line_begin(b),
	    (double)(now - b->start_ns) / SECOND_NS, grouped((uint64_t)rate, rate_text),
	    p->since.count > 0 ? span(histogram_us(&p->since, 0.99), p99) : "-",
	    grouped(p->now.errors + p->now.lost, errors), p->now.wrong > 0 ? ", WRONG ANSWERS" : "", eta, line_end(b));
	fflush(stderr);
	p->told_ns = now;
	p->before = p->now;
}

// --- what is told in the end ------------------------------------------------------------------------------------------

// How long was measured: until the last answer, and no less than was asked for.
static double measured_s(const struct bench *b)
{
	uint64_t end = b->end_ns < b->stopped_ns ? b->end_ns : b->stopped_ns;
	if (b->options.count > 0 || b->total.last_ns > end)
		end = b->total.last_ns;
	return end > b->measure_ns ? (double)(end - b->measure_ns) / SECOND_NS : 0;
}

static double achieved(const struct bench *b)
{
	double seconds = measured_s(b);
	return seconds > 0 ? (double)b->total.came / seconds : 0;
}

static uint64_t unsent(const struct bench *b)
{
	uint64_t due = b->options.rate > 0 ? bench_due(b) : 0;
	return due > b->total.sent ? due - b->total.sent : 0;
}

// A request that was due in the last moments may not have been sent: that is no failure to keep up.
static bool kept_up(const struct bench *b)
{
	return (double)unsent(b) <= 0.01 * (double)bench_due(b) + 1;
}

static bool adds_up(const struct tally *t)
{
	return t->sent == t->answered + t->errors + t->lost;
}

static const char *code_name(unsigned code)
{
	return code == 0 ? "other" : wherry_status_name(-(int)code);
}

static json_t *json_times(const struct histogram *h)
{
	if (h->count == 0)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "mean_us", histogram_mean_us(h), "p50_us",
	    histogram_us(h, 0.5), "p90_us", histogram_us(h, 0.9), "p99_us", histogram_us(h, 0.99), "p999_us",
	    histogram_us(h, 0.999), "max_us", histogram_us(h, 1));
}

static json_t *json_errors(const struct tally *t)
{
	json_t *all = json_object();
	for (unsigned i = 0; i < BENCH_CODES; i++)
		if (t->by_code[i] > 0)
			json_object_set_new(all, code_name(i), json_integer((json_int_t)t->by_code[i]));
	return all;
}

static json_t *json_text(const char *text)
{
	json_t *j = text[0] != 0 ? json_string(text) : NULL; // NULL where it is no UTF-8, too
	return j != NULL ? j : json_null();
}

static void add_setup(json_t *all, const struct bench *b)
{
	const struct bench_options *o = &b->options;
	json_object_set_new(all, "workload", json_text(bench_name(o)));
	json_object_set_new(all, "connections", json_integer((json_int_t)o->connections));
	json_object_set_new(all, "in_flight", json_integer((json_int_t)o->in_flight));
	json_object_set_new(all, "keys", json_integer((json_int_t)(o->kind == BENCH_METHOD ? 0 : o->keys)));
	json_object_set_new(all, "size", json_integer((json_int_t)(o->kind == BENCH_METHOD ? 0 : o->size)));
	json_object_set_new(all, "rate_asked", o->rate > 0 ? json_real(o->rate) : json_null());
}

static void report_json(const struct bench *b)
{
	const struct tally *t = &b->total;
	json_t *all = json_object();
	add_setup(all, b);
	json_object_set_new(all, "rate", json_real(achieved(b)));
	json_object_set_new(all, "rate_kept", b->options.rate > 0 ? json_boolean(kept_up(b)) : json_null());
	json_object_set_new(all, "seconds", json_real(measured_s(b)));
	json_object_set_new(all, "measured", json_integer((json_int_t)t->measured));
	json_object_set_new(all, "sent", json_integer((json_int_t)t->sent));
	json_object_set_new(all, "answered", json_integer((json_int_t)t->answered));
	json_object_set_new(all, "wrong", json_integer((json_int_t)t->wrong));
	json_object_set_new(all, "errors", json_integer((json_int_t)t->errors));
	json_object_set_new(all, "errors_by_name", json_errors(t));
	json_object_set_new(all, "lost", json_integer((json_int_t)t->lost));
	json_object_set_new(all, "unsent", json_integer((json_int_t)unsent(b)));
	json_object_set_new(all, "first_error", json_text(t->first_error));
	json_object_set_new(all, "first_lost", json_text(t->first_lost));
	json_object_set_new(all, "first_wrong", json_text(t->first_wrong));
	json_object_set_new(all, "response", b->options.rate > 0 ? json_times(&t->response) : json_null());
	json_object_set_new(all, "service", json_times(&t->service));
	json_object_set_new(all, "filled", json_integer((json_int_t)b->made));
	json_object_set_new(all, "read_back", json_integer((json_int_t)b->checked));
	json_object_set_new(all, "differ", json_integer((json_int_t)b->differ));
	json_object_set_new(all, "removed", json_integer((json_int_t)b->removed));
	json_object_set_new(all, "interrupted", json_boolean(bench_interrupted()));
	json_dumpf(all, stdout, JSON_REAL_PRECISION(9));
	fputc('\n', stdout);
	json_decref(all);
}

static void put_times(const char *name, const struct histogram *h, const char *meaning)
{
	char text[6][TEXT];
	if (h->count == 0) {
		printf("%-14s%10s%10s%10s%10s%10s%10s   nothing was measured\n", name, "-", "-", "-", "-", "-", "-");
		return;
	}
	printf("%-14s%10s%10s%10s%10s%10s%10s   %s\n", name, span(histogram_mean_us(h), text[0]),
	    span(histogram_us(h, 0.5), text[1]), span(histogram_us(h, 0.9), text[2]),
	    span(histogram_us(h, 0.99), text[3]), span(histogram_us(h, 0.999), text[4]),
	    span(histogram_us(h, 1), text[5]), meaning);
}

static void put_latencies(const struct bench *b)
{
	printf("\n%-14s%10s%10s%10s%10s%10s%10s\n", "", "mean", "p50", "p90", "p99", "p99.9", "max");
	if (b->options.rate > 0)
		put_times("response time", &b->total.response, "from when it was due");
	put_times("service time", &b->total.service, "from when it was sent");
	fputc('\n', stdout);
}

static void put_setup(const struct bench *b)
{
	const struct bench_options *o = &b->options;
	char text[TEXT], name[80];
	copy_tame(name, sizeof(name), bench_name(o));
	printf("%s: %s connection%s", name, grouped(o->connections, text), o->connections == 1 ? "" : "s");
	printf(", up to %s in flight on each", grouped(o->in_flight, text));
	if (o->kind != BENCH_METHOD)
		printf("; %s keys", grouped(o->keys, text));
	if (o->kind != BENCH_METHOD && o->kind != BENCH_INCR)
		printf(", values of %s bytes", grouped(o->size, text));
	fputc('\n', stdout);
}

static void put_rate(const struct bench *b)
{
	char text[TEXT], count[TEXT];
	if (b->options.rate > 0)
		printf("asked for %s requests/s, achieved ", grouped((uint64_t)b->options.rate, text));
	printf("%s requests/s", grouped((uint64_t)(achieved(b) + 0.5), text));
	printf(" (%s answers in %s", grouped(b->total.came, count), span(measured_s(b) * 1e6, text));
	if (b->options.warmup > 0)
		printf(", after %.1f s of warm-up", b->options.warmup);
	puts(")");
	if (b->options.rate > 0 && !kept_up(b))
		printf("The rate could not be kept: %s requests were due and never sent.\n", grouped(unsent(b), text));
}

static void put_errors(const struct tally *t)
{
	char text[TEXT];
	for (unsigned i = 0, any = 0; i < BENCH_CODES; i++)
		if (t->by_code[i] > 0)
			printf("%s%s %s", any++ > 0 ? ", " : "errors: ", code_name(i), grouped(t->by_code[i], text));
	if (t->errors > 0)
		printf("; the first: %s\n", t->first_error);
}

static void put_counts(const struct bench *b)
{
	const struct tally *t = &b->total;
	char text[4][TEXT];
	printf("sent %s %s answered %s + errors %s + lost %s\n", grouped(t->sent, text[0]), adds_up(t) ? "=" : "is not",
	    grouped(t->answered, text[1]), grouped(t->errors, text[2]), grouped(t->lost, text[3]));
	put_errors(t);
	if (t->wrong == 0 && t->answered > 0 && b->options.kind != BENCH_METHOD)
		puts("every answer was the right one");
	if (b->verified && b->differ == 0)
		printf("read back: all %s keys hold what was acknowledged\n", grouped(b->checked, text[0]));
	if (b->removed > 0)
		printf("removed %s keys\n", grouped(b->removed, text[0]));
	else if (b->options.keep && b->owns_keys)
		puts("the keys were kept");
}

static int judge(const struct bench *b)
{
	const struct tally *t = &b->total;
	char text[TEXT];
	int status = b->removal_failed ? EXIT_ERROR : 0;
	if (t->wrong > 0)
		status =
		    fail(EXIT_ERROR, "%s answers were wrong; the first: %s", grouped(t->wrong, text), t->first_wrong);
	if (b->differ > 0)
		status = fail(EXIT_ERROR, "%s keys are not as they must be; the first of what is wrong: %s",
		    grouped(b->differ, text), t->first_wrong);
	if (t->lost > 0 || t->first_lost[0] != 0)
		status = fail(EXIT_ERROR, "%s requests were lost: whether they ran is not known; %s",
		    grouped(t->lost, text), t->first_lost);
	if (t->errors > 0)
		status = fail(EXIT_ERROR, "%s requests were answered with an error", grouped(t->errors, text));
	if (!adds_up(t))
		status = fail(EXIT_ERROR, "the counts do not add up: a fault in wherry, please report it");
	return status;
}

int bench_report(const struct bench *b)
{
	fflush(stderr);
	if (b->settings.output == OUTPUT_JSON) {
		report_json(b);
	} else {
		put_setup(b);
		put_rate(b);
		put_latencies(b);
		put_counts(b);
	}
	int status = finished(0), verdict = judge(b);
	return status != 0 ? status : verdict;
}
