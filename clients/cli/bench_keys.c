// The keys that a run of `wherry bench` works on: that they are nobody else's, filled, read back, removed.
// Threads: the main one, on a connection of its own.

#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP = 100, BATCH_BYTES = 1 << 20, BATCH_MAX = 1000, REMOVE_MS = 5000 };

// A walk over all keys, `group` of them in a request, `batch` requests at a time.
struct sweep {
	struct bench *bench;
	const char *doing, *method;
	uint64_t keys, group, batch;
	// Adds the request for some keys, and takes its answer; false: that is enough.
	int (*add)(struct sweep *, wherry_batch *, uint64_t from, uint64_t count);
	bool (*take)(struct sweep *, uint64_t from, const wherry_reply *);
	bool stubborn; // goes on after a signal
	uint64_t done;
	wherry_error error;
	uint8_t *params; // of a group
};

static int add_group(struct sweep *s, wherry_batch *batch, uint64_t from, uint64_t count)
{
	size_t len = 0, key_len = s->bench->work.key_len;
	s->params[len++] = 0xdc; // array 16
	s->params[len++] = (uint8_t)(count >> 8);
	s->params[len++] = (uint8_t)count;
	for (uint64_t i = 0; i < count; i++, len += key_len)
		memcpy(s->params + len, maker_key(&s->bench->maker, from + i), key_len);
	return wherry_batch_add(batch, s->method, s->params, len, NULL, 0);
}

static int add_single(struct sweep *s, wherry_batch *batch, uint64_t from, enum bench_kind kind)
{
	struct asked asked = {kind, from};
	wherry_request q;
	maker_ask(&s->bench->maker, &asked, &q);
	return wherry_batch_add(batch, q.method, q.params, q.params_len, NULL, 0);
}

static int add_get(struct sweep *s, wherry_batch *batch, uint64_t from, uint64_t count)
{
	(void)count;
	return add_single(s, batch, from, BENCH_GET);
}

static int add_set(struct sweep *s, wherry_batch *batch, uint64_t from, uint64_t count)
{
	(void)count;
	s->bench->reach = from + 1;
	return add_single(s, batch, from, BENCH_SET);
}

static int add_all(struct sweep *s, wherry_batch *batch, uint64_t from)
{
	int status = WHERRY_OK;
	wherry_batch_clear(batch);
	for (uint64_t n = 0; n < s->batch && from < s->keys && status == WHERRY_OK; n++) {
		uint64_t left = s->keys - from, count = left < s->group ? left : s->group;
		status = s->add(s, batch, from, count);
		from += count;
	}
	if (status != WHERRY_OK)
		snprintf(s->error.text, sizeof(s->error.text), "%s", wherry_status_text(s->error.code = status));
	return status;
}

// false: that was enough, or an answer was an error.
static bool take_all(struct sweep *s, const wherry_batch *batch, uint64_t from)
{
	for (size_t i = 0; i < wherry_batch_count(batch); i++, from += s->group) {
		wherry_reply reply = {0};
		if (wherry_batch_answer(batch, i, &reply) != WHERRY_OK) {
			s->error = reply.error;
			return false;
		}
		if (!s->take(s, from, &reply))
			return false;
	}
	return true;
}

// OK, also when it was enough or a signal came; else *s tells why not.
static int sweep(struct sweep *s)
{
	struct bench *b = s->bench;
	wherry_batch *batch = wherry_batch_new();
	s->params = malloc(3 + GROUP * b->work.key_len);
	if (batch == NULL || s->params == NULL)
		s->error = (wherry_error){.code = WHERRY_ENOMEM, .local = 1, .name = "ENOMEM", .text = "out of memory"};
	bool go = batch != NULL && s->params != NULL;
	for (uint64_t at = 0; go && at < s->keys; at += s->batch * s->group) {
		bench_doing(b, s->doing, at, s->keys);
		go = (s->stubborn || !bench_interrupted()) && add_all(s, batch, at) == WHERRY_OK &&
		     wherry_client_run(b->control, batch, &s->error) == WHERRY_OK && take_all(s, batch, at);
	}
	bench_progress_end(b);
	wherry_batch_free(batch);
	free(s->params);
	return s->error.code;
}

static uint64_t batch_of(const struct bench *b)
{
	uint64_t fit = BATCH_BYTES / (b->options.size + BENCH_PREFIX_MAX);
	return fit < 1 ? 1 : fit > BATCH_MAX ? BATCH_MAX : fit;
}

static int failed_to(const char *what, const wherry_error *e)
{
	char text[BENCH_WHAT];
	copy_tame(text, sizeof(text), e->text);
	return fail(exit_status_of(e), "%s: %s: %s", what, e->name, text);
}

// --- before -----------------------------------------------------------------------------------------------------------

static bool take_exists(struct sweep *s, uint64_t from, const wherry_reply *r)
{
	const uint8_t *at = r->result, *end = at + r->result_len;
	for (at += r->result_len > 0 && (*at & 0xf0) == 0x90 ? 1 : 3; at < end; at++, from++) {
		if (*at != 0xc3) // true
			continue;
		s->done = from + 1;
		return false;
	}
	return true;
}

static int refuse(const struct bench *b, uint64_t key)
{
	char prefix[BENCH_PREFIX_MAX + 1];
	copy_tame(prefix, sizeof(prefix), b->options.prefix);
	return fail(EXIT_ERROR,
	    "there is a key %s%09llu already, and it may be somebody's: choose another --prefix, or say --force to "
	    "overwrite and remove what is there",
	    prefix, (unsigned long long)key);
}

int bench_take_keys(struct bench *b)
{
	struct sweep s = {.bench = b,
	    .keys = b->options.keys,
	    .doing = "looking for keys",
	    .method = "kv.exists",
	    .group = GROUP,
	    .batch = 20,
	    .add = add_group,
	    .take = take_exists};
	if (b->options.force) {
		b->owns_keys = true;
		b->reach = b->options.keys;
		bench_remove_keys(b);
		b->removed = 0;
		return b->removal_failed ? EXIT_ERROR : 0;
	}
	if (sweep(&s) != WHERRY_OK)
		return failed_to("looking whether the keys are free", &s.error);
	if (s.done > 0)
		return refuse(b, s.done - 1);
	// It may not have looked at all of them: none is ours, then.
	if (bench_interrupted())
		return 0;
	b->owns_keys = true;
	b->reach = b->work.acknowledged != NULL ? b->options.keys : 0; // else as far as they will be filled
	return 0;
}

static bool take_set(struct sweep *s, uint64_t from, const wherry_reply *r)
{
	(void)from, (void)r;
	s->done++;
	return true;
}

int bench_fill_keys(struct bench *b)
{
	struct sweep s = {.bench = b,
	    .keys = b->options.keys,
	    .doing = "filling keys",
	    .group = 1,
	    .batch = batch_of(b),
	    .add = add_set,
	    .take = take_set};
	int status = sweep(&s);
	b->made = s.done;
	return status == WHERRY_OK ? 0 : failed_to("filling the keys", &s.error);
}

// --- after ------------------------------------------------------------------------------------------------------------

static void say_differs(struct bench *b, uint64_t key, const wherry_reply *r, const char *wanted)
{
	char got[80], prefix[80];
	if (b->differ++ > 0 || b->total.first_wrong[0] != 0)
		return;
	describe_value(r, got, sizeof(got));
	copy_tame(prefix, sizeof(prefix), b->options.prefix);
	snprintf(b->total.first_wrong, BENCH_WHAT, "%s%09llu holds %s in the end, not %s", prefix,
	    (unsigned long long)key, got, wanted);
}

static bool is_nil(const wherry_reply *r)
{
	return r->result_len == 1 && *(const uint8_t *)r->result == 0xc0;
}

// Each acknowledged increment is there; of the lost ones, any may be.
static void compare_counter(struct bench *b, uint64_t key, const wherry_reply *r)
{
	uint64_t number = 0, acknowledged = atomic_load(&b->work.acknowledged[key]);
	char wanted[64];
	bool known = is_nil(r) || encoded_number(r, &number);
	if (known && number >= acknowledged && number - acknowledged <= b->total.lost)
		return;
	snprintf(wanted, sizeof(wanted), "the %llu that were acknowledged", (unsigned long long)acknowledged);
	say_differs(b, key, r, wanted);
}

static void compare_value(struct bench *b, uint64_t key, const wherry_reply *r)
{
	struct asked asked = {BENCH_GET, key};
	bool must_be_there = b->work.acknowledged == NULL || atomic_load(&b->work.acknowledged[key]) > 0;
	if ((is_nil(r) && !must_be_there) || maker_check(&b->maker, &asked, r, NULL))
		return;
	say_differs(b, key, r, "the value that was set");
}

static bool take_compare(struct sweep *s, uint64_t from, const wherry_reply *r)
{
	struct bench *b = s->bench;
	(b->options.kind == BENCH_INCR ? compare_counter : compare_value)(b, from, r);
	b->checked++;
	return true;
}

int bench_compare_keys(struct bench *b)
{
	struct sweep s = {.bench = b,
	    .keys = b->options.keys,
	    .doing = "reading keys back",
	    .group = 1,
	    .batch = batch_of(b),
	    .add = add_get,
	    .take = take_compare};
	int status = sweep(&s);
	b->verified = status == WHERRY_OK && b->checked == b->options.keys;
	return status == WHERRY_OK ? 0 : failed_to("reading the keys back", &s.error);
}

static bool take_removed(struct sweep *s, uint64_t from, const wherry_reply *r)
{
	uint64_t number;
	(void)from;
	s->done += encoded_number(r, &number) ? number : 0;
	return true;
}

void bench_remove_keys(struct bench *b)
{
	struct sweep s = {.bench = b,
	    .keys = b->reach,
	    .doing = "removing keys",
	    .method = "kv.del",
	    .group = GROUP,
	    .batch = 20,
	    .add = add_group,
	    .take = take_removed,
	    .stubborn = true};
	char what[BENCH_PREFIX_MAX + 80], prefix[BENCH_PREFIX_MAX + 1];
	wherry_client_set_timeout(b->control, REMOVE_MS);
	b->removal_failed = sweep(&s) != WHERRY_OK;
	wherry_client_set_timeout(b->control, b->settings.timeout_ms);
	b->removed = s.done;
	copy_tame(prefix, sizeof(prefix), b->options.prefix);
	snprintf(what, sizeof(what), "keys %s000000000 and on may have stayed behind", prefix);
	if (b->removal_failed)
		failed_to(what, &s.error);
}
