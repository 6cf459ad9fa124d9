// The prompt's words: what goes on in the next line, how a statement is split, what the cursor is at.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../clients/cli/prompt_words.h"

static void expect_words(const char *text, const char *const *wanted)
{
	struct words w;
	assert_false(words_open(text, strlen(text)));
	assert_null(words_split(text, strlen(text), &w));
	int count = 0;
	for (; wanted[count] != NULL; count++) {
		assert_true(count < w.count);
		assert_string_equal(w.at[count], wanted[count]);
	}
	assert_int_equal(w.count, count);
	words_free(&w);
}

#define EXPECT(text, ...) expect_words(text, (const char *const[]){__VA_ARGS__, NULL})

static void brackets_need_no_quotes(void **state)
{
	(void)state;
	EXPECT("kv.set a {\"x\": [1, \"it's }\"]} --nx", "kv.set", "a", "{\"x\": [1, \"it's }\"]}", "--nx");
	EXPECT("a {\n  \"x\":\t1\n}", "a", "{\n  \"x\":\t1\n}");
	EXPECT("[\"\\\"]\"] b", "[\"\\\"]\"]", "b");
	EXPECT("{} [] {''}", "{}", "[]", "{''}");
	// No value: a word like others.
	EXPECT("[a-z]* x{1} '{' \\[ \"[\"", "[a-z]*", "x{1}", "{", "[", "[");
	EXPECT("a # {\n b", "a", "b");
}

static void open_at_the_end(void **state)
{
	(void)state;
	const char *const open[] = {"{", "a [1, {\"x\": 2}", "a {\"}", "a 'b", "a \"b\\\"", "a \\", "a b\\", "a 'b\nc"};
	const char *const whole[] = {"", "a", "a # '{", "a 'b\nc'", "a \\\nb", "a }", "a ]", "a x{", "{}}", "a \\'"};
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		assert_true(words_open(open[i], strlen(open[i])));
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		assert_false(words_open(whole[i], strlen(whole[i])));
}

static struct spot spot_at_end(const char *text)
{
	struct spot spot;
	assert_true(spot_find(text, strlen(text), &spot));
	return spot;
}

static void expect_spot(const char *text, int done, const char *word, bool own, bool odd)
{
	struct spot spot = spot_at_end(text);
	assert_int_equal(spot.done.count, done);
	assert_int_equal(spot.len, strlen(word));
	assert_memory_equal(spot.at, word, spot.len);
	assert_int_equal(spot.own, own);
	assert_int_equal(spot.odd, odd);
	spot_free(&spot);
}

static void what_the_cursor_is_at(void **state)
{
	(void)state;
	expect_spot("", 0, "", false, false);
	expect_spot("kv.g", 0, "kv.g", false, false);
	expect_spot("kv.get ", 1, "", false, false);
	expect_spot("kv.get 'a b", 1, "a b", false, false);
	expect_spot("kv.set {\"a\": 1} x", 2, "x", false, false);
	expect_spot("kv.set a {\"b", 2, "{\"b", false, true);
	expect_spot("kv.get a # b", 2, "", false, true);
	expect_spot(" \\wa", 0, "\\wa", true, false);
	expect_spot("\\watch 1 kv", 2, "kv", true, false);
}

// What is not open can be split, whatever it is; and looking at it anywhere does no harm.
static void any_text(void **state)
{
	(void)state;
	static const char letters[] = "ab {}[]'\"\\#\n\t,:$`";
	char text[24];
	srand(1973);
	for (int round = 0; round < 200000; round++) {
		size_t len = (size_t)rand() % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
		char *exact = malloc(len > 0 ? len : 1); // so that a sanitizer sees a step too far
		assert_non_null(exact);
		memcpy(exact, text, len);
		struct words w;
		if (words_split(exact, len, &w) != NULL)
			assert_true(words_open(exact, len));
		else
			words_free(&w);
		struct spot spot;
		if (spot_find(exact, len, &spot))
			spot_free(&spot);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(brackets_need_no_quotes),
	    cmocka_unit_test(open_at_the_end),
	    cmocka_unit_test(what_the_cursor_is_at),
	    cmocka_unit_test(any_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
