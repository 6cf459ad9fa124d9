// Random programs of transactions against a model that is plain arrays, with savepoints, rollbacks, time that goes on, a
// sink that refuses and memory that runs out.  What fails changes nothing; what is undone leaves no trace.

#include "world.h"

#include <stdio.h>

#include "base/mem.h"

enum { KEYS = 10, RECORDS = 100, MARKS = 8, VALUE_MOST = 700 };

struct bytes {
	uint16_t len;
	uint16_t seed;
};

struct model_key {
	bool there;
	uint32_t type;
	struct bytes head;
	int64_t deadline_ms, alarm_ms;
	bool has[RECORDS];
	struct bytes record[RECORDS];
};

struct model {
	struct model_key key[KEYS];
};

struct program {
	struct world world;
	struct model now, begun, saved[MARKS];
	size_t mark[MARKS];
	unsigned marks;
	uint64_t random;
	char name[KEYS][16];
	unsigned no_memory, refused, done;
};

static unsigned roll(struct program *p, unsigned below)
{
	p->random = p->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(p->random >> 33) % below;
}

static wherry_span bytes_of(struct bytes b)
{
	static unsigned char text[2][4096];
	static unsigned turn;
	unsigned char *at = text[turn++ % 2];
	for (unsigned i = 0; i < b.len; i++)
		at[i] = (unsigned char)(b.seed * 31u + i * 7u);
	return span_of(at, b.len);
}

static struct bytes some_bytes(struct program *p, unsigned most)
{
	unsigned len = roll(p, 3) > 0 ? roll(p, 40) : roll(p, most);
	return (struct bytes){(uint16_t)len, (uint16_t)roll(p, 60000)};
}

static wherry_span subkey_of(unsigned record)
{
	static char text[16];
	return span_of(text, (size_t)snprintf(text, sizeof(text), "sub-%03u", record));
}

// --- memory that runs out --------------------------------------------------------------------------------------------

static unsigned allocations, fail_every, fail_from, fail_at;

static bool may_alloc(size_t size)
{
	(void)size;
	allocations++;
	if (fail_every != 0 && allocations % fail_every == 0)
		return false;
	if (fail_from != 0 && allocations >= fail_from)
		return false;
	return allocations != fail_at;
}

// --- one operation ----------------------------------------------------------------------------------------------------

static int do_put_head(struct program *p, unsigned k, struct model_key *m)
{
	uint32_t type = roll(p, 8) == 0 ? p->world.other : p->world.type;
	struct bytes head = some_bytes(p, 3000);
	int status = txn_put_head(p->world.txn, k, type, bytes_of(head));
	if (m->there && m->type != type) {
		assert_int_equal(status, WHERRY_ETYPE);
		return WHERRY_OK;
	}
	if (status == WHERRY_OK && !m->there)
		*m = (struct model_key){.there = true, .type = type};
	if (status == WHERRY_OK)
		m->head = head;
	return status;
}

static int do_copy(struct program *p, unsigned k, struct model_key *m)
{
	unsigned from = roll(p, KEYS);
	int status = txn_copy(p->world.txn, from, k);
	if (!p->now.key[from].there) {
		assert_int_equal(status, WHERRY_ENOKEY);
		return WHERRY_OK;
	}
	if (status == WHERRY_OK)
		*m = p->now.key[from];
	return status;
}

static int do_time(struct program *p, unsigned k, struct model_key *m)
{
	int64_t ms = roll(p, 4) == 0 ? 0 : p->world.now_ms + (int)roll(p, 60) - 5;
	bool deadline = roll(p, 2) == 0;
	int status = deadline ? txn_set_deadline(p->world.txn, k, ms) : txn_set_alarm(p->world.txn, k, ms);
	if (status != WHERRY_OK)
		return status;
	if (deadline && ms != 0 && ms <= p->world.now_ms)
		m->there = false;
	else
		*(deadline ? &m->deadline_ms : &m->alarm_ms) = ms;
	return status;
}

static int do_record(struct program *p, unsigned k, struct model_key *m)
{
	unsigned r = roll(p, RECORDS), what = roll(p, 8);
	struct bytes value = some_bytes(p, VALUE_MOST);
	struct txn *t = p->world.txn;
	int status;
	if (what < 4) {
		status = txn_put(t, k, subkey_of(r), bytes_of(value));
	} else if (!m->has[r]) {
		status = what == 7 ? txn_patch(t, k, subkey_of(r), 0, bytes_of(value)) : txn_del(t, k, subkey_of(r));
		assert_int_equal(status, WHERRY_ENOKEY);
		return WHERRY_OK;
	} else if (what == 7) {
		value.len = m->record[r].len;
		status = txn_patch(t, k, subkey_of(r), 0, bytes_of(value));
	} else {
		status = txn_del(t, k, subkey_of(r));
	}
	if (status == WHERRY_OK) {
		m->has[r] = what < 4 || what == 7;
		m->record[r] = value;
	}
	return status;
}

static void do_many_records(struct program *p, unsigned k, struct model_key *m)
{
	for (unsigned n = roll(p, 60); n > 0; n--) {
		int status = do_record(p, k, m);
		p->no_memory += status == WHERRY_ENOMEM;
		assert_true(status == WHERRY_OK || status == WHERRY_ENOMEM);
	}
}

static void do_save(struct program *p)
{
	if (p->marks == MARKS)
		return;
	p->mark[p->marks] = txn_mark(p->world.txn);
	p->saved[p->marks++] = p->now;
}

static void do_roll_back(struct program *p)
{
	if (p->marks == 0)
		return;
	p->marks -= 1 + roll(p, p->marks);
	txn_rollback(p->world.txn, p->mark[p->marks]);
	p->now = p->saved[p->marks];
}

static int do_something(struct program *p)
{
	unsigned k = roll(p, KEYS), what = roll(p, 20);
	struct model_key *m = &p->now.key[k];
	if (what == 0)
		do_save(p);
	else if (what == 1)
		do_roll_back(p);
	else if (what < 8)
		return do_put_head(p, k, m);
	else if (what == 8)
		return do_copy(p, k, m);
	else if (!m->there)
		return txn_remove(p->world.txn, k) == WHERRY_ENOKEY ? WHERRY_OK : WHERRY_EINTERNAL;
	else if (what == 9) {
		int status = txn_remove(p->world.txn, k);
		m->there = status != WHERRY_OK;
		return status;
	} else if (what < 12)
		return do_time(p, k, m);
	else
		do_many_records(p, k, m);
	return WHERRY_OK;
}

// --- one transaction ---------------------------------------------------------------------------------------------------

static void compare_key(struct program *p, unsigned k)
{
	const struct model_key *m = &p->now.key[k];
	struct txn_view view;
	int status = txn_open(p->world.txn, k, TXN_ANY_TYPE, &view);
	assert_int_equal(status, m->there ? WHERRY_OK : WHERRY_ENOKEY);
	if (!m->there)
		return;
	assert_int_equal(view.type, m->type);
	assert_true(span_equal(view.head, bytes_of(m->head)));
	assert_int_equal(view.deadline_ms, m->deadline_ms);
	assert_int_equal(view.alarm_ms, m->alarm_ms);
	wherry_cursor cursor;
	wherry_span subkey, value;
	assert_ok(txn_seek(p->world.txn, k, span_of(NULL, 0), 1, &cursor));
	uint64_t records = 0;
	for (unsigned r = 0; r < RECORDS; r++) {
		if (!m->has[r])
			continue;
		assert_ok(txn_next(&cursor, &subkey, &value));
		assert_true(span_equal(subkey, subkey_of(r)));
		assert_true(span_equal(value, bytes_of(m->record[r])));
		records++;
	}
	assert_int_equal(txn_next(&cursor, &subkey, &value), WHERRY_ENOKEY);
	assert_int_equal(view.records, records);
}

static void begin(struct program *p)
{
	struct world *w = &p->world;
	w->now_ms += roll(p, 4) == 0;
	txn_begin(w->txn, STORE_NS_DEFAULT, w->now_ms);
	for (unsigned k = 0; k < KEYS; k++) {
		struct model_key *m = &p->now.key[k];
		if (m->there && m->deadline_ms != 0 && m->deadline_ms <= w->now_ms)
			*m = (struct model_key){0};
		uint32_t slot;
		wherry_span key = text(p->name[k]);
		assert_ok(txn_key(w->txn, STORE_NS_DEFAULT, key, store_hash(w->store, key), TXN_WRITE, &slot));
	}
	txn_lock(w->txn);
	p->begun = p->now;
	p->marks = 0;
}

static void end(struct program *p)
{
	uint64_t lsn;
	if (roll(p, 3) == 0) {
		txn_rollback(p->world.txn, 0);
		p->now = p->begun;
	} else if (txn_commit(p->world.txn, &lsn) != WHERRY_OK) {
		p->refused++;
		p->now = p->begun;
	} else {
		p->done++;
	}
	txn_unlock(p->world.txn);
}

static void run_one(struct program *p)
{
	begin(p);
	if (p->world.sink != NULL)
		test_sink_refuse(p->world.sink, roll(p, 10) == 0 ? WHERRY_EFULL : WHERRY_OK);
	mem_may_alloc = may_alloc;
	for (unsigned n = 1 + roll(p, 20); n > 0; n--) {
		int status = do_something(p);
		p->no_memory += status == WHERRY_ENOMEM;
		assert_true(status == WHERRY_OK || status == WHERRY_ENOMEM);
	}
	mem_may_alloc = NULL;
	for (unsigned k = 0; k < KEYS; k++)
		compare_key(p, k);
	mem_may_alloc = may_alloc;
	end(p);
	mem_may_alloc = NULL;
}

static void run(uint64_t seed, bool with_sink, unsigned transactions, unsigned failing)
{
	static struct program p;
	memset(&p, 0, sizeof(p));
	p.random = seed;
	world_open(&p.world, with_sink);
	for (unsigned k = 0; k < KEYS; k++)
		snprintf(p.name[k], sizeof(p.name[k]), "key-%u", k);
	for (unsigned n = 0; n < transactions; n++) {
		fail_every = failing;
		run_one(&p);
		fail_every = 0;
		const char *fault = store_fault(p.world.store);
		if (fault != NULL)
			fail_msg("seed %u, transaction %u: %s", (unsigned)seed, n, fault);
		if (n % 100 == 0)
			world_check(&p.world);
	}
	if (with_sink)
		test_sink_refuse(p.world.sink, WHERRY_OK);
	assert_true(p.done > transactions / 4);
	assert_true(failing == 0 || p.no_memory > 0);
	assert_true(!with_sink || failing != 0 || p.refused > 0);
	world_close(&p.world);
}

static void programs_do_what_the_model_does(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		run(seed, seed % 2 == 0, 600, 0);
}

static void programs_that_run_out_of_memory(void **state)
{
	(void)state;
	static const unsigned every[] = {2, 3, 7, 20, 50};
	for (uint64_t i = 0; i < sizeof(every) / sizeof(*every); i++)
		run(100 + i, i % 2 == 0, 300, every[i]);
}

// --- every allocation once ---------------------------------------------------------------------------------------------

static int set_up_keys(struct world *w)
{
	world_begin(w, "a", "b", NULL);
	assert_ok(txn_put_head(w->txn, 0, w->type, text("head")));
	for (unsigned r = 0; r < 300; r++)
		assert_ok(txn_put(w->txn, 0, subkey_of(r), bytes_of((struct bytes){(uint16_t)(r * 3), 1})));
	assert_ok(txn_put_head(w->txn, 1, w->type, text("head")));
	for (unsigned r = 0; r < 9; r++)
		assert_ok(txn_put(w->txn, 1, subkey_of(r), bytes_of((struct bytes){(uint16_t)(r * 3), 1})));
	world_commit(w);
	return WHERRY_OK;
}

// One of everything; the first that fails, or the commit's answer.
static int everything(struct world *w)
{
	static const char big[3000];
	struct txn *t = w->txn;
	int status = txn_put_head(t, 0, w->type, span_of(big, sizeof(big)));
	for (unsigned r = 0; r < 300 && status == WHERRY_OK; r += 2)
		status = txn_put(t, 0, subkey_of(r), bytes_of((struct bytes){(uint16_t)(r * 2 + 1), 2}));
	for (unsigned r = 1; r < 300 && status == WHERRY_OK; r += 2)
		status = txn_del(t, 0, subkey_of(r));
	for (unsigned r = 0; r < 9 && status == WHERRY_OK; r++)
		status = txn_put(t, 1, subkey_of(r), bytes_of((struct bytes){(uint16_t)(50 * r + 1), 2}));
	if (status == WHERRY_OK)
		status = txn_set_deadline(t, 1, w->now_ms + 10);
	if (status == WHERRY_OK)
		status = txn_set_alarm(t, 0, w->now_ms + 10);
	if (status == WHERRY_OK)
		status = txn_copy(t, 0, 2);
	if (status == WHERRY_OK)
		status = txn_copy(t, 1, 0);
	if (status == WHERRY_OK)
		status = txn_remove(t, 1);
	if (status == WHERRY_OK)
		status = txn_put_head(t, 1, w->other, text("x"));
	if (status == WHERRY_OK)
		status = txn_put_between(t, 1, span_of(NULL, 0), span_of(NULL, 0), text("first"));
	if (status == WHERRY_OK)
		status = txn_put(t, 1, span_of("\0\0\0\0\0\0\0", 8), text("least"));
	if (status == WHERRY_OK)
		status = txn_put_between(t, 1, span_of(NULL, 0), span_of("\0\0\0\0\0\0\0", 8), text("renewed"));
	uint64_t lsn;
	return status == WHERRY_OK ? txn_commit(t, &lsn) : status;
}

// The k-th allocation fails, alone or with all behind it, for every k.
static void fail_each(bool all_behind, bool with_sink)
{
	int status = WHERRY_ENOMEM;
	for (unsigned k = 1; status != WHERRY_OK; k++) {
		struct world w;
		world_open(&w, with_sink);
		set_up_keys(&w);
		struct digest before = world_digest(&w);
		world_begin(&w, "a", "b", "c", NULL);
		allocations = 0;
		*(all_behind ? &fail_from : &fail_at) = k;
		mem_may_alloc = may_alloc;
		status = everything(&w);
		if (status != WHERRY_OK)
			txn_rollback(w.txn, 0);
		mem_may_alloc = NULL;
		fail_from = fail_at = 0;
		txn_unlock(w.txn);
		assert_true(status == WHERRY_OK || status == WHERRY_ENOMEM);
		struct digest after = world_digest(&w);
		assert_int_equal(memcmp(&before, &after, sizeof(after)) == 0, status != WHERRY_OK);
		const char *fault = store_fault(w.store);
		if (fault != NULL)
			fail_msg("allocation %u: %s", k, fault);
		world_close(&w);
	}
}

static void each_allocation_fails_once(void **state)
{
	(void)state;
	fail_each(false, true);
}

static void each_allocation_and_all_behind_it_fail(void **state)
{
	(void)state;
	fail_each(true, true);
	fail_each(true, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(programs_do_what_the_model_does),
	    cmocka_unit_test(programs_that_run_out_of_memory),
	    cmocka_unit_test(each_allocation_fails_once),
	    cmocka_unit_test(each_allocation_and_all_behind_it_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
