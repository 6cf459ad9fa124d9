// Lines split into words: what the shell does is what the pipe and the prompt do.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "line.h"

enum { ROOM = 8 };

// Splits a copy that has exactly the room that is promised, so that a sanitizer sees any byte too many.
static int split_bytes(const char *text, size_t len, char out[256])
{
	char *words[ROOM], *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	int count = line_split(copy, len, words, ROOM);
	out[0] = 0;
	for (int i = 0; i < count; i++) {
		assert_true(words[i] >= copy && words[i] + strlen(words[i]) <= copy + len);
		size_t used = strlen(out);
		snprintf(out + used, 256 - used, "<%s>", words[i]);
	}
	free(copy);
	return count;
}

static void expect(const char *text, int count, const char *words)
{
	char out[256];
	assert_int_equal(split_bytes(text, strlen(text), out), count);
	assert_string_equal(out, words);
}

static void blanks_part_words(void **state)
{
	(void)state;
	expect("", 0, "");
	expect(" \t\r", 0, "");
	expect("a", 1, "<a>");
	expect("  kv.set\ta   1 \r", 3, "<kv.set><a><1>");
	expect("Glücksburg x", 2, "<Glücksburg><x>");
}

static void quotes_keep_words_together(void **state)
{
	(void)state;
	expect("'a b' \"c d\"", 2, "<a b><c d>");
	expect("''", 1, "<>");
	expect("a '' \"\"", 3, "<a><><>");
	expect("a'b 'c\" d\"", 1, "<ab c d>");
	expect("'\"' \"'\"", 2, "<\"><'>");
	expect("'\\n'", 1, "<\\n>");
	expect("'two\nlines'", 1, "<two\nlines>");
}

static void backslashes(void **state)
{
	(void)state;
	expect("a\\ b", 1, "<a b>");
	expect("\\'\\\"\\\\\\n", 1, "<'\"\\n>");
	expect("\"{\\\"a\\\": \\\"x\\ny\\\"}\"", 1, "<{\"a\": \"x\\ny\"}>");
	expect("\"\\$\\`\\\\\"", 1, "<$`\\>");
	expect("a\\\nb \\\n c", 2, "<ab><c>");
	expect("\"a\\\nb\"", 1, "<ab>");
	expect("\\#a", 1, "<#a>");
}

static void comments_begin_where_a_word_might(void **state)
{
	(void)state;
	expect("# kv.set a 1", 0, "");
	expect("a #b 'c", 1, "<a>");
	expect("a#b", 1, "<a#b>");
	expect("'#a' #", 1, "<#a>");
	expect("a # x\nb", 2, "<a><b>");
}

static void what_is_no_line_is_told(void **state)
{
	(void)state;
	expect("a 'b", LINE_OPEN_QUOTE, "");
	expect("a \"b", LINE_OPEN_QUOTE, "");
	expect("\"b\\", LINE_OPEN_QUOTE, "");
	expect("a \\", LINE_OPEN_BACKSLASH, "");
	expect("1 2 3 4 5 6 7 8", 8, "<1><2><3><4><5><6><7><8>");
	expect("1 2 3 4 5 6 7 8 9", LINE_MANY, "");
	char out[256];
	assert_int_equal(split_bytes("a\0b", 3, out), LINE_ZERO);
	for (int status = LINE_MANY; status < 0; status++)
		assert_true(strlen(line_split_error(status)) > 5);
}

// Whatever the bytes: it stays inside them, which split_bytes() asserts.
static void any_bytes(void **state)
{
	static const char letters[] = " \t\r\n'\"\\#ab$`";
	uint32_t random = 12345;
	(void)state;
	for (int round = 0; round < 200000; round++) {
		char text[24], out[256];
		size_t len = 0;
		for (; len < sizeof(text); len++) {
			random = random * 1664525 + 1013904223;
			if (random >> 28 == 0)
				break;
			text[len] = letters[(random >> 16) % (sizeof(letters) - 1)];
		}
		int count = split_bytes(text, len, out);
		assert_in_range(count + 4, 0, ROOM + 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blanks_part_words),
	    cmocka_unit_test(quotes_keep_words_together),
	    cmocka_unit_test(backslashes),
	    cmocka_unit_test(comments_begin_where_a_word_might),
	    cmocka_unit_test(what_is_no_line_is_told),
	    cmocka_unit_test(any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
