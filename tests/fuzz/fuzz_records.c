// Programs of any bytes on the records of one key, against a sorted array: runs and single puts, removals,
// patches, questions, copies, and attempts that are taken back.  After each step every invariant holds.

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "store/records.h"
#include "store/records_take.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { SUBKEY_MOST = 700, VALUE_MOST = 3000, RECORDS_MOST = 3000, TAKEN_MOST = 16, TAKEN_BYTES = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A subkey is a number, spread to bytes by its class; a value is one byte many times, but where it was
// patched.
struct pair {
	uint16_t len;
	uint8_t fill;
	uint8_t subkey[SUBKEY_MOST];
	size_t subkey_len;
	uint16_t patched_at, patched_len;
	uint8_t patch;
};

struct world {
	struct records *records;
	struct pair *pair[RECORDS_MOST];
	size_t count;
	const uint8_t *at, *end;
};

static unsigned next(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static unsigned next2(struct world *w)
{
	unsigned high = next(w);
	return high << 8 | next(w);
}

static void subkey_make(struct pair *p, unsigned kind, unsigned number)
{
	static const size_t fronts[] = {0, 0, 0, 7, 20, 500, SUBKEY_MOST - 2, 1};
	size_t front = fronts[kind % 8];
	memset(p->subkey, 'p', front);
	p->subkey[front] = (uint8_t)(number >> 8);
	p->subkey[front + 1] = (uint8_t)number;
	p->subkey_len = kind % 8 == 1 ? 1 : kind % 8 == 2 && number == 0 ? 0 : front + 2;
}

static wherry_span subkey_of(const struct pair *p)
{
	return span_of(p->subkey, p->subkey_len);
}

static size_t find(const struct world *w, wherry_span subkey, bool *found)
{
	size_t low = 0, high = w->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (span_compare(subkey_of(w->pair[middle]), subkey) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < w->count && span_equal(subkey_of(w->pair[low]), subkey);
	return low;
}

static void value_check(const struct pair *p, wherry_span value)
{
	const uint8_t *bytes = value.ptr;
	REQUIRE(value.len == p->len);
	for (size_t i = 0; i < value.len; i++) {
		bool patched = i >= p->patched_at && i < (size_t)p->patched_at + p->patched_len;
		REQUIRE(bytes[i] == (patched ? p->patch : p->fill));
	}
}

// --- steps -----------------------------------------------------------------------------------------------

static void put(struct world *w, const struct pair *asked)
{
	bool found;
	size_t at = find(w, subkey_of(asked), &found);
	if (!found && w->count == RECORDS_MOST)
		return;
	uint8_t value[VALUE_MOST];
	memset(value, asked->fill, asked->len);
	REQUIRE(records_put(w->records, subkey_of(asked), span_of(value, asked->len)) == WHERRY_OK);
	if (!found) {
		memmove(&w->pair[at + 1], &w->pair[at], (w->count - at) * sizeof *w->pair);
		w->pair[at] = malloc(sizeof **w->pair);
		REQUIRE(w->pair[at] != NULL);
		w->count++;
	}
	*w->pair[at] = *asked;
}

static void del(struct world *w, wherry_span subkey)
{
	bool found;
	size_t at = find(w, subkey, &found);
	REQUIRE(records_del(w->records, subkey) == found);
	if (!found)
		return;
	free(w->pair[at]);
	w->count--;
	memmove(&w->pair[at], &w->pair[at + 1], (w->count - at) * sizeof *w->pair);
}

static struct pair asked(struct world *w)
{
	struct pair p = {0};
	subkey_make(&p, next(w), next2(w));
	return p;
}

static void fill_value(struct world *w, struct pair *p)
{
	unsigned len = next2(w);
	p->len = (uint16_t)(len >> 15 ? len % VALUE_MOST : len % 60);
	p->fill = (uint8_t)len;
}

static void do_put(struct world *w)
{
	struct pair p = asked(w);
	fill_value(w, &p);
	put(w, &p);
}

static void do_run(struct world *w)
{
	unsigned kind = next(w), first = next2(w), count = next(w), step = next(w) % 5;
	struct pair p = {0};
	fill_value(w, &p);
	p.len %= 600;
	for (unsigned i = 0; i < count; i++) {
		subkey_make(&p, kind, first + i * (step - 2));
		put(w, &p);
	}
}

// Removes as many as said from a rank on: from the front, it is what a queue does.
static void do_pop(struct world *w)
{
	size_t from = next2(w), count = next2(w) % 512;
	for (; count > 0 && from < w->count; count--) {
		struct pair p = *w->pair[from];
		del(w, subkey_of(&p));
	}
}

static void do_del(struct world *w)
{
	struct pair p = asked(w);
	del(w, subkey_of(&p));
}

static void do_patch(struct world *w)
{
	struct pair p = asked(w);
	uint16_t at = (uint16_t)next(w), len = (uint16_t)next(w);
	uint8_t bytes[UINT8_MAX];
	memset(bytes, len, len);
	bool found;
	size_t index = find(w, subkey_of(&p), &found);
	bool fits = found && at + len <= w->pair[index]->len && w->pair[index]->patched_len == 0;
	if (found && w->pair[index]->patched_len > 0)
		return; // one patch a value is what the model can say
	REQUIRE(records_patch(w->records, subkey_of(&p), at, span_of(bytes, len)) == fits);
	if (fits) {
		w->pair[index]->patched_at = at;
		w->pair[index]->patched_len = len;
		w->pair[index]->patch = (uint8_t)len;
	}
}

// --- questions -------------------------------------------------------------------------------------------

static void walk(const struct world *w, struct records_place place, int direction, size_t from, size_t most)
{
	wherry_span subkey, value;
	for (; most > 0 && from < w->count; most--, from += direction < 0 ? SIZE_MAX : 1) {
		REQUIRE(records_step(w->records, &place, direction, &subkey, &value));
		REQUIRE(span_equal(subkey, subkey_of(w->pair[from])));
		value_check(w->pair[from], value);
	}
	REQUIRE(most == 0 || !records_step(w->records, &place, direction, &subkey, &value));
}

static void do_ask(struct world *w)
{
	struct pair p = asked(w);
	wherry_span subkey = subkey_of(&p), value;
	bool found;
	size_t at = find(w, subkey, &found);
	uint64_t rank;
	REQUIRE(records_get(w->records, subkey, &value) == found);
	REQUIRE(records_rank(w->records, subkey, &rank) == found);
	if (found) {
		value_check(w->pair[at], value);
		REQUIRE(rank == at);
	}
	size_t last = subkey.len == 0 ? w->count - 1 : found ? at : at - 1;
	walk(w, records_seek(w->records, subkey, 1), 1, at, 5);
	walk(w, records_seek(w->records, subkey, -1), -1, last, 5);
	walk(w, records_seek_rank(w->records, at), 1, at, 5);
}

static void walk_all(struct world *w)
{
	REQUIRE(records_count(w->records) == w->count);
	walk(w, records_seek(w->records, span_of(NULL, 0), 1), 1, 0, SIZE_MAX);
	walk(w, records_seek(w->records, span_of(NULL, 0), -1), -1, w->count - 1, SIZE_MAX);
}

static void do_clone(struct world *w)
{
	struct records *copy = records_clone(w->records);
	REQUIRE(copy != NULL);
	REQUIRE(records_memory(copy) == records_memory(w->records));
	records_free(w->records);
	w->records = copy;
	walk_all(w);
}

// Takes some records out, puts others in, and takes all of it back, as a transaction does that fails.
static void do_attempt(struct world *w)
{
	_Alignas(max_align_t) uint8_t taken[TAKEN_MOST][TAKEN_BYTES];
	struct pair *put_in = calloc(TAKEN_MOST, sizeof *put_in);
	bool was_put[TAKEN_MOST];
	REQUIRE(put_in != NULL);
	int count = (int)next(w) % (TAKEN_MOST + 1);
	for (int i = 0; i < count; i++) {
		struct pair p = asked(w);
		wherry_span value;
		was_put[i] = !records_get(w->records, subkey_of(&p), &value);
		if (was_put[i]) {
			fill_value(w, &p);
			uint8_t bytes[VALUE_MOST] = {0};
			REQUIRE(records_put(w->records, subkey_of(&p), span_of(bytes, p.len)) == WHERRY_OK);
			put_in[i] = p;
		} else {
			REQUIRE(records_taken_size(w->records, subkey_of(&p)) <= TAKEN_BYTES);
			records_take(w->records, subkey_of(&p), (struct records_taken *)(void *)taken[i]);
			put_in[i] = p;
		}
	}
	for (int i = count - 1; i >= 0; i--) {
		if (was_put[i])
			records_drop(w->records, subkey_of(&put_in[i]));
		else
			records_restore(w->records, (struct records_taken *)(void *)taken[i]);
	}
	for (int i = count - 1; i >= 0; i--)
		records_settle(w->records, subkey_of(&put_in[i]));
	free(put_in);
	walk_all(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct world *) = {
	    do_put, do_run, do_pop, do_del, do_patch, do_ask, do_clone, do_attempt};
	static struct world w; // too large for the stack; empty at each beginning
	w = (struct world){.records = records_new(), .at = data, .end = data + size};
	REQUIRE(w.records != NULL);
	size_t empty = records_memory(w.records);
	for (unsigned left = 300; left > 0 && w.at < w.end; left--) {
		steps[next(&w) % 8](&w);
		REQUIRE(records_fault(w.records) == NULL);
		REQUIRE(records_count(w.records) == w.count);
	}
	walk_all(&w);
	while (w.count > 0) {
		struct pair p = *w.pair[w.count / 2];
		del(&w, subkey_of(&p));
	}
	REQUIRE(records_fault(w.records) == NULL && records_memory(w.records) == empty);
	records_free(w.records);
	return 0;
}
