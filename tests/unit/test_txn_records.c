// Records within transactions: put, patch, delete, cursors, ranks, labels.

#include "world.h"

#include <stdio.h>

static const char *long_text(char letter, size_t len)
{
	static char bytes[5000];
	memset(bytes, letter, len);
	bytes[len] = 0;
	return bytes;
}

static void records_come_and_go(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	wherry_span value;
	uint64_t rank;
	world_begin(&w, "a", "b", NULL);
	assert_int_equal(txn_put(w.txn, 0, text("s"), text("v")), WHERRY_ENOKEY); // no key yet
	assert_int_equal(txn_get(w.txn, 0, text("s"), &value), WHERRY_ENOKEY);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("head")));
	assert_int_equal(txn_del(w.txn, 0, text("s")), WHERRY_ENOKEY);
	assert_int_equal(txn_patch(w.txn, 0, text("s"), 0, text("x")), WHERRY_ENOKEY);
	assert_ok(txn_put(w.txn, 0, text("s"), text("value")));
	assert_ok(txn_put(w.txn, 0, text("r"), text("first")));
	assert_ok(txn_put(w.txn, 0, text(""), text("the empty subkey")));
	assert_ok(txn_patch(w.txn, 0, text("s"), 1, text("ol")));
	assert_ok(txn_get(w.txn, 0, text("s"), &value));
	assert_span(value, "volue");
	assert_int_equal(txn_patch(w.txn, 0, text("s"), 4, text("ol")), WHERRY_EARG);
	assert_int_equal(txn_patch(w.txn, 0, text("s"), UINT64_MAX, text("ol")), WHERRY_EARG);
	assert_ok(txn_rank(w.txn, 0, text("s"), &rank));
	assert_int_equal(rank, 2);
	assert_int_equal(txn_rank(w.txn, 0, text("t"), &rank), WHERRY_ENOKEY);
	assert_ok(txn_del(w.txn, 0, text("")));
	assert_int_equal(txn_get(w.txn, 0, text(""), &value), WHERRY_ENOKEY);
	world_commit(&w);
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("records stay when the head is another")));
	assert_ok(txn_get(w.txn, 0, text("r"), &value));
	assert_span(value, "first");
	world_commit(&w);
	world_close(&w);
}

static void many_records_undone_and_done(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	char subkey[16];
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("")));
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(subkey, sizeof(subkey), "%06u", i * 7919 % 2000);
		assert_ok(txn_put(w.txn, 0, text(subkey), text(long_text('a', i % 700))));
	}
	world_commit(&w);
	struct digest before = world_digest(&w);
	for (unsigned round = 0; round < 2; round++) {
		world_begin(&w, "a", NULL);
		for (unsigned i = 0; i < 2000; i++) {
			snprintf(subkey, sizeof(subkey), "%06u", i * 6007 % 2000);
			if (i % 3 == 0)
				assert_ok(txn_put(w.txn, 0, text(subkey), text(long_text('b', i * 31 % 900))));
			else
				assert_ok(txn_del(w.txn, 0, text(subkey)));
		}
		if (round == 0)
			world_undo(&w);
		else
			world_commit(&w);
		world_check(&w);
		struct digest after = world_digest(&w);
		assert_int_equal(memcmp(&after, &before, sizeof(after)) == 0, round == 0);
	}
	world_close(&w);
}

static void fill_in_order(struct world *w, unsigned count)
{
	char subkey[16];
	world_begin(w, "a", NULL);
	assert_ok(txn_put_head(w->txn, 0, w->type, text("")));
	for (unsigned i = 0; i < count; i++) {
		snprintf(subkey, sizeof(subkey), "%06u", i);
		assert_ok(txn_put(w->txn, 0, text(subkey), text(subkey)));
	}
	world_commit(w);
}

// Takes all out, and copies the key to "b" when half of them are gone: with leaves that stay empty until the commit.
static void take_all(struct world *w, unsigned count)
{
	char subkey[16];
	world_begin(w, "a", "b", NULL);
	for (unsigned i = 0; i < count; i++) {
		snprintf(subkey, sizeof(subkey), "%06u", i);
		assert_ok(txn_del(w->txn, 0, text(subkey)));
		if (i == count / 2)
			assert_ok(txn_copy(w->txn, 0, 1));
	}
}

static void all_records_taken_and_put_back(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	fill_in_order(&w, 500);
	struct digest before = world_digest(&w);
	take_all(&w, 500);
	wherry_cursor cursor;
	wherry_span found, value;
	assert_ok(txn_seek(w.txn, 0, text(""), 1, &cursor));
	assert_int_equal(txn_next(&cursor, &found, &value), WHERRY_ENOKEY);
	assert_ok(txn_seek_rank(w.txn, 1, -1, -1, &cursor));
	for (unsigned i = 499; i > 250; i--) {
		char subkey[16];
		snprintf(subkey, sizeof(subkey), "%06u", i);
		assert_ok(txn_next(&cursor, &found, &value));
		assert_span(found, subkey);
	}
	assert_int_equal(txn_next(&cursor, &found, &value), WHERRY_ENOKEY);
	size_t mark = txn_mark(w.txn);
	assert_ok(txn_put(w.txn, 0, text("one"), text("more")));
	txn_rollback(w.txn, mark);
	world_undo(&w);
	struct digest after = world_digest(&w);
	assert_memory_equal(&after, &before, sizeof(after));
	world_close(&w);
}

static void all_records_taken_for_good(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	fill_in_order(&w, 500);
	take_all(&w, 500);
	world_commit(&w);
	struct txn_view view;
	world_begin(&w, "a", "b", NULL);
	assert_ok(txn_open(w.txn, 0, w.type, &view)); // the module says whether an empty one goes
	assert_int_equal(view.records, 0);
	assert_ok(txn_open(w.txn, 1, w.type, &view));
	assert_int_equal(view.records, 249);
	txn_unlock(w.txn);
	world_close(&w);
}

static void walk(wherry_cursor *cursor, const char *wanted)
{
	char seen[64] = "";
	wherry_span subkey, value;
	int status;
	while ((status = txn_next(cursor, &subkey, &value)) == WHERRY_OK)
		strncat(seen, subkey.ptr, subkey.len);
	assert_int_equal(status, WHERRY_ENOKEY);
	assert_string_equal(seen, wanted);
}

static void cursors_walk_both_ways(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	wherry_cursor cursor;
	world_begin(&w, "a", "none", NULL);
	assert_int_equal(txn_seek(w.txn, 1, text(""), 1, &cursor), WHERRY_ENOKEY);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("")));
	assert_ok(txn_seek(w.txn, 0, text(""), 1, &cursor));
	walk(&cursor, "");
	for (const char *c = "bdfh"; *c != 0; c++)
		assert_ok(txn_put(w.txn, 0, span_of(c, 1), text("v")));
	assert_ok(txn_seek(w.txn, 0, text(""), 1, &cursor));
	walk(&cursor, "bdfh");
	assert_ok(txn_seek(w.txn, 0, text("c"), 1, &cursor));
	walk(&cursor, "dfh");
	assert_ok(txn_seek(w.txn, 0, text("f"), -1, &cursor));
	walk(&cursor, "fdb");
	assert_ok(txn_seek(w.txn, 0, text(""), -1, &cursor));
	walk(&cursor, "hfdb");
	assert_ok(txn_seek_rank(w.txn, 0, 1, 1, &cursor));
	walk(&cursor, "dfh");
	assert_ok(txn_seek_rank(w.txn, 0, -1, -1, &cursor));
	walk(&cursor, "hfdb");
	assert_ok(txn_seek_rank(w.txn, 0, 4, 1, &cursor));
	walk(&cursor, "");
	assert_int_equal(txn_seek_rank(w.txn, 0, -2, 1, &cursor), WHERRY_EARG);
	world_commit(&w);
	world_close(&w);
}

static void cursors_are_stale_after_a_change(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	wherry_cursor cursor;
	wherry_span subkey, value;
	world_begin(&w, "a", "b", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("")));
	assert_ok(txn_put(w.txn, 0, text("s"), text("v")));
	assert_ok(txn_put(w.txn, 0, text("t"), text("v")));
	assert_ok(txn_seek(w.txn, 0, text(""), 1, &cursor));
	assert_ok(txn_put_head(w.txn, 1, w.type, text("another key is another matter")));
	assert_ok(txn_put_head(w.txn, 0, w.type, text("and so is the head, also one that needs more room")));
	assert_ok(txn_next(&cursor, &subkey, &value));
	assert_ok(txn_put(w.txn, 0, text("u"), text("v")));
	assert_int_equal(txn_next(&cursor, &subkey, &value), WHERRY_ESTALE);
	assert_ok(txn_seek(w.txn, 0, text(""), 1, &cursor));
	size_t mark = txn_mark(w.txn);
	assert_ok(txn_remove(w.txn, 0));
	assert_int_equal(txn_next(&cursor, &subkey, &value), WHERRY_ESTALE);
	txn_rollback(w.txn, mark);
	assert_int_equal(txn_next(&cursor, &subkey, &value), WHERRY_ESTALE);
	assert_ok(txn_seek(w.txn, 0, text(""), 1, &cursor));
	world_commit(&w);
	assert_int_equal(txn_next(&cursor, &subkey, &value), WHERRY_ESTALE);
	world_close(&w);
}

// --- labels ------------------------------------------------------------------------------------------------------

static wherry_span subkey_at(struct world *w, int64_t rank)
{
	wherry_cursor cursor;
	wherry_span subkey, value;
	assert_ok(txn_seek_rank(w->txn, 0, rank, 1, &cursor));
	assert_ok(txn_next(&cursor, &subkey, &value));
	return subkey;
}

static void expect_order(struct world *w, const char *wanted)
{
	char seen[5000] = "";
	size_t len = 0;
	wherry_cursor cursor;
	wherry_span subkey, value;
	assert_ok(txn_seek_rank(w->txn, 0, 0, 1, &cursor));
	while (txn_next(&cursor, &subkey, &value) == WHERRY_OK) {
		assert_int_equal(subkey.len, 8);
		seen[len++] = *(const char *)value.ptr;
	}
	assert_string_equal(seen, wanted);
}

static void a_list_grows_everywhere(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	wherry_span none = {0};
	world_begin(&w, "a", NULL);
	assert_int_equal(txn_put_between(w.txn, 0, none, none, text("c")), WHERRY_ENOKEY);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("")));
	assert_int_equal(txn_put_between(w.txn, 0, text("12345678"), none, text("c")), WHERRY_ENOKEY);
	assert_ok(txn_put_between(w.txn, 0, none, none, text("c")));
	assert_ok(txn_put_between(w.txn, 0, none, none, text("e")));
	assert_ok(txn_put_between(w.txn, 0, none, subkey_at(&w, 0), text("a")));
	assert_ok(txn_put_between(w.txn, 0, subkey_at(&w, 0), subkey_at(&w, 1), text("b")));
	assert_ok(txn_put_between(w.txn, 0, subkey_at(&w, 2), none, text("d")));
	assert_ok(txn_put_between(w.txn, 0, subkey_at(&w, -1), none, text("f")));
	expect_order(&w, "abcdef");
	assert_int_equal(txn_put_between(w.txn, 0, subkey_at(&w, 0), subkey_at(&w, 2), text("x")), WHERRY_EARG);
	assert_ok(txn_put(w.txn, 0, text("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), text("z")));
	assert_int_equal(txn_put_between(w.txn, 0, none, none, text("x")), WHERRY_EARG);
	world_commit(&w);
	world_close(&w);
}

// In one place again and again: the room between two labels is used up in some thirty steps.
static void labels_are_renewed_and_undone(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	wherry_span none = {0};
	char wanted[1100] = "a";
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("head")));
	assert_ok(txn_set_deadline(w.txn, 0, w.now_ms + 1000));
	assert_ok(txn_put_between(w.txn, 0, none, none, text("a")));
	assert_ok(txn_put_between(w.txn, 0, none, none, text("z")));
	world_commit(&w);
	for (unsigned i = 0; i < 300; i++) {
		world_begin(&w, "a", NULL);
		assert_ok(txn_put_between(w.txn, 0, subkey_at(&w, 0), subkey_at(&w, 1), text("x")));
		world_undo(&w);
		world_begin(&w, "a", NULL);
		assert_ok(txn_put_between(w.txn, 0, subkey_at(&w, 0), subkey_at(&w, 1), text("m")));
		if (i % 2 == 0)
			assert_ok(txn_del(w.txn, 0, subkey_at(&w, 1)));
		else
			strcat(wanted, "m");
		world_commit(&w);
	}
	strcat(wanted, "z");
	world_begin(&w, "a", NULL);
	expect_order(&w, wanted);
	struct txn_view view;
	assert_ok(txn_open(w.txn, 0, w.type, &view));
	assert_int_equal(view.deadline_ms, w.now_ms + 1000);
	txn_unlock(w.txn);
	world_close(&w);
}

static void labels_at_the_edge(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, true);
	wherry_span none = {0};
	uint64_t least = 0, most = UINT64_MAX;
	world_begin(&w, "a", NULL);
	assert_ok(txn_put_head(w.txn, 0, w.type, text("head")));
	assert_ok(txn_put(w.txn, 0, span_of(&least, 8), text("c")));
	assert_ok(txn_put_between(w.txn, 0, none, span_of(&least, 8), text("b"))); // renews all
	assert_ok(txn_put_between(w.txn, 0, none, subkey_at(&w, 0), text("a")));
	assert_ok(txn_put(w.txn, 0, span_of(&most, 8), text("y")));
	assert_ok(txn_put_between(w.txn, 0, span_of(&most, 8), none, text("z")));
	expect_order(&w, "abcyz");
	world_commit(&w);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_come_and_go),
	    cmocka_unit_test(many_records_undone_and_done),
	    cmocka_unit_test(all_records_taken_and_put_back),
	    cmocka_unit_test(all_records_taken_for_good),
	    cmocka_unit_test(cursors_walk_both_ways),
	    cmocka_unit_test(cursors_are_stale_after_a_change),
	    cmocka_unit_test(a_list_grows_everywhere),
	    cmocka_unit_test(labels_are_renewed_and_undone),
	    cmocka_unit_test(labels_at_the_edge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
